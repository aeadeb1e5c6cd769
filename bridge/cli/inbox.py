"""`smppbridge inbox`: the conversations that people have in hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge import history
from bridge.cli import CliProblem
from bridge.cli.asking import asker, operator
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.cli.explain import load_rules
from bridge.customers import case_row, cases, most_urgent
from bridge.export import iso
from bridge.records import Mo
from bridge.rules import Request, RulesError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.records import Case, Conversation
    from bridge.store.lmdb import LmdbReader

_SHOWN = 20
"""Messages of a case that are shown."""


@click.group()
def inbox() -> None:
    """Escalated conversations: list, show, take, reply, note, tag, transfer, close."""


@inbox.command(name="list")
@config_option
@json_option
@click.option("--queue", default="", help="Only of this queue.")
@click.option("--agent", default="", help="Only what this agent has.")
def list_(config: Path, queue: str, agent: str, *, as_json: bool) -> None:
    """List the open cases, the most urgent first.

    \b
    Example:
      smppbridge inbox list -c bridge.toml --queue care
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        found = [
            (case, state) for case, state in cases(reader) if queue in ("", case.queue) and agent in ("", case.agent)
        ]
    now = time.time()
    rows = [case_row(case, state, now) for case, state in most_urgent(found)]
    if as_json:
        print_json(rows)
    elif rows:
        shown = ("id", "queue", "priority", "agent", "contact", "brand", "opened", "due", "late")
        print_table(shown, [tuple(row[name] or "" for name in shown) for row in rows], right=("id",))
    else:
        click.echo("No case is open.")
        _say_if_none_opens(config)


def _say_if_none_opens(config: Path) -> None:
    """Say so where the rules hand over to people, and no case opens."""
    try:
        ruleset = load_rules(configuration.load(config))
    except RulesError:
        return  # `check` says what is wrong with them
    if ruleset.numbers and not any(brand.queues for brand in ruleset.numbers.values()):
        click.echo("The rules have no [queue.NAME]: what they hand over to people is recorded, but opens no case.")


def _find(reader: LmdbReader, number: int) -> tuple[Case, Conversation]:
    for case, state in cases(reader):
        if case.id == number:
            return case, state
    raise CliProblem(f"there is no open case {number}; `smppbridge inbox list` has those that are")


@inbox.command()
@click.argument("number", metavar="ID", type=int)
@config_option
@json_option
def show(number: int, config: Path, *, as_json: bool) -> None:
    """Show one case: its notes, and what was said, newest last.

    \b
    Example:
      smppbridge inbox show 1 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        case, state = _find(reader, number)
        said = [
            (iso(row.time), "←", row.text) if isinstance(row, Mo) else (iso(row.created), "→", row.text)
            for row in history.thread(reader, state.contact, _SHOWN)
        ]
    if as_json:
        notes = [{"time": iso(when), "by": by, "text": text} for when, by, text in case.notes]
        messages = [
            {"time": when, "direction": "in" if way == "←" else "out", "text": text} for when, way, text in said
        ]
        print_json({**case_row(case, state, time.time()), "notes": notes, "messages": messages})
        return
    click.echo(
        f"case {case.id}, {printable(case.queue)}, {case.priority}: {state.contact} of {printable(state.brand)}, "
        f"{printable(case.agent) or 'nobody'} has it{', tags ' + printable(', '.join(case.tags)) if case.tags else ''}"
    )
    for when, by, text in case.notes:
        click.echo(f"  note {iso(when)} {printable(by)}: {printable(text)}")
    print_table(("time", "", "text"), said[::-1])


def _acts(command: Callable[..., None]) -> Callable[..., None]:
    by = click.option("--by", default=operator, help="Who does it. [default: the name of the account]")
    return click.argument("number", metavar="ID", type=int)(by(config_option(command)))


def _ask(config: Path, number: int, kind: str, by: str, **values: str) -> None:
    settings = configuration.load(config)
    with reader_of(config) as (_, reader):
        _, state = _find(reader, number)
    with asker(settings) as ask:
        problem = ask(state.contact, state.brand, Request(f"case.{kind}", by, values))
    if problem:
        raise CliProblem(f"case {number}: {problem}")
    click.echo(f"case {number}: done")


@inbox.command()
@_acts
@click.option("--force", is_flag=True, help="Even if somebody else has it.")
def take(number: int, config: Path, by: str, *, force: bool) -> None:
    """Make a case yours.

    \b
    Example:
      smppbridge inbox take 1 --by ann
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "take", by, force="yes" if force else "")


@inbox.command()
@_acts
@click.argument("text")
def reply(number: int, text: str, config: Path, by: str) -> None:
    """Answer the customer.

    \b
    Example:
      smppbridge inbox reply 1 "We have found your parcel." --by ann
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "reply", by, text=text)


@inbox.command()
@_acts
@click.argument("text")
def note(number: int, text: str, config: Path, by: str) -> None:
    """Leave a note for colleagues; the customer does not see it.

    \b
    Example:
      smppbridge inbox note 1 "called the depot"
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "note", by, text=text)


@inbox.command()
@_acts
@click.argument("tags", nargs=-1, required=True)
def tag(number: int, tags: tuple[str, ...], config: Path, by: str) -> None:
    """Tag a case.

    \b
    Example:
      smppbridge inbox tag 1 lost refund
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "tag", by, tags=",".join(tags))


@inbox.command()
@_acts
@click.option("--queue", default="", help="The queue that shall have it.")
@click.option("--agent", default="", help="The agent who shall have it.")
def transfer(number: int, config: Path, by: str, queue: str, agent: str) -> None:
    """Give a case to another queue or agent.

    \b
    Example:
      smppbridge inbox transfer 1 --queue supervisors
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "transfer", by, queue=queue, agent=agent)


@inbox.command()
@_acts
@click.option("--resolved/--unresolved", default=True, show_default=True, help="Whether the matter is settled.")
def close(number: int, config: Path, by: str, *, resolved: bool) -> None:
    """End a case: the bot answers again.

    \b
    Example:
      smppbridge inbox close 1 --unresolved
    """  # noqa: D301  \b keeps click from wrapping the example
    _ask(config, number, "close", by, resolved="yes" if resolved else "no")
