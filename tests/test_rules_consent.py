"""Consent: what takes it back, what gives it again, and what is said about it."""

from __future__ import annotations

import pytest

from bridge.records import Conversation, Session
from bridge.rules import Decision, Request, Ruleset, react
from bridge.rules.numbers import is_short_code
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

LONG = "447700900123"
BOTH = BRAND.replace('["60606"]', '["60606", "+447700900123"]')
DAY = 86400.0


def optout(options: str, more: str = "") -> Ruleset:
    return compiled(BOTH + more + f"[optout]\n{options}\n")


def templates(decision: Decision) -> list[str]:
    return [reply.template for reply in decision.replies]


def test_a_free_text_request_opts_out_with_one_confirmation() -> None:
    rules = compiled(BOTH)
    decision = say(rules, "please take me off your list")
    assert (decision.outcome, decision.layer, decision.rule, decision.control) == (
        "control",
        "optout",
        "optout.phrase",
        "stop",
    )
    assert templates(decision) == ["optout.stop"]
    assert decision.replies[0].control
    assert decision.state.opted_out == NOW
    again = say(rules, "stop texting me", decision.state, now=NOW + 1)
    assert (again.outcome, again.replies) == ("suppressed", ())


def test_the_fact_has_the_raw_words() -> None:
    (fact,) = say(compiled(BOTH), "STPO").facts
    assert (fact.kind, fact.values["how"], fact.values["text"], fact.values["number"]) == (
        "opted_out",
        "typo",
        "STPO",
        "60606",
    )


def test_a_request_may_be_asked_about() -> None:
    decision = say(optout('free_text = "ask"'), "take me off your list")
    assert (decision.outcome, decision.layer, decision.rule) == ("replied", "optout", "optout.ask")
    assert "reply STOP" in decision.replies[0].text
    assert decision.state.opted_out == 0.0


def test_a_request_may_go_to_a_person() -> None:
    rules = optout('free_text = "escalate"')
    decision = say(rules, "take me off your list")
    assert (decision.outcome, decision.layer, decision.state.escalated) == ("escalated", "optout", NOW)
    assert "priority=high" in decision.detail
    assert say(rules, "no more texts", decision.state, now=NOW + 5).state.escalated == NOW


def test_a_rules_file_adds_phrases() -> None:
    rules = optout('phrases = ["through with you"]')
    assert say(rules, "we are through with you people").state.opted_out == NOW
    assert "two words or more" in problems(BRAND + '[optout]\nphrases = ["bye"]\n')[0]


KEYWORDS = """\
[[keyword]]
words = ["stop texting me the scores"]
reply = "scores"
[[keyword]]
words = ["stop the news"]
match = "phrase"
reply = "scores"
[[keyword]]
words = ["no more texts"]
reply = "scores"
[template.scores]
en = "Which team?"
"""


def test_a_keyword_that_begins_with_a_stop_word_stands_before_free_text() -> None:
    rules = optout("", KEYWORDS)
    assert say(rules, "stop texting me the scores").rule == "keyword.stop texting me the scores"
    assert say(rules, "please stop the news").state.opted_out == 0.0
    assert say(rules, "stop").state.opted_out == NOW
    assert say(rules, "stop texting me").state.opted_out == NOW
    # One that does not is a request, whatever else it is declared to be.
    assert say(rules, "no more texts").state.opted_out == NOW


def test_stop_ends_the_flow_and_what_was_offered() -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 1, offered=("a", "b"), session=Session("f", "1", "s", NOW))
    after = say(compiled(BOTH), "stop", state).state
    assert (after.session, after.offered) == (None, ())


# ---------------------------------------------------------------- short codes


@pytest.mark.parametrize(("number", "short"), [("60606", True), ("123456", True), ("1234567", False), ("ACME", False)])
def test_a_short_code_is_told_by_its_digits(number: str, short: bool) -> None:
    assert is_short_code(number) is short


def test_a_short_code_answers_help_twice_a_day() -> None:
    rules, state = compiled(BOTH), None
    answered = []
    for hour in (0, 1, 2, 25, 26):
        decision = say(rules, "help", state, now=NOW + hour * 3600)
        answered.append(len(decision.replies))
        assert decision.outcome == "control"
        state = decision.state
    assert answered == [1, 1, 0, 1, 1]
    for _ in range(4):
        decision = say(rules, "help", state, number=LONG)
        assert templates(decision) == ["optout.help"]


def test_a_short_code_confirms_stop_once_more_on_another_day() -> None:
    rules = compiled(BOTH)
    state = say(rules, "stop").state
    assert say(rules, "stop", state, now=NOW + DAY - 1).replies == ()
    late = say(rules, "stop", state, now=NOW + DAY)
    assert (templates(late), late.facts, late.state.opted_out) == (["optout.stop"], (), NOW)
    assert say(rules, "stop", late.state, now=NOW + DAY + 5).replies == ()


def test_a_long_number_never_confirms_twice() -> None:
    rules = compiled(BOTH)
    state = say(rules, "stop", number=LONG).state
    assert say(rules, "stop", state, number=LONG, now=NOW + 9 * DAY).replies == ()


# ---------------------------------------------------------------- who answers, and opting in again


def test_a_carrier_that_answers_itself_is_left_to_it() -> None:
    rules = compiled(BOTH + 'optout_by = "carrier"\n')
    decision = say(rules, "stop")
    assert (decision.replies, decision.detail, decision.state.opted_out) == ((), "the carrier answers", NOW)
    decision = say(rules, "start", decision.state)
    assert (decision.replies, decision.state.opted_out) == ((), 0.0)
    assert templates(say(rules, "help")) == ["optout.help"]


def test_a_double_opt_in_is_confirmed_first() -> None:
    rules = optout("double_opt_in = true")
    state = say(rules, "stop").state
    asked = say(rules, "start", state, now=NOW + 10)
    assert (templates(asked), asked.state.opted_out, asked.facts) == (["optout.confirm"], NOW, ())
    again = say(rules, "start", asked.state, now=NOW + 11)
    assert (templates(again), again.state.opted_out) == (["optout.confirm"], NOW)
    late = say(rules, "yes", asked.state, now=NOW + 11 + 7 * DAY)
    assert (templates(late), late.state.opted_out) == (["optout.confirm"], NOW)
    done = say(rules, "yes", asked.state, now=NOW + 20)
    assert (templates(done), done.state.opted_out, done.state.opting_in) == (["optout.start"], 0.0, 0.0)
    assert [fact.kind for fact in done.facts] == ["opted_in"]


def test_yes_without_a_question_is_one_in_a_double_opt_in() -> None:
    rules = optout("double_opt_in = true")
    state = say(rules, "stop").state
    assert templates(say(rules, "yes", state, now=NOW + 8 * DAY)) == ["optout.confirm"]


def test_start_of_somebody_who_is_in_changes_nothing() -> None:
    decision = say(compiled(BOTH), "start")
    assert (templates(decision), decision.facts) == (["optout.start"], ())


# ---------------------------------------------------------------- operators


def ask(kind: str, state: Conversation, **values: str) -> Decision:
    return react(Request(kind, "ann", values), state, Ruleset(), NOW)


def test_an_operator_adds_and_removes_an_opt_out() -> None:
    state = Conversation(CONTACT, "acme", session=Session("f", "1", "s", NOW))
    decision = ask("optout.add", state, source="email", evidence="ticket 7")
    assert (decision.problem, decision.state.opted_out, decision.state.session) == ("", NOW, None)
    assert [(fact.kind, fact.values["by"], fact.values["how"]) for fact in decision.facts] == [
        ("opted_out", "ann", "email")
    ]
    assert state.opted_out == 0.0
    back = ask("optout.remove", decision.state, source="phone", evidence="call 8")
    assert (back.problem, back.state.opted_out) == ("", 0.0)


def test_consent_is_recorded_of_who_has_not_opted_out() -> None:
    state = Conversation(CONTACT, "acme", session=Session("f", "1", "s", NOW), last=3)
    decision = ask("consent.given", state, source="web", evidence="form v7")
    assert (decision.problem, decision.state) == ("", state)
    assert [(fact.kind, fact.values) for fact in decision.facts] == [
        ("opted_in", {"how": "web", "text": "form v7", "by": "ann"})
    ]
    assert ask("consent.given", state, source="web").problem.startswith("consent needs evidence")
    out = Conversation(CONTACT, "acme", opted_out=NOW)
    assert ask("consent.given", out, source="web", evidence="x").problem.startswith("has opted out; `smppbridge optout")


def test_what_an_operator_may_not() -> None:
    state, out = Conversation(CONTACT, "acme"), Conversation(CONTACT, "acme", opted_out=NOW)
    assert "source must be one of" in ask("optout.add", state, source="rumour").problem
    assert ask("optout.add", out, source="email").problem == "has opted out already"
    assert ask("optout.remove", state, source="email", evidence="x").problem == "has not opted out"
    assert "needs evidence" in ask("optout.remove", out, source="email", evidence=" ").problem
