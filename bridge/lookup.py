"""What is to be seen of a store, running or stopped: the rows behind `status`, `links`, `queue` and `show`.

Everything is read in pages and from counters, so that looking costs little however much is stored. Nothing here prints.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING

from bridge.analytics import sum_by_link
from bridge.export import iso, mo_row, mt_row, state_word
from bridge.limits import ANY_NUMBER
from bridge.outbox import class_of
from bridge.records import FINAL_STATES, OUTCOMES, Mo
from bridge.scheduling import read_later_key
from smppcore import constants
from smppcore.pdu import DataSM, DeliverSM, decode
from smppcore.receipt import looks_like_receipt, parse_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.config import LinkConfig
    from bridge.export import Row, Value
    from bridge.records import Mt
    from bridge.store import IdKey, LogEntry, Parked
    from bridge.store.lmdb import LmdbReader
    from smppcore.receipt import Receipt

CLASSES = ("control", "reply", "started")
"""The classes of the queue, in the order in which they are sent."""
_LONGEST = 20
"""Digits of an id with the zeros before it."""
_SAMPLE = 20
"""Receipts without a message that are looked at for a hint."""


def status_row(reader: LmdbReader, links: Sequence[LinkConfig], *, running: bool) -> Row:
    """Return what the store holds, as totals over all time.

    Args:
        reader: Open.
        links: The configured links.
        running: Whether a service holds the store.
    """
    sums = sum_by_link(reader.counters())
    total: dict[str, int] = {}
    for counts in sums.values():
        for what, n in counts.items():
            total[what] = total.get(what, 0) + n
    waiting = reader.waiting()
    states = {state: total.get("mt." + state, 0) for state in sorted(FINAL_STATES)}
    unknown = total.get("mt.unknown", 0)
    queued = sum(count for count, _ in waiting.values())
    oldest = [mt.created for mt in (reader.mt(first) for _, first in waiting.values()) if mt is not None]
    counts = reader.raw_counts()
    parked, later = counts["parked"], counts["later"]
    return {
        "running": running,
        "commit": reader.position.commit,
        "last_commit": iso(reader.position.time),
        "store_bytes": reader.size(),
        "mo": {outcome: total.get("mo." + outcome, 0) for outcome in OUTCOMES},
        "mo_redelivered": total.get("mo.redelivered", 0),
        "mo_refused": total.get("mo.refused", 0),
        "mt": {
            "total": total.get("mt", 0),
            "queued": queued + later,
            # Claimed, or accepted by the carrier and without a final receipt.
            "sent": total.get("mt", 0) - queued - later - unknown - sum(states.values()),
            "unknown": unknown,
            **states,
        },
        "mt_in_doubt": total.get("mt.in_doubt", 0),
        "receipts": total.get("receipt", 0),
        "receipts_parked": parked,
        "receipts_unmatched": total.get("receipt.unmatched", 0),
        "receipts_unreadable": total.get("receipt.unreadable", 0),
        "receipts_conflicting": total.get("receipt.conflict", 0),
        "queue": {"length": queued, "oldest": iso(min(oldest, default=0.0)), "scheduled": later},
        "links": list(link_rows(reader, links, running=running)),
        "hints": list(receipt_hints(reader, links, sums)),
    }


def link_rows(reader: LmdbReader, links: Sequence[LinkConfig], *, running: bool) -> Iterator[Row]:
    """Return a row for each link that is configured, and for each that once was and has messages."""
    said = {row.name: row for row in reader.links()}
    sums = sum_by_link(reader.counters())
    configured = {link.name: link for link in links}
    for name in [*configured, *(name for name in said if name not in configured)]:
        row = said.get(name)
        link = configured.get(name)
        counts = sums.get(name, {})
        state = "never started" if row is None else row.state if running else "stopped"
        detail = row.detail if row is not None else ""
        if link is None:
            detail = "not configured any more" + (f"; {detail}" if detail else "")
        yield {
            "name": name,
            "state": state,
            "since": None if row is None else iso(row.since),
            "sessions": row.binds if row is not None and running else 0,
            "peer": row.peer if row is not None else ", ".join(map(str, link.endpoints)) if link is not None else "",
            "detail": detail,
            "held": [] if row is None or not running else [dict(session._asdict()) for session in row.held],
            "mo": sum(counts.get("mo." + outcome, 0) for outcome in OUTCOMES),
            "mt": counts.get("mt", 0),
            "submits": counts.get("submit", 0),
            "receipts": counts.get("receipt", 0),
            "flow": None if link is None else flow_row(reader, link, running=running),
        }


def flow_row(reader: LmdbReader, link: LinkConfig, *, running: bool) -> Row:
    """Return how fast a link may send, and what of its days is used."""
    position, limits = reader.position, link.limits
    rate, verdict, congestion = position.carrier.get(link.name, (0.0, "open", None)) if running else (0.0, "open", None)
    days: list[Value] = []
    for number, (began, used, started) in position.spent.get(link.name, {}).items():
        quota = limits if not number else limits.numbers.get(number) or limits.numbers.get(ANY_NUMBER)
        if quota is not None and quota.per_day:
            days.append({"number": number, "since": iso(began), "used": used, "started": started, "of": quota.per_day})
    return {
        "rate": min((limit for limit in (rate, link.submit_rate) if limit), default=0.0),
        "carrier": verdict,
        "congestion_state": congestion,
        "days": days,
    }


def queue_row(reader: LmdbReader, limit: int) -> Row:
    """Return how much waits, and the first `limit` messages in order of sending; 0 is all."""
    waiting = reader.waiting()
    messages: list[Value] = []
    for mt in islice(reader.queue(), limit or None):
        row: Row = {"id": mt.id, "class": CLASSES[class_of(mt)]}
        row.update((key, value) for key, value in mt_row(mt).items() if key not in {"kind", "id"})
        messages.append(row)
    return {
        "length": sum(count for count, _ in waiting.values()),
        "scheduled": reader.raw_counts()["later"],
        "next": iso(next((read_later_key(key)[0] for key, _ in reader.rows("later")), 0.0)),
        "classes": [
            {"link": link, "class": CLASSES[kind], "length": count, "oldest": _created(reader, first)}
            for (link, kind), (count, first) in waiting.items()
        ],
        "messages": messages,
    }


def _created(reader: LmdbReader, number: int) -> str | None:
    mt = reader.mt(number)
    return None if mt is None else iso(mt.created)


def message_row(reader: LmdbReader, number: int) -> Row | None:
    """Return a message with what belongs to it and everything that happened to them; None if there is none.

    Args:
        reader: Open.
        number: The id of an inbound message, or of one that we send.
    """
    mo: Mo | None = reader.mo(number)
    mt: Mt | None = reader.mt(number) if mo is None else None
    if mt is not None:
        mo = reader.mo(mt.mo) if mt.mo else None
    elif mo is None:
        return None
    replies = [mt] if mt is not None else _replies(reader, number)
    ids = {m.id for m in replies} | ({mo.id} if mo is not None else set())
    shown: Row = {"mo": None if mo is None else mo_row(mo), "mt": [mt_row(m) for m in replies]}
    shown["history"] = list(_history(reader, ids))
    return shown


def _replies(reader: LmdbReader, mo: int) -> list[Mt]:
    for _, _, entries in reader.log((mo,)):
        for entry in entries:
            if entry[:2] == ("mo", mo) and isinstance(entry[2], list):
                return [mt for mt in map(reader.mt, entry[2]) if mt is not None]
    return []


def _history(reader: LmdbReader, ids: set[int]) -> Iterator[Row]:
    for commit, when, entries in reader.log(ids):
        for entry in entries:
            if entry[1] in ids and entry[0] != "link":
                yield {"commit": commit, "time": iso(when), "id": _plain(entry[1]), "what": describe(entry)}


def _plain(value: object) -> int:
    return value if isinstance(value, int) else 0


def describe(entry: LogEntry) -> str:
    """Return an entry of the log in words."""
    match entry:
        case ("mo", _, list(replies)):
            return "decided; replies: " + ", ".join(map(str, replies)) if replies else "decided; no reply"
        case ("part", _):
            return "a part of the long message came"
        case ("again", _):
            return "delivered again by the carrier; not decided again"
        case ("submit", _, int(part), None, why):
            return f"part {part + 1}: no submit_sm_resp ({why})"
        case ("submit", _, int(part), int(status), message_id):
            called = f", message_id {message_id}" if message_id else ""
            return f"part {part + 1}: submit_sm_resp {constants.status_name(status)}{called}"
        case ("withdrawn", _):
            return "the claim was taken back before anything left"
        case ("receipt", _, int(part), int() | str() as state, error):
            why = f", error {error}" if isinstance(error, str) and error.strip("0") else ""
            return f"part {part + 1}: receipt {state_word(state)}{why}"
        case ("unknown", _):
            return "no final receipt in time: unknown"
        case ("opted out", _):
            return "the carrier says that the customer has opted out: nothing more is sent"
        case ("in doubt", _):
            return "claimed when the last run ended, without an answer: in doubt"
    return " ".join(map(str, entry))


def receipt_rows(reader: LmdbReader, limit: int, message_id: str = "") -> list[Row]:
    """Return the receipts of no message: those given up, then those that still wait; the last `limit`, 0 is all.

    Args:
        reader: Open.
        limit: How many.
        message_id: Only those of this one, as received or as the link compares ids; "" is any.
    """
    kept: deque[tuple[Parked, bool]] = deque(maxlen=limit or None)
    for waiting, rows in ((False, reader.unmatched()), (True, reader.parked())):
        for parked in rows:
            if not message_id or message_id == parked.message_id or message_id == _received(parked)[0].message_id:
                kept.append((parked, waiting))
    return [_receipt_row(parked, waiting=waiting) for parked, waiting in kept]


def _received(parked: Parked) -> tuple[Receipt, DeliverSM | DataSM]:
    pdu = decode(parked.pdu)
    assert isinstance(pdu, DeliverSM | DataSM)  # noqa: S101  nothing else is kept
    receipt = parse_receipt(pdu) or looks_like_receipt(pdu)
    assert receipt is not None  # noqa: S101
    return receipt, pdu


def _receipt_row(parked: Parked, *, waiting: bool) -> Row:
    receipt, pdu = _received(parked)
    body = pdu.tlv(constants.TAG_MESSAGE_PAYLOAD) or getattr(pdu, "short_message", b"") or b""
    return {
        "received": iso(parked.received),
        "link": parked.link,
        "waiting": waiting,
        "message_id": receipt.message_id,
        "state": state_word(parked.state),
        "error": parked.error,
        "from": pdu.source_addr.decode("latin-1"),
        "to": pdu.destination_addr.decode("latin-1"),
        "body": body.decode("latin-1"),
        "pdu": parked.pdu.hex(),
    }


def receipt_hints(
    reader: LmdbReader, links: Sequence[LinkConfig], sums: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    """Return a line for each carrier whose receipts fit no message, with the setting that would mend it if one does.

    Args:
        reader: Open.
        links: The configured links.
        sums: The counters by link.
    """
    samples: dict[str, list[Parked]] = {}
    for parked in islice(chain(reader.parked(), reader.unmatched()), 1000):
        kept = samples.setdefault(parked.group, [])
        if len(kept) < _SAMPLE:
            kept.append(parked)
    for group, sample in samples.items():
        members = [link for link in links if link.group == group]
        counts = [sums.get(link.name, {}) for link in members]
        receipts = sum(count.get("receipt", 0) for count in counts)
        if not members or receipts > sum(count.get("receipt.parked", 0) for count in counts):
            continue  # others of its receipts do find their messages, so the form of the ids is right
        names = ", ".join(link.name for link in members)
        setting = next((found for found in (_mending(reader, parked) for parked in sample) if found), None)
        if setting:
            yield (
                f"link {names}: no receipt fits a message, but their ids do as numbers: set "
                f'message_id = {{ response = "{setting[0]}", receipt = "{setting[1]}" }} in [[link]]'
            )
        else:
            yield (
                f"link {names}: no receipt fits a message; if the carrier writes ids in hex in one place and in "
                f"decimal in the other, set message_id = {{ response = …, receipt = … }} in [[link]]"
            )


def _mending(reader: LmdbReader, parked: Parked) -> tuple[str, str] | None:
    """Return the kinds (response, receipt) by which this receipt's id is one that we know."""
    given = parked.message_id
    if not given.isascii() or not given.isalnum():
        return None
    readings = [("decimal", int(given))] if given.isdigit() else []
    try:
        readings.append(("hex", int(given, 16)))
    except ValueError:
        return None
    for kind, number in readings:
        for other, texts in (("decimal", _spellings(f"{number}")), ("hex", _spellings(f"{number:x}"))):
            if any(reader.has_id(_key(parked, text)) for text in texts):
                return other, kind
    return None


def _key(parked: Parked, message_id: str) -> IdKey:
    return parked.group, message_id


def _spellings(digits: str) -> Iterator[str]:
    for width in range(len(digits), _LONGEST + 1):
        padded = digits.rjust(width, "0")
        yield padded
        yield padded.upper()


def search(reader: LmdbReader, words: str, state: str, limit: int, newest: int, below: int = 0) -> list[Mo | Mt]:
    """Return the newest messages whose text, numbers, rule or message_id hold some words.

    Args:
        reader: Open.
        words: As they stand there, in any case.
        state: An outcome or a state, "" = any.
        limit: How many at most.
        newest: So many of the newest are looked at, 0 = all.
        below: Only those with a smaller id, 0 = all.
    """
    wanted = words.casefold()
    found: list[Mo | Mt] = []
    # What is in the alphabet of ASCII is found in the octets before anything is unpacked.
    needle = words.lower().encode() if words.isascii() else b""
    for row in reader.newest(needle, newest, below):
        held = (
            (row.text, row.source, row.destination, row.rule)
            if isinstance(row, Mo)
            else (row.text, row.contact, row.number, row.template, *(name or "" for name in row.message_ids))
        )
        is_in = row.outcome if isinstance(row, Mo) else row.state
        if state in ("", is_in) and any(wanted in text.casefold() for text in held):
            found.append(row)
            if len(found) == limit:
                break
    return found
