"""Conversations reach their table whole and in their last state, whenever the store is opened anew in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records import Conversation, pack
from bridge.store import recent as module
from bridge.store.recent import Recent, contact_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.store import ContactKey


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GENERATION", 4)
        patch.setattr(module, "SLICE", 2)
        patch.setattr(module, "COPIES", 9)
        yield


class Disk:
    """The two tables."""

    def __init__(self) -> None:
        self.table: dict[bytes, bytes] = {}
        self.rows: dict[int, dict[bytes, bytes]] = {}

    def commit(self, recent: Recent, commit: int, *contacts: int, lost: bool = False) -> None:
        step = recent.step({key(n): Conversation(*key(n), id=commit) for n in contacts})
        if lost:
            return
        assert list(step.moved) == sorted(step.moved)
        self.table.update(step.moved)
        if step.changed:
            self.rows[commit] = step.changed
        self.rows = {n: row for n, row in self.rows.items() if n > step.over}
        recent.taken(step, commit)

    def get(self, recent: Recent, n: int) -> bytes | None:
        name = contact_key(key(n))
        return recent.get(name) or self.table.get(name)


def key(n: int) -> ContactKey:
    return f"25571200{n:04}", "acme"


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 9), max_size=3, unique=True), st.sampled_from(["", "lost", "opened"])))
)
def test_what_was_committed_last_is_what_is_read(history: list[tuple[list[int], str]]) -> None:
    disk, recent, wanted = Disk(), Recent(), {}
    for commit, (contacts, then) in enumerate(history, 1):
        disk.commit(recent, commit, *contacts, lost=then == "lost")
        if then != "lost":
            wanted.update({n: pack(Conversation(*key(n), id=commit)) for n in contacts})
        if then == "opened":
            recent = Recent(disk.rows.items())
        assert [disk.get(recent, n) for n in range(10)] == [wanted.get(n) for n in range(10)]


def test_a_generation_moves_in_slices_and_its_rows_go_with_the_last() -> None:
    disk, recent = Disk(), Recent()
    disk.commit(recent, 1, 3, 1, 2)
    assert not disk.table
    disk.commit(recent, 2, 4)
    assert (len(disk.table), list(disk.rows)) == (0, [1, 2])
    disk.commit(recent, 3)
    assert sorted(disk.table) == [contact_key(key(n)) for n in (1, 2)]
    disk.commit(recent, 4, 9)
    assert sorted(disk.table) == [contact_key(key(n)) for n in (1, 2, 3, 4)]
    assert list(disk.rows) == [4]


def test_it_keeps_up_with_large_batches() -> None:
    disk, recent = Disk(), Recent()
    for commit in range(1, 20):
        disk.commit(recent, commit, *range(commit * 100, commit * 100 + 100))
    assert len(recent._young) + len(recent._old) <= 400


def test_copies_of_a_few_conversations_do_not_pile_up() -> None:
    disk, recent = Disk(), Recent()
    for commit in range(1, 40):
        disk.commit(recent, commit, 1, 2)
        assert len(disk.rows) <= 8
    recent = Recent(disk.rows.items())
    assert [disk.get(recent, n) for n in (1, 2)] == [pack(Conversation(*key(n), id=39)) for n in (1, 2)]


def test_what_was_known_of_an_erased_customer_does_not_get_to_the_table() -> None:
    disk, recent = Disk(), Recent()
    disk.commit(recent, 1, 1, 2, 3, 4)
    recent.taken(recent.step({}), 2)
    step = recent.step({key(4): Conversation(*key(4), id=9)}, {contact_key(key(3)), contact_key(key(4))})
    assert [name for name, _ in step.moved] == []
    assert list(step.changed) == [contact_key(key(4))]
