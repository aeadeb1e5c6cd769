"""One text, one decision: precedence, opt-out, conversation state."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.records import OUTCOMES, Case, Context, Conversation, Guard, Rating, Session
from bridge.rules import Reply, Ruleset
from tests.rules_helpers import BRAND, CONTACT, NOW, RULES, compiled, say

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = tomllib.loads((Path(__file__).parent / "data/rules/decisions.toml").read_text(encoding="utf-8"))
REAL_SMS = Path(__file__).parents[2] / "shared/data/sms_spam_collection.tsv"

compiled_once = compiled()


@pytest.fixture
def rules() -> Ruleset:
    return compiled_once


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_precedence(name: str, rules: Ruleset) -> None:
    state = None
    for step, (text, outcome, layer, rule, template) in enumerate(TABLE[name]["turns"]):
        decision = say(rules, text, state, now=NOW + step, mo_id=step + 1)
        templates = [reply.template for reply in decision.replies]
        assert (text, decision.outcome, decision.layer, decision.rule) == (text, outcome, layer, rule)
        assert templates == ([template] if template else [])
        state = decision.state


# ---------------------------------------------------------------- the conversation


def test_the_first_text_opens_a_conversation_named_by_its_number(rules: Ruleset) -> None:
    state = say(rules, "hours", mo_id=42).state
    assert state == Conversation(
        CONTACT, "acme", 42, NOW, NOW, 1, 1, language="en", mo=42, link=state.link, number=state.number
    )


def test_a_text_within_the_idle_time_continues(rules: Ruleset) -> None:
    state = say(rules, "hours").state
    after = say(rules, "hm", state, now=NOW + 3600, mo_id=2).state
    assert (after.id, after.started, after.last_in) == (1, NOW, NOW + 3600)
    assert (after.messages_in, after.messages_out, after.unmatched) == (2, 2, 1)


def test_a_text_after_the_idle_time_begins_anew_but_keeps_opt_out_and_language(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 9, 9, NOW, "fr", 3, NOW, {"code": "CD111"})
    after = say(rules, "hm", state, now=NOW + 3601, mo_id=2).state
    wanted = Conversation(CONTACT, "acme", 2, NOW + 3601, NOW + 3601, 1, 0, NOW, "fr", mo=2, previous=1)
    assert after == replace(wanted, link=after.link, number=after.number)


def test_a_conversation_that_people_have_in_hand_goes_on_after_any_silence(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 9, case=Case(7, "care", NOW))
    after = say(rules, "hm", state, now=NOW + 999999, mo_id=2).state
    assert (after.id, after.messages_in, after.previous, after.case is not None) == (1, 10, 0, True)


def test_what_outlives_a_conversation_is_in_the_next_one(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 9, guard=Guard(last="hm"), contexts=(Context(3, NOW + 9999),))
    state.rating, state.session = Rating(1, NOW + 5000), Session("track", "7", "order", NOW)
    after = say(rules, "hm", state, now=NOW + 3601, mo_id=2).state
    assert (after.guard, after.contexts, after.rating, after.session) == (
        state.guard,
        state.contexts,
        state.rating,
        None,
    )
    assert after.wake == NOW + 5000


def test_a_conversation_that_nobody_opened_yet_is_opened(rules: Ruleset) -> None:
    after = say(rules, "hours", Conversation(CONTACT, "acme", last_in=NOW, language="fr"), mo_id=5).state
    assert (after.id, after.started) == (5, NOW)


def test_the_given_conversation_is_never_changed(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 1, variables={"code": "CD000"})
    for text in ("stop", "hm", "CD123", "horaires", "a person", "help", "start"):
        before = copy.deepcopy(state)
        decision = say(rules, text, state)
        assert state == before
        assert decision.state is not state


def test_captures_stay_for_the_conversation(rules: Ruleset) -> None:
    state = say(rules, "CD123").state
    assert state.variables == {"code": "CD123"}
    decision = say(rules, "last", state)
    assert decision.replies[0].text == "last: CD123"
    state = say(rules, "CD999x", decision.state).state
    assert state.variables == {"code": "CD999", "tail": "x"}
    assert say(rules, "last", state, now=NOW + 7200, mo_id=9).outcome == "escalated"


def test_the_first_escalation_is_remembered(rules: Ruleset) -> None:
    state = say(rules, "EF456").state
    assert state.escalated == NOW
    assert say(rules, "EF456", state, now=NOW + 5).state.escalated == NOW


# ---------------------------------------------------------------- what is answered


def test_an_answer_is_rendered_with_what_the_message_brings(rules: Ruleset) -> None:
    decision = say(rules, "it is CD123")
    assert decision.replies == (Reply("code", "CD123 is on its way to 15550001234 from 60606", control=False),)
    assert say(rules, "Track PARCEL").replies[0].text == "PARCEL? acme.example/t"
    assert say(rules, "track").replies[0].text == "What? acme.example/t"


def test_an_escalation_names_queue_and_priority(rules: Ruleset) -> None:
    decision = say(rules, "a person")
    assert (decision.outcome, decision.detail) == ("escalated", "queue=care priority=high")
    assert decision.replies[0].text == "wait"
    assert say(rules, "EF456").detail == "queue=default priority=normal"


def test_a_missing_value_is_named(rules: Ruleset) -> None:
    decision = say(rules, "last")
    assert (decision.outcome, decision.layer, decision.rule) == ("escalated", "keyword", "keyword.last")
    assert decision.detail == "template last has no value for {code}"
    assert (decision.replies, decision.state.messages_out, decision.state.escalated) == ((), 0, NOW)


def test_an_unmatched_text_that_cannot_be_answered_still_counts() -> None:
    text = BRAND + '[[pattern]]\nname = "a"\nregex = "(?P<x>QQ)"\nreply = "t"\n'
    text += '[template.t]\nen = "{x}"\n[conversation]\nunmatched = { first = "t", second = "silent" }\n'
    rules = compiled(text)
    first = say(rules, "hm")
    assert (first.outcome, first.layer, first.state.unmatched) == ("escalated", "ask", 1)
    second = say(rules, "hm", first.state)
    assert (second.outcome, second.layer, second.detail) == ("silent", "silent", "no rule knows this text")


def test_without_any_rule_a_text_goes_to_a_person() -> None:
    decision = say(compiled(BRAND), "hm")
    assert (decision.outcome, decision.layer, decision.rule) == ("escalated", "escalate", "unmatched.first")


def test_a_number_of_no_brand_is_silent_and_counted(rules: Ruleset) -> None:
    decision = say(rules, "stop", number="99999")
    assert (decision.outcome, decision.layer, decision.detail) == ("silent", "silent", "no brand for this number")
    again = say(rules, "hm", decision.state, number="99999", now=NOW + 1, mo_id=2)
    assert (again.state.brand, again.state.id, again.state.messages_in) == ("", 1, 2)
    assert rules.brand_of("99999") == ""


@pytest.mark.parametrize("number", ["447700900123", "+447700900123"])
def test_a_number_is_known_with_and_without_its_plus(rules: Ruleset, number: str) -> None:
    assert rules.brand_of(number) == "acme"
    assert say(rules, "hours", number=number).outcome == "replied"


# ---------------------------------------------------------------- languages


def test_the_language_follows_the_word(rules: Ruleset) -> None:
    state = say(rules, "horaires").state
    assert state.language == "fr"
    assert say(rules, "a person", state).replies[0].text == "attendez"
    assert say(rules, "hours", state).replies[0].text == "Acme: 8-18"


def test_a_word_of_both_languages_keeps_the_customers(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, language="fr")
    assert say(rules, "stop", state).replies[0].text.startswith("Acme : vous ne recevrez plus")
    assert say(rules, "cancel", state).replies[0].text.startswith("Acme: you are unsubscribed")


def test_a_control_word_of_a_language_that_the_brand_lacks_is_answered_in_its_own(rules: Ruleset) -> None:
    decision = say(rules, "unsubscribe", number="70707")
    assert decision.replies[0].text.startswith("zeta : vous ne recevrez plus")
    assert say(compiled(BRAND), "arret").replies[0].text.startswith("acme: you are unsubscribed")


def test_a_language_that_the_brand_no_longer_has_falls_back(rules: Ruleset) -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, language="de")
    assert say(rules, "CD123", state).replies[0].text.startswith("CD123 is on its way")
    assert say(rules, "hours", state, number="70707").replies[0].text == "zeta : 8h-18h"


# ---------------------------------------------------------------- opt-out


def test_an_opt_out_holds_for_the_brand_not_for_the_number(rules: Ruleset) -> None:
    state = say(rules, "STOP", number="60606").state
    assert say(rules, "hours", state, number="447700900123").outcome == "suppressed"
    assert say(rules, "hours", None, number="70707").outcome == "replied"


def test_stop_is_confirmed_once_and_marked_as_control(rules: Ruleset) -> None:
    decision = say(rules, "Stop.")
    assert (decision.control, decision.state.opted_out) == ("stop", NOW)
    assert decision.replies == (
        Reply(
            "optout.stop",
            "Acme: you are unsubscribed and will get no more messages. Reply START to rejoin. Help: help@acme.example",
            control=True,
        ),
    )
    again = say(rules, "STOP", decision.state, now=NOW + 9)
    assert (again.outcome, again.control, again.replies, again.detail) == ("control", "stop", (), "already opted out")
    assert again.state.opted_out == NOW


def test_help_leaves_the_opt_out_as_it_is(rules: Ruleset) -> None:
    state = say(rules, "stop").state
    decision = say(rules, "Au secours!", state)
    assert (decision.control, decision.replies[0].control, decision.state.opted_out) == ("help", True, NOW)


def test_only_a_start_word_ends_an_opt_out(rules: Ruleset) -> None:
    state = say(rules, "stop").state
    for text in ("thanks", "hours", "CD123", "start please", "ok", "👍"):
        assert say(rules, text, state).state.opted_out == NOW
    decision = say(rules, "Unstop", state)
    assert (decision.control, decision.state.opted_out) == ("start", 0.0)


PER_SE = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")
ADDED = ("stopall", "stop all", "optout", "opt-out", "remove", "arret", "arrêt", "no more")
FORMS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "title": str.title,
    "spaces around": lambda word: f"  {word} \n",
    "no-break space": lambda word: f"\u00a0{word}\u00a0",
    "full stop": lambda word: word + ".",
    "exclamation": lambda word: word + "!!!",
    "question": lambda word: word + "?",
    "double quotes": lambda word: f'"{word}"',
    "curly quotes": lambda word: f"“{word}”",
    "apostrophes": lambda word: f"'{word}'",
    "emoji after": lambda word: word + " 😡",
    "emoji with modifiers": lambda word: word + "❤️🙏🏽",
    "full-width": lambda word: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word),
    "zero-width": lambda word: word[0] + "\u200b" + word[1:] + "\ufeff",
    "soft hyphen": lambda word: word[0] + "\u00ad" + word[1:],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", PER_SE + ADDED)
def test_every_form_of_every_stop_word_opts_out(word: str, form: str, rules: Ruleset) -> None:
    assert say(rules, FORMS[form](word)).state.opted_out == NOW


@pytest.mark.parametrize(
    "text",
    [
        "stop 12345",
        "bus stop",
        "don't stop",
        "We have got to STOP this bill!!",
        "cancel my order",
        "the end of the road",
        "s top",
        "",
        "!",
    ],
)
def test_a_stop_word_among_others_is_no_opt_out(text: str, rules: Ruleset) -> None:
    assert say(rules, text).state.opted_out == 0.0


# ---------------------------------------------------------------- any text at all

texts = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from("stop STOP hours CD123EF456 horaires\u200bêé!?. 😀{}"), max_size=60),
    st.lists(st.sampled_from(["stop", "start", "yes", "help", "hours", "CD123", "last", "a person", "hm"])).map(
        " ".join
    ),
)


@given(st.lists(texts, max_size=8))
def test_any_conversation_ends_in_known_outcomes_and_never_writes_after_stop(lines: list[str]) -> None:
    state = None
    for step, text in enumerate(lines):
        before = state
        decision = say(compiled_once, text, state, now=NOW + step, mo_id=step + 1)
        state = decision.state
        assert decision.outcome in OUTCOMES
        assert state.messages_in == step + 1
        assert state.messages_out == (before.messages_out if before else 0) + len(decision.replies)
        for reply in decision.replies:
            assert reply.text
            assert "{" not in reply.text or "{" in text
            assert reply.control or not state.opted_out
        assert decision == say(compiled_once, text, before, now=NOW + step, mo_id=step + 1)


@given(st.text(st.characters(), max_size=40))
def test_lone_surrogates_and_other_oddities_are_decided(text: str) -> None:
    say(compiled_once, text + "\ud83d CD123")


@pytest.mark.skipif(not REAL_SMS.exists(), reason="the collection of real SMS lies beside the checkout")
def test_real_texts_are_rarely_taken_for_an_opt_out(rules: Ruleset) -> None:
    lines = [line.partition("\t")[2] for line in REAL_SMS.read_text(encoding="utf-8").splitlines()]
    stopped = [line for line in lines if say(rules, line).state.opted_out]
    assert len(lines) > 5000
    assert len(stopped) <= len(lines) * 0.0005, stopped


def test_the_rules_of_these_tests_have_two_brands() -> None:
    assert "[brand.zeta]" in RULES
    assert compiled_once.version == "7"
