"""Numbers and amounts of money."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from babel.numbers import get_territory_currencies

from bridge.rules.answers.words import CURRENCIES, CURRENCY_WORDS, NUMBERS
from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from bridge.rules.answers.setting import Setting

_LONGEST = 60
# A sign counts where nothing stands before it: "24-12" is no "-12".
_NUMBER = re.compile(r"(?<![\w.,])-?\d{1,15}(?:[.,'’ \u00a0\u202f]\d{1,15}){0,5}(?![\d])", re.ASCII)
_COMMA_FIRST = frozenset({"en"})
"""Languages in which 1,000 is a thousand; in the others 1.000 is."""


def _plain(written: str, language: str) -> str | None:
    """Return a number as Python writes it, None if its marks make no sense."""
    sign, digits = ("-", written[1:]) if written[0] == "-" else ("", written)
    digits = re.sub("[’'\u00a0\u202f]", " ", digits)
    marks = [char for char in digits if not char.isdigit()]
    decimal = ""
    if marks and marks[-1] != " ":
        last = marks[-1]
        tail = digits.rpartition(last)[2]
        thousands = "," if language[:2] in _COMMA_FIRST else "."
        if marks.count(last) == 1 and (len(tail) != 3 or last != thousands or set(marks) != {last}):
            decimal = last
    whole, _, fraction = digits.partition(decimal) if decimal else (digits, "", "")
    groups = re.split("[., ]", whole)
    if len(groups) > 1 and (len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:])):
        return None
    if len({char for char in whole if not char.isdigit()}) > 1:
        return None
    plain = "".join(groups).lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    return sign + plain + (f".{fraction}" if fraction else "")


def read_number(text: str, setting: Setting) -> str | None:
    """Read the one number of a text, in digits or as a word up to twenty; None if it has none, or several."""
    if len(text) > _LONGEST:
        return None
    text = unicodedata.normalize("NFKC", text)
    found = _NUMBER.findall(text)
    if found:
        return _plain(found[0], setting.language) if len(found) == 1 else None
    words = normalise(text)
    if " ".join(words) in NUMBERS:
        return str(NUMBERS[" ".join(words)])
    numbers = [NUMBERS[word] for word in words if word in NUMBERS]
    return str(numbers[0]) if len(numbers) == 1 and len(words) <= 4 else None


def read_amount(text: str, setting: Setting) -> tuple[str, str] | None:
    """Read an amount: (number, ISO code of its currency, the country's if none is named)."""
    number = read_number(text, setting)
    if number is None:
        return None
    own: list[str] = get_territory_currencies(setting.country) or ["USD"]
    rest = _NUMBER.sub(" ", text)
    for word in re.findall(r"[A-Za-z]{0,2}\$|[€£¥₹]|[^\W\d_]+", rest):
        if word.upper() in CURRENCIES:
            return number, word.upper()
        if word == "$":
            # Where the money is not called dollar, somebody who writes the sign means that of the USA.
            return number, own[0] if own[0].endswith("D") else "USD"
        key = word.casefold() if word[-1] in "$€£¥₹" else " ".join(normalise(word))
        if key in CURRENCY_WORDS:
            code = CURRENCY_WORDS[key]
            return number, own[0] if code == "USD" and word[-1] != "$" and own[0].endswith("D") else code
    return number, own[0]
