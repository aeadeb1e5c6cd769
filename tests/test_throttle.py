"""Token buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.throttle import UNLIMITED, SlidingWindow, TokenBucket


def test_a_bucket_is_full_at_the_start() -> None:
    bucket = TokenBucket(10, 3, now=100.0)
    assert bucket.available(100.0) == 3


def test_taking_more_than_there_is_takes_nothing() -> None:
    bucket = TokenBucket(10, 3, now=0.0)
    assert bucket.take(4, 0.0) is False
    assert bucket.take(3, 0.0) is True
    assert bucket.take(1, 0.0) is False
    assert bucket.take(0, 0.0) is True


def test_tokens_come_back_at_the_rate_and_no_further_than_the_burst() -> None:
    bucket = TokenBucket(10, 3, now=0.0)
    bucket.take(3, 0.0)
    assert bucket.available(0.1) == 1
    assert bucket.available(0.29) == 2
    assert bucket.available(60.0) == 3


def test_the_next_token_is_there_when_it_was_said_to_be() -> None:
    bucket = TokenBucket(3, 1, now=0.0)
    assert bucket.next_at(0.0) == 0.0
    bucket.take(1, 0.0)
    due = bucket.next_at(0.0)
    assert due == pytest.approx(1 / 3)
    assert bucket.available(due) == 1


def test_a_rate_of_zero_is_no_limit() -> None:
    bucket = TokenBucket(0, 1, now=0.0)
    assert bucket.available(0.0) == UNLIMITED
    assert bucket.take(100_000, 0.0) is True
    assert bucket.available(0.0) == UNLIMITED
    assert bucket.next_at(7.0) == 7.0


def test_a_burst_below_one_still_lets_one_through() -> None:
    assert TokenBucket(0.1, 0, now=0.0).available(0.0) == 1


def test_time_going_backwards_gives_nothing() -> None:
    bucket = TokenBucket(10, 5, now=10.0)
    bucket.take(5, 10.0)
    assert bucket.available(9.0) == 0
    assert bucket.available(10.1) == 1


@given(
    rate=st.floats(0.5, 5000),
    burst=st.integers(1, 500),
    waits=st.lists(st.floats(0, 0.05), min_size=1, max_size=60),
)
def test_never_more_than_the_burst_and_the_rate_allow(rate: float, burst: int, waits: list[float]) -> None:
    bucket = TokenBucket(rate, burst, now=0.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        count = bucket.available(now)
        assert bucket.take(count, now)
        taken += count
    assert taken <= burst + rate * now + 1e-6


@given(rate=st.floats(0.5, 2000), burst=st.integers(1, 10), start=st.floats(0, 1e6))
def test_waiting_for_each_token_keeps_the_rate(rate: float, burst: int, start: float) -> None:
    bucket = TokenBucket(rate, burst, now=start)
    now = start
    assert bucket.take(burst, now)
    for _ in range(20):
        due = bucket.next_at(now)
        assert due > now
        while not bucket.take(1, due):
            due = bucket.next_at(due)
        now = due
    assert now - start == pytest.approx(20 / rate, rel=1e-3, abs=1e-6)


# -- what is owed, and another rate


def test_what_a_bucket_can_never_hold_is_admitted_when_it_is_full_and_then_owed() -> None:
    bucket = TokenBucket(10, 2, now=0.0)
    assert bucket.admits(5, 0.0)
    bucket.spend(5, 0.0)
    assert bucket.available(0.0) == 0
    assert bucket.next_at(0.0) == pytest.approx(0.4)
    assert bucket.next_at(0.0, 5) == pytest.approx(0.5)
    assert not bucket.admits(1, 0.3)
    assert bucket.admits(1, 0.4)


def test_nothing_is_owed_where_nothing_is_limited() -> None:
    bucket = TokenBucket(0, 1, now=0.0)
    bucket.spend(5, 0.0)
    assert bucket.admits(1000, 0.0)


def test_another_rate_keeps_the_tokens_that_its_burst_holds() -> None:
    bucket = TokenBucket(10, 10, now=0.0)
    bucket.change(100, 3, 0.0)
    assert bucket.available(0.0) == 3
    bucket.spend(3, 0.0)
    bucket.change(10, 30, 0.01)
    assert bucket.available(0.01) == 1
    assert bucket.available(0.11) == 2


# -- windows


def test_a_window_admits_so_many_in_any_interval() -> None:
    window = SlidingWindow(3, 60.0)
    for now in (0.0, 0.5, 30.0):
        assert window.admits(1, now)
        window.spend(1, now)
    assert not window.admits(1, 60.9)
    assert window.next_at(30.0) == 61.0
    assert window.next_at(30.0, 2) == 61.0
    assert window.next_at(30.0, 3) == 91.0
    assert window.admits(2, 61.0)
    assert not window.admits(3, 61.0)
    assert window.next_at(61.0) == 61.0


def test_what_a_window_can_never_hold_is_admitted_when_it_is_empty() -> None:
    window = SlidingWindow(2, 60.0)
    assert window.admits(5, 0.0)
    window.spend(5, 0.0)
    assert window.next_at(0.0, 5) == 61.0
    assert not window.admits(1, 60.0)
    assert window.admits(5, 61.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), max_size=80))
def test_never_more_than_the_limit_in_an_interval(steps: list[tuple[float, int]]) -> None:
    window = SlidingWindow(10, 6.0)
    now, sent = 0.0, []
    for wait, n in steps:
        now += wait
        if window.admits(n, now):
            window.spend(n, now)
            sent.append((now, n))
    for begin, _ in sent:
        assert sum(n for at, n in sent if begin <= at < begin + 6.0) <= 10
