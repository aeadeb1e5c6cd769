"""The search for what a peer takes: its window, and its rate.

How it goes, and why:

1. Bursts of growing size, each sent at once and wholly answered before the next: the largest that is taken without
   throttling is the window. The pauses between bursts keep the rate low, so that a limit of the rate seldom speaks; a
   burst that was throttled is tried once more after a longer pause.
2. Rates that grow threefold, on schedule, with that window: until the peer throttles, or answers less than what was
   due, which is the knee. Most limiters let a burst through first, so what counts is what was accepted in the whole
   seconds after throttling began.
3. A confirmation just below the rate that was found.

A search is a generator: it yields trials, is sent their results, and returns its findings. No I/O, no clocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_BURSTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_PAUSE_SECONDS: Final = 1.0
_LONG_PAUSE_SECONDS: Final = 3.0
_FIRST_RATE: Final = 10.0
_GROWTH: Final = 3.0
_SECONDS: Final = 5.0
"""Of a trial of a rate: enough for a burst of a second's worth at threefold rate, and some whole seconds behind it."""
_FIRST_SECONDS: Final = 2.0
_CLEAN: Final = 0.01
"""The share of throttled answers that says nothing yet."""
_KEPT_UP: Final = 0.9
"""The share of what was due that must be answered; less is a peer at its limit."""
_MARGIN: Final = 0.98
_LEAST_WINDOW: Final = 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a search may go."""

    messages: int = 20_000
    """submit_sm in all."""
    window: int = 200
    """The largest burst."""
    rate: float = 10_000.0
    """Messages per second."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What to do next."""

    window: int
    """Of the bind."""
    messages: int
    """At most so many."""
    rate: float = 0.0
    """Messages per second on schedule for `seconds`; 0: all `messages` at once."""
    seconds: float = 0.0
    pause: float = _PAUSE_SECONDS
    """To wait before it, in seconds."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial."""

    sent: int = 0
    accepted: int = 0
    throttled: int = 0
    """Answered with ESME_RTHROTTLED or ESME_RMSGQFUL."""
    refused: int = 0
    """Answered with any other error."""
    lost: int = 0
    """Not answered at all."""
    closed: bool = False
    """The connection ended."""
    seconds: float = 0.0
    accepted_each_s: Sequence[int] = ()
    """Accepted in each whole second."""
    throttled_each_s: Sequence[int] = ()
    """Refused in each whole second."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether the peer took all of it without protest."""
        return not self.closed and not self.lost and self.throttled <= _CLEAN * self.sent


@dataclass(frozen=True, slots=True)
class Rung:
    """One trial with its result, a row of the curve."""

    trial: Trial
    result: Result
    answered_per_s: float
    """Accepted, over the time that counts."""


@dataclass(slots=True)
class Findings:
    """What a search has found."""

    problem: str = ""
    """Why there are no findings, in one line; "" if there are."""
    window: int = 0
    """Recommended."""
    rate: float = 0.0
    """Recommended, messages per second."""
    window_limit: int = 0
    """The largest burst taken whole, where a larger one was throttled; 0: no limit found."""
    rate_limit: float = 0.0
    """What is accepted per second while the peer throttles; 0.0: it never did."""
    reached_per_s: float = 0.0
    """The most that was accepted per second."""
    kept_up: bool = True
    """Whether what was due was always answered in time; False: the knee of the curve was seen."""
    latency_ms: float = 0.0
    """The median at a low rate."""
    knee_window: float = 0.0
    """latency × rate (Little's law): with fewer in flight the rate is not reached, more only wait longer."""
    confirmed: bool = False
    """A trial at the recommended rate was clean."""
    messages: int = 0
    """submit_sm sent."""
    bursts: list[Rung] = field(default_factory=list)
    rates: list[Rung] = field(default_factory=list)

    def explanation(self) -> list[str]:
        """Say what was found, in a few sentences."""
        if self.problem:
            return [self.problem]
        lines = []
        if self.window_limit:
            lines.append(f"window: {self.window_limit} un-answered are taken, more are throttled")
        else:
            lines.append(
                f"window: no limit up to {max(rung.trial.window for rung in self.bursts)}; "
                f"at {self.latency_ms:.3g} ms, {math.ceil(self.knee_window)} in flight carry the rate"
            )
        if self.rate_limit:
            lines.append(f"rate: throttled; {self.rate_limit:,.0f}/s are accepted all the same")
        elif self.kept_up:
            lines.append(f"rate: no limit up to {self.reached_per_s:,.0f}/s, the most that was tried")
        else:
            lines.append(
                f"rate: never throttled, but {self.reached_per_s:,.0f}/s is all that this window gets answered"
            )
        if not self.confirmed:
            lines.append(
                "not confirmed: the messages allowed did not suffice for a clean trial at the rate recommended"
            )
        return lines


def search(bounds: Bounds) -> Generator[Trial, Result, Findings]:
    """Search for a peer's window and rate."""
    findings = Findings()
    hunt = _Hunt(bounds, findings)
    window = yield from hunt.bursts()
    if not findings.problem:
        yield from hunt.rates(window)
        yield from hunt.confirm()
    return findings


class _Hunt:
    """A search on its way."""

    def __init__(self, bounds: Bounds, findings: Findings) -> None:
        self._bounds = bounds
        self._findings = findings

    @property
    def _left(self) -> int:
        return self._bounds.messages - self._findings.messages

    def _try(self, trial: Trial) -> Generator[Trial, Result, Result]:
        result = yield trial
        self._findings.messages += result.sent
        return result

    # -- the window ----------------------------------------------------------------------------------------------------

    def bursts(self) -> Generator[Trial, Result, int]:
        """Find the largest burst that is taken whole."""
        findings, most = self._findings, self._bounds.window
        taken, refused = 0, 0
        for size in [*[size for size in _BURSTS if size < most], most]:
            accepted = yield from self._burst(size)
            if accepted < size:
                # It may have been the rate: after a longer pause it was not
                accepted = yield from self._burst(size, _LONG_PAUSE_SECONDS)
            if accepted < size:
                refused = size
                break
            taken = size
        if not taken and not findings.problem:
            findings.problem = "the peer does not even take one message at a time: see the answers with `diag send`"
        while refused - taken > 1 and self._left > refused and not findings.problem:
            # As many as were accepted of a larger burst, or one more, is most often the limit
            guess = accepted if accepted > taken else taken + 1 if accepted == taken else (taken + refused) // 2
            size = min(guess, refused - 1)
            accepted = yield from self._burst(size)
            if accepted == size:
                taken = size
            else:
                refused = size
        findings.window_limit = taken if refused else 0
        return taken

    def _burst(self, size: int, pause: float = _PAUSE_SECONDS) -> Generator[Trial, Result, int]:
        """Send a burst; return how many were accepted, 0 if there are not so many left to send."""
        findings = self._findings
        if self._left < size:
            return 0
        trial = Trial(size, size, pause=pause)
        result = yield from self._try(trial)
        findings.bursts.append(Rung(trial, result, result.accepted / max(result.seconds, 1e-6)))
        if result.refused * 2 > result.sent:
            findings.problem = (
                f"the peer refuses the messages themselves ({result.refused} of {result.sent}), so it cannot be "
                "measured with them: try other numbers, or a sender that it knows"
            )
        whole = not (result.closed or result.lost or result.throttled)
        return size if whole else min(result.accepted, size - 1)

    # -- the rate ------------------------------------------------------------------------------------------------------

    def rates(self, window: int) -> Generator[Trial, Result, None]:
        """Raise the rate until the peer throttles or does not keep up."""
        findings, bounds = self._findings, self._bounds
        rate = min(_FIRST_RATE, bounds.rate)
        while True:
            seconds = min(_SECONDS if findings.rates else _FIRST_SECONDS, self._left / 2 / rate)
            if seconds < 2.0:
                break  # a shorter one has no whole second to count in
            trial = Trial(window, math.ceil(rate * seconds), rate, seconds)
            result = yield from self._try(trial)
            steady = steady_rate(result)
            findings.rates.append(Rung(trial, result, steady))
            findings.latency_ms = findings.latency_ms or result.p50_ms
            findings.reached_per_s = max(findings.reached_per_s, steady)
            if not result.clean:
                findings.rate_limit = steady
                break
            if steady < _KEPT_UP * rate:
                findings.kept_up = False
                break
            if rate >= bounds.rate:
                break
            rate = min(rate * _GROWTH, bounds.rate)
        self._recommend(window)

    def _recommend(self, window: int) -> None:
        findings = self._findings
        findings.rate = _rounded(_MARGIN * findings.rate_limit or findings.reached_per_s)
        findings.knee_window = findings.latency_ms / 1e3 * (findings.rate_limit or findings.reached_per_s)
        if findings.window_limit:
            findings.window = findings.window_limit
        else:
            findings.window = min(window, max(_LEAST_WINDOW, math.ceil(findings.knee_window)))

    def confirm(self) -> Generator[Trial, Result, None]:
        """Try what is to be recommended; lower it while that is throttled."""
        findings = self._findings
        for _ in range(4):
            seconds = min(_SECONDS, self._left / max(findings.rate, 1e-6))
            if seconds < 1.0 or not findings.rate:
                return
            trial = Trial(findings.window, math.ceil(findings.rate * seconds), findings.rate, seconds)
            result = yield from self._try(trial)
            findings.rates.append(Rung(trial, result, result.accepted / max(result.seconds, 1e-6)))
            if result.clean:
                findings.confirmed = True
                return
            findings.rate = _rounded(0.93 * findings.rate)


def steady_rate(result: Result) -> float:
    """Return what was accepted per second; of a throttled trial only the whole seconds after throttling began."""
    # Of the first second the last answers come in the second
    accepted, first = list(result.accepted_each_s), 1
    if result.throttled:
        first = 1 + next((number for number, count in enumerate(result.throttled_each_s) if count), 0)
    counted = accepted[first:] or accepted[-1:]
    if not counted:
        return result.accepted / result.seconds if result.seconds else 0.0
    return sum(counted) / len(counted)


def _rounded(rate: float) -> float:
    """Return a rate that a person would write: three digits, whole from 10 on."""
    if rate < 10:
        return math.floor(rate * 10) / 10
    step = 10 ** max(0, math.floor(math.log10(rate)) - 2)
    return float(math.floor(rate / step) * step)


def summary(findings: Findings) -> dict[str, object]:
    """Return the findings for JSON, with units in the names."""
    return {
        "problem": findings.problem,
        "window": findings.window,
        "rate_per_s": findings.rate,
        "window_limit": findings.window_limit,
        "rate_limit_per_s": round(findings.rate_limit, 1),
        "reached_per_s": round(findings.reached_per_s, 1),
        "kept_up": findings.kept_up,
        "latency_ms": findings.latency_ms,
        "knee_window": round(findings.knee_window, 1),
        "confirmed": findings.confirmed,
        "messages": findings.messages,
        "bursts": [_row(rung) for rung in findings.bursts],
        "rates": [_row(rung) for rung in findings.rates],
    }


def _row(rung: Rung) -> dict[str, object]:
    trial, result = rung.trial, rung.result
    return {
        "window": trial.window,
        "rate_per_s": trial.rate,
        "sent": result.sent,
        "accepted": result.accepted,
        "throttled": result.throttled,
        "refused": result.refused,
        "lost": result.lost,
        "closed": result.closed,
        "answered_per_s": round(rung.answered_per_s, 1),
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
    }
