"""What is no text, but concerns a conversation, into a decision: its time has come, a call has returned, somebody asks.

Pure, as `decide` is, and with the same result: replies, the conversation after it, and what others want to know of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.rules import consent, people, proactive, profile, rating
from bridge.rules.flows import engine as flows
from bridge.rules.message import Called, Decision, Request, Wake
from bridge.rules.threads import next_wake

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.ruleset import Ruleset

Event = Wake | Called | Request


def react(event: Event, state: Conversation, rules: Ruleset, now: float) -> Decision:
    """Decides what an event of a conversation leads to.

    Args:
        event: What happened.
        state: The conversation so far; it is not changed.
        rules: What `load` made.
        now: Seconds since the epoch.

    Returns:
        The decision, with the conversation after it; its `problem` says why a request is refused.
    """
    after = replace(state)
    if isinstance(event, Request):
        brand = rules.numbers.get(event.values.get("number", "") or state.number) or rules.named(state.brand)
        if event.kind in ("optout.add", "optout.remove", "consent.given"):
            return consent.asked(event, state, now)
        if event.kind.startswith("case."):
            return people.asked(event, state, rules.numbers.get(state.number), now)
        if event.kind.startswith("profile."):
            return profile.asked(event, state, brand, now)
        if event.kind == "send":
            return proactive.asked(event, state, brand, now)
        return Decision("silent", "", "", "", (), after, problem=f"there is no request `{event.kind}`")
    if isinstance(event, Called):
        decision = flows.called(event, rules, after, now)
    else:
        brand = rules.numbers.get(state.number)
        decision = people.wake(brand, after, now) or flows.wake(rules, after, now) or rating.wake(brand, after, now)
    if decision is not None:
        return decision
    after.wake = next_wake(after)
    return Decision("silent", "", "", "", (), after)
