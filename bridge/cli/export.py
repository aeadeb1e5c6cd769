"""`smppbridge export`: every message, or everything the committer was given, as rows for other programs."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from bridge.cli import CliProblem
from bridge.cli.common import cell, config_option, reader_of
from bridge.export import COLUMNS, event_rows, message_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bridge.export import Row, Value

_PROGRESS_SECONDS = 1.0

output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, not to the terminal."
)


@click.group()
def export() -> None:
    """Export the messages or the events of a store; its service may run meanwhile."""


@export.command()
@config_option
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@output_option
@click.option("--unmasked", is_flag=True, help="What is personal in texts too.")
def messages(config: Path, form: str, output: Path | None, *, unmasked: bool) -> None:
    """A row per message: kind "mo" came in, kind "mt" was sent or is to be.

    \b
    Times are UTC. In CSV, lists are joined by a blank and `times` is JSON; a
    text that a spreadsheet would compute begins with an apostrophe there.

    \b
    Example:
      smppbridge export messages -c bridge.toml --format csv -o messages.csv
    """  # noqa: D301  \b keeps click from rewrapping
    with reader_of(config) as (_, reader), _opened(output) as file:
        (_write_csv if form == "csv" else _write_jsonl)(message_rows(reader, unmasked=unmasked), file)


@export.command()
@config_option
@output_option
def events(config: Path, output: Path | None) -> None:
    """Every input of the committer with what it led to, in order, as JSON lines; texts as they came.

    \b
    Example:
      smppbridge export events -c bridge.toml -o events.jsonl
    """  # noqa: D301  \b keeps click from rewrapping
    with reader_of(config) as (_, reader), _opened(output) as file:
        _write_jsonl(event_rows(reader), file)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Open what to write to; who stops reading early (`| head`) is no problem worth a word."""
    if output is not None:
        try:
            # csv wants the line ends as it writes them
            with output.open("w", encoding="utf-8", newline="") as file:
                yield file
        except OSError as exc:
            raise CliProblem(f"cannot write {output}: {exc.strerror}") from exc
        return
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        yield stdout
        stdout.flush()
    except BrokenPipeError:
        # What is buffered has no reader; without this the interpreter would say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())


def _write_jsonl(rows: Iterable[Row], file: TextIO) -> None:
    # On a terminal a text must not be able to do more than be read.
    encode = json.JSONEncoder(ensure_ascii=file.isatty(), separators=(",", ":")).encode
    file.writelines(encode(row) + "\n" for row in _counted(rows, file))


def _write_csv(rows: Iterable[Row], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _counted(rows, file):
        writer.writerow([_cell(row.get(name), name) for name in COLUMNS])


def _cell(value: Value, name: str) -> str | int | float:
    if name == "text" and isinstance(value, str):
        return cell(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join("" if item is None else str(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    return value


def _counted(rows: Iterable[Row], file: TextIO) -> Iterator[Row]:
    """Say on the terminal how far a long export is, unless the rows themselves go there."""
    if not sys.stderr.isatty() or file.isatty():
        yield from rows
        return
    due = time.monotonic() + _PROGRESS_SECONDS
    said = False
    number = 0
    for number, row in enumerate(rows, 1):
        yield row
        if number % 1000 == 0 and time.monotonic() >= due:
            click.echo(f"\r{number:,} rows", err=True, nl=False)
            due = time.monotonic() + _PROGRESS_SECONDS
            said = True
    if said:
        click.echo(f"\r{number:,} rows", err=True)
