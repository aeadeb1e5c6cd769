"""Turns: what arrives, what is decided, what comes again; the fate of replies is in test_turn_replies.py."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from bridge.events import CapacityChanged, LinkChanged
from bridge.outbox import PAGE
from bridge.rules import Decision, Inbound, Ruleset, decide
from bridge.store import LinkRow, StoreFull
from smppcore import constants as c
from smppcore.pdu import DataSM, DataSMResp, DeliverSMResp
from tests.pipeline import (
    CONTACT,
    NUMBER,
    START,
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

if TYPE_CHECKING:
    from bridge.records import Conversation

# -- taking in and deciding


def test_a_text_is_stored_answered_and_acknowledged_by_one_commit() -> None:
    bridge = Bridge()
    commit = bridge.engine.position.commit
    effects = bridge.deliver(text("Hours"))
    assert bridge.engine.position.commit == commit + 1
    mo, mt = bridge.mo(), bridge.mt()
    assert (mo.id, mo.source, mo.destination, mo.text, mo.link, mo.time) == (
        1,
        "15550001234",
        "60606",
        "Hours",
        "a",
        START,
    )
    assert (mo.outcome, mo.layer, mo.rule, mo.rules_version, mo.conversation) == (
        "replied",
        "keyword",
        "keyword.hours",
        "3",
        1,
    )
    assert (mt.id, mt.mo, mt.contact, mt.number, mt.text, mt.template) == (
        2,
        1,
        "15550001234",
        "60606",
        "8-18",
        "hours",
    )
    assert (mt.state, mt.claim, mt.attempts) == ("sent", START, 1)
    assert [flight.mt.id for flight in effects.flights] == [2]
    (response,) = bridge.wire.responses
    assert response == DeliverSMResp(sequence_number=7)
    assert bridge.memory.log[bridge.engine.position.commit] == (START, [("mo", 1, [2])])
    check(bridge)


def test_the_reply_has_the_addresses_of_the_text_the_other_way_round() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    assert (pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) == (NUMBER, 3, 0)
    assert (pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi) == (CONTACT, 1, 1)
    assert (pdu.short_message, pdu.esm_class, pdu.registered_delivery) == (b"8-18", 0, 1)


def test_a_link_may_set_the_type_of_its_numbers() -> None:
    bridge = Bridge(link(source_ton=5, dest_npi=9))
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi) == (5, 0, 1, 9)


def test_a_data_sm_is_a_text_like_any_other() -> None:
    bridge = Bridge()
    pdu = DataSM(source_addr=CONTACT, destination_addr=NUMBER, tlvs=((c.TAG_MESSAGE_PAYLOAD, b"hours"),))
    pdu.sequence_number = 3
    bridge.deliver(pdu)
    assert bridge.wire.responses == [DataSMResp(sequence_number=3)]
    assert run_dry(bridge) == [b"8-18"]


def test_message_payload_stands_in_for_an_empty_short_message() -> None:
    bridge = Bridge()
    pdu = text(b"")
    pdu.tlvs = ((c.TAG_MESSAGE_PAYLOAD, b"hours"),)
    bridge.deliver(pdu)
    assert run_dry(bridge) == [b"8-18"]


def test_ucs2_is_read_and_its_octets_are_kept() -> None:
    bridge = Bridge()
    octets = "HOURS".encode("utf-16-be")
    bridge.deliver(text(octets, data_coding=8))
    assert (bridge.mo().text, bridge.mo().bodies) == ("HOURS", (octets,))
    assert run_dry(bridge) == [b"8-18"]


def test_what_is_no_text_is_kept_and_not_answered() -> None:
    bridge = Bridge()
    bridge.deliver(text(b"\x01\x02", data_coding=4))
    mo = bridge.mo()
    assert (mo.outcome, mo.detail, mo.bodies, mo.text) == ("silent", "not a text", (b"\x01\x02",), "")
    assert bridge.wire.statuses() == [0]
    assert not bridge.mts()
    check(bridge)


def test_the_alphabet_of_a_link_reads_its_texts() -> None:
    bridge = Bridge(link(charset="latin1"))
    bridge.deliver(text("echo é".encode("latin-1")))
    assert bridge.mo().text == "echo é"


@pytest.mark.parametrize(
    ("body", "outcome", "replies"),
    [
        ("thanks", "silent", 0),
        ("STOP", "control", 1),
        ("START", "control", 1),
        ("HELP", "control", 1),
        ("nonsense", "replied", 1),
    ],
)
def test_every_text_has_one_outcome(body: str, outcome: str, replies: int) -> None:
    bridge = Bridge()
    bridge.deliver(text(body))
    assert (bridge.mo().outcome, len(bridge.mts())) == (outcome, replies)
    check(bridge)


def test_the_second_unknown_text_in_a_row_is_escalated() -> None:
    bridge = Bridge()
    bridge.deliver(text("what"), text("why"))
    assert [mo.outcome for mo in bridge.mos()] == ["replied", "escalated"]
    check(bridge)


def test_a_number_of_no_brand_is_silent() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours", number=b"99"))
    assert (bridge.mo().outcome, bridge.mo().detail) == ("silent", "no brand for this number")


def test_texts_of_one_batch_are_decided_in_order_on_one_state() -> None:
    bridge = Bridge()
    bridge.deliver(text("STOP"), text("hours"), text("START"), text("hours", source=b"2"))
    assert [mo.outcome for mo in bridge.mos()] == ["control", "suppressed", "control", "replied"]
    assert [mo.conversation for mo in bridge.mos()] == [1, 1, 1, 4]


def test_conversations_are_stored_and_loaded_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("STOP"))
    bridge.begin()
    bridge.deliver(text("hours"))
    assert bridge.mos()[-1].outcome == "suppressed"


def test_rules_that_fail_on_one_text_reject_it_and_touch_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(message: Inbound, state: Conversation | None, ruleset: Ruleset, now: float, mo_id: int) -> Decision:
        if message.text == "boom":
            raise ZeroDivisionError("by a rule")
        return decide(message, state, ruleset, now, mo_id)

    monkeypatch.setattr("bridge.turn.decide", failing)
    pipe = Bridge()
    effects = pipe.deliver(text("echo 1"), text("boom"), text("echo 2"))
    assert [mo.outcome for mo in pipe.mos()] == ["replied", "rejected", "replied"]
    assert pipe.mos()[1].detail == "ZeroDivisionError: by a rule"
    assert effects.incidents == ["message 2: the rules failed: ZeroDivisionError"]
    assert pipe.wire.statuses() == [0, 0, 0]
    with pipe.store.turn() as turn:
        (state,) = turn.conversations([("15550001234", "acme")])
    assert state is not None
    assert state.escalated == START
    assert run_dry(pipe) == [b"1", b"2"]
    check(pipe)


def test_a_reply_that_cannot_be_encoded_rejects_its_text() -> None:
    bridge = Bridge()
    pdu = text(b"")
    pdu.tlvs = ((c.TAG_MESSAGE_PAYLOAD, b"echo " + b"x" * 60000),)
    bridge.deliver(pdu, text("hours", source=b"2"))
    assert [mo.outcome for mo in bridge.mos()] == ["rejected", "replied"]
    assert "parts" in bridge.mos()[0].detail
    check(bridge)


def test_links_and_their_counters_are_kept_apart() -> None:
    bridge = Bridge(link("a"), link("b"))
    bridge.deliver(text("hours"), name="a")
    bridge.deliver(text("hours", source=b"2"), name="b")
    assert [mt.link for mt in bridge.mts()] == ["a", "b"]
    assert len(bridge.submits(name="a")) == len(bridge.submits(name="b")) == 1
    assert {(name, what): n for (_, name, what), n in bridge.memory.counter.items() if what == "mt"} == {
        ("a", "mt"): 1,
        ("b", "mt"): 1,
    }


def test_what_is_said_of_a_link_is_stored() -> None:
    bridge = Bridge()
    row = LinkRow("a", "bound", START, 1, "", "smsc:2775")
    bridge.turn(LinkChanged(row))
    assert bridge.memory.link == {"a": row}
    assert bridge.memory.log[bridge.engine.position.commit][1] == [("link", "a", "bound", "")]


# -- opt-out


def test_stop_suppresses_what_waits_and_is_confirmed() -> None:
    bridge = Bridge(capacity=0)
    bridge.deliver(text("echo 1"), text("echo 2"))
    bridge.deliver(text("STOP"))
    bridge.turn(CapacityChanged("a", 10))
    (confirmation,) = run_dry(bridge)
    assert b"unsubscribed" in confirmation.lower() or b"stop" in confirmation.lower()
    assert [(mt.state, mt.error) for mt in bridge.mts()] == [
        ("suppressed", "opted_out"),
        ("suppressed", "opted_out"),
        ("accepted", ""),
    ]
    check(bridge)


def test_stop_suppresses_replies_decided_just_before_it() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"), text("STOP"))
    assert [mt.state for mt in bridge.mts()] == ["suppressed", "sent"]
    check(bridge)


def test_stop_withdraws_a_claim_that_has_not_left() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"), text("echo other", source=b"2"))
    effects = bridge.deliver(text("STOP"))
    assert effects.revoked == {("15550001234", "acme")}
    bridge.turn()
    assert [mt.state for mt in bridge.mts()] == ["suppressed", "sent", "sent"]
    assert bridge.mts()[0].attempts == 0
    assert run_dry(bridge)[0] == b"other"
    check(bridge)


def test_stop_cannot_withdraw_what_has_left() -> None:
    bridge = Bridge()
    bridge.deliver(text("echo 1"))
    (pdu,) = bridge.submits()
    bridge.deliver(text("STOP"))
    assert [mt.state for mt in bridge.mts()] == ["sent", "queued"]
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    run_dry(bridge, 2)
    assert [mt.state for mt in bridge.mts()] == ["accepted", "accepted"]
    check(bridge)


# -- coming again (invariant 9)


def test_an_equal_text_in_one_turn_is_absorbed_while_the_first_is_not_answered() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"), text("hours"))
    assert bridge.mo().redelivered == 1
    assert bridge.wire.statuses() == [0, 0]
    assert len(bridge.mts()) == 1
    assert bridge.count("mo.redelivered") == 1


@pytest.mark.parametrize(
    "other",
    [
        text("hours", source=b"2"),
        text("hours", number=b"70707"),
        text("Hours"),
        text("hours", data_coding=1),
        text("hours", esm_class=1),
    ],
)
def test_what_differs_in_any_of_the_key_is_another_text(other: object) -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"), other)  # type: ignore[arg-type]
    assert len(bridge.mos()) == 2


def test_two_identical_texts_in_a_healthy_session_are_two_messages() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == len(bridge.mts()) == 2


def test_after_a_reconnect_an_equal_text_is_absorbed_once() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.wire.statuses()
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    assert bridge.wire.statuses() == [0]
    bridge.deliver(text("hours"))
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]
    check(bridge)


def test_each_of_two_equal_texts_absorbs_one() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    for _ in range(3):
        bridge.deliver(text("hours"))
    assert sorted(mo.redelivered for mo in bridge.mos()) == [0, 1, 1]


def test_a_text_taken_by_the_turn_that_learns_of_the_loss_is_expected_again() -> None:
    bridge = Bridge()
    bridge.turn(bridge.arrivals(text("hours")), *bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1


def test_what_came_long_before_the_loss_is_not_expected_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.now += 31
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_after_the_redelivery_window_an_equal_text_is_new() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.now += 301
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_after_a_kill_an_equal_text_is_absorbed_once() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.now += 3600
    bridge.begin()
    bridge.turn(*bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_what_was_not_answered_when_the_link_was_lost_is_expected_across_kills() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session())
    for _ in range(2):
        bridge.now += 3600
        bridge.turn(LinkChanged(LinkRow("a", "connecting", bridge.now, 0, "refused", "")))
        bridge.begin(bind=False)
    bridge.turn(*bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    bridge.now += 301
    bridge.turn()
    assert bridge.memory.position.expected == {}


def test_a_text_whose_second_answer_is_lost_too_is_absorbed_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    for times in (1, 2):
        bridge.turn(*bridge.lose_session())
        bridge.now += 60
        bridge.turn(*bridge.rebind())
        bridge.deliver(text("hours"))
        assert bridge.mo().redelivered == times
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_a_text_that_two_losses_made_expected_absorbs_one() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    for _ in range(2):
        bridge.now += 1
        bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]


def test_a_text_may_come_again_on_another_link_of_its_carrier_but_of_no_other() -> None:
    bridge = Bridge(link("a", group="g"), link("b", group="g"), link("c"))
    bridge.deliver(text("hours"), name="a")
    bridge.turn(*bridge.lose_session("a"), *bridge.rebind("b"))
    bridge.deliver(text("hours"), name="c")
    assert len(bridge.mos()) == 2
    bridge.deliver(text("hours"), name="b")
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]


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


# -- long texts


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
def test_parts_may_come_in_any_order(order: tuple[int, ...]) -> None:
    bridge = Bridge()
    bodies = {1: b"echo a", 2: b"b", 3: b"c"}
    for number in order[:2]:
        bridge.deliver(part(number, 3, bodies[number]))
        assert bridge.mo().outcome == "pending"
        check(bridge)
    bridge.deliver(part(order[2], 3, bodies[order[2]]))
    assert (bridge.mo().outcome, bridge.mo().text) == ("replied", "echo abc")
    assert len(bridge.mo().bodies) == 3
    assert bridge.wire.statuses() == [0, 0, 0]
    assert bridge.count("parts") == 3
    assert run_dry(bridge) == [b"abc"]
    check(bridge)


def test_all_parts_in_one_read_make_one_text() -> None:
    bridge = Bridge()
    bridge.deliver(part(2, 2, b"b"), part(1, 2, b"echo a"), text("echo c"))
    assert run_dry(bridge) == [b"ab", b"c"]
    check(bridge)


def test_parts_are_joined_by_sar_tlvs_too() -> None:
    bridge = Bridge()
    for number, body in ((1, b"echo a"), (2, b"b")):
        pdu = text(body)
        pdu.tlvs = (
            (c.TAG_SAR_MSG_REF_NUM, b"\x01\x00"),
            (c.TAG_SAR_TOTAL_SEGMENTS, b"\x02"),
            (c.TAG_SAR_SEGMENT_SEQNUM, bytes((number,))),
        )
        bridge.deliver(pdu)
    assert run_dry(bridge) == [b"ab"]


def test_a_character_split_between_parts_is_whole() -> None:
    bridge = Bridge()
    octets = "echo 👋".encode("utf-16-be")
    for number, body in ((1, octets[:-2]), (2, octets[-2:])):
        pdu = part(number, 2, body)
        pdu.data_coding = 8
        bridge.deliver(pdu)
    assert bridge.mo().text == "echo 👋"


def test_a_part_that_comes_twice_counts_once() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(2, 2, b"b"))
    assert run_dry(bridge) == [b"ab"]
    assert bridge.wire.statuses() == [0, 0, 0]
    assert len(bridge.mos()) == 1


def test_another_text_under_the_same_reference_begins_a_new_message() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(1, 2, b"echo z"))
    bridge.deliver(part(2, 2, b"b"))
    assert [(mo.text, mo.detail) for mo in bridge.mos()] == [("echo a", "partial"), ("echo zb", "")]
    assert run_dry(bridge) == [b"a", b"zb"]
    check(bridge)


@pytest.mark.parametrize("other", [{"reference": 8}, {"source": b"2"}])
def test_messages_are_told_apart_by_sender_and_reference(other: dict[str, object]) -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"), part(1, 2, b"echo x", **other))  # type: ignore[arg-type]
    bridge.deliver(part(2, 2, b"b"), part(2, 2, b"y", **other))  # type: ignore[arg-type]
    assert sorted(run_dry(bridge)) == [b"ab", b"xy"]


def test_what_there_is_of_a_long_text_is_read_when_the_rest_does_not_come() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 3, b"echo a"), part(3, 3, b"c"))
    due = bridge.engine.next_due(bridge.now)
    assert due == START + 300
    bridge.now = due - 1
    bridge.turn()
    assert bridge.mo().outcome == "pending"
    bridge.now = due
    bridge.turn()
    assert (bridge.mo().outcome, bridge.mo().detail) == ("replied", "partial")
    assert run_dry(bridge) == [b"ac"]
    assert bridge.engine.next_due(due) > due
    assert bridge.count("mo.partial") == 1
    check(bridge)


def test_parts_survive_a_kill() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.begin()
    bridge.turn(*bridge.rebind())
    bridge.deliver(part(2, 2, b"b"))
    assert bridge.mo().text == "echo ab"
    assert run_dry(bridge) == [b"ab"]
    check(bridge)


@pytest.mark.parametrize("order", [(3, 2), (2, 3)])
def test_the_last_part_and_one_that_comes_again_in_one_read(order: tuple[int, int]) -> None:
    bridge = Bridge()
    bodies = {1: b"echo a", 2: b"b", 3: b"c"}
    bridge.deliver(part(1, 3, bodies[1]), part(2, 3, bodies[2]))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(*(part(number, 3, bodies[number]) for number in order))
    assert (bridge.mo().outcome, bridge.mo().text, bridge.mo().redelivered) == ("replied", "echo abc", 1)
    check(bridge)


def test_parts_that_all_come_again_are_absorbed() -> None:
    bridge = Bridge()
    pdus = [part(1, 2, b"echo a"), part(2, 2, b"b")]
    bridge.deliver(*pdus)
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(*pdus)
    assert bridge.mo().redelivered == 2
    assert len(bridge.mts()) == 1
    check(bridge)


def test_a_header_that_is_no_concatenation_makes_no_part() -> None:
    bridge = Bridge()
    bridge.deliver(text(b"\x03\x24\x01\x01hours", esm_class=0x40), text(b"\x7f", source=b"2", esm_class=0x40))
    first, second = bridge.mos()
    assert (first.text, first.outcome) == ("hours", "replied")
    assert second.outcome in {"replied", "silent"}
    assert bridge.count("parts") == 0


# -- a backlog


def test_a_backlog_longer_than_a_page_goes_out_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PAGE >= 1000
    for module in ("bridge.turn", "bridge.outbox"):
        monkeypatch.setattr(f"{module}.PAGE", 10)
    bridge = Bridge(capacity=0)
    for n in range(35):
        bridge.deliver(text(f"echo {n}", source=b"%d" % (n % 7)))
    queue = bridge.engine.outbox.links["a"]
    assert queue.loaded == 10
    bridge.turn(CapacityChanged("a", 3))
    sent: dict[bytes, list[int]] = {}
    number = 0
    while pdus := bridge.submits():
        events = [bridge.answers(*(accepted(pdu, b"%d" % (number + n)) for n, pdu in enumerate(pdus)))]
        number += len(pdus)
        for pdu in pdus:
            sent.setdefault(pdu.destination_addr, []).append(int(pdu.short_message))
        if number < 40:
            bridge.turn(*events, bridge.arrivals(text(f"echo {number + 100}", source=b"%d" % (number % 7))))
        else:
            bridge.turn(*events)
        check(bridge)
    assert len(bridge.mos()) == len(bridge.mts()) == sum(map(len, sent.values()))
    assert all(each == sorted(each) for each in sent.values())
    assert queue.loaded == 0


def test_the_next_page_is_loaded_though_all_of_one_is_suppressed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bridge.turn", "bridge.outbox"):
        monkeypatch.setattr(f"{module}.PAGE", 4)
    bridge = Bridge(capacity=0)
    for n in range(10):
        bridge.deliver(text(f"echo {n}", source=b"%d" % (n >= 8)))
    bridge.now += 2 * 86400
    bridge.deliver(text("echo new", source=b"5"))
    bridge.turn(CapacityChanged("a", 50))
    turns = 0
    while bridge.engine.next_due(bridge.now) <= bridge.now:
        bridge.turn()
        turns += 1
        assert turns < 10
    assert run_dry(bridge) == [b"new"]
    assert [mt.error for mt in bridge.mts()] == ["too_old"] * 10 + [""]
    check(bridge)


def test_a_queue_is_loaded_from_the_store_at_the_start() -> None:
    bridge = Bridge(capacity=0)
    bridge.deliver(text("echo 1"), text("echo 2"), text("HELP"))
    bridge.capacity = 10
    bridge.begin()
    sent = run_dry(bridge)
    assert sent[1:] == [b"1", b"2"]
    assert sent[0].startswith(b"Acme. Help:")
    check(bridge)
