"""requirements.md is complete, and everything that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE = (TESTS / "requirements.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([RLC]\d+) \| ([^|]+) \| (.+) \|$", TABLE, re.MULTILINE)


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names of the tests in a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_"))


def test_every_requirement_has_its_line_once() -> None:
    wanted = [f"{kind}{number}" for kind, last in (("R", 31), ("L", 25), ("C", 20)) for number in range(1, last + 1)]
    assert [name for name, _, _ in ROWS] == wanted


@pytest.mark.parametrize(("name", "shown"), [(name, shown) for name, _, shown in ROWS])
def test_what_shows_it_exists(name: str, shown: str) -> None:
    named = re.findall(r"`([^`]+)`", shown.partition("; not shown: ")[0])
    assert named, name
    for one in named:
        file, _, test = one.partition("::")
        if file.startswith("tools/"):
            assert (TESTS.parent / file).exists(), one
        else:
            assert test in names_in(TESTS / file), one
