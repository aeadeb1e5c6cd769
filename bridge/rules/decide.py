"""One text in, one decision out: pure, so that a recorded day can be replayed to the same octets.

The order of precedence: STOP, START, HELP as a whole message; an opted-out sender (kept, never answered); a request to
stop in people's own words, unless a keyword says otherwise; the loop guard; people who have it in hand; a flow that
waits (a typed answer, what may interrupt it, any answer, asking again); the rating that was asked for; the answer to a
message that we started, or to "which of the two?"; keywords; patterns; keywords with a typing mistake; intents, and
asking which of two; the policy for what nothing knows.
Opening hours, quiet hours, caps and suppression act at sending, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.rules import consent, people, rating, topics
from bridge.rules.escalation import Escalation, hand_over
from bridge.rules.flows import engine as flows
from bridge.rules.flows.flow import fill_in
from bridge.rules.guard import hear, replied
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.normalise import normalise
from bridge.rules.templates import MissingVariable, render
from bridge.rules.threads import known, next_wake, receive

if TYPE_CHECKING:
    from bridge.records import Case, Conversation
    from bridge.rules.guard import Halt
    from bridge.rules.intents.understanding import Judgement, Understanding
    from bridge.rules.optout import Control
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
        after = receive(message, "", _IDLE_CLOSE, 0.0, state, now, mo_id)
        return Decision("silent", "silent", "", "", (), after, "no brand for this number")
    after = receive(message, brand.name, brand.idle_close, brand.reopen_window, state, now, mo_id)
    if after.resolved:
        decision = _decide(brand, message, after, rules, now)
        rating.reopen(decision, now)
        return decision
    return _decide(brand, message, after, rules, now)


def _decide(brand: Brand, message: Inbound, after: Conversation, rules: Ruleset, now: float) -> Decision:
    words = normalise(message.text)
    whole = " ".join(words)
    control = brand.controls.get(whole)
    if after.opted_out and after.topics is not None:
        decision = topics.answered(control, whole, brand, message, after, now)
        if decision is not None:
            return decision
    if control is not None and (after.opted_out or not control.only_opted_out):
        if whole in brand.answer_first and after.session is not None and (taken := _taken(rules, message, after, now)):
            return taken
        if after.case is None or not _for_people(control, after.case, brand, message):
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
            return _halt(halt, brand, after, now)
        decision = _answer(words, whole, rules, brand, message, after, now)
        if decision.replies:
            replied(after, now)
        return decision
    return _answer(words, whole, rules, brand, message, after, now)


def _answer(
    words: list[str], whole: str, rules: Ruleset, brand: Brand, message: Inbound, after: Conversation, now: float
) -> Decision:
    if after.case is not None:
        return people.attach(after.case, brand, after, now)
    if after.session is not None:
        return _in_flow(words, whole, rules, brand, message, after, now)
    if after.rating is not None and (decision := rating.answer(brand, whole, message, after, now)):
        return decision
    if after.contexts and (decision := flows.context(rules, brand, message, after, now)):
        return decision
    understanding = brand.understanding
    if after.offered:
        offered, after.offered = after.offered, ()
        if understanding is not None and (action := understanding.pick(offered, words, whole)):
            return _act(action, rules, brand, message, after, now)
    action = _by_words(words, whole, brand, message, after)
    if action is not None:
        return _act(action, rules, brand, message, after, now)
    judgement = None if understanding is None else understanding.judge(words)
    if judgement is None or understanding is None:
        return _unmatched(rules, brand, message, after, now, None)
    if judgement.answer:
        decision = _act(understanding.actions[judgement.intent], rules, brand, message, after, now)
    elif judgement.unsure is not None and brand.which is not None and not after.unmatched:
        decision = _ask(brand.which, judgement.unsure, understanding, rules, brand, message, after, now)
        after.unmatched = 1
    else:
        decision = _unmatched(rules, brand, message, after, now, judgement.likely)
    _note(decision, judgement)
    return decision


def _in_flow(
    words: list[str], whole: str, rules: Ruleset, brand: Brand, message: Inbound, after: Conversation, now: float
) -> Decision:
    """A typed answer, then what may interrupt the flow, then any answer, then asking again."""
    interrupts = flows.interrupts(rules, after)
    if after.session is None:
        return _answer(words, whole, rules, brand, message, after, now)
    decision = flows.answer(rules, message, after, now, free=False)
    if decision is not None:
        return decision
    if "keyword" in interrupts and (action := _by_words(words, whole, brand, message, after)):
        return _act(action, rules, brand, message, after, now)
    understanding = brand.understanding if "intent" in interrupts else None
    judgement = None if understanding is None else understanding.judge(words)
    if understanding is not None and judgement is not None and judgement.answer:
        decision = _act(understanding.actions[judgement.intent], rules, brand, message, after, now)
        _note(decision, judgement)
        return decision
    return flows.answer(rules, message, after, now, free=True) or flows.refuse(rules, message, after, now)


def _by_words(words: list[str], whole: str, brand: Brand, message: Inbound, after: Conversation) -> Action | None:
    """A keyword, a pattern, or a keyword with a typing mistake."""
    action = brand.keywords.find(words, whole)
    if action is not None:
        return action
    found = brand.patterns.find(message.text)
    if found is not None:
        if found[1]:
            after.variables = after.variables | found[1]
        return brand.pattern_actions[found[0]]
    return None if brand.typos is None else brand.typos.find(words, whole)


def _note(decision: Decision, judgement: Judgement) -> None:
    decision.intent, decision.confidence = judgement.intent, judgement.confidence
    decision.runner_up, decision.words = judgement.runner_up, judgement.words


def _unmatched(
    rules: Ruleset, brand: Brand, message: Inbound, after: Conversation, now: float, likely: tuple[str, str] | None
) -> Decision:
    unmatched = after.unmatched + 1
    action = brand.unmatched[1 if after.unmatched else 0]
    if not action.asks:
        decision = _act(action, rules, brand, message, after, now)
    elif likely is None or brand.understanding is None:
        # Like none of the intents: to ask which of two it is would be silly.
        decision = _act(brand.unmatched[1], rules, brand, message, after, now)
    else:
        decision = _ask(action, likely, brand.understanding, rules, brand, message, after, now)
    after.unmatched = unmatched
    return decision


def _ask(
    action: Action,
    intents: tuple[str, str],
    understanding: Understanding,
    rules: Ruleset,
    brand: Brand,
    message: Inbound,
    after: Conversation,
    now: float,
) -> Decision:
    after.offered = intents
    variables = understanding.offer(intents, after.language or brand.languages[0])
    return _act(action, rules, brand, message, after, now, variables)


def _taken(rules: Ruleset, message: Inbound, after: Conversation, now: float) -> Decision | None:
    """Return what a flow does with a STOP word that the rules let it take; None if it waits for no such answer."""
    flows.interrupts(rules, after)
    return None if after.session is None else flows.answer(rules, message, after, now, free=False)


def _for_people(control: Control, case: Case, brand: Brand, message: Inbound) -> bool:
    """Whether a control word is left to the people who have the conversation in hand: HELP can be, STOP never."""
    return control.kind == "help" and people.keep_help(case, brand, message.number)


def _halt(halt: Halt, brand: Brand, after: Conversation, now: float) -> Decision:
    if not halt.escalate:
        return Decision("silent", "loop", halt.rule, "", (), after, halt.detail)
    facts = hand_over(after, Escalation(), brand, now, halt.detail)
    return Decision("escalated", "loop", halt.rule, "", (), after, halt.detail, facts=facts)


def _act(
    action: Action,
    rules: Ruleset,
    brand: Brand,
    message: Inbound,
    after: Conversation,
    now: float,
    more: dict[str, str] | None = None,
) -> Decision:
    after.unmatched = 0
    if action.language in brand.languages:
        after.language = action.language
    if action.flow:
        return flows.begin(action.flow, brand, rules.version, message, after, now, action.layer, action.rule)
    outcome, detail, escalation = action.outcome, action.detail, action.escalation
    replies: tuple[Reply, ...] = ()
    facts: tuple[Fact, ...] = ()
    if action.template:
        texts = brand.texts[action.template]
        try:
            variables = known(after) | more if more else known(after)
            if escalation is not None:
                variables = variables | people.promises(brand, escalation.queue, after.language, now)
            text = render(texts.get(after.language) or texts[""], variables, message)
        except MissingVariable as exc:
            outcome, detail = "escalated", f"template {action.template} has no value for {{{exc.name}}}"
            escalation = escalation or Escalation()
        else:
            replies = (Reply(action.template, text),)
            after.messages_out += 1
    if outcome == "escalated":
        waited, escalation = after.wake, escalation or Escalation()
        note = fill_in(escalation.note, {**known(after), "input": message.text}) if escalation.note else ""
        facts = hand_over(after, escalation, brand, now, note)
        replies = (*replies, *people.after_hours(brand, after, now))
        if waited:
            after.wake = next_wake(after)
    elif action.resolves:
        facts = rating.settle(after, brand, "automated", action.rule, now)
    return Decision(outcome, action.layer, action.rule, "", replies, after, detail, facts=facts)
