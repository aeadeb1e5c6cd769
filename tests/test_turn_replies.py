"""Turns: what becomes of replies: claims, answers, age, withdrawal, order."""

from __future__ import annotations

import pytest

from bridge.config import LimitsConfig
from bridge.events import CapacityChanged, Withdrawn
from bridge.store import StoreFull
from smppcore import constants as c
from smppcore.errors import LocalProtocolError
from smppcore.events import Outcome
from smppcore.pdu import GenericNack, SubmitSM
from tests.pipeline import (
    START,
    Bridge,
    accepted,
    check,
    cut_off,
    link,
    refused,
    retry,
    run_dry,
    text,
)
from tests.replies import LONG, sent, wait_and_turn

# -- claims (invariant 2)


def test_a_claim_is_in_the_commit_that_made_the_reply() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    assert bridge.mt().claim == START
    assert not bridge.memory.queue
    assert bridge.memory.position.settled_below == 1


def test_without_room_in_the_window_a_reply_is_queued_and_claimed_later() -> None:
    bridge = Bridge(capacity=1)
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"))
    assert [(mt.state, mt.claim) for mt in bridge.mts()] == [("sent", START), ("queued", 0.0)]
    assert bridge.memory.queue == {("a", 1, 4)}
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    assert [mt.state for mt in bridge.mts()] == ["accepted", "sent"]
    assert run_dry(bridge, 2) == [b"2"]
    assert not bridge.memory.queue
    check(bridge)


def test_a_reply_without_an_open_claim_need_not_be_looked_at_after_a_restart() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.deliver(text("hours"))
    assert bridge.memory.position.settled_below >= 2
    check(bridge)


def test_a_claim_without_an_outcome_is_in_doubt_after_a_kill_and_what_was_queued_is_not() -> None:
    bridge = Bridge(capacity=1)
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"))
    bridge.begin(bind=False)
    assert [(mt.in_doubt, mt.attempts, mt.claim) for mt in bridge.mts()] == [(True, 1, 0.0), (False, 0, 0.0)]
    bridge.capacity = 10
    bridge.turn(CapacityChanged("a", 10))
    assert sorted(run_dry(bridge)) == [b"1", b"2"]
    assert [(mt.state, mt.in_doubt, mt.attempts) for mt in bridge.mts()] == [
        ("accepted", True, 2),
        ("accepted", False, 1),
    ]
    check(bridge)


def test_a_claim_out_of_the_queue_is_in_doubt_after_a_kill() -> None:
    bridge = Bridge(capacity=0)
    bridge.deliver(text("echo 1"))
    bridge.turn(CapacityChanged("a", 1))
    assert bridge.mt().claim
    bridge.begin(bind=False)
    assert (bridge.mt().in_doubt, bridge.mt().claim) == (True, 0.0)
    check(bridge)


def test_a_claim_of_a_link_that_is_gone_waits_for_it() -> None:
    bridge = Bridge(link("a"), link("b"))
    bridge.deliver(text("hours"), name="b")
    both = bridge.links
    bridge.links = both[:1]
    bridge.begin()
    assert (bridge.mt().in_doubt, bridge.mt().claim) == (True, 0.0)
    bridge.links = both
    bridge.begin()
    assert [pdu.short_message for pdu in bridge.submits(name="b")] == [b"8-18"]


def test_what_one_turn_takes_back_and_claims_anew_needs_no_queue_and_is_in_doubt_after_a_kill() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"))
    bridge.deliver(text("echo 2", source=b"2"))
    first, second = list(bridge.engine.outbox.flights.values())
    bridge.turn(Withdrawn([first], suppressed=False))
    assert [bool(mt.claim) for mt in bridge.mts()] == [True, True]
    assert not bridge.memory.queue
    bridge.turn(Withdrawn([second], suppressed=False))
    bridge.deliver(text("echo 3", source=b"3"))
    assert list(bridge.engine.births) == [first.mt.id, second.mt.id, bridge.mts()[2].id]
    assert bridge.memory.position.settled_below == first.mt.id
    check(bridge)
    bridge.begin(bind=False)
    assert [(mt.in_doubt, mt.claim) for mt in bridge.mts()] == [(True, 0.0)] * 3


# -- answers


def test_an_accepted_reply_keeps_what_the_smsc_called_it() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.now += 2
    bridge.turn(bridge.answers(accepted(pdu, b"AB12")))
    mt = bridge.mt()
    assert (mt.state, list(mt.message_ids), mt.accepted, mt.claim, mt.error) == (
        "accepted",
        ["AB12"],
        START + 2,
        0.0,
        "",
    )
    assert bridge.memory.ids == {("a", "AB12"): (2, 0)}
    assert bridge.memory.log[bridge.engine.position.commit][1] == [("submit", 2, 0, 0, "AB12")]
    check(bridge)


def test_an_answer_without_an_id_accepts_and_says_so() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    effects = bridge.turn(bridge.answers(accepted(pdu, b"")))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("accepted", [""])
    assert effects.incidents == ["link a: accepts messages without a message_id; their receipts cannot be matched"]
    assert effects.tally["a", "submit.no_message_id"] == 1
    assert not bridge.memory.ids
    again = bridge.turn(bridge.answers(accepted(sent(bridge), b"")))
    assert (again.incidents, again.tally["a", "submit.no_message_id"]) == ([], 1)


@pytest.mark.parametrize("status", [c.ESME_RTHROTTLED, c.ESME_RMSGQFUL, c.ESME_RSYSERR, c.ESME_RX_T_APPN])
def test_after_a_temporary_error_a_reply_is_sent_again(status: int) -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(refused(sent(bridge), status)))
    mt = bridge.mt()
    assert (mt.state, mt.claim, mt.error) == ("sent", 0.0, c.status_name(status))
    assert bridge.submits() == []
    wait_and_turn(bridge)
    assert run_dry(bridge) == [b"8-18"]
    assert (bridge.mt().state, bridge.mt().attempts, bridge.mt().error) == ("accepted", 2, "")
    assert not bridge.memory.queue
    check(bridge)


def test_retries_come_later_each_time() -> None:
    bridge = Bridge(link(retry=retry(5.0, 12.0)))
    pdu = sent(bridge)
    waits = []
    for _ in range(4):
        bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
        waits.append(bridge.engine.next_due(bridge.now) - bridge.now)
        wait_and_turn(bridge)
        (pdu,) = bridge.submits()
    assert waits == [5.0, 10.0, 12.0, 12.0]


def test_what_was_throttled_is_soon_tried_again() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(refused(sent(bridge), c.ESME_RTHROTTLED)))
    assert bridge.engine.next_due(bridge.now) == bridge.now + 0.02


def test_a_retry_survives_a_kill_and_keeps_its_time() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(refused(sent(bridge), c.ESME_RSYSERR)))
    bridge.begin()
    assert bridge.submits() == []
    assert bridge.engine.next_due(bridge.now) == START + 5
    wait_and_turn(bridge)
    assert run_dry(bridge) == [b"8-18"]
    assert not bridge.mt().in_doubt
    check(bridge)


@pytest.mark.parametrize("status", [c.ESME_RINVDSTADR, c.ESME_RSUBMITFAIL, 0x400])
def test_after_any_other_error_a_reply_has_failed(status: int) -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.now += 1
    bridge.turn(bridge.answers(refused(pdu, status)))
    mt = bridge.mt()
    assert (mt.state, mt.error, mt.done) == ("failed", c.status_name(status), START + 1)
    assert bridge.count("submit." + c.status_name(status)) == 1
    assert run_dry(bridge) == []
    check(bridge)


def test_an_answer_of_another_type_is_no_acceptance() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(Outcome(pdu, GenericNack())))
    assert (bridge.mt().state, bridge.mt().error) == ("sent", "ESME_RSYSERR")
    check(bridge)


def test_what_cannot_be_encoded_has_failed_and_was_never_in_doubt() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.answers(Outcome(pdu, None, LocalProtocolError("too long"))))
    mt = bridge.mt()
    assert (mt.state, mt.error, mt.in_doubt) == ("failed", "not sendable: too long", False)
    check(bridge)


def test_a_request_of_somebody_else_is_left_alone() -> None:
    bridge = Bridge()
    commit = bridge.engine.position.commit
    bridge.turn(bridge.answers(Outcome(SubmitSM(), None, LocalProtocolError("x"))))
    assert bridge.engine.position.commit == commit + 1


# -- age (invariants 6 and 11)


def test_a_reply_too_old_to_send_has_failed() -> None:
    bridge = Bridge(capacity=0)
    bridge.deliver(text("hours"))
    bridge.now += 86401
    bridge.turn(CapacityChanged("a", 10))
    assert (bridge.mt().state, bridge.mt().error, bridge.mt().attempts) == ("failed", "too_old", 0)
    check(bridge)


def test_the_carriers_own_limit_of_age_counts_too() -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=60.0)), capacity=0)
    bridge.deliver(text("hours"))
    bridge.now += 61
    bridge.turn(CapacityChanged("a", 10))
    assert bridge.mt().error == "too_old"


def test_a_temporary_error_of_a_reply_too_old_to_try_again_is_its_end() -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=60.0)))
    pdu = sent(bridge)
    bridge.now += 61
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RTHROTTLED)))
    assert (bridge.mt().state, bridge.mt().error) == ("failed", "too_old")
    check(bridge)


# -- withdrawn claims


def test_claims_that_no_session_took_go_back_as_if_never_made() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session())
    mt = bridge.mt()
    assert (mt.state, mt.attempts, mt.claim, mt.in_doubt) == ("queued", 0, 0.0, False)
    check(bridge)
    bridge.turn(*bridge.rebind())
    assert run_dry(bridge) == [b"8-18"]
    assert bridge.mt().attempts == 1
    check(bridge)


def test_parts_that_did_not_leave_any_more_are_sent_later() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    (first,) = bridge.submits(room=1)
    events = bridge.lose_session()
    bridge.turn(bridge.answers(accepted(first, b"1")), *events)
    assert list(bridge.mt().message_ids) == ["1", None, None]
    bridge.turn(*bridge.rebind())
    wait_and_turn(bridge)
    second, third = bridge.submits()
    assert [pdu.short_message[5] for pdu in (second, third)] == [2, 3]
    bridge.turn(bridge.answers(accepted(second, b"2"), accepted(third, b"3")))
    assert (bridge.mt().state, bridge.mt().in_doubt) == ("accepted", False)
    check(bridge)


def test_the_rest_of_a_message_whose_first_part_is_in_doubt_goes_back_with_it() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    (first,) = bridge.submits(room=1)
    events = bridge.lose_session()
    bridge.turn(*events, bridge.answers(cut_off(first)))
    assert bridge.mt().in_doubt
    bridge.turn(*bridge.rebind())
    assert len(bridge.submits()) == 3
    check(bridge)


def test_a_half_sent_message_survives_a_lost_session_whose_commit_fails() -> None:
    bridge = Bridge()
    bridge.deliver(text(LONG))
    (first,) = bridge.submits(room=1)
    events = [bridge.answers(cut_off(first)), *bridge.lose_session()]
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.turn(*events)
    bridge.turn(*events)
    check(bridge)
    bridge.turn(*bridge.rebind())
    assert len(bridge.submits()) == 3
    assert bridge.mt().attempts == 2


# -- order (invariant 10)


def test_replies_to_one_person_wait_for_each_other_and_others_do_not() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"), text("echo 2"), text("echo other", source=b"2"))
    first, other = bridge.submits()
    assert (first.short_message, other.short_message) == (b"1", b"other")
    bridge.turn(bridge.answers(refused(first, c.ESME_RSYSERR), accepted(other, b"1")))
    assert bridge.submits() == []
    wait_and_turn(bridge)
    assert run_dry(bridge, 2) == [b"1", b"2"]
    check(bridge)


def test_control_replies_overtake_what_has_not_left() -> None:
    bridge = Bridge(capacity=1)
    bridge.deliver(text("echo busy", source=b"2"))
    bridge.deliver(text("echo 1"), text("echo 2"), text("HELP"))
    sent_texts = run_dry(bridge)
    assert sent_texts[0] == b"busy"
    assert sent_texts[1].startswith(b"Acme. Help")
    assert sent_texts[2:] == [b"1", b"2"]
    check(bridge)


def test_a_reply_that_a_control_reply_has_overtaken_is_claimed_once() -> None:
    bridge = Bridge(capacity=1)
    bridge.deliver(text("echo busy", source=b"2"))
    bridge.deliver(text("echo 1"), text("HELP"))
    (busy,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(busy, b"1")))
    (confirmation,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(confirmation, b"2")), CapacityChanged("a", 10))
    assert run_dry(bridge, 3) == [b"1"]
    assert [mt.attempts for mt in bridge.mts()] == [1, 1, 1]
    check(bridge)


def test_a_rate_spreads_replies() -> None:
    bridge = Bridge(link(rate=10.0))
    bridge.deliver(*(text(f"echo {n}", source=b"%d" % n) for n in range(4)))
    times: list[float] = []
    while len(times) < 4:
        pdus = bridge.submits()
        times += [bridge.now - START] * len(pdus)
        bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % len(times)) for pdu in pdus)))
        if len(times) < 4:
            wait_and_turn(bridge)
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3], abs=1e-5)
    check(bridge)


def test_a_long_reply_on_a_slow_rate_waits_without_turns_in_between() -> None:
    bridge = Bridge(link(rate=10.0))
    bridge.deliver(text(LONG, source=b"1"), text(LONG, source=b"2"))
    assert len(bridge.submits()) == 3
    bridge.now += 1
    bridge.turn()
    assert bridge.engine.next_due(bridge.now) > bridge.now
