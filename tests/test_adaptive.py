"""The rate that a carrier allows, found from its answers: against carriers that count in different ways."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from smppcore.adaptive import BACK_OFF, LOWEST, AdaptiveRate, Verdict
from tests.carriers import Anything, Bucket, EveryTenth, FixedWindows, Sender, SlidingSeconds

if TYPE_CHECKING:
    from tests.carriers import Carrier

KINDS = [FixedWindows, SlidingSeconds, Bucket]


class Nothing:
    """Throttles everything."""

    def takes(self, now: float) -> bool:
        del now
        return False


class Both:
    """Throttles what either does."""

    def __init__(self, one: Carrier, other: Carrier) -> None:
        self.carriers = one, other

    def takes(self, now: float) -> bool:
        return all(carrier.takes(now) for carrier in self.carriers)


def answer(rate: AdaptiveRate, now: float, answers: int, throttled: int = 0, outstanding: int = 0) -> None:
    """One batch."""
    rate.answered(answers, throttled, outstanding, now)


def limited(rate: float = 100.0, now: float = 0.0) -> AdaptiveRate:
    """A rate that was just found."""
    found = AdaptiveRate()
    for n in range(40):
        answer(found, now + n * 0.05, int(rate / 20 / BACK_OFF) + 1)
    answer(found, now + 2.0, 20, 20)
    assert found.bucket is not None
    return found


# -- the limit is found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [10, 100, 1000])
@pytest.mark.parametrize(("latency", "jitter"), [(0.002, 0.0), (0.2, 0.0), (0.005, 0.01)])
def test_offered_three_times_the_limit_a_carrier_throttles_one_in_a_hundred_and_takes_nearly_all_it_can(
    kind: type[FixedWindows], limit: int, latency: float, jitter: float
) -> None:
    window = max(50, int(limit * 3 * latency))
    sender = Sender(AdaptiveRate(), offered=3.0 * limit, window=window, latency=latency, jitter=jitter)
    until = 40 if limit == 1000 else 100
    seen = sender.run(kind(limit), until)
    assert seen.share(10, until) <= 0.01
    assert seen.goodput(10, until) >= 0.95 * limit
    assert seen.goodput(0, until) >= 0.94 * limit
    assert seen.verdicts == ["open", "limited"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_that_changes_is_found_again(kind: type[FixedWindows]) -> None:
    sender = Sender(AdaptiveRate())
    sender.run(kind(200), 30)
    seen = sender.run(kind(50), 30)
    assert seen.share(35, 60) <= 0.02
    assert 45 <= seen.goodput(40, 60) <= 51
    sender.run(kind(200), 60)
    assert seen.goodput(100, 120) >= 0.9 * 200


def test_a_rate_that_is_not_used_up_is_not_raised() -> None:
    sender = Sender(AdaptiveRate(), offered=100.0)
    sender.run(FixedWindows(50), 20)
    sender.offered, sender._supply = 20.0, 0.0
    sender.run(FixedWindows(50), 10)
    found = sender.rate.rate
    sender.run(Anything(), 60)
    assert sender.rate.rate == found
    assert 45 <= found <= 52


def test_a_limit_that_is_gone_is_left_behind() -> None:
    sender = Sender(AdaptiveRate(), offered=300.0)
    sender.run(FixedWindows(100), 20)
    seen = sender.run(Anything(), 60)
    assert seen.verdicts == ["open", "limited", "open"]
    assert sender.rate.bucket is None
    assert seen.goodput(70, 80) == pytest.approx(300, rel=0.02)


def test_an_outage_is_only_tried_now_and_then_and_its_end_is_seen() -> None:
    sender = Sender(AdaptiveRate(), window=10)
    sender.run(Anything(), 5)
    seen = sender.run(Nothing(), 60)
    assert sender.rate.rate == LOWEST
    assert sum(seen.throttled[second] for second in range(8, 65)) < 100
    seen = sender.run(FixedWindows(100), 60)
    assert seen.goodput(120, 125) >= 70


# -- it is not the rate


@pytest.mark.parametrize("latency", [0.002, 0.02])
def test_every_tenth_throttled_costs_little_more_than_that_tenth(latency: float) -> None:
    usual = Sender(AdaptiveRate(), latency=latency).run(Anything(), 60).goodput(0, 60)
    sender = Sender(AdaptiveRate(), latency=latency)
    seen = sender.run(EveryTenth(), 60)
    assert seen.goodput(0, 60) >= 0.87 * usual
    assert seen.verdicts == ["open", "sporadic"]
    assert sender.rate.share == pytest.approx(0.1, abs=0.01)


def test_at_thousands_a_second_it_is_found_out_by_small_steps() -> None:
    usual = Sender(AdaptiveRate()).run(Anything(), 10).goodput(0, 10)
    assert usual > 10_000
    seen = Sender(AdaptiveRate()).run(EveryTenth(), 10)
    assert seen.verdicts == ["open", "sporadic"]
    assert min(seen.goodput(second, second + 1) for second in range(9)) >= 0.8 * usual
    assert seen.goodput(0, 9) >= 0.86 * usual


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [9_000, 10_000, 11_000])
def test_a_limit_of_thousands_a_second_a_little_exceeded_is_no_accident(kind: type[FixedWindows], limit: int) -> None:
    sender = Sender(AdaptiveRate(), offered=12_000)
    seen = sender.run(kind(limit), 40)
    assert seen.verdicts == ["open", "limited"]
    assert seen.share(10, 40) <= 0.01
    assert seen.goodput(10, 40) >= 0.93 * limit


def test_one_in_ten_of_a_slow_link_does_not_bring_it_down() -> None:
    seen = Sender(AdaptiveRate(), offered=20.0).run(EveryTenth(), 300)
    assert seen.goodput(100, 300) >= 0.85 * 20


def test_what_is_known_as_sporadic_is_looked_at_again_after_a_minute() -> None:
    sender = Sender(AdaptiveRate(), latency=0.02)
    sender.run(EveryTenth(), 30)
    seen = sender.run(FixedWindows(100), 40)
    assert seen.verdicts == ["open", "sporadic", "limited"]
    assert seen.goodput(40, 70) >= 90
    again = Sender(AdaptiveRate(), latency=0.02)
    assert again.run(EveryTenth(), 130).verdicts == ["open", "sporadic"]
    assert again.seen.goodput(0, 130) > 0.85 * 2200


def test_a_limit_and_sporadic_throttling_may_come_together() -> None:
    sender = Sender(AdaptiveRate(), latency=0.02)
    sender.run(FixedWindows(500), 20)
    seen = sender.run(Both(EveryTenth(), FixedWindows(500)), 60)
    assert seen.goodput(30, 80) >= 0.75 * 500
    assert seen.share(30, 80) <= 0.2


def test_few_answers_say_nothing() -> None:
    rate = AdaptiveRate()
    for second in range(9):
        answer(rate, float(second), 1, 1)
    assert rate.bucket is None
    other = AdaptiveRate()
    answer(other, 0.0, 20, 2)
    assert other.bucket is None


def test_one_in_a_thousand_is_no_reason() -> None:
    assert Sender(AdaptiveRate()).run(EveryTenth(1000), 20).verdicts == ["open"]


# -- falling


def test_the_rate_falls_once_for_all_that_is_in_the_air() -> None:
    rate = AdaptiveRate()
    answer(rate, 0.0, 100)
    answer(rate, 1.5, 50, 50, outstanding=50)
    fallen = rate.rate
    assert fallen == pytest.approx(BACK_OFF * 100)
    for n in range(5):
        answer(rate, 1.6 + n / 100, 10, 10)
    assert rate.rate == fallen
    answer(rate, 2.7, 10, 10)
    assert rate.rate < fallen


def test_the_rate_falls_to_the_half_at_most_and_never_below_the_lowest() -> None:
    rate = limited(100.0)
    rates = [rate.rate]
    for n in range(60):
        answer(rate, 4.2 + n, 10, 10)
        rates.append(rate.rate)
    assert all(after >= before / 2 for before, after in pairwise(rates))
    assert rates[-1] == LOWEST


def test_the_first_seconds_traffic_is_a_rate_over_the_time_that_it_took() -> None:
    rate = AdaptiveRate()
    answer(rate, 0.0, 10)
    answer(rate, 0.1, 20, 20)
    assert rate.rate == pytest.approx(BACK_OFF * 100)


def test_nothing_can_be_taken_at_once_after_a_fall() -> None:
    rate = limited(1000.0)
    assert rate.bucket is not None
    assert not rate.bucket.admits(1, 2.0)
    assert rate.bucket.admits(1, 2.1)


# -- congestion_state (v5.0)


def test_above_ninety_the_rate_falls_once_for_what_is_in_the_air() -> None:
    rate = AdaptiveRate()
    answer(rate, 0.0, 100)
    answer(rate, 1.0, 100)
    rate.congested(95, 20, 1.0)
    assert rate.rate == pytest.approx(85.0)
    assert (rate.verdict, rate.congestion) == (Verdict.LIMITED, 95)
    rate.congested(100, 20, 1.1)
    assert rate.rate == pytest.approx(85.0)
    answer(rate, 1.2, 20)
    rate.congested(100, 0, 1.2)
    assert rate.rate == pytest.approx(68.0)


@pytest.mark.parametrize(("state", "rises"), [(79, True), (80, False), (90, False)])
def test_only_below_eighty_the_rate_rises(state: int, *, rises: bool) -> None:
    rate = AdaptiveRate()
    answer(rate, 0.0, 100)
    answer(rate, 1.0, 100)
    rate.congested(95, 0, 1.0)
    fallen = rate.rate
    for n in range(60):
        answer(rate, 1.1 + n / 10, int(rate.rate / 10) + 1)
        rate.congested(state, 0, 1.1 + n / 10)
    assert (rate.rate > fallen) is rises


def test_probing_stops_where_the_carrier_is_busy_enough() -> None:
    rate = AdaptiveRate()
    answer(rate, 0.0, 100)
    answer(rate, 1.0, 100)
    rate.congested(95, 0, 1.0)
    risen = 0.0
    for n in range(80):
        answer(rate, 1.1 + n / 10, int(rate.rate / 10) + 1)
        rate.congested(50 if n < 40 else 85, 0, 1.1 + n / 10)
        risen = rate.rate if n == 45 else risen
    assert rate.rate == risen > 85.0


def test_a_state_that_there_is_not_is_ignored() -> None:
    rate = AdaptiveRate()
    rate.congested(101, 0, 0.0)
    rate.congested(60, 0, 0.0)
    assert (rate.congestion, rate.bucket) == (60, None)
