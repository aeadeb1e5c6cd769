"""The tables of intents as they are written in a rules file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from bridge.options import At, BadValue, text
from bridge.rules.escalation import Escalation, read_escalation


def _share(value: object, at: At) -> float:
    del at
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise BadValue("must be a number from 0 to 1")
    return float(value)


def _threshold(value: object, at: At) -> float | None:
    if value == "auto":
        return None
    try:
        return _share(value, at)
    except BadValue:
        raise BadValue('must be "auto" or a number from 0 to 1') from None


def _titles(value: object, at: At) -> dict[str, str]:
    if isinstance(value, dict):
        return {language: text(title, at.child(language)) for language, title in value.items()}
    return {"": text(value, at)}


@dataclass(frozen=True, slots=True)
class IntentsTable:
    """[intents]: how sure an answer has to be."""

    threshold: Annotated[float | None, _threshold] = None
    """The least confidence of an answer; "auto" = what `precision` takes in cross-validation."""
    precision: Annotated[float, _share] = 0.95
    """The share of right answers that "auto" aims at, where every second text is none of the service's business."""
    margin: Annotated[float, _share] = 0.1
    """Where the two likeliest intents are nearer to each other, the customer is asked which."""
    none: tuple[str, ...] = ()
    """Texts that no intent is about, beside the shipped ones."""


@dataclass(frozen=True, slots=True)
class IntentTable:
    """[intent.NAME]."""

    examples: tuple[str, ...] = ()
    """As customers write; in each language."""
    title: Annotated[dict[str, str], _titles] = field(default_factory=dict)
    """What customers are asked with, {a} and {b} of the template `which`, one text or a text by language."""
    reply: str = ""
    """As in [[keyword]]."""
    flow: str = ""
    """As in [[keyword]]."""
    escalate: Annotated[Escalation | None, read_escalation] = None
    """As in [[keyword]]."""
    resolves: bool = False
    """The conversation is resolved by it."""
