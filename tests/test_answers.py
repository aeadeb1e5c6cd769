"""Typed answers: the table is a file that anybody can lengthen."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.rules.answers import AnswerError, Setting, compile_answer
from bridge.rules.flows.tables import WaitTable

TABLES = tomllib.loads((Path(__file__).parent / "data/rules/answers.toml").read_text(encoding="utf-8"))["answers"]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
ROWS = [(table, text, value) for table in TABLES for text, value in table["texts"]]
TYPES = ("text", "number", "amount", "date", "time", "email", "phone")


def read(text: str, setting: Setting | None = None, **wait: object) -> dict[str, str] | None:
    return compile_answer(WaitTable(slot="x", **wait)).read(text, setting or Setting(NOW))  # type: ignore[arg-type]


@pytest.mark.parametrize(("table", "text", "value"), ROWS, ids=[f"{t['type']}-{t['country']}-{x}" for t, x, _ in ROWS])
def test_what_people_write(table: dict[str, object], text: str, value: str) -> None:
    setting = Setting(NOW, "UTC", str(table["language"]), str(table["country"]))
    found = read(text, setting, type=table["type"], choices=table.get("choices", {})) or {}
    assert " ".join(found[name] for name in ("x", "x_currency") if name in found) == value


def test_the_table_has_every_type() -> None:
    assert {table["type"] for table in TABLES} == {*TYPES, "choice"} - {"text"}
    assert len(ROWS) >= 100


@pytest.mark.parametrize(
    ("wait", "text", "taken"),
    [
        ({"type": "text", "min": 3, "max": 5}, "abc", True),
        ({"type": "text", "min": 3, "max": 5}, "ab", False),
        ({"type": "text", "min": 3, "max": 5}, "abcdef", False),
        ({"type": "text"}, "  ", False),
        ({"type": "number", "min": 1, "max": 10}, "10", True),
        ({"type": "number", "min": 1, "max": 10}, "11", False),
        ({"type": "number", "min": 1}, "0", False),
        ({"type": "amount", "min": 5}, "$4.99", False),
        ({"type": "date", "min": 0, "max": 14}, "tomorrow", True),
        ({"type": "date", "min": 0, "max": 14}, "in 3 weeks", False),
        ({"type": "date", "min": 0}, "2026-11-23", False),
    ],
)
def test_limits(wait: dict[str, object], text: str, taken: bool) -> None:
    assert (read(text, None, **wait) is not None) is taken


def test_the_day_is_that_of_the_brands_zone() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC).timestamp()
    assert read("today", Setting(late, "Europe/Paris"), type="date") == {"x": "2026-11-25"}
    assert read("today", Setting(late, "America/New_York"), type="date") == {"x": "2026-11-24"}


def test_a_regex_takes_its_first_group_and_the_named_ones() -> None:
    assert read("it is ac12345678!", type="regex", regex=r"(?i)\b(AC\d{8})\b") == {"x": "ac12345678"}
    assert read("a 7 b", type="regex", regex=r"(?P<n>\d)") == {"n": "7", "x": "7"}
    assert read("no digits", type="regex", regex=r"\d") is None
    assert read("7", type="regex", regex=r"\d") == {"x": "7"}
    assert read("b", type="regex", regex=r"(?P<a>a)?b") is not None


def test_the_files_words_go_before_the_shipped_ones() -> None:
    choices = {"yes": ("no",), "later": ("Not now",)}
    assert read("no", type="choice", choices=choices) == {"x": "yes"}
    assert read("not now please", type="choice", choices=choices) == {"x": "later"}
    assert read("LATER", type="choice", choices=choices) == {"x": "later"}


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        ({"min": 2, "max": 1}, "`min` is 2, which is more than `max`, 1"),
        ({"type": "regex"}, "go together"),
        ({"regex": "x"}, "go together"),
        ({"type": "choice"}, "go together"),
        ({"type": "regex", "regex": "("}, "RE2 does not take the regex"),
        ({"type": "choice", "choices": {"a": ("!",), "b": ("",)}}, "has an empty word"),
        ({"type": "choice", "choices": {"a": ("x",), "b": ("X",)}}, "`X` stands for `a` and for `b`"),
    ],
)
def test_what_no_answer_could_satisfy(wait: dict[str, object], said: str) -> None:
    with pytest.raises(AnswerError, match=said.replace("(", r"\(")):
        compile_answer(WaitTable(slot="x", **wait))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TYPES)
@given(text=st.text(max_size=400))
def test_any_text_is_read_or_not(kind: str, text: str) -> None:
    for country, language in (("US", "en"), ("DE", "de"), ("BR", "pt")):
        found = read(text, Setting(NOW, "UTC", language, country), type=kind)
        assert found is None or all(found.values())
