"""`smppbridge thread`: the history of one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge import history
from bridge.cli.asking import contact_of
from bridge.cli.common import config_option, json_option, reader_of
from bridge.cli.listing import print_messages

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("number")
@config_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="Messages to show; 0 = all.")
def thread(number: str, config: Path, limit: int, *, as_json: bool) -> None:
    """What a customer wrote and was sent, newest first.

    \b
    Example:
      smppbridge thread +14155550123 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        rows = list(history.thread(reader, contact_of(number), limit))
    if rows or as_json:
        print_messages(rows, as_json=as_json, other_side=False)
    else:
        click.echo("There are no messages of this number.")
