"""What a text is understood to be about: answer, ask which of two, or leave it to the policy for what nothing knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.rules.intents.features import model_words
from bridge.rules.intents.model import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.rules.intents.model import Model
    from bridge.rules.ruleset import Action

KNOWN = 0.3
"""The least share of words that the examples have: below it a text is in another language, or about something else."""
_WORDS = 3
"""That are kept with a decision."""
_PEOPLE = frozenset({"agent", "3"})
"""The answers to "1, 2 or AGENT?" that ask for a person, in any language."""


@dataclass(slots=True)
class Judgement:
    """What a text is about, as far as it is known."""

    intent: str
    """The likeliest class, NONE among them."""
    confidence: float
    """Its probability, four places."""
    runner_up: str
    """The next likely."""
    following: float
    """Its probability."""
    answer: bool
    """The intent is sure enough to act on."""
    unsure: tuple[str, str] | None
    """The two likeliest intents where it is one of them but not sure which."""
    likely: tuple[str, str] | None
    """The two likeliest intents where the text may be about any at all."""
    words: tuple[tuple[str, float], ...]
    """What speaks most for the intent, and how much (natural logarithm)."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """The intents of a rules file, ready for texts."""

    model: Model
    threshold: float
    margin: float
    actions: Mapping[str, Action]
    """By intent."""
    picked: Mapping[str, Action]
    """The same, for when the customer was asked which."""
    titles: Mapping[str, Mapping[str, str]]
    """By intent and language; "" is for any other."""
    names: Mapping[str, str]
    """The intent of each normalised title and name."""
    people: Action
    """When the customer was asked which, and wants a person."""

    def judge(self, words: Sequence[str]) -> Judgement | None:
        """Judges a text.

        Args:
            words: The normalised text.

        Returns:
            What it is about, None for a text without words.
        """
        taken = model_words(words)
        if not taken:
            return None
        model = self.model
        scores = model.score(taken)
        ranking, classes = scores.ranking, model.classes
        first, second = ranking[-1], ranking[-2]
        # Rounded before anything is decided by it, so that what is printed and what is done agree on any machine.
        confidence = round(float(scores.probabilities[first]), 4)
        following = round(float(scores.probabilities[second]), 4)
        intent, runner_up = classes[first], classes[second]
        judgement = Judgement(intent, confidence, runner_up, following, False, None, None, ())
        if scores.known < KNOWN:
            return judgement
        if intent != NONE:
            judgement.words = model.pushes(scores, first, _WORDS)
            if confidence - following >= self.margin:
                judgement.answer = confidence >= self.threshold
            elif runner_up != NONE and confidence + following >= self.threshold:
                judgement.unsure = (intent, runner_up)
        if (intent != NONE or confidence < 0.5) and len(classes) > 2:
            ahead = [classes[number] for number in reversed(ranking[-3:]) if classes[number] != NONE]
            judgement.likely = (ahead[0], ahead[1])
        return judgement

    def pick(self, offered: Sequence[str], words: Sequence[str], whole: str) -> Action | None:
        """Reads the answer to "which of the two?".

        Args:
            offered: The two intents.
            words: The normalised text.
            whole: The same, joined with spaces.

        Returns:
            The action, None if the text is no answer to that.
        """
        if whole in _PEOPLE:
            return self.people
        # "1", "1 please"; or the name of one of the two.
        number = words[0] if words else ""
        if number in ("1", "2") and len(words) <= 2 and len(offered) == 2:
            return self.picked.get(offered[int(number) - 1])
        named = self.names.get(whole, NONE)
        return self.picked.get(named) if named in offered else None

    def offer(self, intents: tuple[str, str], language: str) -> dict[str, str]:
        """Returns the variables of the question which of the two."""
        first, second = (self.titles[intent] for intent in intents)
        return {"a": first.get(language) or first[""], "b": second.get(language) or second[""]}
