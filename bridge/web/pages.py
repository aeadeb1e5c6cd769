"""What is read from the store for HTTP: functions of (reader, …) that `bridge.web.views` calls in its own process.

A list comes in pages: `{"items": […], "next": …}`; `next` is the cursor of the page behind it, null on the last. A page
begins behind its cursor whatever has come since, so nothing is missed or shown twice.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from itertools import chain, islice
from typing import TYPE_CHECKING

from bridge import history, lookup, reporting
from bridge.customers import case_row, cases, contact_row, evidence_row, message_rows, number_row, optout_row
from bridge.export import iso
from bridge.live import case_rows, live_row
from bridge.reporting import UNMATCHED, hidden, strangers, unsure_of
from bridge.reports import clusters
from bridge.rules.topics import stopped
from bridge.web.access import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.config import LinkConfig
    from bridge.export import Row, Value
    from bridge.records import Conversation, Mo, Mt
    from bridge.reports import Span, Table
    from bridge.store.lmdb import LmdbReader

_NEWEST = 100_000
"""Messages that one search looks at."""
_GROUPS = 16


def status(reader: LmdbReader, links: Sequence[LinkConfig]) -> Row:
    """Totals."""
    return lookup.status_row(reader, links, running=True)


def links(reader: LmdbReader, links: Sequence[LinkConfig]) -> list[Row]:
    """A row a link."""
    return list(lookup.link_rows(reader, links, running=True))


def live(reader: LmdbReader, links: Sequence[LinkConfig], now: float) -> Row:
    """What goes on."""
    return live_row(reader, links, now, running=True)


def messages(reader: LmdbReader, words: str, state: str, limit: int, before: int) -> Row:
    """Messages, the newest first."""
    found = lookup.search(reader, words, state, limit, _NEWEST, before)
    looked_to = max((before or reader.position.next_id) - _NEWEST, 0)
    more = found[-1].id if len(found) == limit else looked_to or None
    return {"items": message_rows(found), "next": more}


def message(reader: LmdbReader, number: int) -> Row:
    """One message."""
    row = lookup.message_row(reader, number)
    if row is None:
        raise Problem(404, f"there is no message {number}")
    return row


def _thread(rows: Iterable[Mo | Mt], before: int, limit: int) -> Row:
    found = list(islice((row for row in rows if not before or row.id < before), limit + 1))
    return {"items": message_rows(found[:limit]), "next": found[limit - 1].id if len(found) > limit else None}


def thread(reader: LmdbReader, contact: str, limit: int, before: int) -> Row:
    """What a customer wrote and was sent, of all brands, the newest first."""
    return _thread(history.thread(reader, contact), before, limit)


def conversation(reader: LmdbReader, brand: str, contact: str, limit: int, before: int) -> Row:
    """One conversation with its messages, the newest first."""
    state = reader.conversation((contact, brand))
    if state is None:
        raise Problem(404, f"there is no conversation of {contact} with {brand or 'no brand'}")
    return {**_conversation(state), "messages": _thread(history.messages(reader, state), before, limit)}


def _conversation(state: Conversation) -> Row:
    stands = "opted out" if state.opted_out else "people" if state.case else "resolved" if state.resolved else "open"
    return {
        "number": state.contact,
        "brand": state.brand,
        "id": state.id,
        "state": stands,
        "language": state.language,
        "started": iso(state.started),
        "last_in": iso(state.last_in),
        "resolved": iso(state.resolved),
        "resolved_by": state.resolved_by or None,
        "topic": state.topic or None,
        "case": None if state.case is None else state.case.id,
        "messages_in": state.messages_in,
        "messages_out": state.messages_out,
    }


def _listed(
    reader: LmdbReader,
    row: Callable[[Conversation], Row],
    wanted: Callable[[Conversation], bool],
    limit: int,
    after: str,
) -> Row:
    try:
        start = b64decode(after.encode(), b"-_", validate=True) + b"\0" if after else b""
    except ValueError:
        raise Problem(400, "after is no cursor of ours") from None
    if len(start) > 500:
        raise Problem(400, "after is no cursor of ours")
    items: list[Value] = []
    last = b""
    for key, state in reader.conversations_from(start):
        if wanted(state):
            if len(items) == limit:
                return {"items": items, "next": urlsafe_b64encode(last).decode()}
            items.append(row(state))
            last = key
    return {"items": items, "next": None}


def conversations(reader: LmdbReader, brand: str, state: str, limit: int, after: str) -> Row:
    """Conversations in the order of brand and number."""

    def wanted(each: Conversation) -> bool:
        return brand in ("", each.brand) and state in ("", _conversation(each)["state"])

    return _listed(reader, _conversation, wanted, limit, after)


def contacts(reader: LmdbReader, brand: str, field: str, value: str, limit: int, after: str) -> Row:
    """Customers in the order of brand and number."""

    def wanted(each: Conversation) -> bool:
        return brand in ("", each.brand) and (not field or each.profile.get(field) == value)

    return _listed(reader, lambda each: contact_row(each, unmasked=False), wanted, limit, after)


def contact(reader: LmdbReader, contact: str) -> Row:
    """What is known of a number."""
    brands: list[Value] = [contact_row(state, unmasked=False) for state in reader.conversations(contact)]
    return {**number_row(contact), "brands": brands}


def consent(reader: LmdbReader, brand: str, limit: int, after: str) -> Row:
    """Who wants no messages."""

    def wanted(each: Conversation) -> bool:
        return bool(each.opted_out or stopped(each)) and brand in ("", each.brand)

    return _listed(reader, lambda each: optout_row(reader, each), wanted, limit, after)


def evidence(reader: LmdbReader, contact: str) -> list[Row]:
    """What a customer agreed to and took back, by brand."""
    found = [evidence_row(reader, state) for state in reader.conversations(contact)]
    if not found:
        raise Problem(404, f"nothing is known of {contact}")
    return found


def inbox(reader: LmdbReader, queue: str, agent: str, now: float) -> Row:
    """Open cases, the most urgent first."""
    return {"items": case_rows(reader, now, queue, agent), "next": None}


def case(reader: LmdbReader, number: int, limit: int, now: float) -> Row:
    """One open case: its notes, its customer, what was said, the newest first."""
    for found, state in cases(reader):
        if found.id == number:
            notes: list[Value] = [{"time": iso(when), "by": by, "text": text} for when, by, text in found.notes]
            return {
                **case_row(found, state, now),
                "notes": notes,
                "customer": contact_row(state, unmasked=False) | number_row(state.contact),
                "conversation": _conversation(state),
                "messages": message_rows(history.thread(reader, state.contact, limit)),
            }
    raise Problem(404, f"there is no open case {number}")


def whose(reader: LmdbReader, number: int) -> tuple[str, str]:
    """(contact, brand) of an open case."""
    for found, state in cases(reader):
        if found.id == number:
            return state.contact, state.brand
    raise Problem(404, f"there is no open case {number}")


def report(reader: LmdbReader, rates: Mapping[str, float], span: Span, sections: Sequence[str]) -> Table:
    """The report."""
    return reporting.make(reader, rates, span, sections)


def suggestions(reader: LmdbReader, span: Span) -> Table:
    """What the rules could learn."""
    texts = [hidden(row) for row in strangers(reader, span, UNMATCHED)]
    groups = [[texts[place] for place in group] for group in clusters(texts)]
    shown = [{"count": len(group), "texts": list(dict.fromkeys(group))} for group in groups[:_GROUPS]]
    return {"clusters": shown, "unsure": unsure_of(reader, span)}


def known_brands(reader: LmdbReader, contact: str) -> list[str]:
    """The brands that know a number."""
    return list(dict.fromkeys(chain(state.brand for state in reader.conversations(contact))))
