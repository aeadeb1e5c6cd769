"""What is personal in a text, and how long it is kept.

    [privacy]
    retain_text  = "180d"
    retain_facts = "5y"
    redact       = ["card", "iban", "email"]

What is personal is marked when the message is decided, by its place in the text; whoever shows or exports the text
masks it. The text itself stays as it came: without it a recorded day could not be decided again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from stdnum import iban, luhn
from stdnum.exceptions import ValidationError

from bridge.options import At, retention

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Kind = Literal["card", "iban", "email"]
Span = tuple[int, int]
"""(first character, first one behind)."""
WHOLE: Final[Span] = (0, 1 << 30)
MASK = "***"
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)", re.ASCII)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?: ?[A-Za-z0-9]){10,30}(?![A-Za-z0-9])", re.ASCII)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", re.ASCII)


def _seconds(value: object, at: At) -> float:
    return retention(value, at)


@dataclass(frozen=True, slots=True)
class PrivacyTable:
    """[privacy]."""

    retain_text: Annotated[float, _seconds] = 0.0
    """After so long the words of messages are forgotten: that there was one, and when, stays. "" = never."""
    retain_facts: Annotated[float, _seconds] = 0.0
    """So long the evidence of consent stays when a customer is forgotten; "" = for good."""
    redact: tuple[Kind, ...] = ()
    """What is masked wherever a text is shown or exported: numbers of cards and bank accounts, e-mail addresses."""


def _cards(text: str) -> Iterable[Span]:
    for found in _CARD.finditer(text):
        if luhn.is_valid(re.sub(r"\D", "", found[0])):
            yield found.span()


def _ibans(text: str) -> Iterable[Span]:
    for found in _IBAN.finditer(text):
        # A word may follow without a mark between: the longest head that is one.
        for end in range(len(found[0]), 14, -1):
            if found[0][end - 1] == " ":
                continue
            try:
                iban.validate(found[0][:end], check_country=False)
            except ValidationError:
                continue
            yield found.start(), found.start() + end
            break


def _emails(text: str) -> Iterable[Span]:
    return (found.span() for found in _EMAIL.finditer(text)) if "@" in text else ()


_FINDERS: Final[dict[Kind, Callable[[str], Iterable[Span]]]] = {"card": _cards, "iban": _ibans, "email": _emails}
assert set(_FINDERS) == set(get_args(Kind))  # noqa: S101  one of each


def personal(text: str, kinds: Collection[Kind]) -> tuple[Span, ...]:
    """Return the places in a text that are personal.

    Args:
        text: As it came, or as it is sent.
        kinds: What to look for.
    """
    return tuple(sorted(span for kind in kinds for span in _FINDERS[kind](text)))


def places(text: str, values: Iterable[str]) -> tuple[Span, ...]:
    """Return the places in a text where one of these values stands."""
    return tuple(
        (found.start(), found.end()) for value in values if value for found in re.finditer(re.escape(value), text)
    )


def masked(text: str, spans: Iterable[Span]) -> str:
    """Return a text with MASK in these places."""
    parts, position = [], 0
    for start, end in sorted(spans):
        if end <= position:
            continue
        if start >= position:
            parts += [text[position:start], MASK]
        position = min(end, len(text))
    return "".join(parts) + text[position:]
