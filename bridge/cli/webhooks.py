"""`smppbridge webhooks`: what waits to be told to other programs, and what was given up."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge.cli import CliProblem
from bridge.cli.asking import engine_of
from bridge.cli.common import config_option, json_option, print_json, print_table, reader_of
from bridge.control import ControlError, ask
from bridge.events import HooksRevived
from bridge.export import iso
from bridge.hooks import Dead, read_key, unpack, unpack_dead
from bridge.options import nearest
from bridge.store.lmdb import service_running

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config

_SHOWN = 50


@click.group()
def webhooks() -> None:
    """What waits to be told to other programs: list, dead, retry, drop."""


@webhooks.command(name="list")
@config_option
@json_option
def list_(config: Path, *, as_json: bool) -> None:
    """How many events wait for each webhook, and how many were given up.

    \b
    Example:
      smppbridge webhooks list -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    waiting: dict[str, list[float]] = defaultdict(list)
    dead: dict[str, int] = defaultdict(int)
    with reader_of(config) as (settings, reader):
        for key, value in reader.rows("hook"):
            waiting[read_key(key)[0]].append(unpack(value).time)
        for key, _ in reader.rows("dead"):
            dead[read_key(key)[0]] += 1
    names = dict.fromkeys([*(hook.name for hook in settings.webhook), *waiting, *dead])
    rows = [
        {
            "webhook": name,
            "url": next((hook.url for hook in settings.webhook if hook.name == name), None),
            "waiting": len(waiting[name]),
            "oldest": iso(min(waiting[name], default=0.0)),
            "dead": dead[name],
        }
        for name in names
    ]
    if as_json:
        print_json(rows)
    elif rows:
        shown = ("webhook", "url", "waiting", "oldest", "dead")
        print_table(
            shown, [[row[name] or ("-" if name == "url" else row[name] or "") for name in shown] for row in rows]
        )
    else:
        click.echo("There is no [[webhook]] in the configuration.")


@webhooks.command(name="dead")
@click.argument("name", metavar="WEBHOOK", required=False, default="")
@config_option
@json_option
@click.option("--limit", default=_SHOWN, show_default=True, type=click.IntRange(0), help="How many; 0 = all.")
def dead_(name: str, config: Path, limit: int, *, as_json: bool) -> None:
    """The events that were given up, and why.

    \b
    Example:
      smppbridge webhooks dead crm -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    with reader_of(config) as (_, reader):
        found: list[tuple[str, Dead]] = [
            (read_key(key)[0], unpack_dead(value))
            for key, value in reader.rows("dead")
            if name in ("", read_key(key)[0])
        ]
    shown = found[: limit or None]
    if as_json:
        print_json(
            [{"webhook": hook, "why": one.why, "given_up": iso(one.time), **one.hook.body()} for hook, one in shown]
        )
    elif shown:
        rows = [(hook, f"evt_{one.hook.id}", one.hook.kind, iso(one.hook.time), one.why) for hook, one in shown]
        print_table(("webhook", "event", "type", "time", "why"), rows)
        if len(found) > len(shown):
            click.echo(f"… and {len(found) - len(shown):,} more")
    else:
        click.echo("There are no dead letters.")


@webhooks.command()
@click.argument("name", metavar="WEBHOOK")
@config_option
def retry(name: str, config: Path) -> None:
    """Tell the dead letters of a webhook once more.

    \b
    Example:
      smppbridge webhooks retry crm -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    click.echo(f"{_revive(configuration.load(config), name, drop=False)} events are told once more")


@webhooks.command()
@click.argument("name", metavar="WEBHOOK")
@config_option
def drop(name: str, config: Path) -> None:
    """Forget the dead letters of a webhook.

    \b
    Example:
      smppbridge webhooks drop crm -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    click.echo(f"{_revive(configuration.load(config), name, drop=True)} events are forgotten")


def _revive(config: Config, name: str, *, drop: bool) -> int:
    known = [hook.name for hook in config.webhook]
    if not drop and name not in known:
        raise CliProblem(f"there is no webhook `{name}` in the configuration{nearest(name, known)}")
    folder = config.bridge.data_dir
    if service_running(folder):
        try:
            return int(json.loads(ask(folder, {"do": "hooks", "webhook": name, "drop": drop})))
        except ControlError as exc:
            raise CliProblem(str(exc)) from exc
    counts: list[int] = []
    with engine_of(config) as engine:
        while not counts or counts[-1]:
            effects = engine.turn([HooksRevived(name, drop, counts.append)], time.time())
            for answer, count in effects.revived:
                answer(count)
    return sum(counts)
