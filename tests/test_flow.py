"""How fast the whole pipeline sends, to carriers that throttle, answer late, or not at all; on a clock that is set."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.config import LimitsConfig, NumberLimits
from bridge.records import Mt
from bridge.store import Changes, Position
from smppcore import constants as c
from smppcore.pdu import SubmitSM, SubmitSMResp
from tests.carriers import Anything, Bucket, EveryTenth, FixedWindows, SlidingSeconds
from tests.pipeline import START, Bridge, MemoryStore, accepted, check, link, refused, text, timed_out

if TYPE_CHECKING:
    from smppcore.events import Outcome
    from tests.carriers import Carrier

TURN = 0.002
"""Seconds that a turn takes."""


@dataclass
class Run:
    """A carrier with a bridge, and what the carrier saw."""

    bridge: Bridge
    carrier: Carrier
    latency: float = 0.01
    silent_every: int = 0
    """Every so many-th submit_sm is never answered."""
    timeout: float = 1.0
    accepted: list[tuple[float, bytes]] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    most_outstanding: int = 0
    lines: list[str] = field(default_factory=list)
    _answers: list[tuple[float, int, SubmitSM, str]] = field(default_factory=list)
    _submits: int = 0
    _texts: int = 0

    def go(self, seconds: float, offered: float = 0.0, *, contacts: int = 100_000) -> Run:
        """Let so many texts per second come for so long; each contact's turn comes round."""
        bridge = self.bridge
        end, supply = bridge.now + seconds, 0.0
        while bridge.now < end:
            outcomes = self._due()
            count, supply = int(supply), supply % 1
            texts = []
            for _ in range(count):
                self._texts += 1
                texts.append(text(f"echo {self._texts}", source=b"%d" % (self._texts % contacts)))
            events = [bridge.answers(*outcomes)] if outcomes else []
            effects = bridge.turn(*events, *([bridge.arrivals(*texts)] if texts else []))
            self.lines += effects.incidents
            for pdu in bridge.submits(bridge.capacity - len(self._answers)):
                self._take(pdu)
            self.most_outstanding = max(self.most_outstanding, len(self._answers))
            due = [end, bridge.engine.next_due(bridge.now)]
            due += [self._answers[0][0]] if self._answers else []
            due += [bridge.now + 1 / offered] if offered else []
            before, bridge.now = bridge.now, max(min(due), bridge.now + TURN)
            supply += (bridge.now - before) * offered
        return self

    def _take(self, pdu: SubmitSM) -> None:
        now = self.bridge.now + self.latency / 2
        self._submits += 1
        at = self.bridge.now + self.latency
        if self.silent_every and self._submits % self.silent_every == 0:
            fate, at = "silent", self.bridge.now + self.timeout
        elif self.carrier.takes(now):
            self.accepted.append((now, pdu.short_message))
            fate = "accepted"
        else:
            self.throttled.append(now)
            fate = "throttled"
        heapq.heappush(self._answers, (at, self._submits, pdu, fate))

    def _due(self) -> list[Outcome]:
        outcomes = []
        while self._answers and self._answers[0][0] <= self.bridge.now:
            _, number, pdu, fate = heapq.heappop(self._answers)
            if fate == "accepted":
                outcomes.append(accepted(pdu, b"%d" % number))
            else:
                outcomes.append(timed_out(pdu) if fate == "silent" else refused(pdu, c.ESME_RTHROTTLED))
        return outcomes

    def goodput(self, since: float, until: float) -> float:
        return sum(START + since <= at < START + until for at, _ in self.accepted) / (until - since)

    def share(self, since: float) -> float:
        throttled = sum(at >= START + since for at in self.throttled)
        return throttled / max(1, throttled + sum(at >= START + since for at, _ in self.accepted))


@pytest.mark.parametrize(
    ("kind", "limit", "seconds"),
    [(FixedWindows, 10, 60), (SlidingSeconds, 10, 60), (Bucket, 10, 60), (SlidingSeconds, 100, 18)],
)
def test_offered_three_times_its_limit_a_carrier_is_used_and_not_overrun(
    kind: type[FixedWindows], limit: int, seconds: int
) -> None:
    run = Run(Bridge(), kind(limit)).go(seconds, 3.0 * limit)
    assert run.share(10) <= 0.01
    assert run.goodput(10, seconds) >= 0.95 * limit
    assert [line[:30] for line in run.lines] == ["link a: the carrier throttles:"]
    rows = run.bridge.mts()
    assert {mt.state for mt in rows} <= {"accepted", "sent", "queued"}
    assert abs(sum(mt.state == "accepted" for mt in rows) - len(run.accepted)) <= 50
    assert len({body for _, body in run.accepted}) == len(run.accepted)
    check(run.bridge)


def test_every_tenth_throttled_costs_little_more_than_that_tenth_and_keeps_each_ones_order() -> None:
    usual = Run(Bridge(capacity=2), Anything()).go(25, 200.0, contacts=100)
    run = Run(Bridge(capacity=2), EveryTenth()).go(25, 200.0, contacts=100)
    assert run.goodput(0, 25) >= 0.85 * usual.goodput(0, 25)
    by_contact: dict[int, list[int]] = {}
    for _, body in run.accepted:
        by_contact.setdefault(int(body) % 100, []).append(int(body))
    assert all(bodies == sorted(bodies) for bodies in by_contact.values())
    run.go(20)
    assert {mt.state for mt in run.bridge.mts()} == {"accepted"}


def test_a_slow_carrier_gets_a_full_window_and_no_more() -> None:
    run = Run(Bridge(capacity=50), Anything(), latency=0.2).go(10, 400.0)
    assert run.goodput(1, 10) >= 0.9 * 250
    assert run.most_outstanding == 50


def test_answers_that_never_come_hold_nothing_up_for_longer_than_their_time() -> None:
    run = Run(Bridge(capacity=50), Anything(), silent_every=100).go(15, 200.0)
    run.go(40)
    rows = run.bridge.mts()
    assert len(rows) >= 2_990
    assert {mt.state for mt in rows} == {"accepted"}
    assert sum(mt.in_doubt for mt in rows) >= 25
    (queue,) = run.bridge.engine.outbox.links.values()
    assert (queue.in_air, queue.loaded, run.bridge.engine.outbox.flights) == (0, 0, {})


def test_a_throttled_message_goes_before_those_that_came_after_it() -> None:
    bridge = Bridge(capacity=1)
    bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(1, 5)))
    (first,) = bridge.submits()
    bridge.turn(bridge.answers(refused(first, c.ESME_RMSGQFUL)))
    (second,) = bridge.submits()
    bridge.now += 1
    bridge.turn(bridge.answers(accepted(second, b"2")))
    assert [pdu.short_message for pdu in bridge.submits()] == [first.short_message]


def test_a_congested_carrier_is_given_less() -> None:
    bridge = Bridge(link(interface_version=c.VERSION_50))
    for state in (None, b"\x5f"):
        for n in range(20):
            bridge.deliver(text(f"echo {n}", source=b"%d" % n))
            bridge.now += 0.05
        tlvs = [(c.TAG_CONGESTION_STATE, state)] if state else []
        outcomes = [accepted(pdu, b"7") for pdu in bridge.submits()]
        for outcome in outcomes:
            assert isinstance(outcome.response, SubmitSMResp)
            outcome.response.tlvs = tlvs
        bridge.turn(bridge.answers(*outcomes))
    rate, verdict, congestion = bridge.memory.position.carrier["a"]
    assert (verdict, congestion) == ("limited", 95)
    assert 0 < rate < 40


# -- the configured limits


def started(number: int, contact: str = "") -> Mt:
    return Mt(number, 0, 1, "a", contact or f"s{number}", "60606", "acme", "news", "t", "v", START, False, 1)


def with_started(count: int, **limits: object) -> Bridge:
    """A bridge with so many messages that we started in its queue."""
    store = MemoryStore()
    rows = [started(number) for number in range(1, count + 1)]
    store.apply(Changes(Position(count + 1, 1, START), new_mts=rows, queued=rows))
    return Bridge(link(limits=LimitsConfig(**limits)), store=store)  # type: ignore[arg-type]


def test_replies_go_before_what_we_start_and_have_their_share_of_the_day() -> None:
    bridge = with_started(20, per_day=10, reserve_replies=0.4)
    assert len(bridge.submits()) == 6
    effects = bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(6)))
    assert [pdu.short_message for pdu in bridge.submits()] == [b"0", b"1", b"2", b"3"]
    assert len(effects.incidents) == 1
    assert "are used up" in effects.incidents[0]
    midnight = START - START % 86400 + 86400
    assert bridge.engine.next_due(bridge.now) == pytest.approx(midnight, abs=0.1)
    bridge.now = midnight
    bridge.turn()
    bridge.now += 1
    bridge.turn()
    assert [pdu.short_message for pdu in bridge.submits()][:2] == [b"4", b"5"]


def test_a_days_quota_survives_a_restart_and_a_turn_that_failed() -> None:
    bridge = Bridge(link(limits=LimitsConfig(per_day=3, warn_at=(0.5,))))
    effects = bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(2)))
    assert effects.incidents == ["link a: 50% of the 3 messages of the day are used"]
    bridge.turn(bridge.answers(*(accepted(pdu, b"1") for pdu in bridge.submits())))
    bridge.begin()
    effects = bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(2, 5)))
    assert len(bridge.submits()) == 1
    assert [line for line in effects.incidents if "50%" in line] == []
    assert bridge.memory.position.spent["a"][""][1] == 3


def test_replies_wait_behind_no_page_of_started_messages() -> None:
    bridge = with_started(50, per_second=1.0)
    bridge.now += 1.01
    bridge.deliver(text("echo now"))
    assert b"now" in [pdu.short_message for pdu in bridge.submits()]


def test_a_number_at_its_limit_does_not_hold_up_another() -> None:
    numbers = {"60606": NumberLimits(per_minute=2)}
    bridge = Bridge(link(limits=LimitsConfig(numbers=numbers)))
    bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(4)))
    bridge.deliver(*(text(f"echo x{n}", source=b"%d" % n, number=b"70707") for n in range(3)))
    assert [pdu.short_message for pdu in bridge.submits()] == [b"0", b"1", b"x0", b"x1", b"x2"]
    due = bridge.engine.next_due(bridge.now)
    assert due == pytest.approx(START + 61, abs=0.1)
    bridge.now = due
    bridge.turn()
    assert [pdu.short_message for pdu in bridge.submits()] == [b"2", b"3"]
    check(bridge)
