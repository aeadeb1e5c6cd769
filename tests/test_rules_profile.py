"""What is known of a customer: fields with types, set, merged, erased."""

from __future__ import annotations

import pytest

from bridge.records import Case, Conversation, Session
from bridge.rules import Decision, Request, react
from bridge.rules.profile import FieldTable, former, former_name
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, say

FIELDS = """\
[profile]
name = "text"
birthday = { type = "date", personal = true }
plan = { type = "choice", choices = { gold = ["gold", "1"], basic = ["basic"] } }
points = "number"
mail = "email"
timezone = "timezone"
[[keyword]]
words = ["who"]
reply = "who"
[template.who]
en = "You are {name|somebody} with {points|0} points"
fr = "Vous etes {name|quelqu'un}"
"""
RULES = compiled(BRAND.replace('["60606"]', '["60606"]\nlanguages = ["en", "fr"]') + FIELDS)
FREE = compiled(BRAND)


def asked(kind: str, values: dict[str, str], state: Conversation | None = None) -> Decision:
    known = state if state is not None else Conversation(CONTACT, "acme")
    return react(Request(f"profile.{kind}", "ann", values), known, RULES, NOW)


def ask(kind: str, state: Conversation | None = None, **values: str) -> Decision:
    return asked(kind, values, state)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("name", " Ann ", "Ann"),
        ("birthday", "1990-02-03", "1990-02-03"),
        ("plan", "Gold!", "gold"),
        ("points", "12", "12"),
        ("mail", "ann@mail.example.com", "ann@mail.example.com"),
        ("timezone", "Europe/Paris", "Europe/Paris"),
    ],
)
def test_a_value_is_kept_as_its_type_has_it(name: str, value: str, kept: str) -> None:
    decision = asked("set", {name: value})
    assert (decision.problem, decision.state.profile) == ("", {name: kept})
    assert [fact.kind for fact in decision.facts] == ["profile"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("nme", "Ann", "there is no field `nme` in [profile]; did you mean `name`?"),
        ("plan", "silver", "plan: 'silver' is no choice"),
        ("points", "many", "points: 'many' is no number"),
        ("timezone", "Paris", "timezone: there is no time zone `Paris`"),
        ("name", "x" * 1001, "name: is longer than 1000 characters"),
        ("language", "de", "the brand speaks en, fr, not de"),
    ],
)
def test_what_is_no_value_is_refused(name: str, value: str, problem: str) -> None:
    decision = asked("set", {name: value})
    assert (decision.problem, decision.state.profile, decision.facts) == (problem, {}, ())


def test_the_next_template_uses_it() -> None:
    state = ask("set", name="Ann", points="7").state
    assert say(RULES, "who", state).replies[0].text == "You are Ann with 7 points"
    french = ask("set", state, language="fr").state
    assert say(RULES, "who", french).replies[0].text == "Vous etes Ann"
    forgotten = ask("set", state, name="").state
    assert say(RULES, "who", forgotten).replies[0].text == "You are somebody with 7 points"
    assert ask("set", french, language="").state.language == ""


def test_a_personal_field_is_noted() -> None:
    assert ask("set", birthday="1990-02-03", name="Ann").state.personal == ("birthday",)


def test_without_the_table_any_name_is_a_text() -> None:
    def free(**values: str) -> Decision:
        return react(Request("profile.set", "ann", values), Conversation(CONTACT, "gone"), FREE, NOW)

    assert free(anything="at all", language="xx").state.profile == {"anything": "at all"}
    assert free(timezone="Europe/Paris").state.profile == {"timezone": "Europe/Paris"}
    assert free(timezone="Paris").problem
    assert react(Request("profile.set", "ann", {"a b": "c"}), Conversation(CONTACT, "gone"), FREE, NOW).problem == (
        "`a b` is no name of a field"
    )


def test_two_numbers_of_one_customer() -> None:
    state = Conversation(CONTACT, "acme", profile={"name": "Ann"}, session=Session("f", "1", "s", NOW, NOW + 5))
    values = {"number": "15550009999", "field.name": "Anne", "field.points": "3", "opted_out": "yes"}
    decision = react(Request("profile.merge", "ann", values), state, RULES, NOW)
    after = decision.state
    assert (after.profile, after.also) == ({"name": "Ann", "points": "3"}, ("15550009999",))
    assert (after.opted_out, after.session) == (NOW, None)
    assert [fact.kind for fact in decision.facts] == ["merged", "opted_out"]
    again = react(Request("profile.merge", "ann", values), after, RULES, NOW + 5)
    assert (again.state.also, again.state.opted_out) == (("15550009999",), NOW)
    assert react(Request("profile.merge", "ann", {"number": CONTACT}), state, RULES, NOW).problem


def test_a_number_that_was_given_back_has_agreed_to_nothing() -> None:
    state = Conversation(
        CONTACT, "acme", 5, NOW, NOW, 3, variables={"order": "1"}, profile={"name": "Ann"}, case=Case(5, "care", NOW),
        evidence=(2, b"x"), last=9, wake=NOW + 9, session=Session("f", "1", "s", NOW, NOW + 5),
    )  # fmt: skip
    decision = react(Request("profile.deactivate", "ann", {"evidence": "list"}), state, RULES, NOW)
    assert decision.state == Conversation(CONTACT, "acme", opted_out=NOW)
    name = former_name(state, NOW)
    assert [(fact.kind, fact.values["former"]) for fact in decision.facts] == [
        ("deactivated", name),
        ("opted_out", name),
    ]
    kept = former(state, NOW)
    assert (kept.contact, kept.opted_out, kept.profile, kept.last, kept.evidence) == (
        name, NOW, {"name": "Ann"}, 9, (2, b"x"),
    )  # fmt: skip
    assert (kept.session, kept.case, kept.wake) == (None, None, 0.0)
    assert former(Conversation(CONTACT, "acme", opted_out=5.0), NOW).opted_out == 5.0
    assert react(Request("profile.deactivate", "ann", {}), Conversation(CONTACT, "acme"), RULES, NOW).problem == (
        "is not known"
    )
    assert react(Request("profile.deactivate", "ann", {}), decision.state, RULES, NOW).problem.startswith("has opted")


def test_erasing_leaves_the_will_and_its_evidence() -> None:
    state = Conversation(
        CONTACT, "acme", 5, NOW, NOW, 3, opted_out=NOW, variables={"order": "1"}, profile={"name": "Ann"},
        case=Case(5, "care", NOW), evidence=(2, b"x"), last=9, wake=NOW + 9,
    )  # fmt: skip
    decision = ask("erase", state)
    assert decision.state == Conversation(CONTACT, "acme", opted_out=NOW, evidence=(2, b"x"), last=9)
    assert [fact.kind for fact in decision.facts] == ["erased"]
    assert ask("paint", state).problem == "there is no request `profile.paint`"


def test_the_table() -> None:
    assert RULES.numbers["60606"].fields["birthday"] == FieldTable("date", personal=True)


def test_a_choice_needs_sense() -> None:
    rules = compiled(BRAND + '[profile]\nplan = { type = "choice", choices = { a = ["x"], b = ["x"] } }\n')
    decision = react(Request("profile.set", "ann", {"plan": "x"}), Conversation(CONTACT, "acme"), rules, NOW)
    assert decision.problem.startswith("plan: ")
