"""Intents, typing mistakes and "which of the two?" in a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.intents import ADDRESS, COMPLAINT, PARCEL
from tests.rules_helpers import BRAND, NOW, compiled, problems, say

if TYPE_CHECKING:
    from bridge.rules import Ruleset


def lines(examples: tuple[str, ...]) -> str:
    return ", ".join(f'"{line}"' for line in examples)


RULES = f"""{BRAND}
[intents]
threshold = 0.5
[intent.parcel]
examples = [{lines(PARCEL)}]
title = "my parcel"
reply = "parcel"
[intent.address]
examples = [{lines(ADDRESS)}]
reply = "address"
resolves = true
[intent.complaint]
examples = [{lines(COMPLAINT)}]
escalate = {{ queue = "care", priority = "high" }}
resolves = true
[[keyword]]
words = ["track"]
match = "first"
reply = "parcel"
[[keyword]]
words = ["opening hours", "hours"]
reply = "hours"
[[keyword]]
words = ["talk to people"]
match = "phrase"
escalate = true
[[keyword]]
words = ["late"]
reply = "hours"
[[keyword]]
words = ["plane"]
reply = "hours"
[[keyword]]
words = ["plans"]
reply = "parcel"
[template.parcel]
en = "parcel"
[template.address]
en = "address"
[template.hours]
en = "hours"
[template.which]
en = "1) {{a}} or 2) {{b}}? Reply 1, 2 or AGENT."
[conversation]
unmatched = {{ first = "which", second = "escalate" }}
"""
UNSURE = RULES.replace("threshold = 0.5", "threshold = 0.1\nmargin = 0.999")
compiled_once = compiled(RULES)
compiled_unsure = compiled(UNSURE)


@pytest.fixture
def rules() -> Ruleset:
    return compiled_once


def test_an_intent_answers_with_its_confidence_and_words(rules: Ruleset) -> None:
    decision = say(rules, "pls where is my parcel")
    assert (decision.outcome, decision.layer, decision.rule) == ("replied", "intent", "intent.parcel")
    assert decision.intent == "parcel"
    assert 0.5 <= decision.confidence <= 1.0
    assert decision.runner_up
    assert decision.words
    assert decision.state.resolved == 0.0


def test_an_intent_may_resolve(rules: Ruleset) -> None:
    first = say(rules, "i need to change my address")
    assert (first.state.resolved, first.state.resolved_by) == (NOW, "automated")
    thanks = say(rules, "STOP", first.state, now=NOW + 5)
    assert thanks.state.resolved == NOW


def test_what_goes_to_people_is_not_resolved(rules: Ruleset) -> None:
    decision = say(rules, "i want to complain about your rude driver")
    assert (decision.outcome, decision.rule) == ("escalated", "intent.complaint")
    assert decision.detail == "queue=care priority=high"
    assert decision.state.resolved == 0.0


def test_keywords_go_before_intents(rules: Ruleset) -> None:
    decision = say(rules, "track my address change")
    assert (decision.layer, decision.confidence) == ("keyword", -1.0)


def test_chatter_is_not_asked_about(rules: Ruleset) -> None:
    decision = say(rules, "lol see you at the pub then mate")
    assert (decision.outcome, decision.layer, decision.rule) == ("escalated", "escalate", "unmatched.second")
    assert decision.intent == "none"
    assert decision.confidence > 0.5
    assert decision.state.offered == ()


def test_a_text_without_words_is_unmatched(rules: Ruleset) -> None:
    decision = say(rules, "")
    assert (decision.layer, decision.rule, decision.confidence) == ("escalate", "unmatched.second", -1.0)


def test_which_of_two_when_both_are_near() -> None:
    decision = say(compiled_unsure, "parcel arrived, wrong address")
    assert (decision.outcome, decision.layer, decision.rule) == ("replied", "ask", "ask.which")
    assert decision.state.offered == (decision.intent, decision.runner_up)
    titles = {"parcel": "my parcel", "address": "address", "complaint": "complaint"}
    first, second = (titles[name] for name in decision.state.offered)
    assert decision.replies[0].text == f"1) {first} or 2) {second}? Reply 1, 2 or AGENT."
    picked = say(compiled_unsure, "2", decision.state, now=NOW + 1)
    assert (picked.layer, picked.rule) == ("ask", f"intent.{decision.runner_up}")
    assert picked.state.offered == ()


def test_which_of_two_is_not_asked_twice_in_a_row() -> None:
    asked = say(compiled_unsure, "parcel arrived, wrong address")
    again = say(compiled_unsure, "parcel, and wrong address", asked.state, now=NOW + 1)
    assert (again.layer, again.rule) == ("escalate", "unmatched.second")
    assert again.state.offered == ()


def test_the_policy_may_ask_which_of_two() -> None:
    rules = compiled(RULES.replace("threshold = 0.5", "threshold = 1"))
    decision = say(rules, "pls where is my parcel")
    assert (decision.layer, decision.rule) == ("ask", "unmatched.first")
    assert decision.state.offered[0] == "parcel"
    agent = say(rules, "agent", decision.state, now=NOW + 1)
    assert (agent.outcome, agent.rule) == ("escalated", "ask.agent")


def test_an_offer_means_nothing_to_rules_without_intents() -> None:
    asked = say(compiled_unsure, "parcel arrived, wrong address")
    decision = say(compiled(BRAND), "1", asked.state, now=NOW + 1)
    assert decision.layer == "escalate"


def test_unsure_without_a_template_that_asks_is_unmatched() -> None:
    rules = compiled(UNSURE.replace("1) {a} or 2) {b}? Reply 1, 2 or AGENT.", "sorry?"))
    decision = say(rules, "parcel arrived, wrong address")
    assert (decision.layer, decision.rule) == ("ask", "unmatched.first")
    assert decision.state.offered == ()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("trakc", "keyword.track"),
        ("trak my things", "keyword.track"),
        ("openign hours", "keyword.opening hours"),
        ("hurs", "keyword.opening hours"),
        ("lat", ""),  # of a keyword of four letters
        ("talk to peaple", "keyword.talk to people"),
        ("trakc this thing now", ""),  # more than three words
        ("planx", ""),  # plane or plans?
        ("stopp", ""),
        ("revokes", ""),
        ("order", ""),  # the examples know it
        ("x" * 41, ""),
    ],
)
def test_typing_mistakes(rules: Ruleset, text: str, rule: str) -> None:
    decision = say(rules, text)
    assert (decision.rule if decision.layer == "typo" else "") == rule


def test_no_keyword_is_mistaken_for_a_control_word() -> None:
    rules = compiled(BRAND + '[[keyword]]\nwords = ["starz"]\nescalate = true\n')
    assert say(rules, "stara").layer == "escalate"
    assert say(rules, "sstarz").layer == "typo"


def test_a_known_first_word_is_no_mistake() -> None:
    rules = compiled(RULES.replace('words = ["track"]', 'words = ["tracks"]'))
    assert say(rules, "track stuff").layer != "typo"
    assert say(rules, "trackz stuff").layer == "typo"


def test_asking_needs_intents_and_happens_once() -> None:
    which = '[template.which]\nen = "{a} {b}"\n[conversation]\nunmatched = { first = "which", second = "which" }\n'
    found = problems(BRAND + which)
    assert any("asks which of two intents is meant, and there is no [intent.NAME]" in line for line in found)
    assert any("asking again does not help" in line for line in found)
