"""Keywords: whole message, first word, phrase."""

from __future__ import annotations

import pytest

from bridge.rules.keywords import Keywords
from bridge.rules.ruleset import Action


def act(rule: str) -> Action:
    return Action("keyword", rule, "silent")


KEYWORDS = Keywords(
    only={"one two": act("whole"), "three": act("three")},
    first={"one": act("first")},
    phrases={"of": ((("of", "the", "day"), act("long")), (("of", "the"), act("short"))), "go": ((("go",), act("go")),)},
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("one two", "whole"),
        ("three", "three"),
        ("one three", "first"),
        ("one of the day", "first"),
        ("word of the day", "long"),
        ("word of the year", "short"),
        ("of the", "short"),
        ("of", None),
        ("of of the", "short"),
        ("lets go", "go"),
        ("three four", None),
        ("two one", None),
        ("", None),
    ],
)
def test_the_most_exact_keyword_is_found(text: str, rule: str | None) -> None:
    action = KEYWORDS.find(text.split(), text)
    assert (action.rule if action else None) == rule
