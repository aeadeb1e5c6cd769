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

from bridge.events import (
    Arrivals,
    Asked,
    CapacityChanged,
    Effects,
    HooksRecalled,
    HooksRevived,
    HooksSettled,
    LinkChanged,
    LinkConfigured,
    Outcomes,
    Returned,
    RulesChanged,
    SessionBound,
    SessionLost,
    Withdrawn,
)
from bridge.intake import PATIENCE, divide
from bridge.store import StoreError, StoreFull
from smppcore import constants
from smppcore.pdu import response_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.engine import Engine
    from bridge.events import Event
    from bridge.rules import Request


_TO_BE_KEPT = (
    RulesChanged,
    Returned,
    Outcomes,
    Withdrawn,
    SessionLost,
    SessionBound,
    CapacityChanged,
    LinkConfigured,
    HooksRecalled,
    HooksRevived,
    HooksSettled,
)
"""Events that nobody gives again when a turn was not committed."""


def _link_of(event: Event) -> str:
    if isinstance(event, Arrivals | CapacityChanged | Outcomes | SessionBound | SessionLost):
        return event.link
    if isinstance(event, LinkChanged):
        return event.row.name
    return event.flights[0].mt.link if isinstance(event, Withdrawn) and event.flights else ""


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
        self._held: list[Arrivals] = []
        """Arrivals that wait for room."""
        self._failure = ""
        """What the store said when the last turn failed, "" if it did not."""
        self._full = False
        self._turning = False
        """A turn is on its way: what it claims is not known yet."""
        self._in_turn: Sequence[Event] = ()
        """What that turn was given."""
        self._arrived = trio.Event()
        self._turned = trio.Event()
        self._asking: dict[Asked, trio.Event] = {}
        self._answers: dict[Asked, str] = {}

    @property
    def failure(self) -> str:
        """Why the last turn could not be committed, "" if it was."""
        return self._failure

    def put(self, event: Event) -> None:
        """Give one event to the next turn; never blocks."""
        self._waiting.append(event)
        self._arrived.set()

    async def ask(self, contact: str, brand: str, request: Request) -> str:
        """Have something done about a conversation; return why it was refused, "" once it is committed."""
        asked = Asked(contact, brand, request)
        done = trio.Event()
        self._asking[asked] = done
        try:
            self.put(asked)
            await done.wait()
            return self._answers.pop(asked)
        finally:
            del self._asking[asked]

    async def run(self) -> None:
        """Do turn after turn until cancelled; a turn that has begun is always finished."""
        while True:
            await self._until_due()
            now = self._clock()
            events, held = divide([*self._kept, *self._held, *self._waiting], self.engine.outbox.links, now)
            came = bool(self._waiting)
            self._waiting, self._held = [], held
            self._arrived = trio.Event()
            if came and not events and self.engine.next_due(now) > now:
                continue  # all that came waits for room: a turn would commit nothing
            self._turning, self._in_turn = True, events
            try:
                effects = await trio.to_thread.run_sync(self.engine.turn, events, now)
            except StoreError as exc:
                self._refuse(events, exc)
            else:
                self._kept = []
                self._note_recovery(effects)
                effects.seconds = self._clock() - now
                effects.events = events
                self._answer(effects)
                self._hand_out(effects)
            self._turning, self._in_turn = False, ()
            self._turned.set()
            self._turned = trio.Event()

    async def drained(self) -> None:
        """Wait until every event is committed and every claim has its outcome; the caller bounds the time."""
        while self._waiting or self._held or self._turning or self._kept or self.engine.outbox.flights:
            await self._turned.wait()

    async def settled(self, link: str, *, texts: bool = True) -> None:
        """Wait until every event of a link is committed and every claim of it has its outcome.

        Args:
            link: Its name.
            texts: Also what it brings, of which there may always be more until it is unbound.
        """
        while self.in_the_air(link) or self._brought(link, texts=texts):
            await self._turned.wait()

    def in_the_air(self, link: str) -> int:
        """Return how many messages of a link are claimed and have no outcome."""
        # A copy: the turn in the other thread changes it.
        return sum(flight.mt.link == link for flight in tuple(self.engine.outbox.flights.values()))

    def _brought(self, link: str, *, texts: bool) -> bool:
        return any(
            _link_of(event) == link and (texts or not isinstance(event, Arrivals))
            for event in (*self._in_turn, *self._kept, *self._held, *self._waiting)
        )

    async def turn(self) -> None:
        """Wait for the end of a turn, one that succeeds or fails; if nothing waits, one is done all the same."""
        self._arrived.set()
        await self._turned.wait()

    async def _until_due(self) -> None:
        if self._waiting:
            return
        now = self._clock()
        due = self.engine.next_due(now)
        if self._held:
            due = min(due, self._held[0].time + PATIENCE)
        with trio.move_on_after(max(0.0, due - now)):
            await self._arrived.wait()

    def _note_recovery(self, effects: Effects) -> None:
        """Say once that the store fails no longer, that it is nearly full, and that it no longer is."""
        if self._failure:
            self._failure = ""
            effects.incidents.append("the store works again")
        if effects.full != self._full:
            self._full = effects.full
            effects.incidents.append(
                "the store is nearly full: texts are refused and nothing new is sent; raise [store] max_size"
                if effects.full
                else "the store is no longer nearly full"
            )

    def _refuse(self, events: Sequence[Event], error: StoreError) -> None:
        """Answer what can come again with a temporary error; keep the rest for the next turn."""
        effects = Effects(full=isinstance(error, StoreFull))
        if self._failure != str(error):
            # Once, not for each of hundreds of turns per second: the log may be on the same disk.
            self._failure = str(error)
            effects.incidents.append(f"{error}; texts are refused until it works again")
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
            elif isinstance(event, Asked):
                effects.answers.append((event, str(error)))
            elif isinstance(event, _TO_BE_KEPT):
                self._kept.append(event)
        self._kept.extend(links.values())
        self._answer(effects)
        self._hand_out(effects)

    def _answer(self, effects: Effects) -> None:
        for asked, why in effects.answers:
            # Who asked may have given up meanwhile.
            if asked in self._asking:
                self._answers[asked] = why
                self._asking[asked].set()
