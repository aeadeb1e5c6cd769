"""The store: as a dictionary model has it, across restarts, on a disk that is full, and in use by another."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import lmdb
import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.records import Conversation, Mo, Mt
from bridge.store import Changes, LinkRow, Parked, Position, StoreError, StoreFull
from bridge.store.lmdb import LmdbReader, LmdbStore, kept_still, service_running
from tests.pipeline import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bridge.store import IdKey, Store, Turn

SIZE = 16 << 20


def opened(path: Path, size: int = SIZE) -> LmdbStore:
    return LmdbStore(path, max_size=size, sync=True)


def mo(number: int, *, link: str = "a", time: float = 0.0, text: str = "hi") -> Mo:
    return Mo(number, time or float(number), link, "1", "2", text, "replied")


def mt(number: int, *, link: str = "a", reply_to: int = 1, control: bool = False) -> Mt:
    return Mt(number, reply_to, 1, link, "1", "2", "acme", "hello", "t", "v", 1.0, control)


def write(store: Store, changes: Changes) -> None:
    with store.turn() as turn:
        turn.commit(changes)
    store.position = changes.position


# -- against a model

NAMES = st.sampled_from(["a", "b", "a\u00e9"])
TEXTS = st.text(max_size=5)
IDS: st.SearchStrategy[IdKey] = st.tuples(NAMES, st.sampled_from(["", "1", "2", "x" * 600]))


@st.composite
def histories(draw: st.DrawFn) -> list[Changes]:
    """Some turns' changes, as a bridge could make them."""
    history = []
    next_id = 1
    mos: list[Mo] = []
    mts: list[Mt] = []
    for commit in range(1, draw(st.integers(1, 5)) + 1):
        c = Changes()
        for _ in range(draw(st.integers(0, 3))):
            c.new_mos.append(mo(next_id, link=draw(NAMES), time=float(next_id), text=draw(TEXTS)))
            next_id += 1
        for _ in range(draw(st.integers(0, 3))):
            c.new_mts.append(
                mt(next_id, link=draw(NAMES), reply_to=draw(st.integers(0, 1)), control=draw(st.booleans()))
            )
            next_id += 1
        for row in draw(st.lists(st.sampled_from(mos), unique_by=id, max_size=2)) if mos else []:
            row.redelivered += 1
            c.mos.append(row)
        for message in draw(st.lists(st.sampled_from(mts), unique_by=id, max_size=2)) if mts else []:
            message.claim = draw(st.sampled_from([0.0, 5.0]))
            message.message_ids = ("7",)
            c.mts[message.id] = message
        mos += c.new_mos
        mts += c.new_mts
        c.queued = draw(st.lists(st.sampled_from(mts), max_size=3)) if mts else []
        c.unqueued = draw(st.lists(st.sampled_from(mts), max_size=2)) if mts else []
        for key in draw(st.lists(st.tuples(TEXTS.filter(lambda t: "\0" not in t), NAMES), max_size=3)):
            c.conversations[key] = Conversation(*key, variables={"k": draw(TEXTS)})
        c.ids = [
            (key, draw(st.integers(1, 2**40)), draw(st.integers(0, 254))) for key in draw(st.lists(IDS, max_size=3))
        ]
        c.parked = [
            Parked(*key, draw(st.integers(0, 9) | TEXTS), "e", float(draw(st.integers(0, 9))), "a", b"\xff")
            for key in draw(st.lists(IDS, max_size=3))
        ]
        c.unmatched, c.forgotten = c.parked, draw(st.integers(0, 2))
        dues = st.tuples(st.integers(0, 3).map(float), st.integers(0, 9))
        c.due, c.undue = draw(st.lists(dues, max_size=2)), draw(st.lists(dues, max_size=2))
        c.unparked = draw(st.lists(IDS, max_size=2))
        c.assemblies = draw(
            st.dictionaries(st.binary(min_size=1, max_size=3), st.none() | st.binary(max_size=4), max_size=2)
        )
        c.counters = draw(
            st.dictionaries(
                st.tuples(st.integers(0, 3), NAMES, st.sampled_from(["mo", "mt"])), st.integers(0, 2**63), max_size=3
            )
        )
        c.links = [LinkRow(name, "bound", 1.0, 1, "", "p") for name in draw(st.lists(NAMES, max_size=1))]
        c.log = [("mo", 1, [2])] * draw(st.integers(0, 1))
        c.position = Position(next_id, commit, float(commit), 1, {"a": 2.5})
        history.append(c)
    return history


def everything(turn: Turn, top: int) -> dict[str, object]:
    """Return all that a turn can be asked."""
    ids = range(top + 2)
    keys: list[IdKey] = [(name, i) for name in ("a", "b", "a\u00e9") for i in ("", "1", "2")]
    links = frozenset({"a", "a\u00e9"})
    return {
        "mos": turn.mos(ids),
        "mts": turn.mts(ids),
        "correlate": turn.correlate(keys),
        "parked": turn.parked(keys),
        "count": turn.parked_count(),
        "unmatched": turn.unmatched_count(),
        "parked pages": [turn.parked_page(after, 2) for after in (None, *keys)],
        "from": [[row.id for row in turn.mts_from(start, 2)] for start in (0, 3)],
        "due": [turn.due(limit) for limit in (1, 100)],
        "queued": [
            turn.queued(name, kind, after, 3) for name in ("a", "a\u00e9") for kind in range(3) for after in (0, 4)
        ],
        "claims": turn.open_claims(2),
        "recent": list(turn.recent_mos(links, 3.0, 3)),
        "assemblies": turn.assemblies(),
        "counters": turn.counters(2),
    }


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), generation=st.sampled_from([1, 2, 10_000]))
def test_the_store_says_what_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, history: list[Changes], generation: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.store.recent.GENERATION", generation)
        patch.setattr("bridge.store.recent.SLICE", 1)
        say_the_same(tmp_path_factory, history)


def say_the_same(tmp_path_factory: pytest.TempPathFactory, history: list[Changes]) -> None:
    path = tmp_path_factory.mktemp("store")
    model = MemoryStore()
    store = opened(path)
    try:
        for changes in history:
            # The message ids of a real SMSC are shorter; what is longer is cut in the key only.
            for parked in changes.parked:
                parked.message_id = parked.message_id[:60]
            changes.ids = [((key[0], key[1][:60]), n, part) for key, n, part in changes.ids]
            changes.unparked = [(key[0], key[1][:60]) for key in changes.unparked]
            write(model, changes)
            write(store, changes)
            top = changes.position.next_id
            with store.turn() as real, model.turn() as wanted:
                assert everything(real, top) == everything(wanted, top)
        store.close()
        store = opened(path)
        assert store.position == history[-1].position
        with store.turn() as real, model.turn() as wanted:
            keys = list(model.conversation)
            assert real.conversations(keys) == wanted.conversations(keys)
            assert everything(real, 30) == everything(wanted, 30)
    finally:
        store.close()


def test_a_message_id_longer_than_a_key_is_found_by_its_head(tmp_path: Path) -> None:
    store = opened(tmp_path)
    long = "\u00ff" * 600
    changes = Changes(Position(2, 1))
    changes.ids = [(("a", long), 1, 0)]
    changes.parked = [Parked("a", long, 2, "", 1.0, "a", b"")]
    write(store, changes)
    with store.turn() as turn:
        assert turn.correlate([("a", long)]) == [(1, 0)]
        (parked,) = turn.parked_page(None, 10)
        assert parked.state == 2
        assert turn.parked_page((parked.group, parked.message_id), 10) == []
        turn.commit(Changes(Position(2, 2), unparked=[(parked.group, parked.message_id)]))
    with store.turn() as turn:
        assert turn.parked_count() == 0
    store.close()


def test_a_turn_that_is_left_without_a_commit_changes_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with store.turn() as turn:
        assert turn.mos([1]) == [None]
    with pytest.raises(ZeroDivisionError), store.turn():
        raise ZeroDivisionError
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    with store.turn() as turn:
        assert turn.mos([1]) == [mo(1)]
    store.close()


# -- opening


def test_a_new_store_is_made_with_its_folder_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "var"
    store = opened(path)
    assert store.position == Position()
    store.close()
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "data.mdb").stat().st_mode & 0o077 == 0


def test_a_store_in_use_is_refused_and_stays_usable(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreError, match="in use by another running service; stop it first"):
        opened(tmp_path)
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    assert service_running(tmp_path)
    store.close()
    assert not service_running(tmp_path)
    opened(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used as data_dir"):
        opened(tmp_path / "file" / "var")


def test_a_store_of_a_newer_format_is_refused_by_writers_and_readers(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with lmdb.open(str(tmp_path), max_dbs=20, map_size=SIZE) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"format", b"2", db=meta)
    for _ in range(2):  # and nothing stays open after it
        with pytest.raises(StoreError, match="format 2, this version knows 1: upgrade smppbridge"):
            opened(tmp_path)
        with pytest.raises(StoreError, match="upgrade smppbridge"):
            LmdbReader(tmp_path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match=str(tmp_path)):
        opened(tmp_path)
    with pytest.raises(StoreError, match="cannot be read"):
        LmdbReader(tmp_path)
    assert not service_running(tmp_path)


def test_a_record_of_a_newer_version_says_so(tmp_path: Path) -> None:
    store = opened(tmp_path)
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=20, map_size=SIZE) as env:
        table = env.open_db(b"mo")
        with env.begin(write=True) as txn:
            txn.put((1).to_bytes(8, "big"), b"\x09rest", db=table)
    store = opened(tmp_path)
    with pytest.raises(StoreError, match=r"version 9.*smppbridge store check"), store.turn() as turn:
        turn.mos([1])
    store.close()


def test_a_row_that_is_no_conversation_is_said_when_the_store_is_opened(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    with lmdb.open(str(tmp_path), max_dbs=20, map_size=SIZE) as env:
        table = env.open_db(b"recent")
        with env.begin(write=True) as txn:
            txn.put((1).to_bytes(8, "big"), msgpack.packb([b"\x01\xc0"]), db=table)
    with pytest.raises(StoreError, match=r"cannot be read: .*smppbridge store check"):
        opened(tmp_path)


# -- no room


def test_a_full_map_is_said_so_and_the_store_is_usable_again(tmp_path: Path) -> None:
    store = opened(tmp_path, 1 << 20)
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    assert 0.0 < store.used_share() < 0.95
    with pytest.raises(StoreFull, match="raise \\[store\\] max_size"):
        write(store, Changes(Position(3, 2), new_mos=[mo(2, text="x" * 2_000_000)]))
    assert store.position.commit == 1
    with store.turn() as turn:
        assert turn.mos([1, 2]) == [mo(1), None]
    write(store, Changes(Position(3, 2), new_mos=[mo(2)]))
    store.close()
    store = opened(tmp_path, 4 << 20)
    assert store.position.next_id == 3
    write(store, Changes(Position(4, 3), new_mos=[mo(3, text="x" * 1_000_000)]))
    store.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lmdb.MapFullError("mdb_put: MDB_MAP_FULL"), StoreFull),
        (lmdb.DiskError("mdb_txn_commit: No space left on device"), StoreFull),
        (lmdb.Error("mdb_txn_commit: No space left on device"), StoreFull),
        (lmdb.Error("mdb_txn_commit: Input/output error"), StoreError),
    ],
)
def test_a_commit_that_fails_reopens_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: lmdb.Error, kind: type[StoreError]
) -> None:
    store = opened(tmp_path)

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("bridge.store.lmdb.LmdbTurn._write", failing)
        with pytest.raises(StoreError) as caught:
            write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    assert type(caught.value) is kind
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    assert store.position.commit == 1
    store.close()


def test_a_store_that_could_not_be_opened_again_tries_at_the_next_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)

    def failing(*_: object, **__: object) -> None:
        raise lmdb.Error("Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("bridge.store.lmdb.LmdbTurn._write", failing)
        patch.setattr("bridge.store.lmdb.lmdb.open", failing)
        for _ in range(2):
            with pytest.raises(StoreError, match="Input/output error"):
                write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    store.close()


def test_a_file_that_may_not_grow_is_a_full_store(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    store = opened(tmp_path)
    write(store, Changes(Position(2, 1), new_mos=[mo(1)]))
    size = (tmp_path / "data.mdb").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal = pytest.importorskip("signal")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        with pytest.raises(StoreError):
            write(store, Changes(Position(3, 2), new_mos=[mo(2, text="x" * 500_000)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    write(store, Changes(Position(3, 2), new_mos=[mo(2)]))
    with store.turn() as turn:
        assert turn.mos([1, 2]) == [mo(1), mo(2)]
    store.close()


# -- readers


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[LmdbReader]:
    store = opened(tmp_path)
    first = Changes(Position(4, 1, 10.0), new_mos=[mo(1), mo(2)], new_mts=[mt(3)], log=[("mo", 1, [3]), ("mo", 2, [])])
    first.queued = first.new_mts
    first.conversations = {("1", "acme"): Conversation("1", "acme", 1)}
    first.counters = {(5, "a", "mo.replied"): 2}
    first.links = [LinkRow("a", "bound", 1.0, 1, "", "smsc:2775")]
    first.parked = [Parked("a", "9", 2, "", 1.0, "a", b"")]
    first.unmatched = [Parked("a", "", "ODD", "", 1.0, "a", b"\xff"), *first.parked]
    first.ids = [(("a", "7"), 3, 0)]
    write(store, first)
    write(store, Changes(Position(6, 2, 20.0), new_mts=[mt(4, control=True), mt(5)], log=[("mo", 300, [301])]))
    store.close()
    reader = LmdbReader(tmp_path)
    yield reader
    reader.close()


def test_a_reader_sees_rows_in_order(reader: LmdbReader) -> None:
    assert [row.id for row in reader.mos()] == [1, 2]
    assert [row.id for row in reader.mos(2)] == [2]
    assert [row.id for row in reader.mts(4)] == [4, 5]
    assert (reader.mo(1), reader.mo(9), reader.mt(9)) == (mo(1), None, None)
    assert reader.mt(3) is not None
    assert reader.conversation(("1", "acme")) == Conversation("1", "acme", 1)
    assert reader.conversation(("2", "acme")) is None
    assert [row.id for row in reader.queue()] == [3]
    assert reader.waiting() == {("a", 1): (1, 3)}
    assert [row.name for row in reader.links()] == ["a"]
    assert list(reader.counters()) == [((5, "a", "mo.replied"), 2)]
    assert [parked.message_id for parked in reader.parked()] == ["9"]
    assert (reader.has_id(("a", "7")), reader.has_id(("a", "8"))) == (True, False)
    assert reader.raw_counts()["mt"] == 3
    assert reader.value("mo", (9).to_bytes(8, "big")) is None
    assert [key for key, _ in reader.rows("mo")] == [(1).to_bytes(8, "big"), (2).to_bytes(8, "big")]
    assert 0 < reader.size() < SIZE


def test_a_reader_has_the_log_of_all_turns_or_of_those_that_name_a_message(reader: LmdbReader) -> None:
    assert list(reader.log()) == [(1, 10.0, [("mo", 1, [3]), ("mo", 2, [])]), (2, 20.0, [("mo", 300, [301])])]
    assert [commit for commit, _, _ in reader.log({300})] == [2]
    assert [commit for commit, _, _ in reader.log({301})] == [2]


def test_long_reads_go_in_pages(reader: LmdbReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.lmdb._PAGE", 1)
    assert [row.id for row in reader.mos()] == [1, 2]
    assert [commit for commit, _, _ in reader.log()] == [1, 2]


def test_a_reader_stops_where_the_store_was_when_it_was_opened(reader: LmdbReader) -> None:
    reader.position = Position(2, 1, 10.0)
    assert [row.id for row in reader.mos()] == [1]
    assert [row.id for row in reader.mts()] == []
    assert [commit for commit, _, _ in reader.log()] == [1]


def test_there_is_nothing_to_read_where_no_service_ran(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store here; run the service once"):
        LmdbReader(tmp_path / "none")
    assert not service_running(tmp_path / "none")
    with pytest.raises(StoreError, match="no store here"), kept_still(tmp_path / "none"):
        pass


def test_a_store_is_kept_still_against_services_only_while_none_runs(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with kept_still(tmp_path), pytest.raises(StoreError, match="in use by another"):
        opened(tmp_path)
    lock = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    guard: AbstractContextManager[None] = kept_still(tmp_path)
    with pytest.raises(StoreError, match="in use by a running service; stop it first"), guard:
        pass
    os.close(lock)


def test_a_full_store_has_room_again_once_rows_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.lmdb.COUNTED_FROM", 0.1)
    store = LmdbStore(tmp_path, max_size=1 << 22, sync=False)
    rows = [mo(n) for n in range(1, 3001)]
    for row in rows:
        row.text = "x" * 400
    write(store, Changes(Position(3001, 1), new_mos=rows))
    full = store.used_share()
    assert full > 0.3
    write(store, Changes(Position(3001, 2), let_go=[row.id for row in rows]))
    assert store.used_share() < full / 10
    store.close()


def test_of_an_erased_customer_no_former_copy_is_left(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, max_size=1 << 22, sync=False)
    known = Conversation("15550001", "acme", profile={"name": "Xanthippe"})
    other = Conversation("15550002", "acme", profile={"name": "Otto"})
    write(store, Changes(Position(1, 1), conversations={("15550001", "acme"): known, ("15550002", "acme"): other}))
    write(store, Changes(Position(1, 2), conversations={("15550001", "acme"): known}))
    blank = Conversation("15550001", "acme")
    write(store, Changes(Position(1, 3), conversations={("15550001", "acme"): blank}, erased=["15550001"]))
    store.close()
    reader = LmdbReader(tmp_path)
    rows = b"".join(value for table in ("recent", "conversation") for _, value in reader.rows(table))
    assert b"Xanthippe" not in rows
    assert b"Otto" in rows
    assert [c.profile for c in reader.conversations()] == [{}, {"name": "Otto"}]
    reader.close()
