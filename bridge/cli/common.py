"""What the commands share: the -c option, opening a store to read, and output as a table or as JSON."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from bridge import config as configuration
from bridge.options import At, BadValue, duration
from bridge.store.lmdb import LmdbReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bridge.config import Config


class Duration(click.ParamType[float]):
    """A time span such as 100ms or 5s; in seconds.

    Args:
        plain: Take a number without its unit as seconds.
    """

    name = "duration"

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one; a wrong one is wrong usage."""
        if isinstance(value, float):
            return value
        if self._plain and str(value).replace(".", "", 1).isdigit():
            return float(str(value))
        try:
            return duration()(value, At("", Path(), {}, []))
        except BadValue as exc:
            self.fail(str(exc), param, ctx)


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add -c/--config FILE to a command, as `config: Path`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("bridge.toml"),
        show_default=True,
        help="The configuration file.",
    )(command)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --json to a command, as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


@contextmanager
def reader_of(path: Path) -> Iterator[tuple[Config, LmdbReader]]:
    """Open the store of a configuration for reading; a running service is not disturbed.

    Raises:
        ConfigError: The configuration is wrong.
        StoreError: There is no store to read.
    """
    config = configuration.load(path)
    reader = LmdbReader(config.bridge.data_dir)
    try:
        yield config, reader
    finally:
        reader.close()


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), heading: bool = True
) -> None:
    """Print a table; columns named in `right` are aligned so.

    On a terminal long cells are folded; into a file or a pipe each row is one line, however long.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=heading)
    for header in headers:
        table.add_column(header, justify="right" if header in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(str(cell)) for cell in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(
            console.width, console.measure(table, options=console.options.update(width=100_000)).maximum
        )
    with console.capture() as lines:
        console.print(table)
    for line in lines.get().splitlines():
        click.echo(line.rstrip())


def printable(text: str) -> str:
    """Return a text in which no control or bidi character can act on the terminal."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def cell(text: str) -> str:
    """Return a text as a cell of CSV that no spreadsheet takes for a formula: a customer may write one."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
