"""Flows through whole turns: what waits survives a kill, calls are made after the commit, their results come back."""

from __future__ import annotations

from pathlib import Path

from bridge.events import Returned
from bridge.rules import Called
from tests.pipeline import Bridge, accepted, rules

SOURCE = (Path(__file__).parent / "data/rules/flows.toml").read_text(encoding="utf-8")


def test_a_wait_survives_a_kill_and_times_out() -> None:
    bridge = Bridge(ruleset=rules(SOURCE))
    (pdu,) = bridge.send("track")
    assert pdu.short_message == b"Acme: what is your order number?"
    bridge.turn(bridge.answers(accepted(pdu, b"m1")))
    bridge.begin()
    bridge.now += 599.0
    bridge.turn()
    assert bridge.submits() == []
    bridge.now += 1.0
    assert bridge.engine.next_due(bridge.now) <= bridge.now
    bridge.turn()
    assert bridge.reply_texts() == [b"Are you still there?"]


def test_a_call_is_made_after_the_commit_and_its_result_goes_on_after_a_kill() -> None:
    bridge = Bridge(ruleset=rules(SOURCE))
    (call,) = bridge.send_for_calls("AC12345678")
    assert (call.name, call.arguments, call.timeout) == ("orders.status", {"order": "AC12345678"}, 0.8)
    bridge.begin()
    bridge.turn(Returned(Called(call.id, {"status": "packed"})))
    assert bridge.reply_texts() == [b"Order AC12345678 is packed."]
    bridge.turn(Returned(Called(call.id, {"status": "packed"})))
    assert bridge.reply_texts() == []
