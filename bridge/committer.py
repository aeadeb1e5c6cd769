"""The one task that changes state: it takes what waits, has it decided and committed, and hands out the effects.

Each turn is begun, filled and committed in one hop to a worker thread, so the event loop never waits for the disk.
Whatever arrives meanwhile is the next turn: the batch grows with the load. A failed commit loses nothing: requests are
answered ESME_RX_T_APPN (the SMSC keeps them), and outcomes wait here until they can be written; no new message is
claimed before that.

The queue of events is bounded by what the sessions let in: `receive_window` un-answered requests and `window` outcomes
each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from bridge.analytics import HOUR, Counters
from bridge.assembly import unpack_assembly, unpack_key
from bridge.events import (
    Arrivals,
    CapacityChanged,
    Effects,
    LinkChanged,
    Outcomes,
    SessionBound,
    SessionLost,
    Withdrawn,
)
from bridge.outbox import LinkQueue, Outbox
from bridge.redelivery import Redelivery
from bridge.store import StoreError, StoreFull
from bridge.turn import TurnWork
from smppcore import constants
from smppcore.pdu import response_to
from smppcore.text import Alphabet
from smppcore.throttle import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.assembly import Assembly, AssemblyKey
    from bridge.config import LinkConfig
    from bridge.events import Event
    from bridge.rules import Ruleset
    from bridge.store import Store, Turn

NEARLY_FULL = 0.95
"""From this share of [store] max_size on, texts are refused and nothing new is claimed, so that what is open can still
be settled."""
RETRY_SECONDS = 1.0
"""Between two attempts to write what a failed commit left behind."""


def _queue_of(link: LinkConfig, now: float) -> LinkQueue:
    rate = min((r for r in (link.rate, link.limits.per_second) if r), default=0.0)
    fixed = (link.source_ton, link.source_npi, link.dest_ton, link.dest_npi)
    return LinkQueue(
        link,
        # A tenth of a second's worth may go at once: more would exceed a carrier's limit that counts in short
        # intervals.
        TokenBucket(rate, max(1.0, rate / 10), now) if rate else None,
        Alphabet[link.charset.upper()],
        link.max_age,
        fixed_addressing=None if fixed == (-1, -1, -1, -1) else fixed,
    )


class Engine:
    """Everything the turns share; touched by one turn at a time and by nothing else.

    Args:
        store: Open for writing.
        rules: To decide by.
        links: The configured links.
        now: Seconds since the epoch.
    """

    def __init__(self, store: Store, rules: Ruleset, links: Sequence[LinkConfig], now: float) -> None:
        self.store = store
        self.rules = rules
        self.position = store.position
        self.outbox = Outbox({link.name: _queue_of(link, now) for link in links})
        groups = {link.group for link in links}
        self.group_links = {g: frozenset(link.name for link in links if link.group == g) for g in groups}
        self.redelivery = {
            g: Redelivery(max(link.redelivery_window for link in links if link.group == g)) for g in groups
        }
        self.assemblies: dict[AssemblyKey, Assembly] = {}
        self.counters = Counters({})
        self.births: dict[int, None] = {}
        """Claims made by the very turn that made the message, un-answered, in ascending order."""
        self.parked_check = 0.0
        self._stale = False
        """A turn was not committed, so the memory may say what the store does not."""
        self._full = False
        """The last turn took no texts and claimed nothing, for want of room."""

    def start(self, now: float) -> Effects:
        """Take up what an earlier process left: in-doubt claims, the queue, redeliveries to expect.

        Raises:
            StoreError: The store cannot be read or written.
        """
        with self.store.turn() as turn:
            self.counters = Counters(turn.counters(int(now) // HOUR))
            self._recall(turn)
            for group, links in self.group_links.items():
                timeout = max(self.outbox.links[name].config.response_timeout for name in links)
                since = self.position.time - timeout
                self.redelivery[group].connection_ended(("", 0.0), turn.recent_mos(links, since, 1_000_000))
            work = TurnWork(self, turn, now, refuse_texts=False)
            work.recover()
            effects = work.run(())
            self._committed(work)
        return effects

    def turn(self, events: Sequence[Event], now: float) -> Effects:
        """Decide and commit these events; runs in a worker thread.

        Raises:
            StoreError: Nothing was committed. Arrivals must be refused; everything else is to be given again.
        """
        full = self.store.used_share() >= NEARLY_FULL
        with self.store.turn() as turn:
            if self._stale:
                self._recall(turn)
            self._stale = True
            work = TurnWork(self, turn, now, refuse_texts=full)
            try:
                effects = work.run(events)
            except StoreError:
                work.undo(events)
                raise
            self._committed(work)
        self._stale = False
        self._full = full
        effects.full = full
        return effects

    def _committed(self, work: TurnWork) -> None:
        """Take over what is on the disk now."""
        flights = self.outbox.flights
        for flight in work.landed:
            del flights[flight.mt.id]
            self.births.pop(flight.mt.id, None)
        for flight in work.effects.flights:
            flights[flight.mt.id] = flight
            if not flight.queued:
                self.births[flight.mt.id] = None
        self.position = work.changes.position
        self.counters.committed(work.changes.counters)

    def _recall(self, turn: Turn) -> None:
        """Make the memory say what the store says."""
        flights = self.outbox.flights
        for row in turn.mts(list(flights)):
            if row is not None:
                flights[row.id].mt = row
        self.outbox.clear()
        self.assemblies = {unpack_key(key): unpack_assembly(data) for key, data in turn.assemblies()}

    def next_due(self, now: float) -> float:
        """Return when a turn has something to do without any event, in seconds since the epoch."""
        if self._stale:
            return now + RETRY_SECONDS
        due = self.outbox.next_due(now, claiming=not self._full)
        for assembly in self.assemblies.values():
            queue = self.outbox.links.get(assembly.link)
            if queue is not None:
                due = min(due, assembly.started + queue.config.assemble_timeout)
        return due


class Committer:
    """The task around the engine.

    Args:
        engine: Started.
        hand_out: Called in the event loop with what each committed turn sets free.
        clock: Seconds since the epoch, never going backwards.
    """

    def __init__(self, engine: Engine, hand_out: Callable[[Effects], None], clock: Callable[[], float]) -> None:
        self.engine = engine
        self._hand_out = hand_out
        self._clock = clock
        self._waiting: list[Event] = []
        self._kept: list[Event] = []
        self._arrived = trio.Event()
        self._turned = trio.Event()

    def put(self, event: Event) -> None:
        """Give one event to the next turn; never blocks."""
        self._waiting.append(event)
        self._arrived.set()

    async def run(self) -> None:
        """Do turn after turn until cancelled; a turn that has begun is always finished."""
        while True:
            await self._until_due()
            events, self._waiting = self._kept + self._waiting, []
            self._arrived = trio.Event()
            now = self._clock()
            try:
                effects = await trio.to_thread.run_sync(self.engine.turn, events, now)
            except StoreError as exc:
                self._refuse(events, exc)
            else:
                self._kept = []
                self._hand_out(effects)
            self._turned.set()
            self._turned = trio.Event()

    async def drained(self) -> None:
        """Wait until every event is committed and every claim has its outcome; the caller bounds the time."""
        while self._waiting or self._kept or self.engine.outbox.flights:
            await self._turned.wait()

    async def _until_due(self) -> None:
        if self._waiting:
            return
        now = self._clock()
        due = self.engine.next_due(now)
        with trio.move_on_after(max(0.0, due - now)):
            await self._arrived.wait()

    def _refuse(self, events: Sequence[Event], error: StoreError) -> None:
        """Answer what can come again with a temporary error; keep the rest for the next turn."""
        effects = Effects(full=isinstance(error, StoreFull), incidents=[str(error)])
        links: dict[str, LinkChanged] = {}
        self._kept = []
        for event in events:
            if isinstance(event, Arrivals):
                refusals = [response_to(pdu, constants.ESME_RX_T_APPN) for pdu in event.pdus]
                effects.responses.append((event.connection, refusals))
                effects.tally[event.link, "mo.refused"] = effects.tally.get((event.link, "mo.refused"), 0) + len(
                    refusals
                )
            elif isinstance(event, LinkChanged):
                links[event.row.name] = event
            elif isinstance(event, Outcomes | Withdrawn | SessionLost | SessionBound | CapacityChanged):
                self._kept.append(event)
        self._kept.extend(links.values())
        self._hand_out(effects)
