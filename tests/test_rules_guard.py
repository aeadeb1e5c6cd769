"""The loop guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.rules import Decision, RulesError, Ruleset
from tests.rules_helpers import NOW, RULES, compiled, say

if TYPE_CHECKING:
    from bridge.records import Conversation

LIMITS = 'max_auto_replies = { count = 3, per = "10m", identical = 2, then = "mute_1h_and_escalate" }'


def guarded(limits: str = LIMITS) -> Ruleset:
    return compiled(RULES.replace("[conversation]", f"[conversation]\n{limits}"))


class Customer:
    """Writes one text after the other."""

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules
        self.now = NOW
        self.state: Conversation | None = None

    def say(self, text: str, after: float = 1.0) -> Decision:
        self.now += after
        decision = say(self.rules, text, self.state, now=self.now)
        self.state = decision.state
        return decision

    def layers(self, *texts: str) -> list[str]:
        return [self.say(text).layer for text in texts]


def test_without_limits_nothing_is_remembered() -> None:
    customer = Customer(compiled())
    assert set(customer.layers(*["hours"] * 20)) == {"keyword"}
    assert customer.state is not None
    assert customer.state.guard is None


def test_the_same_text_a_third_time_in_a_row_has_no_answer() -> None:
    customer = Customer(guarded())
    assert customer.layers("hours", "HOURS!", "hours") == ["keyword", "keyword", "loop"]
    decision = customer.say("hours")
    assert (decision.outcome, decision.rule, decision.replies) == ("escalated", "loop.identical", ())
    assert decision.detail == "the same text 4 times in a row"
    assert customer.say("CD123").layer == "pattern"
    assert customer.say("hours", after=601).layer == "keyword"


def test_a_text_that_comes_again_after_a_while_is_not_a_loop() -> None:
    customer = Customer(guarded())
    assert [customer.say("hours", after=601).layer for _ in range(5)] == ["keyword"] * 5


def test_after_so_many_replies_it_is_muted_and_a_person_is_told_once() -> None:
    customer = Customer(guarded())
    assert customer.layers("hours", "CD123", "track x", "hours") == ["keyword", "pattern", "keyword", "loop"]
    assert customer.state is not None
    assert customer.state.escalated == customer.now
    decision = customer.say("CD123")
    assert (decision.outcome, decision.rule) == ("silent", "loop.muted")
    assert customer.say("CD123", after=3600).layer == "pattern"


def test_the_text_that_trips_it_is_escalated() -> None:
    customer = Customer(guarded())
    decisions = [customer.say(text) for text in ("hours", "CD123", "track x", "hours")]
    assert [d.outcome for d in decisions] == ["replied", "replied", "replied", "escalated"]
    assert decisions[-1].detail == "3 automatic replies within 600 s"


def test_an_escalation_of_before_keeps_its_time() -> None:
    customer = Customer(guarded())
    customer.say("a person")
    began = customer.now
    customer.layers("hours", "CD123", "track x")
    assert customer.state is not None
    assert customer.state.escalated == began


def test_only_muting_tells_nobody() -> None:
    customer = Customer(guarded('max_auto_replies = { count = 1, then = "mute_10m" }'))
    decisions = [customer.say(text) for text in ("hours", "CD123")]
    assert [d.outcome for d in decisions] == ["replied", "silent"]
    assert decisions[1].state.escalated == 0.0


def test_control_words_are_answered_whatever_came_before() -> None:
    customer = Customer(guarded())
    customer.layers("hours", "CD123", "track x", "hours")
    assert customer.say("help").control == "help"
    assert customer.say("stop").control == "stop"


def test_texts_that_are_not_answered_do_not_count() -> None:
    customer = Customer(guarded())
    assert set(customer.layers("thanks", "👍", "thanks", "👍", "thanks")) == {"keyword"}
    assert customer.say("hours").layer == "keyword"


@pytest.mark.parametrize("then", ["sulk", "mute", "mute_1h_and_call", "mute_x"])
def test_what_follows_must_be_known(then: str) -> None:
    with pytest.raises(RulesError, match="mute_1h_and_escalate"):
        guarded(f'max_auto_replies = {{ count = 1, then = "{then}" }}')
