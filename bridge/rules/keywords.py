"""Keywords: declared words that a message is, begins with, or contains as a phrase.

Two dictionary look-ups for most messages; phrases cost one more set operation, and only where there are any. What is
looked up is normalised on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.rules.ruleset import Action


@dataclass(frozen=True, slots=True)
class Keywords:
    """All keywords of a rules file; a whole message goes before a first word, that before a phrase."""

    only: Mapping[str, Action]
    """match = "only": the whole message."""
    first: Mapping[str, Action]
    """match = "first": its first word."""
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Action], ...]]
    """match = "phrase": words in a row, anywhere; by their first word, longest first."""

    def find(self, words: Sequence[str], whole: str) -> Action | None:
        """Finds what a message asks for.

        Args:
            words: The normalised message.
            whole: The same, joined with spaces.

        Returns:
            The action, None if no keyword fits.
        """
        if action := self.only.get(whole):
            return action
        if words and (action := self.first.get(words[0])):
            return action
        if not self.phrases.keys().isdisjoint(words):
            for start, word in enumerate(words):
                for phrase, action in self.phrases.get(word, ()):
                    if tuple(words[start : start + len(phrase)]) == phrase:
                        return action
        return None
