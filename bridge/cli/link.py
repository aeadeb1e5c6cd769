"""`smppbridge link`: steering one link of the running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli.common import config_option, printable
from bridge.control import ask

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def link() -> None:
    """Steer a link of the running service: pause, resume, drain, rebind. A restart ends a pause."""


def _steer(config: Path, name: str, what: str) -> None:
    settings = configuration.load(config)
    longest = max((link.drain for link in settings.link), default=0.0)
    said = ask(settings.bridge.data_dir, {"do": "link", "link": name, "what": what}, patience=longest)
    click.echo(printable(said))


@link.command()
@click.argument("name")
@config_option
def pause(name: str, config: Path) -> None:
    """Send nothing more on a link; texts still come in, and what answers them waits.

    \b
    Example:
      smppbridge link pause carrier-a -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    _steer(config, name, "pause")


@link.command()
@click.argument("name")
@config_option
def resume(name: str, config: Path) -> None:
    """Send again, what has waited first.

    \b
    Example:
      smppbridge link resume carrier-a -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    _steer(config, name, "resume")


@link.command()
@click.argument("name")
@config_option
def drain(name: str, config: Path) -> None:
    """Pause a link and wait until nothing of it is in the air, for at most its `drain`.

    \b
    Example:
      smppbridge link drain carrier-a -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    _steer(config, name, "drain")


@link.command()
@click.argument("name")
@config_option
def rebind(name: str, config: Path) -> None:
    """Drain a link, unbind it, bind it anew and go on.

    \b
    Example:
      smppbridge link rebind carrier-a -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    _steer(config, name, "rebind")
