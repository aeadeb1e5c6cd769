"""Turns: what becomes of replies; answers, time-outs, late answers, receipts in any order, withdrawn claims."""

from __future__ import annotations

from itertools import permutations

import pytest

from bridge.config import LimitsConfig, MessageIdConfig
from bridge.events import CapacityChanged
from bridge.store import StoreFull
from smppcore import constants as c
from smppcore.errors import LocalProtocolError
from smppcore.events import Outcome
from smppcore.pdu import GenericNack, SubmitSM
from smppcore.receipt import receipt_tlvs
from tests.pipeline import (
    START,
    Bridge,
    accepted,
    check,
    cut_off,
    in_doubt,
    link,
    receipt,
    refused,
    retry,
    run_dry,
    text,
    timed_out,
)

LONG = "echo " + "x" * 400  # three parts


def sent(bridge: Bridge, body: str = "hours") -> SubmitSM:
    """Have one reply leave and return its submit_sm."""
    bridge.deliver(text(body))
    (pdu,) = bridge.submits()
    return pdu


def wait_and_turn(bridge: Bridge) -> None:
    """Let the clock run to the next thing that is due."""
    due = bridge.engine.next_due(bridge.now)
    assert due < float("inf")
    bridge.now = max(due, bridge.now)
    bridge.turn()


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


# -- in doubt (invariant 8)


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


# -- long replies


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


# -- receipts (invariant 7)


@pytest.mark.parametrize("order", [*permutations(("response", "enroute", "delivered", "again"))])
def test_response_and_receipts_may_come_in_any_order(order: tuple[str, ...]) -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    for event in order:
        if event == "response":
            bridge.turn(bridge.answers(accepted(pdu, b"77")))
        else:
            bridge.deliver(receipt(b"77", c.STATE_ENROUTE if event == "enroute" else c.STATE_DELIVERED))
        check(bridge)
    assert bridge.mt().state == "delivered"
    assert bridge.count("mt.delivered") == 1
    assert not bridge.memory.parked
    assert bridge.wire.statuses() == [0] * 4


def test_a_receipt_in_the_read_of_its_response_finds_it() -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    bridge.turn(bridge.arrivals(receipt(b"77")), bridge.answers(accepted(pdu, b"77")))
    assert bridge.mt().state == "delivered"
    assert bridge.count("receipt.parked") == 0
    check(bridge)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (c.STATE_DELIVERED, "delivered"),
        (c.STATE_EXPIRED, "expired"),
        (c.STATE_DELETED, "deleted"),
        (c.STATE_UNDELIVERABLE, "undeliverable"),
        (c.STATE_REJECTED, "rejected"),
        (c.STATE_ACCEPTED, "accepted"),
        (c.STATE_UNKNOWN, "accepted"),
    ],
)
def test_a_receipt_brings_the_state_it_reports(state: int, outcome: str) -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(accepted(sent(bridge), b"77")))
    bridge.deliver(receipt(b"77", state, error="012"))
    assert bridge.mt().state == outcome
    assert (bridge.mt().error == "012") == (outcome not in {"delivered", "accepted"})
    check(bridge)


def test_the_first_final_receipt_stays() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(accepted(sent(bridge), b"77")))
    bridge.deliver(receipt(b"77", c.STATE_UNDELIVERABLE))
    bridge.deliver(receipt(b"77", c.STATE_DELIVERED))
    assert bridge.mt().state == "undeliverable"


def test_an_intermediate_notification_closes_nothing() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(accepted(sent(bridge), b"77")))
    pdu = receipt(b"77", c.STATE_UNDELIVERABLE)
    pdu.esm_class = 0x20
    bridge.deliver(pdu)
    assert bridge.mt().state == "accepted"
    bridge.deliver(receipt(b"77"))
    assert bridge.mt().state == "delivered"


def test_what_only_looks_like_a_receipt_is_a_text() -> None:
    bridge = Bridge()
    pdu = receipt(b"77")
    pdu.esm_class = 0
    bridge.deliver(pdu)
    assert len(bridge.mos()) == 1


@pytest.mark.parametrize(
    ("kinds", "response", "in_receipt"),
    [
        (("text", "text"), b"0A", b"0A"),
        (("hex", "decimal"), b"1A2B", b"6699"),
        (("hex", "decimal"), b"00001a2b", b"0000006699"),
        (("decimal", "hex"), b"6699", b"1A2B"),
        (("decimal", "decimal"), b"77", b"0000000077"),
        (("hex", "hex"), b"ab", b"00AB"),
    ],
)
def test_ids_are_compared_as_the_link_says(kinds: tuple[str, str], response: bytes, in_receipt: bytes) -> None:
    bridge = Bridge(link(message_id=MessageIdConfig(*kinds)))  # type: ignore[arg-type]
    bridge.turn(bridge.answers(accepted(sent(bridge), response)))
    bridge.deliver(receipt(in_receipt))
    assert bridge.mt().state == "delivered"


@pytest.mark.parametrize("in_receipt", [b"0a", b"000A", b"10"])
def test_ids_are_opaque_text_unless_the_link_says_otherwise(in_receipt: bytes) -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(accepted(sent(bridge), b"0A")))
    bridge.deliver(receipt(in_receipt))
    assert bridge.mt().state == "accepted"
    assert len(bridge.memory.parked) == 1


def test_receipts_are_matched_within_the_carrier_whichever_bind_they_come_on() -> None:
    bridge = Bridge(link("a", group="g"), link("b", group="g"), link("c"))
    bridge.turn(bridge.answers(accepted(sent(bridge), b"77")))
    bridge.deliver(receipt(b"77", c.STATE_REJECTED), name="c")
    assert bridge.mt().state == "accepted"
    bridge.deliver(receipt(b"77"), name="b")
    assert bridge.mt().state == "delivered"
    assert bridge.memory.counter[int(START) // 3600, "a", "mt.delivered"] == 1


def test_a_receipt_for_a_message_of_long_ago_is_found_in_the_store() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(accepted(sent(bridge), b"77")))
    bridge.begin()
    bridge.deliver(receipt(b"77"), receipt(b"77", c.STATE_ENROUTE))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_a_receipt_without_an_id_is_acknowledged_and_counted() -> None:
    bridge = Bridge()
    bridge.deliver(text("garbage", esm_class=4))
    assert bridge.wire.statuses() == [0]
    assert bridge.count("receipt.unreadable") == 1
    assert not bridge.memory.parked


def test_a_waiting_receipt_is_not_given_up_when_it_comes_once_more() -> None:
    bridge = Bridge()
    bridge.deliver(receipt(b"77", c.STATE_ENROUTE))
    bridge.now += 3700
    bridge.deliver(receipt(b"77"))
    assert bridge.memory.parked["a", "77"].state == c.STATE_DELIVERED


def test_a_message_id_of_any_length_and_octets_is_kept() -> None:
    bridge = Bridge()
    pdu = receipt(b"1")
    pdu.tlvs = ((c.TAG_RECEIPTED_MESSAGE_ID, b"\xff" * 600), *receipt_tlvs("", c.STATE_DELIVERED)[1:])
    bridge.deliver(pdu)
    assert len(bridge.memory.parked) == 1


def test_a_receipt_that_came_during_a_kill_settles_a_message_in_doubt_that_is_sent_again() -> None:
    bridge = Bridge()
    sent(bridge)
    bridge.begin()
    assert run_dry(bridge, 5) == [b"8-18"]
    bridge.deliver(receipt(b"%010d" % 5))
    assert (bridge.mt().state, bridge.mt().in_doubt, bridge.mt().attempts) == ("delivered", True, 2)
    check(bridge)
