"""`smppbridge find`: messages by what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge import lookup
from bridge.cli.common import config_option, json_option, reader_of
from bridge.cli.listing import print_messages

if TYPE_CHECKING:
    from pathlib import Path

_NEWEST = 100_000


@click.command()
@click.argument("words")
@config_option
@json_option
@click.option("--state", default="", help="Only messages with this outcome or state, as escalated or failed.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Messages to show.")
@click.option("--all", "everything", is_flag=True, help=f"Look at every message, not at the newest {_NEWEST:,}.")
def find(words: str, config: Path, state: str, limit: int, *, everything: bool, as_json: bool) -> None:
    """Find messages whose text, numbers, rule or message_id hold WORDS, the newest first.

    \b
    Example:
      smppbridge find AC12345678 -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        rows = lookup.search(reader, words, state, limit, 0 if everything else _NEWEST)
        newest = reader.position.next_id
    if rows or as_json:
        print_messages(rows, as_json=as_json, other_side=True)
    else:
        click.echo("No message has that.")
    if not as_json and len(rows) < limit and not everything and newest > _NEWEST:
        click.echo(f"The newest {_NEWEST:,} were looked at; --all looks at every one.")
