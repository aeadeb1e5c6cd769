"""Turns: messages in doubt that the carrier names by our reference; opt-outs that only receipts tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore import constants as c
from tests.pipeline import (
    Bridge,
    accepted,
    check,
    in_doubt,
    link,
    receipt,
    rules,
    text,
    timed_out,
)

if TYPE_CHECKING:
    from smppcore.pdu import DeliverSM, SubmitSM

RULES = rules()
TWO = "echo " + "x" * 200
THREE = "echo " + "x" * 400


# -- in doubt, and the carrier repeats our reference


def by_reference(pdu: SubmitSM, message_id: bytes, state: int = c.STATE_DELIVERED) -> DeliverSM:
    """Make the receipt for a submit_sm with the reference that it bore (SMPP v3.4 §5.3.2.17)."""
    reported = receipt(message_id, state)
    reported.tlvs = ((c.TAG_USER_MESSAGE_REFERENCE, pdu.tlv(c.TAG_USER_MESSAGE_REFERENCE) or b""),)
    return reported


def doubtful(policy: str, body: str = "hours") -> tuple[Bridge, list[SubmitSM]]:
    """Have a message leave and the process killed before any answer."""
    bridge = Bridge(link(in_doubt=in_doubt(policy), user_message_reference=True), ruleset=RULES)
    pdus = bridge.send(body)
    bridge.begin()
    return bridge, pdus


def test_only_where_the_link_says_so_a_message_bears_a_reference() -> None:
    for wanted in (False, True):
        bridge = Bridge(link(user_message_reference=wanted), ruleset=RULES)
        references = [pdu.tlv(c.TAG_USER_MESSAGE_REFERENCE) for pdu in bridge.send(TWO)]
        assert references == ([b"\x00\x02", b"\x00\x03"] if wanted else [None, None])


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(c.STATE_DELIVERED, "delivered"), (c.STATE_UNDELIVERABLE, "undeliverable"), (c.STATE_ENROUTE, "accepted")],
)
def test_a_receipt_with_our_reference_settles_a_message_held_in_doubt(state: int, outcome: str) -> None:
    bridge, (pdu,) = doubtful("hold")
    assert (bridge.mt().state, bridge.mt().in_doubt) == ("sent", True)
    bridge.deliver(by_reference(pdu, b"77", state))
    mt = bridge.mt()
    assert (mt.state, mt.in_doubt, list(mt.message_ids)) == (outcome, False, ["77"])
    assert bridge.count("receipt.by_reference") == 1
    check(bridge)
    bridge.deliver(receipt(b"77"))
    assert bridge.mt().state == ("delivered" if outcome == "accepted" else outcome)
    assert not bridge.memory.parked


def test_it_keeps_a_message_that_waits_from_being_sent_again() -> None:
    bridge = Bridge(link(user_message_reference=True), ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(timed_out(pdu)))
    bridge.deliver(by_reference(pdu, b"77"))
    assert bridge.mt().state == "delivered"
    bridge.now += 60
    bridge.turn()
    assert bridge.submits() == []
    check(bridge)


def test_while_it_is_sent_again_the_receipt_only_counts_when_that_is_answered() -> None:
    bridge, (pdu,) = doubtful("resend")
    (again,) = bridge.submits()
    bridge.deliver(by_reference(pdu, b"76"))
    assert bridge.mt().state == "sent"
    bridge.turn(bridge.answers(accepted(again, b"77")))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("delivered", ["77"])
    check(bridge)


def test_each_part_has_its_own() -> None:
    bridge, pdus = doubtful("hold", THREE)
    bridge.deliver(*(by_reference(pdu, b"%d" % n) for n, pdu in enumerate(pdus)))
    assert (bridge.mt().state, list(bridge.mt().message_ids)) == ("delivered", ["0", "1", "2"])
    check(bridge)


def test_a_message_that_became_unknown_is_settled_too() -> None:
    bridge, (pdu,) = doubtful("hold")
    bridge.now += 9 * 86400
    bridge.turn()
    assert bridge.mt().state == "unknown"
    bridge.deliver(by_reference(pdu, b"77"))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_nothing_is_guessed() -> None:
    """Of another customer, with another reference, of a message that is not in doubt: it waits for an answer."""
    bridge, (pdu,) = doubtful("hold")
    elsewhere = by_reference(pdu, b"1")
    elsewhere.source_addr = b"15550009999"
    other = by_reference(pdu, b"2")
    other.tlvs = ((c.TAG_USER_MESSAGE_REFERENCE, b"\x00\x09"),)
    malformed = by_reference(pdu, b"3")
    malformed.tlvs = ((c.TAG_USER_MESSAGE_REFERENCE, b"\x02"),)
    bridge.deliver(elsewhere, other, malformed)
    (late,) = bridge.send("echo later")
    bridge.deliver(by_reference(late, b"4"))
    assert {key[1] for key in bridge.memory.parked} == {"1", "2", "3", "4"}
    assert bridge.mts()[0].state == "sent"


def test_a_reference_that_came_round_means_the_message_in_doubt() -> None:
    bridge, (pdu,) = doubtful("hold")
    bridge.engine.position.next_id += 3 * 0x10000
    bridge.deliver(text("thanks", source=b"9"))
    bridge.deliver(by_reference(pdu, b"77"))
    assert bridge.memory.ids["a", "77"] == (2, 0)
    bridge.engine.position.next_id += 0x10000
    bridge.deliver(text("thanks", source=b"9"))
    bridge.deliver(by_reference(pdu, b"78"))
    assert [*bridge.memory.parked] == [("a", "78")]


# -- the customer has opted out at the carrier, says a receipt


def test_an_error_of_a_receipt_may_say_that_the_customer_has_opted_out() -> None:
    bridge = Bridge(link(opted_out_errors=("0A1",)), ruleset=RULES)
    (first,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(first, b"77")))
    bridge.deliver(receipt(b"77", c.STATE_UNDELIVERABLE, error="0A1"), text("hours"))
    assert [mt.state for mt in bridge.mts()] == ["undeliverable", "suppressed"]
    bridge.deliver(text("START"))
    (confirmation,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(confirmation, b"78")))
    bridge.deliver(receipt(b"78", c.STATE_UNDELIVERABLE, error="0A2"))
    bridge.deliver(text("hours"))
    assert len(bridge.submits()) == 1
    check(bridge)
