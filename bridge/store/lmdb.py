"""The embedded store: one LMDB environment (`writemap=False`, its map at the maximum size from the start).

Tables, keys in ascending octet order:

    meta          name                                → Position, format version
    mo            id, 8 octets                        → Mo
    mt            id, 8 octets                        → Mt
    conversation  brand NUL contact                   → Conversation, unless `recent` has a newer one
    recent        commit, 8 octets                    → the Conversations that it changed (bridge.store.recent)
    ids           group NUL message_id                → id of the Mt, number of the part
    queue         link NUL class id                   → nothing; class: 0 control, 1 conversation, 2 started
    parked        group NUL message_id                → a receipt that came before its message_id
    due           milliseconds, 8 octets, id          → nothing: when a message is looked at that awaits its receipt
    unmatched     commit, 8 octets, n, 4 octets       → a receipt of no message of ours
    assembly      key of the long message             → its parts so far
    counter       hour, 4 octets, link NUL name       → total
    link          name                                → LinkRow
    log           commit, 8 octets                    → when, and what the turn took in (bridge.store.LogEntry)
    … and the side tables of bridge.store.SideTable

The ids of `mo` and `mt` ascend, so both grow at their right edge and a batch touches few pages: that, not the number of
puts, is what a synced commit costs. A failed commit reopens the environment, as LMDB asks for. Only this module imports
lmdb.
"""

from __future__ import annotations

import errno
import fcntl
import heapq
import itertools
import os
import shutil
import struct
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import lmdb
import msgpack
import msgspec

from bridge.records import RecordVersionError, pack, pack_all, unpack_conversation, unpack_mo, unpack_mt
from bridge.store import (
    SIDE_TABLES,
    Changes,
    ContactKey,
    CounterKey,
    IdKey,
    LinkRow,
    LogEntry,
    Parked,
    Position,
    SessionRow,
    StoreError,
    StoreFull,
)
from bridge.store.recent import Recent, contact_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from bridge.records import Conversation, Mo, Mt
    from bridge.store import SideTable
    from bridge.store.recent import Step

FORMAT = 1
"""Of the tables and keys above; the records carry a version of their own. A store of a higher one is refused at open.

The first change that a reader of the old keys cannot live with makes it 2, and brings with it, in LmdbStore._open under
the lock: backup() to `data_dir.before-2`, which is kept; then a function for each step from n to n + 1, which rewrites
a table in transactions of `_PAGE` rows, each with the key reached in `meta`, so that one that was killed goes on there;
`format` in the last of them. LmdbReader refuses a store that has not been brought up to date.
"""
_TABLES = (
    b"meta",
    b"mo",
    b"mt",
    b"conversation",
    b"ids",
    b"queue",
    b"parked",
    b"assembly",
    b"counter",
    b"link",
    b"log",
    b"unmatched",
    b"due",
    b"recent",
    *(name.encode() for name in SIDE_TABLES),
)
_id = struct.Struct(">Q")
_part = struct.Struct(">QH")
_hour = struct.Struct(">I")
_due = struct.Struct(">QQ")
_pack = msgspec.msgpack.Encoder().encode
"""For what every message adds to: it takes half the time of msgpack's."""
COUNTED_FROM = 0.5
"""Share of the maximum size that the file must have for its pages in use to be counted."""
_PAGE = 2000
"""Rows of one page of a long read: a snapshot is never held for more than about a tenth of a second."""
_UNREADABLE = (msgspec.DecodeError, RecordVersionError)
_LITTLE = 1 << 20
"""Octets: a disk with less room than this is full for a turn."""


def _id_key(key: IdKey) -> bytes:
    # LMDB keys end at 511 octets; a longer message_id breaks the specification's 64 (SMPP v3.4 §5.2.23), its head
    # will do.
    # One octet for each of the carrier's, so that a cut leaves whole characters.
    return f"{key[0]}\0{key[1]}".encode("latin-1")[:511]


def _queue_key(m: Mt) -> bytes:
    return b"%b\0%c%b" % (m.link.encode(), 0 if m.control else 1 if m.mo else 2, _id.pack(m.id))


def _due_key(entry: tuple[float, int]) -> bytes:
    return _due.pack(round(entry[0] * 1000), entry[1])


def _unpack_parked(key: bytes, value: bytes) -> Parked:
    group, message_id = key.decode("latin-1").split("\0", 1)
    return Parked(group, message_id, *msgpack.unpackb(value))


def _unpack_recent(value: bytes) -> dict[bytes, bytes]:
    conversations = [(unpack_conversation(octets), octets) for octets in msgpack.unpackb(value)]
    return {contact_key((c.contact, c.brand)): octets for c, octets in conversations}


def _link_row(name: str, value: bytes) -> LinkRow:
    state, since, binds, detail, peer, *held = msgpack.unpackb(value)
    return LinkRow(name, state, since, binds, detail, peer, [SessionRow(*row) for rows in held for row in rows])


def _explain(exc: lmdb.Error, path: str | Path = "") -> StoreError:
    """Translate LMDB's exceptions once, here; with a path, a write there that failed."""
    if isinstance(exc, lmdb.MapFullError):
        return StoreFull("the store has reached its maximum size; raise [store] max_size or make room")
    said = str(exc)
    # A write for which the disk has only a part of the room is cut short, which LMDB reports as EIO.
    short = bool(path) and os.strerror(errno.EIO) in said and _room(path) < _LITTLE
    if short or isinstance(exc, lmdb.DiskError) or any(os.strerror(e) in said for e in (errno.ENOSPC, errno.EDQUOT)):
        return StoreFull(f"no room on the disk of the store ({exc}); free some, or move [bridge] data_dir")
    return StoreError(f"the store failed: {exc}")


def _room(path: str | Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


class _Tables:
    """An open environment and its tables."""

    def __init__(self, path: Path, *, max_size: int, sync: bool, readonly: bool) -> None:
        self.env = lmdb.open(
            str(path),
            map_size=max_size,
            max_dbs=len(_TABLES),
            subdir=True,
            readonly=readonly,
            create=not readonly,
            sync=True,
            metasync=sync,
            writemap=False,
            mode=0o600,
            max_readers=126,
        )
        try:
            dbs = [self.env.open_db(name, create=not readonly) for name in _TABLES]
        except lmdb.Error:
            self.env.close()
            raise
        self.meta, self.mo, self.mt, self.conversation, self.ids, self.queue = dbs[:6]
        self.parked, self.assembly, self.counter, self.link, self.log, self.unmatched, self.due, self.recent = dbs[6:14]
        self.side = dict(zip(SIDE_TABLES, dbs[14:], strict=True))
        self._by_name = dict(zip((name.decode() for name in _TABLES), dbs, strict=True))

    def pages(self) -> int:
        """Return how many pages are in use, but for those in which LMDB keeps which ones are free."""
        with self.env.begin() as txn:
            stats = [self.env.stat(), *(txn.stat(db) for db in self._by_name.values())]
        return sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in stats)

    def db(self, name: str) -> lmdb._Database:
        """Return a table by its name."""
        return self._by_name[name]


def _read_position(t: _Tables, txn: lmdb.Transaction[bytes]) -> Position | None:
    data = txn.get(b"format", db=t.meta)
    if data is None:
        return None
    if int(data) > FORMAT:
        raise StoreError(f"the store has format {int(data)}, this version knows {FORMAT}: upgrade smppbridge")
    return Position(*msgpack.unpackb(txn.get(b"position", db=t.meta)))


def _pack_position(p: Position) -> bytes:
    marks = p.settled_below, p.expected, p.watched_below, p.spent, p.carrier, p.forgotten
    return bytes(msgpack.packb((p.next_id, p.commit, p.time, *marks, p.kept_from, p.log_until)))


class LmdbTurn:
    """One write transaction; see bridge.store.Turn."""

    def __init__(self, tables: _Tables, txn: lmdb.Transaction[bytes], recent: Recent) -> None:
        self._t = tables
        self._txn = txn
        self._recent = recent
        self.committed = False
        self.seconds = 0.0
        """How long the commit took to reach the disk."""

    def conversations(self, keys: Sequence[ContactKey]) -> list[Conversation | None]:
        """Load the conversations of these contacts."""
        get, db, recent = self._txn.get, self._t.conversation, self._recent.get
        rows = []
        for key in map(contact_key, keys):
            data = recent(key) or get(key, db=db)
            rows.append(None if data is None else unpack_conversation(data))
        return rows

    def correlate(self, keys: Sequence[IdKey]) -> list[tuple[int, int] | None]:
        """Return (message, part) for each of these message_ids."""
        get, db = self._txn.get, self._t.ids
        rows: list[tuple[int, int] | None] = []
        for key in keys:
            data = get(_id_key(key), db=db)
            rows.append(None if data is None else _part.unpack(data))
        return rows

    def mts(self, ids: Sequence[int]) -> list[Mt | None]:
        """Load these messages."""
        get, db = self._txn.get, self._t.mt
        rows = []
        for n in ids:
            data = get(_id.pack(n), db=db)
            rows.append(None if data is None else unpack_mt(data))
        return rows

    def mos(self, ids: Sequence[int]) -> list[Mo | None]:
        """Load these inbound messages."""
        rows = []
        for n in ids:
            data = self._txn.get(_id.pack(n), db=self._t.mo)
            rows.append(None if data is None else unpack_mo(data))
        return rows

    def parked(self, keys: Sequence[IdKey]) -> list[Parked | None]:
        """Load the receipts kept under these message_ids."""
        rows: list[Parked | None] = []
        for key in keys:
            data = self._txn.get(_id_key(key), db=self._t.parked)
            rows.append(None if data is None else Parked(key[0], key[1], *msgpack.unpackb(data)))
        return rows

    def parked_count(self) -> int:
        """Return how many receipts are kept."""
        return int(self._txn.stat(self._t.parked)["entries"])

    def unmatched_count(self) -> int:
        """Return how many receipts of no message are kept."""
        return int(self._txn.stat(self._t.unmatched)["entries"])

    def parked_page(self, after: IdKey | None, limit: int) -> list[Parked]:
        """Return kept receipts in order of their keys, from behind this one or from the first."""
        rows: list[Parked] = []
        with self._txn.cursor(self._t.parked) as cursor:
            found = cursor.first() if after is None else cursor.set_range(_id_key(after))
            if found and after is not None and cursor.key() == _id_key(after):
                found = cursor.next()
            while found and len(rows) < limit:
                rows.append(_unpack_parked(*cursor.item()))
                found = cursor.next()
        return rows

    def queued(self, link: str, kind: int, after: int, limit: int) -> list[Mt]:
        """Return queued messages of a link and class with a greater id, ascending."""
        prefix = b"%b\0%c" % (link.encode(), kind)
        ids: list[int] = []
        with self._txn.cursor(self._t.queue) as cursor:
            found = cursor.set_range(prefix + _id.pack(after + 1))
            while found and len(ids) < limit:
                key = cursor.key()
                if not key.startswith(prefix):
                    break
                ids.append(_id.unpack(key[-8:])[0])
                found = cursor.next()
        return [m for m in self.mts(ids) if m is not None]

    def open_claims(self, settled_below: int) -> list[Mt]:
        """Return messages from this id on that have a claim open and are not in the queue."""
        rows = []
        with self._txn.cursor(self._t.mt) as cursor:
            found = cursor.set_range(_id.pack(settled_below))
            while found:
                row = unpack_mt(cursor.value())
                if row.claim and self._txn.get(_queue_key(row), db=self._t.queue) is None:
                    rows.append(row)
                found = cursor.next()
        return rows

    def mts_from(self, start: int, limit: int) -> list[Mt]:
        """Return messages from this id on, ascending."""
        rows: list[Mt] = []
        with self._txn.cursor(self._t.mt) as cursor:
            found = cursor.set_range(_id.pack(start))
            while found and len(rows) < limit:
                rows.append(unpack_mt(cursor.value()))
                found = cursor.next()
        return rows

    def due(self, limit: int) -> list[tuple[float, int]]:
        """Return the first entries of `due`, earliest first."""
        rows: list[tuple[float, int]] = []
        with self._txn.cursor(self._t.due) as cursor:
            found = cursor.first()
            while found and len(rows) < limit:
                at, number = _due.unpack(cursor.key())
                rows.append((at / 1000, number))
                found = cursor.next()
        return rows

    def recent_mos(self, links: frozenset[str], since: float, limit: int) -> Iterator[Mo]:
        """Return MOs of these links that came after this time, newest first."""
        with self._txn.cursor(self._t.mo) as cursor:
            found = cursor.last()
            while found and limit > 0:
                row = unpack_mo(cursor.value())
                if row.time < since:
                    return
                if row.link in links:
                    limit -= 1
                    yield row
                found = cursor.prev()

    def assemblies(self) -> list[tuple[bytes, bytes]]:
        """Return the long messages still lacking parts."""
        with self._txn.cursor(self._t.assembly) as cursor:
            return list(cursor)

    def counters(self, hour: int) -> dict[CounterKey, int]:
        """Return the totals of one hour."""
        prefix = _hour.pack(hour)
        rows: dict[CounterKey, int] = {}
        with self._txn.cursor(self._t.counter) as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                link, name = cursor.key()[4:].decode().split("\0")
                rows[hour, link, name] = msgpack.unpackb(cursor.value())
                found = cursor.next()
        return rows

    def rows(self, table: SideTable, keys: Sequence[bytes]) -> list[bytes | None]:
        """Load rows of a side table."""
        db = self._t.side[table]
        return [self._txn.get(key, db=db) for key in keys]

    def page(self, table: SideTable, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Return rows of a side table in order of their keys, from this key on."""
        found: list[tuple[bytes, bytes]] = []
        with self._txn.cursor(self._t.side[table]) as cursor:
            more = cursor.set_range(start)
            while more and len(found) < limit:
                found.append(cursor.item())
                more = cursor.next()
        return found

    def count(self, table: SideTable) -> int:
        """Return how many rows a side table has."""
        return int(self._txn.stat(self._t.side[table])["entries"])

    def log_before(self, time: float, limit: int) -> int:
        """Return the last of the first commits in the log, at most so many, that were made before a time; 0 if none."""
        last = 0
        with self._txn.cursor(self._t.log) as cursor:
            for key, value in itertools.islice(cursor, limit):
                if msgpack.unpackb(value)[0] >= time:
                    break
                last = _id.unpack(key)[0]
        return last

    def commit(self, changes: Changes) -> None:
        """Write everything and sync it to the disk; see bridge.store.Turn."""
        erased = [contact_key(key) for key in changes.conversations if key[0] in changes.erased]
        step = self._recent.step(changes.conversations, erased)
        try:
            self._write(changes)
            self._write_recent(step, changes.position.commit)
            began = perf_counter()
            self._txn.commit()
            self.seconds = perf_counter() - began
        except lmdb.Error as exc:
            raise _explain(exc, self._t.env.path()) from exc
        self.committed = True
        self._recent.taken(step, changes.position.commit)

    def _write(self, c: Changes) -> None:
        t, txn, key = self._t, self._txn, _id.pack
        put = txn.put
        if c.new_mos:
            with txn.cursor(t.mo) as cursor:
                cursor.putmulti(
                    list(zip([key(m.id) for m in c.new_mos], pack_all(c.new_mos), strict=True)), append=True
                )
        for mo in c.mos:
            put(key(mo.id), pack(mo), db=t.mo)
        if c.new_mts:
            with txn.cursor(t.mt) as cursor:
                cursor.putmulti(
                    list(zip([key(m.id) for m in c.new_mts], pack_all(c.new_mts), strict=True)), append=True
                )
        if c.mts:
            with txn.cursor(t.mt) as cursor:
                cursor.putmulti(list(zip(map(key, c.mts), pack_all(c.mts.values()), strict=True)))
        if c.ids:
            with txn.cursor(t.ids) as cursor:
                cursor.putmulti([(_id_key(k), _part.pack(m, part)) for k, m, part in c.ids])
        for m in c.queued:
            put(_queue_key(m), b"", db=t.queue)
        for m in c.unqueued:
            txn.delete(_queue_key(m), db=t.queue)
        for p in c.parked:
            put(
                _id_key((p.group, p.message_id)),
                msgpack.packb((p.state, p.error, p.received, p.link, p.pdu)),
                db=t.parked,
            )
        if c.forgotten:
            with txn.cursor(t.unmatched) as cursor:
                for _ in range(c.forgotten):
                    if cursor.first():
                        cursor.delete()
        for number in c.erased:
            for receipts in (t.parked, t.unmatched):
                with txn.cursor(receipts) as cursor:
                    found = cursor.first()
                    while found:
                        found = cursor.delete() if number.encode() in cursor.value() else cursor.next()
            self._erase_copies(number)
            for contact, conversation in c.conversations.items():
                if contact[0] == number:
                    put(contact_key(contact), pack(conversation), db=t.conversation)
        for n, p in enumerate(c.unmatched):
            put(
                key(c.position.commit) + _hour.pack(n),
                msgpack.packb((p.group, p.message_id, p.state, p.error, p.received, p.link, p.pdu)),
                db=t.unmatched,
                append=True,
            )
        for id_key in c.unparked:
            txn.delete(_id_key(id_key), db=t.parked)
        for entry in c.undue:
            txn.delete(_due_key(entry), db=t.due)
        for entry in c.due:
            put(_due_key(entry), b"", db=t.due)
        for name, value in c.assemblies.items():
            if value is None:
                txn.delete(name, db=t.assembly)
            else:
                put(name, value, db=t.assembly)
        for (hour, link, name_), total in c.counters.items():
            put(_hour.pack(hour) + f"{link}\0{name_}".encode(), msgpack.packb(total), db=t.counter)
        for row in c.links:
            put(
                row.name.encode(),
                msgpack.packb((row.state, row.since, row.binds, row.detail, row.peer, row.held)),
                db=t.link,
            )
        for (table, row_key), value in c.rows.items():
            if value is None:
                txn.delete(row_key, db=t.side[table])
            else:
                put(row_key, value, db=t.side[table])
        for gone in c.let_go:
            for table_ in (t.mo, t.mt):
                txn.delete(key(gone), db=table_)
        for id_key in c.unnamed:
            txn.delete(_id_key(id_key), db=t.ids)
        if c.log_until:
            with txn.cursor(t.log) as cursor:
                found = cursor.first()
                while found and cursor.key() <= key(c.log_until):
                    found = cursor.delete()
        p_ = c.position
        if c.log:
            put(key(p_.commit), _pack((p_.time, c.log)), db=t.log, append=True)
        put(b"position", _pack_position(p_), db=t.meta)

    def _erase_copies(self, number: str) -> None:
        """Take what was known of a customer out of the conversations that changed lately."""
        with self._txn.cursor(self._t.recent) as cursor:
            for key, value in list(cursor):
                if number.encode() in value:
                    octets = msgpack.unpackb(value)
                    others = [one for one in octets if unpack_conversation(one).contact != number]
                    self._txn.put(key, _pack(others), db=self._t.recent)

    def _write_recent(self, step: Step, commit: int) -> None:
        t, txn = self._t, self._txn
        if step.changed:
            txn.put(_id.pack(commit), _pack(list(step.changed.values())), db=t.recent, append=True)
        if step.moved:
            with txn.cursor(t.conversation) as cursor:
                cursor.putmulti(step.moved)
        if step.over:
            with txn.cursor(t.recent) as cursor:
                found = cursor.first()
                while found and cursor.key() <= _id.pack(step.over):
                    found = cursor.delete()


class LmdbStore:
    """The store of one running service.

    Resource handling: holds an exclusive lock on `lock` in its folder until close().

    Args:
        path: The folder; made with mode 0700 if missing.
        max_size: Largest size of the file in octets.
        sync: True syncs data and meta page at every commit; False leaves the last commit to the next one's sync.

    Raises:
        StoreError: In use by another service, of a newer version, or not readable.
    """

    def __init__(self, path: Path, *, max_size: int, sync: bool) -> None:
        self._path = path
        self._max_size = max_size
        self._sync = sync
        self._unusable = False
        """The environment is closed after a failed write; the next turn opens it again."""
        self._used = 0.0
        self.commit_seconds = 0.0
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreError(f"{path}: cannot be used as data_dir: {exc.strerror}") from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            raise StoreError(
                f"{path}: in use by another running service; stop it first, or set another [bridge] data_dir"
            ) from exc
        try:
            self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> None:
        try:
            self._tables = _Tables(self._path, max_size=self._max_size, sync=self._sync, readonly=False)
            try:
                self._tables.env.reader_check()
                with self._tables.env.begin(write=True) as txn:
                    position = _read_position(self._tables, txn)
                    if position is None:
                        position = Position()
                        txn.put(b"format", b"%d" % FORMAT, db=self._tables.meta)
                        txn.put(b"position", _pack_position(position), db=self._tables.meta)
                    with txn.cursor(self._tables.recent) as cursor:
                        self._recent = Recent((_id.unpack(key)[0], _unpack_recent(value)) for key, value in cursor)
            except BaseException:
                self._tables.env.close()
                raise
        except lmdb.Error as exc:
            error = _explain(exc)
            raise type(error)(f"{self._path}: {error}") from exc
        except _UNREADABLE as exc:
            raise self._unreadable(exc) from exc
        self.position = position
        self._unusable = False

    def _unreadable(self, exc: Exception) -> StoreError:
        return StoreError(f"{self._path}: a row cannot be read: {exc}; find it with smppbridge store check")

    @contextmanager
    def turn(self) -> Iterator[LmdbTurn]:
        """Open the next turn; see bridge.store.Store."""
        if self._unusable:
            self._open()
        try:
            txn = self._tables.env.begin(write=True)
        except lmdb.Error as exc:
            raise _explain(exc) from exc
        turn = LmdbTurn(self._tables, txn, self._recent)
        try:
            yield turn
        except _UNREADABLE as exc:
            raise self._unreadable(exc) from exc
        except StoreError:
            txn.abort()
            # After a failed write LMDB may hold its environment unusable until it is opened again.
            self._tables.env.close()
            self._unusable = True
            raise
        finally:
            if not turn.committed:
                txn.abort()
            self.commit_seconds = turn.seconds

    def used_share(self) -> float:
        """Return how much of the maximum size is used, 0.0 … 1.0; after a turn that failed, as it was before."""
        if self._unusable:
            return self._used
        env = self._tables.env
        page = env.stat()["psize"]
        self._used = float((env.info()["last_pgno"] + 1) * page / self._max_size)
        if self._used > COUNTED_FROM:
            # The file does not shrink: pages that were used once may be free. To count those in use takes 30 µs.
            self._used = min(self._used, self._tables.pages() * page / self._max_size)
        return self._used

    def close(self) -> None:
        """Close it; every commit is on the disk already."""
        self._tables.env.close()
        os.close(self._lock)


@contextmanager
def kept_still(path: Path) -> Iterator[None]:
    """Hold the store's lock, so that no service starts on it meanwhile.

    Raises:
        StoreError: There is no store, or a service is running on it.
    """
    try:
        fd = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError as exc:
        raise StoreError(f"{path}: no store here; run the service once, or set [bridge] data_dir") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise StoreError(f"{path}: in use by a running service; stop it first") from exc
    finally:
        os.close(fd)


def compact(path: Path) -> tuple[int, int]:
    """Write a store anew, without the pages that nothing needs: what was deleted is in none of its octets any more.

    The caller holds kept_still().

    Returns:
        Its octets before and after.

    Raises:
        StoreError: There is no room for the copy, or the store cannot be read; it stays as it was.
    """
    copy = path / "compact"
    file = path / "data.mdb"
    before = file.stat().st_size
    try:
        copy.mkdir(mode=0o700, exist_ok=True)
        (copy / "data.mdb").unlink(missing_ok=True)
        env = lmdb.open(str(path), readonly=True, lock=False, max_dbs=len(_TABLES))
        try:
            env.copy(str(copy), compact=True)
        finally:
            env.close()
        with (copy / "data.mdb").open("rb+") as written:
            os.fchmod(written.fileno(), 0o600)
            os.fsync(written.fileno())
        (copy / "data.mdb").replace(file)
        copy.rmdir()
        _sync_folder(path)
    except lmdb.Error as exc:
        raise _explain(exc, path) from exc
    except OSError as exc:
        raise StoreError(f"{path}: cannot be written anew: {exc.strerror}") from exc
    finally:
        if copy.exists():
            (copy / "data.mdb").unlink(missing_ok=True)
            copy.rmdir()
    return before, file.stat().st_size


def backup(path: Path, to: Path) -> Position:
    """Copy a store as of one commit, while its service goes on; the copy is a data_dir.

    Free pages are not copied. As long as it takes the service cannot use pages again that it frees, so its file grows.

    Args:
        path: The folder of the store.
        to: A folder that is not there yet.

    Returns:
        Where the copy stands.

    Raises:
        StoreError: There is no store, no room for the copy, or something is there already; nothing is left of it.
    """
    if to.exists():
        raise StoreError(f"{to}: is there already; name a folder that is not")
    if not (path / "data.mdb").exists():
        raise StoreError(f"{path}: no store here; run the service once, or set [bridge] data_dir")
    unfinished = to.with_name(f".{to.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        env = lmdb.open(str(path), readonly=True, max_dbs=len(_TABLES), max_readers=126)
        try:
            env.copy(str(unfinished), compact=True)
        finally:
            env.close()
        with (unfinished / "data.mdb").open("rb+") as written:
            os.fchmod(written.fileno(), 0o600)
            os.fsync(written.fileno())
        (unfinished / "lock").touch(mode=0o600)
        reader = LmdbReader(unfinished)
        reader.close()
        (unfinished / "lock.mdb").unlink(missing_ok=True)
        unfinished.rename(to)
        _sync_folder(to.parent)
    except lmdb.Error as exc:
        raise _explain(exc, path) from exc
    except OSError as exc:
        raise StoreError(f"{to}: cannot be written: {exc.strerror}") from exc
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return reader.position


def restore(copy: Path, path: Path) -> Path | None:
    """Put a copy in the place of a store; what was there is kept beside it.

    Args:
        copy: The folder that backup() wrote.
        path: data_dir; no service runs on it.

    Returns:
        Where the store that was there is now, None if there was none.

    Raises:
        StoreError: There is no copy, a service is running, or there is no room; then the store is as it was.
    """
    LmdbReader(copy).close()
    (copy / "lock.mdb").unlink(missing_ok=True)
    kept = None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path / "lock").touch(mode=0o600)
        with kept_still(path):
            file, new = path / "data.mdb", path / "restored.mdb"
            try:
                shutil.copyfile(copy / "data.mdb", new)
                new.chmod(0o600)
                with new.open("rb+") as written:
                    os.fsync(written.fileno())
                if file.exists():
                    kept = path / "data.mdb.before-restore"
                    file.replace(kept)
                new.replace(file)
            finally:
                new.unlink(missing_ok=True)
            # It tells of readers of the file that was there.
            (path / "lock.mdb").unlink(missing_ok=True)
            _sync_folder(path)
    except OSError as exc:
        raise StoreError(f"{path}: cannot be written: {exc.strerror}") from exc
    return kept


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def service_running(path: Path) -> bool:
    """Return whether a service holds the store in this folder."""
    try:
        fd = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class LmdbReader:
    """Read-only view of a store that may be written by a running service meanwhile.

    Long reads go in pages, each a snapshot of its own, bounded by the position at which the reader was opened.

    Raises:
        StoreError: There is no store, or it is of a newer version.
    """

    def __init__(self, path: Path) -> None:
        if not (path / "data.mdb").exists():
            raise StoreError(f"{path}: no store here; run the service once, or set [bridge] data_dir")
        try:
            self._t = _Tables(path, max_size=0, sync=True, readonly=True)
            try:
                with self._t.env.begin() as txn:
                    position = _read_position(self._t, txn)
                if position is None:
                    raise StoreError(f"{path}: no store here; run the service once, or set [bridge] data_dir")
            except BaseException:
                self._t.env.close()
                raise
        except lmdb.Error as exc:
            raise StoreError(f"{path}: cannot be read: {exc}") from exc
        self.position: Position = position

    def close(self) -> None:
        """Close it."""
        self._t.env.close()

    def kept_from(self) -> int:
        """Return the same of `position`, as it is now: a running service lets messages go meanwhile."""
        with self._t.env.begin() as txn:
            position = _read_position(self._t, txn)
        return self.position.kept_from if position is None else position.kept_from

    def _pages(self, db: lmdb._Database, start: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
        while True:
            page: list[tuple[bytes, bytes]] = []
            with self._t.env.begin() as txn, txn.cursor(db) as cursor:
                found = cursor.set_range(start)
                while found and len(page) < _PAGE:
                    page.append(cursor.item())
                    found = cursor.next()
            if page:
                yield page
            if len(page) < _PAGE:
                return
            start = page[-1][0] + b"\0"

    def mos(self, start: int = 0) -> Iterator[Mo]:
        """Return the inbound messages in order, from this id on."""
        end = _id.pack(self.position.next_id)
        for page in self._pages(self._t.mo, _id.pack(start)):
            for key, value in page:
                if key >= end:
                    return
                yield unpack_mo(value)

    def mts(self, start: int = 0) -> Iterator[Mt]:
        """Return the messages that we send in order, from this id on."""
        end = _id.pack(self.position.next_id)
        for page in self._pages(self._t.mt, _id.pack(start)):
            for key, value in page:
                if key >= end:
                    return
                yield unpack_mt(value)

    def newest(self, needle: bytes, most: int, below: int = 0) -> Iterator[Mo | Mt]:
        """Return messages of both ways, the newest first.

        Args:
            needle: Only those with these octets somewhere, whatever the case of their letters; in lower case.
            most: So many ids are looked at, 0 = all.
            below: Only those with a smaller id, 0 = all.
        """
        first = min(below or self.position.next_id, self.position.next_id)
        end = max(first - most, 0) if most else 0
        tables = (self._t.mo, unpack_mo), (self._t.mt, unpack_mt)
        rows = (self._back(db, unpack, needle, first, end) for db, unpack in tables)
        yield from heapq.merge(*rows, key=lambda row: -row.id)

    def _back(
        self, db: lmdb._Database, unpack: Callable[[bytes], Mo | Mt], needle: bytes, first: int, end: int
    ) -> Iterator[Mo | Mt]:
        key, last = _id.pack(first), _id.pack(end)
        while True:
            page: list[bytes] = []
            with self._t.env.begin() as txn, txn.cursor(db) as cursor:
                found = cursor.set_range(key)
                found = cursor.prev() if found else cursor.last()
                for _ in range(_PAGE):
                    found = found and cursor.key() >= last
                    if not found:
                        break
                    key = cursor.key()
                    if needle in cursor.value().lower():
                        page.append(cursor.value())
                    found = cursor.prev()
            yield from map(unpack, page)
            if not found:
                return

    def mo(self, number: int) -> Mo | None:
        """Return one inbound message."""
        with self._t.env.begin() as txn:
            data = txn.get(_id.pack(number), db=self._t.mo)
        return None if data is None else unpack_mo(data)

    def mt(self, number: int) -> Mt | None:
        """Return one message that we send."""
        with self._t.env.begin() as txn:
            data = txn.get(_id.pack(number), db=self._t.mt)
        return None if data is None else unpack_mt(data)

    def conversation(self, key: ContactKey) -> Conversation | None:
        """Return the conversation of one contact."""
        name, needle = contact_key(key), key[0].encode()
        with self._t.env.begin() as txn:
            with txn.cursor(self._t.recent) as cursor:
                for value in cursor.iterprev(keys=False):
                    # Looking for the number in the octets is a hundred times as fast as unpacking them.
                    if needle in value and (octets := _unpack_recent(value).get(name)) is not None:
                        return unpack_conversation(octets)
            data = txn.get(name, db=self._t.conversation)
        return None if data is None else unpack_conversation(data)

    def conversations(self, contact: str = "") -> Iterator[Conversation]:
        """Return all conversations in order of their keys, or those of one contact."""
        if contact:
            recent = self._newer()
            brands = dict.fromkeys([*self.brands(), *(name.partition(b"\0")[0].decode() for name in recent)])
            found = (self.conversation((contact, brand)) for brand in brands)
            yield from (conversation for conversation in found if conversation is not None)
            return
        yield from (conversation for _, conversation in self.conversations_from(b""))

    def conversations_from(self, start: bytes) -> Iterator[tuple[bytes, Conversation]]:
        """Return conversations with their keys, in order of these, from one key on."""
        newer = self._newer()
        stored = (row for page in self._pages(self._t.conversation, start) for row in page if row[0] not in newer)
        fresh = sorted(row for row in newer.items() if row[0] >= start)
        for key, octets in heapq.merge(stored, fresh, key=lambda row: row[0]):
            yield key, unpack_conversation(octets)

    def conversations_of(self, keys: Sequence[ContactKey]) -> Iterator[Conversation]:
        """Yield the conversations of these contacts, as far as they have one; one look at the last commits for all."""
        newer = self._newer()
        for begin in range(0, len(keys), _PAGE):
            with self._t.env.begin() as txn:
                found = [
                    newer.get(name) or txn.get(name, db=self._t.conversation)
                    for name in map(contact_key, keys[begin : begin + _PAGE])
                ]
            yield from (unpack_conversation(data) for data in found if data is not None)

    def _newer(self) -> dict[bytes, bytes]:
        """Return the conversations that the last commits changed, by the keys of their table."""
        recent: dict[bytes, bytes] = {}
        with self._t.env.begin() as txn, txn.cursor(self._t.recent) as cursor:
            for value in cursor.iternext(keys=False):
                recent.update(_unpack_recent(value))
        return recent

    def brands(self) -> Iterator[str]:
        """Return the brands that have conversations: one look into the table for each."""
        start = b""
        while True:
            with self._t.env.begin() as txn, txn.cursor(self._t.conversation) as cursor:
                if not cursor.set_range(start):
                    return
                brand = cursor.key().partition(b"\0")[0]
            yield brand.decode()
            start = brand + b"\1"

    def queue(self) -> Iterator[Mt]:
        """Return the messages that are waiting, or claimed out of the queue, in order of sending."""
        for page in self._pages(self._t.queue, b""):
            with self._t.env.begin() as txn:
                rows = [txn.get(key[-8:], db=self._t.mt) for key, _ in page]
            for data in rows:
                if data is not None:
                    yield unpack_mt(data)

    def links(self) -> list[LinkRow]:
        """Return what the service last said of its links."""
        with self._t.env.begin() as txn, txn.cursor(self._t.link) as cursor:
            return [_link_row(key.decode(), value) for key, value in cursor]

    def counters(self, since: int = 0) -> Iterator[tuple[CounterKey, int]]:
        """Return every counter, or those from an hour on."""
        for page in self._pages(self._t.counter, _hour.pack(since)):
            for key, value in page:
                link, name = key[4:].decode().split("\0")
                yield (_hour.unpack(key[:4])[0], link, name), msgpack.unpackb(value)

    def parked(self) -> Iterator[Parked]:
        """Return the receipts whose message is not known."""
        for page in self._pages(self._t.parked, b""):
            for key, value in page:
                yield _unpack_parked(key, value)

    def unmatched(self) -> Iterator[Parked]:
        """Return the receipts of no message of ours, oldest first."""
        for page in self._pages(self._t.unmatched, b""):
            for _, value in page:
                yield Parked(*msgpack.unpackb(value))

    def log(self, ids: Collection[int] = ()) -> Iterator[tuple[int, float, list[LogEntry]]]:
        """Return (commit, when, what the turn took in) of every turn, in order.

        Args:
            ids: Turns that mention none of these may be left out; without any, all are returned.
        """
        # Looking for a packed number in the octets is a hundred times as fast as unpacking them.
        needles = [msgpack.packb(n) for n in ids]
        for page in self._pages(self._t.log, b""):
            for key, value in page:
                commit = _id.unpack(key)[0]
                if commit > self.position.commit:
                    return
                if needles and not any(needle in value for needle in needles):
                    continue
                when, entries = msgpack.unpackb(value)
                yield commit, when, [tuple(entry) for entry in entries]

    def waiting(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return (how many messages, id of the oldest) of the queue by link and class."""
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for page in self._pages(self._t.queue, b""):
            for key, _ in page:
                name = key[:-10].decode(), key[-9]
                count, oldest = found.get(name) or (0, _id.unpack(key[-8:])[0])
                found[name] = count + 1, oldest
        return found

    def has_id(self, key: IdKey) -> bool:
        """Return whether a message of ours has this message_id."""
        with self._t.env.begin() as txn:
            return txn.get(_id_key(key), db=self._t.ids) is not None

    def rows(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """Return the keys and values of a table as they are; the layout is in this module's docstring."""
        for page in self._pages(self._t.db(table), b""):
            yield from page

    def rows_from(self, table: SideTable, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return the rows of a side table whose keys begin so."""
        for page in self._pages(self._t.db(table), prefix):
            for key, value in page:
                if not key.startswith(prefix):
                    return
                yield key, value

    def rows_between(self, table: SideTable, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return the rows of a side table from one key on, up to another."""
        for page in self._pages(self._t.db(table), start):
            for key, value in page:
                if key >= end:
                    return
                yield key, value

    def value(self, table: str, key: bytes) -> bytes | None:
        """Return one value of a table as it is."""
        with self._t.env.begin() as txn:
            data: bytes | None = txn.get(key, db=self._t.db(table))
        return data

    def size(self) -> int:
        """Return the octets of the file that are in use."""
        return int((self._t.env.info()["last_pgno"] + 1) * self._t.env.stat()["psize"])

    def raw_counts(self) -> dict[str, int]:
        """Return the number of rows of every table, by its name."""
        with self._t.env.begin() as txn:
            return {name.decode(): txn.stat(self._t.db(name.decode()))["entries"] for name in _TABLES}
