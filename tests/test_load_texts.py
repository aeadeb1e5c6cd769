"""What a load's messages say."""

from __future__ import annotations

import pytest

from smppcore.constants import ESM_UDHI
from smppcore.testbed.load.texts import Encoding, Texts
from smppcore.text import decode_text


def test_a_counter_has_seven_digits_or_more() -> None:
    texts = Texts("no {n}, 100%")
    assert [texts.text(3), texts.text(12345678)] == ["no 0000003, 100%", "no 12345678, 100%"]
    assert texts.body(3).parts == (b"no 0000003, 100%",)
    assert texts.numbered
    assert not Texts("{random:1:2}").numbered


def test_a_random_number_is_in_its_range_and_the_same_for_the_same_seed() -> None:
    texts, again, other = (Texts("{random:10:12} {random:0:999999}", seed=seed) for seed in (1, 1, 2))
    drawn = [texts.text(number).split() for number in range(200)]
    assert {first for first, _ in drawn} == {"10", "11", "12"}
    assert len({second for _, second in drawn}) > 190
    assert [again.text(number).split() for number in range(200)] == drawn
    assert [other.text(number).split() for number in range(200)] != drawn


def test_lines_take_turns() -> None:
    texts = Texts("{line}!", ["one", "two"])
    assert [texts.text(number) for number in range(3)] == ["one!", "two!", "one!"]


@pytest.mark.parametrize(
    ("template", "message"),
    [("{x}", "{x} is none of"), ("{random:9:1}", "an empty range"), ("{line}", "needs a file"), ("{random:1}", "none")],
)
def test_a_wrong_template_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Texts(template)


@pytest.mark.parametrize(
    ("encoding", "text", "coding", "octets"),
    [
        ("auto", "caf\u00e9", 0, b"caf\x05"),
        ("gsm7", "a@", 0, b"a\x00"),
        ("ascii", "a@", 1, b"a@"),
        ("latin1", "caf\u00e9", 3, b"caf\xe9"),
        ("ucs2", "ab", 8, b"\0a\0b"),
        ("auto", "\u2713", 8, b"\x27\x13"),
        ("ascii", "caf\u00e9", 8, "caf\u00e9".encode("utf-16-be")),
    ],
)
def test_an_encoding_says_what_it_is(encoding: Encoding, text: str, coding: int, octets: bytes) -> None:
    body = Texts(text, encoding=encoding).body(0)
    assert (body.esm_class, body.data_coding, body.parts) == (0, coding, (octets,))


@pytest.mark.parametrize(
    "template", ["x{n}", "{n}@", "{n}{n}", "é{n}", "{n} " + "long " * 40, "✓{n}", "y" * 159 + "{n}"]
)
def test_the_short_way_says_the_same_as_the_long_one(template: str) -> None:
    texts = Texts(template)
    for number in (0, 7, 10**9):
        body = texts.body(number)
        octets = b"".join(part[6:] if body.esm_class else part for part in body.parts)
        assert decode_text(octets, body.data_coding) == texts.text(number)


def test_a_long_text_has_parts_that_join() -> None:
    body = Texts("long " * 60).body(0x1AB)
    assert body.esm_class == ESM_UDHI
    assert [part[:6].hex() for part in body.parts] == ["050003ab0201", "050003ab0202"]
