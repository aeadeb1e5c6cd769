"""How long something takes: a fixed time, or one drawn from a distribution.

A plain float is a fixed time. Nothing drawn is below 0. Must not be here: clocks, randomness of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_SIGMAS_TO_P99 = 2.3263478740408408  # of the normal distribution


@dataclass(frozen=True, slots=True)
class Uniform:
    """Evenly spread between two times, in seconds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution; times in seconds."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mostly short with a long tail, as networks answer: half take no longer than `median`, 1 in 100 longer than `p99`.

    Times in seconds, both above 0.
    """

    median: float
    p99: float


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A measured distribution: (share, seconds) in ascending order, straight lines between the points.

    The first share is 0.0 and the last 1.0: the shortest and the longest time.
    """

    points: tuple[tuple[float, float], ...]


Delay = float | Uniform | Normal | Lognormal | Percentiles
"""Seconds, or where they are drawn from."""


def draw(delay: Delay, rng: random.Random) -> float:
    """Return a time in seconds, 0.0 or more."""
    if isinstance(delay, float | int):
        return delay
    if isinstance(delay, Uniform):
        return rng.uniform(delay.low, delay.high)
    if isinstance(delay, Normal):
        return max(0.0, rng.gauss(delay.mean, delay.deviation))
    if isinstance(delay, Lognormal):
        sigma = math.log(delay.p99 / delay.median) / _SIGMAS_TO_P99
        return rng.lognormvariate(math.log(delay.median), sigma)
    drawn = rng.random()
    points = delay.points
    after = max(1, bisect_left(points, (drawn, 0.0)))
    (share, seconds), (next_share, next_seconds) = points[after - 1 : after + 1]
    return seconds + (drawn - share) / (next_share - share) * (next_seconds - seconds)
