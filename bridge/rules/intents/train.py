"""From the examples of a rules file to a model, with the report of how well it does.

What is reported, and what the threshold is chosen by, comes from cross-validation: each example is judged by a model
that was trained without it. The class "none" counts as much as all intents together: as if every second text were none
of the service's business.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from importlib import resources

import msgspec
import numpy as np

from bridge.rules.intents.features import words_of
from bridge.rules.intents.fit import Features, Floats, Integers, descend, gather, kernel, softmax, spread
from bridge.rules.intents.model import NONE, Weights

FOLDS = 5
NEAR = 1.0
"""Half of the product of a text with itself: a background line so near to an example is left out."""
LEAST_THRESHOLD = 0.3
MOST_THRESHOLD = 0.99
_VERSION = 1
"""Of training: another one makes other weights of the same examples."""


class TrainingSet(msgspec.Struct, frozen=True):
    """What a model is made of."""

    intents: tuple[tuple[str, tuple[str, ...]], ...]
    """The name and the examples of each."""
    none: tuple[str, ...]
    """The rules file's own lines of no intent."""
    background: tuple[tuple[str, str], ...]
    """(kind, line) of the shipped ones; the kinds are "questions" and "chatter"."""
    precision: float
    """Asked for of the answers."""
    margin: float
    threshold: float | None
    """None = chosen by `precision`."""

    def key(self) -> str:
        """Returns a name for the model that these examples make."""
        return hashlib.sha256(msgspec.msgpack.encode((_VERSION, self))).hexdigest()[:32]


class IntentReport(msgspec.Struct, frozen=True):
    """How one intent does in cross-validation."""

    name: str
    examples: int
    answered: int
    """Of its examples, with any intent."""
    precision: float
    """Of the answers with this intent, the share that is right; 1.0 if there is none."""
    recall: float
    """Of its examples, the share that is answered with it."""


class Report(msgspec.Struct, frozen=True):
    """How a model does in cross-validation."""

    examples: int
    intents: tuple[IntentReport, ...]
    confusions: tuple[tuple[str, str, int], ...]
    """(an intent, what its examples are taken for, how many), the most frequent first."""
    duplicates: tuple[tuple[str, str], ...]
    """(intent, example): written twice."""
    contradictions: tuple[tuple[str, str, str], ...]
    """(intent, other intent, example): in both."""
    left_out: tuple[str, ...]
    """Background lines too near to an example."""
    threshold: float
    reached: bool
    """Whether the precision asked for is reached at the threshold."""
    in_scope: tuple[int, int, int]
    """Examples: all, answered, answered right."""
    unrelated: tuple[int, int]
    """General questions: all, answered."""
    chatter: tuple[int, int]
    """Chatter: all, answered."""
    none: tuple[int, int]
    """The file's own lines: all, answered."""


class Trained(msgspec.Struct, frozen=True):
    """A model and its report."""

    weights: Weights
    report: Report


def background() -> tuple[tuple[str, str], ...]:
    """Reads the shipped lines of no intent: (kind, line)."""
    data = tomllib.loads(resources.files("bridge.rules").joinpath("data/background.toml").read_text(encoding="utf-8"))
    return tuple((lines["kind"], line) for lines in data["lines"] for line in lines["list"])


def train(given: TrainingSet) -> Trained:
    """Trains a model and judges it.

    Args:
        given: At least one intent with an example that has a word.
    """
    rows, duplicates, contradictions = _rows(given)
    names = [name for name, _ in given.intents]
    none = len(names)
    features = gather([words for _, _, words in rows])
    classes = np.array([number for number, _, _ in rows])
    products = kernel(features)
    rows, left_out, features, classes, products = _without_near(rows, features, classes, products)
    count = none + 1
    weights = _balance(classes, none)
    held_out = _cross_validate(products, classes, count)
    temperature, shift = _calibrate(held_out, classes, weights)
    probabilities = softmax(_calibrated(held_out, temperature, shift))
    order = np.argsort(probabilities, axis=1, kind="stable")
    top = order[:, -1]
    confidence = np.take_along_axis(probabilities, order[:, -1:], 1)[:, 0]
    second = np.take_along_axis(probabilities, order[:, -2:-1], 1)[:, 0]
    sure = (top != none) & (confidence - second >= given.margin)
    chosen, reached = _threshold(confidence, sure, top == classes, weights, given.precision)
    threshold = chosen if given.threshold is None else given.threshold
    answered = sure & (confidence >= threshold)
    shares = descend(products, classes, np.ones(len(classes)), count)
    spread_out = _centred(spread(features, shares)) / temperature
    bias = shares.sum(axis=0) / temperature
    bias[none] += shift
    made = Weights(
        (*names, NONE),
        tuple(features.names),
        features.idf.astype(np.float32).tobytes(),
        features.unknown,
        spread_out.astype(np.float32).tobytes(),
        (bias - bias.mean()).astype(np.float32).tobytes(),
        round(threshold, 4),
    )
    kinds = [kind for _, kind, _ in rows]
    report = Report(
        sum(kind == "" for kind in kinds),
        _per_intent(names, classes, top, answered),
        _confusions([*names, NONE], classes, top),
        duplicates,
        contradictions,
        left_out,
        round(threshold, 4),
        reached,
        (
            int((classes != none).sum()),
            int((answered & (classes != none)).sum()),
            int((answered & (classes == top)).sum()),
        ),
        _kind("questions", kinds, answered),
        _kind("chatter", kinds, answered),
        _kind("own", kinds, answered),
    )
    return Trained(made, report)


Row = tuple[int, str, list[str]]
"""The class; the kind ("" = an example, "own", "questions", "chatter"); the words."""


def _rows(
    given: TrainingSet,
) -> tuple[list[Row], tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]]:
    rows: list[Row] = []
    duplicates, contradictions = [], []
    owners: dict[str, str] = {}
    texts = [(number, "", line) for number, (_, examples) in enumerate(given.intents) for line in examples]
    texts += [(len(given.intents), "own", line) for line in given.none]
    names = [*(name for name, _ in given.intents), NONE]
    for number, kind, line in texts:
        words = words_of(line)
        if not words:
            continue
        owner = owners.get(text := " ".join(words))
        if owner == names[number]:
            duplicates.append((owner, line))
            continue
        if owner is not None:
            contradictions.append((owner, names[number], line))
        owners[text] = names[number]
        rows.append((number, kind, words))
    rows += [(len(given.intents), kind, words_of(line)) for kind, line in given.background]
    return rows, tuple(duplicates), tuple(contradictions)


def _without_near(
    rows: list[Row], features: Features, classes: Integers, products: Floats
) -> tuple[list[Row], tuple[str, ...], Features, Integers, Floats]:
    examples = np.array([kind == "" for _, kind, _ in rows])
    shipped = np.array([kind in ("questions", "chatter") for _, kind, _ in rows])
    near = shipped & (products[:, examples].max(axis=1) > NEAR)
    if not near.any():
        return rows, (), features, classes, products
    kept = [row for row, left in zip(rows, near.tolist(), strict=True) if not left]
    left_out = tuple(" ".join(row[2]) for row, left in zip(rows, near.tolist(), strict=True) if left)
    features = gather([words for _, _, words in kept])
    return kept, left_out, features, classes[~near], kernel(features)


def _balance(classes: Integers, none: int) -> Floats:
    outside = classes == none
    share = (~outside).sum() / max(1, outside.sum())
    return np.where(outside, share, 1.0)


def _cross_validate(products: Floats, classes: Integers, count: int) -> Floats:
    fold = np.zeros(len(classes), dtype=np.int64)
    for number in range(count):
        where = np.flatnonzero(classes == number)
        fold[where] = np.arange(len(where)) % FOLDS
    scores = np.zeros((len(classes), count))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        shares = descend(products[np.ix_(inside, inside)], classes[inside], np.ones(len(inside)), count)
        scores[outside] = (products[np.ix_(outside, inside)] + 1.0) @ shares
    return scores


def _calibrated(scores: Floats, temperature: float, shift: float) -> Floats:
    found = scores / temperature
    found[:, -1] += shift
    return found


def _calibrate(scores: Floats, classes: Integers, weights: Floats) -> tuple[float, float]:
    """Returns the temperature, and what the score of none is shifted by, that make the probabilities likeliest."""
    rows = np.arange(len(classes))

    def loss(temperature: float, shift: float) -> float:
        likely = softmax(_calibrated(scores, temperature, shift))[rows, classes]
        return -float(weights @ np.log(likely + 1e-12))

    temperature, shift = 0.5, 0.0
    spans = (0.9, 6.0)
    # Each round looks around the best so far, nearer and nearer.
    for narrower in range(8):
        span = spans[0] * 0.6**narrower, spans[1] * 0.6**narrower
        tried = [
            (temperature * np.exp(span[0] * across), shift + span[1] * down)
            for across in (-1.0, -0.5, 0.0, 0.5, 1.0)
            for down in (-1.0, -0.5, 0.0, 0.5, 1.0)
        ]
        temperature, shift = min(tried, key=lambda pair: loss(*pair))
    return float(temperature), float(shift)


def _threshold(
    confidence: Floats, sure: Integers, right: Integers, weights: Floats, precision: float
) -> tuple[float, bool]:
    order = np.argsort(-confidence, kind="stable")
    counted = np.cumsum((weights * sure)[order])
    correct = np.cumsum((weights * (sure & right))[order])
    good = np.flatnonzero((correct >= precision * counted) & (counted > 0))
    if not len(good):
        return MOST_THRESHOLD, False
    return max(LEAST_THRESHOLD, float(confidence[order][good[-1]])), True


def _centred(weights: Floats) -> Floats:
    # Probabilities do not change; and what is left of a word is what it says for one class against all others.
    centred: Floats = weights - weights.mean(axis=1, keepdims=True)
    return centred


def _per_intent(names: list[str], classes: Integers, top: Integers, answered: Integers) -> tuple[IntentReport, ...]:
    reports = []
    for number, name in enumerate(names):
        its = classes == number
        taken = answered & (top == number)
        right = int((taken & its).sum())
        total, claimed = int(its.sum()), int(taken.sum())
        reports.append(
            IntentReport(
                name,
                total,
                int((answered & its).sum()),
                round(right / claimed, 3) if claimed else 1.0,
                round(right / total, 3) if total else 0.0,
            )
        )
    return tuple(reports)


def _confusions(names: list[str], classes: Integers, top: Integers) -> tuple[tuple[str, str, int], ...]:
    wrong = Counter(
        (names[given], names[taken])
        for given, taken in zip(classes.tolist(), top.tolist(), strict=True)
        if given != taken and given != len(names) - 1
    )
    return tuple(
        (given, taken, count) for (given, taken), count in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    )


def _kind(kind: str, kinds: list[str], answered: Integers) -> tuple[int, int]:
    which = np.array([its == kind for its in kinds])
    return int(which.sum()), int((answered & which).sum())
