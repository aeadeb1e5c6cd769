"""Long texts until they are whole, and for a while after that."""

from __future__ import annotations

from itertools import permutations
from math import inf

import pytest

from bridge import assembly as module
from bridge.assembly import Assemblies, Assembly, AssemblyKey, pack_key, unpack_assembly, unpack_key
from smppcore.text import UserData

KEY: AssemblyKey = ("g", "1\u00e9", "2", 300, 16, 3)


def key(reference: int) -> AssemblyKey:
    return ("g", "1", "2", reference, 8, 2)


def part(octets: bytes) -> UserData:
    return UserData(octets, 8, has_header=True)


def assembly(mo: int = 7, link: str = "a", since: float = 1.5) -> Assembly:
    return Assembly(mo, link, since)


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
def test_parts_are_in_their_order_whatever_order_they_came_in(order: tuple[int, ...]) -> None:
    long = assembly()
    for number in order:
        long.parts[number] = part(b"%d" % number)
    assert long.ordered() == [part(b"1"), part(b"2"), part(b"3")]


def test_a_part_is_new_the_same_or_another() -> None:
    long = assembly()
    long.parts[1] = part(b"a")
    assert long.holds(2, part(b"a")) is None
    assert long.holds(1, part(b"a")) is True
    assert long.holds(1, part(b"b")) is False
    assert long.holds(1, UserData(b"a", 0, has_header=True)) is False


def test_a_whole_message_knows_its_parts_by_digests() -> None:
    long = assembly()
    long.parts = {1: part(b"a" * 140), 2: part(b"b")}
    long.read(9.0, 2)
    assert (long.state, long.since) == ("whole", 9.0)
    assert [len(each.octets) for each in long.ordered()] == [8, 8]
    assert long.holds(1, part(b"a" * 140)) is True
    assert long.holds(1, part(b"b")) is False


def test_a_partial_message_keeps_its_parts_until_it_is_whole() -> None:
    long = assembly()
    long.parts = {1: part(b"a")}
    long.read(9.0, 2)
    assert (long.state, long.parts) == ("partial", {1: part(b"a")})
    long.parts[2] = part(b"b")
    long.complete(2)
    assert long.state == "whole"


def test_it_is_stored_and_read_again() -> None:
    long = assembly()
    long.parts[2] = part(b"b")
    long.parts[1] = UserData(b"a", 0, has_header=False)
    assert unpack_assembly(long.pack()) == long
    long.read(2.0, 2)
    assert unpack_assembly(long.pack()) == long
    assert unpack_key(pack_key(KEY)) == KEY


def test_those_whose_time_is_over_come_in_order() -> None:
    held = Assemblies({"a": 10.0, "slow": 100.0})
    first, slow, last = assembly(1, since=5.0), assembly(2, "slow", 0.0), assembly(3, since=7.0)
    for number, each in enumerate((last, slow, first)):
        held.put(key(number), each)
    assert held.next_due() == 15.0
    assert held.take_overdue(14.9) == []
    assert held.take_overdue(17.0) == [(key(2), first), (key(0), last)]
    assert held.next_due() == 100.0


def test_what_was_put_again_is_not_due_at_its_old_time() -> None:
    held = Assemblies({"a": 10.0})
    again, other = assembly(1, since=0.0), assembly(3, since=2.0)
    held.put(key(1), again)
    held.put(key(3), other)
    again.since = 50.0
    held.put(key(1), again)
    held.put(key(1), again)
    another = assembly(4, since=60.0)
    held.put(key(3), another)
    assert held.next_due() == 60.0
    assert held.take_overdue(100.0) == [(key(1), again), (key(3), another)]
    assert held.next_due() == inf


def test_after_the_clock_was_set_back_a_message_waits_no_longer() -> None:
    held = Assemblies({"a": 10.0})
    held.load([(pack_key(KEY), assembly(since=3600.0).pack())], 5.0)
    assert held.next_due() == 15.0


def test_what_belongs_to_no_link_waits() -> None:
    held = Assemblies({"a": 10.0})
    held.load([(pack_key(KEY), assembly(1, "gone").pack())], 2.0)
    assert held.next_due() == inf
    assert held.take_overdue(1e12) == []
    assert held.get(KEY) == assembly(1, "gone")


def test_the_oldest_of_too_many_is_over_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    held = Assemblies({"a": 10.0})
    for number in range(4):
        held.put(key(number), assembly(number, since=float(number)))
    assert [name for name, _ in held.take_overdue(5.0)] == [key(0), key(1)]
    held.load([], 2.0)
    assert len(held) == 0
    assert held.next_due() == inf
