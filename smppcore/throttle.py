"""How much may go: so many a second with a burst, so many in any interval.

Rules: a rate of 0 is no limit, never a division; time is an argument, in seconds, and going backwards gives nothing.
What is more than a limiter could ever have at once is admitted when the limiter is full, and then waited for. What is
limited, and what to do when nothing is left, is the caller's business. No clock here.
"""

from __future__ import annotations

import math
from collections import deque

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
        return max(0, int(self._tokens + _ROUNDING))

    def take(self, n: int, now: float) -> bool:
        """Take n tokens if there are so many; otherwise take none and say False."""
        if n > self.available(now):
            return False
        if self.rate > 0:
            self._tokens -= n
        return True

    def admits(self, n: int, now: float) -> bool:
        """Whether n may be spent: there are so many tokens, or as many as there can be."""
        return self.available(now) >= min(n, int(self.burst))

    def spend(self, n: int, now: float) -> None:
        """Take n tokens; what is missing is owed."""
        if self.rate > 0:
            self._refill(now)
            self._tokens -= n

    def change(self, rate: float, burst: float, now: float) -> None:
        """Go on at another rate, with the tokens that are there as far as the new burst holds them."""
        self._refill(now)
        self.rate = rate
        self.burst = max(1.0, burst)
        self._tokens = min(self._tokens, self.burst)

    def next_at(self, now: float, n: int = 1) -> float:
        """The earliest time at which n tokens are admitted: `now` if they are already."""
        if self.admits(n, now):
            return now
        wanted = min(n, int(self.burst))
        return max(math.nextafter(now, math.inf), now + (wanted - self._tokens) / self.rate)

    def _refill(self, now: float) -> None:
        if now > self._updated:
            self._tokens = min(self.burst, self._tokens + (now - self._updated) * self.rate)
            self._updated = now


_ROUNDING = 1e-9
"""A token a billionth short is a token: otherwise one that is due exactly now would be missed by a rounding error."""


class SlidingWindow:
    """At most so many in any interval of a length; an interval is watched in slots of a sixtieth of it.

    Args:
        limit: How many, at least 1.
        seconds: The length of the interval.
    """

    __slots__ = ("_limit", "_seconds", "_slot", "_slots", "_spent")

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = max(1, limit)
        self._seconds = seconds
        self._slot = seconds / 60
        self._slots: deque[list[float]] = deque()  # (began, how many)
        self._spent = 0

    def admits(self, n: int, now: float) -> bool:
        """Whether n may be spent now."""
        self._expire(now)
        return self._spent + n <= self._limit or self._spent == 0

    def spend(self, n: int, now: float) -> None:
        """Take note of n."""
        if self._slots and now < self._slots[-1][0] + self._slot:
            self._slots[-1][1] += n
        else:
            self._slots.append([now, n])
        self._spent += n

    def next_at(self, now: float, n: int = 1) -> float:
        """The earliest time at which n are admitted: `now` if they are already."""
        if self.admits(n, now):
            return now
        left = self._spent
        for began, spent in self._slots:
            left -= int(spent)
            if left + n <= self._limit:
                return self._end(began)
        return self._end(self._slots[-1][0])

    def _end(self, began: float) -> float:
        return began + self._slot + self._seconds

    def _expire(self, now: float) -> None:
        slots = self._slots
        while slots and self._end(slots[0][0]) <= now:
            self._spent -= int(slots.popleft()[1])
