"""Reports from a store: what they are made of is read here, what it comes to is worked out in `bridge.reports`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bridge import reports
from bridge.analytics import HOUR, figure_key, read_key, read_total
from bridge.limits import zone_of
from bridge.records import Mo
from bridge.rules.privacy import masked, personal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from bridge.reports import Counted, Span, Table
    from bridge.rules import Ruleset
    from bridge.store.lmdb import LmdbReader

SECTIONS = ("volume", "response", "resolution", "satisfaction", "topics", "unmatched", "failures", "quota")
UNMATCHED = 500
"""The newest texts that no rule knew which are put into groups."""
_LOOKED = 50_000
"""The newest messages that are looked at for them."""
_SAMPLES = 3
_DIGITS = re.compile(r"\d{4,}")
_LONGEST = 10 * 366 * 24
"""Hours of a report."""
_EARLIEST, _LATEST = 1971, 9990
"""Years in which every zone has a time."""
_GROUPS = 8
"""Groups of unknown texts in a report."""


class ReportProblem(Exception):
    """There is no such report; the text is one line."""


def make(
    reader: LmdbReader, rates: Mapping[str, float], span: Span, sections: Sequence[str], *, exact: bool = False
) -> Table:
    """Return the report.

    Args:
        reader: Open.
        rates: submit_sm per second that each link may send, 0.0 = any number.
        span: What is reported on.
        sections: Of it.
        exact: Take response times from each message.
    """
    rows = list(_rows(reader, span))
    makers: dict[str, Callable[[], object]] = {
        "volume": lambda: reports.volume(rows, span),
        "response": lambda: reports.exact_response(_times(reader, span)) if exact else reports.response(rows, span),
        "resolution": lambda: reports.resolution(rows, span),
        "satisfaction": lambda: reports.satisfaction(rows, span),
        "topics": lambda: reports.topics(rows, span),
        "unmatched": lambda: _unmatched(reader, span),
        "failures": lambda: reports.failures(rows, span),
        "quota": lambda: reports.quota(rows, span, rates),
    }
    return {
        "brand": span.brand or None,
        "zone": str(span.zone),
        "since": datetime.fromtimestamp(span.since * HOUR, span.zone).isoformat(),
        "until": datetime.fromtimestamp(span.until * HOUR, span.zone).isoformat(),
        **{name: makers[name]() for name in SECTIONS if name in sections},
    }


def span_of(ruleset: Ruleset, days: int, since: str, until: str, brand: str) -> Span:
    """Return what is reported on.

    Args:
        ruleset: For the brand's clock.
        days: The last so many, unless `since` is given.
        since: A day, as 2026-11-01, by the brand's clock.
        until: The day behind the last, "" = up to now.
        brand: Only of this one, "" = of all.

    Raises:
        ReportProblem: There is no such brand or day.
    """
    zone: tzinfo = UTC
    found = ruleset.named(brand) if brand else next(iter(ruleset.numbers.values()), None)
    if brand and found is None:
        known = ", ".join(dict.fromkeys(each.name for each in ruleset.numbers.values()))
        raise ReportProblem(f"there is no brand `{brand}`; there are: {known or 'none'}")
    if found is not None:
        zone = zone_of(found.timezone)
    end = _day(until, "until", zone) if until else int(time.time()) // HOUR + 1
    begin = _day(since, "since", zone) if since else _midnight(end, days, zone)
    if end - begin > _LONGEST:
        raise ReportProblem("a report is of ten years at most")
    if begin >= end:
        raise ReportProblem("since must be before until")
    return reports.Span(begin, end, zone, brand)


def _day(value: str, option: str, zone: tzinfo) -> int:
    try:
        day = datetime.fromisoformat(value)
        if not _EARLIEST <= day.year <= _LATEST:
            raise ValueError("no year of ours")
        return int(day.replace(tzinfo=zone).timestamp()) // HOUR
    except ValueError as exc:
        raise ReportProblem(f'{option}: {value!r} is no day; write it as "2026-11-01"') from exc


def _midnight(end: int, days: int, zone: tzinfo) -> int:
    """Return the hour in which the first of so many days begins, the last of which is the one before `end`."""
    last = datetime.fromtimestamp((end - 1) * HOUR, zone).replace(hour=0)
    first = (last.replace(tzinfo=None) - timedelta(days=days - 1)).replace(tzinfo=zone)
    return int(first.timestamp()) // HOUR


def _rows(reader: LmdbReader, span: Span) -> Iterator[Counted]:
    """Yield the figures of the span and of the time before it of equal length; of four weeks those of quotas."""
    length = span.until - span.since
    first = min(span.since - length, span.until - 4 * reports.WEEK)
    for key, value in reader.rows_between("figure", figure_key(max(first, 0)), figure_key(span.until)):
        hour, figure = read_key(key)
        if hour >= span.since - length or figure[0] == "peak":
            yield hour, figure, read_total(value)


def _times(reader: LmdbReader, span: Span) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"automated": [], "human": []}
    for mt in reader.mts():
        if mt.asked and mt.accepted and span.holds(int(mt.accepted) // HOUR, mt.brand):
            found["human" if mt.by else "automated"].append(max(mt.accepted - mt.asked, 0.0))
    return found


def strangers(reader: LmdbReader, span: Span, most: int) -> list[Mo]:
    """Return the newest texts that no rule knew."""
    found: list[Mo] = []
    for row in reader.newest(b"unmatched.", _LOOKED):
        if isinstance(row, Mo) and row.rule.startswith("unmatched.") and row.text and row.time < span.until * HOUR:
            if row.time < span.since * HOUR or len(found) == most:
                break
            found.append(row)
    return found


def hidden(mo: Mo) -> str:
    """Return a text for a report: numbers and addresses in it are masked."""
    text = masked(mo.text, mo.personal) if mo.personal else mo.text
    text = masked(text, personal(text, ("card", "iban", "email")))
    return _DIGITS.sub(lambda found: "#" * len(found[0]), text)


def _unmatched(reader: LmdbReader, span: Span) -> Table:
    rows = strangers(reader, span, UNMATCHED)
    texts = [hidden(row) for row in rows]
    return {
        "looked_at": len(rows),
        "clusters": [
            {"count": len(group), "samples": list(dict.fromkeys(texts[place] for place in group))[:_SAMPLES]}
            for group in reports.clusters(texts)[:_GROUPS]
        ],
    }


def unsure_of(reader: LmdbReader, span: Span) -> dict[str, list[Table]]:
    """Return the texts of each intent of which the model was least sure."""
    found: dict[str, list[Mo]] = {}
    for row in reader.newest(b"intent.", _LOOKED):
        if isinstance(row, Mo) and row.layer == "intent" and row.intent and row.time >= span.since * HOUR:
            found.setdefault(row.intent, []).append(row)
    return {
        intent: [
            {"confidence": row.confidence, "runner_up": row.runner_up, "text": hidden(row)}
            for row in sorted(rows, key=lambda row: (row.confidence, row.id))[:_SAMPLES]
        ]
        for intent, rows in sorted(found.items())
    }
