"""Which of many a fault strikes, and when it holds."""

from __future__ import annotations

import random

import pytest

from smppcore.testbed.faults import Cut, Error, Fault, HalfOpen, Lose, Throttle
from smppcore.testbed.triggers import Plan, matches


def plan(*faults: Fault, started: float = 100.0) -> Plan:
    made = Plan(faults, random.Random(1))
    made.started = started
    return made


def struck(fault: Error, count: int = 12, system_id: bytes = b"esme", step: float = 0.0) -> list[int]:
    """The numbers of those that a fault strikes, counted from 1."""
    [trigger] = plan(fault).picking(Error)
    return [number for number in range(1, count + 1) if trigger.strikes(system_id, 100.0 + number * step)]


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        (Error(), list(range(1, 13))),
        (Error(every=5), [5, 10]),
        (Error(numbers=(1, 7)), [1, 7]),
        (Error(every=5, numbers=(1,)), [1, 5, 10]),
        (Error(every=3, times=2), [3, 6]),
        (Error(account="other"), []),
        (Error(account="esme", every=6), [6, 12]),
    ],
)
def test_faults_pick_by_number(fault: Error, numbers: list[int]) -> None:
    assert struck(fault) == numbers


def test_a_share_is_drawn_from_the_fault_s_own_generator() -> None:
    assert 180 < len(struck(Error(share=0.1), 2000)) < 220
    first = plan(Error(share=0.5), Error(share=0.5)).picking(Error)
    alone = plan(Error(share=0.5)).picking(Error)
    pattern = [[trigger.strikes(b"", 100.0) for _ in range(50)] for trigger in (*first, *alone)]
    assert pattern[0] == pattern[2] != pattern[1]


def test_a_rate_lets_a_burst_through_and_then_so_many_a_second() -> None:
    assert struck(Throttle(above=5.0), 7) == [6, 7]
    assert struck(Throttle(above=5.0, burst=1.0), 5, step=0.2) == []
    assert struck(Throttle(above=5.0, burst=1.0), 5, step=0.1) == [2, 4]


def test_a_rate_may_be_counted_by_the_clock_or_in_any_second() -> None:
    # At 100.25, 100.5 … 101.75: a second of the clock begins anew at 101, any second never does
    assert struck(Throttle(above=2.0, counting="clock"), 7, step=0.25) == [3, 6, 7]
    assert struck(Throttle(above=2.0, counting="sliding"), 7, step=0.25) == [3, 4, 7]


@pytest.mark.parametrize(
    ("fault", "remaining"),
    [
        (HalfOpen(), {0: float("inf"), 50: float("inf")}),
        (HalfOpen(at=10.0), {9.9: 0.0, 10: float("inf")}),
        (HalfOpen(at=10.0, for_=5.0), {0: 0.0, 10: 5.0, 14: 1.0, 15: 0.0, 100: 0.0}),
        (HalfOpen(at=10.0, for_=5.0, again=20.0), {5: 0.0, 12: 3.0, 16: 0.0, 30: 5.0, 33: 2.0, 36: 0.0}),
    ],
)
def test_faults_hold_for_their_time(fault: Fault, remaining: dict[float, float]) -> None:
    made = plan(fault)
    assert {at: made.remaining(fault, b"esme", 100.0 + at) for at in remaining} == pytest.approx(remaining)
    assert made.holds(fault, b"esme", 112.0) is (remaining.get(12, 1) > 0)


def test_before_the_first_connection_only_what_holds_from_the_start() -> None:
    made = plan(started=float("inf"))
    assert made.holds(HalfOpen(), b"", 5.0)
    assert not made.holds(HalfOpen(at=1.0), b"", 5.0)


def test_a_plan_gives_out_faults_by_kind() -> None:
    made = plan(Error(), Throttle(), HalfOpen(), Lose())
    assert [type(trigger.fault) for trigger in made.picking(Error)] == [Error, Throttle]
    assert made.of(HalfOpen) == [HalfOpen()]
    assert made.picking(Cut) == []


def test_patterns_match_numbers() -> None:
    assert matches("*", b"\xff")
    assert matches("2557*", b"255712")
    assert matches("2557??", b"255712")
    assert not matches("2557?", b"255712")


def test_an_event_is_timed_unless_it_picks() -> None:
    assert Cut(at=5.0).timed
    assert not Cut(every=5).timed
