"""Turns: replies of several parts."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from tests.pipeline import (
    Bridge,
    accepted,
    check,
    receipt,
    refused,
    run_dry,
    text,
    timed_out,
)
from tests.replies import LONG, wait_and_turn


def test_the_parts_of_a_long_reply_say_which_they_are() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    pdus = bridge.submits()
    assert [pdu.short_message[:6] for pdu in pdus] == [bytes((5, 0, 3, 2, 3, n)) for n in (1, 2, 3)]
    assert b"".join(pdu.short_message[6:] for pdu in pdus) == b"x" * 400
    assert {pdu.esm_class for pdu in pdus} == {0x40}
    bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(pdus))))
    assert list(bridge.mt().message_ids) == ["0", "1", "2"]
    check(bridge)


def test_only_the_part_that_was_throttled_is_sent_again() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1"), refused(two, c.ESME_RTHROTTLED), accepted(three, b"3")))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("sent", ["1", None, "3"])
    wait_and_turn(bridge)
    (again,) = bridge.submits()
    assert again.short_message == two.short_message
    bridge.turn(bridge.answers(accepted(again, b"2")))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("accepted", ["1", "2", "3"])
    check(bridge)


def test_a_long_reply_has_failed_when_one_part_has() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1"), refused(two, c.ESME_RINVDSTADR), accepted(three, b"3")))
    assert (bridge.mt().state, bridge.mt().error) == ("failed", "ESME_RINVDSTADR")
    check(bridge)


def test_a_long_reply_is_delivered_when_all_its_parts_are() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(bridge.submits()))))
    bridge.deliver(receipt(b"0"), receipt(b"2"))
    assert bridge.mt().state == "accepted"
    bridge.deliver(receipt(b"1"))
    assert (bridge.mt().state, list(bridge.mt().receipts)) == ("delivered", [2, 2, 2])
    check(bridge)


def test_a_long_reply_wider_than_the_window_goes_when_nothing_else_is_in_the_air() -> None:
    bridge = Bridge(capacity=2)
    bridge.deliver(text("echo 1", source=b"2"), text(LONG))
    (small,) = bridge.submits()
    assert bridge.submits() == []
    bridge.turn(bridge.answers(accepted(small, b"1")))
    assert len(bridge.submits()) == 3
    check(bridge)


@pytest.mark.parametrize("answer", ["accepted", "throttled", "in doubt"])
def test_a_part_that_finally_fails_while_another_is_in_the_air_decides(answer: str) -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1"), accepted(two, b"2")))
    bridge.deliver(receipt(b"1", c.STATE_UNDELIVERABLE, error="042"))
    assert bridge.mt().state == "sent"
    check(bridge)
    last = {
        "accepted": accepted(three, b"3"),
        "throttled": refused(three, c.ESME_RTHROTTLED),
        "in doubt": timed_out(three),
    }[answer]
    bridge.turn(bridge.answers(last))
    assert bridge.mt().state == "undeliverable"
    check(bridge)
    bridge.now += 60
    bridge.turn()
    assert bridge.submits() == []
    bridge.begin()
    assert bridge.submits() == []
    check(bridge)


def test_a_part_that_finally_fails_while_another_waits_ends_the_waiting() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1"), accepted(two, b"2"), refused(three, c.ESME_RTHROTTLED)))
    bridge.deliver(receipt(b"1", c.STATE_UNDELIVERABLE, error="042"), text("echo next"))
    assert (bridge.mts()[0].state, bridge.mts()[0].error) == ("undeliverable", "042")
    check(bridge)
    bridge.now += 60
    bridge.turn()
    assert run_dry(bridge) == [b"next"]
    assert bridge.engine.outbox.links["a"].loaded == 0
    check(bridge)
