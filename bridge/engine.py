"""The engine: what an earlier process left is taken up, then each turn is run on the state and the store.

If a turn is not committed, the next one begins with the memory rebuilt from the store. Nothing here touches a socket,
reads a clock or starts a thread: the committer calls it.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from bridge.state import State
from bridge.store import StoreError
from bridge.turn import TurnWork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.config import LinkConfig
    from bridge.events import Effects, Event
    from bridge.hooks import Listener
    from bridge.rules import Ruleset
    from bridge.store import Store, Turn

NEARLY_FULL = 0.95
"""From this share of [store] max_size on, texts are refused and nothing new is claimed, so that what is open can still
be settled."""
RETRY_SECONDS = 1.0
"""Between two attempts to write what a failed commit left behind."""


class Engine(State):
    """The state with the turns that change it.

    Args:
        store: Open for writing.
        rules: To decide by.
        links: The configured links.
        now: Seconds since the epoch.
        listening: Webhooks that want to be told of what happens.
        retain: Seconds that messages are kept, 0.0 for ever.
    """

    def __init__(
        self,
        store: Store,
        rules: Ruleset,
        links: Sequence[LinkConfig],
        now: float,
        listening: Sequence[Listener] = (),
        *,
        retain: float = 0.0,
    ) -> None:
        super().__init__(store, rules, links, now, retain)
        self.listening = listening
        self.used_share = store.used_share()
        """How much of its maximum size the store uses, 0.0 … 1.0, as of the last turn."""
        self._stale = False
        """A turn was not committed, or links have changed, so the memory may say what the store does not."""
        self._known = set(self.group_links)
        """Carriers of which is known what they may deliver again."""
        self._full = False
        """The last turn took no texts and claimed nothing, for want of room."""

    def start(self, now: float) -> Effects:
        """Take up what an earlier process left: in-doubt claims, the queue, redeliveries to expect.

        Raises:
            StoreError: The store cannot be read or written.
        """
        with self.store.turn() as turn:
            self.recall(turn, now)
            self._expect_again(turn, self.group_links)
            work = TurnWork(self, turn, now, refuse_texts=False)
            work.recover()
            effects = work.run(())
            self._committed(work)
        return effects

    def _expect_again(self, turn: Turn, groups: Iterable[str]) -> None:
        """Expect again what came last, before this process or under another configuration, from these carriers."""
        for group in groups:
            links = self.group_links[group]
            timeout = max(self.outbox.links[name].config.response_timeout for name in links)
            since = min(self.position.time - timeout, self.position.expected.get(group, inf))
            self.redelivery[group].connection_ended(("", 0.0), since, turn.recent_mos(links, since, 1_000_000))

    def turn(self, events: Sequence[Event], now: float) -> Effects:
        """Decide and commit these events; runs in a worker thread.

        Raises:
            StoreError: Nothing was committed. Arrivals must be refused; everything else is to be given again.
        """
        self.used_share = self.store.used_share()
        full = self.used_share >= NEARLY_FULL
        with self.store.turn() as turn:
            if self._stale:
                self.recall(turn, now)
                self._expect_again(turn, self.group_links.keys() - self._known)
                self._known = set(self.group_links)
            self._stale = True
            work = TurnWork(self, turn, now, refuse_texts=full)
            try:
                effects = work.run(events)
            except StoreError:
                work.undo(events)
                raise
            self._committed(work)
        for event in effects.configured:
            self.configure(event.link, event.config, now)
        self._stale = bool(effects.configured)
        self._full = full
        effects.full = full
        effects.commit_seconds = self.store.commit_seconds
        return effects

    def _committed(self, work: TurnWork) -> None:
        """Take over what is on the disk now."""
        flights, births = self.outbox.flights, self.births
        # Refused and claimed anew by one turn: such a claim keeps its place in the order of births.
        anew = {f.mt.id for f in work.effects.flights if f.mt.id < work.desk.first_id and not f.queued}
        for flight in work.desk.landed:
            del flights[flight.mt.id]
            if flight.mt.id not in anew:
                births.pop(flight.mt.id, None)
        for flight in work.effects.flights:
            flights[flight.mt.id] = flight
            if not flight.queued:
                births[flight.mt.id] = None
        self.position = work.changes.position
        self.counters.committed(work.changes.counters)
        self.figures.committed()

    def next_due(self, now: float) -> float:
        """Return when a turn has something to do without any event, in seconds since the epoch."""
        if self._stale:
            return now + RETRY_SECONDS
        outbox = self.outbox.next_due(now, claiming=not self._full)
        return min(outbox, self.calendar.next(), self.assemblies.next_due())
