"""`smppbridge report`: how customers are served, and where messages fail."""

from __future__ import annotations

import csv
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bridge import reports
from bridge.analytics import BUCKETS, HOUR, figure_key, read_key, read_total
from bridge.cli import CliProblem
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.cli.explain import load_rules
from bridge.limits import zone_of
from bridge.records import Mo
from bridge.rules.privacy import masked, personal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import tzinfo

    from bridge.config import Config
    from bridge.reports import Counted, Span, Table
    from bridge.store.lmdb import LmdbReader

_SECTIONS = ("volume", "response", "resolution", "satisfaction", "topics", "unmatched", "failures", "quota")
_SHADES = " ░▒▓█"
_BAR = 40
_UNMATCHED = 500
"""The newest texts that no rule knew which are put into groups."""
_LOOKED = 50_000
"""The newest messages that are looked at for them."""
_SHOWN = 8
_SAMPLES = 3
_DIGITS = re.compile(r"\d{4,}")


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 400), help="The last so many.")
@click.option("--since", default="", help='From this day on, as "2026-11-01"; by the brand\'s clock.')
@click.option("--until", default="", help="Up to this day, which is not in it.")
@click.option("--brand", default="", help="Only of this brand.")
@click.option("--section", type=click.Choice(_SECTIONS), multiple=True, help="Only this one; can be repeated.")
@click.option("--csv", "folder", type=click.Path(file_okay=False, path_type=Path), help="A file a section, into DIR.")
@click.option("--exact", is_flag=True, help="Response times from each message, not from the histogram.")
@click.pass_context
def report(
    ctx: click.Context,
    config: Path,
    days: int,
    since: str,
    until: str,
    brand: str,
    section: tuple[str, ...],
    folder: Path | None,
    *,
    as_json: bool,
    exact: bool,
) -> None:
    """How customers are served: volume, response times, resolution, satisfaction, topics, failures, quotas.

    \b
    Example:
      smppbridge report -c bridge.toml --days 28
      smppbridge report --section topics --section unmatched --json
    """  # noqa: D301  \b keeps click from wrapping the example
    if ctx.invoked_subcommand is not None:
        return
    with reader_of(config) as (settings, reader):
        span = _span(settings, days, since, until, brand)
        made = make(reader, settings, span, section or _SECTIONS, exact=exact)
    if as_json:
        print_json(made)
    elif folder is not None:
        for file in _write(made, folder):
            click.echo(f"wrote {file}")
    else:
        _print(made)


def make(reader: LmdbReader, settings: Config, span: Span, sections: Sequence[str], *, exact: bool = False) -> Table:
    """Return the report.

    Args:
        reader: Open.
        settings: For the links' limits.
        span: What is reported on.
        sections: Of it.
        exact: Take response times from each message.
    """
    rows = list(_rows(reader, span))
    limits = {link.name: link.submit_rate for link in settings.link}
    makers: dict[str, Callable[[], object]] = {
        "volume": lambda: reports.volume(rows, span),
        "response": lambda: reports.exact_response(_times(reader, span)) if exact else reports.response(rows, span),
        "resolution": lambda: reports.resolution(rows, span),
        "satisfaction": lambda: reports.satisfaction(rows, span),
        "topics": lambda: reports.topics(rows, span),
        "unmatched": lambda: _unmatched(reader, span),
        "failures": lambda: reports.failures(rows, span),
        "quota": lambda: reports.quota(rows, span, limits),
    }
    return {
        "brand": span.brand or None,
        "zone": str(span.zone),
        "since": datetime.fromtimestamp(span.since * HOUR, span.zone).isoformat(),
        "until": datetime.fromtimestamp(span.until * HOUR, span.zone).isoformat(),
        **{name: makers[name]() for name in _SECTIONS if name in sections},
    }


def _span(settings: Config, days: int, since: str, until: str, brand: str) -> Span:
    zone: tzinfo = UTC
    ruleset = load_rules(settings)
    found = ruleset.named(brand) if brand else next(iter(ruleset.numbers.values()), None)
    if brand and found is None:
        known = ", ".join(dict.fromkeys(each.name for each in ruleset.numbers.values()))
        raise CliProblem(f"there is no brand `{brand}`; there are: {known or 'none'}")
    if found is not None:
        zone = zone_of(found.timezone)
    end = _day(until, "--until", zone) if until else int(time.time()) // HOUR + 1
    begin = _day(since, "--since", zone) if since else _midnight(end, days, zone)
    if begin >= end:
        raise CliProblem("--since must be before --until")
    return reports.Span(begin, end, zone, brand)


def _day(value: str, option: str, zone: tzinfo) -> int:
    try:
        return int(datetime.fromisoformat(value).replace(tzinfo=zone).timestamp()) // HOUR
    except ValueError as exc:
        raise CliProblem(f'{option}: {value!r} is no day; write it as "2026-11-01"') from exc


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


def _strangers(reader: LmdbReader, span: Span, most: int) -> list[Mo]:
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
    rows = _strangers(reader, span, _UNMATCHED)
    texts = [hidden(row) for row in rows]
    return {
        "looked_at": len(rows),
        "clusters": [
            {"count": len(group), "samples": list(dict.fromkeys(texts[place] for place in group))[:_SAMPLES]}
            for group in reports.clusters(texts)[:_SHOWN]
        ],
    }


# ---------------------------------------------------------------- suggest


@report.command()
@config_option
@json_option
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 400), help="The last so many.")
@click.option("--cluster", type=click.IntRange(1), help="Print this group as examples of an intent, to be pasted.")
def suggest(config: Path, days: int, cluster: int | None, *, as_json: bool) -> None:
    """What the rules could learn: groups of texts that none knew, and answers of little confidence by intent.

    \b
    Example:
      smppbridge report suggest -c bridge.toml
      smppbridge report suggest --cluster 1
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (settings, reader):
        span = _span(settings, days, "", "", "")
        rows = _strangers(reader, span, _UNMATCHED)
        unsure = _unsure(reader, span)
    texts = [hidden(row) for row in rows]
    groups = [[texts[place] for place in group] for group in reports.clusters(texts)]
    if cluster is not None:
        if cluster > len(groups):
            raise CliProblem(f"there are {len(groups)} groups")
        click.echo(_as_intent(groups[cluster - 1]))
    elif as_json:
        print_json({"clusters": [{"count": len(g), "texts": list(dict.fromkeys(g))} for g in groups], "unsure": unsure})
    else:
        shown = groups[: 2 * _SHOWN]
        if not shown and not unsure:
            click.echo("Every text was known, and every answer sure.")
        if shown:
            click.echo("Texts that no rule knew; --cluster N prints a group as examples:")
            lines = [(n, len(group), " | ".join(dict.fromkeys(group))) for n, group in enumerate(shown, 1)]
            print_table(("group", "texts", "what they say"), lines, right=("group", "texts"))
        for intent, samples in unsure.items():
            click.echo(f"\nleast sure of {printable(intent)}:")
            print_table(
                ("confidence", "runner-up", "text"),
                [(row["confidence"], row["runner_up"], row["text"]) for row in samples],
                right=("confidence",),
            )


def _unsure(reader: LmdbReader, span: Span) -> dict[str, list[Table]]:
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


def _as_intent(texts: Iterable[str]) -> str:
    examples = ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in dict.fromkeys(texts))
    return f"[intent.NAME]  # give it a name, and a reply, a flow or escalate\nexamples = [{printable(examples)}]"


# ---------------------------------------------------------------- on the terminal, and as CSV


def _percent(value: object) -> str:
    return "-" if value is None else f"{cast('float', value):.1%}"


def _seconds(value: object) -> str:
    if value is None:
        return "-"
    seconds = cast("float", value)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _bar(n: int, top: int) -> str:
    return "█" * max(round(_BAR * n / top), 1) if n and top else ""


def _print(made: Table) -> None:
    brand = f" of {made['brand']}" if made["brand"] else ""
    click.echo(f"Report{brand}, {made['since']} to {made['until']}, {made['zone']}")
    for name, show in _SHOW.items():
        if name in made:
            click.echo(f"\n── {name} ".ljust(60, "─"))
            show(cast("Table", made[name]))


def _show_volume(section: Table) -> None:
    table = cast("dict[str, list[int]]", section["by_weekday_and_hour"])
    top = max((n for row in table.values() for n in row), default=0)
    click.echo(f"{section['total']:,} texts; the busiest hour of the week had {top:,}; {section['zone']}")
    click.echo("     " + "".join(f"{hour:<6}" for hour in range(0, 24, 3)).rstrip())
    for day, row in table.items():
        cells = "".join(_SHADES[min(-(-n * (len(_SHADES) - 1) // top), 4) if top else 0] * 2 for n in row)
        click.echo(f"{day}  {cells}  {sum(row):,}")
    for day, hours in cast("dict[str, int]", section["hours_of_day"]).items():
        click.echo(f"{day} has {hours} hours")


def _show_response(section: Table) -> None:
    rows = []
    for by in ("automated", "human"):
        row = cast("Table", section[by])
        rows.append((by, f"{row['count']:,}", *(_seconds(row[key]) for key in ("mean_s", "p50_s", "p90_s", "p99_s"))))
    head = ("first answer", "count", "mean", "p50", "p90", "p99")
    print_table(head, rows, right=head[1:])
    for by in ("automated", "human"):
        histogram = cast("list[dict[str, int | float | None]]", cast("Table", section[by]).get("histogram", []))
        filled = [bar for bar in histogram if bar["count"]]
        top = max((cast("int", bar["count"]) for bar in filled), default=0)
        for bar in filled:
            end = f"up to {_seconds(bar['up_to_s'])}" if bar["up_to_s"] else f"over {_seconds(BUCKETS[-1])}"
            click.echo(f"{by:9}  {end:>14}  {_bar(cast('int', bar['count']), top)} {bar['count']:,}")


def _show_resolution(section: Table) -> None:
    said = [
        ("inquiries", f"{section['inquiries']:,}", ""),
        ("resolved automatically", f"{section['automated']:,}", _percent(section["automated_share"])),
        ("reopened after that", f"{section['reopened']:,}", "not among those resolved"),
        ("contained, no person had it", f"{section['contained']:,}", _percent(section["contained_share"])),
        ("handed to people", f"{section['handed_over']:,}", ""),
        ("resolved by agents", f"{section['by_agents']:,}", ""),
    ]
    print_table(("", "conversations", "share"), said, right=("conversations", "share"))


def _show_satisfaction(section: Table) -> None:
    rows = []
    for by, row in [("all", section), *cast("dict[str, Table]", section["by"]).items()]:
        shares = _percent(row["good_share"]), row["asked"], _percent(row["answered_share"])
        rows.append((by, row["count"], row["mean"] or "-", *shares))
    head = ("resolved by", "ratings", "mean", "4 or 5", "asked", "answered")
    print_table(head, rows, right=head[1:])
    values = cast("dict[str, int]", section["values"]) if section["count"] else {}
    for value, n in values.items():
        click.echo(f"{value}  {_bar(n, max(values.values()))} {n:,}")
    for why, n in cast("dict[str, int]", section["not_asked"]).items():
        click.echo(f"not asked: {printable(why)}: {n:,}")


def _show_topics(section: Table) -> None:
    rows = cast("list[Table]", section["topics"])
    print_table(
        ("layer", "rule", "texts", "share", "trend", ""),
        [
            (
                row["layer"],
                row["rule"] or "",
                f"{row['count']:,}",
                _percent(row["share"]),
                "new" if row["trend"] is None else f"{cast('float', row['trend']):+.0%}",
                _bar(cast("int", row["count"]), cast("int", rows[0]["count"])),
            )
            for row in rows[:20]
        ],
        right=("texts", "share", "trend"),
    )
    outcomes = cast("dict[str, int]", section["outcomes"])
    click.echo("outcomes: " + ", ".join(f"{name} {n:,}" for name, n in outcomes.items()))


def _show_unmatched(section: Table) -> None:
    groups = cast("list[Table]", section["clusters"])
    if not groups:
        click.echo("Every text was known.")
        return
    rows = [(group["count"], " | ".join(cast("list[str]", group["samples"]))) for group in groups]
    print_table(("texts", "as"), rows, right=("texts",))
    click.echo(f"of the newest {section['looked_at']:,} that no rule knew; `smppbridge report suggest` has more")


def _show_failures(section: Table) -> None:
    click.echo(
        f"{section['failed']:,} of {section['ended']:,} messages failed ({_percent(section['rate'])}); "
        f"{section['suppressed']:,} suppressed; device: {section['device']}"
    )
    rows: list[tuple[object, ...]] = []
    for dimension, cells in cast("dict[str, list[Table]]", section["by"]).items():
        for cell in [cell for cell in cells if cell["failed"]][:5]:
            numbers = f"{cell['failed']:,}", f"{cell['ended']:,}", _percent(cell["rate"])
            rows.append((dimension, cell[dimension], *numbers, "◄" if cell["flag"] else ""))
    if rows:
        print_table(("by", "", "failed", "of", "rate", "flag"), rows, right=("failed", "of", "rate"))


def _show_quota(section: Table) -> None:
    rows = []
    for link, found in section.items():
        row = cast("Table", found)
        sent, came = cast("Table", row["out"]), cast("Table", row["in"])
        limit = f"{cast('float', row['limit']):g}/s" if row["limit"] else "none"
        numbers = (came["peak_per_second"], sent["peak_per_second"], sent["forecast_per_second"])
        rows.append((link, limit, *numbers, _percent(row["headroom"]), _percent(row["forecast_headroom"])))
    head = ("link", "limit", "in, busiest second", "out, busiest second", "forecast", "headroom", "then")
    print_table(head, rows, right=head[1:])


_SHOW: dict[str, Callable[[Table], None]] = {
    "volume": _show_volume,
    "response": _show_response,
    "resolution": _show_resolution,
    "satisfaction": _show_satisfaction,
    "topics": _show_topics,
    "unmatched": _show_unmatched,
    "failures": _show_failures,
    "quota": _show_quota,
}


def _write(made: Table, folder: Path) -> Iterator[Path]:
    """Write a CSV file for each section: name, value; or what its table has."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _SECTIONS:
            if name in made:
                file = folder / f"{name}.csv"
                with file.open("w", encoding="utf-8", newline="") as out:
                    writer = csv.writer(out, lineterminator="\n")
                    writer.writerow(("what", "value"))
                    writer.writerows(_flat(made[name], ""))
                yield file
    except OSError as exc:
        raise CliProblem(f"cannot write to {folder}: {exc.strerror}") from exc


def _flat(value: object, name: str) -> Iterator[tuple[str, object]]:
    """Yield (path, value) of everything in a section."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(item, f"{name}[{number}]")
    else:
        text = "" if value is None else value
        # A spreadsheet would take it for a formula.
        yield name, f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@") else text
