"""`smppbridge reload`: other rules for a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli.common import config_option, printable
from bridge.control import ask

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
def reload(config: Path) -> None:
    """Have the running service take the rules files anew, all of them or none.

    With a mistake in them the rules in force stay, and exit status 1 says so. Sessions go on by the rules that they
    began with.

    \b
    Example:
      smppbridge reload -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    click.echo(printable(ask(configuration.load(config).bridge.data_dir, {"do": "reload"})))
