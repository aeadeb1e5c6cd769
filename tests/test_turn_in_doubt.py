"""Turns: messages without a response, and the late ones (invariant 8)."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from tests.pipeline import (
    Bridge,
    accepted,
    check,
    cut_off,
    in_doubt,
    link,
    receipt,
    refused,
    run_dry,
    text,
    timed_out,
)
from tests.replies import sent, wait_and_turn


@pytest.mark.parametrize(("end", "error"), [(timed_out, "no_response"), (cut_off, "link_lost")])
def test_a_reply_in_doubt_is_sent_again(end: object, error: str) -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(end(pdu)))  # type: ignore[operator]
    assert (bridge.mt().state, bridge.mt().in_doubt) == ("sent", True)
    assert bridge.count("submit." + error) == bridge.count("mt.in_doubt") == 1
    if error == "no_response":
        assert bridge.mt().error == error
        wait_and_turn(bridge)
    assert run_dry(bridge) == [b"8-18"]
    assert (bridge.mt().state, bridge.mt().in_doubt, bridge.mt().attempts) == ("accepted", True, 2)
    check(bridge)


@pytest.mark.parametrize(
    ("policy", "state", "error"), [("hold", "sent", "no_response"), ("fail", "failed", "in_doubt")]
)
def test_or_it_is_held_or_has_failed(policy: str, state: str, error: str) -> None:
    bridge = Bridge(link(in_doubt=in_doubt(policy)))
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)), bridge.arrivals(text("echo next")))
    first = bridge.mts()[0]
    assert (first.state, first.error, first.in_doubt) == (state, error, True)
    assert run_dry(bridge) == [b"next"]
    check(bridge)


@pytest.mark.parametrize(("policy", "state"), [("hold", "sent"), ("fail", "failed")])
def test_after_a_kill_too(policy: str, state: str) -> None:
    bridge = Bridge(link(in_doubt=in_doubt(policy)), capacity=1)
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"))
    bridge.turn(bridge.answers(accepted(bridge.submits()[0], b"1")))
    bridge.deliver(text("echo 3", source=b"3"))
    bridge.begin()
    assert [(mt.state, mt.in_doubt) for mt in bridge.mts()] == [("accepted", False), (state, True), ("sent", False)]
    assert run_dry(bridge, 2) == [b"3"]
    check(bridge)


def test_a_late_answer_settles_what_was_held() -> None:
    bridge = Bridge(link(in_doubt=in_doubt("hold")))
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)))
    bridge.turn(bridge.answers(accepted(pdu, b"9", late=True)))
    assert (bridge.mt().state, bridge.mt().in_doubt, list(bridge.mt().message_ids)) == ("accepted", False, ["9"])
    bridge.deliver(receipt(b"9"))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_a_late_answer_stops_the_resending() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)))
    bridge.turn(bridge.answers(accepted(pdu, b"9", late=True)))
    bridge.now += 60
    bridge.turn()
    assert run_dry(bridge) == []
    assert bridge.mt().state == "accepted"
    assert bridge.engine.outbox.links["a"].loaded == 0
    assert not bridge.memory.queue
    check(bridge)


def test_a_late_answer_during_the_resending_only_names_the_message() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)))
    wait_and_turn(bridge)
    (again,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"first", late=True)))
    assert bridge.mt().state == "sent"
    bridge.turn(bridge.answers(accepted(again, b"second")))
    assert list(bridge.mt().message_ids) == ["second"]
    bridge.deliver(receipt(b"first"))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_a_late_refusal_says_nothing() -> None:
    bridge = Bridge(link(in_doubt=in_doubt("hold")))
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)))
    late = refused(pdu, c.ESME_RSYSERR)
    late.late = True
    bridge.turn(bridge.answers(late))
    assert bridge.mt().in_doubt


def test_a_late_answer_settles_a_receipt_that_waited_for_it() -> None:
    bridge = Bridge(link(in_doubt=in_doubt("hold")))
    pdu = sent(bridge)
    bridge.turn(bridge.answers(timed_out(pdu)))
    bridge.deliver(receipt(b"9"))
    bridge.turn(bridge.answers(accepted(pdu, b"9", late=True)))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_late_answers_do_not_pile_up_in_memory() -> None:
    bridge = Bridge()
    for n in range(5):
        pdu = sent(bridge, f"echo {n}")
        bridge.turn(bridge.answers(timed_out(pdu)))
        bridge.turn(bridge.answers(accepted(pdu, b"%d" % n, late=True)))
    assert bridge.engine.outbox.links["a"].loaded == 0
