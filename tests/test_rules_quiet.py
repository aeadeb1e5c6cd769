"""Quiet hours by the recipient's clock, and caps."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.records import Conversation
from bridge.rules.quiet import Cap, QuietTable, Restraint, hours_of_state, is_zone, zones_of
from tests.rules_helpers import BRAND, compiled, problems

NEW_YORK, CHICAGO, LONDON, TOLL_FREE = "12125550100", "13125550100", "447700900123", "18005550100"
RUSSIAN = "79000000000"


def at(text: str, zone: str = "America/New_York") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("contact", "zone", "now", "free"),
    [
        (NEW_YORK, "America/New_York", "2026-11-24 07:59", "2026-11-24 08:00"),
        (NEW_YORK, "America/New_York", "2026-11-24 08:00", None),
        (NEW_YORK, "America/New_York", "2026-11-24 19:59", None),
        (NEW_YORK, "America/New_York", "2026-11-24 20:00", "2026-11-25 08:00"),
        (NEW_YORK, "America/New_York", "2026-11-25 00:00", "2026-11-25 08:00"),
        # The clock goes forward, and back.
        (NEW_YORK, "America/New_York", "2026-03-07 23:00", "2026-03-08 08:00"),
        (NEW_YORK, "America/New_York", "2026-11-01 01:30", "2026-11-01 08:00"),
        (CHICAGO, "America/New_York", "2026-11-24 08:30", "2026-11-24 09:00"),
        (LONDON, "Europe/London", "2026-11-24 20:00", "2026-11-25 08:00"),
        # A Russian mobile may be anywhere from the time of Bucharest (+2) to that of Kamchatka (+12).
        (RUSSIAN, "Europe/Moscow", "2026-11-24 07:00", "2026-11-24 09:00"),
        (RUSSIAN, "Asia/Kamchatka", "2026-11-24 20:00", "2026-11-25 18:00"),
        # A toll-free number from Guam (+10), where it is eight on the next day, to Newfoundland (-3:30).
        (TOLL_FREE, "UTC", "2026-11-24 07:00", "2026-11-24 22:00"),
        (TOLL_FREE, "UTC", "2026-11-24 23:30", "2026-11-25 22:00"),
        # Nothing is known of the number: the brand's zone.
        ("60606", "UTC", "2026-11-24 21:00", "2026-11-25 08:00"),
    ],
)
def test_when_a_message_may_leave(contact: str, zone: str, now: str, free: str | None) -> None:
    until = Restraint().until(contact, None, at(now, zone))
    assert until == (0.0 if free is None else at(free, zone))


HARTFORD, HOUSTON, EL_PASO, PROVIDENCE, MIAMI = (f"1{code}5550100" for code in (860, 713, 915, 401, 305))


@pytest.mark.parametrize(
    ("contact", "zone", "now", "free"),
    [
        (HARTFORD, "America/New_York", "2026-11-24 08:59", "2026-11-24 09:00"),
        (HARTFORD, "America/New_York", "2026-11-24 09:00", None),
        (HARTFORD, "America/New_York", "2026-11-24 20:30", "2026-11-25 09:00"),
        (HARTFORD, "America/New_York", "2026-03-08 08:30", "2026-03-08 09:00"),
        (HOUSTON, "America/Chicago", "2026-11-28 08:30", "2026-11-28 09:00"),
        (HOUSTON, "America/Chicago", "2026-11-28 19:59", None),
        (HOUSTON, "America/Chicago", "2026-11-28 20:00", "2026-11-29 12:00"),
        (HOUSTON, "America/Chicago", "2026-11-29 12:00", None),
        (EL_PASO, "America/Denver", "2026-11-24 08:30", "2026-11-24 09:00"),
        (PROVIDENCE, "America/New_York", "2026-11-27 17:59", None),
        (PROVIDENCE, "America/New_York", "2026-11-27 18:00", "2026-11-28 10:00"),
        (PROVIDENCE, "America/New_York", "2026-11-29 17:00", "2026-11-30 09:00"),
        (MIAMI, "America/New_York", "2026-11-24 08:00", None),
    ],
)
def test_states_have_narrower_hours(contact: str, zone: str, now: str, free: str | None) -> None:
    until = Restraint().until(contact, None, at(now, zone))
    assert until == (0.0 if free is None else at(free, zone))


def test_the_hours_of_states_are_those_of_messages_that_have_hours() -> None:
    early = at("2026-11-24 08:30")
    assert Restraint(QuietTable(by_state=False)).until(HARTFORD, None, early) == 0.0
    assert Restraint(QuietTable(window=None)).until(HARTFORD, None, early) == 0.0
    late = Restraint(QuietTable(window=(21 * 60, 32 * 60)))
    assert late.until(MIAMI, None, at("2026-11-24 20:30")) == at("2026-11-25 08:00")
    assert late.until(NEW_YORK, None, at("2026-11-24 20:30")) == 0.0
    # Moved to London: the clock is the one there.
    state = Conversation(HARTFORD, "acme", profile={"timezone": "Europe/London"})
    assert Restraint().until(HARTFORD, state, at("2026-11-24 08:30", "Europe/London")) == at(
        "2026-11-24 09:00", "Europe/London"
    )
    assert hours_of_state("8605550100") is None
    assert hours_of_state("+18605550100") is not None


def test_a_window_that_leaves_no_hour_of_a_state_is_no_endless_search() -> None:
    night = Restraint(QuietTable(window=(8 * 60, 32 * 60 - 60)))  # only from seven to eight, when Connecticut sleeps
    assert night.until(HARTFORD, None, at("2026-11-24 12:00")) > at("2026-11-25 00:00")


def test_the_zone_of_the_profile_comes_first() -> None:
    state = Conversation(NEW_YORK, "acme", profile={"timezone": "Asia/Tokyo"})
    assert Restraint().until(NEW_YORK, state, at("2026-11-24 12:00")) == at("2026-11-25 08:00", "Asia/Tokyo")


def test_soon_after_a_text_of_the_customer_it_may_leave() -> None:
    night = at("2026-11-24 23:00")
    state = Conversation(NEW_YORK, "acme", last_in=night - 600.0)
    assert Restraint().until(NEW_YORK, state, night) == 0.0
    assert Restraint().until(NEW_YORK, state, night + 1.0) == at("2026-11-25 08:00")


def test_without_a_window_it_may_always_leave() -> None:
    assert Restraint(QuietTable(window=None)).until(NEW_YORK, None, at("2026-11-24 23:00")) == 0.0


def test_where_no_hour_suits_all_zones_the_brands_counts() -> None:
    quiet = QuietTable(window=(9 * 60, 32 * 60))  # one hour a day is left
    assert Restraint(quiet).until(TOLL_FREE, None, at("2026-11-24 12:00", "UTC")) == at("2026-11-25 08:00", "UTC")


def test_zones() -> None:
    assert zones_of(NEW_YORK) == ("America/New_York",)
    assert len(zones_of(TOLL_FREE)) > 5
    assert zones_of("60606") == zones_of("x") == zones_of("99912345678") == ()
    assert is_zone("Europe/London")
    assert not is_zone("Europe/Londinium")


def test_a_cap_counts_by_topic() -> None:
    cap = Restraint(cap=Cap(2, 86400.0))
    state = Conversation(NEW_YORK, "acme")
    for now in (0.0, 1.0, 2.0):
        cap.count("news", state, now)
    assert state.started_messages == {"news": (1.0, 2.0)}
    assert cap.capped("news", state, 86400.0)
    assert not cap.capped("news", state, 86401.0)
    assert not cap.capped("bills", state, 3.0)
    assert not cap.capped("news", None, 3.0)
    one = Restraint(cap=Cap(1, 86400.0))
    one.count("news", state, 5.0)
    assert state.started_messages == {"news": (5.0,)}
    free = Restraint()
    free.count("bills", state, 5.0)
    assert not free.capped("bills", state, 5.0)
    assert "bills" not in state.started_messages


def test_the_tables() -> None:
    rules = compiled(
        BRAND + '[brand.acme.quiet]\nwindow = "21:00-09:00"\nreply_grace = "5m"\non_hit = "drop"\n'
        '[brand.acme.cap]\ncount = 3\nper = "24h"\n'
    )
    restraint = rules.numbers["60606"].restraint
    assert (restraint.quiet, restraint.cap) == (QuietTable((21 * 60, 33 * 60), 300.0, "drop"), Cap(3, 86400.0))
    assert compiled(BRAND + '[brand.acme.quiet]\nwindow = ""\n').numbers["60606"].restraint.quiet.window is None
    assert "must be from and to" in problems(BRAND + '[brand.acme.quiet]\nwindow = "late"\n')[0]
