"""Turns: what arrives, what is decided, what is withdrawn for who opts out, and a backlog."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from bridge.events import CapacityChanged, LinkChanged
from bridge.outbox import PAGE
from bridge.rules import Decision, Inbound, Ruleset, decide
from bridge.store import LinkRow
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
    run_dry,
    text,
)
from tests.test_rules_hostile import STOPS, TEXTS

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

    monkeypatch.setattr("bridge.deciding.decide", failing)
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


def test_a_turn_leaves_nothing_for_the_garbage_collector() -> None:
    bridge = Bridge()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            bridge.deliver(text("Hours"))
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_does_harm_is_stored_and_answered_like_any_other(name: str) -> None:
    bridge = Bridge(capacity=500)
    for number, words in enumerate((TEXTS[name], "echo " + TEXTS[name])):
        pdu = text(b"", b"1555%07d" % number, data_coding=8)
        pdu.tlvs = ((c.TAG_MESSAGE_PAYLOAD, words.encode("utf-16-be", "surrogatepass")),)
        effects = bridge.deliver(pdu)
        mo = bridge.mos()[-1]
        wanted = "control" if name in STOPS and not number else "replied"
        assert (effects.incidents, mo.outcome, len(mo.text)) == ([], wanted, len(words))
        assert bridge.submits()
    check(bridge)
