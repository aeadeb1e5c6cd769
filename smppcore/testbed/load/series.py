"""What happened when in a load: counts and latencies by interval, in a fixed amount of memory.

Intervals are a second long; when there are too many of them, pairs become one, and so on: a run of a day has as many as
one of ten minutes. All figures over the whole run are sums over the intervals.

Must not be here: clocks, sockets.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from smppcore.testbed.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_INTERVALS = 600


class Interval:
    """One span of a run."""

    __slots__ = ("answer_latency", "answered", "closing_latency", "errors", "sent")

    def __init__(self) -> None:
        self.sent = 0
        """Requests that left, by the time at which they did."""
        self.answered = 0
        """Of them accepted, by the time of the response."""
        self.errors = 0
        """Responses with an error."""
        self.answer_latency = Latencies()
        """Until the accepting response."""
        self.closing_latency = Latencies()
        """Until what a message ends with: the receipt of an MT, the reply to an MO; counts them too."""

    def merge(self, other: Interval) -> None:
        """Add another interval's figures."""
        self.sent += other.sent
        self.answered += other.answered
        self.errors += other.errors
        self.answer_latency.merge(other.answer_latency)
        self.closing_latency.merge(other.closing_latency)


class Series:
    """The intervals of one run.

    Args:
        began: When it did, in seconds.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.seconds = 1.0
        """How long an interval is."""
        self.intervals: list[Interval] = [Interval()]
        self.current = self.intervals[0]
        """The interval of the last `move_to`."""

    def move_to(self, now: float) -> Interval:
        """Return the interval to count in at a time, which never goes backwards."""
        number = max(0, int((now - self.began) / self.seconds))
        while number >= MOST_INTERVALS:
            self._halve()
            number //= 2
        while len(self.intervals) <= number:
            self.intervals.append(Interval())
        self.current = self.intervals[number]
        return self.current

    def _halve(self) -> None:
        self.seconds *= 2
        pairs = iter(self.intervals)
        merged = []
        for first in pairs:
            second = next(pairs, None)
            if second is not None:
                first.merge(second)
            merged.append(first)
        self.intervals = merged

    def steady(self, first: float, last: float) -> tuple[list[Interval], float]:
        """Return the whole intervals of the steady part of a run, and how many seconds they are.

        Args:
            first: Where it begins, in seconds since the beginning of the run.
            last: Where it ends.

        Returns:
            All intervals and `last`, if the run was too short to have a whole one.
        """
        from_number, to_number = math.ceil(first / self.seconds), math.floor(last / self.seconds)
        intervals = self.intervals[from_number:to_number]
        return (intervals, len(intervals) * self.seconds) if intervals else (self.intervals, last)

    def report(self) -> list[dict[str, float]]:
        """Return a row an interval, for JSON: `at_s` is its beginning, rates and percentiles are its own."""
        rows = []
        for number, interval in enumerate(self.intervals):
            row = {
                "at_s": number * self.seconds,
                "sent": interval.sent,
                "answered": interval.answered,
                "errors": interval.errors,
                "closed": interval.closing_latency.count,
            }
            for name, latency in (("answer", interval.answer_latency), ("closing", interval.closing_latency)):
                for percent in (50, 90, 99):
                    row[f"{name}_p{percent}_ms"] = round(latency.percentile(percent / 100) * 1e3, 3)
            rows.append(row)
        return rows


def sum_of(intervals: Iterable[Interval]) -> Interval:
    """Return the figures of several intervals together."""
    total = Interval()
    for interval in intervals:
        total.merge(interval)
    return total
