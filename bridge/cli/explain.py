"""`smppbridge explain`: why a text gets the answer that it gets. It decides as the service does, and writes nothing."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from bridge import config as configuration
from bridge import rules
from bridge.cli import CliProblem
from bridge.cli.common import config_option, printable
from bridge.explaining import as_object, decided, reasons
from bridge.training import trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config import Config
    from bridge.rules import Ruleset

_SHOWN = 300
"""Characters of a text that are shown."""


@click.command()
@config_option
@click.argument("text", required=False)
@click.option("--number", help="The service number that is texted. [default: the first of the rules]")
@click.option("--lang", default="", help="The language in which the customer was answered before.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def explain(config: Path, text: str | None, number: str | None, lang: str, *, as_json: bool) -> None:
    """Explain why a text gets the answer that it gets; without TEXT, each line of standard input.

    Every text is the first of a new customer. Nothing is written, no service needs to run.

    \b
    Example:
      smppbridge explain -c bridge.toml "wheres my prcel"
      smppbridge explain -c bridge.toml --json
    """  # noqa: D301  \b keeps click from wrapping the example
    ruleset = load_rules(configuration.load(config))
    number = texted_number(ruleset, number)
    now = time.time()
    for line in standard_input() if text is None else (text,):
        decision = decided(line, number, lang, ruleset, now)
        if as_json:
            click.echo(json.dumps(as_object(line, decision), ensure_ascii=False))
        else:
            click.echo(printable(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}… ({len(line):,} characters)"))
            for said in reasons(line, decision, ruleset, number):
                click.echo(f"  {printable(said)}")


def load_rules(config: Config) -> Ruleset:
    """Load the rules of a configuration; a model that a service has trained is used, none is kept.

    Raises:
        RulesError: With everything that is wrong.
    """
    return rules.load(config.bridge.rules, trainer(config.bridge.data_dir, keep=False))


def texted_number(ruleset: Ruleset, number: str | None) -> str:
    """Return the service number to be texted.

    Raises:
        CliProblem: No brand has it, or there is none at all.
    """
    if number is None:
        first = next(iter(ruleset.numbers.values()), None)
        if first is None:
            raise CliProblem("there are no rules: name a rules file under [bridge] in the configuration")
        return first.numbers[0]
    if not ruleset.brand_of(number):
        raise CliProblem(f"no brand has the number {number}")
    return number


def standard_input() -> Iterator[str]:
    """Yield the lines of standard input, whatever octets they have."""
    for line in io.TextIOWrapper(sys.stdin.buffer, "utf-8", "replace"):
        yield line.rstrip("\r\n")
