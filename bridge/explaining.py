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


LAYERS = {
    "control": "STOP, START or HELP as a whole text, or what answers a question about them",
    "optout": "a request to stop in the customer's own words",
    "optedout": "a text of somebody who has opted out: kept, never answered",
    "loop": "the loop guard: one and the same text again, or too many automatic replies",
    "human": "people have the conversation in hand",
    "flow": "an answer in a flow that waits for one",
    "rating": "an answer to the question how we did",
    "context": "an answer to a message that we started",
    "keyword": "a keyword of the rules",
    "pattern": "a pattern of the rules",
    "typo": "a keyword with a typing mistake in it",
    "intent": "near enough to the examples of an intent",
    "ask": "no rule is sure, so the customer is asked, or he has answered that",
    "escalate": "no rule knows it, so people are to answer",
    "silent": "nothing is to be said to it",
}
"""What each layer stands for, in the order in which they are asked."""


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
    yield f"that is: {LAYERS[decision.layer]}"
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
