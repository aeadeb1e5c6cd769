"""When a conversation has something to do by itself."""

from __future__ import annotations

from bridge.records import Case, Conversation, Rating, Session
from bridge.rules.message import Inbound
from bridge.rules.threads import known, next_wake, receive


def test_a_conversation_without_deadlines_is_never_woken() -> None:
    assert next_wake(Conversation("1", "acme")) == 0.0
    assert (
        next_wake(
            Conversation("1", "acme", session=Session("f", "1", "s", 5.0), case=Case(1, "q", 5.0), rating=Rating(1))
        )
        == 0.0
    )


def test_the_earliest_deadline_counts() -> None:
    session, case, rating = (
        Session("f", "1", "s", 5.0, expires=40.0, until=30.0),
        Case(1, "q", 5.0, due=20.0),
        Rating(1, 10.0),
    )
    state = Conversation("1", "acme", session=session, case=case, rating=rating)
    assert next_wake(state) == 10.0
    state.rating = None
    assert next_wake(state) == 20.0
    state.case = None
    assert next_wake(state) == 30.0
    session.until = 0.0
    assert next_wake(state) == 40.0


def test_after_a_silence_nothing_of_before_is_answered() -> None:
    before = Conversation("1", "acme", 7, 0.0, 100.0, 1, offered=("a", "b"), variables={"order": "AC1"}, unmatched=1)
    message = Inbound("1", "1", "60606")
    soon = receive(message, "acme", 60.0, 600.0, before, 160.0, 8)
    assert (soon.id, soon.offered, soon.variables, soon.unmatched) == (7, ("a", "b"), {"order": "AC1"}, 1)
    late = receive(message, "acme", 60.0, 600.0, before, 161.0, 8)
    assert (late.id, late.offered, late.variables, late.unmatched) == (7, (), {}, 0)


def test_what_this_conversation_brought_stands_before_the_profile() -> None:
    state = Conversation("1", "acme", variables={"name": "Ann", "order": "AC1"})
    assert known(state) == {"name": "Ann", "order": "AC1"}
    state.profile = {"name": "Zoe", "plan": "gold"}
    assert known(state) == {"name": "Ann", "order": "AC1", "plan": "gold"}
