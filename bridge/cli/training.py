"""How well the intents of a rules file do, as `check` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from bridge.cli.common import print_table

if TYPE_CHECKING:
    from bridge.rules.intents.train import Report

FEW = 8
"""An intent wants as many examples."""
LITTLE = 0.5
"""An intent of which less is known again needs more examples."""
MANY = 2000
"""More examples take longer to train than anybody wants to wait for."""


def training_report(report: Report) -> dict[str, object]:
    """Return a report as JSON has it."""
    found: dict[str, object] = msgspec.to_builtins(report)
    found["warnings"] = list(warnings(report))
    return found


def warnings(report: Report) -> list[str]:
    """Return what is to be improved, a line each."""
    found = [
        f"intent {intent.name} has few examples ({intent.examples}), give it {FEW} or more"
        for intent in report.intents
        if intent.examples < FEW
    ]
    found += [
        f"intent {intent.name}: from customers, {round(intent.recall * intent.examples)} of its {intent.examples} "
        "examples would have been known; give it more, several for each way of saying it"
        for intent in report.intents
        if intent.examples >= FEW and intent.recall < LITTLE
    ]
    found += [f'intent {name}: "{line}" is there twice' for name, line in report.duplicates]
    found += [f'"{line}" is an example of {first} and of {second}' for first, second, line in report.contradictions]
    if not report.reached:
        found.append("no threshold reaches `precision`: nearly nothing is answered; give more examples, or a threshold")
    if report.examples > MANY:
        found.append(f"{report.examples} examples: more than {MANY} take long to train")
    return found


def print_training(file: str, report: Report) -> None:
    """Print a report as tables."""
    click.echo(f"{file}: intents, each example judged by a model that was trained without it")
    click.echo()
    print_table(
        ("intent", "examples", "answered", "precision", "recall"),
        [(one.name, one.examples, one.answered, f"{one.precision:.2f}", f"{one.recall:.2f}") for one in report.intents],
        right=("examples", "answered", "precision", "recall"),
    )
    click.echo()
    total, answered, right = report.in_scope
    columns = ("in-scope answered", "right if answered", "unrelated answered", "chatter answered", "own none answered")
    cells = (_of(answered, total), _of(right, answered), *(_of(*pair[::-1]) for pair in _outside(report)))
    print_table(("threshold", *columns), [(f"{report.threshold:.2f}", *cells)], right=columns)
    if report.confusions:
        click.echo()
        shown = (f'"{given}" taken for "{taken}" {count}' for given, taken, count in report.confusions[:10])
        click.echo(f"confused: {', '.join(shown)}")
    if report.left_out:
        click.echo(f"shipped lines left out, too near to an example: {', '.join(report.left_out)}")
    for line in warnings(report):
        click.echo(f"warning: {line}")


def _outside(report: Report) -> tuple[tuple[int, int], ...]:
    return (report.unrelated, report.chatter, report.none)


def _of(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}% of {whole}" if whole else "-"
