"""Write bridge/guides/reference.md anew, from the code: what can be typed, configured, measured and called.

    python tools/reference.py            write it
    python tools/reference.py --check    exit status 1 if it is not as it would be written

A test does the second.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import sys
import textwrap
import types
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union, cast, get_args, get_origin, get_type_hints

import click

from bridge.cli import main as smppbridge
from bridge.cli.scenario import Scenario
from bridge.config import EVENTS, Address, Config
from bridge.metrics import FAMILIES
from bridge.records import FINAL_STATES, OUTCOMES
from bridge.rules.guard import Then
from bridge.rules.tables import RulesTables
from bridge.web.openapi import BASE
from bridge.web.operations import OPERATIONS
from smppcore.failover import Endpoint
from smppcore.testbed.faults import KINDS, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).resolve().parent.parent / "bridge" / "guides" / "reference.md"
EVENT_TEXTS = {
    "received": "a text of a customer came: `message`, `text`, `number`, `link`, `outcome`, `rule`, `intent`",
    "replied": "a message of ours was made: `message`, `text`, `template`, `by`, `answers`, `number`",
    "delivered": "a message has arrived: `message`, `state`, `error`, `number`",
    "undelivered": "a message has not, for good: the same",
    "escalated": "a text was put before people: `queue` and what the rule says",
    "breached": "people are later than their service level: `queue`",
    "taken": "somebody took a case: `case`, `agent`",
    "answered": "somebody answered in a case: `case`, `agent`",
    "closed": "a case was closed: `case`, `queue`, `by`",
    "resolved": "a matter was settled: `by`, `topic`, `again`",
    "reopened": "the customer came back to it: `by`, `topic`",
    "rating_asked": "the question for a rating left: `by`",
    "rating_not_asked": "it did not: `why`",
    "rated": "the customer rated: `value`, `by`, `topic`",
    "opted_out": "a customer wants no more: `how`, `text`, `number`",
    "opted_in": "a customer agrees: `how`, `text`, `number`",
    "started": "a message that answers nothing was made: `topic`",
    "profile": "a profile was changed: `by`",
    "merged": "two numbers are one customer: `number`, `by`",
    "deactivated": "a number was given back: `former`, `by`",
    "erased": "a customer was forgotten: `by`",
}
"""What each event says; a test holds the names to bridge.config.EVENTS."""
WRITTEN = {
    "HoursTable.week": ("`mon`, `tue` … `sun`, `mon-fri`", "text or list of texts", "", 'Windows, as "08:00-18:00".'),
    "HoursTable.closed": ("`closed`", "list of text", "", 'Days without any, as ["2026-12-24"].'),
    "QuietTable.window": ("`window`", "text", '`"20:00-08:00"`', 'By the recipient\'s clock; "" = none.'),
    "TemplateTable.texts": ("`en`, `fr` …", "text", "", "The text in each language of the brand."),
    "IntentsTable.threshold": ("`threshold`", 'number or "auto"', '`"auto"`', "auto: as `precision` asks for."),
    "GuardTable.then": ("`then`", "text", '`"mute_1h_and_escalate"`', "Or mute_DURATION, or escalate, alone."),
    "StepTable.next": ("`next`", "text or list of tables", "", 'A step, "end", or { when, go }: the first that holds.'),
    "FlowTable.on_expire": ("`on_expire`", 'table or "close"', '`"close"`', "When `expires` is over."),
}
"""Keys whose reader takes something else than the field holds: as they are written in the file."""
LONG_UNITS = (("y", 365.25 * 86400), ("d", 86400))
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001))
VALUES = (Address, Endpoint, Then)
"""Dataclasses that are one value in a file."""
SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20))
HEAD = """\
# Reference

Made from the code by `tools/reference.py`; a test holds it to it.

[Commands](#commands) · [Configuration](#configuration) · [Rules](#rules) ·
[Scenarios of the simulator](#scenarios-of-the-simulator) · [Outcomes and states](#outcomes-and-states) ·
[Metrics](#metrics) · [Events of webhooks](#events-of-webhooks) · [HTTP operations](#http-operations)
"""
READERS = {
    "retention": "long duration",
    "_seconds": "long duration",
    "duration": "duration",
    "seconds": "duration",
    "delay": "duration",
    "size": "size",
}
"""What a value is, by how the name of its reader begins."""
_SAYS_ITS_NAME = re.compile(r"(The table )?\[+[\w.]+\]+\.|A file\.|(A|The) whole.*")


def cell(text: str) -> str:
    """Return a text as it stands in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return a text as code in a cell."""
    return f"`{cell(text)}`" if text else ""


# ---------------------------------------------------------------- commands


def commands(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words, those of groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join([*words, name]), command
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)


def command_text(words: str, command: click.Command) -> Iterator[str]:
    """Yield the lines about one command."""
    context = click.Context(command, info_name=f"smppbridge {words}")
    said, _, example = (command.help or "").replace("\b", "").partition("Example:")
    yield f"### {words}\n"
    yield f"`{' '.join([context.info_name or '', *command.collect_usage_pieces(context)])}`\n"
    yield inspect.cleandoc(said) + "\n"
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in record[0]:
            rows.append(f"| {code(record[0])} | {cell(record[1])} |")
    if rows:
        yield "| option | does |\n|---|---|\n" + "\n".join(rows) + "\n"
    lines = "\n".join(line.strip() for line in example.strip().splitlines())
    yield f"```text\n{lines}\n```\n"


# ---------------------------------------------------------------- tables of files


def notes(table: type) -> dict[str, str]:
    """Return what stands under each field of a dataclass."""
    body = cast("ast.ClassDef", ast.parse(textwrap.dedent(inspect.getsource(table))).body[0])
    found: dict[str, str] = {}
    for field, under in zip(body.body, body.body[1:], strict=False):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found


def unit_of(hint: object) -> str:
    """Return "duration", "size" or "" for what a field is read by."""
    for part in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        name = getattr(part, "__qualname__", part if isinstance(part, str) else "")
        for reader, unit in READERS.items():
            if str(name).startswith(reader):
                return unit
    return ""


def kind(hint: object) -> str:
    """Return what may stand in a field, for people."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if unit := unit_of(hint):
            return unit
        return kind(parts[0])
    if origin in (Union, types.UnionType):
        return kind(next(part for part in parts if part is not types.NoneType))
    if origin is Literal:
        return " \\| ".join(str(part) for part in parts)
    if origin is tuple:
        return f"list of {kind(parts[0])}"
    if origin is not None and len(parts) == 2:
        return f"table of {kind(parts[1])}"
    plain = {str: "text", bool: "true \\| false", int: "whole number", float: "number", Path: "file or folder"}
    if isinstance(hint, type) and is_dataclass(hint) and hint not in VALUES:
        return "table"
    return plain.get(hint, "text") if isinstance(hint, type) else "text"


def quantity(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """Return a number of seconds or octets as it is written in a file."""
    for unit, size in units:
        if value and value >= size and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}{units[-1][0] if units is SIZES else 's'}"


def default_of(value: object, hint: object) -> str:
    """Return a default as it is written in a file, "" for none."""
    unit = unit_of(hint)
    if value in (None, (), {}, math.inf) or value is MISSING or (unit and is_dataclass(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if unit == "long duration":
            return f'"{quantity(value, LONG_UNITS)}"' if value else '""'
        if unit:
            return f'"{quantity(value, UNITS if unit == "duration" else SIZES)}"'
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple) and all(isinstance(item, str | float) for item in value):
        return "[" + ", ".join(default_of(item, str) for item in value) + "]"
    return f'"{value}"' if isinstance(value, Path | Address) else ""


def inner(hint: object) -> tuple[type, str] | None:
    """Return the dataclass in a hint, and how its key goes on: "", "[]" for a list of them or ".NAME" by name."""
    origin, parts = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return None if hint in VALUES else (hint, "")
    if origin is tuple:
        found = inner(parts[0])
        return None if found is None else (found[0], "[]")
    if origin is Annotated:
        return None if unit_of(hint) else inner(parts[0])
    if origin in (Union, types.UnionType):
        return next(filter(None, map(inner, parts)), None)
    if origin is not None and len(parts) == 2:
        found = inner(parts[1])
        return None if found is None else (found[0], ".NAME")
    return None


def tables(table: type, key: str, seen: set[type]) -> Iterator[str]:
    """Yield a table for people of each table of a file, those inside it behind it; each kind of table once."""
    seen.add(table)
    hints = get_type_hints(table, include_extras=True)
    said = notes(table)
    rows: list[str] = []
    within: list[tuple[type, str]] = []
    for field in fields(table):
        if not field.init:
            continue
        name, hint = field.name.rstrip("_"), hints[field.name]
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        found = inner(hint)
        path = f"{key}.{name}" if key else name
        if found is not None and found[0] not in (*seen, *(other for other, _ in within)):
            within.append((found[0], path + found[1]))
        if written := WRITTEN.get(f"{table.__name__}.{field.name}"):
            rows.append(f"| {' | '.join(map(cell, written))} |")
        elif key or found is None:
            rows.append(
                f"| `{name}` | {kind(hint)} | {code(default_of(default, hint))} | {cell(said.get(field.name, ''))} |"
            )
    if rows:
        about = (table.__doc__ or "").strip().splitlines()[0] if table.__doc__ else ""
        if about.startswith(table.__name__) or _SAYS_ITS_NAME.fullmatch(about):
            about = ""
        shown = key if "[]" in key[:-2] else f"[[{key[:-2]}]]" if key.endswith("[]") else f"[{key}]" if key else ""
        yield f"#### `{shown}`\n" if shown else "#### At the top\n"
        if about:
            yield about + "\n"
        yield "| key | is | default | what |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    if table is Fault:
        yield "| `kind` | more keys |\n|---|---|"
        common = {field.name for field in fields(Fault)}
        for name, one in KINDS.items():
            more = [f"`{field.name}`" for field in fields(one) if field.init and field.name not in common]
            yield f"| `{name}` | {', '.join(more)} |"
        yield ""
    for table_within, path in within:
        if table_within not in seen:
            yield from tables(table_within, path, seen)


# ---------------------------------------------------------------- the rest


def metrics() -> Iterator[str]:
    """Yield the table of metrics."""
    yield "| metric | is a | which says |\n|---|---|---|"
    for family in FAMILIES:
        labels = f"{{{','.join(family.labels)}}}" if family.labels else ""
        yield f"| `smppbridge_{family.name}{labels}` | {family.kind} | {cell(family.help)} |"


def events() -> Iterator[str]:
    """Yield the table of events."""
    yield "| event | says that, with in `data`, beside `contact`, `brand` and `conversation` |\n|---|---|"
    for event in EVENTS:
        yield f"| `{event}` | {EVENT_TEXTS[event]} |"


def operations() -> Iterator[str]:
    """Yield the table of HTTP operations."""
    yield "| operation | role | does |\n|---|---|---|"
    for operation in OPERATIONS:
        yield f"| `{operation.method} {BASE}{operation.path}` | {operation.role} | {cell(operation.summary)} |"


def document() -> str:
    """Return the whole of it."""
    parts = [HEAD, "## Commands\n"]
    for words, command in commands(smppbridge):
        parts += command_text(words, command)
    parts += ["## Configuration\n", "Of `bridge.toml`; every key, with its default.\n", *tables(Config, "", set())]
    parts += ["## Rules\n", "Of a rules file.\n", *tables(RulesTables, "", set())]
    parts += ["## Scenarios of the simulator\n", "Of a file for `smppbridge sim`.\n", *tables(Scenario, "", set())]
    parts += ["## Outcomes and states\n", "What they mean is in [operations](operations.md#what-becomes-of-a-text).\n"]
    parts += [f"- of a text: {', '.join(f'`{word}`' for word in OUTCOMES)}"]
    states = ("queued", "held", "sent", "accepted", "unknown", *sorted(FINAL_STATES))
    parts += [f"- of a message: {', '.join(f'`{word}`' for word in states)}\n"]
    parts += [
        "## Metrics\n",
        *metrics(),
        "\n## Events of webhooks\n",
        *events(),
        "\n## HTTP operations\n",
        *operations(),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def main() -> int:
    """Write it, or compare; return the exit status."""
    made = document()
    if "--check" in sys.argv[1:]:
        return int(REFERENCE.read_text(encoding="utf-8") != made)
    REFERENCE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
