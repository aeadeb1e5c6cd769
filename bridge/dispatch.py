"""Whether a message may leave, asked at the moment of sending and never before; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.records import Conversation, Mt
    from bridge.rules.quiet import Restraint


CONFIRMATIONS = ("optout.stop", "optout.topic")
"""The texts that confirm a STOP."""
CONFIRMED_WITHIN = 300.0
"""Seconds after which a STOP is no more confirmed: the text would need a reason of its own (47 CFR 64.1200(a)(12))."""
WAIT: Final = "wait"
"""In the place of a final state: it may leave later."""

Verdict = tuple[str, str, float]
"""(final state or WAIT, why, when it may leave)."""


def too_old_at(message: Mt, max_age: float) -> float:
    """Return when a message is of no use any more.

    Args:
        message: What is to be sent.
        max_age: Seconds that a link gives to messages that do not say it themselves.
    """
    return message.expires or message.created + max_age


def may_send(
    message: Mt, contact: Conversation | None, max_age: float, now: float, restraint: Restraint | None = None
) -> Verdict | None:
    """Return None if the message may leave now, else what becomes of it.

    Args:
        message: What is to be sent.
        contact: What is known of the customer; None if nothing is.
        max_age: As of too_old_at().
        now: Seconds since the epoch.
        restraint: Quiet hours and caps of the brand, for messages that we start.
    """
    if contact is not None and contact.opted_out and not message.control:
        return "suppressed", "opted_out", 0.0
    at = message.created + CONFIRMED_WITHIN if message.template in CONFIRMATIONS else too_old_at(message, max_age)
    if now > at:
        return "failed", "too_old", 0.0
    if message.mo or message.control:
        return None
    if contact is not None and contact.topics is not None and message.topic in contact.topics.stopped:
        return "suppressed", "opted_out", 0.0
    if message.next_try > now and not message.attempts:
        return WAIT, "scheduled", message.next_try
    if restraint is None:
        return None
    if until := restraint.until(message.contact, contact, now):
        return ("suppressed", "quiet_hours", 0.0) if restraint.quiet.on_hit == "drop" else (WAIT, "quiet_hours", until)
    if message.topic and restraint.capped(message.topic, contact, now):
        return "suppressed", "cap", 0.0
    return None
