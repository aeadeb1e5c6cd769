"""The tests inside a rules file: [[test]] tables, run as conversations with a new customer."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from bridge.records import Conversation, Topics
from bridge.rules.decide import decide
from bridge.rules.message import Called, Decision, Inbound
from bridge.rules.react import react

if TYPE_CHECKING:
    from bridge.options import At
    from bridge.rules.ruleset import Brand, Ruleset
    from bridge.rules.tables import RulesTables, SelfTestTable

_CONTACT = "15550001234"
_START = 1_000_000_000.0


def run_tests(tables: RulesTables, at: At, rules: Ruleset) -> None:
    """Runs every [[test]] of a file.

    Args:
        tables: The file as it is written.
        at: Its root; each test that fails is a problem there.
        rules: The compiled rules.
    """
    first = next((number for brand in tables.brand.values() for number in brand.numbers), "")
    for index, test in enumerate(tables.test):
        _run(test, test.number or first, at.child("test").child(index), rules)


def _run(test: SelfTestTable, number: str, at: At, rules: Ruleset) -> None:
    brand = rules.brand_of(number)
    if not brand:
        at.child("number").problem(f"no brand has the number {number}")
        return
    if not test.say or len(test.say) != len(test.expect):
        at.problem(f"`say` has {len(test.say)} texts and `expect` {len(test.expect)}; each text needs its answer")
        return
    state: Conversation | None = None
    if test.lang or test.after:
        topics = Topics(test.after) if test.after else None
        state = Conversation(_CONTACT, brand, language=test.lang, topics=topics)
    if test.after and test.after not in rules.numbers[number].topics:
        at.child("after").problem(f"there is no topic `{test.after}` in [optout.topics]")
        return
    start = _begins(test, rules.numbers[number], at)
    for step, (said, expected) in enumerate(zip(test.say, test.expect, strict=True)):
        decision = decide(Inbound(said, _CONTACT, number), state, rules, start + step, step + 1)
        got = _answer(decision)
        while decision.call is not None:
            decision = _return(decision, test, rules, start + step)
            got = got or _answer(decision)
        if got != expected and not (expected == "" and not decision.replies):
            at.problem(f'"{said}" gets {got or "no answer"}, expected {expected or "no answer"}{_why(decision)}')
            return
        state = decision.state
    if test.then is not None and state is not None:
        actual = "opted_out" if state.opted_out else "subscribed"
        if actual != test.then.state:
            at.child("then").problem(f"the customer is {actual} at the end, expected {test.then.state}")


def _begins(test: SelfTestTable, brand: Brand, at: At) -> float:
    """Return when a test begins: as it says, else when the brand is open."""
    if test.at:
        try:
            moment = datetime.fromisoformat(test.at)
        except ValueError:
            at.child("at").problem(f'{test.at!r} is no date and time; write it as "2026-11-24 19:30"')
        else:
            return moment.replace(tzinfo=ZoneInfo(brand.timezone)).timestamp()
    opens = _START if brand.hours is None else brand.hours.opens(_START)
    return _START if opens == inf else opens


def _return(decision: Decision, test: SelfTestTable, rules: Ruleset, now: float) -> Decision:
    """Let a call return what the test says."""
    state, call = decision.state, decision.call
    assert call is not None  # noqa: S101  the caller looked
    assert state.session is not None  # noqa: S101  it waits for the call
    state.session = replace(state.session, call=1)
    values = test.calls.get(call.name)
    error = f"the test has no `calls` for {call.name}" if values is None else ""
    return react(Called(1, values or {}, error), state, rules, now)


def _answer(decision: Decision) -> str:
    if decision.replies:
        return decision.replies[0].template
    return "escalated" if decision.outcome == "escalated" else ""


def _why(decision: Decision) -> str:
    rule = f"{decision.rule}, " if decision.rule else ""
    return f" ({rule}{decision.outcome}{': ' if decision.detail else ''}{decision.detail})"
