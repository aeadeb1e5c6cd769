"""Turns: answers and receipts in every order, every combination of parts, and receipts that fit nothing."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import pytest

from bridge.config import MessageIdConfig
from bridge.records import FINAL_STATES
from smppcore import constants as c
from smppcore.pdu import DataSM, DeliverSM, decode
from smppcore.receipt import STATE_OUTCOME, receipt_tlvs
from tests.pipeline import (
    Bridge,
    accepted,
    check,
    cut_off,
    in_doubt,
    link,
    receipt,
    refused,
    rules,
    text,
    timed_out,
)

if TYPE_CHECKING:
    from smppcore.events import Outcome

RULES = rules()
TWO = "echo " + "x" * 200
THREE = "echo " + "x" * 400


# -- every order


FINALS = {"delivered": c.STATE_DELIVERED, "delivered again": c.STATE_DELIVERED, "expired": c.STATE_EXPIRED}


@pytest.mark.parametrize("policy", ["resend", "hold"])
@pytest.mark.parametrize("before", ["nothing", "time-out", "link lost"])
def test_one_message_comes_to_the_end_that_its_first_final_receipt_says(before: str, policy: str) -> None:
    """In every order of response, receipts and duplicates. After a time-out the response is late. After a lost link it
    is that to the second attempt, if there is one; the receipts of the first attempt then fit nothing."""
    resent = before == "link lost" and policy == "resend"
    for order in permutations(("response", "enroute", *FINALS)):
        bridge = Bridge(link(in_doubt=in_doubt(policy)), ruleset=RULES)
        (pdu,) = bridge.send("hours")
        if before == "time-out":
            bridge.turn(bridge.answers(timed_out(pdu)))
        elif before == "link lost":
            bridge.turn(bridge.answers(cut_off(pdu)), *bridge.lose_session())
            bridge.turn(*bridge.rebind())
            bridge.deliver(receipt(b"first-attempt"))
        again = bridge.submits()
        assert len(again) == resent
        for event in order:
            if event != "response":
                bridge.deliver(receipt(b"77", FINALS.get(event, c.STATE_ENROUTE)))
            elif before != "link lost":
                bridge.turn(bridge.answers(accepted(pdu, b"77", late=before == "time-out")))
            elif resent:
                bridge.turn(bridge.answers(accepted(again[0], b"77")))
            check(bridge)
        first = next(event for event in order if event in FINALS)
        if before == "link lost" and not resent:
            assert (bridge.mt().state, bridge.mt().in_doubt) == ("sent", True)
            assert {key[1] for key in bridge.memory.parked} == {"77", "first-attempt"}
        else:
            assert bridge.mt().state == STATE_OUTCOME[FINALS[first]], order
            assert {key[1] for key in bridge.memory.parked} == ({"first-attempt"} if resent else set())
        bridge.now += 60
        bridge.turn()
        assert bridge.submits() == []


STEPS = ("a: response", "b: response", "a: enroute", "a: delivered", "b: delivered", "a: again")


@pytest.mark.parametrize("last", [c.STATE_DELIVERED, c.STATE_UNDELIVERABLE])
def test_two_parts_come_to_the_same_end_in_every_order(last: int) -> None:
    outcome = STATE_OUTCOME[last]
    for order in permutations(STEPS):
        bridge = Bridge(ruleset=RULES)
        parts = dict(zip("ab", bridge.send(TWO), strict=True))
        for step in order:
            which, what = step.split(": ")
            if what == "response":
                bridge.turn(bridge.answers(accepted(parts[which], which.encode())))
            else:
                final = last if which == "b" else c.STATE_DELIVERED
                bridge.deliver(receipt(which.encode(), c.STATE_ENROUTE if what == "enroute" else final))
        assert bridge.mt().state == outcome, order
        assert bridge.count(f"mt.{outcome}") == 1
        assert not bridge.memory.parked
        check(bridge)


PART_ENDS = ("delivered", "undeliverable", "throttled", "in doubt", "lost")


@pytest.mark.parametrize("policy", ["resend", "hold", "fail"])
def test_three_parts_with_all_that_can_befall_them(policy: str) -> None:
    """Each is accepted and reported, refused for now, or left without an answer; what is sent again is delivered."""
    for ends in product(PART_ENDS, repeat=3):
        bridge = Bridge(link(in_doubt=in_doubt(policy)), ruleset=RULES)
        pdus = bridge.send(THREE)
        outcomes: list[Outcome] = []
        for n, (pdu, end) in enumerate(zip(pdus, ends, strict=True)):
            if end in {"delivered", "undeliverable"}:
                outcomes.append(accepted(pdu, b"%d" % n))
            elif end == "throttled":
                outcomes.append(refused(pdu, c.ESME_RTHROTTLED))
            else:
                outcomes.append(timed_out(pdu) if end == "in doubt" else cut_off(pdu))
        bridge.turn(bridge.answers(*outcomes))
        for n, end in enumerate(ends):
            if end in {"delivered", "undeliverable"}:
                state = c.STATE_DELIVERED if end == "delivered" else c.STATE_UNDELIVERABLE
                bridge.deliver(receipt(b"%d" % n, state))
        check(bridge)
        doubted = bool({"in doubt", "lost"} & set(ends))
        for _ in range(3):
            bridge.now += 60
            bridge.turn()
            again = bridge.submits()
            bridge.turn(bridge.answers(*(accepted(pdu, b"again%d" % pdu.short_message[5]) for pdu in again)))
            for pdu in again:
                bridge.deliver(receipt(b"again%d" % pdu.short_message[5]))
        check(bridge)
        mt = bridge.mt()
        if doubted and policy == "fail":
            assert mt.state == "failed", ends
        elif "undeliverable" in ends:
            assert mt.state == "undeliverable", ends
        elif doubted and policy == "hold":
            assert (mt.state, mt.in_doubt) == ("sent", True), ends
        else:
            assert mt.state == "delivered", ends
        assert mt.in_doubt == doubted


@pytest.mark.parametrize("accepted_is_final", [False, True])
def test_the_truth_table_of_three_parts(*, accepted_is_final: bool) -> None:
    """Every combination of what three parts can be reported as: delivered only if all are, else the first failure."""
    states = (c.STATE_DELIVERED, c.STATE_UNDELIVERABLE, c.STATE_EXPIRED, c.STATE_ENROUTE, c.STATE_ACCEPTED, None)
    open_states = {c.STATE_ENROUTE, None} | (set() if accepted_is_final else {c.STATE_ACCEPTED})
    for reported in product(states, repeat=3):
        bridge = Bridge(link(accepted_is_final=accepted_is_final), ruleset=RULES)
        pdus = bridge.send(THREE)
        bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(pdus))))
        bridge.deliver(*(receipt(b"%d" % n, state) for n, state in enumerate(reported) if state is not None))
        mt = bridge.mt()
        failed = [STATE_OUTCOME[s] for s in reported if s in {c.STATE_UNDELIVERABLE, c.STATE_EXPIRED}]
        if failed:
            assert mt.state == failed[0], reported
        elif any(state in open_states for state in reported):
            assert (mt.state, mt.done) == ("accepted", 0.0), reported
        else:
            assert mt.state == ("accepted" if c.STATE_ACCEPTED in reported else "delivered"), reported
            assert mt.done
        assert bool(mt.done) == (mt.state in FINAL_STATES or mt.done > 0)


# -- accepted


def test_where_accepted_is_final_the_first_final_receipt_stays() -> None:
    bridge = Bridge(link(accepted_is_final=True), ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    bridge.deliver(receipt(b"77", c.STATE_ACCEPTED))
    bridge.deliver(receipt(b"77", c.STATE_UNDELIVERABLE))
    assert (bridge.mt().state, bridge.mt().done) == ("accepted", bridge.now)


def test_there_it_ends_the_waiting_of_a_message_in_doubt_too() -> None:
    bridge = Bridge(link(accepted_is_final=True), ruleset=RULES)
    pdus = bridge.send(TWO)
    bridge.turn(bridge.answers(accepted(pdus[0], b"0"), timed_out(pdus[1])))
    bridge.turn(bridge.answers(accepted(pdus[1], b"1", late=True)))
    bridge.deliver(receipt(b"0", c.STATE_ACCEPTED), receipt(b"1", c.STATE_ACCEPTED))
    assert bridge.mt().state == "accepted"
    bridge.now += 60
    bridge.turn()
    assert bridge.submits() == []
    check(bridge)


# -- states that nobody defined


def test_a_state_of_the_carriers_own_is_kept_as_it_came() -> None:
    bridge = Bridge(ruleset=RULES)
    pdus = bridge.send(TWO)
    bridge.turn(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(pdus))))
    own = text(b"id:0 stat:DND_REJECTED err:9", esm_class=4)
    reserved = text(b"", esm_class=4)
    reserved.tlvs = (*receipt_tlvs("1", 2)[:1], (c.TAG_MESSAGE_STATE, b"\x2a"))
    bridge.deliver(own, reserved)
    assert list(bridge.mt().receipts) == ["DND_REJECTED", "0x2A"]
    assert bridge.mt().state == "accepted"
    bridge.deliver(receipt(b"0"), receipt(b"1"))
    assert bridge.mt().state == "delivered"


def test_a_very_long_word_is_kept_by_its_beginning() -> None:
    bridge = Bridge(ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    bridge.deliver(text(b"id:77 stat:" + b"X" * 200, esm_class=4))
    assert list(bridge.mt().receipts) == ["X" * 20]


# -- TLVs against the text


def test_tlvs_that_disagree_with_the_text_count_and_are_said_once() -> None:
    bridge = Bridge(ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    wrong = receipt(b"76", c.STATE_DELIVERED)
    wrong.tlvs = receipt_tlvs("77", c.STATE_EXPIRED)
    effects = bridge.deliver(wrong)
    assert bridge.mt().state == "expired"
    assert effects.incidents == ["link a: TLVs and text of a receipt disagree; the TLVs count"]
    assert bridge.deliver(wrong).incidents == []
    assert bridge.count("receipt.conflict") == 2


# -- other ways of sending them


def test_a_receipt_in_a_data_sm_counts_as_one_in_a_deliver_sm() -> None:
    bridge = Bridge(ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    bridge.deliver(DataSM(esm_class=4, tlvs=receipt_tlvs("77", c.STATE_DELIVERED), sequence_number=9))
    assert bridge.mt().state == "delivered"
    response = bridge.wire.responses[-1]
    assert (response.command_id, response.command_status, response.sequence_number) == (c.DATA_SM_RESP, 0, 9)


@pytest.mark.parametrize("dlr_in_mo", [False, True])
def test_a_receipt_sent_as_a_text_is_one_where_the_link_says_so(*, dlr_in_mo: bool) -> None:
    bridge = Bridge(link(dlr_in_mo=dlr_in_mo), ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    as_text = receipt(b"77")
    as_text.esm_class = 0
    bridge.deliver(as_text, text("parcel id:7 failed", source=b"9"))
    assert bridge.mts()[0].state == ("delivered" if dlr_in_mo else "accepted")
    assert len(bridge.mos()) == (2 if dlr_in_mo else 3)
    check(bridge)


def test_an_acknowledgement_of_the_subscriber_is_a_text_even_there() -> None:
    bridge = Bridge(link(dlr_in_mo=True), ruleset=RULES)
    for esm_class in (0x08, 0x10):
        acknowledgement = receipt(b"77")
        acknowledgement.esm_class = esm_class
        bridge.deliver(acknowledgement)
    assert len(bridge.mos()) == 2


def test_a_uuid_whose_case_the_carrier_changes_is_one_id_where_the_link_says_so() -> None:
    bridge = Bridge(link(message_id=MessageIdConfig("caseless", "caseless")), ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"74e02ee1-4e2f-4a6e-a78b-4b247d756a22")))
    bridge.deliver(receipt(b"74E02EE1-4E2F-4A6E-A78B-4B247D756A22"))
    assert bridge.mt().state == "delivered"


# -- what fits nothing


def test_one_with_an_address_that_is_too_long_is_kept_without_it() -> None:
    bridge = Bridge(ruleset=RULES)
    pdu = receipt(b"77")
    pdu.source_addr = b"1" * 30
    bridge.deliver(pdu)
    kept = decode(bridge.memory.parked["a", "77"].pdu)
    assert isinstance(kept, DeliverSM)
    assert (kept.source_addr, kept.short_message) == (b"", pdu.short_message)


def test_what_cannot_be_read_is_answered_counted_and_kept_whole() -> None:
    bridge = Bridge(ruleset=RULES)
    pdu = text(b"\xff\x00 no receipt at all", esm_class=4)
    bridge.deliver(pdu)
    assert bridge.wire.statuses() == [0]
    assert bridge.count("receipt.unreadable") == 1
    (kept,) = bridge.memory.unmatched
    assert (kept.message_id, kept.link, kept.received) == ("", "a", bridge.now)
    assert decode(kept.pdu) == pdu
