from __future__ import annotations

import msgspec
import pytest

from bridge.rules.intents.train import MOST_THRESHOLD, NEAR, Trained, background, train
from tests.intents import ADDRESS, COMPLAINT, PARCEL, trained, training_set


def test_the_same_examples_make_the_same_model() -> None:
    assert msgspec.msgpack.encode(train(training_set())) == msgspec.msgpack.encode(trained())


def test_a_model_survives_being_kept() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trained()), type=Trained) == trained()


def test_the_key_tells_examples_apart() -> None:
    keys = {
        training_set().key(),
        training_set(precision=0.9).key(),
        training_set(none=()).key(),
        training_set(("parcel", PARCEL)).key(),
    }
    assert len(keys) == 4
    assert training_set().key() == training_set().key()


def test_the_report_counts_every_row() -> None:
    report = trained().report
    assert report.examples == len(PARCEL) + len(ADDRESS) + len(COMPLAINT)
    assert [one.examples for one in report.intents] == [len(PARCEL), len(ADDRESS), len(COMPLAINT)]
    total, answered, right = report.in_scope
    assert total == report.examples
    assert sum(one.answered for one in report.intents) == answered >= right
    assert report.none[0] == 2
    shipped = [kind for kind, _ in background()]
    assert report.unrelated[0] + report.chatter[0] + len(report.left_out) == len(shipped)


def test_confusions_are_counted() -> None:
    same = tuple(f"{word} {'please' if number % 2 else 'now'}" for number, word in enumerate("abcdefgh"))
    report = train(training_set(("one", PARCEL), ("two", (*ADDRESS, *PARCEL[:4])), ("three", same))).report
    assert ("two", "one") in {(given, taken) for given, taken, _ in report.confusions}


def test_duplicates_and_contradictions_are_named() -> None:
    report = train(
        training_set(("one", (*PARCEL, "Where is my PARCEL?", "!!", " ")), ("two", (*ADDRESS, "wheres my order")))
    ).report
    assert report.duplicates == (("one", "Where is my PARCEL?"),)
    assert report.contradictions == (("one", "two", "wheres my order"),)


def test_shipped_lines_like_an_example_are_left_out() -> None:
    weather = ("will it snow this weekend", "is it going to be windy tomorrow", "weather tomorrow", "is rain coming")
    report = train(training_set(("weather", weather), ("parcel", PARCEL))).report
    assert set(weather[:2]) <= set(report.left_out)
    assert trained().report.left_out == ()
    assert NEAR < 2.0


def test_a_threshold_of_ones_own_is_kept() -> None:
    given = train(training_set(threshold=0.42))
    assert given.weights.threshold == given.report.threshold == 0.42


def test_a_precision_out_of_reach_is_told() -> None:
    # Two intents of the same texts: no answer is right but by chance.
    one = tuple(f"word{number} here" for number in range(10))
    two = tuple(f"word{number} here" for number in range(10, 20))
    report = train(training_set(("one", one), ("two", two), precision=1.0)).report
    assert not report.reached
    assert report.threshold == MOST_THRESHOLD


def test_one_intent_with_one_example_trains() -> None:
    given = train(training_set(("only", ("where is my parcel",)), none=()))
    assert given.report.in_scope[0] == 1
    assert given.report.none == (0, 0)


@pytest.mark.parametrize("kind", ["questions", "chatter"])
def test_the_shipped_lines_are_many_and_each_is_there_once(kind: str) -> None:
    lines = [line for its, line in background() if its == kind]
    assert 150 <= len(lines) <= 250
    assert len(set(lines)) == len(lines)
