"""Which texts may come again."""

from __future__ import annotations

from math import inf

from bridge.records import Mo
from bridge.redelivery import MoKey, Redelivery, keys_of

LOST = ("a", 100.0)


def mo(number: int, text: str = "hi", time: float = 90.0, bodies: tuple[bytes, ...] = ()) -> Mo:
    return Mo(number, time, "a", "1", "2", text, "replied", bodies=bodies)


def key(text: bytes = b"hi") -> MoKey:
    return ("1", "2", 0, 0, text)


def test_the_key_is_made_of_the_octets_that_were_received() -> None:
    assert keys_of(mo(1)) == [key()]
    assert keys_of(mo(1, "é", bodies=(b"\x05",))) == [key(b"\x05")]
    assert keys_of(mo(1, "ab", bodies=(b"a", b"b"))) == [key(b"a"), key(b"b")]


def test_nothing_is_expected_in_a_healthy_session() -> None:
    redelivery = Redelivery(300.0)
    assert not redelivery
    assert redelivery.candidates(key(), 0.0) == []
    assert redelivery.since(0.0) == inf


def test_what_came_before_the_end_absorbs_one_equal_text() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1), mo(2, "other")])
    assert redelivery
    assert redelivery.candidates(key(), 110.0) == [1]
    redelivery.absorbed(key(), mo(1), 110.0)
    assert redelivery.candidates(key(), 110.0) == []
    assert redelivery.candidates(key(b"other"), 110.0) == [2]


def test_the_window_begins_with_the_bind_and_only_with_the_first() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    assert redelivery.candidates(key(), 1e9) == [1]
    redelivery.bound(1000.0)
    redelivery.bound(1200.0)
    assert redelivery.candidates(key(), 1299.0) == [1]
    assert redelivery.since(1299.0) == 70.0
    assert redelivery.since(1300.0) == inf
    assert redelivery.candidates(key(), 1300.0) == []
    assert not redelivery


def test_one_end_counts_once_and_two_ends_apart() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    redelivery.connection_ended(LOST, 70.0, [mo(9)])
    redelivery.bound(200.0)
    redelivery.connection_ended(("a", 400.0), 370.0, [mo(2)])
    assert redelivery.candidates(key(), 450.0) == [1, 2]
    assert redelivery.candidates(key(), 600.0) == [2]


def test_what_the_last_turn_took_is_added_once() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    redelivery.also(LOST, [mo(1), mo(2)])
    redelivery.also(("b", 1.0), [mo(3)])
    assert redelivery.candidates(key(), 110.0) == [1, 2]


def test_a_text_in_two_ends_absorbs_one() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    redelivery.connection_ended(("a", 101.0), 71.0, [mo(1)])
    redelivery.connection_ended(("b", 102.0), 72.0, [mo(2)])
    redelivery.absorbed(key(), mo(1), 110.0)
    assert redelivery.candidates(key(), 110.0) == [2]


def test_what_was_absorbed_is_expected_again_after_the_next_end() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    redelivery.absorbed(key(), mo(1), 200.0)
    redelivery.connection_ended(("a", 210.0), 180.0, [])
    assert redelivery.candidates(key(), 220.0) == [1]
    assert redelivery.since(220.0) == 70.0


def test_but_not_when_it_was_answered_long_before() -> None:
    redelivery = Redelivery(300.0)
    redelivery.connection_ended(LOST, 70.0, [mo(1)])
    redelivery.absorbed(key(), mo(1), 200.0)
    redelivery.connection_ended(("a", 300.0), 270.0, [])
    assert redelivery.candidates(key(), 310.0) == []


def test_absorbing_can_be_taken_back() -> None:
    redelivery = Redelivery(300.0)
    first = mo(1)
    redelivery.connection_ended(LOST, 70.0, [first])
    redelivery.absorbed(key(), first, 110.0)
    redelivery.not_absorbed(key(), first)
    assert redelivery.candidates(key(), 110.0) == [1]
    redelivery.bound(0.0)
    assert redelivery.candidates(key(), 1000.0) == []
    redelivery.not_absorbed(key(), first)  # the window is over: nothing to take back to
    assert redelivery.candidates(key(), 1000.0) == []
