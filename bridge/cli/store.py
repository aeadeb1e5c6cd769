"""`smppbridge store`: the file itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.store.check import Check
from bridge.store.lmdb import compact as write_anew
from bridge.store.lmdb import kept_still

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 100
"""Problems that are listed; what comes after the first few is seldom another one."""


@click.group()
def store() -> None:
    """Check the store's file, or write it anew."""


@store.command()
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, config: Path, *, as_json: bool) -> None:
    """Check that the store's tables agree with each other; its service must be stopped.

    Exit status 1 if anything is wrong, with a line for each problem.

    \b
    Example:
      smppbridge store check -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    folder = configuration.load(config).bridge.data_dir
    with kept_still(folder), reader_of(config) as (_, reader):
        checked = Check(reader)
        found = checked.problems()
        problems = list(islice(found, _SHOWN))
        more = sum(1 for _ in found)
        octets = reader.size()
    if as_json:
        row = {"ok": not problems, "rows": checked.counts, "bytes": octets, "problems": problems, "more_problems": more}
        print_json(row)
    else:
        print_table(("table", "rows"), [(name, f"{n:,}") for name, n in checked.counts.items()], right=("rows",))
        click.echo()
        for problem in problems:
            click.echo(printable(problem), err=True)
        if more:
            click.echo(f"… and {more:,} more", err=True)
        if not problems:
            click.echo(f"{printable(str(folder))}: nothing wrong found")
    if problems:
        ctx.exit(1)


@store.command()
@config_option
def compact(config: Path) -> None:
    """Write the file anew without its free pages; its service must be stopped.

    After that no octet is left of what was erased or forgotten. It needs room for a second file meanwhile.

    \b
    Example:
      smppbridge store compact -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    folder = configuration.load(config).bridge.data_dir
    with kept_still(folder):
        before, after = write_anew(folder)
    click.echo(f"{printable(str(folder))}: {before / (1 << 20):,.1f} MiB before, {after / (1 << 20):,.1f} MiB now")
