"""Keywords with one slip of the finger: "trakc", "horaire".

Only short texts, only keywords of five letters or more, never towards a control word, and never a word that the
examples know: "trick" is no "track" to a service that has an intent about tricks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.rules.keywords import Keywords
    from bridge.rules.optout import Control
    from bridge.rules.ruleset import Action

_WORDS = 3
_LETTERS = 5
_LONGEST = 40
"""Letters of a text that is looked at."""


@dataclass(frozen=True, slots=True)
class Typos:
    """The keywords that may be misspelt."""

    whole: Mapping[str, Action]
    """By the whole message."""
    first: Mapping[str, Action]
    """By its first word."""
    controls: Collection[str]
    """The control words: what is as near to one of them is left alone."""
    known: Collection[str] = frozenset()
    """Words that are spelt as they should be."""

    def find(self, words: Sequence[str], whole: str) -> Action | None:
        """Finds the keyword that a short text was meant to be.

        Args:
            words: The normalised text.
            whole: The same, joined with spaces.

        Returns:
            Its action; None if there is none, or more than one.
        """
        if not words or len(words) > _WORDS or len(whole) > _LONGEST:
            return None
        if not any(word not in self.known for word in words):
            return None
        return self._nearest(whole, self.whole) or (
            None if words[0] in self.known else self._nearest(words[0], self.first)
        )

    def _nearest(self, text: str, candidates: Mapping[str, Action]) -> Action | None:
        found = process.extract(text, candidates.keys(), scorer=OSA.distance, processor=None, score_cutoff=1, limit=3)
        actions = {candidates[name].rule: candidates[name] for name, _, _ in found}
        if len(actions) != 1:
            return None
        if process.extractOne(text, self.controls, scorer=OSA.distance, processor=None, score_cutoff=1) is not None:
            return None
        return next(iter(actions.values()))


def compile_typos(keywords: Keywords, controls: Mapping[str, Control], known: Collection[str]) -> Typos | None:
    """Makes the list of what may be misspelt.

    Args:
        keywords: Of the rules file.
        controls: The control words, by normalised text.
        known: Words that the examples of its intents have.

    Returns:
        None if there is no keyword that is long enough.
    """
    phrases = {" ".join(phrase): action for group in keywords.phrases.values() for phrase, action in group}
    whole = _long({**phrases, **keywords.first, **keywords.only})
    first = _long(keywords.first)
    return Typos(whole, first, tuple(controls), known) if whole else None


def _long(actions: Mapping[str, Action]) -> dict[str, Action]:
    return {word: replace(action, layer="typo") for word, action in actions.items() if len(word) >= _LETTERS}
