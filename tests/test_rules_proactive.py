"""Messages that we start, as they are made."""

from __future__ import annotations

import pytest

from bridge.records import Context, Conversation
from bridge.rules import Decision, Request, react
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

RULES = compiled(
    BRAND.replace('["60606"]', '["60606"]\nlanguages = ["en", "fr"]')
    + """\
[flow.confirm]
start = "ask"
[flow.confirm.step.ask]
say = "ask"
wait = { slot = "ok", type = "choice", choices = { yes = ["yes"], no = ["no"] } }
next = "done"
[flow.confirm.step.done]
say = "done"
[template.ask]
given = ["day"]
en = "Is {day|today} fine?"
fr = "{day|aujourd'hui} ?"
[template.done]
en = "{ok}: {day}"
fr = "{ok} : {day}"
"""
)
SENT = {"number": "60606", "link": "a", "template": "ask"}


def made(values: dict[str, str], state: Conversation | None = None) -> Decision:
    known = state if state is not None else Conversation(CONTACT, "acme")
    return react(Request("send", "ann", {**SENT, **values}), known, RULES, NOW)


def ask(state: Conversation | None = None, **values: str) -> Decision:
    return made(values, state)


def test_a_message_is_made_for_whoever_is_new() -> None:
    decision = ask(topic="news", at="5.0", expires="9.0")
    (reply,) = decision.replies
    assert (reply.text, reply.started, reply.by) == ("Is today fine?", True, "ann")
    assert (reply.topic, reply.at, reply.expires, reply.number, reply.link) == ("news", 5.0, 9.0, "60606", "a")
    assert (decision.state.number, decision.state.link, decision.state.messages_out) == ("60606", "a", 1)
    assert [fact.kind for fact in decision.facts] == ["started"]


def test_it_is_in_the_customers_language_with_what_is_known() -> None:
    assert ask(language="fr").replies[0].text == "aujourd'hui ?"
    assert ask(language="xx").replies[0].text == "Is today fine?"
    state = Conversation(CONTACT, "acme", language="fr", profile={"day": "lundi"}, number="1", link="b")
    decision = ask(state, language="en")
    assert decision.replies[0].text == "lundi ?"
    assert (decision.state.number, decision.state.link) == ("1", "b")
    assert made({"var.day": "mardi"}, state).replies[0].text == "mardi ?"


def test_a_text_goes_as_it_is() -> None:
    assert ask(template="", text="{Hello}").replies[0].text == "{Hello}"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"template": "nope"}, "there is no template `nope`"),
        ({"template": "done"}, "template done has no value for {ok}"),
        ({"template": "", "text": " "}, "an empty text is not sent"),
        ({"flow": "nope"}, "there is no flow `nope`"),
        ({"template": "", "text": "a\0b"}, "the text has U+0000 in it (a control character): take it out"),
        ({"template": "", "text": "x" * 99_999}, "the text takes 654 SMS, and no message has more than 255"),
    ],
)
def test_what_cannot_be_made_is_refused(values: dict[str, str], problem: str) -> None:
    decision = made(values)
    assert (decision.problem, decision.replies) == (problem, ())


def test_who_has_opted_out_gets_none() -> None:
    assert ask(Conversation(CONTACT, "acme", opted_out=NOW)).problem == "opted_out"
    nobody = react(Request("send", "ann", {"number": "99999"}), Conversation(CONTACT, "gone"), RULES, NOW)
    assert nobody.problem == "no brand has that service number"


def test_a_bare_answer_is_read_as_one_to_it() -> None:
    state = made({"flow": "confirm", "until": str(NOW + 60), "var.day": "Monday"}).state
    assert state.contexts == (Context(0, NOW + 60, "confirm", {"day": "Monday"}),)
    answer = say(RULES, "yes", state, now=NOW + 59)
    assert [reply.text for reply in answer.replies] == ["yes: Monday"]
    assert say(RULES, "yes", state, now=NOW + 61).layer != "context"
    for _ in range(9):
        state = ask(state, until=str(NOW + 60)).state
    assert len(state.contexts) == 5


def test_what_is_given_has_a_name_of_its_own() -> None:
    for name, problem in (("text", "is the name of a built-in variable"), ("a b", "is no variable's name")):
        source = f'{BRAND}[template.t]\ngiven = ["{name}"]\nen = "x"\n'
        assert problems(source) == [f"7: template.t.given: `{name}` {problem}"]
