"""A start after the system's clock was set by an hour: nothing is lost, no storm."""

from __future__ import annotations

import pytest

from bridge.config import LimitsConfig
from bridge.events import CapacityChanged
from smppcore import constants as c
from tests.pipeline import START, Bridge, accepted, check, link, parts_of, receipt, refused, text

HOUR = 3600.0
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR])


def restarted(bridge: Bridge, jump: float) -> None:
    """Kill it, set the clock, start anew."""
    bridge.now += jump
    bridge.begin()
    check(bridge)


@JUMPS
def test_what_waits_is_sent_once_and_in_order(jump: float) -> None:
    bridge = Bridge(capacity=0)
    for n in range(5):
        bridge.now += 1.0
        bridge.deliver(text(f"echo {n}"))
    bridge.capacity = 50
    restarted(bridge, jump)
    sent = []
    for _ in range(5):
        (pdu,) = bridge.submits()
        sent.append(pdu.short_message)
        bridge.turn(bridge.answers(accepted(pdu, b"%d" % len(sent))))
    assert sent == [b"0", b"1", b"2", b"3", b"4"]
    assert bridge.submits() == []
    assert {mt.state for mt in bridge.mts()} == {"accepted"}
    check(bridge)


@JUMPS
def test_a_retry_comes_within_its_longest_wait_and_once(jump: float) -> None:
    bridge = Bridge()
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    restarted(bridge, jump)
    sent = len(bridge.submits())
    for _ in range(100):
        due = bridge.engine.next_due(bridge.now)
        if due > bridge.now + bridge.links[0].retry.max:
            break
        bridge.now = max(due, bridge.now)
        bridge.turn()
        sent += len(bridge.submits())
    assert sent == 1
    check(bridge)


@JUMPS
def test_what_was_in_the_air_is_sent_again_once(jump: float) -> None:
    bridge = Bridge()
    bridge.send("hours")
    restarted(bridge, jump)
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    assert bridge.submits() == []
    assert (bridge.mt().state, bridge.mt().attempts) == ("accepted", 2)


@JUMPS
def test_a_text_that_comes_again_is_answered_once(jump: float) -> None:
    bridge = Bridge()
    bridge.send("hours")
    restarted(bridge, jump)
    bridge.turn(*bridge.rebind())
    bridge.submits()
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    bridge.now += 400.0
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


@JUMPS
def test_a_receipt_finds_its_message_and_no_message_is_given_up_early(jump: float) -> None:
    bridge = Bridge(link(receipt_grace=2 * HOUR))
    (first,) = bridge.send("echo 1")
    bridge.deliver(text("echo 2", source=b"2"))
    (second,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(first, b"1"), accepted(second, b"2")))
    restarted(bridge, jump)
    bridge.turn()
    assert {mt.state for mt in bridge.mts()} == {"accepted"}
    bridge.deliver(receipt(b"1"))
    assert [mt.state for mt in bridge.mts()] == ["delivered", "accepted"]
    for _ in range(200):
        bridge.now += 120.0
        bridge.turn()
    assert [mt.state for mt in bridge.mts()] == ["delivered", "unknown"]
    check(bridge)


@JUMPS
def test_a_long_text_waits_for_its_parts_no_longer_than_it_should(jump: float) -> None:
    bridge = Bridge()
    first, *_ = parts_of("echo " + "long " * 60, 7, "udh8")
    bridge.deliver(first)
    restarted(bridge, jump)
    bridge.now += bridge.links[0].assemble_timeout + 1.0
    bridge.turn()
    assert bridge.mo().flags == ("partial",)
    assert bridge.mo().outcome == "replied"


@JUMPS
def test_a_customer_who_opted_out_stays_so_and_is_told_once(jump: float) -> None:
    bridge = Bridge()
    (stop,) = bridge.send("STOP")
    bridge.turn(bridge.answers(accepted(stop, b"1")))
    restarted(bridge, jump)
    bridge.deliver(text("hours"))
    assert bridge.submits() == []
    assert [mo.outcome for mo in bridge.mos()] == ["control", "suppressed"]


@JUMPS
def test_a_days_quota_goes_on_over_the_jump(jump: float) -> None:
    noon = START - START % 86400 + 43200
    bridge = Bridge(link(limits=LimitsConfig(per_day=2)), now=noon)
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"), text("echo 3", source=b"3"))
    sent = bridge.submits()
    bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(sent))))
    restarted(bridge, jump)
    assert (len(sent), bridge.submits()) == (2, [])


def test_capacity_that_comes_late_sends_what_an_hour_ahead_of_the_clock_was_queued() -> None:
    bridge = Bridge(capacity=0)
    bridge.deliver(text("hours"))
    restarted(bridge, -HOUR)
    bridge.turn(CapacityChanged("a", 1))
    assert bridge.reply_texts() == [b"8-18"]
