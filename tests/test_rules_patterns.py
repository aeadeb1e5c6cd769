"""Patterns in RE2's syntax, in a set and singly."""

from __future__ import annotations

import pytest

from bridge.rules.patterns import Pattern, PatternError, PatternSet

SOURCES = (r"\b(?P<a>A\d+)(?P<opt>x)?", r"(?i)b(?P<b>\d+)", r"(?P<any>[^ ]+é)")


def pattern_set(max_memory_bytes: int = 1 << 20) -> PatternSet:
    return PatternSet([Pattern(source) for source in SOURCES], max_memory_bytes)


# 1 octet: the set cannot be made. 8 KiB: RE2 makes it or not, as it likes; the answers must be the same.
@pytest.mark.parametrize("max_memory_bytes", [1, 8 << 10, 1 << 20])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see A12", (0, {"a": "A12"})),
        ("see A12x", (0, {"a": "A12", "opt": "x"})),
        ("b7", (1, {"b": "7"})),
        ("B7 A1", (0, {"a": "A1"})),
        ("un été", (2, {"any": "été"})),
        ("nothing", None),
        ("", None),
        ("A1\ud800", (0, {"a": "A1"})),
    ],
)
def test_the_first_pattern_that_matches_is_found(
    text: str, found: tuple[int, dict[str, str]] | None, max_memory_bytes: int
) -> None:
    assert pattern_set(max_memory_bytes).find(text) == found


def test_a_set_that_answers_nothing_is_run_singly() -> None:
    patterns = pattern_set()
    patterns._match = lambda _: []
    assert patterns.find("b7") == (1, {"b": "7"})
    assert patterns.find("nothing") is None


def test_a_set_that_disagrees_with_its_pattern_finds_nothing() -> None:
    patterns = pattern_set()
    patterns._match = lambda _: [3, 0]
    assert patterns.find("nothing") is None


def test_no_patterns_match_nothing() -> None:
    assert PatternSet([]).find("A1") is None
    assert len(PatternSet([])) == 0
    assert len(pattern_set()) == 3


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        ("(bad", "missing ): (bad"),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("(?=a)", "invalid perl operator: (?="),
        ("a{2000}", "invalid repetition size: {2000}"),
    ],
)
def test_what_re2_does_not_take_is_said_in_its_words(regex: str, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern(regex)
    assert str(caught.value) == reason


def test_the_groups_have_their_names() -> None:
    assert Pattern(SOURCES[0]).groups == ("a", "opt")
