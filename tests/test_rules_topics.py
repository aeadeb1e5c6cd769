"""STOP to a message of a topic: what was said, and what it leaves. The cases are a table that anybody can lengthen."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.dispatch import may_send
from bridge.records import Case, Conversation, Mt, Topics
from bridge.rules import Decision, Request, Ruleset, react
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

OPTOUT = """\
[optout]
scope = "topic"
[optout.topics]
offers = { en = "offers", fr = "offres" }
news = { en = "club news", fr = "nouvelles" }
"""
MORE = """\
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
fr = "8h-18h"
"""
SOURCE = BRAND + 'languages = ["en", "fr"]\n' + OPTOUT + MORE
TABLE = tomllib.loads((Path(__file__).parent / "data/rules/topics.toml").read_text(encoding="utf-8"))
RULES = compiled(SOURCE)
WAIVED_UNTIL = datetime(2027, 1, 31, tzinfo=UTC).timestamp()
DAY = 86400.0


def send(topic: str, state: Conversation | None = None, *, now: float = NOW, at: float = 0.0) -> Decision:
    values = {"number": "60606", "text": "Hello", "topic": topic, "at": str(at)}
    return react(Request("send", "ann", values), state or Conversation(CONTACT, "acme"), RULES, now)


def stopped(state: Conversation) -> tuple[str, ...]:
    return () if state.topics is None else state.topics.stopped


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_topics(name: str) -> None:
    case = TABLE[name]
    state = Conversation(CONTACT, "acme", language=case.get("lang", ""))
    replies = []
    for step, line in enumerate(case["turns"]):
        hours, what = line if isinstance(line, list) else (0, line)
        now = NOW + 60.0 * step + 3600.0 * hours
        sent = what.removeprefix("sent ") if what.startswith("sent ") else None
        decision = say(RULES, what, state, now=now, mo_id=step + 1) if sent is None else send(sent, state, now=now)
        replies += [reply.template for reply in decision.replies if not reply.started]
        state = decision.state
    out = "everything" if state.opted_out else ", ".join(stopped(state)) or "nothing"
    assert (replies, out) == (case["replies"], case["stopped"])


def test_the_question_is_the_one_confirmation_and_evidence() -> None:
    decision = say(RULES, "Stop", send("offers").state)
    (reply,), (fact,) = decision.replies, decision.facts
    assert reply.text == (
        "acme: you will get no more messages. To end only offers, reply 1. START to rejoin. Help: help@acme.example"
    )
    assert (reply.control, decision.outcome, decision.rule) == (True, "control", "optout.stop")
    assert fact.values["confirmation"] == "confirmed by one reply, which asks whether only offers was meant"
    answer = say(RULES, "1", decision.state, now=NOW + 9)
    assert (answer.replies, answer.outcome, answer.rule, answer.detail) == (
        (),
        "control",
        "optout.topic",
        "only offers",
    )
    assert [(fact.kind, fact.values["how"], fact.values["except"]) for fact in answer.facts] == [
        ("opted_in", "topic", "offers")
    ]
    back = say(RULES, "start", answer.state, now=NOW + 20)
    assert ([fact.kind for fact in back.facts], back.state.topics) == (["opted_in"], None)


def test_what_is_stopped_is_not_made_and_not_sent() -> None:
    state = Conversation(CONTACT, "acme", topics=Topics(stopped=("offers",)))
    assert send("offers", state).problem == "opted_out"
    assert [reply.topic for reply in send("news", state).replies] == ["news"]
    made = Mt(1, 0, 0, "a", CONTACT, "60606", "acme", "Hello", "", "1", NOW)
    verdicts = []
    for topic, mo in (("offers", 0), ("news", 0), ("", 0), ("offers", 7)):
        made.topic, made.mo = topic, mo
        verdicts.append(may_send(made, state, 600.0, NOW))
    assert verdicts == [("suppressed", "opted_out", 0.0), None, None, None]


def test_the_question_is_too_late_after_five_minutes() -> None:
    asked = Mt(1, 5, 0, "a", CONTACT, "60606", "acme", "", "optout.topic", "1", NOW, control=True)
    out = Conversation(CONTACT, "acme", opted_out=NOW)
    assert may_send(asked, out, 9e9, NOW + 300) is None
    assert may_send(asked, out, 9e9, NOW + 301) == ("failed", "too_old", 0.0)


def test_in_the_us_it_ends_with_the_waiver_and_elsewhere_it_does_not() -> None:
    state = send("offers").state
    british = compiled(SOURCE.replace('"US"', '"GB"'))
    for rules, now, template in (
        (RULES, WAIVED_UNTIL - 1, "optout.topic"),
        (RULES, WAIVED_UNTIL, "optout.stop"),
        (british, WAIVED_UNTIL, "optout.topic"),
    ):
        assert [reply.template for reply in say(rules, "stop", state, now=now).replies] == [template]


def test_what_is_scheduled_has_not_been_answered_yet() -> None:
    state = send("offers", at=NOW + 100).state
    assert say(RULES, "stop", state, now=NOW + 99).replies[0].template == "optout.stop"
    assert say(RULES, "stop", state, now=NOW + 100).replies[0].template == "optout.topic"


def test_a_new_conversation_can_begin_with_the_answer() -> None:
    state = send("offers", say(RULES, "hours").state, now=NOW + 1).state
    assert say(RULES, "stop", state, now=NOW + 9 * DAY, mo_id=7).replies[0].template == "optout.topic"
    spoken = say(RULES, "hours", state, now=NOW + 9 * DAY, mo_id=7).state
    assert say(RULES, "stop", spoken, now=NOW + 20 * DAY, mo_id=8).replies[0].template == "optout.stop"


def test_people_and_carriers_that_answer_leave_no_doubt() -> None:
    state = send("offers", say(RULES, "hours").state).state
    assert say(RULES, "stop", state).replies[0].template == "optout.topic"
    state.case = Case(1, "care", NOW)
    assert say(RULES, "stop", state).replies[0].template == "optout.stop"
    carrier = compiled(SOURCE.replace("languages", 'optout_by = "carrier"\nlanguages'))
    assert say(carrier, "stop", send("offers").state).replies == ()


def test_another_number_and_an_erased_customer_keep_what_is_stopped() -> None:
    state = Conversation(CONTACT, "acme", topics=Topics(stopped=("offers",)))
    merged = react(Request("profile.merge", "ann", {"number": "7", "stopped": "news,offers"}), state, Ruleset(), NOW)
    assert stopped(merged.state) == ("offers", "news")
    assert react(Request("profile.merge", "ann", {"number": "7"}), state, Ruleset(), NOW).state.topics == state.topics
    erased = react(Request("profile.erase", "ann"), replace_last(state), Ruleset(), NOW).state
    assert erased.topics == Topics(stopped=("offers",))
    removed = react(Request("optout.remove", "ann", {"source": "phone", "evidence": "call 8"}), state, Ruleset(), NOW)
    assert (removed.problem, removed.state.topics) == ("", None)


def replace_last(state: Conversation) -> Conversation:
    assert state.topics is not None
    return Conversation(state.contact, state.brand, topics=Topics("offers", 3, NOW, stopped=state.topics.stopped))


def test_check_says_on_what_it_rests() -> None:
    notes = [note.message for note in RULES.files[0].notes]
    assert len(notes) == 2
    assert "ends that topic alone if the customer says so, else everything" in notes[0]
    assert "in US that is allowed until 2027-01-31 (DA 26-12), which may change" in notes[1]
    idle = compiled(BRAND + '[optout.topics]\no = { en = "x" }\n').files[0].notes
    assert [note.message for note in idle] == ['has no effect without scope = "topic"']
    british = compiled(SOURCE.replace('"US"', '"GB"').replace("languages", 'optout_by = "carrier"\nlanguages'))
    assert [note.message.partition(";")[0] for note in british.files[0].notes][1:] == [
        "the carrier answers STOP to acme, and ends everything"
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ('[optout]\nscope = "topic"\n', '7: optout.scope: needs [optout.topics], as offers = { en = "offers" }'),
        (OPTOUT.replace('"offers"', '"help"'), "9: optout.topics.offers: is called `help`, which is a HELP word"),
        (OPTOUT.replace('en = "offers", ', ""), "9: optout.topics.offers: has no name in `en`"),
        (
            OPTOUT + '[optout.reply.en]\ntopic = "{brand}: no more. 1 or 2?"\n',
            "12: optout.reply.en.topic: must contain {topic}",
        ),
        (
            OPTOUT + '[optout.reply.en]\ntopic = "{brand}: {topic} or all?"\n',
            "12: optout.reply.en.topic: must say that no more messages come",
        ),
        (
            OPTOUT + '[optout.reply.en]\ntopic = "{brand}: no more. {topic} {"\n',
            "12: optout.reply.en.topic: `{` without its partner",
        ),
        (OPTOUT.replace('"offers"', f'"{"offers " * 20}"'), "6: optout.reply.en.topic: takes 2 SMS for acme"),
    ],
)
def test_what_is_wrong_with_topics(options: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(BRAND + options)), problems(BRAND + options)


def test_a_rules_file_tests_it() -> None:
    test = '[[test]]\nafter = "offers"\nsay = ["STOP", "1"]\nexpect = ["optout.topic", ""]\n'
    assert compiled(SOURCE + test + 'then = { state = "subscribed" }\n').files[0].tests == 1
    (problem,) = problems(SOURCE + test.replace("offers", "offer"))
    assert problem.endswith("test[1].after: there is no topic `offer` in [optout.topics]")
