"""The LMDB store: what it says of a disk that fails, and how it goes on afterwards."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import lmdb as binding
import pytest

from bridge.records import Conversation
from bridge.store import Changes, Position, StoreError, StoreFull
from bridge.store import lmdb as module
from bridge.store.lmdb import LmdbReader, LmdbStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    opened = LmdbStore(tmp_path / "var", max_size=16 << 20, sync=True)
    yield opened
    opened.close()


def commit(store: LmdbStore, number: int) -> None:
    with store.turn() as turn:
        turn.commit(Changes(position=Position(1, number, 0.0, 1), log=[("again", number)]))


def fail(store: LmdbStore) -> None:
    with pytest.raises(StoreFull), store.turn():
        raise StoreFull("no room")


def test_the_turn_after_a_failed_one_goes_on_with_what_was_committed(store: LmdbStore) -> None:
    commit(store, 1)
    used = store.used_share()
    fail(store)
    assert store.used_share() == used
    commit(store, 2)
    fail(store)
    with store.turn():
        assert store.position.commit == 2


def test_a_commit_says_how_long_the_disk_took(store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.5])
    monkeypatch.setattr(module, "perf_counter", lambda: next(ticks))
    assert store.commit_seconds == 0.0
    commit(store, 1)
    assert store.commit_seconds == 2.5


def test_a_reader_finds_conversations_whether_they_are_new_or_not(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, max_size=64 << 20, sync=False)
    keys = [(str(number), "acme") for number in range(3000)]
    for number, some in enumerate((keys[:2000], keys[2000:]), 1):
        with store.turn() as turn:
            changes = Changes(position=Position(1, number, 0.0, 1))
            changes.conversations = {key: Conversation(*key, id=number) for key in some}
            turn.commit(changes)
    store.close()
    reader = LmdbReader(tmp_path)
    found = list(reader.conversations_of([*keys, ("nobody", "acme")]))
    reader.close()
    assert [(row.contact, row.id) for row in found] == [(contact, 1 + (int(contact) >= 2000)) for contact, _ in keys]


def test_a_store_that_cannot_be_opened_again_is_tried_at_each_turn(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise binding.Error("too many open files")

    commit(store, 1)
    used = store.used_share()
    fail(store)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_Tables", refuse)
        for _ in range(2):
            assert store.used_share() == used > 0.0
            with pytest.raises(StoreError, match="too many open files"), store.turn():
                pass
    commit(store, 2)
    assert store.used_share() >= used


@pytest.mark.parametrize(
    ("code", "room", "kind"),
    [
        (errno.ENOSPC, 1 << 30, StoreFull),
        (errno.EDQUOT, 1 << 30, StoreFull),
        (errno.EIO, 4096, StoreFull),
        (errno.EIO, 1 << 30, StoreError),
    ],
)
def test_a_write_that_fails_for_want_of_room_is_a_full_store(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch, code: int, room: int, kind: type[StoreError]
) -> None:
    def failing(*_: object) -> None:
        raise binding.Error(f"mdb_txn_commit: {os.strerror(code)}")

    monkeypatch.setattr(module, "_room", lambda _path: room)
    monkeypatch.setattr(module.LmdbTurn, "_write", failing)
    with pytest.raises(StoreError, match="mdb_txn_commit") as caught, store.turn() as turn:
        turn.commit(Changes())
    assert type(caught.value) is kind
