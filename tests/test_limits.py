"""What one link may send: its limits, those of its service numbers, the reserve for replies, the days' quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

import pytest

from bridge.config import LimitsConfig, NumberLimits
from bridge.limits import DayQuota, Gate, zone_of
from bridge.records import Mt
from smppcore.adaptive import Verdict
from tests.pipeline import link

if TYPE_CHECKING:
    from bridge.config import LinkConfig

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def message(number: str = "60606", *, started: bool = False, parts: int = 1, mt_id: int = 2) -> Mt:
    reply_to = 0 if started else 1
    return Mt(mt_id, reply_to, 1, "a", "1", number, "acme", "text", "t", "v", 0.0, False, parts)


def gate(now: float = NOON, **limits: object) -> Gate:
    config: LinkConfig = link("a", limits=LimitsConfig(**limits))  # type: ignore[arg-type]
    return Gate(config, now)


def send(it: Gate, mt: Mt, now: float) -> bool:
    if not it.admits(mt, now):
        return False
    it.spend(mt, mt.parts, now)
    return True


def go(it: Gate, now: float, times: int, *, started: bool = False) -> int:
    """Try so often; return how many went."""
    return sum(send(it, message(started=started), now) for _ in range(times))


# -- a link


def test_without_limits_nothing_is_shut() -> None:
    it = gate()
    assert (it.shut, it.rate, it.next_call()) == (False, 0.0, inf)
    assert go(it, NOON, 1000) == 1000
    assert it.next_at(message(), NOON) == NOON
    assert list(it.lines()) == []
    assert it.carrier_row() is None


def test_per_second_and_per_minute_hold_together() -> None:
    it = gate(per_second=10, per_minute=12)
    assert (it.shut, it.rate) == (True, 10.0)
    assert go(it, NOON, 5) == 1
    assert it.next_at(message(), NOON) == pytest.approx(NOON + 0.1)
    assert sum(go(it, NOON + n / 10, 1) for n in range(2, 40)) == 11
    assert it.next_at(message(), NOON + 5) == NOON + 61
    assert go(it, NOON + 61.5, 1) == 1


def test_of_each_limit_started_messages_leave_a_share_to_replies() -> None:
    it = gate(per_minute=10, per_day=15, reserve_replies=0.4)
    assert go(it, NOON, 20, started=True) == 6
    assert it.next_at(message(started=True), NOON) == NOON + 61
    assert it.next_at(message(), NOON) == NOON
    assert go(it, NOON, 20) == 4
    assert go(it, NOON + 62, 20, started=True) == 3
    assert go(it, NOON + 62, 20) == 2
    assert it.spent() == {"": (NOON - DAY / 2, 15, 9)}


def test_started_messages_go_at_the_rest_of_the_rate() -> None:
    it = gate(per_second=10, reserve_replies=0.5)
    assert sum(go(it, NOON + n / 100, 1, started=True) for n in range(500)) == pytest.approx(25, abs=1)


def test_the_carriers_rate_is_one_of_the_limits() -> None:
    it = gate(per_second=1000)
    it.carrier.answered(100, 100, 0, NOON)
    assert it.shut
    assert it.rate == it.carrier.rate
    assert not it.admits(message(), NOON)
    assert it.next_at(message(), NOON) > NOON + 0.001
    it.carrier.bucket.spend(0, NOON)  # type: ignore[union-attr]
    assert go(it, NOON + 10, 1) == 1


# -- service numbers


def test_a_number_has_limits_of_its_own_and_the_others_those_of_the_star() -> None:
    it = gate(numbers={"60606": NumberLimits(per_minute=2), "*": NumberLimits(per_minute=1)})
    assert it.shut
    sent = [send(it, message(number), NOON) for number in ("60606", "60606", "60606", "1", "1", "2")]
    assert sent == [True, True, False, True, False, True]
    assert it.open_for(message(), NOON)


def test_a_number_without_a_line_is_not_limited() -> None:
    it = gate(numbers={"60606": NumberLimits(per_minute=1)})
    assert sum(send(it, message("7"), NOON) for _ in range(9)) == 9


def test_what_waits_for_its_number_is_called_in_order_when_that_may_send() -> None:
    it = gate(numbers={"*": NumberLimits(per_minute=1)})
    assert send(it, message(), NOON)
    for n in (5, 6):
        it.put_aside(message(mt_id=n), NOON)
    it.put_aside(message(mt_id=7, started=True), NOON + 1)
    assert it.called(NOON) == []
    assert it.next_call() == NOON + 61
    called = it.called(NOON + 61)
    assert [mt.id for mt in called] == [5, 7]
    assert send(it, called[0], NOON + 61)
    assert it.called(NOON + 61) == []
    assert it.next_call() == NOON + 122
    it.forget_waiting()
    assert (it.next_call(), it.called(NOON + 999)) == (inf, [])


def test_what_waits_for_a_number_waits_for_the_link_too() -> None:
    it = gate(per_minute=1, numbers={"1": NumberLimits(per_second=1)})
    assert send(it, message("2"), NOON)
    it.put_aside(message("1"), NOON)
    assert it.next_call() == NOON + 61
    it.put_aside(message("7"), NOON + 1)
    assert it.next_call() == NOON + 61


# -- days


def quota(limit: int = 10, reserve: float = 0.0, zone: str = "UTC", warn_at: tuple[float, ...] = ()) -> DayQuota:
    return DayQuota("link a", limit, reserve, zone_of(zone), warn_at)


def test_a_days_quota_ends_with_the_day() -> None:
    day = quota(2)
    day.spend(2, NOON, started=False)
    assert not day.admits(1, NOON + DAY / 2 - 1, started=False)
    assert day.ends(NOON) == NOON + DAY / 2
    assert day.admits(2, NOON + DAY / 2, started=False)


def test_the_day_is_the_carriers() -> None:
    day = quota(zone="America/Los_Angeles")
    assert day.ends(NOON) == datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp()
    before_summer_ends = datetime(2026, 11, 1, 7, tzinfo=UTC).timestamp()
    assert quota(zone="America/Los_Angeles").ends(before_summer_ends) - before_summer_ends == 25 * 3600


def test_each_share_is_said_once_even_over_a_restart() -> None:
    day = quota(10, warn_at=(0.9, 0.5))
    day.spend(4, NOON, started=False)
    assert day.lines() == []
    day.spend(1, NOON, started=False)
    assert day.lines() == ["link a: 50% of the 10 messages of the day are used"]
    again = quota(10, warn_at=(0.9, 0.5))
    again.recall(day.spent)
    again.spend(3, NOON, started=False)
    assert again.lines() == []
    again.spend(1, NOON, started=False)
    assert again.lines() == ["link a: 90% of the 10 messages of the day are used"]


def test_what_is_used_up_is_one_line_a_day() -> None:
    day = quota(10, reserve=0.4)
    day.spend(6, NOON, started=True)
    assert [day.admits(1, NOON, started=True) for _ in range(3)] == [False, False, False]
    assert day.admits(1, NOON, started=False)
    assert day.lines() == [
        "link a: started messages have had their 6 of the day's 10: they wait until 2026-11-24 00:00+00:00, "
        "replies go on"
    ]
    day.spend(4, NOON, started=False)
    assert [day.admits(1, NOON, started=started) for started in (False, True)] == [False, False]
    assert day.lines() == [
        "link a: the 10 messages of the day are used up: nothing is sent until 2026-11-24 00:00+00:00"
    ]
    assert day.admits(1, NOON + DAY, started=True)
    day.spend(10, NOON + DAY, started=False)
    assert not day.admits(1, NOON + DAY, started=False)
    assert len(day.lines()) == 1


def test_quotas_go_on_with_what_the_store_has() -> None:
    config = link("a", limits=LimitsConfig(per_day=10, numbers={"1": NumberLimits(per_day=3), "2": NumberLimits()}))
    it = Gate(config, NOON)
    assert send(it, message("1", parts=2), NOON)
    assert send(it, message("2", parts=2), NOON)
    stored = {"a": it.spent()}
    assert stored["a"] == {"": (NOON - DAY / 2, 4, 0), "1": (NOON - DAY / 2, 2, 0)}
    again = Gate(config, NOON)
    again.recall(stored)
    assert not send(again, message("1", parts=2), NOON)
    assert send(again, message("1"), NOON)
    assert again.spent()[""] == (NOON - DAY / 2, 5, 0)
    assert send(again, message("3"), NOON)
    again.recall(stored)
    assert again.spent() == stored["a"]
    again.recall({})
    assert again.spent() == {"": (0.0, 0, 0), "1": (0.0, 0, 0)}
    assert again.next_at(message(parts=9), NOON) == NOON


def test_a_number_that_has_used_up_its_day_says_so_and_comes_back_at_midnight() -> None:
    it = gate(numbers={"1": NumberLimits(per_day=1)})
    assert send(it, message("1"), NOON)
    assert not send(it, message("1"), NOON)
    assert list(it.lines()) == [
        "link a, number 1: the 1 messages of the day are used up: nothing is sent until 2026-11-24 00:00+00:00"
    ]
    it.put_aside(message("1"), NOON)
    assert it.next_call() == NOON + DAY / 2


# -- the carrier


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (
            Verdict.LIMITED,
            "link a: the carrier throttles: 98.0 messages per second are sent, and more is tried now and then",
        ),
        (
            Verdict.SPORADIC,
            "link a: the carrier throttles 0% of the messages at whatever rate: they are tried again, the rate stays",
        ),
    ],
)
def test_what_the_answers_have_shown_is_said_once(verdict: Verdict, line: str) -> None:
    it = gate()
    it.carrier.answered(100, 0, 0, NOON)
    it.carrier.answered(200, 200, 0, NOON + 1.0)
    assert it.carrier_row() == (98.0, "open", None)
    it.carrier.verdict = verdict
    assert (list(it.lines()), list(it.lines())) == ([line], [])
    assert it.carrier_row() == (98.0, verdict.value, None)
    it.carrier.verdict = Verdict.OPEN
    assert list(it.lines()) == ["link a: the carrier throttles no longer: no limit"]
