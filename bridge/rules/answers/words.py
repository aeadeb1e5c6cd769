"""The words that answers are read by: a dated data file, and names of months, days and currencies from CLDR (Babel)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from babel import Locale
from babel.numbers import list_currencies

from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGUAGES = ("en", "fr", "de", "es", "pt", "it")
_DATA = tomllib.loads(resources.files("bridge.rules").joinpath("data/answers.toml").read_text(encoding="utf-8"))


def _keys(words: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(normalise(word)) for word in words)


def _all(name: str) -> frozenset[str]:
    return _keys(word for language in LANGUAGES for word in _DATA[name][language])


YES_NO: Mapping[str, frozenset[str]] = {"yes": _all("yes"), "no": _all("no")}
"""By the name of the choice; without "no" the words that other languages have for something else."""
POLITE = _all("polite")
"""Words around an answer that do not change it."""
DATE_FILLERS = _all("date_fillers")
NUMBERS: Mapping[str, int] = {
    " ".join(normalise(word)): number
    for language in LANGUAGES
    for number, words in enumerate(_DATA["numbers"][language])
    for word in words.split("|")
}
"""Zero to twenty in every language."""
RELATIVE_DAYS: Mapping[str, int] = {
    " ".join(normalise(word)): int(days)
    for language in LANGUAGES
    for days, words in _DATA["relative_days"][language].items()
    for word in words
}
DAY_UNITS: Mapping[str, int] = {
    " ".join(normalise(word)): int(days)
    for language in LANGUAGES
    for days, words in _DATA["day_units"][language].items()
    for word in words
}
TIMES: Mapping[str, str] = {
    " ".join(normalise(word)): time
    for language in LANGUAGES
    for time, words in _DATA["times"][language].items()
    for word in words
}
CURRENCY_WORDS: Mapping[str, str] = {
    " ".join(normalise(word)): code for code, words in _DATA["currencies"].items() for word in words
}
CURRENCIES = list_currencies()


def _names(part: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for language in LANGUAGES:
        locale = Locale(language)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in getattr(locale, part)[context][width].items():
                    # Another language's word for another month would be no month at all; CLDR has none in these.
                    found.setdefault(" ".join(normalise(name)), number)
    return found


@cache
def months() -> Mapping[str, int]:
    """Months by normalised name, 1 = January."""
    return _names("months") | {"sept": 9}


@cache
def weekdays() -> Mapping[str, int]:
    """Days of the week by normalised name, 0 = Monday."""
    return _names("days")
