"""A message that we start: a notification, a reminder, a campaign.

Here it is made, in the customer's language and with what is known of the customer. Whether it may leave is judged at
the moment of sending (`bridge.dispatch`): opted out, quiet hours, caps, too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.records import Context
from bridge.rules import topics
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.templates import MissingVariable, render, unsendable
from bridge.rules.threads import known

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.message import Request
    from bridge.rules.ruleset import Brand

_MOST_CONTEXTS = 5
"""Questions to one customer that are open at a time; the oldest is forgotten first."""


def asked(request: Request, state: Conversation, brand: Brand | None, now: float) -> Decision:
    """Make a message.

    Args:
        request: "send"; `template` or `text`; `number`, the service number that it comes from, and `link`; `at` and
            `expires`, seconds since the epoch; `topic`; `flow` and `until`: an answer until then begins that flow;
            `var.NAME`: variables; `language` for whoever is new.
        state: The conversation so far; it is not changed.
        brand: Of the service number.
        now: Seconds since the epoch.
    """
    values = request.values
    if brand is None:
        return _refused(state, "no brand has that service number")
    if state.opted_out:
        return _refused(state, "opted_out")
    topic, at = values.get("topic", ""), float(values.get("at", "0"))
    if topic in topics.stopped(state):
        return _refused(state, "opted_out")
    after = replace(state)
    after.number, after.link = after.number or values.get("number", ""), after.link or values.get("link", "")
    if not after.language and values.get("language") in brand.languages:
        after.language = values["language"]
    given = {key.removeprefix("var."): value for key, value in values.items() if key.startswith("var.")}
    template, text = values.get("template", ""), values.get("text", "")
    if template:
        texts = brand.texts.get(template)
        if texts is None:
            return _refused(state, f"there is no template `{template}`")
        message = Inbound("", state.contact, values.get("number", ""), values.get("link", ""))
        try:
            text = render(texts.get(after.language) or texts[""], known(after) | given, message)
        except MissingVariable as exc:
            return _refused(state, f"template {template} has no value for {{{exc.name}}}")
    if not text.strip():
        return _refused(state, "an empty text is not sent")
    if problem := unsendable(text):
        return _refused(state, f"the text {problem}")
    flow, until = values.get("flow", ""), float(values.get("until", "0"))
    if flow and flow not in brand.flows:
        return _refused(state, f"there is no flow `{flow}`")
    if until > now:
        after.contexts = (Context(0, until, flow, given), *after.contexts)[:_MOST_CONTEXTS]
    topics.sent(topic, at, brand, after)
    after.messages_out += 1
    reply = Reply(
        template,
        text,
        by=request.by,
        started=True,
        expires=float(values.get("expires", "0")),
        topic=topic,
        at=at,
        number=values.get("number", ""),
        link=values.get("link", ""),
    )
    return Decision("silent", "send", "send", "", (reply,), after, facts=(Fact("started", {"topic": reply.topic}),))


def _refused(state: Conversation, problem: str) -> Decision:
    return Decision("silent", "", "", "", (), state, problem=problem)
