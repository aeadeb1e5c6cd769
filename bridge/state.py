"""What the turns share: everything that the bridge keeps in memory between two of them.

All of it is also in the store, or can be made from it again: `recall` does that after a turn that was not committed.
Touched by one turn at a time and by nothing else. No decisions here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.analytics import Counters, Figures, Peaks
from bridge.assembly import Assemblies
from bridge.limits import Gate
from bridge.outbox import LinkQueue, Outbox
from bridge.redelivery import Redelivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import LinkConfig
    from bridge.hooks import Listener
    from bridge.rules import Ruleset
    from bridge.store import IdKey, Store, Turn


@dataclass(slots=True)
class Calendar:
    """When each kind of upkeep (`bridge.upkeep`) has something to do next; 0.0: at once, inf: nothing is known."""

    walk: float = 0.0
    """The mark may go on."""
    due: float = 0.0
    """The first entry of the table `due`."""
    parked: float = 0.0
    """The next page of receipts that wait for their message."""
    parked_after: IdKey | None = None
    """Where that page begins."""
    queue: float = 0.0
    """The oldest message that waits to be sent is too old."""
    wake: float = 0.0
    """The first conversation to be woken."""
    later: float = 0.0
    """The first message that was put off."""
    retention: float = 0.0
    """Messages may be old enough to lose their words."""
    inputs_after: bytes = b""
    """Where the walk over the table `input` goes on."""
    dead_after: bytes = b""
    """Where the walk over the table `dead` goes on."""
    jobs_after: bytes = b""
    """Where the walk over the table `job` goes on."""
    walks: dict[str, float] = field(default_factory=dict)
    """When each walk of `bridge.retention` goes on, by its name; `retention` is the earliest."""

    def next(self) -> float:
        """Return the earliest of them."""
        return min(self.walk, self.due, self.parked, self.queue, self.wake, self.later, self.retention)


def _queue_of(link: LinkConfig, now: float, before: LinkQueue | None = None) -> LinkQueue:
    fixed = (link.source_ton, link.source_npi, link.dest_ton, link.dest_npi)
    return LinkQueue(
        link,
        Gate(link, now, None if before is None else before.limits.carrier),
        link.text_profile,
        link.max_age,
        0 if before is None else before.capacity,
        fixed_addressing=None if fixed == (-1, -1, -1, -1) else fixed,
    )


class State:
    """The memory of one bridge.

    Args:
        store: Open for writing.
        rules: To decide by.
        links: The configured links.
        now: Seconds since the epoch.
        retain: Seconds that messages are kept, 0.0 for ever.
    """

    def __init__(
        self, store: Store, rules: Ruleset, links: Sequence[LinkConfig], now: float, retain: float = 0.0
    ) -> None:
        self.retain = retain
        self.store = store
        self.rules = rules
        self.position = store.position
        self.outbox = Outbox({link.name: _queue_of(link, now) for link in links})
        self.group_links: dict[str, frozenset[str]] = {}
        self.redelivery: dict[str, Redelivery] = {}
        self._group()
        self.counters = Counters(-1, {})
        self.figures = Figures(-1)
        self.listening: Sequence[Listener] = ()
        """Webhooks that want to be told of what happens."""
        self.peaks = Peaks()
        self.births: dict[int, None] = {}
        """Claims made by the very turn that made the message, un-answered, in ascending order."""
        self.calendar = Calendar()
        self.nameless: set[str] = set()
        """Links that were said to accept messages without a message_id: once is enough."""
        self.conflicting: set[str] = set()
        """Links of which it was said that TLVs and text of their receipts disagree."""

    def configure(self, name: str, config: LinkConfig | None, now: float) -> None:
        """Have a link as it is configured from now on, or no longer; recall() has to follow.

        Args:
            name: Of the link.
            config: None: there is no such link any more.
            now: Seconds since the epoch.
        """
        links = self.outbox.links
        if config is None:
            links.pop(name, None)
        else:
            links[name] = _queue_of(config, now, links.get(name))
        self._group()

    def _group(self) -> None:
        """Derive what follows from the links together; what a carrier may deliver again outlives its links."""
        links = [queue.config for queue in self.outbox.links.values()]
        self.group_links = {
            group: frozenset(link.name for link in links if link.group == group)
            for group in {link.group for link in links}
        }
        for group in self.group_links:
            self.redelivery.setdefault(group, Redelivery(0.0)).window = max(
                link.redelivery_window for link in links if link.group == group
            )
        self.assemblies = Assemblies({link.name: link.assemble_timeout for link in links})

    def recall(self, turn: Turn, now: float) -> None:
        """Make the memory say what the store says."""
        flights = self.outbox.flights
        for row in turn.mts(list(flights)):
            if row is not None:
                flights[row.id].mt = row
        for queue in self.outbox.links.values():
            queue.limits.recall(self.position.spent)
        self.outbox.clear()
        self.calendar = Calendar()
        self.assemblies.load(turn.assemblies(), now)
