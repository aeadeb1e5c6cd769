"""Measure intents on labelled texts: what is answered, what is right, how long training and deciding take.

    python tools/intents.py texts.tsv                    columns split (train, test), intent (or none), text
    python tools/intents.py texts.tsv --no-none          its own none rows are not trained on: only the shipped ones are
    python tools/intents.py texts.tsv --chatter sms.tsv  and texts that no intent is about (label, text)

Every row is used; the texts go through `decide` as the first text of a new customer.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click

from bridge import rules
from bridge.rules import Inbound, Ruleset, decide

NUMBER = "60606"
NONE = "none"
HEAD = """version = "1"
[brand.acme]
name = "Acme"
help_contact = "help@acme.example"
numbers = ["60606"]
[template.answer]
en = "An answer."
[template.which]
en = "Do you mean 1) {a} or 2) {b}?"
[conversation]
unmatched = { first = "which", second = "escalate" }
"""


def read(path: Path) -> dict[str, dict[str, list[str]]]:
    """Return texts by split and intent."""
    found: dict[str, dict[str, list[str]]] = {"train": defaultdict(list), "test": defaultdict(list)}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            found[row["split"]][row["intent"]].append(row["text"])
    return found


def rules_file(train: dict[str, list[str]], none: list[str]) -> str:
    """Return a rules file with these examples."""
    lines = [HEAD, "[intents]", f"none = {json.dumps(none)}"]
    for intent, examples in train.items():
        if intent != NONE:
            lines += [f"[intent.{intent}]", f"examples = {json.dumps(examples)}", 'reply = "answer"']
    return "\n".join(lines)


def answers(ruleset: Ruleset, texts: list[str]) -> list[str]:
    """Return the intent that each text is answered by, "" for none."""
    found = []
    for number, text in enumerate(texts, 1):
        decision = decide(Inbound(text, "15550001234", NUMBER), None, ruleset, 1e9, number)
        found.append(decision.intent if decision.layer == "intent" else "")
    return found


def say(what: str, part: int, whole: int) -> None:
    """Print a share with its row counts."""
    click.echo(f"  {what:<34}{part:>6} of {whole:<6}{part / whole if whole else 0.0:>8.1%}")


@click.command(help=__doc__)
@click.argument("texts", type=click.Path(path_type=Path, exists=True))
@click.option("--chatter", type=click.Path(path_type=Path, exists=True), help="Texts with a label before them.")
@click.option("--own/--no-none", default=True, help="Whether the none rows of the training split are trained on.")
@click.option("--intents", type=int, default=0, help="Take only the first so many; the others become out of scope.")
@click.option("--examples", type=int, default=0, help="Take only the first so many examples of each.")
def main(texts: Path, chatter: Path | None, intents: int, examples: int, *, own: bool) -> None:
    """Run it."""
    data = read(texts)
    names = [name for name in data["train"] if name != NONE][: intents or None]
    train = {name: data["train"][name][: examples or None] for name in names}
    none = data["train"][NONE] if own else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.toml"
        file.write_text(rules_file(train, none), encoding="utf-8")
        began = time.perf_counter()
        ruleset = rules.load([file])
        took = time.perf_counter() - began
    rows = sum(map(len, train.values()))
    click.echo(f"trained on {rows} examples of {len(train)} intents and {len(none)} none rows: {took:.2f} s to load")
    inside = [(name, text) for name in names for text in data["test"][name]]
    outside = [text for name, lines in data["test"].items() if name not in train for text in lines]
    given = answers(ruleset, [text for _, text in inside])
    right = sum(found == name for found, (name, _) in zip(given, inside, strict=True))
    say("in scope, answered", sum(map(bool, given)), len(inside))
    say("of these right", right, sum(map(bool, given)))
    say("out of scope, answered", sum(map(bool, answers(ruleset, outside))), len(outside))
    if chatter is not None:
        lines = [line.split("\t", 1)[1] for line in chatter.read_text(encoding="utf-8").splitlines() if "\t" in line]
        began = time.perf_counter()
        taken = answers(ruleset, lines)
        took = time.perf_counter() - began
        say("chatter, answered", sum(map(bool, taken)), len(lines))
        click.echo(f"  deciding: {took / len(lines) * 1e6:.1f} us a text")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
