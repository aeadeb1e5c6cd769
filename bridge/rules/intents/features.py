"""What the intent model sees of a text: its words, pairs of words in a row, and the 2- to 4-grams within each word.

Two blocks, each of its own length: words and pairs in one, n-grams in the other; so a text of unknown spellings still
speaks through its n-grams. No n-gram crosses a word: each word has one row of weights, made once and summed from then
on. The length of a block is that of its words' parts, as if no two words shared an n-gram: that keeps it a sum, too.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_WORDS = 40
MAX_LETTERS = 24
"""What a text is cut down to: no text of any size may hold up the ones behind it."""
GRAMS = (2, 3, 4)

# Scripts that write no spaces: there each character is a word, and pairs make up the words.
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_spaced = partial(_UNSPACED.sub, r" \1 ")


def model_words(words: Sequence[str]) -> list[str]:
    """Returns the words as the model takes them: each once, in the order of the text.

    Args:
        words: A normalised text.
    """
    if not all(map(str.isascii, words)):
        words = _spaced(" ".join(words[:MAX_WORDS])).split()
    short = [word if len(word) <= MAX_LETTERS else word[:MAX_LETTERS] for word in words[:MAX_WORDS]]
    return list(dict.fromkeys(short))


def words_of(text: str) -> list[str]:
    """Returns the words of a text as the model takes them."""
    return model_words(normalise(text))


def pairs_of(words: Sequence[str]) -> list[str]:
    """Returns the pairs of words in a row; none is a word, for they have a space in them."""
    return list(map(" ".join, pairwise(words)))


def grams_of(word: str) -> list[str]:
    """Returns the n-grams of a word, its ends marked; a number has only its length, as any number is like another."""
    framed = f"<{'0' * len(word) if word.isdigit() else word}>"
    return [framed[start : start + size] for size in GRAMS for start in range(len(framed) - size + 1)]
