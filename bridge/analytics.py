"""Counters, kept in the same transaction as the messages they count.

Two kinds. A counter of a link is (hour since the epoch, link, what). A figure is (hour, words): what the reports are
made of (`bridge.reports`), as ("topic", brand, layer, rule, outcome) or ("response", brand, by, bucket). The totals of
the current hour are held in memory and every total that a turn changed is written with it, so neither ever disagrees
with the messages.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bridge.records import Mt

HOUR = 3600
CounterKey = tuple[int, str, str]
"""(hour since the epoch, link name, what is counted)."""
Figure = tuple[str, ...]
"""What is counted, in words."""
BUCKETS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    1800.0, 3600.0, 7200.0, 21600.0, 86400.0,
)  # fmt: skip
"""Upper ends of the histogram of response times, in seconds; one more bucket holds what took longer."""
_SEPARATOR = "\x1f"
_hour = struct.Struct(">I")
_total = struct.Struct(">Q")


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


class Figures:
    """The figures of one hour.

    Args:
        hour: Since the epoch.
        rows: What the store holds of it, keys and values.
    """

    def __init__(self, hour: int, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.hour = hour
        self._totals = {read_key(key)[1]: read_total(value) for key, value in rows}
        self._new: dict[Figure, int] = {}

    def add(self, counted: Mapping[Figure, int]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows with the new totals; they hold once committed() is called."""
        self._new = {figure: self._totals.get(figure, 0) + n for figure, n in counted.items()}
        return ((figure_key(self.hour, figure), _total.pack(max(total, 0))) for figure, total in self._new.items())

    def top(self, figure: Figure) -> int:
        """Return the total of a figure of this hour."""
        return self._totals.get(figure, 0)

    def committed(self) -> None:
        """Take over totals that are on the disk now."""
        self._totals.update(self._new)
        self._new = {}


def figure_key(hour: int, figure: Figure = ()) -> bytes:
    """Return the key of a figure in the table `figure`; of none: where the hour begins."""
    return _hour.pack(hour) + _SEPARATOR.join(figure).encode()[:500]


def read_key(key: bytes) -> tuple[int, Figure]:
    """Return (hour, figure) of a key."""
    return _hour.unpack(key[:4])[0], tuple(key[4:].decode(errors="replace").split(_SEPARATOR))


def read_total(value: bytes) -> int:
    """Return the total of a row.

    Raises:
        struct.error: It is none.
    """
    return int(_total.unpack(value)[0])


def bucket_of(seconds: float) -> str:
    """Return the number of the bucket of a response time, as a word."""
    return str(bisect_left(BUCKETS, seconds))


def response_figures(answers: Iterable[Mt]) -> dict[Figure, int]:
    """Return what the acceptance of first answers counts: their times from the last octet of the text on."""
    waits: dict[tuple[str, str], list[float]] = defaultdict(list)
    for mt in answers:
        waits[mt.brand, "human" if mt.by else "automated"].append(max(mt.accepted - mt.asked, 0.0))
    figures: dict[Figure, int] = {}
    for (brand, by), seconds in waits.items():
        figures.update({("response", brand, by, bucket): n for bucket, n in Counter(map(bucket_of, seconds)).items()})
        figures["response_us", brand, by] = sum([round(one * 1e6) for one in seconds])
    return figures


def final_figures(mt: Mt) -> Iterator[Figure]:
    """Yield what the final state of a message counts, by everything that a failure may come from."""
    brand, link, bad = mt.brand, mt.link, mt.state
    yield "final", brand, "link", link, bad
    yield "final", brand, "network", mt.contact.lstrip("+")[:4], bad
    yield "final", brand, "template", mt.template or ("agent" if mt.by else "text"), bad
    yield "final", brand, "segments", str(mt.parts), bad
    yield "final", brand, "data_coding", str(mt.data_coding), bad
    if mt.device:
        yield "final", brand, "device", mt.device, bad
    if mt.error:
        yield "final", brand, "error", mt.error, bad


class Peaks:
    """The busiest second of each link, both ways: what is compared with its limits."""

    def __init__(self) -> None:
        self._second = 0
        self._counts: dict[Figure, int] = defaultdict(int)

    def add(self, counted: Mapping[Figure, int], now: float) -> dict[Figure, int]:
        """Count messages of this second.

        Args:
            counted: ("peak", link, "in" or "out") → how many.
            now: Seconds since the epoch.

        Returns:
            How many each has had in this second.
        """
        second = int(now)
        if second != self._second:
            self._second = second
            self._counts.clear()
        for figure, n in counted.items():
            self._counts[figure] += n
        return {figure: self._counts[figure] for figure in counted}


def sum_by_link(counters: Iterable[tuple[CounterKey, int]]) -> dict[str, dict[str, int]]:
    """Return link → what → total over all hours; "" stands for what belongs to no link."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (_, link, what), n in counters:
        sums[link][what] += n
    return {link: dict(row) for link, row in sums.items()}
