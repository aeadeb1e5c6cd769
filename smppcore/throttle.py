"""Token buckets: at most so many a second, with a burst.

Rules: a rate of 0 is no limit, never a division; time is an argument, in seconds, and going backwards gives nothing.
What is limited, and what to do when nothing is left, is the caller's business. No clock here.
"""

from __future__ import annotations

import math

UNLIMITED = 1 << 31
"""What `TokenBucket.available` says when there is no limit: more than any window."""


class TokenBucket:
    """A bucket that fills at a constant rate and holds a burst.

    Args:
        rate: Tokens per second; 0 is no limit.
        burst: The most tokens that it holds, at least 1; full at the start.
        now: The time at the start, in seconds.
    """

    __slots__ = ("_tokens", "_updated", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(1.0, burst)
        self._tokens = self.burst
        self._updated = now

    def available(self, now: float) -> int:
        """How many whole tokens may be taken now."""
        if self.rate <= 0:
            return UNLIMITED
        self._refill(now)
        return int(self._tokens + _ROUNDING)

    def take(self, n: int, now: float) -> bool:
        """Take n tokens if there are so many; otherwise take none and say False."""
        if n > self.available(now):
            return False
        if self.rate > 0:
            self._tokens -= n
        return True

    def next_at(self, now: float) -> float:
        """The earliest time at which a whole token is there: `now` if there is one already."""
        if self.available(now) >= 1:
            return now
        return max(math.nextafter(now, math.inf), now + (1.0 - self._tokens) / self.rate)

    def _refill(self, now: float) -> None:
        if now > self._updated:
            self._tokens = min(self.burst, self._tokens + (now - self._updated) * self.rate)
            self._updated = now


_ROUNDING = 1e-9
"""A token a billionth short is a token: otherwise one that is due exactly now would be missed by a rounding error."""
