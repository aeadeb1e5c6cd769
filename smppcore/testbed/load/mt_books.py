"""The books of an MT load: what to submit, what became of it, and the report.

A message is a text; a long one takes several submit_sm, which leave together. What has no response in time, or was
un-answered when its connection ended, is lost: it may or may not have been taken, so it is never sent again.

Must not be here: clocks, sockets; `now` is passed in.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.receipt import STATE_OUTCOME
from smppcore.testbed.load.pace import NOT_NOW, Pace, Stage
from smppcore.testbed.load.series import Series, sum_of
from smppcore.testbed.load.texts import Body, Encoding, Texts

if TYPE_CHECKING:
    from smppcore.receipt import Receipt

_MOST_EARLY = 10_000


@dataclass(frozen=True, slots=True)
class MtLoad:
    """What to submit, and when to stop."""

    messages: int = 0
    """How many messages; 0: for `seconds`."""
    seconds: float = 10.0
    """For how long messages become due, where `messages` is 0."""
    window: int = 50
    """At most so many un-answered submit_sm a bind."""
    rate: float = 0.0
    """Messages per second over all binds; 0 is a closed loop: as fast as answers come."""
    ramp: tuple[Stage, ...] = ()
    """Rates that change, in place of `rate`."""
    source: str = "12345"
    """The number that they come from."""
    destination: int = 12_025_550_100
    """The first of the numbers that they go to, in international form; the default is one that nobody has."""
    subscribers: int = 100
    """How many consecutive numbers take turns."""
    text: str = "Load test {n}"
    """A template, see `Texts`."""
    lines: tuple[str, ...] = ()
    """For {line} in the text."""
    encoding: Encoding = "auto"
    """How texts travel."""
    seed: int = 0
    """Of random numbers in texts."""
    receipts: bool = False
    """Ask for a receipt for each submit_sm, and wait for all of them at the end."""
    receipt_wait: float = 30.0
    """How many seconds without any receipt end that wait."""
    response_timeout: float = 30.0
    """Seconds after which a submit_sm without a response is lost."""
    warmup: float = 1.0
    """Seconds left out of rates and percentiles, in whole seconds."""


@dataclass(slots=True)
class MtReport:
    """What was seen; the names are the JSON's. Counts are submit_sm unless something else is said.

    Rates and percentiles are over the steady part: after the warm-up, until the last message was due.
    """

    end: str = ""
    """complete, interrupted, or stalled: nothing was received for `response_timeout`."""
    seconds: float = 0.0
    """From the first message to the end of waiting."""
    binds: int = 0
    """Sessions that were bound, those that came again counted."""
    binds_refused: int = 0
    """Of those that were wanted: could not be bound."""
    binds_lost: int = 0
    """Sessions that ended before the load did."""
    messages: int = 0
    """Texts."""
    sent: int = 0
    not_sent: int = 0
    """Messages that were due in an open loop and could not leave, because windows were full."""
    accepted: int = 0
    refused: int = 0
    """Responses with an error, and generic_nack."""
    refused_status: dict[str, int] = field(default_factory=dict)
    """The errors by their names."""
    lost: int = 0
    """No response in time, or the connection ended first."""
    late: int = 0
    """Responses to what had been given up as lost, or to nothing at all."""
    answered_per_s: float = 0.0
    """Responses with status 0."""
    best_1s: float = 0.0
    """answered_per_s of the best interval of `series`, and `worst_1s` of the worst."""
    worst_1s: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)
    """Until the accepting response, from when the message was due (open loop) or sent (closed loop)."""
    receipts: int = 0
    """Final receipts for accepted messages."""
    receipts_by_state: dict[str, int] = field(default_factory=dict)
    receipts_missing: int = 0
    """Accepted messages without a final receipt at the end, where receipts were asked for."""
    receipts_unmatched: int = 0
    """Receipts for nothing that this load has sent, repeated ones included."""
    receipts_intermediate: int = 0
    """Notifications of states that are not final."""
    receipt_ms: dict[str, float] = field(default_factory=dict)
    """As latency_ms, until the final receipt."""
    mo_received: int = 0
    """deliver_sm that are no receipts; they were acknowledged."""
    bad_pdus: int = 0
    generator_cpu_s: float = 0.0
    generator_util: float = 0.0
    """The generator's share of a core; from 0.9 it measures itself rather than the peer."""
    latency_histogram_ms: list[tuple[float, float, int]] = field(default_factory=list)
    """latency_ms as a histogram: from, to, both in milliseconds, and how many; 32 buckets to a doubling."""
    interval_s: float = 1.0
    """How long the intervals of `series` are."""
    series: list[dict[str, float]] = field(default_factory=list)
    """An interval a row: responses are answers, receipts close."""


class MtBooks:
    """What became of which message.

    Args:
        load: What to submit.
    """

    def __init__(self, load: MtLoad) -> None:
        self.load = load
        self.report = MtReport()
        self.texts = Texts(load.text, load.lines, encoding=load.encoding, seed=load.seed)
        stages = load.ramp or ((Stage(load.rate, load.rate, math.inf),) if load.rate else ())
        self.pace = Pace(stages, messages=load.messages, seconds=math.inf if load.messages else load.seconds)
        self.series = Series(0.0)
        self.last_seen = 0.0
        """When anything came last."""
        self.in_flight = 0
        self._begun: deque[tuple[float, int, Body, int]] = deque()  # parts of a message whose first has been taken
        self._awaited: dict[bytes, float] = {}  # message_id → when it was due
        self._early: dict[bytes, tuple[str, float]] = {}  # message_id → state and time of a receipt before its response

    def begin(self, now: float) -> None:
        """Start the clock of the run."""
        self.last_seen = now
        self.series = Series(now)
        self.pace.begin(now)

    def take(self, now: float) -> tuple[float, int, Body, int] | None:
        """Take the next submit_sm if it is due: when it was, the number it goes to, the text, and which part of it."""
        if self._begun:
            return self._begun.popleft()
        due = self.pace.take(now)
        if due == NOT_NOW:
            return None
        number = self.pace.taken - 1
        load, body = self.load, self.texts.body(number)
        destination = load.destination + number % load.subscribers
        if len(body.parts) > 1:
            self._begun.extend((due, destination, body, part) for part in range(1, len(body.parts)))
        return due, destination, body, 0

    @property
    def waiting(self) -> int:
        """How many receipts are awaited."""
        return len(self._awaited)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def seen(self, now: float) -> None:
        """Something has come; called before it is counted."""
        self.last_seen = now
        self.series.move_to(now)

    def named(self, message_id: bytes, due: float) -> None:
        """An accepted message has an id: its receipt is awaited, unless it was here first."""
        early = self._early.pop(message_id, None)
        if early is None:
            self._awaited[message_id] = due
        else:
            self._close(early[0], due, early[1])

    def refused(self, status: int) -> None:
        """Note a response with an error."""
        report = self.report
        report.refused += 1
        self.series.current.errors += 1
        name = c.status_name(status)
        report.refused_status[name] = report.refused_status.get(name, 0) + 1

    def lost(self, count: int) -> None:
        """So many have no response and shall not be waited for any more."""
        self.report.lost += count
        self.in_flight -= count

    def receipt(self, receipt: Receipt, now: float) -> None:
        """Note a receipt; the first final one closes its message."""
        if not receipt.final:
            self.report.receipts_intermediate += 1
            return
        message_id = receipt.message_id.encode("latin-1", "replace")
        state = STATE_OUTCOME[receipt.state] or ""
        due = self._awaited.pop(message_id, None)
        if due is not None:
            self._close(state, due, now)
        elif self.in_flight and len(self._early) < _MOST_EARLY:
            self._early[message_id] = state, now
        else:
            self.report.receipts_unmatched += 1

    def _close(self, state: str, due: float, now: float) -> None:
        report = self.report
        report.receipts += 1
        report.receipts_by_state[state] = report.receipts_by_state.get(state, 0) + 1
        self.series.current.closing_latency.add(now - due)

    # -- the end -------------------------------------------------------------------------------------------------------

    def ended(self, now: float) -> str:
        """Return why the run is over, "" while it is not."""
        over, load = self.pace.over(now) and not self._begun, self.load
        silence = now - self.last_seen
        if over and not self.in_flight:
            if not self.waiting or silence >= load.receipt_wait:
                return "complete"
            return ""
        # What is un-answered is given up after response_timeout, so only a peer that is gone keeps us longer
        if silence >= load.response_timeout + 1 and now - self.pace.due_at() >= load.response_timeout + 1:
            return "stalled"
        return ""

    def finish(self, end: str, now: float, cpu_seconds: float) -> MtReport:
        """Close the books."""
        report, series, began = self.report, self.series, self.pace.began
        report.end = end
        report.seconds = round(now - began, 3)
        intervals, span = series.steady(self.load.warmup, min(now, self.pace.ends) - began)
        if intervals is series.intervals:
            span = now - began
        rates = [interval.answered / series.seconds for interval in intervals]
        steady = sum_of(intervals)
        if span > 0:
            report.answered_per_s = round(steady.answered / span, 1)
        report.best_1s, report.worst_1s = max(rates), min(rates)
        report.messages = self.pace.taken
        report.not_sent = self.pace.missed(now)
        report.lost += self.in_flight
        whole = sum_of(series.intervals)
        report.sent, report.accepted = whole.sent, whole.answered
        report.latency_ms, report.receipt_ms = steady.answer_latency.report(), steady.closing_latency.report()
        report.receipts_missing = self.waiting
        report.receipts_unmatched += len(self._early)
        report.latency_histogram_ms = steady.answer_latency.buckets_ms()
        report.interval_s, report.series = series.seconds, series.report()
        report.generator_cpu_s = round(cpu_seconds, 3)
        report.generator_util = round(cpu_seconds / (now - began), 3) if now > began else 0.0
        return report
