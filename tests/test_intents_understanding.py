from __future__ import annotations

import pytest

from bridge.rules.intents.model import NONE, Model
from bridge.rules.intents.understanding import Judgement, Understanding
from bridge.rules.normalise import normalise
from bridge.rules.ruleset import Action
from tests.intents import trained


def understanding(*, threshold: float = 0.5, margin: float = 0.1) -> Understanding:
    weights = trained().weights
    names = weights.classes[:-1]
    actions = {name: Action("intent", f"intent.{name}", "replied", name) for name in names}
    picked = {name: Action("ask", f"intent.{name}", "replied", name) for name in names}
    titles = {
        "parcel": {"": "my parcel", "fr": "mon colis"},
        "address": {"": "address"},
        "complaint": {"": "complaint"},
    }
    return Understanding(
        Model(weights),
        threshold,
        margin,
        actions,
        picked,
        titles,
        {"my parcel": "parcel", "mon colis": "parcel", "address": "address", "complaint": "complaint"},
        Action("ask", "ask.agent", "escalated"),
    )


def judge(text: str, threshold: float = 0.5, margin: float = 0.1) -> Judgement:
    judgement = understanding(threshold=threshold, margin=margin).judge(normalise(text))
    assert judgement is not None
    return judgement


def test_a_sure_intent_is_an_answer_with_its_words() -> None:
    judgement = judge("where is my parcel please")
    assert (judgement.intent, judgement.answer, judgement.unsure) == ("parcel", True, None)
    assert 0.5 <= judgement.confidence <= 1.0
    assert judgement.confidence == round(judgement.confidence, 4)
    assert 1 <= len(judgement.words) <= 3


def test_less_than_the_threshold_is_no_answer() -> None:
    judgement = judge("where is my parcel please", threshold=1.01)
    assert judgement.intent == "parcel"
    assert not judgement.answer
    assert judgement.unsure is None
    assert judgement.likely is not None
    assert judgement.likely[0] == "parcel"


def test_two_that_are_near_to_each_other_are_both_meant() -> None:
    judgement = judge("parcel complaint", threshold=0.1, margin=0.999)
    assert not judgement.answer
    assert judgement.unsure is not None
    assert set(judgement.unsure) == {"parcel", "complaint"}


def test_near_to_each_other_and_not_likely_is_nothing() -> None:
    judgement = judge("parcel complaint", threshold=1.01, margin=0.999)
    assert judgement.unsure is None


def test_what_is_none_is_nothing_and_says_how_sure() -> None:
    judgement = judge("lol see you at the pub then mate")
    assert (judgement.intent, judgement.answer, judgement.unsure, judgement.likely) == (NONE, False, None, None)
    assert judgement.confidence > 0.5
    assert judgement.words == ()


def test_unknown_words_are_no_ground_for_an_answer() -> None:
    judgement = judge("parcel qwrt zxcv bnmp lkjh")
    assert not judgement.answer
    assert judgement.likely is None


def test_a_text_without_words_is_not_judged() -> None:
    assert understanding().judge([]) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("1", "intent.parcel"),
        ("1 please", "intent.parcel"),
        ("2", "intent.address"),
        ("Address", "intent.address"),
        ("mon colis", "intent.parcel"),
        ("AGENT", "ask.agent"),
        ("3", "ask.agent"),
        ("complaint", ""),
        ("1 parcel is late", ""),
        ("what", ""),
        ("", ""),
    ],
)
def test_the_answer_to_which_of_two(text: str, rule: str) -> None:
    words = normalise(text)
    action = understanding().pick(("parcel", "address"), words, " ".join(words))
    assert (action.rule if action else "") == rule


def test_an_intent_that_is_gone_was_not_offered() -> None:
    assert understanding().pick(("gone", "address"), ["1"], "1") is None
    assert understanding().pick(("address",), ["2"], "2") is None


def test_titles_are_in_the_language_of_the_customer() -> None:
    assert understanding().offer(("parcel", "address"), "fr") == {"a": "mon colis", "b": "address"}
    assert understanding().offer(("parcel", "address"), "en") == {"a": "my parcel", "b": "address"}
