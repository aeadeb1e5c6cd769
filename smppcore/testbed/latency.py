"""Percentiles of many durations in a fixed amount of memory.

A duration falls into one of the buckets between two powers of two, 32 to an octave: percentiles are exact to 2.2%,
whatever the number of samples. Must not be here: clocks.
"""

from __future__ import annotations

import math

_PER_OCTAVE = 32
_MICRO = 1e-6


class Latencies:
    """A histogram of durations from a microsecond to hours."""

    __slots__ = ("_buckets", "count", "longest")

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one duration, in seconds; what is below a microsecond counts as one."""
        self.count += 1
        if seconds > self.longest:
            self.longest = seconds
        bucket = int(math.log2(seconds / _MICRO) * _PER_OCTAVE) if seconds > _MICRO else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def merge(self, other: Latencies) -> None:
        """Count everything that another histogram has counted."""
        self.count += other.count
        self.longest = max(self.longest, other.longest)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count

    def percentile(self, share: float) -> float:
        """Return the duration, in seconds, that `share` (0 … 1) of the samples do not exceed; 0.0 without samples."""
        wanted = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return min(self.longest, _MICRO * math.exp2((bucket + 1) / _PER_OCTAVE))
        return self.longest

    def buckets_ms(self) -> list[tuple[float, float, int]]:
        """Return the buckets that are not empty, in their order: from, to, both in milliseconds, and how many."""
        edge = [
            round(_MICRO * 1e3 * math.exp2(bucket / _PER_OCTAVE), 6)
            for bucket in range(max(self._buckets, default=0) + 2)
        ]
        return [(edge[bucket], edge[bucket + 1], count) for bucket, count in sorted(self._buckets.items())]

    def report(self) -> dict[str, float]:
        """Return n and p50, p90, p99, p999 and max in milliseconds."""
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
        percentiles = {name: round(self.percentile(share) * 1e3, 3) for name, share in shares.items()}
        return {"n": self.count, **percentiles, "max": round(self.longest * 1e3, 3)}
