"""One text in, one decision out: pure, so that a recorded day can be replayed to the same octets.

The order of precedence: STOP, START, HELP as a whole message; an opted-out sender (kept, never answered); a request to
stop in people's own words, unless a keyword says otherwise; the loop guard; the answer to "which of the two?";
keywords; patterns; keywords with a typing mistake; intents, and asking which of two; the policy for what nothing knows.
Opening hours, quiet hours, caps and suppression act at sending, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.rules import consent
from bridge.rules.guard import hear, replied
from bridge.rules.message import Decision, Inbound, Reply
from bridge.rules.normalise import normalise
from bridge.rules.templates import MissingVariable, render
from bridge.rules.threads import receive

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.guard import Halt
    from bridge.rules.intents.understanding import Understanding
    from bridge.rules.ruleset import Action, Brand, Ruleset

# For numbers of no brand, whose texts are only kept.
_IDLE_CLOSE = 86400.0


def decide(message: Inbound, state: Conversation | None, rules: Ruleset, now: float, mo_id: int) -> Decision:
    """Decides what a text leads to.

    Args:
        message: The text and its two numbers.
        state: The conversation of this contact and brand so far, None if there is none; it is not changed.
        rules: What `load` made.
        now: Seconds since the epoch.
        mo_id: The number of this message; a new conversation is called by it.

    Returns:
        The decision, with the conversation after it.
    """
    brand = rules.numbers.get(message.number)
    if brand is None:
        after = receive(message, "", _IDLE_CLOSE, state, now, mo_id)
        return Decision("silent", "silent", "", "", (), after, "no brand for this number")
    after = receive(message, brand.name, brand.idle_close, state, now, mo_id)
    words = normalise(message.text)
    whole = " ".join(words)
    control = brand.controls.get(whole)
    if control is not None and (after.opted_out or not control.only_opted_out):
        return consent.control(control, whole, brand, message, after, now)
    if after.opted_out:
        return Decision("suppressed", "optedout", "", "", (), after, "opted out")
    if brand.requests is not None and (request := brand.requests.find(words, brand.phrases)):
        declared = None if brand.declared is None else brand.declared.find(words, whole)
        if declared is None:
            return consent.free_text(request, brand, message, after, now)
    if brand.guard is not None:
        halt = hear(brand.guard, after, whole, now)
        if halt is not None:
            return _halt(halt, after, now)
        decision = _answer(words, whole, brand, message, after, now)
        if decision.replies:
            replied(after, now)
        return decision
    return _answer(words, whole, brand, message, after, now)


def _answer(words: list[str], whole: str, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision:
    understanding = brand.understanding
    if after.offered:
        offered, after.offered = after.offered, ()
        if understanding is not None and (action := understanding.pick(offered, words, whole)):
            return _act(action, brand, message, after, now)
    action = brand.keywords.find(words, whole)
    if action is not None:
        return _act(action, brand, message, after, now)
    found = brand.patterns.find(message.text)
    if found is not None:
        if found[1]:
            after.variables = after.variables | found[1]
        return _act(brand.pattern_actions[found[0]], brand, message, after, now)
    if brand.typos is not None and (action := brand.typos.find(words, whole)):
        return _act(action, brand, message, after, now)
    judgement = None if understanding is None else understanding.judge(words)
    if judgement is None or understanding is None:
        return _unmatched(brand, message, after, now, None)
    if judgement.answer:
        decision = _act(understanding.actions[judgement.intent], brand, message, after, now)
    elif judgement.unsure is not None and brand.which is not None and not after.unmatched:
        decision = _ask(brand.which, judgement.unsure, understanding, brand, message, after, now)
        after.unmatched = 1
    else:
        decision = _unmatched(brand, message, after, now, judgement.likely)
    decision.intent, decision.confidence = judgement.intent, judgement.confidence
    decision.runner_up, decision.words = judgement.runner_up, judgement.words
    return decision


def _unmatched(
    brand: Brand, message: Inbound, after: Conversation, now: float, likely: tuple[str, str] | None
) -> Decision:
    unmatched = after.unmatched + 1
    action = brand.unmatched[1 if after.unmatched else 0]
    if not action.asks:
        decision = _act(action, brand, message, after, now)
    elif likely is None or brand.understanding is None:
        # Like none of the intents: to ask which of two it is would be silly.
        decision = _act(brand.unmatched[1], brand, message, after, now)
    else:
        decision = _ask(action, likely, brand.understanding, brand, message, after, now)
    after.unmatched = unmatched
    return decision


def _ask(
    action: Action,
    intents: tuple[str, str],
    understanding: Understanding,
    brand: Brand,
    message: Inbound,
    after: Conversation,
    now: float,
) -> Decision:
    after.offered = intents
    variables = understanding.offer(intents, after.language or brand.languages[0])
    return _act(action, brand, message, after, now, variables)


def _halt(halt: Halt, after: Conversation, now: float) -> Decision:
    if not halt.escalate:
        return Decision("silent", "loop", halt.rule, "", (), after, halt.detail)
    if not after.escalated:
        after.escalated = now
    return Decision("escalated", "loop", halt.rule, "", (), after, halt.detail)


def _act(
    action: Action,
    brand: Brand,
    message: Inbound,
    after: Conversation,
    now: float,
    more: dict[str, str] | None = None,
) -> Decision:
    after.unmatched = 0
    if action.language in brand.languages:
        after.language = action.language
    outcome, detail = action.outcome, action.detail
    replies: tuple[Reply, ...] = ()
    if action.template:
        texts = brand.texts[action.template]
        try:
            variables = after.variables | more if more else after.variables
            text = render(texts.get(after.language) or texts[""], variables, message)
        except MissingVariable as exc:
            outcome, detail = "escalated", f"template {action.template} has no value for {{{exc.name}}}"
        else:
            replies = (Reply(action.template, text),)
            after.messages_out += 1
    if outcome == "escalated" and not after.escalated:
        after.escalated = now
    elif action.resolves and not after.resolved:
        after.resolved, after.resolved_by = now, "automated"
    return Decision(outcome, action.layer, action.rule, "", replies, after, detail)
