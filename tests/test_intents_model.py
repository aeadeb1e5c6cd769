from __future__ import annotations

from random import Random

import pytest

from bridge.rules.intents import model as module
from bridge.rules.intents.features import words_of
from bridge.rules.intents.model import NONE, Model
from tests.intents import gibberish, trained


@pytest.fixture
def model() -> Model:
    return Model(trained().weights)


def test_probabilities_are_of_all_classes_and_sum_to_one(model: Model) -> None:
    scores = model.score(words_of("where is my parcel"))
    assert len(scores.probabilities) == len(model.classes) == 4
    assert scores.probabilities.sum() == pytest.approx(1.0)
    assert model.classes[scores.ranking[-1]] == "parcel"
    assert scores.known == 1.0


def test_chatter_is_none(model: Model) -> None:
    assert model.classes[model.score(words_of("lol see you at the pub then")).ranking[-1]] == NONE


def test_a_score_does_not_depend_on_what_came_before(model: Model) -> None:
    texts = ["wheres my prcel", "xyzzy plugh", "my prcel is brokn", "xyzzy and my address"]
    fresh = [Model(trained().weights).score(words_of(text)).probabilities.tolist() for text in texts]
    for _ in range(3):
        assert [model.score(words_of(text)).probabilities.tolist() for text in texts] == fresh


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_WORDS", 10)
    model = Model(trained().weights)
    random = Random(1)
    text = "where is my parcel xyzzy"
    expected = Model(trained().weights).score(words_of(text)).probabilities.tolist()
    for _ in range(50):
        words = words_of(gibberish(random, 4, 6))
        model.score(words)
        model.score(words)
    assert len(model._places) <= len(model.vocabulary) + 10
    assert len(model._seen) <= 10
    for _ in range(3):
        assert model.score(words_of(text)).probabilities.tolist() == expected


def test_pushes_are_the_score_itself(model: Model) -> None:
    # What each word and pair adds, with the bias, is the logit: nothing of a score is unexplained.
    words = words_of("where is my prcel today")
    scores = model.score(words)
    logits = []
    for number in range(len(model.classes)):
        rows = model._rows.take(scores.places, axis=0)
        count = len(model.classes)
        push = rows[:, number] * scores.scales[0] + rows[:, count + 1 + number] * scores.scales[1]
        logits.append(push.sum() + model._bias[number])
    import numpy as np

    expected = np.exp(logits) / np.exp(logits).sum()
    assert scores.probabilities.tolist() == pytest.approx(expected.tolist())


def test_the_strongest_words_come_first_and_none_that_speaks_against(model: Model) -> None:
    words = words_of("where is my parcel lol")
    scores = model.score(words)
    pushes = model.pushes(scores, scores.ranking[-1], 3)
    assert len(pushes) == 3
    values = [value for _, value in pushes]
    assert values == sorted(values, reverse=True)
    assert min(values) > 0.0
    assert "lol" not in dict(pushes)


def test_grams_tell_why_a_misspelt_word_counts(model: Model) -> None:
    number = model.classes.index("parcel")
    grams = model.grams("parcl", number, 2)
    assert len(grams) == 2
    assert all(gram in "<parcl>" for gram in grams)
    assert model.grams("zzzz", number, 2) == []


def test_letters_that_no_example_has_weigh_without_meaning(model: Model) -> None:
    sure = model.score(words_of("where is my parcel")).probabilities.max()
    assert model.score(words_of("where is my parcel жжжжж")).probabilities.max() < sure
