"""`smppbridge status`, `links`, `queue`, `receipts` and `show`: looking at a store, whether its service runs or not."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, cast

import click

from bridge import lookup
from bridge.cli import CliProblem
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.store.lmdb import service_running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.export import Row, Value


@click.command()
@config_option
@json_option
def status(config: Path, *, as_json: bool) -> None:
    """What the store holds and what the links do.

    Totals are over the life of the store. The service may run meanwhile.

    \b
    Example:
      smppbridge status -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (settings, reader):
        folder = settings.bridge.data_dir
        row = lookup.status_row(reader, settings.link, running=service_running(folder))
    if as_json:
        print_json(row)
        return
    state = "running" if row["running"] else "stopped"
    last = f"last commit {_age(row['last_commit'])} (#{row['commit']})" if row["commit"] else "nothing committed yet"
    click.echo(f"{printable(str(folder))}: {state}, {last}, {_octets(row['store_bytes'])}")
    click.echo()
    mo, mt = _numbers(row["mo"]), _numbers(row["mt"])
    total = mt.pop("total")
    mt["accepted or on the way"] = mt.pop("sent")
    queue = cast("Row", row["queue"])
    left = [("messages in", sum(mo.values())), *((f"  {name}", n) for name, n in mo.items() if n)]
    left += [(f"  {word}", row[key]) for word, key in _ASIDE if row[key]]  # type: ignore[misc]
    right = [("messages out", total), *((f"  {name}", n) for name, n in mt.items() if n)]
    right += [(f"  {word}", row[key]) for word, key in _BESIDE if row[key]]  # type: ignore[misc]
    _print_pairs(left, right)
    click.echo()
    waits = f"{queue['length']:,} waiting, the oldest from {_age(queue['oldest'])}" if queue["length"] else "empty"
    later = f"; {queue['scheduled']:,} scheduled" if queue["scheduled"] else ""
    click.echo(f"queue: {waits}{later}")
    if row["links"]:
        click.echo()
        _print_links(cast("Sequence[Row]", row["links"]))
    for hint in cast("Sequence[str]", row["hints"]):
        click.echo()
        click.echo(f"Hint: {printable(hint)}")


_ASIDE = (("redelivered (not counted twice)", "mo_redelivered"), ("refused for now", "mo_refused"))
_BESIDE = (
    ("in doubt at some time", "mt_in_doubt"),
    ("receipts", "receipts"),
    ("receipts waiting for a message", "receipts_parked"),
    ("receipts of no message", "receipts_unmatched"),
    ("receipts without a readable id", "receipts_unreadable"),
    ("receipts whose TLVs and text disagree", "receipts_conflicting"),
)


@click.command()
@config_option
@json_option
def links(config: Path, *, as_json: bool) -> None:
    """The links and their sessions.

    \b
    Example:
      smppbridge links -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (settings, reader):
        rows = list(lookup.link_rows(reader, settings.link, running=service_running(settings.bridge.data_dir)))
    if as_json:
        print_json(rows)
    elif rows:
        _print_links(rows)
    else:
        click.echo("There is no [[link]] in the configuration, and none was ever used.")


@click.command()
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="Messages to list; 0 = all.")
def queue(config: Path, limit: int, *, as_json: bool) -> None:
    """What waits to be sent, in the order in which it will be.

    \b
    Example:
      smppbridge queue -c bridge.toml --limit 50
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        row = lookup.queue_row(reader, limit)
    if as_json:
        print_json(row)
        return
    scheduled = f"{row['scheduled']:,} scheduled, the first for {row['next']}" if row["scheduled"] else ""
    if not row["length"]:
        click.echo(scheduled or "Nothing is waiting.")
        return
    classes = cast("Sequence[Row]", row["classes"])
    print_table(
        ("link", "class", "waiting", "oldest"),
        [(each["link"], each["class"], f"{each['length']:,}", _age(each["oldest"])) for each in classes],
        right=("waiting",),
    )
    messages = cast("Sequence[Row]", row["messages"])
    click.echo()
    print_table(
        ("id", "link", "class", "to", "state", "attempts", "created", "next try", "last error"),
        [
            (
                mt["id"],
                mt["link"],
                mt["class"],
                mt["to"],
                f"{mt['state']}, in doubt" if mt["in_doubt"] else mt["state"],
                mt["attempts"],
                _age(_times(mt)["created"]),
                _age(_times(mt)["next_try"]),
                mt["error"],
            )
            for mt in messages
        ],
        right=("id", "attempts"),
    )
    if scheduled:
        click.echo(scheduled)
    if len(messages) < cast("int", row["length"]):
        click.echo(f"… the first {len(messages):,} of {row['length']:,}; --limit 0 lists all")


@click.command()
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="The last so many; 0 = all.")
@click.option("--id", "message_id", default="", metavar="MESSAGE_ID", help="Only those of this message_id.")
def receipts(config: Path, limit: int, message_id: str, *, as_json: bool) -> None:
    """Delivery receipts that fit no message: the carrier's mistakes, or an id that is written in two ways.

    A receipt waits an hour for the answer that names its message; then it is kept for you to look at. Receipts in
    which no message_id can be read are kept at once.

    \b
    Example:
      smppbridge receipts -c bridge.toml --id 1054BC63
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        rows = lookup.receipt_rows(reader, limit, message_id)
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("Every receipt has found its message." if not message_id else "There is none of this message_id.")
    else:
        print_table(
            ("received", "link", "message_id", "state", "error", "from", "", "body"),
            [
                (
                    _age(row["received"]),
                    row["link"],
                    row["message_id"],
                    row["state"],
                    row["error"],
                    row["from"],
                    "waits" if row["waiting"] else "",
                    str(row["body"])[:80],
                )
                for row in rows
            ],
        )


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@config_option
@json_option
def show(number: int, config: Path, *, as_json: bool) -> None:
    """One message, what belongs to it, and everything that happened to it.

    ID is that of an inbound message or of one that was sent, as exports, logs and `queue` give it.

    \b
    Example:
      smppbridge show 1042 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        row = lookup.message_row(reader, number)
    if row is None:
        raise CliProblem(f"there is no message {number} in this store")
    if as_json:
        print_json(row)
        return
    if row["mo"]:
        _print_message("Inbound message", cast("Row", row["mo"]))
    for mt in cast("Sequence[Row]", row["mt"]):
        _print_message("Reply" if mt["mo"] else "Message", mt)
    click.echo("History")
    history = cast("Sequence[Row]", row["history"])
    print_table(
        ("time", "commit", "message", "what"),
        [(each["time"], each["commit"], each["id"], each["what"]) for each in history],
        right=("commit", "message"),
    )


def _print_message(title: str, row: Row) -> None:
    click.echo(f"{title} {row['id']}")
    facts = []
    for key, value in row.items():
        if key in {"kind", "id"} or value in ("", None, [], False):
            continue
        if isinstance(value, dict):
            facts += [(f"  {name}", moment) for name, moment in value.items() if moment]
        elif isinstance(value, list):
            facts.append((f"  {key}", ", ".join("-" if item is None else str(item) for item in value)))
        else:
            facts.append((f"  {key}", "yes" if value is True else value))
    print_table(("", ""), facts, heading=False)
    click.echo()


def _print_links(rows: Sequence[Row]) -> None:
    print_table(
        ("link", "state", "since", "sessions", "in", "out", "receipts", "peer"),
        [
            (
                row["name"],
                row["state"],
                _age(row["since"]),
                row["sessions"],
                f"{row['mo']:,}",
                f"{row['mt']:,}",
                f"{row['receipts']:,}",
                row["peer"],
            )
            for row in rows
        ],
        right=("sessions", "in", "out", "receipts"),
    )
    for row in rows:
        if row["detail"]:
            click.echo(printable(f"{row['name']}: {row['detail']}"))
        for line in _flow_lines(cast("Row", row["flow"] or {})):
            click.echo(printable(f"{row['name']}: {line}"))


_CARRIER = {
    "open": "",
    "limited": ", found from the carrier's answers",
    "sporadic": "; the carrier throttles some messages at whatever rate",
}


def _flow_lines(flow: Row) -> list[str]:
    """Return what limits a link, in words; nothing where nothing does."""
    lines = []
    if flow.get("rate") or flow.get("carrier", "open") != "open":
        rate = (
            f"at most {flow['rate']:,.1f} submit_sm per second"
            if flow["rate"]
            else "any number of submit_sm per second"
        )
        lines.append(rate + _CARRIER[str(flow["carrier"])])
    if flow.get("congestion_state") is not None:
        lines.append(f"congestion_state {flow['congestion_state']} of 100")
    for day in cast("Sequence[Row]", flow.get("days", ())):
        whose = f"number {day['number']}: " if day["number"] else ""
        lines.append(f"{whose}{day['used']:,} of the {day['of']:,} messages of the day are used (since {day['since']})")
    return lines


def _print_pairs(left: Sequence[tuple[str, int]], right: Sequence[tuple[str, int]]) -> None:
    rows = []
    for number in range(max(len(left), len(right))):
        cells: list[str] = []
        for side in (left, right):
            name, n = side[number] if number < len(side) else ("", None)
            cells += [name, "" if n is None else f"{n:,}"]
        rows.append((cells[0], cells[1], "  ", cells[2], cells[3]))
    print_table(("", "n", " ", "", "m"), rows, right=("n", "m"), heading=False)


def _times(mt: Row) -> Row:
    return cast("Row", mt["times"])


def _numbers(value: Value) -> dict[str, int]:
    return dict(cast("dict[str, int]", value))


def _age(moment: Value) -> str:
    """Return how long ago, or how soon, in one unit."""
    if not isinstance(moment, str):
        return ""
    seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    words = _span(abs(seconds))
    return f"{words} ago" if seconds >= 0 else f"in {words}"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _octets(value: Value) -> str:
    octets = float(cast("int", value))
    for unit in ("octets", "KiB", "MiB"):
        if octets < 1024:
            return f"{octets:.0f} {unit}" if unit == "octets" else f"{octets:.1f} {unit}"
        octets /= 1024
    return f"{octets:.1f} GiB"
