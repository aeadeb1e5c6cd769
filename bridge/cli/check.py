"""`smppbridge check`: everything that can be known to be wrong before the service starts."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bridge import config as configuration
from bridge import rules
from bridge.calling import FunctionError, load_functions
from bridge.cli import CliProblem
from bridge.cli.common import Duration, config_option, json_option, print_json, print_table, printable
from bridge.cli.training import print_training, training_report
from bridge.config import Address
from bridge.training import trainer
from smppcore.text import count_segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config import Config, LinkConfig
    from bridge.rules import Ruleset
    from bridge.rules.ruleset import RulesFile


@click.command()
@config_option
@json_option
@click.option(
    "--older-than",
    type=Duration(),
    default="365d",
    show_default=True,
    help="Name templates not `reviewed` for so long.",
)
@click.pass_context
def check(ctx: click.Context, config: Path, older_than: float, *, as_json: bool) -> None:
    """Check the configuration and the rules, and run the tests in the rules.

    Prints what is configured; or every mistake, a line each, with exit status 1.

    \b
    Example:
      smppbridge check -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    try:
        settings = configuration.load(config)
        ruleset = rules.load(settings.bridge.rules, trainer(settings.bridge.data_dir, keep=False))
        load_functions(settings.functions, config.parent)
    except FunctionError as exc:
        raise CliProblem(f"{config}: {exc}") from exc
    except (configuration.ConfigError, rules.RulesError) as exc:
        problems = [str(problem) for problem in exc.problems]
        if as_json:
            print_json({"ok": False, "problems": problems})
        else:
            for problem in problems:
                click.echo(problem, err=True)
        ctx.exit(1)
    if as_json:
        print_json(_report(config, settings, ruleset, older_than))
    else:
        _print(config, settings, ruleset, older_than)


def _missing(settings: Config, ruleset: Ruleset, folder: Path) -> list[str]:
    """Return the functions that flows call and nobody has registered."""
    called = {
        step.call
        for brand in ruleset.numbers.values()
        for flow in brand.flows.values()
        for step in flow.steps.values()
        if step.call
    }
    if not called:
        return []
    return sorted(called - load_functions(settings.functions, folder).keys() - settings.workflow.keys())


def _readable(settings: Config) -> Iterator[tuple[str, str]]:
    """Yield endpoints on other machines that are not reached over TLS."""
    endpoints = [(f"webhook {hook.name}", hook.url) for hook in settings.webhook]
    endpoints += [(f"workflow {name}", flow.url) for name, flow in settings.workflow.items()]
    for what, url in endpoints:
        parts = urlsplit(url)
        if parts.scheme == "http" and not Address(parts.hostname or "", 0).loopback:
            yield what, url


def _report(path: Path, settings: Config, ruleset: Ruleset, older_than: float) -> dict[str, object]:
    return {
        "ok": True,
        "problems": [],
        "config": str(path),
        "data_dir": str(settings.bridge.data_dir),
        "links": [
            {"name": link.name, "group": link.group, "peer": _peer(link), "bind": link.bind, "binds": link.binds}
            for link in settings.link
        ],
        "rules": [
            {
                "file": file.file,
                "version": file.version,
                "brands": list(file.brands),
                "keywords": file.keywords,
                "patterns": file.patterns,
                "templates": file.templates,
                "tests": file.tests,
                "notes": list(map(str, file.notes)),
                "old_templates": _old(file, older_than),
                "training": None if file.training is None else training_report(file.training),
            }
            for file in ruleset.files
        ],
        "numbers": _numbers(ruleset),
        "longer_texts": [asdict(text) for text in _longer_texts(settings, ruleset)],
    }


def _old(file: RulesFile, older_than: float) -> dict[str, str]:
    """Return the templates that nobody has looked at for so long, and since when."""
    limit = datetime.fromtimestamp(time.time() - older_than, UTC).date().isoformat()
    return {name: since for name, since in sorted(file.reviewed.items()) if since < limit}


@dataclass(frozen=True, slots=True)
class LongerText:
    """A text that takes more SMS on one link than where GSM-7 and UCS-2 are both at hand."""

    link: str
    brand: str
    text: str
    """Name of the template, or of the control text."""
    language: str
    segments: int
    usual: int


def _longer_texts(settings: Config, ruleset: Ruleset) -> Iterator[LongerText]:
    brands = {brand.name: brand for brand in ruleset.numbers.values()}
    for link in settings.link:
        profile = link.text_profile
        for brand in brands.values():
            for name, texts in (*brand.control_texts.items(), *brand.texts.items()):
                for language in filter(None, texts):
                    words = texts[language].shortest()
                    segments, usual = count_segments(words, profile), count_segments(words)
                    if segments > usual:
                        yield LongerText(link.name, brand.name, name, language, segments, usual)


def _print(path: Path, settings: Config, ruleset: Ruleset, older_than: float) -> None:
    links = [(link.name, _peer(link), f"{link.bind} × {link.binds}", _rate(link)) for link in settings.link]
    if links:
        print_table(("link", "peer", "bind", "rate"), links)
        click.echo()
    folder = f"{path.parent}/"
    files = [
        (
            file.file.removeprefix(folder),
            file.version,
            ", ".join(file.brands),
            file.keywords,
            file.patterns,
            file.templates,
            file.tests,
        )
        for file in ruleset.files
    ]
    counts = ("keywords", "patterns", "templates", "tests")
    if files:
        print_table(("rules", "version", "brands", *counts), files, right=counts)
        click.echo()
    for file in ruleset.files:
        if file.training is not None:
            print_training(file.file.removeprefix(folder), file.training)
            click.echo()
    for file in ruleset.files:
        for note in file.notes:
            click.echo(f"Note: {printable(str(note).removeprefix(folder))}")
        if old := _old(file, older_than):
            shown = ", ".join(f"{name} ({since})" for name, since in old.items())
            click.echo(f"Note: {file.file.removeprefix(folder)}: nobody has looked at these texts since: {shown}")
    for name in _missing(settings, ruleset, path.parent):
        click.echo(f"Note: no function answers `{name}`: every call fails; name one under [functions]")
    for what, url in _readable(settings):
        click.echo(f"Note: {what}: what goes to {url} can be read and changed on its way: use https")
    passed = sum(file.tests for file in ruleset.files)
    click.echo(f"{path}: no mistakes found; {passed} of {passed} rule tests passed")
    for link, longer in groupby(_longer_texts(settings, ruleset), key=lambda text: text.link):
        first, *others = longer
        more = f", and {len(others)} more texts take more SMS there (--json lists them)" if others else ""
        one = f"the text {first.text} ({first.language}) takes {first.segments} SMS, usually {first.usual}"
        click.echo(f"link {link}: {one}{more}")
    if not links:
        click.echo("There is no [[link]] yet: `smppbridge run` has nothing to bind to.")
    if not files:
        click.echo("There are no rules yet: every message will be stored and none answered.")


def _numbers(ruleset: Ruleset) -> dict[str, str]:
    brands = {brand.name: brand for brand in ruleset.numbers.values()}
    return {number: brand.name for brand in brands.values() for number in brand.numbers}


def _peer(link: LinkConfig) -> str:
    mode = f" ({link.hosts_mode})" if link.hosts else ""
    return f"{', '.join(map(str, link.endpoints))}{mode}{' (TLS)' if link.tls else ''}"


def _rate(link: LinkConfig) -> str:
    return f"{link.submit_rate:g}/s" if link.submit_rate else "no limit"
