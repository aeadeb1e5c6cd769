"""Which of many a fault strikes, and when it holds.

Each fault counts by itself and draws from a generator of its own, so that what one fault strikes does not depend on
what others do. Must not be here: clocks, how a fault is done.
"""

from __future__ import annotations

import math
import random
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from smppcore.testbed.faults import Fault, Picking, Throttle
from smppcore.throttle import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Sequence

F = TypeVar("F", bound=Fault)
P = TypeVar("P", bound=Picking)


class Plan:
    """The faults of a simulator, and since when their times count.

    Args:
        faults: All of them.
        rng: Gives each fault its generator, in their order.
    """

    def __init__(self, faults: Sequence[Fault], rng: random.Random) -> None:
        self.started = math.inf
        """When the first connection was made, in seconds; set by the simulator."""
        self._faults = [(fault, random.Random(rng.getrandbits(64))) for fault in faults]

    def picking(self, *kinds: type[P]) -> list[Trigger[P]]:
        """Return triggers for the faults of some kinds; to be asked for once, since they count."""
        return [Trigger(fault, rng, self) for fault, rng in self._faults if isinstance(fault, kinds)]

    def of(self, kind: type[F]) -> list[F]:
        """Return the faults of one kind."""
        return [fault for fault, _ in self._faults if isinstance(fault, kind)]

    def holds(self, fault: Fault, system_id: bytes, now: float) -> bool:
        """Whether a fault is in force for an account; one with `at` 0 is so before the first connection too."""
        return self.remaining(fault, system_id, now) > 0

    def remaining(self, fault: Fault, system_id: bytes, now: float) -> float:
        """Return for how much longer a fault is in force, in seconds; 0.0 if it is not."""
        if fault.account and fault.account.encode() != system_id:
            return 0.0
        since = max(0.0, now - self.started) - fault.at
        if since < 0:
            return 0.0
        return max(0.0, fault.for_ - (since % fault.again if fault.again else since))


class Trigger(Generic[P]):
    """One fault that picks; made by `Plan.picking`."""

    def __init__(self, fault: P, rng: random.Random, plan: Plan) -> None:
        self.fault = fault
        self.rng = rng
        """The fault's own."""
        self._plan = plan
        self._seen = 0
        self._struck = 0
        self._picks = bool(fault.every or fault.numbers or fault.share)
        self._limit = _limit_of(fault) if isinstance(fault, Throttle) and fault.above else None

    def strikes(self, system_id: bytes, now: float) -> bool:
        """Count one of the account, and say whether it is struck."""
        fault = self.fault
        if not self._plan.holds(fault, system_id, now):
            return False
        self._seen += 1
        if fault.times and self._struck >= fault.times:
            return False
        struck = (
            not self._picks
            or (fault.every > 0 and self._seen % fault.every == 0)
            or self._seen in fault.numbers
            or (fault.share > 0 and self.rng.random() < fault.share)
        )
        if struck and self._limit is not None:
            struck = not self._limit.take(1, now)
        self._struck += struck
        return struck


class Limit(Protocol):
    """So many a second, counted in some way."""

    def take(self, n: int, now: float) -> bool:
        """Take n if so many are left now."""


class ClockSeconds:
    """So many in each second of the clock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._second = self._taken = 0

    def take(self, n: int, now: float) -> bool:
        """Take n if so many are left in this second."""
        if int(now) != self._second:
            self._second, self._taken = int(now), 0
        if self._taken + n > self._most:
            return False
        self._taken += n
        return True


class AnySecond:
    """So many in any second."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: deque[float] = deque()

    def take(self, n: int, now: float) -> bool:
        """Take n if so many are left of the last second's."""
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) + n > self._most:
            return False
        self._taken.extend([now] * n)
        return True


def _limit_of(fault: Throttle) -> Limit:
    if fault.counting == "bucket":
        return TokenBucket(fault.above, fault.burst or fault.above, 0.0)
    return (ClockSeconds if fault.counting == "clock" else AnySecond)(int(fault.above))


def matches(pattern: str, number: bytes) -> bool:
    """Whether a number matches a pattern in which * stands for any characters and ? for one."""
    return pattern == "*" or fnmatchcase(number.decode("latin-1"), pattern)
