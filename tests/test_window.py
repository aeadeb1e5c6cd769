"""The window of outstanding requests: numbers, slots, deadlines and late answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.errors import LocalProtocolError
from smppcore.pdu import EnquireLink, SubmitSM
from smppcore.window import MAX_SEQUENCE_NUMBER, Window

TIMEOUT = 10.0


def submits(count: int) -> list[SubmitSM]:
    return [SubmitSM() for _ in range(count)]


def reserve(window: Window[SubmitSM], count: int, now: float = 0.0) -> list[SubmitSM]:
    requests = submits(count)
    window.reserve(requests, now)
    return requests


def numbers(requests: list[SubmitSM]) -> list[int]:
    return [request.sequence_number for request in requests]


def test_a_new_window_numbers_from_one() -> None:
    window = Window[SubmitSM](3, TIMEOUT)
    assert window.room == 3
    assert numbers(reserve(window, 2)) == [1, 2]
    assert (window.room, window.outstanding, len(window)) == (1, 2, 2)


def test_an_empty_window_has_no_deadline() -> None:
    assert Window[SubmitSM](3, TIMEOUT).next_deadline() == math.inf


def test_too_many_requests_are_refused_and_none_recorded() -> None:
    window = Window[SubmitSM](2, TIMEOUT)
    with pytest.raises(LocalProtocolError, match="3 requests for a window with 2 free of 2"):
        window.reserve(submits(3), 0.0)
    assert window.room == 2
    assert window.next_sequence == 1


def test_a_request_is_found_with_its_time_until_it_is_released() -> None:
    window = Window[SubmitSM](2, TIMEOUT)
    (request,) = reserve(window, 1, 5.0)
    assert window.get(1) == (request, 5.0)
    assert window.release(1) is False
    assert window.get(1) is None
    assert window.room == 2


def test_numbers_wrap_to_one_and_never_reach_zero() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    window.next_sequence = MAX_SEQUENCE_NUMBER - 1
    assert numbers(reserve(window, 3)) == [0x7FFFFFFE, 0x7FFFFFFF, 1]


def test_numbers_that_are_outstanding_or_late_are_skipped() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    reserve(window, 1, 0.0)
    window.expire(TIMEOUT)
    reserve(window, 1, TIMEOUT)
    window.next_sequence = MAX_SEQUENCE_NUMBER
    assert numbers(reserve(window, 2, TIMEOUT)) == [MAX_SEQUENCE_NUMBER, 3]


def test_a_number_is_used_up_by_a_request_without_response() -> None:
    window = Window[SubmitSM](1, TIMEOUT)
    alone = SubmitSM()
    window.number(alone)
    assert alone.sequence_number == 1
    assert len(window) == 0
    assert numbers(reserve(window, 1)) == [2]


def test_extra_requests_take_no_slot() -> None:
    window = Window[SubmitSM | EnquireLink](1, TIMEOUT)
    window.reserve_extra(EnquireLink(), 0.0)
    assert (window.room, window.outstanding, len(window)) == (1, 0, 1)
    window.reserve([SubmitSM()], 0.0)
    assert (window.room, window.outstanding, len(window)) == (0, 1, 2)
    assert window.release(1) is True
    assert window.room == 0
    assert window.release(2) is False


def test_requests_expire_oldest_first_when_their_time_has_come() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    first = reserve(window, 2, 0.0)
    second = reserve(window, 1, 1.0)
    assert window.next_deadline() == TIMEOUT
    assert window.expire(TIMEOUT - 0.001) == []
    assert window.expire(TIMEOUT) == first
    assert window.next_deadline() == TIMEOUT + 1
    assert window.expire(TIMEOUT + 1) == second
    assert window.room == 10


def test_an_expired_extra_request_gives_no_slot_back() -> None:
    window = Window[EnquireLink](1, TIMEOUT)
    window.reserve_extra(EnquireLink(), 0.0)
    assert len(window.expire(TIMEOUT)) == 1
    assert window.room == 1


def test_a_late_answer_finds_its_request_for_as_long_again() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    (request,) = reserve(window, 1, 0.0)
    assert window.get_late(1, 5.0) is None
    window.expire(TIMEOUT)
    assert window.get(1) is None
    assert window.get_late(1, 2 * TIMEOUT - 0.001) == (request, 0.0)
    assert window.get_late(1, 2 * TIMEOUT) is None


def test_a_late_answer_is_given_once() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    reserve(window, 1)
    window.expire(TIMEOUT)
    window.release_late(1)
    assert window.get_late(1, TIMEOUT) is None


def test_late_requests_are_forgotten_in_time() -> None:
    window = Window[SubmitSM](10, TIMEOUT)
    reserve(window, 1, 0.0)
    window.expire(TIMEOUT)
    window.expire(2 * TIMEOUT)
    window.next_sequence = 1
    assert numbers(reserve(window, 1, 2 * TIMEOUT)) == [1]


def test_the_late_window_is_bounded_by_count_and_drops_the_oldest() -> None:
    window = Window[SubmitSM](2, TIMEOUT)
    for turn in range(3):
        reserve(window, 2, turn * 0.1)
        window.expire(turn * 0.1 + TIMEOUT)
    remembered = [number for number in range(1, 7) if window.get_late(number, TIMEOUT + 0.2) is not None]
    assert remembered == [3, 4, 5, 6]


def test_draining_takes_out_everything() -> None:
    window = Window[SubmitSM | EnquireLink](5, TIMEOUT)
    window.reserve([SubmitSM()], 0.0)
    window.expire(TIMEOUT)
    window.reserve([SubmitSM(), SubmitSM()], 11.0)
    window.reserve_extra(EnquireLink(), 11.0)
    assert [request.sequence_number for request in window.drain()] == [2, 3, 4]
    assert (window.room, len(window), window.get_late(1, 11.0)) == (5, 0, None)


@given(st.lists(st.tuples(st.sampled_from(("reserve", "release", "expire", "late")), st.integers(0, 5)), max_size=60))
def test_every_request_ends_once_and_no_number_is_open_twice(steps: list[tuple[str, int]]) -> None:
    """Against a model: a request is open, late, or ended, and slots in use are exactly the open ones."""
    window = Window[SubmitSM](4, TIMEOUT)
    window.next_sequence = MAX_SEQUENCE_NUMBER - 3
    open_: dict[int, float] = {}
    late: dict[int, float] = {}
    now = 0.0
    for what, amount in steps:
        now += amount
        if what == "reserve" and amount <= window.room:
            for number in numbers(reserve(window, amount, now)):
                assert 1 <= number <= MAX_SEQUENCE_NUMBER
                assert number not in open_
                assert number not in late
                open_[number] = now
        elif what == "release" and open_:
            number = list(open_)[amount % len(open_)]
            window.release(number)
            del open_[number]
        elif what == "expire":
            late = {number: at for number, at in late.items() if at + 2 * TIMEOUT > now}
            expired = [number for number, at in open_.items() if at + TIMEOUT <= now]
            assert numbers(window.expire(now)) == expired
            late |= {number: open_.pop(number) for number in expired}
            late = dict(list(late.items())[-2 * window.size :])
        elif what == "late" and late:
            number = list(late)[amount % len(late)]
            found = window.get_late(number, now)
            assert (found is not None) == (late[number] + 2 * TIMEOUT > now)
            if found is not None:
                window.release_late(number)
                del late[number]
        assert window.outstanding == len(open_)
        assert window.next_deadline() == (min(open_.values()) + TIMEOUT if open_ else math.inf)
