from __future__ import annotations

import pytest

from tests.rules_helpers import BRAND, compiled, problems

INTENT = '[intent.a]\nexamples = ["x"]\nescalate = true\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[intents]\nthreshold = 2\n", 'intents.threshold: must be "auto" or a number from 0 to 1'),
        ("[intents]\nthreshold = true\n", 'intents.threshold: must be "auto" or a number from 0 to 1'),
        ("[intents]\nmargin = -0.1\n", "intents.margin: must be a number from 0 to 1"),
        ("[intent.a]\nexamples = []\nescalate = true\n", "intent.a.examples: is missing"),
        ('[intent.a]\nexamples = ["x"]\n', "intent.a: does nothing"),
        ('[intent.a]\nexamples = ["x"]\nreply = "gone"\n', "intent.a.reply: there is no template `gone`"),
        ('[intent.none]\nexamples = ["x"]\nescalate = true\n', "intent.none: the name `none` has a meaning of its own"),
        (INTENT + "title = 7\n", "intent.a.title: "),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    assert any(problem in line for line in problems(BRAND + text))


@pytest.mark.parametrize("threshold", ['"auto"', "0.5", "1"])
def test_thresholds(threshold: str) -> None:
    rules = compiled(BRAND + f"[intents]\nthreshold = {threshold}\n" + INTENT)
    understanding = rules.numbers["60606"].understanding
    assert understanding is not None
    assert 0.0 < understanding.threshold <= 1.0
    assert (understanding.threshold == float(threshold)) if threshold != '"auto"' else True


def test_titles_by_language_or_the_name_in_words() -> None:
    rules = compiled(
        BRAND
        + '[intent.where_is-it]\nexamples = ["where is it"]\nescalate = true\n'
        + '[intent.b]\nexamples = ["bbb"]\ntitle = "the b"\nescalate = true\n'
        + '[intent.c]\nexamples = ["ccc"]\ntitle = { en = "the c", fr = "le c" }\nescalate = true\n'
    )
    understanding = rules.numbers["60606"].understanding
    assert understanding is not None
    assert understanding.titles["where_is-it"] == {"": "where is it"}
    assert understanding.offer(("b", "c"), "fr") == {"a": "the b", "b": "le c"}
    assert understanding.offer(("b", "c"), "de") == {"a": "the b", "b": "the c"}


def test_more_examples_than_can_be_learnt_are_refused() -> None:
    examples = ", ".join(f'"word{number}"' for number in range(4999))
    source = f'[intents]\nnone = ["a b", "c d"]\n[intent.i]\nescalate = true\nexamples = [{examples}]\n'
    (problem,) = problems(BRAND + source)
    assert problem.startswith("8: intent: 5,001 examples with those under [intents] none: no more than 5,000 can be")
