"""Consent: who may be written to. It is taken back and given again by control words, in free text, and by operators.

What wins over everything at the moment of sending is `Conversation.opted_out` (bridge.dispatch); here it is set and
cleared, answered once, and said to be evidence (`Fact`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.rules import people, topics
from bridge.rules.escalation import Escalation, hand_over
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.numbers import is_short_code
from bridge.rules.templates import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records import Conversation
    from bridge.rules.message import Request
    from bridge.rules.optout import Control
    from bridge.rules.ruleset import Brand

_AGAIN = 86400.0
"""Seconds in which a short code answers HELP twice at most: it has to answer STOP and HELP whatever the subscription
(CTIA Short Code Monitoring Handbook), and two robots must not go on for ever."""
_CONFIRM = 7 * 86400.0
"""Seconds in which a double opt-in can be confirmed."""
SOURCES = ("phone", "email", "web", "letter", "person", "carrier", "import", "other")
"""How a request that came in another way than by SMS was made (47 CFR 64.1200(a)(11): no way is exclusive)."""


def control(word: Control, whole: str, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision:
    """Do what a control word says.

    Args:
        word: What it means.
        whole: The normalised text.
        brand: Whose number was texted.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    if after.language not in word.languages:
        after.language = next((known for known in word.languages if known in brand.languages), after.language)
    if word.kind == "stop":
        return _stop(brand, message, after, now, "word", whole)
    if word.kind == "start":
        return _start(word, brand, message, after, now)
    return _answered("help", brand, message, after, now)


def free_text(found: str, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision:
    """Do what the rules say of a request to stop in the customer's own words.

    Args:
        found: How it was found: words, typo or phrase.
        brand: Whose number was texted.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    if brand.free_text == "optout":
        return _stop(brand, message, after, now, found)
    if brand.free_text == "ask":
        after.messages_out += 1
        return Decision("replied", "optout", "optout.ask", "", (_text("ask", brand, message, after, False),), after)
    to = Escalation(priority="high", note="may be a request to stop")
    facts = hand_over(after, to, brand, now, to.note)
    told = people.after_hours(brand, after, now)
    return Decision("escalated", "optout", "optout.escalate", "", told, after, f"{to.detail}: {to.note}", facts=facts)


def _stop(brand: Brand, message: Inbound, after: Conversation, now: float, how: str, whole: str = "") -> Decision:
    layer = "control" if how == "word" else "optout"
    rule = "optout.stop" if how == "word" else f"optout.{how}"
    after.unmatched, after.session, after.offered, after.opting_in = 0, None, (), 0.0
    if after.opted_out:
        # One confirmation and nothing after it (47 CFR 64.1200(a)(12)); a short code says it once more on another day.
        if is_short_code(message.number) and now - max(after.told.get("stop", (now,))) >= _AGAIN:
            return _answered("stop", brand, message, after, now)
        return Decision("control", layer, rule, "stop", (), after, "already opted out")
    after.opted_out = now
    asked = topics.ask(whole, brand, message, after, now) if whole and after.topics is not None else None
    by = "" if brand.carrier_answers else "confirmed by one reply"
    if asked is not None:
        by += f", which asks whether only {asked[1]} was meant"
    fact = Fact("opted_out", {"how": how, "text": message.text, "number": message.number, "confirmation": by})
    decision = _answered("stop", brand, message, after, now)
    if asked is not None:
        decision.replies, decision.detail = (asked[0],), f"asks whether only {asked[1]} was meant"
    decision.layer, decision.rule, decision.facts = layer, rule, (fact,)
    return decision


def _start(word: Control, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision:
    if after.opted_out and brand.double_opt_in:
        confirms = word.only_opted_out and now - after.opting_in <= _CONFIRM
        if not confirms:
            after.opting_in = now
            after.messages_out += 1
            return Decision(
                "control", "control", "optout.confirm", "start", (_text("confirm", brand, message, after, True),), after
            )
    facts: tuple[Fact, ...] = ()
    if after.opted_out or topics.stopped(after):
        facts = (Fact("opted_in", {"how": "word", "text": message.text, "number": message.number}),)
    after.opted_out = after.opting_in = 0.0
    after.topics = None
    after.unmatched = 0
    decision = _answered("start", brand, message, after, now)
    decision.facts = facts
    return decision


def _answered(kind: str, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision:
    """Return the answer to a control word, unless the carrier gives it or a short code has given it today."""
    rule = f"optout.{kind}"
    if brand.carrier_answers and kind != "help":
        return Decision("control", "control", rule, kind, (), after, "the carrier answers")
    if is_short_code(message.number):
        told = tuple(at for at in after.told.get(kind, ()) if now - at < _AGAIN)
        if len(told) > 1 and kind == "help":
            return Decision("control", "control", rule, kind, (), after, "answered twice within 24 hours")
        after.told = {**after.told, kind: (*told[-1:], now)}
    after.messages_out += 1
    return Decision("control", "control", rule, kind, (_text(kind, brand, message, after, True),), after)


def _text(kind: str, brand: Brand, message: Inbound, after: Conversation, control: bool) -> Reply:
    texts = brand.control_texts[kind]
    text = render(texts.get(after.language) or texts[""], after.variables, message)
    return Reply(f"optout.{kind}", text, control)


def asked(request: Request, state: Conversation, now: float) -> Decision:
    """Take back or give consent on the word of an operator; no SMS confirms it.

    Args:
        request: optout.add, optout.remove or consent.given (of somebody who has not opted out: only recorded), with
            source (one of SOURCES) and evidence.
        state: The conversation so far; it is not changed.
        now: Seconds since the epoch.
    """
    values: Mapping[str, str] = request.values
    source, evidence = values.get("source", ""), values.get("evidence", "")
    added, given = request.kind == "optout.add", request.kind == "consent.given"
    problem = ""
    if source not in SOURCES:
        problem = f"the source must be one of {', '.join(SOURCES)}"
    elif not added and not evidence.strip():
        problem = f"{'consent' if given else 'to take an opt-out back'} needs evidence of the customer's wish"
    elif given and state.opted_out:
        problem = "has opted out; `smppbridge optout remove` takes that back"
    elif given:
        pass
    elif added == bool(state.opted_out or (not added and topics.stopped(state))):
        problem = "has opted out already" if added else "has not opted out"
    if problem:
        return Decision("silent", "", "", "", (), state, problem=problem)
    after = replace(state)
    said: dict[str, str | int | float] = {"how": source, "text": evidence, "by": request.by}
    if given:
        return Decision("silent", "", "", "", (), after, facts=(Fact("opted_in", said),))
    if added:
        after.opted_out, after.session, after.offered = now, None, ()
    else:
        after.opted_out, after.topics = 0.0, None
    after.opting_in = 0.0
    return Decision("silent", "", "", "", (), after, facts=(Fact("opted_out" if added else "opted_in", said),))
