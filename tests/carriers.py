"""Carriers of a few lines that throttle, each in its own way, and an ESME that always has more to send."""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from smppcore.throttle import TokenBucket

if TYPE_CHECKING:
    from smppcore.adaptive import AdaptiveRate

START = 1_800_000_000.3


class Carrier(Protocol):
    def takes(self, now: float) -> bool:
        """Whether a request that comes now is accepted."""


class Anything:
    """Throttles nothing."""

    def takes(self, now: float) -> bool:
        del now
        return True


class FixedWindows:
    """So many in each second of its clock."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._second, self._taken = 0, 0

    def takes(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._taken = int(now), 0
        self._taken += self._taken < self.rate + 1
        return self._taken <= self.rate


class SlidingSeconds:
    """So many in any second."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._taken: deque[float] = deque()

    def takes(self, now: float) -> bool:
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) >= self.rate:
            return False
        self._taken.append(now)
        return True


class Bucket:
    """So many per second, with as many at once after a rest."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._bucket = TokenBucket(rate, rate, 0.0)

    def takes(self, now: float) -> bool:
        return self._bucket.take(1, now)


class EveryTenth:
    """Throttles one in ten, at whatever rate."""

    def __init__(self, every: int = 10) -> None:
        self._every = every
        self._seen = 0

    def takes(self, now: float) -> bool:
        del now
        self._seen += 1
        return self._seen % self._every != 0


@dataclass
class Seen:
    """What came of a run, by second from its start."""

    accepted: Counter[int] = field(default_factory=Counter)
    throttled: Counter[int] = field(default_factory=Counter)
    verdicts: list[str] = field(default_factory=list)

    def goodput(self, since: int, until: int) -> float:
        """Accepted per second."""
        return sum(self.accepted[second] for second in range(since, until)) / (until - since)

    def share(self, since: int, until: int) -> float:
        """Throttled answers of all."""
        throttled = sum(self.throttled[second] for second in range(since, until))
        return throttled / max(1, throttled + sum(self.accepted[second] for second in range(since, until)))


class Sender:
    """An ESME with a window whose requests take a while, with an AdaptiveRate and an endless or a steady supply.

    Args:
        rate: Under test.
        offered: Messages per second; 0 for always more.
        window: Un-answered requests.
        latency: Seconds from a claim to its answer; its half to the carrier.
        jitter: Up to so much more.
        seed: Of the jitter.
    """

    def __init__(
        self,
        rate: AdaptiveRate,
        *,
        offered: float = 0.0,
        window: int = 50,
        latency: float = 0.002,
        jitter: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.rate = rate
        self.offered = offered
        self.window = window
        self.latency = latency
        self.jitter = jitter
        self.now = START
        self.seen = Seen()
        self._rng = random.Random(seed)
        self._supply = 0.0
        self._answers: list[tuple[float, int, bool]] = []
        self._sent = 0

    def run(self, carrier: Carrier, seconds: float) -> Seen:
        """Go on for so long; the turns take 1 to 3 ms each."""
        end = self.now + seconds
        while self.now < end:
            self._take_answers()
            self._send(carrier)
            before, due = self.now, self._due()
            self.now = max(min(due, end), self.now + self._rng.uniform(0.001, 0.003))
            self._supply += (self.now - before) * self.offered
        return self.seen

    def _take_answers(self) -> None:
        answers = throttled = 0
        while self._answers and self._answers[0][0] <= self.now:
            at, _, accepted = heapq.heappop(self._answers)
            answers += 1
            throttled += not accepted
            (self.seen.accepted if accepted else self.seen.throttled)[int(at - START)] += 1
        if not answers:
            return
        self._supply += throttled
        self.rate.answered(answers, throttled, len(self._answers), self.now)
        verdict = self.rate.verdict.value
        if self.seen.verdicts[-1:] != [verdict]:
            self.seen.verdicts.append(verdict)

    def _send(self, carrier: Carrier) -> None:
        count = self.window - len(self._answers)
        if self.offered:
            count = min(count, int(self._supply))
        if self.rate.bucket is not None:
            count = min(count, self.rate.bucket.available(self.now))
            self.rate.bucket.take(max(count, 0), self.now)
        self._supply -= max(count, 0) if self.offered else 0
        arrivals = sorted(self.now + self.latency / 2 + self._rng.random() * self.jitter for _ in range(count))
        for at in arrivals:
            self._sent += 1
            heapq.heappush(self._answers, (at + self.latency / 2, self._sent, carrier.takes(at)))

    def _due(self) -> float:
        due = [self._answers[0][0]] if self._answers else []
        if len(self._answers) < self.window:
            if self.rate.bucket is not None:
                due.append(max(self.rate.bucket.next_at(self.now), self.now + 0.01))
            elif self.offered:
                due.append(self.now + 1.0 / self.offered)
        return min(due)
