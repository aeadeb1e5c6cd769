"""`[optout] scope = "topic"`: STOP to a message of a topic may end that topic alone.

    [optout]
    scope = "topic"
    [optout.topics]
    offers = { en = "offers", fr = "offres" }

STOP opts out of everything at once. If it follows a message that we started of such a topic, its one confirmation asks
whether all was meant: an answer that says the topic narrows the opt-out down to it, silence and anything else leave it
as it is (47 CFR 64.1200(a)(12)). In the US that rests on a waiver with an end, which is in data/optout.toml: from then
on STOP ends everything without a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.records import Topics
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.templates import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records import Conversation
    from bridge.rules.optout import Control
    from bridge.rules.ruleset import Brand, Texts

ANSWER = "1"
"""The answer that the question names: the topic alone was meant."""
ALL_OF_IT = frozenset({"stopall", "stop all"})
"""STOP words that say everything by themselves."""
_OPEN = 86400.0
"""Seconds in which the question can be answered."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One that can be stopped alone."""

    question: Texts
    """The confirmation that asks."""
    answers: frozenset[str]
    """What says that it alone was meant, normalised."""


def sent(topic: str, at: float, brand: Brand, after: Conversation) -> None:
    """Take note of a message that we start: STOP may answer it.

    Args:
        topic: Of the message, "" = none.
        at: Seconds since the epoch; when it leaves, at the earliest.
        brand: Of the conversation.
        after: The conversation; it is changed.
    """
    known = after.topics
    if topic in brand.topics:
        after.topics = replace(known or Topics(), last=topic, texts=after.messages_in, at=at)
    elif known is not None and known.last:
        after.topics = replace(known, last="")


def ask(whole: str, brand: Brand, message: Inbound, after: Conversation, now: float) -> tuple[Reply, str] | None:
    """Ask whether all was meant, in the place of the confirmation.

    Args:
        whole: The STOP word.
        brand: Whose number was texted.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.

    Returns:
        The question and its topic; None if the text ends everything.
    """
    topics = after.topics
    if topics is None or not topics.last or now < topics.at or now >= brand.topics_until:
        return None
    # What was said in between would be what the customer answers.
    answered = after.messages_in == topics.texts + 1 and after.case is None
    if not answered or topics.last not in brand.topics or whole in ALL_OF_IT or brand.carrier_answers:
        return None
    after.topics = replace(topics, asked=topics.last, asked_at=now)
    texts = brand.topics[topics.last].question
    text = render(texts.get(after.language) or texts[""], after.variables, message)
    return Reply("optout.topic", text, control=True), topics.last


def answered(
    control: Control | None, whole: str, brand: Brand, message: Inbound, after: Conversation, now: float
) -> Decision | None:
    """Take the first text after the question as its answer; None where it is none, and the opt-out stays as it is.

    Args:
        control: What the text is as a control word, if it is one.
        whole: The text, normalised.
        brand: Whose number was texted.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    topics = after.topics
    if topics is None or not topics.asked or (control is not None and control.kind == "help"):
        return None
    topic = topics.asked
    after.topics = replace(topics, asked="", asked_at=0.0)
    if now - topics.asked_at > _OPEN or (control is not None and not control.only_opted_out):
        return None
    if topic not in brand.topics or whole not in brand.topics[topic].answers:
        return Decision("suppressed", "optedout", "", "", (), after, "opted out: no clear answer, so everything")
    after.opted_out = 0.0
    after.topics = replace(after.topics, stopped=tuple(dict.fromkeys((*topics.stopped, topic))))
    fact = Fact("opted_in", {"how": "topic", "text": message.text, "number": message.number, "except": topic})
    return Decision("control", "control", "optout.topic", "stop", (), after, f"only {topic}", facts=(fact,))


def stopped(state: Conversation) -> tuple[str, ...]:
    """Return the topics that a customer has stopped alone."""
    return () if state.topics is None else state.topics.stopped


def only_stopped(state: Conversation) -> Topics | None:
    """Return what outlives everything else of a customer: the topics that he has stopped."""
    return Topics(stopped=stopped(state)) if stopped(state) else None


def stop_too(state: Conversation, others: Mapping[str, str]) -> Topics | None:
    """Return the topics that are stopped, with those of another number of the same customer.

    Args:
        state: The conversation so far.
        others: The request's values; `stopped` has the topics, with commas.
    """
    more = [topic for topic in others.get("stopped", "").split(",") if topic]
    if not more:
        return state.topics
    return replace(state.topics or Topics(), stopped=tuple(dict.fromkeys((*stopped(state), *more))))
