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
    by: str = ""
    """The agent who wrote it, "" for an automatic one."""
    started: bool = False
    """It answers nothing, we start it: quiet hours and caps apply."""
    version: str = ""
    """Of the rules that it was made by, "" for those in force."""
    expires: float = 0.0
    """As in records.Mt."""
    topic: str = ""
    """As in records.Mt."""
    at: float = 0.0
    """It is not to leave before that, 0.0 = at once."""
    asked: float = 0.0
    """As in records.Mt, where the text did not come just now."""
    number: str = ""
    """The service number that it comes from, "" = that of the conversation."""
    link: str = ""
    """The link that it leaves on, "" = that of the conversation."""


CALLING = -1
"""The id of a call that has none yet (Session.call)."""


class Wake(msgspec.Struct, gc=False):
    """The time that `Conversation.wake` says has come."""


class Called(msgspec.Struct, gc=False):
    """What became of a call."""

    id: int
    """As in Session.call."""
    values: dict[str, str] = {}
    """What it returned: variables."""
    error: str = ""
    """Why it returned nothing, "" if it did."""


class Request(msgspec.Struct, gc=False):
    """What an operator, an agent or a program asks for, about one conversation."""

    kind: str
    """As "optout.add", "case.take", "case.reply", "send"."""
    by: str
    """Who asks."""
    values: dict[str, str] = {}


class Call(msgspec.Struct, gc=False):
    """A function or a workflow to be called; its result comes back as a Called."""

    name: str
    """As in the rules, "orders.status"."""
    arguments: dict[str, str]
    timeout: float
    """Seconds."""


class Fact(msgspec.Struct, gc=False):
    """Something that others want to know of: it is counted, kept as evidence, sent to webhooks."""

    kind: str
    """received, replied, opted_out, opted_in, escalated, taken, resolved, closed, reopened, rated …"""
    values: dict[str, str | int | float]


class Decision(msgspec.Struct, gc=False):
    """What one message, or another event of a conversation, leads to."""

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
    intent: str = ""
    """As in records.Mo."""
    confidence: float = -1.0
    runner_up: str = ""
    words: tuple[tuple[str, float], ...] = ()
    """The words that spoke most for the intent, and how much."""
    call: Call | None = None
    """To be made; the state's session waits for it with call = CALLING, which the turn replaces by its id."""
    facts: tuple[Fact, ...] = ()
    personal: bool = False
    """The text is personal (`pii`): masked in logs and exports."""
    topic: str = ""
    """The flow that it is of, "" = none: the rule is the topic then."""
    problem: str = ""
    """Why a Request is refused, a line for who asked; "" if it was done."""
