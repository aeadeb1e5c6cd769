"""`smppbridge top`: what goes on, live, in a terminal."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge import config as configuration
from bridge.analytics import HOUR, sum_by_link
from bridge.cli.common import Duration, config_option, json_option, print_json, printable
from bridge.live import live_row
from bridge.records import OUTCOMES
from bridge.store.lmdb import LmdbReader, service_running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bridge.config import Config
    from bridge.export import Row

_CASES = 8
_STATES = {"bound": "green", "partly bound": "yellow"}


@click.command()
@config_option
@json_option
@click.option("--every", type=Duration(plain=True), default="1s", show_default=True, help="How often to look.")
@click.option("--count", "looks", default=0, type=click.IntRange(0), help="End after so many looks; 0 = at Ctrl-C.")
def top(config: Path, every: float, looks: int, *, as_json: bool) -> None:
    """Links with what they move, what waits and who waits for a person, once a second, until Ctrl-C.

    \b
    Example:
      smppbridge top -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    settings = configuration.load(config)
    console = Console(highlight=False, markup=False)
    since = int(time.time()) // HOUR
    if as_json:
        print_json(_look(settings, since))
        return
    before = _look(settings, since)
    screen = Live(_screen(before, before), console=console, screen=console.is_terminal, auto_refresh=False)
    with suppress(KeyboardInterrupt), screen as live:  # Ctrl-C is how it ends, no failure
        for number in count(1):
            if looks and number > looks:
                return
            time.sleep(every)
            now = _look(settings, since)
            live.update(_screen(now, before), refresh=True)
            before = now


def _look(settings: Config, since: int) -> Row:
    reader = LmdbReader(settings.bridge.data_dir)
    try:
        now = time.time()
        row = live_row(reader, settings.link, now, running=service_running(settings.bridge.data_dir))
        # Of this hour and those to come: what is older changes nothing, and may be much.
        sums = sum_by_link(reader.counters(since))
    finally:
        reader.close()
    moved = {
        link.name: {
            "in": sum(sums.get(link.name, {}).get(f"mo.{outcome}", 0) for outcome in OUTCOMES),
            "out": sums.get(link.name, {}).get("submit", 0),
            "receipts": sums.get(link.name, {}).get("receipt", 0),
        }
        for link in settings.link
    }
    return {**row, "time": now, "moved": cast("Row", moved)}


def _screen(now: Row, before: Row) -> Group:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("link", "state", "sessions", "in/s", "out/s", "receipts/s", "rate", "waiting", "oldest"):
        table.add_column(head, justify="left" if head in ("link", "state") else "right")
    seconds = cast("float", now["time"]) - cast("float", before["time"])
    for link in cast("Sequence[Row]", now["links"]):
        name, state = str(link["name"]), str(link["state"])
        moved, old = (cast("Mapping[str, Mapping[str, int]]", row["moved"])[name] for row in (now, before))
        waits = cast("Mapping[str, Mapping[str, float]]", link["queue"]).values()
        ages = [one["oldest_seconds"] for one in waits if one["oldest_seconds"] is not None]
        speeds = [f"{(moved[way] - old[way]) / seconds:,.0f}" if seconds else "-" for way in ("in", "out", "receipts")]
        table.add_row(
            printable(name),
            Text(state, style=_STATES.get(state, "red")),
            str(link["sessions"]),
            *speeds,
            f"{link['rate']:,.0f}" if link["rate"] else "any",
            f"{sum(one['length'] for one in waits):,}",
            f"{max(ages):,.0f} s" if ages else "-",
        )
    details = [
        Text(printable(f"{link['name']}: {link['detail']}"), style="yellow")
        for link in cast("Sequence[Row]", now["links"])
        if link["detail"]
    ]
    cases = cast("Sequence[Row]", now["cases"])
    desk = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for head in ("case", "queue", "priority", "agent", "contact", "due", "text"):
        desk.add_column(head, overflow="ellipsis", no_wrap=True)
    for row in cases[:_CASES]:
        shown = [printable(str(row[key] or "-")) for key in ("id", "queue", "priority", "agent", "contact", "due")]
        desk.add_row(*shown, printable(str(row["text"])), style="red" if row["late"] else "")
    head = f"commit {now['commit']:,}; {len(cases):,} cases are open" + (
        "" if now["running"] else "; no service is running"
    )
    return Group(Text(head), "", table, *details, "", *([desk] if cases else []))
