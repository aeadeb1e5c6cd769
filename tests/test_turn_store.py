"""Turns: a commit that fails, and a store that is nearly full (invariant 14)."""

from __future__ import annotations

import pytest

from bridge.events import CapacityChanged
from bridge.store import StoreFull
from smppcore import constants as c
from tests.pipeline import (
    Bridge,
    accepted,
    check,
    link,
    part,
    receipt,
    refused,
    run_dry,
    text,
    timed_out,
)

# -- a commit that fails


def test_a_failed_commit_takes_nothing_in_and_the_text_may_come_again() -> None:
    bridge = Bridge()
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.deliver(text("hours"))
    assert bridge.wire.responses == []
    assert not bridge.mos()
    bridge.deliver(text("hours"))
    assert (bridge.mo().id, bridge.mo().redelivered) == (1, 0)
    assert run_dry(bridge) == [b"8-18"]
    check(bridge)


def test_outcomes_of_a_failed_commit_are_applied_once_when_given_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"), text("echo 3", source=b"3"))
    first, second, third = bridge.submits()
    outcomes = bridge.answers(accepted(first, b"1"), refused(second, c.ESME_RINVDSTADR), timed_out(third))
    bridge.memory.failures += [StoreFull("no room")] * 2
    for _ in range(2):
        with pytest.raises(StoreFull):
            bridge.turn(outcomes)
    bridge.turn(outcomes)
    assert [mt.state for mt in bridge.mts()] == ["accepted", "failed", "sent"]
    assert [mt.attempts for mt in bridge.mts()] == [1, 1, 1]
    assert bridge.count("submit.no_response") == bridge.count("mt.failed") == 1
    check(bridge)


def test_outcomes_of_parts_survive_a_failed_commit_between_them() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo " + "x" * 400))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1")))
    bridge.memory.failures.append(StoreFull("no room"))
    outcomes = bridge.answers(accepted(two, b"2"))
    with pytest.raises(StoreFull):
        bridge.turn(outcomes)
    bridge.turn(outcomes, bridge.answers(accepted(three, b"3")))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("accepted", ["1", "2", "3"])
    check(bridge)


def test_replies_decided_after_a_failed_commit_leave() -> None:
    bridge = Bridge()
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.deliver(text("echo 0"))
    bridge.deliver(text("echo 1"), text("echo 2"))
    assert run_dry(bridge) == [b"1", b"2"]
    check(bridge)


def test_what_was_absorbed_by_a_failed_turn_is_absorbed_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1


def test_a_retry_that_was_due_in_a_failed_turn_is_tried_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    bridge.now = bridge.engine.next_due(bridge.now)
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.turn()
    assert bridge.engine.next_due(bridge.now) == bridge.now + 1
    bridge.turn()
    assert run_dry(bridge) == [b"8-18"]


def test_a_part_of_a_failed_turn_is_taken_when_it_comes_again() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.deliver(part(2, 2, b"b"))
    bridge.deliver(part(2, 2, b"b"))
    assert run_dry(bridge) == [b"ab"]
    check(bridge)


# -- a store that is nearly full (invariant 14)


def test_from_95_percent_on_texts_are_refused_and_the_rest_is_settled() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"))
    (pdu,) = bridge.submits()
    bridge.memory.share = 0.95
    bridge.wire.statuses()
    effects = bridge.turn(bridge.answers(accepted(pdu, b"1")), bridge.arrivals(receipt(b"1"), text("echo 2")))
    assert effects.full
    assert bridge.wire.statuses() == [c.ESME_ROK, c.ESME_RX_T_APPN]
    assert bridge.mt().state == "delivered"
    assert len(bridge.mos()) == 1
    bridge.memory.share = 0.94
    bridge.deliver(text("echo 2"))
    assert run_dry(bridge) == [b"2"]
    check(bridge)


def test_on_a_full_store_nothing_waiting_is_claimed_and_no_turn_is_made_for_it() -> None:
    bridge = Bridge(link(rate=10.0), capacity=0)
    bridge.deliver(*(text("hours", source=b"%d" % n) for n in range(5)))
    bridge.memory.share = 0.99
    bridge.turn(CapacityChanged("a", 50))
    assert bridge.submits() == []
    bridge.now += 1
    assert bridge.engine.next_due(bridge.now) > bridge.now
    bridge.memory.share = 0.5
    bridge.turn()
    assert len(bridge.submits()) == 1


def test_a_text_that_comes_again_is_acknowledged_even_on_a_full_store() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.wire.statuses()
    bridge.memory.share = 0.99
    bridge.deliver(text("hours"))
    assert bridge.wire.statuses() == [0]
    assert bridge.mo().redelivered == 1
