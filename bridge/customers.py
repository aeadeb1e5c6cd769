"""What is known of customers: profiles, consent with its evidence, the cases that people have in hand.

Rows for whoever shows them; nothing here prints, and nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import phonenumbers

from bridge import evidence as chains
from bridge import history, inputs
from bridge.export import iso, mo_row, mt_row
from bridge.records import Mo
from bridge.rules.privacy import MASK
from bridge.rules.quiet import zones_of
from bridge.rules.topics import stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bridge.export import Row, Value
    from bridge.records import Case, Conversation, Mt
    from bridge.store.lmdb import LmdbReader

PRIORITIES = ("high", "normal", "low")
_TYPES = {
    value: name.lower().replace("_", " ")
    for name, value in vars(phonenumbers.PhoneNumberType).items()
    if name.isupper()
}


def contact_of(number: str) -> str:
    """Return a number as carriers give it: its digits.

    Raises:
        ValueError: It has none, or letters.
    """
    plain = "".join(c for c in number if c not in "+-() .\u00a0")
    if not plain.isascii() or not plain.isdigit():
        raise ValueError(f"{number!r} is no number; write it as +14155550123")
    return plain


def number_row(contact: str) -> Row:
    """Return what the number itself says: region, kind, time zones."""
    about: Row = {"number": contact, "zones": list(zones_of(contact)), "region": None, "type": None}
    try:
        parsed = phonenumbers.parse(f"+{contact}")
    except phonenumbers.NumberParseException:
        return about
    return about | {
        "region": phonenumbers.region_code_for_number(parsed),
        "type": _TYPES.get(phonenumbers.number_type(parsed), "unknown"),
    }


def message_rows(rows: Iterable[Mo | Mt]) -> list[Value]:
    """Return messages as rows of the export; what is personal in them is masked."""
    return [mo_row(row) if isinstance(row, Mo) else mt_row(row) for row in rows]


def contact_row(state: Conversation, *, unmasked: bool) -> Row:
    """Return what a brand knows of a customer; personal values are masked unless told otherwise."""
    profile = {
        name: MASK if name in state.personal and not unmasked else value for name, value in state.profile.items()
    }
    return {
        "number": state.contact,
        "brand": state.brand,
        "language": state.language,
        "opted_out": iso(state.opted_out),
        "stopped": list(stopped(state)),
        "last_in": iso(state.last_in),
        "profile": dict(profile),
        "also": list(state.also),
    }


def cases(reader: LmdbReader) -> Iterator[tuple[Case, Conversation]]:
    """Yield the open cases with their conversations."""
    whose = [value.decode().partition("\0") for _, value in reader.rows_from("case", b"")]
    for state in reader.conversations_of([(contact, brand) for brand, _, contact in whose]):
        if state.case is not None:
            yield state.case, state


def most_urgent(found: Sequence[tuple[Case, Conversation]]) -> list[tuple[Case, Conversation]]:
    """Return cases, the most urgent first."""
    return sorted(found, key=lambda one: (PRIORITIES.index(one[0].priority), one[0].due or float("inf"), one[0].opened))


def case_row(case: Case, state: Conversation, now: float) -> Row:
    """Return a case as it is listed.

    Args:
        case: An open one.
        state: Its conversation.
        now: Seconds since the epoch.
    """
    return {
        "id": case.id,
        "queue": case.queue,
        "priority": case.priority,
        "agent": case.agent,
        "contact": state.contact,
        "brand": state.brand,
        "opened": iso(case.opened),
        "due": iso(case.due),
        "late": bool(case.due and case.due < now),
        "tags": list(case.tags),
    }


def optout_row(reader: LmdbReader, state: Conversation) -> Row:
    """Return how and when a customer opted out."""
    links = _links(reader, state)
    last = next((link for link in reversed(links) if link.kind == "opted_out"), None)
    return {
        "contact": state.contact,
        "brand": state.brand,
        "of": "everything" if state.opted_out else ", ".join(stopped(state)),
        "since": iso(state.opted_out) if state.opted_out or last is None else iso(last.time),
        "how": "" if last is None else str(last.values.get("how", "")),
        "text": "" if last is None else str(last.values.get("text", "")),
    }


def _links(reader: LmdbReader, state: Conversation) -> list[chains.Link]:
    return [chains.read(row) for _, row in reader.rows_from("evidence", inputs.prefix((state.contact, state.brand)))]


def evidence_row(reader: LmdbReader, state: Conversation) -> Row:
    """Return what a customer agreed to and took back, and whether the chain of it is whole."""
    octets = [row for _, row in reader.rows_from("evidence", inputs.prefix((state.contact, state.brand)))]
    problem = chains.verify(octets, state.evidence)
    links = [] if problem else [chains.read(row) for row in octets]
    return {
        "contact": state.contact,
        "brand": state.brand,
        "state": "opted_out" if state.opted_out else "subscribed",
        "since": iso(state.opted_out),
        "stopped": list(stopped(state)),
        "chain": problem or "whole",
        "events": [
            {
                "time": iso(link.time),
                "what": link.kind,
                **link.values,
                "mo": link.mo or None,
                "replies": list(link.replies),
                "rules_version": link.rules_version,
            }
            for link in links
        ],
        "messages": message_rows(history.messages(reader, state)),
    }
