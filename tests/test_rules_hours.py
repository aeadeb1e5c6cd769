"""Opening hours: windows, closed days, holidays, and the days on which the clock is changed."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.rules_helpers import BRAND, compiled, problems

if TYPE_CHECKING:
    from bridge.rules import Ruleset
    from bridge.rules.hours import Hours

WEEK = """\
mon-fri = "08:00-18:00"
sat = ["09:00-12:00", "13:00-16:00"]
"""


def hours(table: str = WEEK, zone: str = "Europe/London") -> Hours:
    rules = compiled(f'{BRAND}timezone = "{zone}"\n[brand.acme.hours]\n{table}')
    found = rules.numbers["60606"].hours
    assert found is not None
    return found


def at(text: str, zone: str = "Europe/London") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-24 07:59", "2026-11-24 08:00"),
        ("2026-11-24 08:00", "2026-11-24 08:00"),
        ("2026-11-24 17:59", "2026-11-24 17:59"),
        ("2026-11-24 18:00", "2026-11-25 08:00"),
        ("2026-11-27 18:00", "2026-11-28 09:00"),
        ("2026-11-28 12:30", "2026-11-28 13:00"),
        ("2026-11-28 16:00", "2026-11-30 08:00"),
    ],
)
def test_when_it_opens_next(now: str, opens: str) -> None:
    assert hours().opens(at(now)) == at(opens)
    assert hours().is_open(at(now)) is (now == opens)


def test_closed_days_and_public_holidays() -> None:
    table = WEEK + 'closed = ["2026-12-24", 2026-12-31]\nholidays = "GB-ENG"\n'
    assert hours(table).opens(at("2026-12-24 09:00")) == at("2026-12-29 08:00")  # 28 is Boxing Day's
    assert hours(table).opens(at("2026-12-31 09:00")) == at("2027-01-02 09:00")


def test_a_window_past_midnight_belongs_to_the_day_it_begins() -> None:
    bar = hours('fri = "20:00-02:00"')
    assert bar.opens(at("2026-11-28 01:59")) == at("2026-11-28 01:59")
    assert bar.opens(at("2026-11-28 02:00")) == at("2026-12-04 20:00")


def test_a_range_of_days_may_go_over_the_end_of_the_week() -> None:
    assert hours('sat-mon = "10:00-24:00"').opens(at("2026-11-24 00:00")) == at("2026-11-28 10:00")


def test_time_stands_still_while_it_is_closed() -> None:
    care = hours()
    assert care.after(at("2026-11-27 17:55"), 900.0) == at("2026-11-28 09:10")
    assert care.after(at("2026-11-28 15:00"), 2 * 3600.0) == at("2026-11-30 09:00")
    assert care.after(at("2026-11-24 09:00"), 900.0) == at("2026-11-24 09:15")


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23.0), ("2026-10-25", 25.0), ("2026-11-01", 24.0)])
def test_a_day_of_a_clock_change_has_its_own_length(day: str, length: float) -> None:
    always = hours('mon-sun = "00:00-24:00"')
    begin = at(f"{day} 00:00")
    assert always.after(begin, length * 3600.0) - begin == length * 3600.0
    night = hours('sun = "00:00-24:00"')
    assert night.after(begin, length * 3600.0) == begin + length * 3600.0
    assert night.after(begin, length * 3600.0 + 1.0) > begin + length * 3600.0 + 1.0


def test_who_is_never_open_again() -> None:
    assert hours('sun = "10:00-11:00"').after(at("2026-11-24 00:00"), 1e9) == inf
    everything = ", ".join(
        f'"20{year}-{month:02}-{d:02}"' for year in (26, 27, 28) for month in range(1, 13) for d in range(1, 29)
    )
    assert hours(f'mon = "10:00-11:00"\nclosed = [{everything}]').opens(at("2026-01-01 00:00")) > at("2026-01-28 00:00")


def test_hours_are_a_table() -> None:
    assert "must be a table of weekdays" in problems(BRAND + 'hours = "08:00-18:00"\n')[0]


QUEUE = """\
timezone = "Europe/London"
[brand.acme.hours]
mon-fri = "08:00-18:00"
[queue.care]
sla = { first = "15m", next = "90m", business_hours = true }
closed_reply = "after"
[[keyword]]
words = ["agent"]
reply = "wait"
escalate = true
[template.wait]
en = "wait {sla|a little}"
[template.after]
en = "We open {opens|soon}."
"""


def test_a_rules_file_tests_its_hours() -> None:
    tests = """\
[[test]]
say = ["agent", "hm"]
expect = ["wait", ""]
[[test]]
at = "2026-11-24 19:30"
say = ["hm", "hm?"]
expect = ["after", ""]
"""
    assert compiled(BRAND + QUEUE + tests).version
    assert "is no date and time" in "".join(problems(BRAND + QUEUE + tests.replace("19:30", "19h")))


def test_a_brand_that_is_never_open_is_tested_all_the_same() -> None:
    closed = "\n".join(('mon = "10:00-11:00"', 'closed = ["2001-09-10"]'))
    rules: Ruleset = compiled(BRAND + f"[brand.acme.hours]\n{closed}\n[[test]]\nsay = ['hm']\nexpect = ['escalated']\n")
    assert rules.numbers["60606"].hours is not None
