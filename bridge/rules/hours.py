"""When a brand's people are there: opening hours by weekday, less closed days and public holidays.

    [brand.acme.hours]
    mon-fri  = "08:00-18:00"
    sat      = ["09:00-12:00", "13:00-16:00"]
    closed   = ["2026-12-24"]
    holidays = "US"

Everything is local to the brand's IANA zone, so a day on which the clock is changed has its own length. A window that
ends before it begins goes on past midnight, and belongs to the day on which it begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bridge.options import At, BadValue, nearest, text

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_OF_DAY = 1440
_WINDOW = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")
_FARTHEST = 400
"""Days that are looked ahead for an opening."""

Window = tuple[int, int]
"""Minutes after midnight: (from, to); the second is the greater one, more than 1,440 if it is past midnight."""


def read_window(value: object, at: At) -> Window:
    """Reads "08:00-18:00".

    Raises:
        BadValue: It is something else.
    """
    found = _WINDOW.fullmatch(text(value, at).strip())
    if found is None:
        raise BadValue('must be from and to, as "08:00-18:00"')
    hours = [int(found[1]), int(found[3])]
    minutes = [int(found[2]), int(found[4])]
    first, last = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or first >= _MINUTES_OF_DAY or last > _MINUTES_OF_DAY:
        raise BadValue("has a time that no clock shows; a day ends at 24:00")
    if first == last:
        raise BadValue("ends when it begins")
    return first, last if last > first else last + _MINUTES_OF_DAY


@dataclass(frozen=True, slots=True)
class HoursTable:
    """[brand.NAME.hours]."""

    week: tuple[tuple[Window, ...], ...]
    """The windows of each weekday, Monday first."""
    closed: frozenset[date] = frozenset()
    """Days without any."""
    holidays: str = ""
    """Country, or country and part of it ("US", "GB-SCT"), whose public holidays are closed too."""


def read_hours(value: object, at: At) -> HoursTable | None:
    """Reads the table: its keys are weekdays, ranges of them, `closed` and `holidays`.

    Raises:
        BadValue: It is no table.
    """
    if not isinstance(value, dict):
        raise BadValue('must be a table of weekdays, as mon-fri = "08:00-18:00"')
    week: list[tuple[Window, ...]] = [()] * 7
    closed: set[date] = set()
    holidays = ""
    for key, item in value.items():
        here = at.child(key)
        try:
            if key == "closed":
                closed |= set(_dates(item, here))
            elif key == "holidays":
                holidays = _region(item, here)
            else:
                windows = _windows(item, here)
                for day in _weekdays(key):
                    if week[day]:
                        raise BadValue(f"{DAYS[day]} has hours already")
                    week[day] = windows
        except BadValue as exc:
            here.problem(str(exc))
    if not any(week):
        at.problem("has no weekday with hours: it would never be open")
    return HoursTable(tuple(week), frozenset(closed), holidays)


def _weekdays(key: str) -> list[int]:
    first, dash, last = key.partition("-")
    for name in (first, last) if dash else (first,):
        if name not in DAYS:
            known = [*DAYS, "mon-fri", "closed", "holidays"]
            raise BadValue(f'is no weekday: "mon", "mon-fri", "closed" or "holidays"{nearest(key, known)}')
    begin = DAYS.index(first)
    end = DAYS.index(last) if dash else begin
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _windows(value: object, at: At) -> tuple[Window, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(sorted(read_window(item, at) for item in items))


def _dates(value: object, at: At) -> Iterator[date]:
    if not isinstance(value, list):
        raise BadValue('must be a list of dates, as ["2026-12-25"]')
    for number, item in enumerate(value):
        try:
            yield item if type(item) is date else date.fromisoformat(text(item, at.child(number)))
        except ValueError as exc:
            raise BadValue(f'{item!r} is no date; write it as "2026-12-25"') from exc


def _region(value: object, at: At) -> str:
    given = text(value, at)
    country, _, part = given.partition("-")
    # A tenth of a second to import: only whoever has holidays pays for it.
    import holidays

    known = holidays.list_supported_countries()
    if country not in known:
        raise BadValue(f"no public holidays of `{country}` are known{nearest(country, known)}")
    if part and part not in known[country]:
        raise BadValue(f"`{country}` has no part `{part}`{nearest(part, known[country])}")
    return given


@lru_cache(maxsize=256)
def _public(region: str, year: int) -> frozenset[date]:
    import holidays

    country, _, part = region.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


class Hours:
    """The opening hours of one brand.

    Args:
        table: As written.
        zone: Of the brand.
    """

    def __init__(self, table: HoursTable, zone: str) -> None:
        self._table = table
        self._zone: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)

    def is_open(self, now: float) -> bool:
        """Return whether somebody is there.

        Args:
            now: Seconds since the epoch.
        """
        return self.opens(now) <= now

    def opens(self, now: float) -> float:
        """Return when somebody is there next, in seconds since the epoch: `now` if it is open, inf if never."""
        return next((max(start, now) for start, _ in self._from(now)), inf)

    def after(self, now: float, seconds: float) -> float:
        """Return when so many seconds of opening hours have passed; inf if they never do.

        Args:
            now: Seconds since the epoch.
            seconds: Of opening hours.
        """
        for start, end in self._from(now):
            begin = max(start, now)
            if seconds <= end - begin:
                return begin + seconds
            seconds -= end - begin
        return inf

    def local(self, at: float) -> datetime:
        """Return a time of the brand's clock."""
        return datetime.fromtimestamp(at, self._zone)

    def _from(self, now: float) -> Iterator[tuple[float, float]]:
        """Yield the openings that have not ended, in order."""
        today = self.local(now).date()
        for ahead in range(-1, _FARTHEST):
            for start, end in self._of_day(today + timedelta(days=ahead)):
                if end > now:
                    yield start, end

    def _of_day(self, day: date) -> Iterator[tuple[float, float]]:
        table = self._table
        if day in table.closed or (table.holidays and day in _public(table.holidays, day.year)):
            return
        for first, last in table.week[day.weekday()]:
            yield self._at(day, first), self._at(day, last)

    def _at(self, day: date, minutes: int) -> float:
        days, rest = divmod(minutes, _MINUTES_OF_DAY)
        moment = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), self._zone)
        return moment.timestamp()
