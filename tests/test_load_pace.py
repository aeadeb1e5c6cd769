"""When a load's messages are due."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.testbed.load.pace import NOT_NOW, Pace, Stage


def dues(pace: Pace, until: float) -> list[float]:
    """What is due up to a time, in seconds since the beginning, looked at every 10 ms."""
    found = []
    for tick in range(int(until * 100) + 1):
        while (due := pace.take(100.0 + tick / 100)) != NOT_NOW:
            found.append(due - 100.0)
    return found


def test_a_constant_rate_is_even_and_keeps_its_times_however_late_it_is_asked() -> None:
    pace = Pace((Stage(4, 4, math.inf),), seconds=2.0)
    pace.begin(100.0)
    assert [pace.take(101.9) - 100.0 for _ in range(8)] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75])
    assert pace.take(101.9) == NOT_NOW
    assert pace.due_at() == math.inf


def test_nothing_is_due_before_the_beginning() -> None:
    for pace in (Pace(), Pace((Stage(5, 5, 1.0),))):
        assert pace.take(1e9) == NOT_NOW
        assert not pace.over(1e9)


def test_a_ramp_has_the_messages_under_its_line_and_its_last_rate_goes_on() -> None:
    pace = Pace((Stage(10, 30, 2.0),), seconds=3.0)
    pace.begin(100.0)
    found = dues(pace, 4.0)
    assert len(found) == 40 + 30
    assert sum(due < 1.0 for due in found) == 15
    assert found == sorted(found)
    assert found[-1] - found[-2] == pytest.approx(1 / 30)


def test_a_ramp_from_nothing_and_to_nothing() -> None:
    pace = Pace((Stage(0, 10, 2.0), Stage(10, 0, 2.0)), seconds=10.0)
    pace.begin(100.0)
    found = dues(pace, 5.0)
    assert len(found) == 20
    assert found[10] == pytest.approx(2.0)
    assert pace.due_at() == math.inf


def test_stages_follow_each_other_and_one_of_nothing_is_a_pause() -> None:
    pace = Pace((Stage(5, 5, 1.0), Stage(0, 0, 2.0), Stage(10, 10, 1.0)), seconds=4.0)
    pace.begin(100.0)
    found = dues(pace, 5.0)
    assert [sum(second <= due < second + 1 for due in found) for second in range(4)] == [5, 0, 0, 10]


def test_a_closed_loop_takes_whenever_it_is_asked_until_its_end() -> None:
    pace = Pace(messages=3)
    pace.begin(100.0)
    assert [pace.take(105.0), pace.take(105.0), pace.take(106.0), pace.take(107.0)] == [105.0, 105.0, 106.0, NOT_NOW]
    assert pace.over(106.0)
    timed = Pace(seconds=1.0)
    timed.begin(100.0)
    assert timed.take(100.5) == 100.5
    assert timed.take(101.0) == NOT_NOW
    assert timed.missed(105.0) == 0


def test_what_was_due_and_not_taken_by_the_end_is_missed() -> None:
    pace = Pace((Stage(10, 10, math.inf),), seconds=2.0)
    pace.begin(100.0)
    for _ in range(5):
        pace.take(101.9)
    assert pace.take(102.1) == NOT_NOW
    assert pace.missed(103.0) == 15


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e4), st.floats(0.01, 1e4), st.floats(0.0, 1.0))
def test_the_time_of_a_message_is_the_inverse_of_the_messages_by_a_time(
    start: float, end: float, seconds: float, share: float
) -> None:
    stage = Stage(start, end, seconds)
    at = share * seconds
    messages = start * at + (end - start) * at * at / seconds / 2
    if 1e-3 < messages < stage.messages:
        found = stage.when(messages)
        assert start * found + (end - start) * found * found / seconds / 2 == pytest.approx(messages, rel=1e-6)
        assert 0.0 <= found <= seconds * (1 + 1e-9)
