"""What may leave at the moment of sending."""

from __future__ import annotations

import pytest

from bridge.dispatch import may_send
from bridge.records import Conversation, Mt


def message(*, control: bool = False) -> Mt:
    return Mt(2, 1, 1, "carrier-a", "12025550101", "60606", "acme", "hello", "hours", "1", 1000.0, control)


OPTED_OUT = Conversation("12025550101", "acme", opted_out=900.0)


@pytest.mark.parametrize("contact", [None, Conversation("12025550101", "acme")])
def test_a_young_message_to_a_willing_contact_leaves(contact: Conversation | None) -> None:
    assert may_send(message(), contact, max_age=60.0, now=1060.0) is None


def test_a_message_to_somebody_who_opted_out_is_suppressed() -> None:
    assert may_send(message(), OPTED_OUT, max_age=60.0, now=1000.0) == ("suppressed", "opted_out")


def test_the_answer_to_stop_leaves_all_the_same() -> None:
    assert may_send(message(control=True), OPTED_OUT, max_age=60.0, now=1000.0) is None


@pytest.mark.parametrize("control", [False, True])
def test_a_message_older_than_its_use_fails(control: bool) -> None:
    assert may_send(message(control=control), None, max_age=60.0, now=1060.1) == ("failed", "too_old")


def test_suppression_comes_before_age() -> None:
    assert may_send(message(), OPTED_OUT, max_age=60.0, now=9999.0) == ("suppressed", "opted_out")
