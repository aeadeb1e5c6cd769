"""Turns: responses and receipts in any order, and which receipt is whose (invariant 7)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge.config import MessageIdConfig
from smppcore import constants as c
from smppcore.receipt import receipt_tlvs
from tests.pipeline import (
    START,
    Bridge,
    accepted,
    check,
    link,
    receipt,
    run_dry,
    text,
)
from tests.replies import sent

ORDERS = tomllib.loads((Path(__file__).parent / "data" / "receipt_orders.toml").read_text(encoding="utf-8"))["orders"]
STATES = {
    "enroute": c.STATE_ENROUTE,
    "accepted": c.STATE_ACCEPTED,
    "delivered": c.STATE_DELIVERED,
    "undeliverable": c.STATE_UNDELIVERABLE,
    "expired": c.STATE_EXPIRED,
    "rejected": c.STATE_REJECTED,
    "deleted": c.STATE_DELETED,
    "unknown": c.STATE_UNKNOWN,
}


@pytest.mark.parametrize("row", ORDERS, ids=["-".join(row["order"]) + f"-{n}" for n, row in enumerate(ORDERS)])
def test_response_and_receipts_may_come_in_any_order(row: dict[str, Any]) -> None:
    bridge = Bridge()
    pdu = sent(bridge)
    for event in row["order"]:
        if event == "response":
            bridge.turn(bridge.answers(accepted(pdu, b"77")))
        else:
            bridge.deliver(receipt(b"77", STATES[event]))
        check(bridge)
    state = row["state"]
    assert bridge.mt().state == state
    assert bridge.count(f"mt.{state}") == (state != "accepted")
    assert not bridge.memory.parked
    assert set(bridge.wire.statuses()) == {0}


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
