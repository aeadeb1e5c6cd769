"""When messages that we start may not leave, by the clock of whoever gets them; and how many of them.

    [brand.acme.quiet]
    window      = "20:00-08:00"
    reply_grace = "10m"
    on_hit      = "hold"
    [brand.acme.cap]
    count = 3
    per   = "24h"

The recipient's zone is that of the profile, else that of the number, else the brand's. A number that may be in several
zones is written to when it is no quiet hour in any of them. States of the US with narrower hours of their own
(data/quiet.toml) are told by the area code. Answers are never held back by this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as number_zones

from bridge.options import At, Seconds, SomeSeconds, parse
from bridge.rules.hours import Hours, Window, read_hours, read_window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records import Conversation
    from bridge.rules.hours import HoursTable

_DAY = 1440
_US_DIGITS = 11
"""Of a number of the North American plan, with its 1."""
_MOST_TURNS = 14
"""Looks at the window and the state's hours in turn: two for each day of a week."""
ZONE_FIELD = "timezone"
"""The field of the profile that says where a customer is."""


def _window(value: object, at: At) -> Window | None:
    return None if value == "" else read_window(value, at)


@dataclass(frozen=True, slots=True)
class QuietTable:
    """[brand.NAME.quiet]."""

    window: Annotated[Window | None, _window] = (20 * 60, 32 * 60)
    """"20:00-08:00", of the recipient's clock; "" = none: consent has to cover that."""
    reply_grace: Seconds = 600.0
    """So long after a text of the customer, messages may leave all the same."""
    on_hit: Literal["hold", "drop"] = "hold"
    """Wait until the window is over, or do not send at all."""
    by_state: bool = True
    """Keep to the narrower hours of single states of the US as well."""


@dataclass(frozen=True, slots=True)
class Cap:
    """[brand.NAME.cap]: how many messages of one topic we start to one customer."""

    count: int = 0
    """0 = any number."""
    per: SomeSeconds = 86400.0


@dataclass(frozen=True, slots=True)
class Restraint:
    """What one brand's messages have to wait for."""

    quiet: QuietTable = QuietTable()
    cap: Cap = Cap()
    zone: str = "UTC"
    """The brand's, for recipients of whom nothing is known."""

    def until(self, contact: str, state: Conversation | None, now: float) -> float:
        """Return when a message that we start may leave: 0.0 for at once.

        Args:
            contact: The number that it goes to.
            state: What is known of the customer.
            now: Seconds since the epoch.
        """
        quiet = self.quiet
        if quiet.window is None or (state is not None and now - state.last_in <= quiet.reply_grace):
            return 0.0
        own = "" if state is None else state.profile.get(ZONE_FIELD, "")
        zones = (own,) if own else zones_of(contact) or (self.zone,)
        free = self._out_of(quiet.window, zones, now)
        state_hours = hours_of_state(contact) if quiet.by_state else None
        if state_hours is not None:
            # Each may lead to a time that the other does not have; within some days both have one, or there is none.
            for _ in range(_MOST_TURNS):
                opens = max(Hours(state_hours, zone).opens(free) for zone in zones)
                if opens <= free:
                    break
                free = self._out_of(quiet.window, zones, opens)
        return 0.0 if free <= now else free

    def _out_of(self, window: Window, zones: tuple[str, ...], now: float) -> float:
        """Return when no zone is in the window: `now` if none is, or if there is no such time."""
        free = _free(window, zones, now)
        if free is None:
            free = _free(window, (self.zone,), now)
        return now if free is None else free

    def capped(self, topic: str, state: Conversation | None, now: float) -> bool:
        """Return whether the customer has had enough messages of a topic."""
        if not self.cap.count or state is None:
            return False
        recent = [at for at in state.started_messages.get(topic, ()) if now - at < self.cap.per]
        return len(recent) >= self.cap.count

    def count(self, topic: str, state: Conversation, now: float) -> None:
        """Note that a message of a topic leaves; the state is changed."""
        if self.cap.count:
            before = state.started_messages.get(topic, ())[-self.cap.count + 1 :] if self.cap.count > 1 else ()
            state.started_messages = {**state.started_messages, topic: (*before, now)}


@cache
def _by_area_code() -> Mapping[str, HoursTable]:
    name = "data/quiet.toml"
    raw, at = parse(files("bridge.rules").joinpath(name).read_text(encoding="utf-8"), name, Path())
    found: dict[str, HoursTable] = {}
    for state in cast("list[dict[str, Any]]", raw["state"]):
        hours = read_hours(state["hours"], at)
        assert hours is not None  # noqa: S101  they are a table
        found |= {f"1{code}": hours for code in state["area_codes"]}
    return found


def hours_of_state(contact: str) -> HoursTable | None:
    """Return the hours of the state of the US that a number belongs to, None for one without hours of its own."""
    number = contact.removeprefix("+")
    return _by_area_code().get(number[:4]) if len(number) == _US_DIGITS else None


@lru_cache(maxsize=100_000)
def zones_of(contact: str) -> tuple[str, ...]:
    """Return the zones in which a number may be, none if that is not known."""
    try:
        number = phonenumbers.parse(f"+{contact.removeprefix('+')}")
    except phonenumbers.NumberParseException:
        return ()
    zones = number_zones.time_zones_for_number(number)
    return () if zones == (number_zones.UNKNOWN_TIMEZONE,) else zones


def is_zone(name: str) -> bool:
    """Return whether there is an IANA zone of that name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _free(window: Window, zones: tuple[str, ...], now: float) -> float | None:
    """Return the first moment from now on that no zone has in its window; None if there is none in a day."""
    at = now
    moved = True
    while moved and at - now < 86400.0:
        moved = False
        for zone in zones:
            end = _end(window, zone, at)
            if end > at:
                at, moved = end, True
    return None if moved else at


def _end(window: Window, zone: str, at: float) -> float:
    """Return when the window that a moment is in ends, the moment itself if it is in none."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    first, last = window
    minute = 60 * local.hour + local.minute
    for days, shifted in ((0, minute), (1, minute + _DAY)):
        # The window of today, and that of yesterday, which may have gone past midnight.
        if first <= shifted < last:
            day = local.date() - timedelta(days=days) + timedelta(days=last // _DAY)
            clock = time(last % _DAY // 60, last % 60)
            return max(datetime.combine(day, clock, ZoneInfo(zone)).timestamp(), at)
    return at
