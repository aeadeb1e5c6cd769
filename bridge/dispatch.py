"""Whether a message may leave, asked at the moment of sending and never before; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.records import Conversation, Mt


CONFIRMED_WITHIN = 300.0
"""Seconds after which a STOP is no more confirmed: the text would need a reason of its own (47 CFR 64.1200(a)(12))."""


def may_send(message: Mt, contact: Conversation | None, max_age: float, now: float) -> tuple[str, str] | None:
    """Return None if the message may leave now, else the final state it comes to and why.

    Args:
        message: What is to be sent.
        contact: What is known of the customer; None if nothing is.
        max_age: Seconds after which a message is too old to be of use.
        now: Seconds since the epoch.
    """
    if contact is not None and contact.opted_out and not message.control:
        return "suppressed", "opted_out"
    if now - message.created > (CONFIRMED_WITHIN if message.template == "optout.stop" else max_age):
        return "failed", "too_old"
    return None
