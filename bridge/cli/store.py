"""`smppbridge store`: the file itself."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click
from rich.console import Console

from bridge import config as configuration
from bridge.cli.common import config_option, json_option, print_json, print_table, printable, reader_of
from bridge.export import iso
from bridge.store.check import Check
from bridge.store.lmdb import backup as write_copy
from bridge.store.lmdb import compact as write_anew
from bridge.store.lmdb import kept_still
from bridge.store.lmdb import restore as put_back

_SHOWN = 100
"""Problems that are listed; what comes after the first few is seldom another one."""


@click.group()
def store() -> None:
    """Check the store's file, write it anew, back it up, restore it."""


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


@store.command()
@click.argument("to", type=click.Path(path_type=Path))
@config_option
@json_option
def backup(to: Path, config: Path, *, as_json: bool) -> None:
    """Copy the store as of one commit into the new folder TO; its service goes on meanwhile.

    \b
    Example:
      smppbridge store backup /backup/2026-11-24 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    folder = configuration.load(config).bridge.data_dir
    with Console(stderr=True).status("copying …"):
        position = write_copy(folder, to)
    octets = (to / "data.mdb").stat().st_size
    if as_json:
        print_json({"to": str(to), "commit": position.commit, "time": iso(position.time), "bytes": octets})
    else:
        megabytes = octets / (1 << 20)
        click.echo(f"{printable(str(to))}: commit {position.commit:,} of {iso(position.time)}, {megabytes:,.1f} MiB")


@store.command()
@click.argument("copy", type=click.Path(file_okay=False, path_type=Path))
@config_option
def restore(copy: Path, config: Path) -> None:
    """Put the copy that `backup` wrote in the place of the store, whose service is stopped; that is kept beside it.

    What came after the copy is not in it: a carrier may have taken messages that are sent again then.

    \b
    Example:
      smppbridge store restore /backup/2026-11-24 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    folder = configuration.load(config).bridge.data_dir
    with Console(stderr=True).status("copying …"):
        kept = put_back(copy, folder)
    click.echo(f"{printable(str(folder))}: restored; check it with smppbridge store check")
    if kept is not None:
        click.echo(f"What was there is {printable(str(kept))}; delete it when all is well.")
