"""Turns: receipts in every form that was seen, and in every dialect of the simulator, find their messages."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config import MessageIdConfig
from smppcore import constants as c
from smppcore.pdu import decode, encode
from smppcore.receipt import STATE_OUTCOME
from smppcore.testbed.dialects import DIALECTS, Dialect, Facts, write
from tests.pipeline import (
    CONTACT,
    NUMBER,
    Bridge,
    accepted,
    check,
    link,
    rules,
    text,
)
from tests.receipts import MADE_UP, SEEN, build

RULES = rules()
TWO = "echo " + "x" * 200
THREE = "echo " + "x" * 400


@pytest.mark.parametrize("shape", SEEN + MADE_UP, ids=lambda shape: shape["source"])
def test_each_receipt_finds_its_message_or_is_kept(shape: dict[str, Any]) -> None:
    expected: dict[str, Any] = {
        "message_id": "",
        "state": 7,
        "state_word": "",
        "intermediate": False,
        "conflict": False,
    }
    expected |= shape["expect"]
    bridge = Bridge(link(message_id=MessageIdConfig(*shape.get("message_id", ("text", "text")))), ruleset=RULES)
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, shape.get("response", expected["message_id"] or "77").encode())))
    received = decode(encode(build(shape)))
    bridge.wire.responses.clear()
    bridge.deliver(received)  # type: ignore[arg-type]
    assert bridge.wire.statuses() == [0]
    assert len(bridge.mos()) == 1
    assert bridge.count("receipt.conflict") == expected["conflict"]
    mt = bridge.mt()
    if not expected["message_id"]:
        assert (mt.state, mt.receipts) == ("accepted", ())
        assert bridge.count("receipt.unreadable") == 1
        (kept,) = bridge.memory.unmatched
        assert decode(kept.pdu) == received
        return
    assert not bridge.memory.parked
    assert not bridge.memory.unmatched
    outcome = STATE_OUTCOME[expected["state"]]
    final = outcome is not None and not expected["intermediate"]
    assert mt.state == (outcome if final else "accepted")
    assert bool(mt.done) == final
    word = expected["state_word"]
    if expected["state"] == c.STATE_UNKNOWN and word.upper() != "UNKNOWN":
        assert list(mt.receipts) == [word or c.STATE_UNKNOWN]
    elif not expected["intermediate"]:
        assert list(mt.receipts) == [expected["state"]]
    if final and outcome != "delivered":
        assert mt.error == expected.get("error", "")
    check(bridge)


@pytest.mark.parametrize("state", [c.STATE_DELIVERED, c.STATE_UNDELIVERABLE, c.STATE_REJECTED, c.STATE_ENROUTE])
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_the_simulators_dialects_find_their_messages(dialect: Dialect, state: int) -> None:
    forms = {
        "same": ("hex", "1F3A2"),
        "decimal": ("decimal", "127906"),
        "hex": ("hex", "1f3a2"),
        "HEX": ("hex", "1F3A2"),
    }
    kind, message_id = forms[dialect.id]
    bridge = Bridge(link(message_id=MessageIdConfig("hex", kind)), ruleset=RULES)  # type: ignore[arg-type]
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"1f3a2")))
    contact, number = (1, 1, CONTACT), (0, 0, NUMBER)
    facts = Facts(message_id.rjust(dialect.id_width, "0"), state, number, contact, bridge.now, bridge.now, b"8-18")
    bridge.deliver(write(dialect, facts))
    assert bridge.mt().state == (STATE_OUTCOME[state] or "accepted")
    assert bridge.count("receipt.conflict") == 0
    check(bridge)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_they_do_with_a_uuid_too_however_long_that_makes_them(dialect: Dialect) -> None:
    message_id = "74e02ee1-4e2f-4a6e-a78b-4b247d756a22"
    bridge = Bridge(ruleset=RULES)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, message_id.encode())))
    facts = Facts(message_id, c.STATE_DELIVERED, (0, 0, NUMBER), (1, 1, CONTACT), bridge.now, bridge.now, b"x" * 20)
    bridge.deliver(decode(encode(write(dialect, facts))))  # type: ignore[arg-type]
    assert bridge.mt().state == "delivered"
