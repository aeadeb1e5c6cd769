"""The rating: once a matter is settled the customer is asked how we did, and a bare figure is the answer.

    [csat]
    after  = ["automated", "agent"]
    delay  = "2m"
    ask    = "csat_ask"
    thanks = "csat_thanks"
    accept = { "1" = ["1", "one", "bad"], "5" = ["5", "five", "great"] }
    window = "24h"
    every  = "30d"

A question that is not asked has its reason in a fact: opted out, asked lately, quiet hours, the customer has come back.
"5 bags are missing" is a text like any other: only the whole message counts.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  fill() reads the hints
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec.structs import replace

from bridge.options import At, BadValue, Seconds, SomeSeconds
from bridge.records import Rating
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.normalise import normalise
from bridge.rules.templates import MissingVariable, render
from bridge.rules.threads import known, next_wake

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.ruleset import Brand

VALUES = ("1", "2", "3", "4", "5")


def _accept(value: object, at: At) -> dict[str, int]:
    if not isinstance(value, dict):
        raise BadValue('must be a table of words by rating, as { "1" = ["1", "bad"] }')
    words = {digit: int(digit) for digit in VALUES}
    for rating, given in value.items():
        here = at.child(rating)
        if rating not in VALUES:
            here.problem("is no rating from 1 to 5")
        elif not isinstance(given, list) or not all(isinstance(word, str) and normalise(word) for word in given):
            here.problem('must be a list of words, as ["5", "great"]')
        else:
            for word in given:
                said = " ".join(normalise(word))
                if words.setdefault(said, int(rating)) != int(rating):
                    here.problem(f"`{word}` stands for {words[said]} already")
    return words


@dataclass(frozen=True, slots=True)
class CsatTable:
    """[csat]."""

    after: tuple[Literal["automated", "agent"], ...] = ("automated", "agent")
    """Who has settled the matter."""
    delay: Seconds = 120.0
    """After that."""
    ask: str = ""
    """The template of the question, "" = nobody is asked."""
    thanks: str = ""
    """The template for whoever has answered, "" = nothing."""
    accept: Annotated[Mapping[str, int], _accept] = field(default_factory=lambda: {d: int(d) for d in VALUES})
    """By rating, the words for it; the figures themselves always are."""
    window: SomeSeconds = 86400.0
    """So long a bare figure is the answer."""
    every: Seconds = 30 * 86400.0
    """Nobody is asked more often."""


def settle(after: Conversation, brand: Brand | None, by: str, topic: str, now: float) -> tuple[Fact, ...]:
    """Settle the matter of a conversation, unless it is, and plan the question.

    Args:
        after: The conversation; it is changed, and its `wake` with it.
        brand: Of the conversation, None if no rules have it any more.
        by: automated or agent.
        topic: The flow or the rule that did it.
        now: Seconds since the epoch.
    """
    if after.resolved:
        return ()
    after.resolved, after.resolved_by, after.topic = now, by, topic
    fact = Fact("resolved", {"by": by, "topic": topic, "again": int(after.reopened > 0)})
    table, rating = None if brand is None else brand.csat, after.rating
    if table is None or by not in table.after:
        return (fact,)
    if rating is not None and rating.asked and now - rating.asked < table.every:
        return fact, _not_asked(after.id, "asked lately")
    after.rating = Rating(after.id, now + table.delay, by=by, topic=topic)
    after.wake = next_wake(after)
    return (fact,)


def reopen(decision: Decision, now: float) -> None:
    """Open the matter again, if what a customer writes after its end is about it.

    It is if it leads to what had settled it, or if nobody but people can answer it. A word of thanks, a control word or
    another question is not.

    Args:
        decision: On a text in a conversation that was resolved before it; it is changed, and its conversation.
        now: Seconds since the epoch.
    """
    after = decision.state
    same = (decision.topic or decision.rule) == after.topic and decision.outcome in ("replied", "flow")
    if not (same or decision.outcome == "escalated" or decision.layer in ("ask", "escalate")):
        return
    again = int(after.reopened > 0)
    fact = Fact("reopened", {"by": after.resolved_by, "again": again, "topic": after.topic, "resolved": after.resolved})
    after.resolved, after.resolved_by, after.topic, after.reopened = 0.0, "", "", now
    decision.facts = (fact, *decision.facts)


def wake(brand: Brand | None, after: Conversation, now: float) -> Decision | None:
    """Ask, if it is time to; None if it is not.

    Args:
        brand: Of the conversation's number, None if no rules have it any more.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """
    rating = after.rating
    if rating is None or not rating.due or rating.due > now:
        return None
    table = None if brand is None else brand.csat
    why = _why_not(after, rating)
    if brand is None or table is None:
        why = why or "the rules ask no longer"
    elif not why and (free := brand.restraint.until(after.contact, after, now)):
        if brand.restraint.quiet.on_hit == "drop":
            why = "quiet hours"
        else:
            after.rating = replace(rating, due=free)
            after.wake = next_wake(after)
            return Decision("silent", "rating", "csat", "", (), after, "quiet hours")
    facts: tuple[Fact, ...] = ()
    replies: tuple[Reply, ...] = ()
    if not why and brand is not None and table is not None:
        said = _said(table.ask, brand, Inbound("", after.contact, after.number, after.link), after)
        if said is None:
            why = f"template {table.ask} lacks a value"
        else:
            replies = (replace(said, started=True, expires=now + table.window),)
            after.messages_out += 1
            facts = (Fact("rating_asked", {"conversation": rating.conversation, "by": rating.by}),)
    if why:
        # The time of the question before it stays, if there was one.
        after.rating = None
        facts = (_not_asked(rating.conversation, why),)
    else:
        after.rating = replace(rating, due=0.0, asked=now)
    after.wake = next_wake(after)
    return Decision("silent", "rating", "csat", "", replies, after, why, facts=facts)


def _why_not(after: Conversation, rating: Rating) -> str:
    if after.opted_out:
        return "opted out"
    if after.case is not None:
        return "people have it in hand"
    if after.session is not None:
        return "a flow waits"
    if not after.resolved or after.id != rating.conversation:
        return "the customer has come back"
    return ""


def _not_asked(conversation: int, why: str) -> Fact:
    return Fact("rating_not_asked", {"conversation": conversation, "why": why})


def answer(brand: Brand, whole: str, message: Inbound, after: Conversation, now: float) -> Decision | None:
    """Take a text as the rating that was asked for; None if it is none.

    Args:
        brand: Whose number was texted.
        whole: The normalised text.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    table, rating = brand.csat, after.rating
    if table is None or rating is None or not rating.asked or rating.value or now - rating.asked > table.window:
        return None
    value = table.accept.get(whole)
    if value is None:
        return None
    after.rating = replace(rating, value=value, rated=now)
    said = _said(table.thanks, brand, message, after) if table.thanks else None
    after.messages_out += said is not None
    fact = Fact("rated", {"conversation": rating.conversation, "value": value, "by": rating.by, "topic": rating.topic})
    outcome, replies = ("silent", ()) if said is None else ("replied", (said,))
    return Decision(outcome, "rating", "csat", "", replies, after, f"rated {value}", facts=(fact,))


def _said(template: str, brand: Brand, message: Inbound, after: Conversation) -> Reply | None:
    texts = brand.texts[template]
    try:
        text = render(texts.get(after.language) or texts[""], known(after), message)
    except MissingVariable:
        return None
    return Reply(template, text)
