"""What is exported: a row per message, and the committer's input log with its decisions.

Both read pages of the store, each a snapshot of its own, bounded by the position at which the reader was opened.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge import inputs
from bridge.rules.privacy import masked
from smppcore.constants import state_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.records import Mo, Mt
    from bridge.store import LogEntry
    from bridge.store.lmdb import LmdbReader

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
Row = dict[str, Value]

COLUMNS = (
    "kind",
    "id",
    "mo",
    "conversation",
    "link",
    "from",
    "to",
    "text",
    "time",
    "outcome",
    "layer",
    "rule",
    "detail",
    "redelivered",
    "parts",
    "data_coding",
    "flags",
    "ports",
    "tlvs",
    "octets",
    "device",
    "message_ids",
    "receipts",
    "state",
    "attempts",
    "in_doubt",
    "error",
    "template",
    "rules_version",
    "intent",
    "confidence",
    "runner_up",
    "by",
    "topic",
    "times",
)
"""Of the CSV form, in order; a row has those that its kind has."""


def iso(seconds: float) -> str | None:
    """Return a time in ISO 8601, UTC, to the millisecond; None for 0.0, "not yet"."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def state_word(state: int | str) -> str:
    """Return a receipt's state by the specification's name, or by the carrier's word for one that it does not have."""
    return state if isinstance(state, str) else state_name(state)


def mo_row(mo: Mo, *, unmasked: bool = False) -> Row:
    """Return the row of an inbound message; what is personal in its text is masked unless told otherwise."""
    return {
        "kind": "mo",
        "id": mo.id,
        "conversation": mo.conversation,
        "link": mo.link,
        "from": mo.source,
        "to": mo.destination,
        "text": mo.text if unmasked else masked(mo.text, mo.personal),
        "time": iso(mo.time),
        "outcome": mo.outcome,
        "layer": mo.layer,
        "rule": mo.rule,
        "detail": mo.detail,
        "redelivered": mo.redelivered,
        "parts": max(len(mo.bodies), 1),
        "data_coding": mo.data_coding,
        "flags": list(mo.flags),
        "ports": list(mo.ports) or None,
        "tlvs": dict(mo.tlvs) or None,
        "octets": [body.hex() for body in mo.bodies] if mo.flags and (unmasked or not mo.personal) else None,
        "rules_version": mo.rules_version,
        "intent": mo.intent or None,
        "confidence": mo.confidence if mo.intent else None,
        "runner_up": mo.runner_up or None,
    }


def mt_row(mt: Mt, *, unmasked: bool = False) -> Row:
    """Return the row of a message that we send; `from` is the service number; masked as in mo_row."""
    return {
        "kind": "mt",
        "id": mt.id,
        "mo": mt.mo or None,
        "conversation": mt.conversation,
        "link": mt.link,
        "from": mt.number,
        "to": mt.contact,
        "text": mt.text if unmasked else masked(mt.text, mt.personal),
        "parts": mt.parts,
        "message_ids": list(mt.message_ids),
        "receipts": [None if state == -1 else state_word(state) for state in mt.receipts],
        "state": mt.state,
        "attempts": mt.attempts,
        "in_doubt": mt.in_doubt,
        "error": mt.error,
        "template": mt.template,
        "rules_version": mt.rules_version,
        "by": mt.by or None,
        "topic": mt.topic or None,
        "data_coding": mt.data_coding,
        "device": mt.device or None,
        "times": {
            "asked": iso(mt.asked),
            "created": iso(mt.created),
            "claimed": iso(mt.claim),
            "next_try": iso(mt.next_try),
            "accepted": iso(mt.accepted),
            "done": iso(mt.done),
        },
    }


def message_rows(reader: LmdbReader, *, unmasked: bool = False) -> Iterator[Row]:
    """Return a row per message, inbound and outbound, in order of their ids; masked as in mo_row."""
    mos = ((mo.id, mo_row(mo, unmasked=unmasked)) for mo in reader.mos())
    mts = ((mt.id, mt_row(mt, unmasked=unmasked)) for mt in reader.mts())
    for _, row in heapq.merge(mos, mts, key=lambda pair: pair[0]):
        yield row


def event_rows(reader: LmdbReader) -> Iterator[Row]:
    """Return a snapshot of the state, then every input of the committer in the order in which it was applied.

    The log reaches back to the first commit, so the snapshot is the empty state; what a text led to stands in its row.
    Texts are as they came: masked ones could not be decided again. Where `[store] retain` has let go of the beginning,
    `complete` is false, and what is said of messages that are gone is left out.
    """
    begin = reader.position.log_until
    yield {"kind": "snapshot", "commit": begin, "complete": not begin, "conversations": []}
    for commit, when, entries in reader.log():
        for entry in entries:
            row = _event_row(reader, entry)
            if row is not None:
                yield {"commit": commit, "now": when, **row}


def _event_row(reader: LmdbReader, entry: LogEntry) -> Row | None:
    kind = entry[0]
    if kind == "mo":
        mo = reader.mo(_number(entry[1]))
        if mo is None and _number(entry[1]) < reader.kept_from():
            return None
        if mo is None:
            raise LookupError(f"the store lacks the row {entry[1]} that its log names")
        row = mo_row(mo, unmasked=True)
        row["text"] = mo.decided if "late" in mo.flags else mo.text
        row["replies"] = _replies(reader, entry[2])
        return row
    names = _NAMES.get(str(kind), ("id",))
    other: Row = {"kind": str(kind)}
    other.update(zip(names, entry[1:], strict=True))  # type: ignore[arg-type]
    if kind == "opted out":
        mt = reader.mt(_number(entry[1]))
        if mt is None:
            return None
        other |= {"brand": mt.brand, "contact": mt.contact}
    if names[-1] == "replies":
        other["replies"] = _replies(reader, entry[-1])
    if "values" in names:
        number = _number(other["values"])
        name, _ = inputs.row((str(other["contact"]), str(other["brand"])), number, {})
        other["values"] = dict(inputs.read(reader.value("input", name)))
    return other


_NAMES: Mapping[str, tuple[str, ...]] = {
    "submit": ("id", "part", "command_status", "message_id"),
    "receipt": ("id", "part", "message_state", "error"),
    "link": ("name", "state", "detail"),
    "woken": ("brand", "contact", "replies"),
    "call": ("brand", "contact", "id"),
    "called": ("brand", "contact", "id", "error", "values", "replies"),
    "asked": ("brand", "contact", "request", "by", "values", "replies"),
}


def _replies(reader: LmdbReader, ids: object) -> list[Value]:
    replies = [reader.mt(_number(n)) for n in ids] if isinstance(ids, list) else []
    return [
        {"id": mt.id, "template": mt.template, "text": mt.text, "control": mt.control}
        for mt in replies
        if mt is not None
    ]


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an id in the log is {value!r}")
    return value
