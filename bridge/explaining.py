"""Why a text gets the answer that it gets: a decision, in words and as an object.

Must not be here: deciding, output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records import Conversation
from bridge.rules import Inbound, decide
from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.rules import Decision, Ruleset

CONTACT = "15550001234"
"""A number that is nobody's."""


def decided(text: str, number: str, language: str, ruleset: Ruleset, now: float) -> Decision:
    """Decide a text as the first of a new customer; nothing comes of it.

    Args:
        text: Of the customer.
        number: The service number that is texted.
        language: In which the customer was answered before, "" = none.
        ruleset: What `load` made.
        now: Seconds since the epoch.
    """
    state = Conversation(CONTACT, ruleset.brand_of(number), language=language) if language else None
    return decide(Inbound(text, CONTACT, number), state, ruleset, now, 1)


def as_object(text: str, decision: Decision) -> dict[str, object]:
    """Return a decision as `--json` prints it."""
    judged = decision.confidence >= 0.0
    return {
        "text": text,
        "control": decision.control or None,
        "layer": decision.layer,
        "rule": decision.rule or None,
        "intent": decision.intent if judged else None,
        "confidence": decision.confidence if judged else None,
        "outcome": decision.outcome,
        "replies": [reply.text for reply in decision.replies],
    }


def reasons(text: str, decision: Decision, ruleset: Ruleset, number: str) -> Iterator[str]:
    """Yield lines that say what was decided, and why."""
    rule = f" by {decision.rule}" if decision.rule else ""
    detail = f" ({decision.detail})" if decision.detail else ""
    yield f"{decision.outcome}: layer {decision.layer}{rule}{detail}"
    if decision.confidence >= 0.0:
        yield _by_words(text, decision, ruleset, number)
    for reply in decision.replies:
        yield f"{reply.template}: {reply.text}"


def _by_words(text: str, decision: Decision, ruleset: Ruleset, number: str) -> str:
    understanding = ruleset.numbers[number].understanding
    said = f"{decision.intent} {_share(decision.confidence)}"
    if understanding is None:
        return said
    judgement = understanding.judge(normalise(text))
    following = f"; runner-up {decision.runner_up}" if decision.runner_up else ""
    if judgement is not None and decision.runner_up:
        following += f" {_share(judgement.following)}"
    model = understanding.model
    pushes = []
    for word, push in decision.words:
        grams = "" if " " in word else " ".join(model.grams(word, model.classes.index(decision.intent), 2))
        pushes.append(f"{word} {push:+.1f}{f' [{grams}]' if grams else ''}")
    needed = f"; needs {_share(understanding.threshold)}"
    return f"{said} ({', '.join(pushes)}{following}{needed})".replace("(; ", "(")


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")
