"""`smppbridge send`: messages that we start."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import track

from bridge import config as configuration
from bridge.cli import CliProblem, recipients
from bridge.cli.asking import BATCH, asker_of_many, operator
from bridge.cli.common import Duration, config_option, json_option, print_json, printable
from bridge.cli.explain import load_rules
from bridge.deciding import DONE_BEFORE
from bridge.rules import Request
from smppcore.text import count_segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.cli.asking import AskAll
    from bridge.cli.recipients import Recipient
    from bridge.config import Config
    from bridge.rules import Ruleset
    from bridge.rules.ruleset import Brand

_SHOWN = 20
"""Refusals that are shown one by one."""


@click.command()
@click.argument("numbers", nargs=-1)
@config_option
@json_option
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV: the column `number`, the others are variables; or a number a line.",
)
@click.option("--template", default="", help="A template of the rules, in each customer's language.")
@click.option("--text", default="", help="A text as it is.")
@click.option("--from", "number", default="", help="The service number. [default: the first of the rules]")
@click.option("--link", default="", help="The link. [default: the only one]")
@click.option("--at", default="", help='Not before, by the brand\'s clock: "2026-11-30 09:00".')
@click.option("--valid", type=Duration(), default="24h", show_default=True, help="Of no use so long after that.")
@click.option("--topic", default="general", show_default=True, help="What caps count.")
@click.option("--flow", default="", help="The flow that an answer begins.")
@click.option(
    "--context-for", "context", type=Duration(), default="24h", show_default=True, help="How long an answer is one."
)
@click.option("--job", default="", help="Its name: with the same one nobody gets it twice. [default: of the file]")
@click.option("--by", default=operator, help="Who sends. [default: the name of the account]")
@click.option("--dry-run", is_flag=True, help="Look at everything, send nothing.")
@click.pass_context
def send(
    ctx: click.Context,
    numbers: tuple[str, ...],
    config: Path,
    file: Path | None,
    template: str,
    text: str,
    number: str,
    link: str,
    at: str,
    valid: float,
    topic: str,
    flow: str,
    context: float,
    job: str,
    by: str,
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Send a message to one number, or to a file of them.

    Each is judged as it leaves: who has opted out gets none, a quiet hour holds it back, answers go first. A job that
    was cut short is finished by running it again.

    \b
    Example:
      smppbridge send +14155550123 --text "Your parcel comes today." -c bridge.toml
      smppbridge send --file parcels.csv --template order_status --flow track --at "2026-11-30 09:00"
    """  # noqa: D301  \b keeps click from wrapping the example
    settings = configuration.load(config)
    ruleset = load_rules(settings)
    brand, service_number = _brand(ruleset, number)
    if bool(template) == bool(text):
        raise CliProblem("give one of --template and --text")
    _check_names(brand, template, flow)
    if not numbers and file is None:
        raise CliProblem("name a number, or a --file of numbers")
    people = list(recipients.read(numbers, file))
    now = time.time()
    begin = _moment(at, brand) if at else 0.0
    values = {
        "number": service_number,
        "link": _link(settings, link),
        "template": template,
        "text": text,
        "topic": topic,
        "at": str(begin),
        "expires": str(max(begin, now) + valid),
        "language": brand.languages[0],
    }
    if flow:
        values |= {"flow": flow, "until": str(max(begin, now) + context)}
    if file is not None:
        values["job"] = job or _job(file, values)
    elif job:
        values["job"] = job
    result = _Result()
    if dry_run:
        result.judge(people)
    else:
        with asker_of_many(settings) as ask:
            result.send(people, values, brand.name, by, ask)
    if as_json:
        print_json({"job": values.get("job"), "dry_run": dry_run, **result.row()})
    else:
        _print(result, brand, values, dry_run=dry_run)
    if result.refused and not result.counts["taken"] and not result.counts["taken before"]:
        ctx.exit(1)


class _Result:
    """What became of the recipients."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refused: list[tuple[Recipient, str]] = []

    def judge(self, people: Iterable[Recipient]) -> list[Recipient]:
        """Set those aside to whom nothing can be sent; return the others."""
        good = []
        for one in people:
            if one.problem:
                self._refuse(one, one.problem)
            else:
                good.append(one)
        return good

    def send(self, people: Iterable[Recipient], values: dict[str, str], brand: str, by: str, ask: AskAll) -> None:
        """Have a message made for each."""
        good = self.judge(people)
        starts = range(0, len(good), BATCH)
        console = Console(stderr=True)
        for start in track(starts, "messages", transient=True, console=console) if len(good) > BATCH else starts:
            batch = good[start : start + BATCH]
            items = [
                (one.number, brand, Request("send", by, {**values, **{f"var.{k}": v for k, v in one.values.items()}}))
                for one in batch
            ]
            for one, why in zip(batch, ask(items), strict=True):
                if not why:
                    self.counts["taken"] += 1
                elif why == DONE_BEFORE:
                    self.counts["taken before"] += 1
                else:
                    self._refuse(one, why)

    def _refuse(self, one: Recipient, why: str) -> None:
        self.counts["opted out" if why == "opted_out" else "refused"] += 1
        self.refused.append((one, why))

    def row(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        names = ("taken", "taken before", "opted out", "refused")
        counts = {name.replace(" ", "_"): self.counts[name] for name in names}
        return {
            **counts,
            "problems": [{"line": one.line or None, "number": one.number, "why": why} for one, why in self.refused],
        }


def _print(result: _Result, brand: Brand, values: dict[str, str], *, dry_run: bool) -> None:
    for one, why in result.refused[:_SHOWN]:
        place = f"line {one.line}, " if one.line else ""
        click.echo(f"{place}{printable(one.number)}: {printable(why)}", err=True)
    if len(result.refused) > _SHOWN:
        click.echo(f"… and {len(result.refused) - _SHOWN:,} more (--json lists all)", err=True)
    if dry_run:
        for language, words in _texts(brand, values):
            click.echo(f"{language or 'text'}: {count_segments(words)} SMS: {printable(words)}")
        click.echo(f"would be refused: {len(result.refused):,}; nothing was sent")
        return
    said = ", ".join(f"{name}: {n:,}" for name, n in result.counts.items())
    click.echo(said or "nobody to send to")
    if values.get("job"):
        click.echo(f"job {values['job']}: run it again and nobody gets it twice")


def _texts(brand: Brand, values: dict[str, str]) -> Iterable[tuple[str, str]]:
    if values["text"]:
        return [("", values["text"])]
    texts = brand.texts[values["template"]]
    return [(language, texts[language].shortest()) for language in texts if language]


def _brand(ruleset: Ruleset, number: str) -> tuple[Brand, str]:
    if not ruleset.numbers:
        raise CliProblem("there are no rules: name a rules file under [bridge] in the configuration")
    if not number:
        brand = next(iter(ruleset.numbers.values()))
        return brand, brand.numbers[0].removeprefix("+")
    found = ruleset.numbers.get(number)
    if found is None:
        raise CliProblem(f"no brand has the number {number}")
    return found, number.removeprefix("+")


def _check_names(brand: Brand, template: str, flow: str) -> None:
    for kind, name, known in (("template", template, brand.texts), ("flow", flow, brand.flows)):
        if name and name not in known:
            raise CliProblem(f"there is no {kind} `{name}`; there are: {', '.join(known) or 'none'}")


def _link(settings: Config, name: str) -> str:
    known: Sequence[str] = [link.name for link in settings.link]
    if not name and len(known) == 1:
        return known[0]
    if name not in known:
        asked = f"there is no link `{name}`" if name else "name a --link"
        raise CliProblem(f"{asked}; there are: {', '.join(known) or 'none'}")
    return name


def _moment(at: str, brand: Brand) -> float:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as exc:
        raise CliProblem(f'--at: {at!r} is no date and time; write it as "2026-11-30 09:00"') from exc
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(brand.timezone))
    return moment.timestamp()


def _job(file: Path, values: dict[str, str]) -> str:
    """Return a name that is the same for the same file and message."""
    what = "\0".join((values["template"], values["text"], values["number"], values["at"])).encode()
    return f"{file.stem}-{hashlib.sha256(file.read_bytes() + what).hexdigest()[:8]}"
