"""The control words: STOP, START and HELP in every customary form.

The built-in words and texts are a dated data file beside this module; a rules file adds words and may replace texts,
but can take no word away. A control word is a whole message, after normalisation: "Stop!" is one, "bus stop" is not.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from bridge.rules.normalise import normalise
from bridge.rules.optout_text import Requests, requests

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("stop", "start", "help")
"""The controls, in the order in which a word that is in two lists is settled."""


@dataclass(frozen=True, slots=True)
class Control:
    """What a control word means."""

    kind: str
    """One of KINDS."""
    languages: tuple[str, ...]
    """The languages whose word it is."""
    only_opted_out: bool = False
    """Means nothing from a sender who has not opted out (YES)."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """What is shipped: words and texts."""

    date: str
    """When the lists were last compared with their sources."""
    controls: Mapping[str, Control]
    """By normalised text."""
    replies: Mapping[str, Mapping[str, str]]
    """Language → kind → template."""
    requests: Requests
    """Recognises requests to stop in people's own words."""
    topics_until: Mapping[str, str]
    """By country, the day from which on STOP to a message of one topic ends all topics."""


def built_in() -> BuiltIn:
    """Reads the shipped words and texts."""
    data = tomllib.loads(resources.files(__package__).joinpath("data/optout.toml").read_text(encoding="utf-8"))
    controls: dict[str, Control] = {}
    for words in data["words"]:
        for word in words["list"]:
            add_word(controls, word, words["control"], words["language"], words.get("only_opted_out", False))
    return BuiltIn(data["date"], controls, data["reply"], requests(), data["topics_until"])


def add_word(
    controls: dict[str, Control], word: str, kind: str, language: str, only_opted_out: bool = False
) -> Control | None:
    """Adds a control word to a list.

    Args:
        controls: The list, by normalised text; changed in place.
        word: As a person writes it.
        kind: One of KINDS.
        language: Whose word it is.
        only_opted_out: Whether it counts only from senders who have opted out.

    Returns:
        None, or what the word already means, if that is something else: then nothing was added.
    """
    key = " ".join(normalise(word))
    known = controls.get(key)
    if known is None:
        controls[key] = Control(kind, (language,), only_opted_out)
    elif known.kind != kind:
        return known
    elif language not in known.languages:
        controls[key] = Control(kind, (*known.languages, language), known.only_opted_out and only_opted_out)
    return None
