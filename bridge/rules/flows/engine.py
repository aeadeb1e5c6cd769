"""A session of a flow, from one wait to the next.

    begin    a keyword, a pattern or an intent starts a flow
    context  a text may be the answer to a message that we started
    answer   a text may be the answer that the session waits for
    refuse   a text is none, and nothing else could answer it
    wake     the time of a wait, or of the whole flow, is over
    called   the call that the session waits for has returned

Each returns a Decision, or None where the event is not the flow's. A session keeps to the rules that it began with:
its flow and its texts are theirs (`Ruleset.keeping`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.records import Session
from bridge.rules import people, rating
from bridge.rules.answers import Setting
from bridge.rules.escalation import Escalation, hand_over
from bridge.rules.flows.flow import END, Flow, Step, fill_in, used
from bridge.rules.message import CALLING, Call, Decision, Fact, Inbound, Reply
from bridge.rules.templates import MissingVariable, render
from bridge.rules.threads import known, next_wake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records import Context, Conversation
    from bridge.rules.flows.tables import Instead
    from bridge.rules.message import Called
    from bridge.rules.ruleset import Brand, Ruleset

_MOST_STEPS = 50
"""Steps that one event may lead through; what loads has no circle, so only a very long flow comes near it."""
_MOST_KEPT = 5
"""Texts that are kept while a call is open; later ones are not answered."""


def begin(
    name: str, brand: Brand, version: str, message: Inbound, after: Conversation, now: float, layer: str, rule: str
) -> Decision:
    """Start a flow, in the place of one that may be in progress.

    Args:
        name: Of the flow.
        brand: Of the rules in force.
        version: Of these rules.
        message: The text that leads to it.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
        layer: Of the rule that starts it, as in Decision.
        rule: Its name.
    """
    for context in after.contexts:
        if context.until > now and context.flow in ("", name):
            after.variables = context.values | after.variables
            break
    flow = brand.flows[name]
    run = _begun(flow, brand, version, message, after, now)
    run.go(flow.start)
    return run.decision(layer, rule)


def context(rules: Ruleset, brand: Brand, message: Inbound, after: Conversation, now: float) -> Decision | None:
    """Take a text as the answer to a message that we started, the newest whose question it answers.

    Args:
        rules: Those in force.
        brand: Of the number that was texted.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    live = tuple(one for one in after.contexts if one.until > now)
    for one in live:
        if one.flow in brand.flows and (decision := _begin_answered(one, rules, brand, message, after, now)):
            after.contexts = tuple(other for other in live if other is not one)
            return decision
    after.contexts = live
    return None


def _begin_answered(
    about: Context, rules: Ruleset, brand: Brand, message: Inbound, after: Conversation, now: float
) -> Decision | None:
    flow = brand.flows[about.flow]
    variables = known(after) | about.values
    name = flow.start
    while name != END:
        step = flow.steps[name]
        if step.skip_if is None or not step.skip_if.test(variables):
            break
        name = step.follower(variables)
    if name == END or step.answer is None or not step.answer.typed:
        return None
    values = step.answer.read(message.text, _setting(brand, after, now))
    if values is None:
        return None
    after.variables = after.variables | about.values
    run = _begun(flow, brand, rules.version, message, after, now)
    run.session.step = name
    run.take(step, values)
    return run.decision("context", f"flow.{flow.name}.{name}")


def interrupts(rules: Ruleset, after: Conversation) -> frozenset[str]:
    """Return what may be answered while the session waits; a session whose rules are gone is over."""
    session = after.session
    brand = None if session is None else rules.keeping(session.version, after.number)
    flow = None if session is None or brand is None else brand.flows.get(session.flow)
    if session is None or flow is None or session.step not in flow.steps:
        after.session = None
        return frozenset({"keyword", "intent"})
    return flow.interrupt_by


def answer(rules: Ruleset, message: Inbound, after: Conversation, now: float, *, free: bool) -> Decision | None:
    """Take a text as the answer that the session waits for; `interrupts` has looked at it.

    Args:
        rules: Those in force.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
        free: Ask the steps that take any text; they come after what may interrupt them.

    Returns:
        None if it is none.
    """
    run = _resume(rules, message, after, now)
    assert run is not None  # noqa: S101  looked at
    step, session = run.step, run.session
    if session.call:
        if not free:
            return None
        session.kept = (*session.kept, message.text)[:_MOST_KEPT]
        run.detail = "kept until the call returns"
        return run.decision("flow", run.rule)
    if step.answer is None or step.answer.typed == free:
        return None
    values = step.answer.read(message.text, _setting(run.brand, after, now))
    if values is None:
        return None
    rule = run.rule
    run.take(step, values)
    return run.decision("flow", rule, personal=step.pii)


def refuse(rules: Ruleset, message: Inbound, after: Conversation, now: float) -> Decision:
    """Ask again, or give up, after a text that is no answer; `interrupts` has looked at the session.

    Args:
        rules: Those in force.
        message: The text.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    run = _resume(rules, message, after, now)
    assert run is not None  # noqa: S101  looked at
    rule, step, session = run.rule, run.step, run.session
    session.failures += 1
    if session.failures > step.retries:
        run.instead(step.on_fail)
        run.detail = run.detail or "no answer that fits"
        return run.decision("flow", rule)
    session.until = now + step.timeout
    if step.retry:
        run.say(step.retry)
    return run.decision("flow", rule)


def wake(rules: Ruleset, after: Conversation, now: float) -> Decision | None:
    """Do what is due in a session by time alone.

    Args:
        rules: Those in force.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """
    run = _resume(rules, Inbound("", after.contact, after.number, after.link), after, now)
    if run is None:
        return None
    rule, session = run.rule, run.session
    if session.expires and session.expires <= now:
        run.instead(run.flow.on_expire)
        run.detail = run.detail or "the flow has expired"
    elif session.until and session.until <= now:
        run.instead(run.step.on_timeout)
        run.detail = run.detail or "no answer in time"
    else:
        return None
    return run.decision("flow", rule)


def called(event: Called, rules: Ruleset, after: Conversation, now: float) -> Decision | None:
    """Go on with what a call has returned.

    Args:
        event: What became of it.
        rules: Those in force.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """
    if after.session is None or after.session.call != event.id:
        return None
    run = _resume(rules, Inbound("", after.contact, after.number, after.link), after, now)
    if run is None:
        return None
    rule, session, step = run.rule, run.session, run.step
    session.call = 0
    kept, session.kept = session.kept, ()
    if event.error:
        run.detail = f"{step.call}: {event.error}"
        run.instead(step.on_error)
        return run.decision("flow", rule)
    after.variables = after.variables | event.values
    run.go(run.settle(step))
    for text in kept:
        if after.session is None or session.call or run.step.answer is None:
            break
        values = run.step.answer.read(text, _setting(run.brand, after, now))
        if values is not None:
            run.take(run.step, values)
    return run.decision("flow", rule)


def _setting(brand: Brand, after: Conversation, now: float) -> Setting:
    return Setting(now, brand.timezone, after.language or brand.languages[0], brand.country)


def _begun(flow: Flow, brand: Brand, version: str, message: Inbound, after: Conversation, now: float) -> _Run:
    after.session = Session(flow.name, version, flow.start, now, now + flow.expires)
    return _Run(flow, brand, after.session, message, after, now)


def _resume(rules: Ruleset, message: Inbound, after: Conversation, now: float) -> _Run | None:
    if after.session is None:
        return None
    brand = rules.keeping(after.session.version, after.number)
    flow = None if brand is None else brand.flows.get(after.session.flow)
    if brand is None or flow is None or after.session.step not in flow.steps:
        after.session = None
        return None
    after.session = replace(after.session)
    return _Run(flow, brand, after.session, message, after, now)


class _Run:
    """What one event does to a session.

    Args:
        flow: Of the rules that the session keeps to.
        brand: Of the same.
        session: It is changed.
        message: The text, an empty one for another event.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """

    def __init__(
        self, flow: Flow, brand: Brand, session: Session, message: Inbound, after: Conversation, now: float
    ) -> None:
        self.flow = flow
        self.brand = brand
        self.session = session
        self.after = after
        self.detail = ""
        self._message = message
        self._now = now
        self._replies: list[Reply] = []
        self._facts: list[Fact] = []
        self._call: Call | None = None
        self._escalated = False

    @property
    def step(self) -> Step:
        return self.flow.steps[self.session.step]

    @property
    def rule(self) -> str:
        return f"flow.{self.flow.name}.{self.session.step}"

    def go(self, name: str) -> None:
        """Do steps, from this one to the next wait, call or end."""
        for _ in range(_MOST_STEPS):
            if self.after.session is None or self._call is not None:
                return
            if name == END:
                self.after.session = None
                return
            step = self.flow.steps[name]
            if step.skip_if is not None and step.skip_if.test(known(self.after)):
                name = step.follower(known(self.after))
                continue
            self.session.step, self.session.failures, self.session.until = name, 0, 0.0
            if step.say and not self.say(step.say, step.escalate):
                return
            if step.answer is not None:
                self.session.until = self._now + step.timeout
                return
            name = self._finish(step)
        self.detail = f"more than {_MOST_STEPS} steps without an answer"
        self._hand_over(Escalation())

    def take(self, step: Step, values: Mapping[str, str]) -> None:
        """Take an answer and go on."""
        self.after.variables = self.after.variables | dict(values)
        if step.pii:
            self.after.personal = tuple(dict.fromkeys((*self.after.personal, *values)))
        self.session.until = 0.0
        self.go(self._finish(step))

    def _finish(self, step: Step) -> str:
        """Do what comes after a step's wait; return the step to go on with."""
        if step.call:
            self.session.call = CALLING
            self._call = Call(step.call, dict(known(self.after)), step.call_timeout)
            return END
        return self.settle(step)

    def settle(self, step: Step) -> str:
        """Do what comes after a step's call; return the step to go on with."""
        variables = known(self.after)
        if step.save:
            saved = {name.removeprefix("profile."): fill_in(source, variables) for name, source in step.save.items()}
            self.after.profile = self.after.profile | saved
            personal = self.after.personal
            fields = (name for name, source in step.save.items() if not used(source).isdisjoint(personal))
            self.after.personal = tuple(dict.fromkeys((*personal, *(f.removeprefix("profile.") for f in fields))))
        if step.escalate is not None:
            self._hand_over(step.escalate)
            return END
        if step.resolve:
            self._facts += rating.settle(self.after, self.brand, "automated", self.flow.name, self._now)
        return step.follower(variables)

    def instead(self, instead: Instead) -> None:
        """Do what the rules say for a failure."""
        if instead.say and not self.say(instead.say, instead.escalate):
            return
        if instead.escalate is not None:
            self._hand_over(instead.escalate)
        else:
            self.go(instead.then or END)

    def say(self, template: str, to: Escalation | None = None) -> bool:
        """Add a reply; return False if a variable of it has no value, and people have been told."""
        texts = self.brand.texts[template]
        try:
            variables = known(self.after)
            if to is not None:
                variables = variables | people.promises(self.brand, to.queue, self.after.language, self._now)
            text = render(texts.get(self.after.language) or texts[""], variables, self._message)
        except MissingVariable as exc:
            self.detail = f"template {template} has no value for {{{exc.name}}}"
            self._hand_over(Escalation())
            return False
        self._replies.append(Reply(template, text, version=self.session.version))
        self.after.messages_out += 1
        return True

    def _hand_over(self, to: Escalation) -> None:
        variables = {**known(self.after), "input": self._message.text}
        self._facts += hand_over(self.after, to, self.brand, self._now, fill_in(to.note, variables))
        self._replies += people.after_hours(self.brand, self.after, self._now)
        self.detail = f"{self.detail}; {to.detail}" if self.detail else to.detail
        self._escalated = True

    def decision(self, layer: str, rule: str, *, personal: bool = False) -> Decision:
        """Return what all of it leads to."""
        outcome = "escalated" if self._escalated else "replied" if layer not in ("flow", "context") else "flow"
        if outcome == "replied" and not self._replies:
            outcome = "flow"
        self.after.unmatched = 0
        self.after.wake = next_wake(self.after)
        return Decision(
            outcome,
            layer,
            rule,
            "",
            tuple(self._replies),
            self.after,
            self.detail,
            call=self._call,
            facts=tuple(self._facts),
            personal=personal,
            topic=self.flow.name,
        )
