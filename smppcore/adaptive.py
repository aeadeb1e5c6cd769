"""The rate that a carrier really allows, found from its answers.

A carrier that is sent too much answers ESME_RTHROTTLED or ESME_RMSGQFUL, and does not say what it would have taken.

1. No limit is in force until answers are throttled. Then the rate falls at once, below what the carrier has accepted
   of late; once for all requests that are in the air together, for their answers say nothing of the new rate.
2. At the new rate the answers are counted. If they are clean, the limit was found: the rate is held, then probed
   upwards in small steps, so rarely that probing costs no more than PROBING_COST of all answers.
3. If the share of throttled answers has not fallen though the rate has, twice, the carrier does not throttle because
   of the rate: what was in force before is again, and that share is taken for granted for a while. A message that is
   throttled then costs a second attempt, and not the speed of all the others.
4. congestion_state (SMPP v5.0 §4.8.4.18), where a carrier sends it, is kept from 80 to 90: the rate falls above, and
   is probed only below.

A rate that is not used up is not raised: whether the carrier would take more is not known then. No clock here; times
are arguments, in seconds, rates are per second.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum

from smppcore.throttle import TokenBucket

BACK_OFF = 0.98
"""The share of what the carrier accepts that is aimed at: the rest is for the jitter of the way there, which moves
requests from one of the carrier's intervals to the next."""
PROBING_COST = 1 / 150
"""The share of throttled answers that probing may cost."""
LOWEST = 0.5
"""So much is always tried, or the end of an outage would go unseen."""
CONGESTED = 90
"""The highest congestion_state of the "optimum load"."""
UNCONGESTED = 80
"""The lowest."""

_SLOT = 0.05
_KEPT = 10.0
_FIRST_STEP = 0.02
_STEP = 0.01
_SETTLE = 1.0  # carriers count by the second: the first one at a new rate still has requests of the old one in it
_HOLD = 5.0
_LONGEST_HOLD = 60.0
_SPORADIC = 60.0
_FEW = 10
"""Fewer answers than this say nothing."""
_CHANGED = 0.2
"""No probe has such a share throttled: the limit is another one now, to be looked for anew."""
_PLENTY = 4000
"""So many answers in one measurement say all."""
_GENTLY = 0.97
"""A small step down, before BACK_OFF."""
_MANY = 5
"""So many throttled answers make a share that can be compared with another."""


class Verdict(Enum):
    """What the answers have shown."""

    OPEN = "open"
    """No limit has been met."""
    LIMITED = "limited"
    """The carrier has a limit; the rate is a little below it."""
    SPORADIC = "sporadic"
    """The carrier throttles, at whatever rate: no limit is in force."""


class _Phase(Enum):
    OPEN = 0
    TESTING = 1
    HOLDING = 2
    PROBING = 3


class _Meter:
    """The answers of the last ten seconds, in slots of (began, answers, throttled)."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: deque[list[float]] = deque()

    def add(self, answers: int, throttled: int, now: float) -> None:
        slots = self._slots
        if slots and now < slots[-1][0] + _SLOT:
            slots[-1][1] += answers
            slots[-1][2] += throttled
            return
        slots.append([now, answers, throttled])
        while slots[0][0] < now - _KEPT:
            slots.popleft()

    def recent(self, now: float) -> tuple[float, int, int]:
        """Return (seconds, answers, throttled) of the last second, or of more until there are a hundred answers."""
        answers = throttled = seconds = 0.0
        for began, n, refused in reversed(self._slots):
            answers += n
            throttled += refused
            seconds = now - began
            if seconds >= 1.0 and answers >= 100:
                break
        return seconds, int(answers), int(throttled)

    def accepted(self, now: float) -> float:
        """Return the most that was accepted within one second, of the last two.

        The last second alone would not do: a carrier that counts by the second takes everything at the start of one,
        and then nothing.
        """
        slots = [slot for slot in self._slots if slot[0] > now - 2.0]
        best = total = 0.0
        oldest = 0
        for slot in slots:
            total += slot[1] - slot[2]
            while slots[oldest][0] <= slot[0] - 1.0:
                total -= slots[oldest][1] - slots[oldest][2]
                oldest += 1
            best = max(best, total)
        return best / min(max(now - self._slots[0][0], 0.01), 1.0)


class AdaptiveRate:
    """The rate of one link."""

    __slots__ = (
        "_answers",
        "_before",
        "_began",
        "_ceiling",
        "_cost",
        "_due",
        "_falls",
        "_first",
        "_meter",
        "_phase",
        "_run",
        "_settled",
        "_share",
        "_share_before",
        "_skip",
        "_sporadic_until",
        "_step",
        "_throttled",
        "bucket",
        "congestion",
        "share",
        "verdict",
    )

    def __init__(self) -> None:
        self.bucket: TokenBucket | None = None
        """What requests are to be taken from now; None while no limit is in force."""
        self.verdict = Verdict.OPEN
        self.share = 0.0
        """The share of throttled answers that do not come from the rate, as far as is known."""
        self.congestion: int | None = None
        """The last congestion_state, 0 to 100; None if there was none."""
        self._meter = _Meter()
        self._phase = _Phase.OPEN
        self._before = math.inf  # the rate before it fell, in force again if the rate was not the cause
        self._ceiling = 0.0  # the last known limit
        self._step = 0.0
        self._first = False  # the first steps after a limit was met may be wider
        self._cost = 0  # throttled answers of the last probe, until its end was found
        self._skip = 0  # answers that are still to come to requests of before the last change
        self._falls = 0  # since the last probe
        self._settled = False
        self._share = 0.0  # of throttled answers, when the rate fell
        self._share_before: float | None = None  # the same, measured at the rate before
        self._sporadic_until = 0.0
        # What is counted at the present rate:
        self._began = 0.0
        self._due = 1.0
        self._answers = 0
        self._throttled = 0
        self._run = 0  # answers since the last throttled one

    @property
    def rate(self) -> float:
        """The rate in force, 0.0 if there is none."""
        return 0.0 if self.bucket is None else self.bucket.rate

    def answered(self, answers: int, throttled: int, outstanding: int, now: float) -> None:
        """Take note of a batch of answers.

        Args:
            answers: How many there are.
            throttled: How many of them say that we send too fast.
            outstanding: How many requests are un-answered after them.
            now: In seconds.
        """
        self._meter.add(answers, throttled, now)
        bucket = self.bucket
        if bucket is None:
            if throttled:
                self._suspect(outstanding, now)
            return
        if self._cost and self._phase is _Phase.TESTING:
            self._cost += throttled
        if self._skip > 0:
            self._skip -= answers
            if self._skip <= 0:
                self._count_anew(now)
            return
        self._answers += answers
        self._throttled += throttled
        self._run = 0 if throttled else self._run + answers
        elapsed = now - self._began
        if self._phase is _Phase.TESTING:
            self._test(bucket.rate, elapsed, outstanding, now)
        elif throttled and self._is_excessive():
            probing = self._phase is _Phase.PROBING
            self._before = math.inf if self.share else bucket.rate
            self._share_before = None
            self._falls = 0
            self._cost = self._throttled
            clean = bucket.rate - (1.5 if self._first else 1.0) * self._step if probing else bucket.rate
            self._fall(clean, self._throttled / self._answers, outstanding, now)
        elif self._phase is _Phase.HOLDING:
            if self._may_probe(bucket.rate, elapsed):
                self._begin_probing(_STEP, now)
        elif elapsed >= 1.0 and (self._answers >= 20 or elapsed >= 2.0):
            self._probe(bucket.rate, elapsed, now)

    def congested(self, state: int, outstanding: int, now: float) -> None:
        """Take note of a congestion_state; a value above 100 is ignored (SMPP v5.0 §4.8.4.18).

        Args:
            state: Of the last response of a batch that has one, after the batch was given to answered().
            outstanding: How many requests are un-answered.
            now: In seconds.
        """
        if state > 100:
            return
        self.congestion = state
        if state <= CONGESTED or self._skip > 0:
            return
        rate = self.rate or self._meter.accepted(now)
        self._ceiling = rate
        self._set(max(rate * (1.0 - (state - UNCONGESTED) / 100), LOWEST), now)
        self._phase = _Phase.HOLDING
        self.verdict = Verdict.LIMITED
        self._cost = 0
        self._skip = outstanding
        self._count_anew(now)

    def _suspect(self, outstanding: int, now: float) -> None:
        """Some answers were throttled while no limit is in force: let the rate fall if there were too many."""
        if self.share and now >= self._sporadic_until:
            self.share = 0.0
        seconds, answers, throttled = self._meter.recent(now)
        # In the first second a few say little: the tenth answer of all would give a rate from nine.
        if answers < _FEW or throttled <= self._allowed(answers) or (seconds < 1.0 and 2 * throttled < answers):
            return
        self._before = math.inf
        self._share_before = None
        self._cost = 0
        share = throttled / answers
        if answers >= _PLENTY and share < _CHANGED:
            self._fall(_GENTLY * answers / seconds, share, outstanding, now)
        else:
            self._fall(self._meter.accepted(now), share, outstanding, now)

    def _allowed(self, answers: int) -> float:
        """Return how many of these may be throttled, without that the rate were the cause."""
        return answers * (1.5 * self.share + PROBING_COST) + 3.0 * math.sqrt(self.share * answers)

    def _is_excessive(self) -> bool:
        if self._phase is _Phase.PROBING:
            return self._throttled > self._allowed(self._answers)
        return self._throttled >= 2 and self._throttled > self._allowed(self._answers) + 0.01 * self._answers

    def _fall(self, accepted: float, share: float, outstanding: int, now: float) -> None:
        """Let the rate fall below what was accepted, to the half of it at most, and test the new one."""
        rate = BACK_OFF * accepted
        if self.bucket is not None:
            rate = max(min(rate, BACK_OFF * self.bucket.rate), self.bucket.rate / 2)
        self._set(max(rate, LOWEST), now)
        self._phase = _Phase.TESTING
        self._falls += 1
        self._settled = False
        self._share = share
        self._skip = outstanding
        self._count_anew(now)

    def _set(self, rate: float, now: float) -> None:
        # A burst makes up for a turn that comes late, by some 50 ms; a larger one would be too much for a carrier that
        # counts by the second, and at a few per second so much already is.
        burst = 1.0 + max(rate / 40, rate / 20 - 0.25)
        if self.bucket is None:
            self.bucket = TokenBucket(rate, burst, now)
            self.bucket.spend(self.bucket.available(now), now)
        else:
            self.bucket.change(rate, burst, now)

    def _count_anew(self, now: float) -> None:
        self._began = now
        self._due = 1.0
        self._answers = self._throttled = self._run = 0

    def _test(self, rate: float, elapsed: float, outstanding: int, now: float) -> None:
        """Judge the rate to which we fell, once there are answers enough; whole seconds, as carriers count."""
        answers, throttled = self._answers, self._throttled
        share = throttled / answers
        if answers >= _FEW and share >= 0.5:
            # Far above the limit: there is no need to wait for a judgement.
            self._share_before = None
            self._cost = 0
            accepted = self._meter.accepted(now)
            if accepted < rate:
                self._fall(accepted, share, outstanding, now)
            else:
                self._answers = self._throttled = 0
            return
        if not self._settled:
            if elapsed >= _SETTLE:
                self._settled = True
                self._count_anew(now)
            return
        if elapsed < self._due:
            return
        clean = 5.0 if rate <= 2.0 * LOWEST else max(20.0, 3.0 / self._share)
        # Just after a probe it is most likely the limit, and not worth many more throttled answers to be sure.
        # The same if the share has fallen by half already: then it is the rate.
        likely = (self._cost and self._falls <= 2) or (answers >= 20 and share < 0.5 * self._share)
        enough = 2 if likely else _MANY
        if self._run < clean and throttled < enough and answers < 100:
            self._due = math.floor(elapsed) + 1.0
            return
        if self._run >= clean or throttled <= self._allowed(answers) + 0.005 * answers:
            self._found(rate, now)
        elif answers >= _PLENTY and 0.8 * self._share < share < min(1.25 * self._share, _CHANGED):
            # A limit would have halved a share of a tenth: of many answers a small step tells as much as a large one.
            if self._share_before is None:
                self._share_before = share
                self._fall(_GENTLY * rate, share, outstanding, now)
            else:
                self._not_the_rate(share, now)
        elif self._share_before is not None and throttled >= _MANY and 0.6 * self._share_before < share < 0.5:
            self._not_the_rate(share, now)
        else:
            self._share_before = share if throttled >= _MANY else None
            if share >= _CHANGED:
                self._cost = 0
            self._fall((answers - throttled) / elapsed, share, outstanding, now)

    def _found(self, rate: float, now: float) -> None:
        """The answers are clean: this is a little below the limit."""
        self.verdict = Verdict.LIMITED
        self._ceiling = rate / BACK_OFF
        if self._cost:
            self._phase = _Phase.HOLDING
            self._count_anew(now)
        else:
            self._begin_probing(_FIRST_STEP, now)
            self._first = True
            if rate <= LOWEST:
                # Nothing was taken before: of the limit we know nothing.
                self._ceiling, self._step = 0.0, rate

    def _not_the_rate(self, share: float, now: float) -> None:
        self.share = share
        self._sporadic_until = now + _SPORADIC
        if self._before == math.inf:
            self.verdict = Verdict.SPORADIC
            self._open()
        else:
            self._ceiling = self._before
            self._set(self._before, now)
            self._phase = _Phase.HOLDING
            self._count_anew(now)

    def _open(self) -> None:
        self.bucket = None
        self._phase = _Phase.OPEN

    def _may_probe(self, rate: float, elapsed: float) -> bool:
        if self.congestion is not None:
            return self.congestion < UNCONGESTED and elapsed >= 1.0
        return elapsed >= _HOLD and self._answers >= min(self._cost / PROBING_COST, _LONGEST_HOLD * rate)

    def _begin_probing(self, step: float, now: float) -> None:
        self._phase = _Phase.PROBING
        self._step = self._ceiling * step
        self._first = False
        self._count_anew(now)

    def _probe(self, rate: float, elapsed: float, now: float) -> None:
        """The last step was clean: take the next, if this one was used up and the carrier is not busy."""
        beyond = rate > 1.1 * self._ceiling
        if self._answers < 0.9 * rate * elapsed:
            if beyond:
                self.verdict = Verdict.OPEN
                self._open()
        elif self.congestion is None or self.congestion < UNCONGESTED:
            if beyond:
                # What we knew does not hold any more: look for the new limit faster and faster.
                self._step = min(2.0 * self._step, rate)
            self._set(rate + self._step, now)
        self._count_anew(now)
