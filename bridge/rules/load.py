"""Rules files into a Ruleset: read, check, compile, run the tests in them.

Everything that is wrong in any file is reported at once, each problem with its file, line and key. A file stands on its
own: its keywords, patterns and templates answer for the brands in it. `load` is the only function of the package that
opens files.
"""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.options import At, Problem, fill, nearest, parse
from bridge.rules.compile import compile_file
from bridge.rules.optout import BuiltIn, built_in
from bridge.rules.ruleset import Brand, Ruleset, RulesFile
from bridge.rules.selftest import run_tests
from bridge.rules.tables import RulesTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.rules.intents.compile import Trainer


class RulesError(Exception):
    """The rules cannot be used.

    Args:
        problems: Everything that is wrong, by file and line.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(paths: Iterable[Path], train: Trainer | None = None) -> Ruleset:
    """Reads, checks and compiles rules files, and runs their tests.

    Args:
        paths: The files, in the order of the configuration.
        train: Makes the models of their intents; None = they are trained here.

    Returns:
        The rules, ready for `decide`.

    Raises:
        RulesError: With everything that is wrong, a failed test included.
    """
    sources: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            sources.append((str(path), path.read_text(encoding="utf-8")))
        except OSError as exc:
            problems.append(Problem(str(path), 0, "", f"cannot read the rules: {exc.strerror}"))
        except UnicodeDecodeError:
            problems.append(Problem(str(path), 0, "", "is not UTF-8 text"))
    return compile_rules(sources, built_in(), problems, train)


def compile_rules(
    sources: Sequence[tuple[str, str]],
    shipped: BuiltIn,
    problems: Iterable[Problem] = (),
    train: Trainer | None = None,
) -> Ruleset:
    """Checks and compiles rules, and runs their tests.

    Args:
        sources: The name and the text of each file.
        shipped: The built-in control words and texts.
        problems: What was wrong before.
        train: As of `load`.

    Returns:
        The rules.

    Raises:
        RulesError: With everything that is wrong.
    """
    found = list(problems)
    files: list[RulesFile] = []
    numbers: dict[str, Brand] = {}
    tests = []
    owners: dict[str, str] = {}
    for name, content in sources:
        raw, at = parse(content, name, Path())
        if not at.problems:
            tables = fill(RulesTables(), raw, at)
            _check_brands(tables, at, owners)
            brands, training, notes = compile_file(tables, at, shipped, train)
            for brand in brands:
                for number in brand.numbers:
                    plain = number.removeprefix("+")
                    numbers[plain] = numbers["+" + plain] = brand
            tests.append((tables, at))
            files.append(
                RulesFile(
                    name,
                    tables.version,
                    tuple(tables.brand),
                    len(tables.keyword),
                    len(tables.pattern),
                    len(tables.template),
                    len(tables.test),
                    training,
                    notes,
                    {name: table.reviewed for name, table in tables.template.items() if table.reviewed},
                )
            )
        found += at.problems
    rules = Ruleset("+".join(file.version for file in files), numbers, tuple(files), tuple(sources))
    if not found:
        # Tests of half-compiled rules would only repeat the problems in other words.
        for tables, at in tests:
            run_tests(tables, at, rules)
            found += at.problems
    if found:
        order = {name: number for number, (name, _) in enumerate(sources)}
        # What is wrong for every brand is said once.
        raise RulesError(sorted(dict.fromkeys(found), key=lambda problem: (order.get(problem.file, -1), problem.line)))
    return rules


def _check_brands(tables: RulesTables, at: At, owners: dict[str, str]) -> None:
    if not tables.version:
        at.child("version").problem('is missing; any text will do, as version = "2026-11-23.1"')
    if not tables.brand:
        at.child("brand").problem("there is no [brand.NAME] table")
    for name, brand in tables.brand.items():
        here = at.child("brand").child(name)
        _own(f"brand {name}", name, here, owners)
        if not brand.numbers:
            here.child("numbers").problem("is missing: without a number the brand answers nobody")
        for number in brand.numbers:
            _own(f"number {number.removeprefix('+')}", name, here.child("numbers"), owners)
        if not brand.help_contact:
            here.child("help_contact").problem("is missing: the HELP text must name a contact")
        if not brand.languages:
            here.child("languages").problem("is empty")
        zones = zoneinfo.available_timezones()
        # A system without time zone data knows none at all.
        if zones and brand.timezone not in zones:
            place = brand.timezone.replace(" ", "_")
            near = (
                nearest(place, zones)
                or nearest(f"America/{place}", zones, 0.9)
                or nearest(f"Europe/{place}", zones, 0.9)
            )
            here.child("timezone").problem(f"there is no time zone `{brand.timezone}`{near}")


def _own(thing: str, brand: str, at: At, owners: dict[str, str]) -> None:
    if thing in owners:
        at.problem(f"{thing} belongs to brand {owners[thing]} already" if owners[thing] != brand else f"{thing} twice")
    owners.setdefault(thing, brand)
