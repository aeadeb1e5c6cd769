"""Tables into dataclasses: types, units, ranges, line numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from bridge.options import (
    At,
    Problem,
    Seconds,
    SomeSeconds,
    at_least,
    fill,
    key_text,
    nearest,
    octets,
    parse,
    size,
    whole,
)


@dataclass(frozen=True, slots=True)
class Inner:
    first: int = 1
    second: int = 2


@dataclass(frozen=True, slots=True)
class Outer:
    flag: bool = False
    text: str = "x"
    count: int = 0
    ratio: float = 0.5
    path: Path | None = None
    colour: Literal["red", "green"] = "red"
    names: tuple[str, ...] = ()
    inner: Inner = Inner(3, 4)
    inners: tuple[Inner, ...] = ()
    table: dict[str, int] = field(default_factory=dict)
    wait: Seconds = 1.0
    some: SomeSeconds = 1.0
    port: Annotated[int, whole(1, 9)] = 1
    rate: Annotated[float, at_least(0)] = 0.0
    room: Annotated[int, size(1024)] = 1024
    system_id: Annotated[str, octets(3)] = ""


def read(text: str) -> tuple[Outer, list[Problem]]:
    tables, at = parse(text, "f.toml", Path("/base"))
    return fill(Outer(), tables, at), at.problems


def test_what_the_table_does_not_say_stays_at_its_default() -> None:
    assert read("") == (Outer(), [])


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("flag = true", "flag", True),
        ('text = "é"', "text", "é"),
        ("count = -3", "count", -3),
        ("ratio = 1", "ratio", 1.0),
        ('path = "a/b"', "path", Path("/base/a/b")),
        ('path = "/a"', "path", Path("/a")),
        ('colour = "green"', "colour", "green"),
        ('names = ["a", "b"]', "names", ("a", "b")),
        ("inner = { second = 9 }", "inner", Inner(3, 9)),
        ("[[inners]]\nfirst = 7\n[[inners]]\n", "inners", (Inner(7, 2), Inner())),
        ("table = { a = 1 }", "table", {"a": 1}),
        ('wait = "500ms"', "wait", 0.5),
        ('wait = "30s"', "wait", 30.0),
        ('wait = "1.5 m"', "wait", 90.0),
        ('wait = "24h"', "wait", 86400.0),
        ('wait = "2d"', "wait", 172800.0),
        ('wait = "0s"', "wait", 0.0),
        ("port = 9", "port", 9),
        ("rate = 2.5", "rate", 2.5),
        ('room = "64GiB"', "room", 64 << 30),
        ('room = "1024 B"', "room", 1024),
        ('system_id = "abc"', "system_id", "abc"),
    ],
)
def test_a_value_is_read_with_its_unit(text: str, name: str, value: object) -> None:
    outer, problems = read(text)
    assert problems == []
    assert getattr(outer, name) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flag = 1", "flag: must be true or false, not a number"),
        ("text = 1", "text: must be a text in quotes, not a number"),
        ("count = true", "count: must be a whole number, not true or false"),
        ("count = 1.5", "count: must be a whole number, not a number"),
        ('ratio = "1"', "ratio: must be a number, not a text"),
        ("ratio = false", "ratio: must be a number, not true or false"),
        ("path = 1", "path: must be a text in quotes, not a number"),
        ('path = ""', "path: must name a file or folder"),
        ('colour = "gren"', "colour: must be one of red, green; did you mean `green`?"),
        ('colour = "purple"', "colour: must be one of red, green"),
        ("colour = 1", "colour: must be one of red, green"),
        ('names = "a"', "names: must be a list, not a text"),
        ("names = [1]", "names[1]: must be a text in quotes, not a number"),
        ("inner = 1", "inner: must be a table, not a number"),
        ("inner = { frist = 1 }", "inner.frist: unknown key; did you mean `first`?"),
        ("[inners]", "inners: stands in double brackets: [[inners]]"),
        ("inners = 2024-01-01", "inners: must be a list, not a date or time"),
        ("table = []", "table: must be a table, not a list"),
        ('table = { a = "b" }', "table.a: must be a whole number, not a text"),
        ("nonsense = 1", "nonsense: unknown key"),
        ("wait = 30", 'wait: must be a duration with its unit in quotes, as "30s" or "10m", not a number like this'),
        ('wait = "30"', 'wait: has no unit: must be a duration as "30s" or "10m" (units: ms, s, m, h, d)'),
        ('wait = "3 w"', 'wait: has the unit `w`: must be a duration as "30s" or "10m" (units: ms, s, m, h, d)'),
        ('wait = "-3s"', 'wait: must be a duration with its unit in quotes, as "30s" or "10m", not a text like this'),
        ('some = "0s"', "some: must be 0.001s or more"),
        ("port = 10", "port: must be from 1 to 9, not 10"),
        ("rate = -1", "rate: must be 0 or more, not -1"),
        ("rate = inf", "rate: must be 0 or more, not inf"),
        ("rate = nan", "rate: must be 0 or more, not nan"),
        ('room = "1B"', "room: must be 1024 octets or more"),
        ('system_id = "abcd"', "system_id: must be 3 characters or fewer, not 4 (a limit of SMPP)"),
        ('system_id = "é"', "system_id: must be printable ASCII"),
        ('system_id = "\\u0000"', "system_id: must be printable ASCII"),
    ],
)
def test_a_wrong_value_is_named_and_leaves_the_default(text: str, message: str) -> None:
    outer, problems = read(text)
    assert [str(problem) for problem in problems] == [f"f.toml:1: {message}"]
    assert outer.port == Outer().port
    assert outer.wait == Outer().wait


def test_all_problems_are_found_at_once() -> None:
    _, problems = read("flag = 1\ncount = 1.5\n")
    assert [problem.line for problem in problems] == [1, 2]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb = \n", 2, "not valid TOML: Invalid value; a text stands in straight quotes"),
        ("a = 1\nb = \u201cx\u201d\n", 2, "not valid TOML: Invalid value; its quotes are typographic ones"),
        ('a = "x\nb = 1', 1, "not valid TOML: Illegal character '\\n'; the text has no closing quotes in its line"),
        ('a = 1\nb = "\\d"\n', 2, "not valid TOML: Unescaped '\\' in a string; in a text, a backslash is written"),
        ("a = 1\nb 2\n", 2, "not valid TOML: Expected '=' after a key in a key/value pair; a line is name = "),
        ("é = 1\n", 1, "not valid TOML: Invalid statement; a line is name = "),
        ('a = 1\nb = "', 2, "not valid TOML: "),
        ("a = 1\na = 2\n", 2, "not valid TOML: Cannot overwrite a value"),
        ("a = [\n\n", 3, "not valid TOML: Invalid value"),
    ],
)
def test_a_syntax_error_is_one_problem_with_its_line(text: str, line: int, message: str) -> None:
    tables, at = parse(text, "f.toml", Path())
    assert tables == {}
    (problem,) = at.problems
    assert problem.line == line
    assert problem.message.startswith(message)
    assert "\n" not in str(problem)


LINES = '''\
top = 1
[a.b]
"quoted key" = 1
many = [
  "x = 1",   # not a key: [
  "y",
]
long = """
z = 1
"""
short = """one line""" # done
after = { in = 1 }
[[c]]
name = 'x'
[[c]]
name.sub = """
q"""
[d] # comment
e = 1
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("top",), 1),
        (("a", "b"), 2),
        (("a", "b", "quoted key"), 3),
        (("a", "b", "many"), 4),
        (("a", "b", "many", 1), 4),
        (("a", "b", "long"), 8),
        (("a", "b", "z"), 2),
        (("a", "b", "short"), 11),
        (("a", "b", "after", "in"), 12),
        (("c", 0, "name"), 14),
        (("c", 1), 15),
        (("c", 1, "name", "sub"), 16),
        (("d", "e"), 19),
        (("a",), 2),
        (("nowhere",), 0),
        ((), 0),
    ],
)
def test_a_key_is_found_on_its_line(key: tuple[str | int, ...], line: int) -> None:
    _, at = parse(LINES, "f.toml", Path())
    for part in key:
        at = at.child(part)
    assert at.line == line


def test_a_key_reads_as_a_person_writes_it() -> None:
    assert key_text(("link", 0, "limits", "per_day")) == "link[1].limits.per_day"


def test_a_problem_without_a_line_or_a_key_has_neither() -> None:
    assert str(Problem("f", 0, "", "gone")) == "f: gone"
    at = At("f", Path(), {}, [])
    at.problem("bad")
    assert str(at.problems[0]) == "f: bad"


def test_nothing_is_proposed_when_nothing_is_near() -> None:
    assert nearest("window", ["windw"]) == "; did you mean `windw`?"
    assert nearest("window", ["rate"]) == ""
    assert nearest("window", ["windw"], 0.95) == ""
