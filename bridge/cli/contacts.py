"""`smppbridge contacts`: what is known of customers."""

from __future__ import annotations

import csv
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console
from rich.progress import track

from bridge import config as configuration
from bridge.cli import CliProblem, recipients
from bridge.cli.asking import BATCH, asker_of_many, brands_of, contact_of, contacts_of, operator
from bridge.cli.common import cell, config_option, json_option, print_json, print_table, printable, reader_of
from bridge.cli.consent import given
from bridge.cli.explain import load_rules
from bridge.customers import contact_row, number_row
from bridge.rules import Request
from bridge.rules.profile import LANGUAGE
from bridge.rules.quiet import zones_of
from bridge.rules.topics import stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.cli.asking import Item
    from bridge.export import Row

_SHOWN = 20


@click.group()
def contacts() -> None:
    """Customers: list, show, set, import, export, merge, deactivate, erase."""


def _unmasked(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--unmasked", is_flag=True, help="Show personal values too.")(command)


def _who(command: Callable[..., None]) -> Callable[..., None]:
    by = click.option("--by", default=operator, help="Who does it. [default: the name of the account]")
    brand = click.option("--brand", default="", help="Of which brand. [default: of every brand that knows the number]")
    return by(brand(config_option(command)))


contacts.add_command(given)


@contacts.command(name="list")
@config_option
@json_option
@_unmasked
@click.option("--brand", default="", help="Only of this brand.")
@click.option("--where", default="", help="Only with this value, as plan=gold.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="How many; 0 = all.")
def list_(config: Path, brand: str, where: str, limit: int, *, as_json: bool, unmasked: bool) -> None:
    """List customers.

    \b
    Example:
      smppbridge contacts list --where plan=gold
    """  # noqa: D301  \b keeps click from wrapping the example
    field, _, value = where.partition("=")
    with reader_of(config) as (_, reader):
        found = (
            state
            for state in reader.conversations()
            if brand in ("", state.brand) and (not field or state.profile.get(field) == value)
        )
        rows = [contact_row(state, unmasked=unmasked) for state in islice(found, limit or None)]
    if as_json:
        print_json(rows)
    elif rows:
        shown = [(*(row[name] or "" for name in _COLUMNS), _fields(row)) for row in rows]
        print_table((*_COLUMNS, "profile"), shown)
    else:
        click.echo("There is no such customer.")


_COLUMNS = ("number", "brand", "language", "opted_out", "last_in")


def _fields(row: Row) -> str:
    profile = row["profile"]
    assert isinstance(profile, dict)  # noqa: S101  made above
    return ", ".join(f"{name}={value}" for name, value in profile.items())


@contacts.command()
@click.argument("number")
@config_option
@json_option
@_unmasked
def show(number: str, config: Path, *, as_json: bool, unmasked: bool) -> None:
    """Show what is known of a number: its profile by brand, its country, kind and time zone.

    \b
    Example:
      smppbridge contacts show +14155550123
    """  # noqa: D301  \b keeps click from wrapping the example
    contact = contact_of(number)
    with reader_of(config) as (_, reader):
        rows = [contact_row(state, unmasked=unmasked) for state in reader.conversations(contact)]
    about = number_row(contact)
    if as_json:
        print_json({**about, "brands": list(rows)})
        return
    zones = zones_of(contact)
    where = ", ".join(zones[:3]) + (" …" if len(zones) > 3 else "")
    click.echo(f"{contact}: {about['region'] or 'region not known'}, {about['type'] or 'kind not known'}, {where}")
    for row in rows:
        state = f"opted out {row['opted_out']}" if row["opted_out"] else "may be written to"
        if topics := cast("list[str]", row["stopped"]):
            state += f", not about {printable(', '.join(topics))}"
        click.echo(f"{printable(str(row['brand']))}: {state}, last wrote {row['last_in'] or 'never'}")
        click.echo(f"  {printable(_fields(row)) or 'no profile'}")


@contacts.command(name="set")
@click.argument("number")
@click.argument("values", nargs=-1, required=True)
@_who
def set_(number: str, values: tuple[str, ...], config: Path, brand: str, by: str) -> None:
    """Set fields of a profile, as plan=gold; plan= forgets it, language=fr answers in French.

    \b
    Example:
      smppbridge contacts set +14155550123 name=Ann language=fr
    """  # noqa: D301  \b keeps click from wrapping the example
    given = {}
    for value in values:
        name, equals, said = value.partition("=")
        if not equals:
            raise CliProblem(f"{value!r} is no field and value; write it as name=Ann")
        given[name] = said
    contact = contact_of(number)
    _ask_each(config, [(contact, name, Request("profile.set", by, given)) for name in _brands(config, brand, contact)])


@contacts.command(name="import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_who
@click.option("--dry-run", is_flag=True, help="Look at the file, change nothing.")
def import_(file: Path, config: Path, brand: str, by: str, *, dry_run: bool) -> None:
    """Set the profiles of many customers from CSV: the column `number`, the others are fields.

    Lines that cannot be taken are named; the others are. Running it again does no harm.

    \b
    Example:
      smppbridge contacts import customers.csv --brand acme
    """  # noqa: D301  \b keeps click from wrapping the example
    people = list(recipients.read((), file))
    bad = [(one.line, one.number, one.problem) for one in people if one.problem]
    good = [one for one in people if not one.problem]
    done = 0
    if not dry_run:
        settings = configuration.load(config)
        names = brands_of(settings, load_rules(settings), brand)
        items: list[tuple[int, Item]] = [
            (one.line, (one.number, name, Request("profile.set", by, one.values))) for one in good for name in names
        ]
        starts = range(0, len(items), BATCH)
        console = Console(stderr=True)
        with asker_of_many(settings) as ask:
            for start in track(starts, "customers", transient=True, console=console) if len(starts) > 1 else starts:
                batch = items[start : start + BATCH]
                for (line, item), why in zip(batch, ask([item for _, item in batch]), strict=True):
                    done += not why
                    if why:
                        bad.append((line, item[0], why))
    for line, number, why in bad[:_SHOWN]:
        click.echo(f"{file}:{line}: {printable(number)}: {printable(why)}", err=True)
    if len(bad) > _SHOWN:
        click.echo(f"… and {len(bad) - _SHOWN:,} more", err=True)
    click.echo(f"{'would be set' if dry_run else 'set'}: {len(good) if dry_run else done:,}; refused: {len(bad):,}")
    if bad and not done and not dry_run:
        raise CliProblem("nothing was changed")


@contacts.command()
@config_option
@_unmasked
@click.option("--brand", default="", help="Only of this brand.")
def export(config: Path, brand: str, *, unmasked: bool) -> None:
    """Write all customers as CSV, in the form that `import` reads; personal values are masked.

    \b
    Example:
      smppbridge contacts export --brand acme
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        fields = sorted({name for state in reader.conversations() for name in state.profile})
        writer = csv.DictWriter(sys.stdout, ["number", "brand", LANGUAGE, "opted_out", *fields], lineterminator="\n")
        writer.writeheader()
        for state in reader.conversations():
            if brand in ("", state.brand):
                row = contact_row(state, unmasked=unmasked)
                profile = row["profile"]
                assert isinstance(profile, dict)  # noqa: S101  made above
                cells = {name: row[name] or "" for name in ("number", "brand", LANGUAGE, "opted_out")}
                writer.writerow(cells | {name: cell(str(value)) for name, value in profile.items()})


@contacts.command()
@click.argument("other")
@click.argument("number")
@_who
def merge(other: str, number: str, config: Path, brand: str, by: str) -> None:
    """Note that OTHER belongs to the customer of NUMBER: profile, history and opt-out count for both.

    What the profile of NUMBER lacks comes from that of OTHER. An opt-out of either is one of both.

    \b
    Example:
      smppbridge contacts merge +14155550199 +14155550123
    """  # noqa: D301  \b keeps click from wrapping the example
    first, second = contact_of(number), contact_of(other)
    items: list[Item] = []
    names = _brands(config, brand, first)
    with reader_of(config) as (_, reader):
        for name in names:
            for one, two in ((first, second), (second, first)):
                theirs = reader.conversation((two, name))
                values = {"number": two}
                if theirs is not None:
                    values |= {f"field.{field}": value for field, value in theirs.profile.items()}
                    values["opted_out"] = "yes" if theirs.opted_out else ""
                    values["stopped"] = ",".join(stopped(theirs))
                items.append((one, name, Request("profile.merge", by, values)))
    _ask_each(config, items)


@contacts.command()
@click.argument("number")
@_who
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(number: str, config: Path, brand: str, by: str, *, yes: bool) -> None:
    """Forget what a customer wrote, was sent and is known of; an opt-out and its evidence stay.

    \b
    Example:
      smppbridge contacts erase +14155550123 --yes
    """  # noqa: D301  \b keeps click from wrapping the example
    contact = contact_of(number)
    names = _brands(config, brand, contact)
    if not yes:
        click.confirm(f"Forget all texts and the profile of {contact} at {', '.join(names)}?", abort=True)
    _ask_each(config, [(contact, name, Request("profile.erase", by, {})) for name in names])


@contacts.command()
@click.argument("numbers", nargs=-1)
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="A number a line.")
@_who
@click.option("--evidence", default="", help="Who says so, where it is filed.")
def deactivate(numbers: tuple[str, ...], file: Path | None, config: Path, brand: str, by: str, evidence: str) -> None:
    """End the consent of numbers that were given back: their next owners have agreed to nothing.

    What was under way ends, and nothing is sent there until START comes from there. History, profile and evidence of
    the former owner are kept under another name, which `contacts list` shows. Numbers that are not known are passed
    over, so that a carrier's whole list can be given.

    \b
    Example:
      smppbridge contacts deactivate --file gone.txt --evidence "carrier's list of 2026-11-24"
    """  # noqa: D301  \b keeps click from wrapping the example
    given = contacts_of(numbers, file)
    request = Request("profile.deactivate", by, {"evidence": evidence})
    items: list[Item] = []
    unknown = 0
    with reader_of(config) as (_, reader):
        for contact in dict.fromkeys(given):
            names = [state.brand for state in reader.conversations(contact) if brand in ("", state.brand)]
            items += [(contact, name, request) for name in names]
            unknown += not names
    done = 0
    starts = range(0, len(items), BATCH)
    with asker_of_many(configuration.load(config)) as ask:
        for start in track(starts, "numbers", transient=True, console=Console(stderr=True)) if starts[1:] else starts:
            batch = items[start : start + BATCH]
            for (contact, name, _), why in zip(batch, ask(batch), strict=True):
                done += not why
                if why:
                    click.echo(f"{contact}, {printable(name)}: {printable(why)}", err=True)
    click.echo(f"ended: {done:,}; refused: {len(items) - done:,}; not known: {unknown:,}")


def _brands(config: Path, brand: str, contact: str) -> list[str]:
    """Return the brand that is named, or those that know a number."""
    if brand:
        settings = configuration.load(config)
        return brands_of(settings, load_rules(settings), brand)
    with reader_of(config) as (_, reader):
        known = [state.brand for state in reader.conversations(contact)]
    if not known:
        raise CliProblem(f"{contact} is not known; name the --brand to begin a profile")
    return known


def _ask_each(config: Path, items: Sequence[Item]) -> None:
    settings = configuration.load(config)
    with asker_of_many(settings) as ask:
        problems = ask(items)
    for (contact, brand, _), why in zip(items, problems, strict=True):
        if why:
            raise CliProblem(f"{contact}, {brand}: {why}")
    click.echo(f"done for {', '.join(dict.fromkeys(brand for _, brand, _ in items))}")
