"""`store check`: does the file say one thing everywhere?

Every row must unpack; what refers must refer to something; what is counted must be there. Nothing is mended here, and
the store must be still meanwhile (`bridge.store.lmdb.kept_still`). Memory: two octets per message id.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgpack
import msgspec

from bridge import hooks, inputs
from bridge.analytics import read_key, read_total
from bridge.assembly import unpack_assembly, unpack_key
from bridge.records import FINAL_STATES, OUTCOMES, RecordVersionError, unpack_conversation, unpack_mo, unpack_mt
from smppcore.receipt import normalise_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.records import Mo, Mt
    from bridge.store.lmdb import LmdbReader

_COUNTED = FINAL_STATES | {"unknown"}
STATES = frozenset({"queued", "held", "sent", "accepted", "unknown"}) | FINAL_STATES
_ID_KINDS = ("text", "caseless", "hex", "decimal")
_MO, _MT = 1, 2
_NEEDS_REPLY, _HAS_REPLY, _PENDING, _QUEUED, _LATER = 1, 2, 4, 8, 16
# What a malformed row makes the unpacking functions raise, beside a row of a newer version.
_UNREADABLE = (
    RecordVersionError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    struct.error,
    msgpack.UnpackException,
    msgspec.DecodeError,
)
_number = struct.Struct(">Q")
_place = struct.Struct(">QH")
_due_key = struct.Struct(">QQ")


class Check:
    """One check of one store.

    Args:
        reader: Of a store that nobody writes.
    """

    def __init__(self, reader: LmdbReader) -> None:
        self._reader = reader
        self.counts: dict[str, int] = {}
        """Rows by table, as read."""
        self._next_id = reader.position.next_id
        self._kept_from = reader.position.kept_from
        """What refers to a message with a smaller id may refer to one that was let go."""
        self._kind = bytearray(self._next_id)
        self._marks = bytearray(self._next_id)
        self._tally: Counter[tuple[str, str]] = Counter()

    def problems(self) -> Iterator[str]:
        """Return a line for each thing that is wrong."""
        # In this order: the queue is known when the messages are read, the MOs when what answers them is.
        yield from self._mos()
        yield from self._queue()
        yield from self._later()
        yield from self._mts()
        yield from self._answers()
        yield from self._ids()
        yield from self._conversations()
        yield from self._assemblies()
        yield from self._counters()
        yield from self._simple(
            "parked", lambda key, value: (key.decode("latin-1").split("\0", 1)[1], *_fields(value, 5))
        )
        yield from self._simple("unmatched", lambda _, value: _fields(value, 7))
        yield from self._due()
        yield from self._simple("figure", lambda key, value: (read_key(key), read_total(value)))
        yield from self._simple("ruleset", lambda key, value: (key.decode(), msgpack.unpackb(value)))
        yield from self._simple("hook", lambda _, value: hooks.unpack(value))
        yield from self._simple("dead", lambda _, value: hooks.unpack_dead(value))
        yield from self._simple("input", lambda _, value: inputs.read(value))
        yield from self._simple("link", lambda key, value: (key.decode(), *_fields(value, 6)))
        yield from self._log()

    def _rows(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        n = 0
        for n, row in enumerate(self._reader.rows(table), 1):  # noqa: B007  counted
            yield row
        self.counts[table] = n

    def _is(self, number: int, kind: int) -> bool:
        return 0 < number < self._next_id and (self._kind[number] == kind or number < self._kept_from)

    def _mos(self) -> Iterator[str]:
        for key, value in self._rows("mo"):
            try:
                number = _number.unpack(key)[0]
                mo = unpack_mo(value)
            except _UNREADABLE as exc:
                yield f"mo {key.hex()}: cannot be read: {_line(exc)}"
                continue
            yield from self._mo(number, mo)

    def _mo(self, number: int, mo: Mo) -> Iterator[str]:
        if mo.id != number:
            yield f"mo {number}: the row says id {mo.id}"
        if not 0 < number < self._next_id:
            yield f"mo {number}: above the last id given out ({self._next_id - 1})"
            return
        self._kind[number] = _MO
        self._tally[mo.link, "mo." + mo.outcome] += 1
        if mo.outcome not in OUTCOMES:
            yield f"mo {number}: outcome {mo.outcome!r} is none"
        elif mo.outcome == "replied":
            self._marks[number] |= _NEEDS_REPLY
        elif mo.outcome == "pending":
            self._marks[number] |= _PENDING

    def _queue(self) -> Iterator[str]:
        for key, _ in self._rows("queue"):
            number = _number.unpack(key[-8:])[0] if len(key) > 9 else 0
            mt = self._reader.value("mt", key[-8:])
            if mt is None or not 0 < number < self._next_id:
                yield f"queue: message {number} is not there"
                continue
            self._marks[number] |= _QUEUED
            try:
                row = unpack_mt(mt)
            except _UNREADABLE:
                continue  # reported with the messages
            kind = 0 if row.control else 1 if row.mo else 2
            if key[:-10].decode("utf-8", "replace") != row.link or key[-9] != kind:
                yield f"queue: message {number} is queued for another link or class than its row says"

    def _later(self) -> Iterator[str]:
        for key, _ in self._rows("later"):
            number = _due_key.unpack(key)[1] if len(key) == _due_key.size else 0
            if not 0 < number < self._next_id or self._reader.value("mt", _number.pack(number)) is None:
                yield f"later: message {number} is not there"
            elif self._marks[number] & _QUEUED:
                yield f"later: message {number} is in the queue too"
            else:
                self._marks[number] |= _LATER

    def _mts(self) -> Iterator[str]:
        for key, value in self._rows("mt"):
            try:
                number = _number.unpack(key)[0]
                mt = unpack_mt(value)
            except _UNREADABLE as exc:
                yield f"mt {key.hex()}: cannot be read: {_line(exc)}"
                continue
            if mt.id != number:
                yield f"mt {number}: the row says id {mt.id}"
            if not 0 < number < self._next_id:
                yield f"mt {number}: above the last id given out ({self._next_id - 1})"
                continue
            if self._kind[number]:
                yield f"mt {number}: an inbound message has the same id"
            self._kind[number] = _MT
            yield from self._mt(mt)

    def _mt(self, mt: Mt) -> Iterator[str]:
        name = f"mt {mt.id}"
        self._tally[mt.link, "mt"] += 1
        if mt.state in _COUNTED:
            self._tally[mt.link, "mt." + mt.state] += 1
        if mt.mo:
            if self._is(mt.mo, _MO):
                self._marks[mt.mo] |= _HAS_REPLY
            else:
                yield f"{name}: answers inbound message {mt.mo}, which is not there"
        if mt.state not in STATES:
            yield f"{name}: state {mt.state!r} is none"
        if any(held and len(held) != mt.parts for held in (mt.message_ids, mt.receipts)):
            yield f"{name}: has {mt.parts} parts, but not so many message_ids or receipts"
        queued = self._marks[mt.id] & _QUEUED
        if queued and mt.state not in {"queued", "sent"}:
            yield f"{name}: is {mt.state}, and in the queue"
        later = self._marks[mt.id] & _LATER
        if later and (mt.claim or mt.state not in {"queued", "sent"}):
            yield f"{name}: is {mt.state}, and waits for its time"
        if not queued and not later and mt.state == "queued":
            yield f"{name}: waits, but is not in the queue"
        if not queued and not later and mt.state == "sent" and not mt.claim and not mt.in_doubt:
            yield f"{name}: is neither claimed nor in the queue"
        if mt.claim and mt.state in FINAL_STATES:
            yield f"{name}: is {mt.state}, and claimed"
        if mt.claim and not queued and mt.id < self._reader.position.settled_below:
            yield f"{name}: is claimed, but a restart would not find it"

    def _answers(self) -> Iterator[str]:
        for number in range(self._next_id):
            if self._marks[number] & (_NEEDS_REPLY | _HAS_REPLY) == _NEEDS_REPLY:
                yield f"mo {number}: its outcome is replied, but it has no reply"

    def _ids(self) -> Iterator[str]:
        for key, value in self._rows("ids"):
            name = f"message_id {key.partition(bytes(1))[2].decode('latin-1')!r}"
            try:
                number, part = _place.unpack(value)
                data = self._reader.value("mt", _number.pack(number))
                mt = None if data is None else unpack_mt(data)
            except _UNREADABLE as exc:
                yield f"{name}: cannot be read: {_line(exc)}"
                continue
            if mt is None:
                if number >= self._kept_from:
                    yield f"{name}: belongs to message {number}, which is not there"
                continue
            held = mt.message_ids[part] if part < len(mt.message_ids) else None
            # The answer to an earlier attempt has an id of its own, which the row need not name.
            if part >= mt.parts or (not _same(key, held) and not mt.in_doubt and mt.attempts < 2):
                yield f"{name}: part {part + 1} of message {number} has another one"

    def _due(self) -> Iterator[str]:
        for key, _ in self._rows("due"):
            if len(key) != _due_key.size or not self._is(_due_key.unpack(key)[1], _MT):
                yield f"due {key.hex()}: names a message that is not there"

    def _conversations(self) -> Iterator[str]:
        for key, value in self._rows("conversation"):
            try:
                brand, contact = key.decode().split("\0", 1)
                conversation = unpack_conversation(value)
            except _UNREADABLE as exc:
                yield f"conversation {key!r}: cannot be read: {_line(exc)}"
                continue
            if (conversation.brand, conversation.contact) != (brand, contact):
                yield f"conversation {key!r}: is that of another contact"
            if conversation.id and not self._is(conversation.id, _MO):
                yield f"conversation {conversation.id}: the message that opened it is not there"
        for key, value in self._rows("recent"):
            try:
                ids = [unpack_conversation(octets).id for octets in msgpack.unpackb(value)]
            except _UNREADABLE as exc:
                yield f"recent {key.hex()}: cannot be read: {_line(exc)}"
                continue
            for number in ids:
                if number and not self._is(number, _MO):
                    yield f"conversation {number}: the message that opened it is not there"

    def _assemblies(self) -> Iterator[str]:
        for key, value in self._rows("assembly"):
            try:
                unpack_key(key)
                assembly = unpack_assembly(value)
            except _UNREADABLE as exc:
                yield f"assembly {key.hex()}: cannot be read: {_line(exc)}"
                continue
            mo = assembly.mo
            if not self._is(mo, _MO) or bool(self._marks[mo] & _PENDING) != (assembly.state == "open"):
                yield f"assembly: message {mo} is not there, or disagrees whether it waits for parts"
            else:
                self._marks[mo] &= ~_PENDING
        for number in range(self._next_id):
            if self._marks[number] & _PENDING:
                yield f"mo {number}: waits for parts, but those that came are not there"

    def _counters(self) -> Iterator[str]:
        counted: dict[tuple[str, str], int] = defaultdict(int)
        for key, value in self._rows("counter"):
            try:
                link, what = key[4:].decode().split("\0")
                counted[link, what] += int(msgpack.unpackb(value))
            except _UNREADABLE as exc:
                yield f"counter {key.hex()}: cannot be read: {_line(exc)}"
        checked = {"mt", *("mo." + outcome for outcome in OUTCOMES), *("mt." + state for state in _COUNTED)}
        for link, what in sorted(counted.keys() | self._tally.keys()):
            gone = counted[link, what] - self._tally[link, what]
            if what in checked and (gone < 0 or (gone and self._kept_from == 1)):
                yield f"counter {link} {what}: says {counted[link, what]}, there are {self._tally[link, what]}"

    def _simple(self, table: str, unpack: Callable[[bytes, bytes], object]) -> Iterator[str]:
        for key, value in self._rows(table):
            try:
                unpack(key, value)
            except _UNREADABLE as exc:
                yield f"{table} {key!r}: cannot be read: {_line(exc)}"

    def _log(self) -> Iterator[str]:
        last = 0
        for key, value in self._rows("log"):
            try:
                commit = _number.unpack(key)[0]
                _, entries = msgpack.unpackb(value)
                named = [number for entry in entries for number in _named(entry)]
            except _UNREADABLE as exc:
                yield f"log {key.hex()}: cannot be read: {_line(exc)}"
                continue
            if not last < commit <= self._reader.position.commit:
                yield f"log {commit}: follows commit {last}; the last one is {self._reader.position.commit}"
            last = commit
            for number in named:
                if not (isinstance(number, int) and 0 < number < self._next_id) or not (
                    self._kind[number] or number < self._kept_from
                ):
                    yield f"log {commit}: names message {number}, which is not there"


def _same(key: bytes, message_id: str | None) -> bool:
    """Whether a key of the table `ids` is this message_id's, whichever way the link normalises it."""
    if message_id is None:
        return False
    group, _, held = key.partition(b"\0")
    room = 511 - len(group) - 1  # a longer id is there by its head
    return any(normalise_id(message_id, kind).encode("latin-1", "replace")[:room] == held for kind in _ID_KINDS)


def _fields(value: bytes, count: int) -> tuple[object, ...]:
    fields = tuple(msgpack.unpackb(value))
    if len(fields) != count:
        raise ValueError(f"{len(fields)} fields, not {count}")
    return fields


def _line(exc: BaseException) -> str:
    return " ".join(f"{type(exc).__name__}: {exc}".split())


def _named(entry: Sequence[object]) -> Sequence[object]:
    """Return the messages that an entry of the log names."""
    if entry[0] in ("woken", "called", "asked"):
        replies = entry[-1]
        return replies if isinstance(replies, list) else (replies,)
    return () if entry[0] in ("link", "call") else (entry[1],)
