"""What goes into a decision and what comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bridge.records import Conversation


class Inbound(msgspec.Struct, gc=False):
    """A text that came in, as the rules see it."""

    text: str
    """As decoded."""
    contact: str
    """The subscriber who wrote."""
    number: str
    """The service number that was texted."""
    link: str = ""
    """The name of the link it came on."""


class Reply(msgspec.Struct, gc=False):
    """A text to send."""

    template: str
    """The template's name; "optout.stop", "optout.start" or "optout.help" for the answer to a control word."""
    text: str
    """Rendered."""
    control: bool = False
    """The answer to STOP, START or HELP: it passes suppression and goes first."""


class Decision(msgspec.Struct, gc=False):
    """What one message leads to."""

    outcome: str
    """replied, escalated, control, silent or suppressed (a subset of records.OUTCOMES)."""
    layer: str
    """control, optedout, keyword, pattern, ask, escalate or silent: the names that `explain` prints."""
    rule: str
    """Which rule of that layer, as "keyword.track" or "pattern.order_no"."""
    control: str
    """stop, start or help, "" for any other text."""
    replies: tuple[Reply, ...]
    """In the order of sending."""
    state: Conversation
    """The conversation after this message; a new object."""
    detail: str = ""
    """Why it was silent, suppressed or escalated; for an escalation its queue and priority."""
