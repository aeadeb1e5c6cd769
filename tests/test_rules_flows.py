"""Flows: the conversations are a file that anybody can lengthen; here is how they are run, and what no file can say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from bridge.options import At, duration
from bridge.records import Context, Conversation, Session
from bridge.rules import Called, Decision, Wake, react
from bridge.rules.flows.conditions import ConditionError, parse_condition
from bridge.rules.flows.flow import fill_in
from bridge.rules.threads import known
from tests.rules_helpers import CONTACT, NOW, compiled, say

if TYPE_CHECKING:
    from bridge.rules import Ruleset

FOLDER = Path(__file__).parent / "data/rules"
SOURCE = (FOLDER / "flows.toml").read_text(encoding="utf-8")
TABLE: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "conversations.toml").read_text(encoding="utf-8"))
RULES = compiled(SOURCE)
seconds = duration()


def answers(decision: Decision) -> list[str]:
    told = ["escalated"] if any(fact.kind == "escalated" for fact in decision.facts) else []
    return [reply.template for reply in decision.replies] + told


class Talk:
    """One customer: what he writes, time that passes, calls that return."""

    def __init__(self, rules: Ruleset = RULES, state: Conversation | None = None) -> None:
        self.rules = rules
        self.now = NOW
        self.state = state
        self.calls = 0
        self.last: Decision | None = None

    def take(self, decision: Decision) -> list[str]:
        self.last, self.state = decision, decision.state
        if decision.call is not None:
            self.calls += 1
            assert self.state.session is not None
            self.state.session = replace(self.state.session, call=self.calls)
        return answers(decision)

    def say(self, text: str) -> list[str]:
        self.now += 1.0
        return self.take(say(self.rules, text, self.state, now=self.now, mo_id=int(self.now - NOW)))

    def wait(self, span: str) -> list[str]:
        assert self.state is not None
        self.now += seconds(span, At("", Path(), {}, []))
        found: list[str] = []
        while self.state.wake and self.state.wake <= self.now:
            found += self.take(react(Wake(), self.state, self.rules, self.now))
        return found

    def call(self, values: dict[str, str], error: str = "") -> list[str]:
        assert self.state is not None
        return self.take(react(Called(self.calls, values, error), self.state, self.rules, self.now))


def step(talk: Talk, turn: dict[str, Any]) -> list[str]:
    if "say" in turn:
        return talk.say(turn["say"])
    if "wait" in turn:
        return talk.wait(turn["wait"])
    return talk.call(turn.get("call", {}), turn.get("error", ""))


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_conversations(name: str) -> None:
    talk = Talk()
    for number, turn in enumerate(TABLE[name]["turns"]):
        assert (number, step(talk, turn)) == (number, turn["answer"])
    state = talk.state
    assert state is not None
    facts = {
        **known(state),
        **{f"profile.{key}": value for key, value in state.profile.items()},
        "state": "opted_out" if state.opted_out else "subscribed",
        "resolved": state.resolved_by,
        "session": "" if state.session is None else state.session.flow,
    }
    for key, value in TABLE[name].get("then", {}).items():
        assert (key, facts.get(key)) == (key, value)


STEPS = {
    "order": ["track"],
    "look": ["AC12345678"],
    "new": ["address"],
    "confirm": ["address", "1 High Street, Oxford"],
    "ask": ["slow"],
}


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("word", ["STOP", "start", "HELP", "Cancel", "end", "please unsubscribe me"])
def test_control_words_are_control_at_every_step(at: str, word: str) -> None:
    talk = Talk()
    for text in STEPS[at]:
        talk.say(text)
    assert talk.state is not None
    before = talk.state.session
    assert before is not None
    assert before.step == at
    talk.say(word)
    assert talk.last is not None
    assert talk.last.outcome == "control"
    stopped = bool(talk.state.opted_out)
    assert stopped == (word not in ("start", "HELP"))
    assert talk.state.session == (None if stopped else before)


# ---------------------------------------------------------------- contexts: an answer to a message that we started


def told(*contexts: Context) -> Talk:
    return Talk(state=Conversation(CONTACT, "acme", contexts=contexts))


HOUR = 3600.0
ORDER = {"order": "AC11111111"}


@pytest.mark.parametrize(
    ("contexts", "text", "layer", "flow"),
    [
        ((Context(1, NOW + HOUR, "address"),), "1 High Street, Oxford", "escalate", ""),
        ((Context(1, NOW + HOUR, "both"),), "7", "escalate", ""),
        ((Context(1, NOW + HOUR, "chat"),), "7", "context", ""),
        ((Context(1, NOW + HOUR, "chat"),), "seven", "context", ""),
        ((Context(1, NOW + HOUR, "chat"),), "hello", "escalate", ""),
        ((Context(1, NOW, "chat"),), "7", "escalate", ""),
        ((), "7", "escalate", ""),
        ((Context(1, NOW + HOUR, "gone"),), "7", "escalate", ""),
        ((Context(2, NOW + HOUR, "address"), Context(1, NOW + HOUR, "chat")), "7", "context", ""),
        ((Context(1, NOW + HOUR, "track"),), "AC12345678", "context", "track"),
        ((Context(1, NOW + HOUR, "track", ORDER),), "AC12345678", "pattern", "track"),
        ((Context(1, NOW + HOUR, "track", ORDER),), "track", "keyword", "track"),
        ((Context(1, NOW + HOUR, "", ORDER),), "track", "keyword", "track"),
        ((Context(2, NOW + HOUR, "once"), Context(1, NOW + HOUR, "track", ORDER)), "track", "keyword", "track"),
        ((Context(1, NOW + HOUR, "once", ORDER),), "7", "escalate", ""),
        ((Context(1, NOW, "", ORDER),), "track", "keyword", "track"),
    ],
)
def test_the_table_of_contexts(contexts: tuple[Context, ...], text: str, layer: str, flow: str) -> None:
    talk = told(*contexts)
    talk.say(text)
    assert talk.last is not None
    assert talk.state is not None
    assert (talk.last.layer, talk.state.session.flow if talk.state.session else "") == (layer, flow)
    live = contexts[0].until > NOW if contexts else False
    if text == "track":
        assert answers(talk.last) == ([] if live else ["ask_order"])
    if layer == "context":
        assert len(talk.state.contexts) == len(contexts) - 1


# ---------------------------------------------------------------- versions


def test_a_session_keeps_to_the_rules_that_it_began_with() -> None:
    talk = Talk()
    talk.say("track")
    newer = SOURCE.replace('version = "7"', 'version = "8"').replace("not an order number", "no number")
    talk.rules = replace_older(compiled(newer), RULES)
    talk.say("hm")
    assert talk.last is not None
    assert talk.last.replies[0].text == "Sorry, that is not an order number."
    assert talk.last.replies[0].version == "7"
    assert talk.state is not None
    assert talk.state.session is not None
    assert talk.state.session.version == "7"


def replace_older(rules: Ruleset, *older: Ruleset) -> Ruleset:
    from dataclasses import replace as copy

    return copy(rules, older={one.version: one for one in older})


def test_a_session_whose_rules_are_gone_is_over() -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 1, number="60606", session=Session("track", "6", "order", NOW))
    talk = Talk(state=state)
    assert talk.say("AC12345678") == []
    assert talk.last is not None
    assert talk.last.layer == "pattern"
    waiting = replace(state, wake=NOW, session=Session("track", "6", "order", NOW, until=NOW, call=5))
    assert react(Wake(), waiting, RULES, NOW).state.session is None
    assert react(Called(5), waiting, RULES, NOW).state.session is None
    changed = replace(state, session=Session("track", "7", "gone", NOW))
    assert react(Wake(), changed, RULES, NOW).state.session is None
    assert say(RULES, "hm", changed).layer == "escalate"
    missing = replace(state, session=Session("gone", "7", "order", NOW))
    assert say(RULES, "hm", missing).layer == "escalate"


def test_a_call_that_nobody_waits_for_is_ignored() -> None:
    talk = Talk()
    talk.say("AC12345678")
    before = talk.state
    assert before is not None
    after = react(Called(99, {"status": "lost"}), before, RULES, NOW)
    assert (after.replies, after.state.session) == ((), before.session)


def test_a_time_that_has_not_come_leaves_the_session() -> None:
    talk = Talk()
    talk.say("track")
    assert talk.state is not None
    early = react(Wake(), talk.state, RULES, talk.now)
    assert (early.replies, early.state.session) == ((), talk.state.session)
    assert early.state.wake == talk.state.wake


def test_a_session_that_was_left_at_another_step_takes_its_answer_there() -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 1, number="60606", session=Session("track", "7", "look", NOW))
    assert say(RULES, "hello there", state).layer == "flow"


def test_personal_answers_are_marked() -> None:
    talk = Talk()
    talk.say("address")
    talk.say("1 High Street, Oxford")
    assert talk.last is not None
    assert talk.last.personal


def test_notes_are_filled_in() -> None:
    talk = Talk()
    talk.say("agent")
    assert talk.last is not None
    assert talk.last.facts[0].values["note"] == "wants a person: agent"
    assert fill_in("{a} {b|none} {c}", {"a": "1"}) == "1 none "


def test_who_is_handed_over_out_of_a_flow_is_not_woken_for_it() -> None:
    talk = Talk()
    talk.say("track")
    assert talk.state is not None
    assert talk.state.wake
    talk.say("agent")
    assert (talk.state.session, talk.state.wake) == (None, 0.0)


def test_a_very_long_flow_ends() -> None:
    steps = "".join(f'[flow.f.step.s{n}]\nsave = {{ "profile.x" = "1" }}\nnext = "s{n + 1}"\n' for n in range(60))
    text = '[[keyword]]\nwords = ["go"]\nflow = "f"\n[flow.f]\nstart = "s0"\n' + steps
    text += "[flow.f.step.s60]\nresolve = true\n"
    rules = compiled(HEAD + text)
    decision = say(rules, "go")
    assert decision.outcome == "escalated"
    assert "more than 50 steps" in decision.detail


HEAD = """\
version = "1"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
[template.t]
en = "t"
"""
GO = '[[keyword]]\nwords = ["go"]\nflow = "f"\n'


def test_two_ways_to_one_step_are_no_circle() -> None:
    text = '[flow.f]\nstart = "a"\n[flow.f.step.a]\nsay = "t"\nnext = [{ when = "x", go = "b" }, { go = "c" }]\n'
    text += '[flow.f.step.b]\nsay = "t"\nnext = "c"\n[flow.f.step.c]\nsay = "t"\n'
    assert compiled(HEAD + GO + text).version == "1"


@pytest.mark.parametrize(
    ("source", "variables", "holds"),
    [
        ("x", {"x": "1"}, True),
        ("x", {}, False),
        ("not x", {}, True),
        ("x is set", {"x": "a"}, True),
        ("x is not set", {}, True),
        ("x == 'A'", {"x": "a"}, True),
        ('x == "b"', {"x": "a"}, False),
        ("x != 'a'", {}, True),
        ("x == 1", {"x": "1.0"}, True),
        ("x < 10", {"x": "9"}, True),
        ("x < 10", {"x": "nine"}, False),
        ("x > 'b'", {"x": "C"}, True),
        ("x <= 9", {"x": "9.0"}, True),
        ("x >= 9", {"x": "8"}, False),
        ("x >= 9", {}, False),
        ("x <= 9", {}, False),
        ("x == y", {"x": "q", "y": "Q"}, True),
        ("x in ['a', 'b']", {"x": "B"}, True),
        ("x in ['a']", {}, False),
        ("x and y", {"x": "1"}, False),
        ("x or y", {"x": "1"}, True),
        ("(x or y) and not z", {"y": "1"}, True),
        ("x == -1.5", {"x": "-1.50"}, True),
        ("x < 1", {"x": "1" * 40}, False),
    ],
)
def test_conditions(source: str, variables: dict[str, str], holds: bool) -> None:
    assert parse_condition(source).test(variables) is holds


def test_a_condition_names_its_variables() -> None:
    assert parse_condition("a == b and not c in [d, 'e']").names == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "cannot be read from `= 1` on; equal is written =="),
        ("x § 1", "cannot be read from `§ 1` on"),
        ("x ==", "has nothing where a name or a value should be"),
        ("x == ==", "has `==` where a name or a value should be"),
        ("x y", "has `y` where it should end"),
        ("(x", "lacks `)` after a bracket"),
        ("x in 'a'", "lacks `[` after `in`"),
        ("x in ['a'", "lacks `]` after the list"),
        ("'x'", "compares 'x' with nothing"),
        ("x is y", "lacks `set` after `is`"),
        ("not " * 25 + "x", "is nested too deep"),
    ],
)
def test_a_condition_that_cannot_be_read(source: str, said: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(source)
    assert str(caught.value) == said
