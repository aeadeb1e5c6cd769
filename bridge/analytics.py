"""Counters, kept in the same transaction as the messages they count.

A counter is (hour since the epoch, link, what); the totals of the current hour are held in memory and every total that
a turn changed is written with it, so a counter never disagrees with the messages.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.store import CounterKey

HOUR = 3600


class Counters:
    """The totals of one hour.

    Args:
        hour: Since the epoch.
        totals: What the store holds of it: not nothing, if the process was started anew, or the clock was set back.
    """

    def __init__(self, hour: int, totals: Mapping[CounterKey, int]) -> None:
        self.hour = hour
        self._totals = dict(totals)

    def totals(self, tally: Mapping[tuple[str, str], int]) -> dict[CounterKey, int]:
        """Return the new totals of what was counted; they hold once committed() is called."""
        hour, known = self.hour, self._totals
        return {(hour, link, what): known.get((hour, link, what), 0) + n for (link, what), n in tally.items()}

    def committed(self, totals: Mapping[CounterKey, int]) -> None:
        """Take over totals that are on the disk now."""
        self._totals.update(totals)


def sum_by_link(counters: Iterable[tuple[CounterKey, int]]) -> dict[str, dict[str, int]]:
    """Return link → what → total over all hours; "" stands for what belongs to no link."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (_, link, what), n in counters:
        sums[link][what] += n
    return {link: dict(row) for link, row in sums.items()}
