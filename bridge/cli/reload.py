"""`smppbridge reload`: another configuration and other rules for a running service."""

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
    """Have the running service take the configuration and the rules anew, all of it or nothing.

    With a mistake in them all stays as it was, and exit status 1 says so. Links that are configured as before keep
    their sessions, and so do those of which only what needs no new bind has changed: window, rate, limits, errors.
    Other links are drained and bound anew; new ones are started, those that are not there any more drained and ended.
    What only a restart can change is named. Sessions go on by the rules that they began with.

    \b
    Example:
      smppbridge reload -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    settings = configuration.load(config)
    patience = max((link.drain for link in settings.link), default=0.0)
    for line in ask(settings.bridge.data_dir, {"do": "reload"}, patience).splitlines():
        click.echo(printable(line))
