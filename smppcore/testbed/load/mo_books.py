"""The books of an MO load: what to send, which MO is where, and the report.

An MO is a text; a long one takes several deliver_sm, each acknowledged for itself. Replies are matched by the number
that the text shows and the reply repeats, else by their order: the subscriber's oldest MO without one.

The report's names are those of common SMPP load drivers. Must not be here: clocks, sockets; `now` is passed in.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import deque
from dataclasses import dataclass, field

from smppcore import constants as c
from smppcore.testbed.load.pace import NOT_NOW, Pace, Stage
from smppcore.testbed.load.series import Series, sum_of
from smppcore.testbed.load.texts import Body, Encoding, Texts

_NUMBER = re.compile(rb"(?<!\d)\d{7}(?!\d)")
_RETRY_SECONDS = 0.1
_RETRY_STATUSES = frozenset((c.ESME_RX_T_APPN, c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED))

_REPLIED, _RESENT = 1, 2


@dataclass(frozen=True, slots=True)
class MoLoad:
    """What to send, and when to stop."""

    messages: int = 0
    """How many MOs; 0: for `seconds`."""
    seconds: float = 10.0
    """How long to send, where `messages` is 0."""
    window: int = 50
    """At most so many un-answered deliver_sm a bind, MOs and receipts together; 0 is no limit."""
    rate: float = 0.0
    """MOs per second over all binds; 0 is a closed loop."""
    ramp: tuple[Stage, ...] = ()
    """Rates that change, in place of `rate`."""
    max_unreplied: int = 0
    """Send nothing while so many MOs wait for their reply; 0: none, and replies/s need not be sustainable."""
    replies: bool = True
    """A run is complete when each MO has its reply; False: when each is acknowledged."""
    binds: int = 1
    """Begin when so many receiving sessions are bound."""
    settle: float = 0.2
    """Seconds after the last of them."""
    subscribers: int = 100_000
    """MOs come from so many numbers in turn."""
    first_subscriber: int = 255_700_000_000
    """The first of them; they are consecutive."""
    service: str = "12345"
    """The number that they are sent to."""
    text: str = "BALANCE {n} please check my account"
    """A template, see `Texts`; with {n} a reply that repeats it is matched by it."""
    lines: tuple[str, ...] = ()
    """For {line} in the text."""
    encoding: Encoding = "auto"
    """How texts travel."""
    seed: int = 0
    """Of random numbers in texts."""
    receipts: bool = False
    """A receipt for each submit_sm that asks for one."""
    warmup: float = 1.0
    """Seconds left out of rates and percentiles, in whole seconds."""
    idle: float = 5.0
    """Seconds without anything received after which the run ends, once it has begun."""
    timeout: float = 120.0
    """Seconds after which the run ends at all events."""


@dataclass(slots=True)
class MoReport:
    """What was seen; the names are the JSON's.

    Rates are over the steady part: after the warm-up, until sending stopped; `overall_*` from the first to the last.
    """

    end: str = ""
    """complete, idle (something never came), stalled (before all was sent), timeout or interrupted."""
    seconds: float = 0.0
    replies_per_s: float = 0.0
    acks_per_s: float = 0.0
    best_1s: float = 0.0
    """Replies/s of the best interval of `series`, and `worst_1s` of the worst."""
    worst_1s: float = 0.0
    overall_replies_per_s: float = 0.0
    ack_ms: dict[str, float] = field(default_factory=dict)
    reply_ms: dict[str, float] = field(default_factory=dict)
    mo_unique: int = 0
    mo_sent: int = 0
    """deliver_sm with texts, parts and repetitions counted."""
    mo_resent: int = 0
    mo_not_sent: int = 0
    """MOs that were due in an open loop and could not leave, because windows were full."""
    ack_ok: int = 0
    """MOs whose every part was acknowledged."""
    ack_err: int = 0
    ack_status: dict[str, int] = field(default_factory=dict)
    never_acked: int = 0
    submits: int = 0
    matched_token: int = 0
    matched_addr: int = 0
    unmatched: int = 0
    wrong_addr: int = 0
    replied: int = 0
    unreplied: int = 0
    unreplied_acked: int = 0
    dup_replies: int = 0
    dup_of_resent: int = 0
    dup_not_resent: int = 0
    receipts_made: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    receipts_err: int = 0
    bad_pdus: int = 0
    bad_resp_seq: int = 0
    generic_nacks: int = 0
    regdel_set: int = 0
    dcs_nonzero: int = 0
    binds: int = 0
    """Sessions that were bound to receive, those that came again counted."""
    closed_by_peer: int = 0
    driver_cpu_s: float = 0.0
    driver_util: float = 0.0
    latency_histogram_ms: list[tuple[float, float, int]] = field(default_factory=list)
    """ack_ms as a histogram: from, to, both in milliseconds, and how many; 32 buckets to a doubling."""
    interval_s: float = 1.0
    """How long the intervals of `series` are."""
    series: list[dict[str, float]] = field(default_factory=list)
    """An interval a row: acknowledgements are answers, replies close."""

    @property
    def lost(self) -> int:
        """How many MOs were sent and never acknowledged."""
        return self.never_acked


Item = tuple[int, int, Body]
"""An MO's part: the MO's index, which part, and the text."""


class MoBooks:
    """Which MO is where.

    Args:
        load: What to send.
    """

    def __init__(self, load: MoLoad) -> None:
        self.load = load
        self.report = MoReport()
        self.texts = Texts(load.text, load.lines, encoding=load.encoding, seed=load.seed)
        stages = load.ramp or ((Stage(load.rate, load.rate, math.inf),) if load.rate else ())
        self.pace = Pace(stages, messages=load.messages, seconds=math.inf if load.messages else load.seconds)
        self.series = Series(0.0)
        self.last_seen = 0.0
        self.unanswered = 0
        """deliver_sm without a response, over all binds."""
        self.receipts: deque[tuple[bytes, bytes]] = deque()
        """Receipts to send: the subscriber and the message_id."""
        self._first_subscriber = load.first_subscriber
        self._sent_at = array("d")
        self._state = bytearray()
        self._parts_left = bytearray()
        self._begun: deque[Item] = deque()  # parts of an MO whose first has been sent
        self._again: deque[tuple[float, Item]] = deque()
        self._oldest_open: dict[int, int] = {}

    def begin(self, now: float) -> None:
        """Start the clock of the run."""
        self.last_seen = now
        self.series = Series(now)
        self.pace.begin(now)

    # -- sending -----------------------------------------------------------------------------------------------------

    def subscriber(self, index: int) -> bytes:
        """Return the number that an MO comes from."""
        return b"%d" % (self._first_subscriber + index % self.load.subscribers)

    def next_item(self, now: float) -> Item | None:
        """Return what to send now, None if nothing is due or allowed."""
        while self._again and self._again[0][0] <= now:
            item = self._again.popleft()[1]
            self._state[item[0]] |= _RESENT
            self.report.mo_resent += 1
            return item
        if self._begun:
            return self._begun.popleft()
        load, index = self.load, len(self._state)
        if load.max_unreplied and index - self.report.replied >= load.max_unreplied:
            return None
        due = self.pace.take(now)
        if due == NOT_NOW:
            return None
        body = self.texts.body(index)
        parts = len(body.parts)
        self._sent_at.append(due)
        self._state.append(0)
        self._parts_left.append(parts)
        if parts > 1:
            self._begun.extend((index, part, body) for part in range(1, parts))
        return index, 0, body

    def lost(self, items: list[Item | tuple[bytes, bytes]]) -> None:
        """A connection ended without a response to these: they go again, in front of all others."""
        self.unanswered -= len(items)
        for item in reversed(items):
            if isinstance(item[0], int):
                self._again.appendleft((0.0, item))
            else:
                self.receipts.appendleft(item)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def acked(self, item: Item, status: int, now: float) -> None:
        """Note the deliver_sm_resp of a part."""
        report, index = self.report, item[0]
        if status != c.ESME_ROK:
            report.ack_err += 1
            self.series.current.errors += 1
            name = c.status_name(status)
            report.ack_status[name] = report.ack_status.get(name, 0) + 1
            if status in _RETRY_STATUSES:
                self._again.append((now + _RETRY_SECONDS, item))
            return
        self._parts_left[index] -= 1
        if not self._parts_left[index]:
            report.ack_ok += 1
            interval = self.series.current
            interval.answered += 1
            interval.answer_latency.add(now - self._sent_at[index])

    def submitted(self, destination: bytes, octets: bytes, now: float) -> None:
        """Match one submit_sm to its MO."""
        report = self.report
        report.submits += 1
        found = _NUMBER.search(octets) if self.texts.numbered else None
        if found:
            index = int(found[0])
            if index >= len(self._state):
                report.unmatched += 1
                return
            if destination != self.subscriber(index):
                report.wrong_addr += 1
                return
            report.matched_token += 1
        else:
            index = self._oldest_of(destination)
            if index < 0:
                report.unmatched += 1
                return
            report.matched_addr += 1
        state = self._state[index]
        if state & _REPLIED:
            report.dup_replies += 1
            if state & _RESENT:
                report.dup_of_resent += 1
            else:
                report.dup_not_resent += 1
            return
        self._state[index] = state | _REPLIED
        report.replied += 1
        self.series.current.closing_latency.add(now - self._sent_at[index])

    def _oldest_of(self, destination: bytes) -> int:
        if not destination.isdigit():
            return -1
        number = int(destination) - self._first_subscriber
        if not 0 <= number < self.load.subscribers:
            return -1
        index = self._oldest_open.get(number, number)
        while index < len(self._state) and self._state[index] & _REPLIED:
            index += self.load.subscribers
        self._oldest_open[number] = index
        return index if index < len(self._state) else -1

    # -- the end -----------------------------------------------------------------------------------------------------

    def ended(self, now: float) -> str:
        """Return why the run is over, "" while it is not."""
        if now >= self.pace.began + self.load.timeout:
            return "timeout"
        report, over = self.report, self.pace.over(now)
        open_replies = self.load.replies and report.replied < len(self._state)
        if over and not (open_replies or self.unanswered or self.receipts or self._again or self._begun):
            return "complete"
        # In an open loop silence before the next one is due means nothing
        silent_since = self.last_seen if over else max(self.last_seen, self.pace.due_at())
        if now - silent_since >= self.load.idle:
            return "idle" if over else "stalled"
        return ""

    def finish(self, end: str, now: float, cpu_seconds: float) -> MoReport:
        """Close the books."""
        report, began, series = self.report, self.pace.began, self.series
        report.end = end
        report.seconds = round(now - began, 3)
        intervals, span = series.steady(self.load.warmup, min(now, self.pace.ends) - began)
        rates = [interval.closing_latency.count / series.seconds for interval in intervals]
        steady = sum_of(intervals)
        report.best_1s, report.worst_1s = max(rates), min(rates)
        if span > 0:
            report.replies_per_s = round(steady.closing_latency.count / span, 1)
            report.acks_per_s = round(steady.answered / span, 1)
        elapsed = self.last_seen - began
        report.overall_replies_per_s = round(report.replied / elapsed, 1) if elapsed > 0 else 0.0
        report.ack_ms, report.reply_ms = steady.answer_latency.report(), steady.closing_latency.report()
        report.mo_unique = len(self._state)
        report.mo_not_sent = self.pace.missed(now)
        report.never_acked = sum(left > 0 for left in self._parts_left)
        report.unreplied = report.mo_unique - report.replied
        report.unreplied_acked = sum(
            not left and not state & _REPLIED for left, state in zip(self._parts_left, self._state, strict=True)
        )
        report.latency_histogram_ms = steady.answer_latency.buckets_ms()
        report.interval_s, report.series = series.seconds, series.report()
        report.driver_cpu_s = round(cpu_seconds, 3)
        report.driver_util = round(cpu_seconds / (now - began), 3) if now > began else 0.0
        return report
