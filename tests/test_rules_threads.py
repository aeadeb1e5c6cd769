"""When a conversation has something to do by itself."""

from __future__ import annotations

from bridge.records import Case, Conversation, Rating, Session
from bridge.rules.threads import next_wake


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
