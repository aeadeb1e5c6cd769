"""`smppbridge optout` and `smppbridge evidence`: who wants no messages, and what shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from rich.progress import track

from bridge import config as configuration
from bridge import rules
from bridge.cli import CliProblem
from bridge.cli.asking import asker, brands_of, contact_of, contacts_of, operator
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.customers import evidence_row, optout_row
from bridge.rules import Request
from bridge.rules.consent import SOURCES
from bridge.rules.topics import stopped
from bridge.training import trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.export import Row

_DONE = {"optout.add": "opted out", "optout.remove": "opted in again", "consent.given": "recorded"}
_MANY = 20
"""Numbers from which on progress is shown."""


@click.group()
def optout() -> None:
    """Who wants no messages: add, remove, list."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.argument("numbers", nargs=-1),
        click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A number a line."),
        click.option("--brand", default="", help="Of which brand. [default: of every brand]"),
        click.option("--source", type=click.Choice(SOURCES), default="other", show_default=True, help="How it came."),
        click.option("--evidence", "text", default="", help="What was said, where it is filed."),
        click.option("--by", default=operator, help="Who does it. [default: the name of the account]"),
        config_option,
    ):
        command = option(command)
    return command


@optout.command()
@_options
def add(numbers: tuple[str, ...], file: Path | None, brand: str, source: str, text: str, by: str, config: Path) -> None:
    """Send nothing more to these numbers, as if they had texted STOP; no SMS confirms it.

    \b
    Example:
      smppbridge optout add +14155550123 --source email --evidence "ticket 4711"
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask("optout.add", numbers, file, brand, source, text, by, config)


@optout.command()
@_options
def remove(
    numbers: tuple[str, ...], file: Path | None, brand: str, source: str, text: str, by: str, config: Path
) -> None:
    """Take an opt-out back, with evidence that the customer wants it so.

    \b
    Example:
      smppbridge optout remove +14155550123 --source phone --evidence "call of 2026-11-24, recording 88"
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask("optout.remove", numbers, file, brand, source, text, by, config)


@click.command(name="consent")
@_options
def given(
    numbers: tuple[str, ...], file: Path | None, brand: str, source: str, text: str, by: str, config: Path
) -> None:
    """Record that customers have agreed to messages, as a link of their evidence; nothing is sent.

    The evidence says to what words, when and where: that is what a carrier or a court asks for first.

    \b
    Example:
      smppbridge contacts consent +14155550123 --source web --evidence "order form v7, box ticked 2026-11-24 10:02 UTC"
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask("consent.given", numbers, file, brand, source, text, by, config)


def _ask(
    kind: str, numbers: tuple[str, ...], file: Path | None, brand: str, source: str, text: str, by: str, config: Path
) -> None:
    settings = configuration.load(config)
    ruleset = rules.load(settings.bridge.rules, trainer(settings.bridge.data_dir, keep=False))
    contacts = contacts_of(numbers, file)
    brands = brands_of(settings, ruleset, brand)
    request = Request(kind, by, {"source": source, "evidence": text})
    done, refused = 0, 0
    with asker(settings) as ask:
        for contact in track(contacts, "numbers", transient=True) if len(contacts) > _MANY else contacts:
            for name in brands:
                problem = ask(contact, name, request)
                if problem:
                    refused += 1
                    click.echo(f"{contact}, {printable(name)}: {printable(problem)}", err=True)
                else:
                    done += 1
    click.echo(f"{_DONE[kind]}: {done}; refused: {refused}")
    if refused and not done:
        raise CliProblem("nothing was changed")


@optout.command(name="list")
@config_option
@json_option
@click.option("--brand", default="", help="Only of this brand.")
@click.option("--review", is_flag=True, help="Only those who said it in words of their own: was it meant so?")
def list_(config: Path, brand: str, *, as_json: bool, review: bool) -> None:
    """List who has opted out: of what, when, how, and in which words.

    \b
    Example:
      smppbridge optout list -c bridge.toml --review
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        rows = [
            optout_row(reader, state)
            for state in reader.conversations()
            if (state.opted_out or stopped(state)) and (not brand or state.brand == brand)
        ]
    if review:
        rows = [row for row in rows if row["how"] in ("words", "typo", "phrase")]
    rows.sort(key=lambda row: str(row["since"]))
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        click.echo("Nobody has opted out.")


@click.command()
@click.argument("number")
@config_option
@json_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON to this file.")
@click.pass_context
def evidence(ctx: click.Context, number: str, config: Path, out: Path | None, *, as_json: bool) -> None:
    """What a customer agreed to and took back, and every message since; the chain is verified.

    Exit status 1 if the chain is not whole.

    \b
    Example:
      smppbridge evidence +14155550123 -c bridge.toml --out evidence.json
    """  # noqa: D301  \b keeps click from wrapping the example
    contact = contact_of(number)
    with reader_of(config) as (_, reader):
        found = [evidence_row(reader, state) for state in reader.conversations(contact)]
    if not found:
        raise CliProblem(f"nothing is known of {contact}")
    whole = all(row["chain"] == "whole" for row in found)
    if out is not None:
        out.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        click.echo(f"{printable(str(out))}: written; the chain is {'whole' if whole else 'BROKEN'}")
    elif as_json:
        print_json(found)
    else:
        for row in found:
            _print(row)
    if not whole:
        ctx.exit(1)


def _print(row: Row) -> None:
    click.echo(f"{row['contact']}, {printable(str(row['brand']) or 'no brand')}: {row['state']}; chain {row['chain']}")
    events, messages = cast("list[Row]", row["events"]), cast("list[Row]", row["messages"])
    if events:
        shown = [
            key for key in ("time", "what", "except", "how", "text", "by") if any(key in event for event in events)
        ]
        print_table(tuple(shown), [tuple(str(event.get(key, "")) for key in shown) for event in events])
    click.echo(f"{len(messages)} messages; --json or --out has them all")
