"""Long texts until they are whole."""

from __future__ import annotations

from itertools import permutations

import pytest

from bridge.assembly import Assembly, add_part, joined, pack_key, unpack_assembly, unpack_key


def assembly() -> Assembly:
    return Assembly(7, "a", 1.5, 0x40, 8, b"\x01\x01\x03\x00")


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
def test_parts_are_joined_in_their_order_whatever_order_they_came_in(order: tuple[int, ...]) -> None:
    long = assembly()
    for number in order:
        assert add_part(long, number, b"%d" % number, b"raw%d" % number)
    assert joined(long) == (b"123", (b"raw1", b"raw2", b"raw3"))


def test_what_there_is_can_be_joined_without_the_rest() -> None:
    long = assembly()
    add_part(long, 3, b"c", b"rc")
    add_part(long, 1, b"a", b"ra")
    assert joined(long) == (b"ac", (b"ra", b"rc"))
    assert joined(assembly()) == (b"", ())


def test_the_same_part_again_changes_nothing() -> None:
    long = assembly()
    assert add_part(long, 1, b"a", b"raw")
    assert add_part(long, 1, b"a", b"raw")
    assert joined(long) == (b"a", (b"raw",))


def test_another_part_under_the_same_number_is_of_another_message() -> None:
    long = assembly()
    add_part(long, 1, b"a", b"raw")
    assert not add_part(long, 1, b"b", b"other")
    assert joined(long) == (b"a", (b"raw",))


def test_it_is_stored_and_read_again() -> None:
    long = assembly()
    add_part(long, 2, b"b", b"rb")
    assert unpack_assembly(long.pack()) == long
    key = ("g", "1\u00e9", "2", 300, 16, 3)
    assert unpack_key(pack_key(key)) == key
