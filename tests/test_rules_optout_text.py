"""Requests to stop in people's own words. The two files are lists that anybody can lengthen, a text a line; in a line
`(a|b)` is each of them in turn.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from bridge.rules.normalise import normalise
from bridge.rules.optout_text import pattern, requests

FOLDER = Path(__file__).parent / "data/rules"
REAL_SMS = Path(__file__).parents[2] / "shared/data/sms_spam_collection.tsv"
SHIPPED = requests()


def lines(name: str) -> list[str]:
    return [line for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def every(line: str) -> list[str]:
    """The texts that a line stands for."""
    return ["".join(parts) for parts in product(*(part.split("|") for part in re.split(r"[()]", line)))]


REQUESTS, ORDINARY = lines("optout_requests.txt"), lines("optout_ordinary.txt")


def find(text: str, *added: str) -> str:
    return SHIPPED.find(normalise(text), added)


def test_the_lists_are_long_enough_to_mean_something() -> None:
    assert len(set(REQUESTS)) >= 80
    assert len({text for line in ORDINARY for text in every(line)}) >= 2000
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", SHIPPED.date)


@pytest.mark.parametrize("line", REQUESTS)
def test_a_request_is_found(line: str) -> None:
    assert [text for text in every(line) if not find(text)] == []


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_text_is_none(line: str) -> None:
    assert [text for text in every(line) if find(text)] == []


@pytest.mark.skipif(not REAL_SMS.exists(), reason="the collection of real SMS lies beside the checkout")
def test_real_texts_are_seldom_taken_for_one() -> None:
    rows = [line.partition("\t") for line in REAL_SMS.read_text(encoding="utf-8").splitlines()]
    ham = [text for label, _, text in rows if label == "ham"]
    assert len(ham) > 4800
    found = [text for text in ham if find(text)]
    assert len(found) <= 0.0005 * len(ham), found


def test_how_it_was_found_is_said() -> None:
    assert find("please stop texting me now") == "words"
    assert find("stpo") == "typo"
    assert find("take me off your list") == "phrase"


def test_nothing_and_long_texts_are_none() -> None:
    assert find("") == ""
    assert find("stop " * 20) == ""


def test_a_rules_file_adds_phrases() -> None:
    assert find("we are through with you people") == ""
    assert find("we are through with you people", "through with you") == "phrase"
    assert find("we are through with yourself", "through with you") == ""


def test_a_phrase_needs_the_better_part_of_the_text() -> None:
    assert find("do not text me") == "phrase"
    assert find("do not text me while driving the old green van across town tonight") == ""


def test_a_second_look_is_taken_behind_a_phrase_that_is_too_small() -> None:
    whole = "wrong number wrong number wrong number"
    assert find(whole) == "phrase"


@pytest.mark.parametrize(
    ("phrase", "meant"),
    [
        ("stop it", "stop it "),
        ("(stop|end) it", "(?:stop|end) it "),
        ("stop [it|that]", "stop (?:(?:it|that) ){0,1}"),
        ("stop [it]{1,2} now", "stop (?:(?:it) ){1,2}now "),
        ("stop <things>", "stop X "),
        ("stop [<things>]", "stop (?:X ){0,1}"),
    ],
)
def test_the_grammar_of_phrases(phrase: str, meant: str) -> None:
    made = pattern(phrase, {"things": "X"})
    assert (
        made.replace("(?:stop it) ", "stop it ")
        .replace("(?:stop) ", "stop ")
        .replace("(?:it) ", "it ", 1 if phrase.startswith("(") else 0)
        .replace("(?:now) ", "now ")
        == meant
    )


def test_an_unknown_set_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        pattern("stop <nothings>", {})
