"""Training: multinomial logistic regression over the kernel of the examples, in NumPy alone.

With few examples and many features the matrix of the examples' products is the small one: each step of the descent
costs rows² x classes, whatever the number of features. Everything is summed in a fixed order; the same examples give
the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge.rules.intents.features import grams_of, pairs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Scores = TypeVar("Scores", Floats, Singles)

STEPS = 50
RIDGE = 0.03
"""Of the mean loss times rows: what scikit-learn calls 1/C."""
_RARE = 12
"""Features of so few rows are multiplied pair by pair, those of more as dense columns."""
_COLUMNS = 2048


@dataclass(frozen=True, slots=True)
class Features:
    """The examples as sparse rows, in the order of the rows."""

    names: dict[str, int]
    """Words and pairs, by name; then n-grams, by name with a tab before it. In the order in which they were met."""
    idf: Floats
    unknown: float
    """The idf of what no example has."""
    rows: Integers
    columns: Integers
    values: Floats
    count: int
    """How many rows there are."""


def gather(texts: Sequence[Sequence[str]]) -> Features:
    """Makes the features of the examples.

    Args:
        texts: The words of each example, as `model_words` returns them.
    """
    names: dict[str, int] = {}
    found: list[tuple[list[int], list[int]]] = []
    seen: list[int] = []
    for words in texts:
        blocks = (
            [names.setdefault(name, len(names)) for name in (*words, *pairs_of(words))],
            [names.setdefault("\t" + gram, len(names)) for word in words for gram in grams_of(word)],
        )
        found.append(blocks)
        seen += {*blocks[0], *blocks[1]}
    count = len(texts)
    frequency = np.bincount(np.array(seen, dtype=np.int64), minlength=len(names))
    idf = np.log((1 + count) / (1 + frequency)) + 1.0
    rows, columns, values = [], [], []
    for row, blocks in enumerate(found):
        for block in blocks:
            ids = np.array(block, dtype=np.int64)
            weights = idf[ids]
            weights /= np.sqrt(weights @ weights)
            unique, inverse = np.unique(ids, return_inverse=True)
            columns.append(unique)
            values.append(np.bincount(inverse, weights))
            rows.append(np.full(len(unique), row, dtype=np.int64))
    return Features(
        names,
        idf,
        log((1 + count) / 2) + 1.0,
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(values),
        count,
    )


def kernel(features: Features) -> Floats:
    """Returns the products of all pairs of rows; 2.0 is that of a row with itself but for repeated n-grams."""
    count = features.count
    order = np.argsort(features.columns, kind="stable")
    rows, values = features.rows[order], features.values[order]
    sizes = np.bincount(features.columns, minlength=len(features.names))
    starts = np.cumsum(sizes) - sizes
    products = np.zeros(count * count)
    for size in range(1, _RARE + 1):
        picked = starts[sizes == size][:, None] + np.arange(size)
        where, what = rows[picked], values[picked]
        pairs = where[:, :, None] * count + where[:, None, :]
        products += np.bincount(pairs.ravel(), (what[:, :, None] * what[:, None, :]).ravel(), minlength=count * count)
    found = products.reshape(count, count)
    frequent = np.flatnonzero(sizes > _RARE)
    for start in range(0, len(frequent), _COLUMNS):
        chunk = frequent[start : start + _COLUMNS]
        place = np.full(len(sizes), -1)
        place[chunk] = np.arange(len(chunk))
        here = place[features.columns] >= 0
        dense = np.zeros((count, len(chunk)), dtype=np.float32)
        dense[features.rows[here], place[features.columns[here]]] = features.values[here]
        found += dense @ dense.T
    return found


def descend(products: Floats, classes: Integers, weights: Floats, count: int) -> Floats:
    """Fits the model: accelerated steps on the weighted log loss with a ridge.

    Args:
        products: Rows x rows.
        classes: The class of each row.
        weights: What each row counts, 1.0 on the average.
        count: Of classes.

    Returns:
        Rows x classes: how much of each row the weights of a class have; the bias is their sum per class.
    """
    # A feature that every row has is the bias: one in the kernel.
    # Single precision: half the time, and far finer than a few examples are.
    single: Singles = products.astype(np.float32)
    single += np.float32(1.0)
    rows = len(classes)
    target = np.zeros((rows, count), dtype=np.float32)
    target[np.arange(rows), classes] = 1.0
    vector: Singles = np.ones(rows, dtype=np.float32)
    for _ in range(12):
        vector = (single @ vector).astype(np.float32)
        vector /= np.float32(np.sqrt(vector @ vector))
    ridge = np.float32(RIDGE / rows)
    largest = float(vector @ (single @ vector)) * 1.05 * float(weights.max())
    step = np.float32(1.0 / (0.5 * largest / rows + ridge))
    scale: Singles = (weights / rows).astype(np.float32)[:, None]
    current: Singles = np.zeros((rows, count), dtype=np.float32)
    ahead: Singles = current
    momentum = 1.0
    for _ in range(STEPS):
        slope: Singles = softmax(single @ ahead)
        slope -= target
        slope *= scale
        slope += ahead * ridge
        slope *= step
        following: Singles = ahead - slope
        faster = (1.0 + (1.0 + 4.0 * momentum * momentum) ** 0.5) / 2.0
        ahead = following - current
        ahead *= np.float32((momentum - 1.0) / faster)
        ahead += following
        current, momentum = following, faster
    return current.astype(np.float64)


def softmax(scores: Scores) -> Scores:
    """Returns probabilities, row by row."""
    powers: Scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def spread(features: Features, shares: Floats) -> Floats:
    """Returns the weights of the features, features x classes, from the shares of the rows."""
    order = np.argsort(features.columns, kind="stable")
    rows, values = features.rows[order], features.values[order]
    columns = features.columns[order]
    found = np.zeros((len(features.names), shares.shape[1]))
    for number in range(shares.shape[1]):
        found[:, number] = np.bincount(columns, values * shares[rows, number], minlength=len(features.names))
    return found
