"""Options that several commands share: which SMSC to bind to and as whom, time spans, and texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli import CliProblem
from bridge.config import LinkConfig, TlsConfig
from bridge.links import esme_config
from bridge.options import At, BadValue, duration
from smppcore.tls import TlsFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.esme import EsmeConfig

FICTIONAL_NUMBER = 12_025_550_100
"""To it and the 99 behind it no telephone belongs: they are kept for films (area code 202, 555-0100 to 555-0199)."""


class _Duration(click.ParamType[float]):
    """A time span such as 100ms, 30s or 5m; a number alone is seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            return duration()(f"{text}s" if text.replace(".", "", 1).isdigit() else text, At("", Path(), {}, []))
        except BadValue as exc:
            self.fail(str(exc), param, ctx)


DURATION = _Duration()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `target` to a command; it takes them as `**where: object`."""
    for option in reversed(
        (
            click.option(
                "-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="Take a link of this file."
            ),
            click.option("--link", help="Which one, by its name; needed when there are several."),
            click.option("--host", help="Name or address of the SMSC.  [default: 127.0.0.1]"),
            click.option("--port", type=click.IntRange(1, 65535), help="Its TCP port.  [default: 2775]"),
            click.option("--system-id", help="The account.  [default: esme]"),
            click.option(
                "--password",
                envvar="SMPP_PASSWORD",
                help="Its password; better in the environment as SMPP_PASSWORD.  [default: secret]",
            ),
            click.option("--system-type", help="As the carrier wants it."),
            click.option("--interface-version", type=click.Choice(list(_VERSIONS)), help="[default: 3.4]"),
            click.option(
                "--bind",
                type=click.Choice(["transceiver", "transmitter", "receiver", "separate"]),
                help="[default: transceiver]",
            ),
            click.option("--tls", is_flag=True, help="TLS; the peer's certificate is verified."),
            click.option("--tls-ca", type=_FILE, help="PEM file of the authorities to trust; default: the system's."),
            click.option("--tls-cert", type=_FILE, help="PEM file of our own certificate."),
            click.option("--tls-key", type=_FILE, help="PEM file of its key, if it is not in --tls-cert."),
            click.option("--server-name", help="The name in the peer's certificate.  [default: the host]"),
        )
    ):
        command = option(command)
    return command


def target(where: dict[str, object]) -> LinkConfig:
    """Make the link that the options of `target_options` describe: one of a file, changed by the others.

    Raises:
        ConfigError: The file is wrong.
        CliProblem: It has no such link.
    """
    path, name = where.pop("config"), where.pop("link")
    if isinstance(path, Path):
        link = _link_of(path, name if isinstance(name, str) else "")
    elif name:
        raise click.UsageError("--link names a link of a file: give that with -c")
    else:
        link = LinkConfig(name="smsc", password="secret")  # noqa: S106  what `smppbridge sim` takes
    files = {key: where.pop(f"tls_{key}") for key in ("ca", "cert", "key")}
    files["server_name"] = where.pop("server_name")
    given = {key: value for key, value in files.items() if value}
    if where.pop("tls") or given:
        link = replace(link, tls=replace(link.tls or TlsConfig(), **given))  # type: ignore[arg-type]
    version = where.pop("interface_version")
    if isinstance(version, str):
        link = replace(link, interface_version=_VERSIONS[version])
    return replace(link, **{key: value for key, value in where.items() if value is not None})  # type: ignore[arg-type]


def _link_of(path: Path, name: str) -> LinkConfig:
    links = configuration.load(path).link
    if not links:
        raise CliProblem(f"{path} has no [[link]]")
    names = ", ".join(link.name for link in links)
    if not name and len(links) > 1:
        raise CliProblem(f"{path} has several links: choose one with --link ({names})")
    for link in links:
        if link.name == name or not name:
            return link
    raise CliProblem(f"{path} has no link {name}: it has {names}")


def esme_of(link: LinkConfig) -> EsmeConfig:
    """Make what the protocol engine needs of a link.

    Raises:
        CliProblem: A certificate cannot be used.
    """
    try:
        return esme_config(link)
    except TlsFileError as exc:
        raise CliProblem(str(exc)) from exc


def read_lines(path: Path | None) -> tuple[str, ...]:
    """Read a file of texts, one a line, empty lines left out; none without a file.

    Raises:
        CliProblem: It cannot be read, or there are none.
    """
    if path is None:
        return ()
    try:
        lines = tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except OSError as exc:
        raise CliProblem(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CliProblem(f"{path}: is not UTF-8 text") from exc
    if not lines:
        raise CliProblem(f"{path}: has no lines")
    return lines
