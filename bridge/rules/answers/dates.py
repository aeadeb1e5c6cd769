"""Dates and times, as people write them in six languages. All of a text must be understood, or none of it is."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from bridge.rules.answers.words import (
    DATE_FILLERS,
    DAY_UNITS,
    NUMBERS,
    RELATIVE_DAYS,
    TIMES,
    months,
    weekdays,
)
from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from bridge.rules.answers.setting import Setting

_LONGEST = 40
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", re.ASCII)
_NUMERIC = re.compile(r"(\d{1,2})[-/. ](\d{1,2})(?:[-/. ](\d{4}|\d{2}))?\.?", re.ASCII)
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|o|a)?", re.ASCII)
_MONTH_FIRST = frozenset({"US", "PH", "BZ"})
"""Countries where 11/25 is in November."""


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _coming(month: int, day: int, today: date) -> date | None:
    """Return the next day of that name, today included."""
    for year in range(today.year, today.year + 9):  # 29 February may be eight years away
        found = _date(year, month, day)
        if found is not None and found >= today:
            return found
    return None


def read_date(text: str, setting: Setting) -> date | None:
    """Read a date; one without a year is the next of that name."""
    if len(text) > _LONGEST:
        return None
    today = setting.today
    written = text.strip()
    if iso := _ISO.fullmatch(written):
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    if numeric := _NUMERIC.fullmatch(written):
        return _numeric(numeric, today, setting.country)
    words = normalise(text)
    whole = " ".join(words)
    if whole in RELATIVE_DAYS:
        return today + timedelta(RELATIVE_DAYS[whole])
    return _named(words, today)


def _numeric(found: re.Match[str], today: date, country: str) -> date | None:
    day, month = int(found[1]), int(found[2])
    # Where only one order makes a date, it is that one.
    if (country in _MONTH_FIRST or month > 12) and day <= 12:
        day, month = month, day
    if not found[3]:
        return _coming(month, day, today)
    year = int(found[3])
    return _date(year if year > 99 else 2000 + year, month, day)


def _named(words: list[str], today: date) -> date | None:
    """Read "25 november 2027", "nov 25th", "next monday", "in 3 days", in any order of the words."""
    month = weekday = unit = relative = 0
    numbers: list[int] = []
    for word in words:
        if word in months() and not month:
            month = months()[word]
        elif word in weekdays() and not weekday:
            weekday = weekdays()[word] + 1
        elif word in RELATIVE_DAYS and not relative:
            relative = RELATIVE_DAYS[word]
        elif word in DAY_UNITS and not unit:
            unit = DAY_UNITS[word]
        elif (ordinal := _ORDINAL.fullmatch(word)) or (len(word) == 4 and word.isascii() and word.isdigit()):
            numbers.append(int(ordinal[1] if ordinal else word))
        elif word in DATE_FILLERS:
            continue
        elif word in NUMBERS:
            numbers.append(NUMBERS[word])
        else:
            return None
    if month:
        if not numbers or len(numbers) > 2 or unit or relative:
            return None
        day, *years = numbers
        if years and years[0] < 100:
            return None
        return _date(years[0], month, day) if years else _coming(month, day, today)
    if unit:
        return today + timedelta(numbers[0] * unit) if len(numbers) == 1 and not (weekday or relative) else None
    if relative and not numbers:
        return today + timedelta(relative)
    if weekday and not numbers:
        # "Monday", written on a Monday, is the next one.
        return today + timedelta((weekday - 1 - today.weekday() - 1) % 7 + 1)
    return None


_CLOCK = re.compile(r"(\d{1,2})(?:\s?[:.hH]\s?(\d{2})?)?\s*(?:([ap])\.?\s?m\.?|uhr|heures?|h|o'?clock)?", re.ASCII)
_BEFORE = re.compile(r"(?:at|um|a|à|alle|ore|las|a las|às|vers|around|about)\s+", re.IGNORECASE)


def read_time(text: str, setting: Setting) -> str | None:
    """Read a time of day, as "14:30". A bare number from 1 to 12 is none: nobody could tell which half of the day."""
    del setting
    if len(text) > _LONGEST:
        return None
    named = TIMES.get(" ".join(normalise(text)))
    if named is not None:
        return named
    written = text.strip().lower()
    before = _BEFORE.match(written)
    found = _CLOCK.fullmatch(written[before.end() :] if before else written)
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3] == "p" else 0)
    elif found[0].isdigit() and 1 <= hour <= 12:
        return None
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None
