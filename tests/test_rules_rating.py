"""The rating, and what settles and reopens a matter."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from bridge.records import Case, Conversation, Rating, Session
from bridge.rules import Decision, Request, Wake, react
from tests.rules_helpers import BRAND, NOW, compiled, say

if TYPE_CHECKING:
    from bridge.rules import Ruleset

SOURCE = (
    BRAND
    + """\
[brand.acme.quiet]
window = ""
[queue.care]
[[keyword]]
words = ["where"]
flow = "track"
[[keyword]]
words = ["hours", "5 bags"]
reply = "hours"
[[keyword]]
words = ["thanks"]
reply = "none"
[[keyword]]
words = ["agent"]
escalate = true
[flow.track]
start = "tell"
[flow.track.step.tell]
say = "status"
resolve = true
[template.status]
en = "on its way"
[template.hours]
en = "8-18"
[template.csat_ask]
en = "How did we do? 1 to 5"
[template.csat_thanks]
en = "Thank you."
[csat]
delay = "2m"
ask = "csat_ask"
thanks = "csat_thanks"
accept = { "1" = ["bad", "👎"], "5" = ["great", "👍"] }
window = "24h"
every = "30d"
[conversation]
reopen_window = "72h"
"""
)
RULES = compiled(SOURCE)
DAY = 86400.0


def facts(decision: Decision) -> list[tuple[str, dict[str, str | int | float]]]:
    return [(fact.kind, fact.values) for fact in decision.facts]


def settled() -> Conversation:
    decision = say(RULES, "where", mo_id=7)
    assert facts(decision) == [("resolved", {"by": "automated", "topic": "track", "again": 0})]
    return decision.state


def asked(rules: Ruleset = RULES) -> Conversation:
    state = settled()
    decision = react(Wake(), state, rules, NOW + 120)
    assert [(reply.template, reply.started, reply.expires) for reply in decision.replies] == [
        ("csat_ask", True, NOW + 120 + DAY)
    ]
    return decision.state


def test_a_settled_matter_is_asked_about_after_its_delay() -> None:
    state = settled()
    assert state.rating == Rating(7, NOW + 120, by="automated", topic="track")
    assert state.wake == NOW + 120
    early = react(Wake(), state, RULES, NOW + 119)
    assert not early.replies
    decision = react(Wake(), state, RULES, NOW + 120)
    assert facts(decision) == [("rating_asked", {"conversation": 7, "by": "automated"})]
    assert decision.state.rating == Rating(7, 0.0, NOW + 120, "automated", "track")
    assert decision.state.wake == 0.0


@pytest.mark.parametrize(("text", "value"), [("4", 4), (" 5! ", 5), ("Great", 5), ("👎", 1), ("1", 1)])
def test_a_bare_figure_or_word_is_the_rating(text: str, value: int) -> None:
    decision = say(RULES, text, asked(), now=NOW + 3600)
    assert (decision.outcome, decision.layer, decision.rule) == ("replied", "rating", "csat")
    assert [reply.template for reply in decision.replies] == ["csat_thanks"]
    assert facts(decision) == [("rated", {"conversation": 7, "value": value, "by": "automated", "topic": "track"})]
    assert decision.state.resolved == NOW
    rating = decision.state.rating
    assert rating is not None
    assert (rating.value, rating.rated) == (value, NOW + 3600)
    again = say(RULES, text, decision.state, now=NOW + 3700)
    assert again.layer != "rating"


def test_anything_else_is_a_text_like_any_other() -> None:
    for text in ("5 bags", "5 bags missing", "6", "0", "5 5"):
        assert say(RULES, text, asked(), now=NOW + 3600).layer != "rating"
    assert say(RULES, "5", asked(), now=NOW + 120 + DAY + 1).layer != "rating"
    assert say(RULES, "5", now=NOW).layer != "rating"


def test_nobody_is_asked_twice_in_a_month() -> None:
    state = say(RULES, "5", asked(), now=NOW + 200).state
    later = say(RULES, "where", state, now=NOW + 10 * DAY, mo_id=20)
    assert later.state.id == 20
    assert facts(later)[1] == ("rating_not_asked", {"conversation": 20, "why": "asked lately"})
    month = say(RULES, "where", later.state, now=NOW + 31 * DAY, mo_id=30)
    assert month.state.rating == Rating(30, NOW + 31 * DAY + 120, by="automated", topic="track")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"opted_out": NOW}, "opted out"),
        ({"case": Case(3, "care", NOW)}, "people have it in hand"),
        ({"session": Session("track", "1", "tell", NOW)}, "a flow waits"),
        ({"resolved": 0.0}, "the customer has come back"),
        ({"id": 9}, "the customer has come back"),
    ],
)
def test_a_question_that_is_not_asked_has_its_reason(changed: dict[str, object], why: str) -> None:
    state = settled()
    for name, value in changed.items():
        setattr(state, name, value)
    decision = react(Wake(), state, RULES, NOW + 120)
    assert not decision.replies
    assert facts(decision)[-1] == ("rating_not_asked", {"conversation": 7, "why": why})
    assert decision.state.rating is None


def test_rules_without_the_question_ask_no_longer() -> None:
    decision = react(Wake(), settled(), compiled(BRAND), NOW + 120)
    assert facts(decision) == [("rating_not_asked", {"conversation": 7, "why": "the rules ask no longer"})]


def night(on_hit: str) -> Ruleset:
    return compiled(SOURCE.replace('window = ""', f'window = "20:00-08:00"\non_hit = "{on_hit}"\nreply_grace = "1m"'))


def test_in_quiet_hours_the_question_waits_or_is_dropped() -> None:
    evening = datetime.fromisoformat("2026-11-24T21:00+00:00").timestamp()
    state = settled()
    state.contact, state.last_in, state.rating = "447700900123", evening - 120, Rating(7, evening)
    held = react(Wake(), state, night("hold"), evening)
    assert not held.replies
    morning = datetime.fromisoformat("2026-11-25T08:00+00:00").timestamp()
    assert held.state.wake == morning
    assert react(Wake(), held.state, night("hold"), morning).replies
    dropped = react(Wake(), state, night("drop"), evening)
    assert facts(dropped) == [("rating_not_asked", {"conversation": 7, "why": "quiet hours"})]


def test_what_lacks_a_value_is_not_sent() -> None:
    flow = '[flow.name]\nstart = "ask"\n[flow.name.step.ask]\nsay = "hours"\nwait = { slot = "name" }\n'
    source = SOURCE.replace("How did we do?", "How did we do, {name}?").replace("Thank you.", "Thank you {name}.")
    source = source.replace("[flow.track]\n", flow + "[flow.track]\n").replace("escalate = true", 'flow = "name"')
    rules = compiled(source)
    decision = react(Wake(), settled(), rules, NOW + 120)
    assert facts(decision) == [("rating_not_asked", {"conversation": 7, "why": "template csat_ask lacks a value"})]
    rated = say(rules, "5", asked(), now=NOW + 200)
    assert (rated.outcome, rated.replies) == ("silent", ())


def test_thanks_are_not_a_must() -> None:
    rules = compiled(SOURCE.replace('thanks = "csat_thanks"\n', ""))
    assert say(rules, "5", asked(), now=NOW + 200).outcome == "silent"


def test_after_an_agent_has_closed_it() -> None:
    state = say(RULES, "agent", mo_id=3).state
    decision = react(Request("case.close", "ann", {}), state, RULES, NOW + 50)
    assert decision.state.rating == Rating(3, NOW + 170, by="agent", topic="queue.care")
    only = compiled(SOURCE.replace("[csat]", '[csat]\nafter = ["automated"]'))
    assert react(Request("case.close", "ann", {}), state, only, NOW + 50).state.rating is None


# ---------------------------------------------------------------- coming back


def test_whoever_asks_for_it_again_reopens_the_matter() -> None:
    decision = say(RULES, "where", settled(), now=NOW + 3600, mo_id=8)
    assert decision.state.id == 7
    assert facts(decision) == [("reopened", {"by": "automated", "again": 0, "topic": "track", "resolved": NOW})]
    assert (decision.state.resolved, decision.state.resolved_by, decision.state.reopened) == (0.0, "", NOW + 3600)
    third = say(RULES, "where", decision.state, now=NOW + 7200, mo_id=9)
    assert facts(third) == [("resolved", {"by": "automated", "topic": "track", "again": 1})]


@pytest.mark.parametrize(
    ("text", "reopens"), [("thanks", False), ("hours", False), ("STOP", False), ("agent", True), ("it is broken", True)]
)
def test_what_reopens_a_matter(text: str, *, reopens: bool) -> None:
    decision = say(RULES, text, settled(), now=NOW + 3600, mo_id=8)
    assert bool(decision.state.resolved) is not reopens
    assert ("reopened" in [fact.kind for fact in decision.facts]) is reopens


def test_after_the_window_it_is_another_conversation() -> None:
    decision = say(RULES, "where", settled(), now=NOW + 72 * 3600 + 1, mo_id=8)
    assert (decision.state.id, decision.state.previous) == (8, 7)
    assert [fact.kind for fact in decision.facts] == ["resolved"]


def test_a_silent_conversation_goes_on_within_the_window_and_begins_fresh() -> None:
    state = say(RULES, "hours", mo_id=7).state
    state.variables, state.unmatched, state.offered = {"order": "AC1"}, 1, ("a", "b")
    inside = say(RULES, "hours", state, now=NOW + DAY + 72 * 3600, mo_id=8).state
    assert (inside.id, inside.messages_in, inside.variables, inside.offered) == (7, 2, {}, ())
    outside = say(RULES, "hours", state, now=NOW + DAY + 72 * 3600 + 1, mo_id=8).state
    assert (outside.id, outside.previous) == (8, 7)


# ---------------------------------------------------------------- the table
