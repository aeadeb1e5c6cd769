"""`smppbridge trace`: see what goes over a link of the running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli.common import Duration, config_option, json_option, print_json, printable
from bridge.control import ask

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("link")
@click.argument("switch", type=click.Choice(["on", "off"]))
@config_option
@click.option("--for", "seconds", type=Duration(), default="10m", show_default=True, help="It ends by itself then.")
@click.option("--show-text", is_flag=True, help="Do not mask texts and numbers.")
@json_option
def trace(link: str, switch: str, config: Path, seconds: float, *, show_text: bool, as_json: bool) -> None:
    """Trace the PDUs of a link of the running service, to trace-LINK.log in its data_dir.

    \b
    Example:
      smppbridge trace carrier-a on -c bridge.toml --for 10m
      smppbridge trace carrier-a off -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    folder = configuration.load(config).bridge.data_dir
    request = {"do": "trace", "link": link, "on": switch == "on", "seconds": seconds, "show_text": show_text}
    said = ask(folder, request)
    if as_json:
        file = str(folder / f"trace-{link}.log")
        print_json({"link": link, "on": switch == "on", "file": file, "said": said})
    else:
        click.echo(printable(said))
