"""Replies on their way; shared by the tests of what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pipeline import Bridge, text

if TYPE_CHECKING:
    from smppcore.pdu import SubmitSM

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
