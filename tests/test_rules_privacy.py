"""What is personal in a text."""

from __future__ import annotations

import pytest

from bridge.rules.privacy import WHOLE, Kind, masked, personal, places
from tests.rules_helpers import BRAND, compiled, problems

ALL: tuple[Kind, ...] = ("card", "iban", "email")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("my card is 4111 1111 1111 1111 ok", "my card is *** ok"),
        ("4111-1111-1111-1111", "***"),
        ("4111111111111112 is none", "4111111111111112 is none"),
        ("order 12345678 and phone 447700900123", "order 12345678 and phone 447700900123"),
        ("pay to GB82 WEST 1234 5698 7654 32 please", "pay to *** please"),
        ("DE89370400440532013000", "***"),
        ("DE89370400440532013001", "DE89370400440532013001"),
        ("GB82WEST12345698765432 or GB82WEST12345698765433", "*** or GB82WEST12345698765433"),
        ("write to jo.doe+sms@mail.example.org!", "write to ***!"),
        ("meet @ eight", "meet @ eight"),
        ("a@b.co 4111111111111111 c@d.co", "*** *** ***"),
    ],
)
def test_what_is_masked(text: str, shown: str) -> None:
    assert masked(text, personal(text, ALL)) == shown


def test_only_what_is_asked_for() -> None:
    assert personal("a@b.co 4111111111111111", ALL[:1]) == ((7, 23),)
    assert personal("a@b.co", ()) == ()


def test_places_of_values() -> None:
    assert places("Main St 5? Main St 5.", ["Main St 5", ""]) == ((0, 9), (11, 20))


def test_masks_that_overlap() -> None:
    assert masked("abcdefgh", ((1, 4), (2, 6))) == "a***gh"
    assert masked("abcdefgh", ((1, 6), (2, 4))) == "a***gh"
    assert masked("abc", (WHOLE,)) == "***"


def test_the_table() -> None:
    rules = compiled(BRAND + '[privacy]\nretain_text = "180d"\nretain_facts = "5y"\nredact = ["card", "email"]\n')
    assert rules.numbers["60606"].redact == ("card", "email")
    assert "a time to keep things" in problems(BRAND + '[privacy]\nretain_text = "180"\n')[0]
    assert "card, iban, email" in problems(BRAND + '[privacy]\nredact = ["name"]\n')[0]
    assert compiled(BRAND + '[privacy]\nretain_text = ""\n').version
