"""Which message may be sent next: order, claims and retries, in memory, rebuilt from the store at any time.

One queue per pair (contact, service number), conversation and started messages apart. Only the head of a queue may be
claimed, and it stays the head until it is answered; so replies to one person never overtake each other, not even
through retries. Control replies go before everything that is not claimed. Every message that was not claimed by the
turn that made it is in the store's queue too, and a pair's later messages are loaded in pages, so memory does not grow
with a backlog.

No I/O and no clock here; the turn that calls this commits what it says, or has it rebuilt.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from bridge.delivery import Flight, divide_anew, unaccepted_parts
from smppcore.text import encode_message

if TYPE_CHECKING:
    from bridge.config import LinkConfig
    from bridge.limits import Gate
    from bridge.records import Mt
    from smppcore.text import Encoded, TextProfile

Pair = tuple[str, str, bool]
"""(contact, service number, started by us)."""
PAGE = 10_000
"""Queued messages of one link that are held in memory, at most about twice this."""


_ALL_LOADED = [None, None, None]
_NOTHING = [0, 0]
_COALESCE = 0.01
"""Seconds between two turns that only wait for a rate, or for the time of a retry."""
_MARGIN = 1e-6
"""Seconds that are waited longer: of seconds since the epoch, a float has only a quarter of a microsecond."""
_STARTED = 2


@dataclass(slots=True)
class LinkQueue:
    """What waits for one link."""

    config: LinkConfig
    limits: Gate
    texts: TextProfile
    max_age: float
    """Seconds after which a message is too old to be sent."""
    capacity: int = 0
    """window × sessions that can send now; 0 while none is bound."""
    in_air: int = 0
    """Parts claimed and not answered."""
    fixed_addressing: tuple[int, int, int, int] | None = None
    """source_ton, source_npi, dest_ton, dest_npi as the link sets them, -1 for as the MO had it; None if it sets none.
    """
    gate: Gate | None = None
    """The limits, while anything is limited; None costs nothing."""
    ready: deque[Mt] = field(default_factory=deque)
    """Replies, heads of their pairs, that could go at once."""
    started: deque[Mt] = field(default_factory=deque)
    """The same of messages that we start; they go after the replies."""
    retries: list[tuple[float, int, Mt, bool]] = field(default_factory=list)
    """A heap of heads that may not go before a time: (when, id, message, whether it goes before others then)."""
    held: list[int] = field(default_factory=lambda: [0, 0])
    """Messages of this link in memory that are not claimed: replies, started ones."""
    unloaded: list[int | None] = field(default_factory=lambda: [None, None, None])
    """By class (control, conversation, started): the store has queued messages behind this id that are not in memory;
    None if all are. Control replies are always in memory."""

    def __post_init__(self) -> None:
        self.gate = self.limits if self.limits.shut else None

    @property
    def loaded(self) -> int:
        """How many messages of this link are in memory and not claimed."""
        return sum(self.held)

    @property
    def room(self) -> int:
        """How many parts may be claimed now as far as the window goes."""
        return max(self.capacity - self.in_air, 0)

    def fits(self, mt: Mt, now: float) -> bool:
        """Return whether a message may be claimed now; one longer than the window goes when nothing is in the air."""
        room = self.capacity - self.in_air
        return (room >= mt.parts or (room > 0 and self.in_air == 0)) and (
            self.gate is None or self.gate.admits(mt, now)
        )

    def answered(self, answers: int, throttled: int, congestion: int | None, now: float) -> None:
        """Take note of a batch of answers, for the rate that the carrier allows."""
        carrier = self.limits.carrier
        carrier.answered(answers, throttled, self.in_air, now)
        if congestion is not None:
            carrier.congested(congestion, self.in_air, now)
        self.gate = self.limits if self.limits.shut else None

    def wants_page(self, kind: int) -> bool:
        """Return whether more of a class is to be loaded from the store."""
        return self.unloaded[kind] is not None and self.held[kind == _STARTED] < PAGE

    def pages_out(self, mt: Mt) -> bool:
        """Return whether a new message stays in the store for now, as too many wait already; never a control reply."""
        if self.held == _NOTHING and self.unloaded == _ALL_LOADED:
            return False
        kind = class_of(mt)
        if not kind:
            return False
        if self.unloaded[kind] is None and self.held[kind == _STARTED] >= PAGE:
            self.unloaded[kind] = mt.id - 1
        return self.unloaded[kind] is not None

    def reply_addressing(self, addressing: bytes) -> bytes:
        """Return the TON and NPI octets of a reply: the MO's, swapped, unless the link sets them."""
        swapped = addressing[2:4] + addressing[0:2]
        if self.fixed_addressing is None:
            return swapped
        return bytes(own if given < 0 else given for own, given in zip(swapped, self.fixed_addressing, strict=True))


def pair_of(mt: Mt) -> Pair:
    """Return the queue that a message belongs to."""
    return mt.contact, mt.number, not mt.mo


def _open_parts(mt: Mt) -> tuple[list[int], int]:
    """Return the parts still to be sent, and a bit for each."""
    todo = unaccepted_parts(mt)
    return todo, sum(1 << part for part in todo)


def class_of(mt: Mt) -> int:
    """Return the class that orders the store's queue: 0 control, 1 conversation, 2 started."""
    return 0 if mt.control else 1 if mt.mo else 2


class Outbox:
    """The order of everything that is to be sent; owned by the committer's turn."""

    def __init__(self, links: dict[str, LinkQueue]) -> None:
        self.links = links
        self.flights: dict[int, Flight] = {}
        """Claimed and not answered, by message id; changed only when a turn is committed."""
        self._pairs: dict[Pair, list[Mt]] = {}

    def clear(self) -> None:
        """Forget everything but the flights: what follows loads it from the store."""
        self._pairs.clear()
        for queue in self.links.values():
            queue.retries.clear()
            queue.ready.clear()
            queue.started.clear()
            queue.limits.forget_waiting()
            queue.held = [0, 0]
            queue.unloaded = [0, 0, 0]
            queue.in_air = 0
        for flight in self.flights.values():
            self._pairs.setdefault(pair_of(flight.mt), []).insert(0, flight.mt)
            self.links[flight.mt.link].in_air += flight.claimed

    def admit(self, mt: Mt, encoded: Encoded, now: float) -> Flight | None:
        """Take in a new message.

        Returns:
            Its claim if it may be sent at once; None if it has to wait, then the store's queue must hold it.
        """
        queue = self.links[mt.link]
        pair = mt.contact, mt.number, not mt.mo
        if pair not in self._pairs and queue.held == _NOTHING and queue.unloaded == _ALL_LOADED and queue.fits(mt, now):
            self._pairs[pair] = [mt]
            return self.claim(mt, now, encoded, queued=False)
        if not queue.pages_out(mt) and self.add(mt, now):
            return self.claim(mt, now, encoded, queued=False)
        return None

    def add(self, mt: Mt, now: float) -> bool:
        """Take in a message that is not claimed: a new one, or one loaded from the store.

        Returns:
            Whether it may be claimed at once; then the caller calls claim(). Otherwise the store's queue must hold it.
        """
        queue = self.links[mt.link]
        pair = pair_of(mt)
        waiting = self._pairs.get(pair)
        if waiting is None:
            self._pairs[pair] = [mt]
            if mt.next_try > now:
                queue.held[not mt.mo] += 1
                heapq.heappush(queue.retries, (mt.next_try, mt.id, mt, False))
                return False
            if not queue.ready and (mt.mo or not queue.started) and queue.fits(mt, now):
                return True
            self._make_ready(queue, mt)
        elif mt.control:
            at = 0
            while at < len(waiting) and (waiting[at].claim or waiting[at].control):
                at += 1
            waiting.insert(at, mt)
            if at == 0:
                self._make_ready(queue, mt)
        else:
            waiting.append(mt)
        queue.held[not mt.mo] += 1
        return False

    @staticmethod
    def _make_ready(queue: LinkQueue, mt: Mt, *, first: bool = False) -> None:
        lane = queue.ready if mt.mo else queue.started
        if first or mt.control:
            lane.appendleft(mt)
        else:
            lane.append(mt)

    def claim(self, mt: Mt, now: float, encoded: Encoded | None = None, *, queued: bool = True) -> Flight:
        """Claim a message for sending: it counts against window and rate from here on.

        The flight joins `flights` when the turn is committed.

        Args:
            mt: A message for which add() said yes, or that candidates() gave.
            now: Seconds since the epoch.
            encoded: Its text encoded for the link, if the caller has it already.
            queued: Whether the store's queue holds it.
        """
        queue = self.links[mt.link]
        if encoded is None:
            encoded = encode_message(mt.text, queue.texts)
            if len(encoded.parts) != mt.parts:
                divide_anew(mt, len(encoded.parts))
        todo, mask = ([0], 1) if mt.parts == 1 else _open_parts(mt)
        mt.state = "sent"
        mt.attempts += 1
        mt.claim = now
        mt.next_try = 0.0
        queue.in_air += len(todo)
        if queue.gate is not None:
            queue.gate.spend(mt, len(todo), now)
        return Flight(mt, encoded, todo, mask, len(todo), queued)

    def find(self, row: Mt) -> Mt:
        """Return the object in memory for a row just loaded; the row itself if there is none."""
        flight = self.flights.get(row.id)
        if flight is not None:
            return flight.mt
        for mt in self._pairs.get(pair_of(row), ()):
            if mt.id == row.id:
                return mt
        return row

    def load(self, mt: Mt, now: float) -> None:
        """Take in a message that the store's queue holds."""
        queue = self.links[mt.link]
        if mt.next_try > now + queue.config.retry.max:
            mt.next_try = now  # the clock has been set back since
        if self.add(mt, now):
            queue.held[not mt.mo] += 1
            self._make_ready(queue, mt)

    def join(self, mt: Mt, now: float) -> None:
        """Take in a message whose time has come: it joins the store's queue with this turn, behind what waits."""
        queue = self.links[mt.link]
        kind = class_of(mt)
        unloaded = queue.unloaded[kind]
        if unloaded is None and queue.held[kind == _STARTED] < PAGE:
            self.load(mt, now)
        else:
            queue.unloaded[kind] = mt.id - 1 if unloaded is None else min(unloaded, mt.id - 1)

    def candidates(self, queue: LinkQueue, now: float, *, started: bool = True) -> list[Mt]:
        """Return heads that may be claimed now, in order; the caller claims or drops each, and asks again.

        Args:
            queue: Of the link.
            now: Seconds since the epoch.
            started: Whether messages that we start may go too.

        Without limits as many as fit, with limits one: the next is judged when that one is counted.
        """
        gate = queue.gate
        if gate is not None:
            for mt in gate.called(now):
                self._make_ready(queue, mt, first=True)
        heads: list[Mt] = []
        taken: set[int] = set()
        room = queue.room
        for lane in (queue.ready, queue.started) if started else (queue.ready,):
            while lane and room > 0:
                mt = lane[0]
                waiting = self._pairs.get(pair_of(mt))
                # A head that a control reply has overtaken is made ready again when that is gone, and may be here
                # twice.
                if not waiting or waiting[0] is not mt or mt.claim or mt.next_try > now or mt.id in taken:
                    lane.popleft()
                    continue
                if mt.parts > room and (heads or queue.in_air):
                    return heads
                if gate is not None and not gate.admits(mt, now):
                    if not gate.open_for(mt, now):
                        break
                    lane.popleft()
                    gate.put_aside(mt, now)
                    continue
                lane.popleft()
                queue.held[not mt.mo] -= 1
                room -= mt.parts
                heads.append(mt)
                taken.add(mt.id)
                if gate is not None:
                    return heads
        return heads

    def leave(self, mt: Mt, now: float) -> None:
        """Take a message out of its pair's queue: it was accepted, held or finished; the next one may go."""
        pair = pair_of(mt)
        waiting = self._pairs.get(pair)
        if waiting is None:
            return
        if len(waiting) == 1:
            if waiting[0] is mt:
                del self._pairs[pair]
            return
        was_head = waiting[0] is mt
        if mt in waiting:
            waiting.remove(mt)
        head = waiting[0]
        if was_head and not head.claim:
            queue = self.links[head.link]
            if head.next_try <= now:
                self._make_ready(queue, head)
            else:
                heapq.heappush(queue.retries, (head.next_try, head.id, head, False))

    def settle(self, mt: Mt, now: float) -> None:
        """Take out a message that waits: a late answer or a receipt has said what became of it."""
        if any(waiting is mt for waiting in self._pairs.get(pair_of(mt), ())):
            self.links[mt.link].held[not mt.mo] -= 1
            self.leave(mt, now)

    def retry(self, mt: Mt, at: float, *, first: bool = False) -> None:
        """Keep a message as the head of its pair and try it again at this time.

        Args:
            mt: The message.
            at: Seconds since the epoch.
            first: Whether it goes before other pairs' messages then: it had its turn.
        """
        mt.claim = 0.0
        mt.next_try = at
        queue = self.links[mt.link]
        queue.held[not mt.mo] += 1
        heapq.heappush(queue.retries, (at, mt.id, mt, first))

    def release_due(self, now: float) -> None:
        """Make every message ready whose time to be tried again has come."""
        for queue in self.links.values():
            while queue.retries and queue.retries[0][0] <= now:
                _, _, mt, first = heapq.heappop(queue.retries)
                waiting = self._pairs.get(pair_of(mt))
                if waiting and waiting[0] is mt and not mt.claim:
                    self._make_ready(queue, mt, first=first)

    def next_due(self, now: float, *, claiming: bool = True) -> float:
        """Return when something can be done that cannot be now: a retry, a limit, a page; inf if nothing.

        Args:
            now: Seconds since the epoch.
            claiming: Whether a turn would claim anything.
        """
        due = float("inf")
        for queue in self.links.values():
            if queue.unloaded != _ALL_LOADED and any(map(queue.wants_page, range(3))):
                return now
            gate, room = queue.gate, queue.room
            if not room:
                continue  # the answer that makes room brings a turn along
            if queue.retries:
                at = queue.retries[0][0]
                # At full speed many are due soon after one another, and each turn is a commit.
                due = min(due, ceil(at / _COALESCE) * _COALESCE if gate is None else at)
            if not claiming or gate is None:
                continue
            at = gate.next_call()
            for lane in (queue.ready, queue.started):
                if lane and (room >= lane[0].parts or not queue.in_air):
                    at = min(at, gate.next_at(lane[0], now))
            # A turn of its own for each token would be a commit for each message.
            due = min(due, max(at + _MARGIN, now + _COALESCE))
        return due
