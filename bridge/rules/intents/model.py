"""The trained model at work: how likely each intent is for a text, and which words say so.

A word's share in the score of each intent is a row of a table, made when the word is met a second time (or at once, if
an example has it) and kept in bounded memory; a text is a look-up for each word and one sum. Rows are summed in the
order of the text, whether they were kept or made just now: the same text has the same score at any time.

Not for two threads at once.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bridge.rules.intents.features import MAX_WORDS, grams_of, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NONE = "none"
"""The class of what no intent is about."""
_KEPT_WORDS = 100_000
_KEPT_BYTES = 48 << 20
"""Of rows, and words: what texts of ever new words may take."""
_SPARE = MAX_WORDS
"""Rows at the beginning of the table for words that are not kept."""


class Weights(msgspec.Struct, frozen=True):
    """A trained model, as octets and names: it can be kept in a file."""

    classes: tuple[str, ...]
    """The intents; NONE is the last."""
    names: tuple[str, ...]
    """The features, as in fit.Features."""
    idf: bytes
    """float32 for each feature."""
    unknown: float
    """The idf of what is no feature."""
    weights: bytes
    """float32, features x classes, calibrated, their mean over the classes 0."""
    bias: bytes
    """float32 for each class."""
    threshold: float
    """The confidence from which on the examples' answers are as precise as asked for."""


class Scores(msgspec.Struct):
    """What the model says of a text."""

    probabilities: NDArray[np.float64]
    ranking: list[int]
    """The classes, the likeliest last."""
    known: float
    """The share of its words that an example has, 0.0 to 1.0."""
    names: list[str]
    """The words and known pairs that were summed."""
    places: list[int]
    scales: tuple[float, float]


class Model:
    """A model ready for texts.

    Args:
        weights: What training made.
    """

    def __init__(self, weights: Weights) -> None:
        self.classes = weights.classes
        self.threshold = weights.threshold
        count = len(weights.classes)
        self._count = count
        self._features = {name: number for number, name in enumerate(weights.names)}
        self._idf = np.frombuffer(weights.idf, dtype=np.float32).astype(np.float64)
        self._weights = np.frombuffer(weights.weights, dtype=np.float32).astype(np.float64).reshape(-1, count)
        self._weights *= self._idf[:, None]
        self._squares = self._idf**2
        self._unknown = weights.unknown**2
        self._bias = np.frombuffer(weights.bias, dtype=np.float32).astype(np.float64)
        # A row: the words' block for each class and its squared length, the n-grams' block and its squared length.
        width = 2 * count + 2
        vocabulary = [name for name in weights.names if name[0] != "\t"]
        self._capacity = _SPARE + len(vocabulary) + min(_KEPT_WORDS, _KEPT_BYTES // (8 * width))
        self._rows = np.empty((self._capacity, width))
        self._places: dict[str, int] = {}
        self._used = _SPARE
        self._seen: set[str] = set()
        for name in vocabulary:
            self._keep(name)
        self.vocabulary = frozenset(vocabulary)
        """The words and pairs of the examples."""

    def score(self, words: Sequence[str]) -> Scores:
        """Scores a text.

        Args:
            words: Of it, at least one, as `features.model_words` returns them.
        """
        places, find, vocabulary = [], self._places.get, self.vocabulary
        for number, word in enumerate(words):
            place = find(word)
            places.append(self._new(word, number) if place is None else place)
        names = [*words]
        foreign = 0
        for pair in pairs_of(words):
            if pair in vocabulary:
                names.append(pair)
                places.append(self._places[pair])
            else:
                foreign += 1
        sums = np.add.reduce(self._rows.take(places, axis=0), axis=0)
        count = self._count
        scales = 1.0 / sqrt(sums[count] + foreign * self._unknown), 1.0 / sqrt(sums[-1])
        scores = sums[:count] * scales[0]
        scores += sums[count + 1 : -1] * scales[1]
        scores += self._bias
        ranking = scores.argsort(kind="stable").tolist()
        scores -= scores[ranking[-1]]
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores)
        known = sum(map(vocabulary.__contains__, words)) / len(words)
        return Scores(scores, ranking, known, names, places, scales)

    def pushes(self, scores: Scores, number: int, most: int) -> tuple[tuple[str, float], ...]:
        """Returns the words and pairs that push a text most towards a class, and by how much (natural logarithm)."""
        count = self._count
        # One look at the two columns: scores of rows made for this text alone are still in their places.
        rows = self._rows.take(scores.places, axis=0)
        push = rows[:, number] * scores.scales[0] + rows[:, count + 1 + number] * scores.scales[1]
        values = push.tolist()
        order = sorted(range(len(values)), key=lambda index: -values[index])[:most]
        return tuple((scores.names[index], round(values[index], 2)) for index in order if values[index] > 0.0)

    def grams(self, word: str, number: int, most: int) -> list[str]:
        """Returns the n-grams of a word that push most towards a class; its ends are marked with < and >."""
        found = {}
        for gram in grams_of(word):
            feature = self._features.get("\t" + gram)
            if feature is not None:
                found[gram] = float(self._weights[feature, number])
        return [gram for gram in sorted(found, key=lambda gram: -found[gram])[:most] if found[gram] > 0.0]

    def _new(self, word: str, number: int) -> int:
        if word not in self._seen:
            # Most new words are never met again: a number, a typing mistake, an attack.
            if len(self._seen) >= _KEPT_WORDS:
                self._seen.clear()
            self._seen.add(word)
            self._fill(self._rows[number], word)
            return number
        if self._used == self._capacity:
            for kept in [name for name in self._places if name not in self.vocabulary]:
                del self._places[kept]
            self._used = _SPARE + len(self.vocabulary)
            # Places found for this text would be filled again; it is scored without keeping anything.
            self._fill(self._rows[number], word)
            return number
        return self._keep(word)

    def _keep(self, name: str) -> int:
        place = self._places[name] = self._used
        self._used += 1
        self._fill(self._rows[place], name)
        return place

    def _fill(self, row: NDArray[np.float64], name: str) -> None:
        count, features = self._count, self._features
        feature = features.get(name)
        if feature is None:
            row[:count] = 0.0
            row[count] = self._unknown
        else:
            row[:count] = self._weights[feature]
            row[count] = self._squares[feature]
        row[count + 1 :] = 0.0
        if " " in name:
            return
        grams = grams_of(name)
        known = [found for gram in grams if (found := features.get("\t" + gram)) is not None]
        row[-1] = (len(grams) - len(known)) * self._unknown
        if known:
            np.add.reduce(self._weights.take(known, axis=0), axis=0, out=row[count + 1 : -1])
            row[-1] += np.add.reduce(self._squares.take(known))
