"""What is no text, but concerns a conversation."""

from __future__ import annotations

from bridge.records import Conversation, Rating
from bridge.rules import Request, Ruleset, Wake, react


def test_a_request_that_nobody_knows_is_refused() -> None:
    decision = react(Request("dance", "ann"), Conversation("1", "acme"), Ruleset(), 5.0)
    assert decision.problem == "there is no request `dance`"


def test_a_conversation_that_is_woken_for_nothing_sleeps_until_its_next_time() -> None:
    state = Conversation("1", "acme", wake=4.0, rating=Rating(1, 9.0))
    assert react(Wake(), state, Ruleset(), 5.0).state.wake == 9.0
    assert state.wake == 4.0
