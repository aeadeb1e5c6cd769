"""The reports, made of the figures that each turn has counted (`bridge.analytics`); pure, a table in and a table out.

How each is reckoned:

    response       from the last octet of a text to the acceptance of its first answer; control words have none
    resolution     an inquiry is a conversation with a text that is no control word; it is resolved automatically if a
                   flow or a rule has settled it and the customer has not come back to it; contained if no person had it
    satisfaction   ratings from 1 to 5; the share of 4 and 5; answers for questions asked
    failures       undeliverable, expired, rejected, deleted and failed among all messages that came to an end, without
                   those that were suppressed; a cell is flagged whose rate is twice that of all, of 50 messages or more
    quota          the busiest second of an hour against the rate of the link; the forecast is the busiest of the last
                   four such hours of the week, times the growth of the last week over the one before it
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from bridge.analytics import BUCKETS, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from bridge.analytics import Figure

Counted = tuple[int, "Figure", int]
"""(hour since the epoch, what, how many)."""
Table = dict[str, object]
BAD = frozenset({"undeliverable", "expired", "rejected", "deleted", "failed"})
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PERCENTILES = (50, 90, 99)
_SIGNIFICANT = 50
"""Messages of a cell from which on its rate says something."""
_TIMES = 2.0
_ALIKE = 62.0
"""Likeness of two texts (0 to 100) from which on they are about the same thing."""
_MOST_CLUSTERS = 100
WEEK = 168
"""Hours."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is reported on."""

    since: int
    """First hour since the epoch."""
    until: int
    """First hour behind it."""
    zone: tzinfo
    """Of the brand: hours and days are those of its clock."""
    brand: str = ""
    """"" = of every brand."""

    def holds(self, hour: int, brand: str) -> bool:
        """Return whether a figure belongs to it."""
        return self.since <= hour < self.until and self.brand in ("", brand)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def volume(rows: Iterable[Counted], span: Span) -> Table:
    """Return the texts that came, by day and by hour of the week, of the brand's clock.

    A day on which the clock is changed has 23 or 25 hours; the sums are the total all the same.
    """
    week: Counter[tuple[int, int]] = Counter()
    days: Counter[str] = Counter()
    for hour, figure, n in rows:
        if figure[0] == "topic" and span.holds(hour, figure[1]):
            local = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(span.zone)
            week[local.weekday(), local.hour] += n
            days[local.date().isoformat()] += n
    return {
        "zone": str(span.zone),
        "total": sum(week.values()),
        "days": dict(sorted(days.items())),
        "hours_of_day": _hours_of_days(span, days),
        "by_weekday_and_hour": {
            name: [week[weekday, hour] for hour in range(24)] for weekday, name in enumerate(WEEKDAYS)
        },
    }


def _hours_of_days(span: Span, days: Iterable[str]) -> dict[str, int]:
    """Return how many hours a day has, for those that have not 24."""
    found = {}
    for day in sorted(days):
        begin = datetime.fromisoformat(day).replace(tzinfo=span.zone)
        end = datetime.fromisoformat(day) + timedelta(days=1)
        hours = round((end.replace(tzinfo=span.zone).timestamp() - begin.timestamp()) / HOUR)
        if hours != 24:
            found[day] = hours
    return found


def response(rows: Iterable[Counted], span: Span) -> Table:
    """Return how long customers waited for the first answer; automated and human ones apart."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    micros: Counter[str] = Counter()
    for hour, figure, n in rows:
        if figure[0] == "response" and span.holds(hour, figure[1]):
            counts[figure[2]][int(figure[3])] += n
        elif figure[0] == "response_us" and span.holds(hour, figure[1]):
            micros[figure[2]] += n
    return {by: _times(counts[by], micros[by]) for by in ("automated", "human")}


def _times(counts: Counter[int], micros: int) -> Table:
    total = sum(counts.values())
    ends = [*BUCKETS, float("inf")]
    return {
        "count": total,
        "mean_s": round(micros / total / 1e6, 6) if total else None,
        **{f"p{share}_s": _percentile(counts, total, share) for share in PERCENTILES},
        "histogram": [{"up_to_s": None if e == ends[-1] else e, "count": counts[i]} for i, e in enumerate(ends)],
    }


def _percentile(counts: Counter[int], total: int, share: int) -> float | None:
    """Return the upper end of the bucket that so many percent are below, None without any."""
    below = 0
    for number in sorted(counts):
        below += counts[number]
        if total and below * 100 >= share * total:
            return BUCKETS[min(number, len(BUCKETS) - 1)]
    return None


def exact_response(times: Mapping[str, Sequence[float]]) -> Table:
    """Return the same of the single times, from the messages themselves.

    Args:
        times: Seconds, by who has answered.
    """
    found: Table = {}
    for by in ("automated", "human"):
        ordered = sorted(times.get(by, ()))
        total = len(ordered)
        found[by] = {
            "count": total,
            "mean_s": round(sum(ordered) / total, 6) if total else None,
            **{f"p{s}_s": round(ordered[max(-(-s * total // 100) - 1, 0)], 6) if total else None for s in PERCENTILES},
        }
    return found


def resolution(rows: Iterable[Counted], span: Span) -> Table:
    """Return what became of inquiries."""
    counts: Counter[str] = Counter()
    for hour, figure, n in rows:
        if len(figure) < 2 or not span.holds(hour, figure[1]):
            continue
        kind, more = figure[0], figure[2:]
        if kind == "inquiry":
            counts["inquiries"] += n
        elif kind in ("resolved", "reopened") and more[:2] == ("automated", "0"):
            counts[f"automated {kind}"] += n
        elif kind == "resolved" and more[0] == "agent":
            counts["agent"] += n
        elif kind == "escalated":
            counts["escalations"] += n
            counts["handed over"] += n if more[0] == "1" else 0
    inquiries = counts["inquiries"]
    automated = counts["automated resolved"] - counts["automated reopened"]
    return {
        "inquiries": inquiries,
        "automated": automated,
        "automated_share": _share(automated, inquiries),
        "reopened": counts["automated reopened"],
        "by_agents": counts["agent"],
        "escalations": counts["escalations"],
        "handed_over": counts["handed over"],
        "contained": inquiries - counts["handed over"],
        "contained_share": _share(inquiries - counts["handed over"], inquiries),
    }


def satisfaction(rows: Iterable[Counted], span: Span) -> Table:
    """Return the ratings: all, and by who had settled the matter, and by what."""
    values: Counter[tuple[str, int]] = Counter()
    topics: dict[str, Counter[int]] = defaultdict(Counter)
    asked: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for hour, figure, n in rows:
        if len(figure) < 3 or not span.holds(hour, figure[1]):
            continue
        if figure[0] == "rated":
            values[figure[2], int(figure[3])] += n
            topics[figure[4]][int(figure[3])] += n
        elif figure[0] == "rating_asked":
            asked[figure[2]] += n
        elif figure[0] == "rating_not_asked":
            reasons[figure[2]] += n
    split: dict[str, Counter[int]] = {
        by: Counter({value: n for (who, value), n in values.items() if who == by}) for by in ("automated", "agent")
    }
    everything: Counter[int] = sum(split.values(), Counter())
    return {
        **_rated(everything, sum(asked.values())),
        "by": {by: _rated(counts, asked[by]) for by, counts in split.items()},
        "topics": {topic: _rated(counts) for topic, counts in sorted(topics.items())},
        "not_asked": dict(sorted(reasons.items())),
    }


def _rated(counts: Counter[int], asked: int | None = None) -> Table:
    total = sum(counts.values())
    row: Table = {
        "count": total,
        "mean": round(sum(value * n for value, n in counts.items()) / total, 4) if total else None,
        "good_share": _share(counts[4] + counts[5], total),
        "values": {str(value): counts[value] for value in range(1, 6)},
    }
    if asked is not None:
        row |= {"asked": asked, "answered_share": _share(total, asked)}
    return row


def topics(rows: Iterable[Counted], span: Span) -> Table:
    """Return what texts were about, the most frequent first, with the trend against the time before of equal length."""
    before = Span(span.since - (span.until - span.since), span.since, span.zone, span.brand)
    now: Counter[tuple[str, str]] = Counter()
    then: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[str] = Counter()
    for hour, figure, n in rows:
        if figure[0] != "topic":
            continue
        if span.holds(hour, figure[1]):
            now[figure[2], figure[3]] += n
            outcomes[figure[4]] += n
        elif before.holds(hour, figure[1]):
            then[figure[2], figure[3]] += n
    total = sum(now.values())
    return {
        "total": total,
        "outcomes": dict(sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))),
        "topics": [
            {
                "layer": layer,
                "rule": rule or None,
                "count": n,
                "share": _share(n, total),
                "before": then[layer, rule],
                "trend": round(n / then[layer, rule] - 1, 4) if then[layer, rule] else None,
            }
            for (layer, rule), n in sorted(now.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def failures(rows: Iterable[Counted], span: Span) -> Table:
    """Return where messages fail: by link, network, template, segments, data_coding, device, error; and by hour."""
    cells: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for hour, figure, n in rows:
        if figure[0] == "final" and span.holds(hour, figure[1]):
            _, _, dimension, cell, state = figure
            cells[dimension][cell][state] += n
            if dimension == "link":
                local = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(span.zone)
                cells["hour"][f"{local.hour:02}"][state] += n
    everything: Counter[str] = sum(cells["link"].values(), Counter())
    known = sum(_ended(states) for states in cells.get("device", {}).values())
    rate = _failed(everything) / max(_ended(everything), 1)
    return {
        "ended": _ended(everything),
        "failed": _failed(everything),
        "rate": _share(_failed(everything), _ended(everything)),
        "suppressed": everything["suppressed"],
        "states": dict(sorted(everything.items())),
        "device": f"known of {known:,}" if known else "not known: SMPP carries none",
        "by": {
            dimension: [
                {
                    dimension: cell,
                    "ended": _ended(states),
                    "failed": _failed(states),
                    "rate": _share(_failed(states), _ended(states)),
                    "flag": dimension != "error"
                    and _ended(states) >= _SIGNIFICANT
                    and _failed(states) / _ended(states) > _TIMES * rate,
                }
                for cell, states in sorted(found.items(), key=lambda item: (-_failed(item[1]), item[0]))
            ]
            for dimension, found in sorted(cells.items())
        },
    }


def _failed(states: Counter[str]) -> int:
    return sum(states[state] for state in BAD)


def _ended(states: Counter[str]) -> int:
    return sum(states.values()) - states["suppressed"]


def quota(rows: Iterable[Counted], span: Span, limits: Mapping[str, float]) -> Table:
    """Return the busiest seconds of each link against its rate, and what is to be expected.

    Args:
        rows: Of four weeks up to the end of the span.
        span: What is reported on.
        limits: submit_sm per second that each link may send, 0.0 = any number.
    """
    peaks: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: {"in": {}, "out": {}})
    for hour, figure, n in rows:
        if figure[0] == "peak" and hour < span.until:
            peaks[figure[1]][figure[2]][hour] = n
    found: Table = {}
    for link in sorted({*limits, *peaks}):
        row: Table = {"limit": limits.get(link) or None}
        for way in ("in", "out"):
            by_hour = peaks[link][way]
            here = {hour: n for hour, n in by_hour.items() if hour >= span.since}
            top = max(here, key=lambda hour: (here[hour], -hour), default=None)
            row[way] = {
                "peak_per_second": here[top] if top is not None else 0,
                "at": None if top is None else datetime.fromtimestamp(top * HOUR, span.zone).isoformat(),
                "forecast_per_second": _forecast(by_hour, span.until),
            }
        sent = row["out"]
        assert isinstance(sent, dict)  # noqa: S101  made above
        limit = limits.get(link) or 0.0
        for name in ("peak", "forecast"):
            key = "headroom" if name == "peak" else "forecast_headroom"
            row[key] = round(1 - sent[f"{name}_per_second"] / limit, 4) if limit else None
        found[link] = row
    return found


def _forecast(by_hour: Mapping[int, int], until: int) -> float:
    """Return the busiest of the last four same hours of the week, times the growth of a week."""
    last = sum(n for hour, n in by_hour.items() if until - WEEK <= hour < until)
    before = sum(n for hour, n in by_hour.items() if until - 2 * WEEK <= hour < until - WEEK)
    growth = last / before if last and before else 1.0
    recent = [n for hour, n in by_hour.items() if until - 4 * WEEK <= hour < until]
    return round(max(recent, default=0) * max(growth, 1.0), 2)


def clusters(texts: Sequence[str]) -> list[list[int]]:
    """Put texts together that are about the same, the largest group first.

    Args:
        texts: The newest first.

    Returns:
        The places of the texts of each group.
    """
    leaders: list[str] = []
    groups: list[list[int]] = []
    for place, text in enumerate(texts):
        plain = " ".join(sorted(set(text.casefold().split())))
        for number, leader in enumerate(leaders):
            if fuzz.token_set_ratio(plain, leader, score_cutoff=_ALIKE):
                groups[number].append(place)
                break
        else:
            if len(leaders) < _MOST_CLUSTERS:
                leaders.append(plain)
                groups.append([place])
    return sorted(groups, key=lambda group: (-len(group), group[0]))
