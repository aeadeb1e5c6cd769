"""What may leave at the moment of sending."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.dispatch import WAIT, may_send
from bridge.records import Conversation, Mt, Topics
from bridge.rules.quiet import Cap, QuietTable, Restraint


def message(*, control: bool = False) -> Mt:
    return Mt(2, 1, 1, "carrier-a", "12025550101", "60606", "acme", "hello", "hours", "1", 1000.0, control)


OPTED_OUT = Conversation("12025550101", "acme", opted_out=900.0)


@pytest.mark.parametrize("contact", [None, Conversation("12025550101", "acme")])
def test_a_young_message_to_a_willing_contact_leaves(contact: Conversation | None) -> None:
    assert may_send(message(), contact, max_age=60.0, now=1060.0) is None


def test_a_message_to_somebody_who_opted_out_is_suppressed() -> None:
    assert may_send(message(), OPTED_OUT, max_age=60.0, now=1000.0) == ("suppressed", "opted_out", 0.0)


def test_the_answer_to_stop_leaves_all_the_same() -> None:
    assert may_send(message(control=True), OPTED_OUT, max_age=60.0, now=1000.0) is None


@pytest.mark.parametrize("control", [False, True])
def test_a_message_older_than_its_use_fails(control: bool) -> None:
    assert may_send(message(control=control), None, max_age=60.0, now=1060.1) == ("failed", "too_old", 0.0)


def test_suppression_comes_before_age() -> None:
    assert may_send(message(), OPTED_OUT, max_age=60.0, now=9999.0) == ("suppressed", "opted_out", 0.0)


# ---------------------------------------------------------------- messages that we start

NIGHT = 1_795_557_600.0  # 2026-11-24 22:00 UTC
MORNING = NIGHT + 10 * 3600
LONDON = "447700900123"


def started(**changed: object) -> Mt:
    mt = Mt(2, 0, 1, "carrier-a", LONDON, "60606", "acme", "hello", "news", "1", NIGHT)
    return replace(mt, **changed)


def test_an_answer_knows_no_quiet_hours() -> None:
    answer = started(mo=1)
    assert may_send(answer, None, 60.0, NIGHT, Restraint()) is None
    assert may_send(started(control=True), None, 60.0, NIGHT, Restraint()) is None
    assert may_send(started(), None, 60.0, NIGHT) is None


def test_a_quiet_hour_holds_or_drops_it() -> None:
    assert may_send(started(), None, 60.0, NIGHT, Restraint()) == (WAIT, "quiet_hours", MORNING)
    drop = Restraint(QuietTable(on_hit="drop"))
    assert may_send(started(), None, 60.0, NIGHT, drop) == ("suppressed", "quiet_hours", 0.0)
    assert may_send(started(created=MORNING), None, 60.0, MORNING, drop) is None


def test_it_waits_for_its_time_but_not_after_an_attempt() -> None:
    assert may_send(started(next_try=NIGHT + 5), None, 60.0, NIGHT) == (WAIT, "scheduled", NIGHT + 5)
    assert may_send(started(next_try=NIGHT + 5, attempts=1), None, 60.0, NIGHT) is None


def test_it_says_itself_how_long_it_is_of_use() -> None:
    assert may_send(started(expires=NIGHT + 900), None, 60.0, NIGHT + 900) is None
    assert may_send(started(expires=NIGHT + 900), None, 60.0, NIGHT + 901) == ("failed", "too_old", 0.0)


def test_enough_of_a_topic_is_enough() -> None:
    capped = Restraint(QuietTable(window=None), Cap(1))
    contact = Conversation(LONDON, "acme", started_messages={"news": (NIGHT - 60,)})
    assert may_send(started(topic="news"), contact, 60.0, NIGHT, capped) == ("suppressed", "cap", 0.0)
    assert may_send(started(topic="bills"), contact, 60.0, NIGHT, capped) is None
    assert may_send(started(), contact, 60.0, NIGHT, capped) is None


def test_a_topic_that_is_stopped_alone_is_suppressed() -> None:
    contact = Conversation(LONDON, "acme", topics=Topics(stopped=("news",)))
    assert may_send(started(topic="news"), contact, 60.0, NIGHT) == ("suppressed", "opted_out", 0.0)
    assert may_send(started(topic="bills"), contact, 60.0, NIGHT) is None
    assert may_send(started(topic="news", mo=1), contact, 60.0, NIGHT) is None
