"""`smppbridge report`: how customers are served, and where messages fail."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bridge import reports
from bridge.analytics import BUCKETS
from bridge.cli import CliProblem
from bridge.cli.common import cell, config_option, json_option, print_json, print_table, printable, reader_of
from bridge.cli.explain import load_rules
from bridge.page import page
from bridge.reporting import SECTIONS, UNMATCHED, hidden, make, span_of, strangers, unsure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bridge.reports import Table

_SHADES = " ░▒▓█"
_BAR = 40
_SHOWN = 8


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 400), help="The last so many.")
@click.option("--since", default="", help='From this day on, as "2026-11-01"; by the brand\'s clock.')
@click.option("--until", default="", help="Up to this day, which is not in it.")
@click.option("--brand", default="", help="Only of this brand.")
@click.option("--section", type=click.Choice(SECTIONS), multiple=True, help="Only this one; can be repeated.")
@click.option("--csv", "folder", type=click.Path(file_okay=False, path_type=Path), help="A file a section, into DIR.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="One file with plots, which needs nothing else."
)
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
    html: Path | None,
    *,
    as_json: bool,
    exact: bool,
) -> None:
    """How customers are served: volume, response times, resolution, satisfaction, topics, failures, quotas.

    \b
    Example:
      smppbridge report -c bridge.toml --days 28
      smppbridge report --section topics --section unmatched --json
      smppbridge report --days 28 --html report.html
    """  # noqa: D301  \b keeps click from wrapping the example
    if ctx.invoked_subcommand is not None:
        return
    with reader_of(config) as (settings, reader):
        span = span_of(load_rules(settings), days, since, until, brand)
        made = make(
            reader, {link.name: link.submit_rate for link in settings.link}, span, section or SECTIONS, exact=exact
        )
    if as_json:
        print_json(made)
    elif html is not None:
        html.write_text(page(made), encoding="utf-8")
        click.echo(f"wrote {html}")
    elif folder is not None:
        for file in _write(made, folder):
            click.echo(f"wrote {file}")
    else:
        _print(made)


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
        span = span_of(load_rules(settings), days, "", "", "")
        rows = strangers(reader, span, UNMATCHED)
        unsure = unsure_of(reader, span)
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
        for one in [one for one in cells if one["failed"]][:5]:
            numbers = f"{one['failed']:,}", f"{one['ended']:,}", _percent(one["rate"])
            rows.append((dimension, one[dimension], *numbers, "◄" if one["flag"] else ""))
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
        for name in SECTIONS:
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
        yield name, cell(value) if isinstance(value, str) else "" if value is None else value
