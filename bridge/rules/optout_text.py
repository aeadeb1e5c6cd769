"""Requests to stop in people's own words: "please take me off your list", "stop texting me", "STPO".

47 CFR 64.1200(a)(10): a reply revokes consent if a reasonable person would understand it so, whatever words it has. The
words are in `data/optout_phrases.toml`. Four ways, each for short texts only, since "we have got to stop this bill" and
"i can't stop at the bus stop" are no requests:

1. nothing but fillers around a word that asks for an end,
2. one word with a typing error in such a word,
3. a phrase with an object ("do not text me") with no more around it, fillers apart, than it has words,
4. a phrase that the rules file adds, anywhere in a short text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

import re2
from rapidfuzz.distance import OSA

from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST = 14
"""Words of a text that can be a request."""
_LONGEST_BARE = 8
"""Words of one that has only fillers around its verb."""
_REPEATED = re.compile(r"(\w)\1{2,}")
_THRICE = re.compile(r"(.)\1\1")
"""What a text with something of _REPEATED has; it takes a third of the time to see that most have not."""
_TOKEN = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\](?:\{(\d+),(\d+)\})?|<(\w+)>|([\w ]+)")


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language."""

    verbs: frozenset[str]
    mild: frozenset[str]
    bare: frozenset[str]
    """Fillers and verbs: what a text around a verb may consist of."""
    polite: frozenset[str]
    """The same for a mild one."""
    exact: frozenset[str]
    """Whole texts that are a request."""
    never: frozenset[str]
    """Whole texts that look so and are not meant so."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What recognises a request; made once."""

    date: str
    languages: tuple[Language, ...]
    phrases: re2._Regexp[str]
    triggers: frozenset[str]
    """A phrase has one of these."""
    typos: tuple[str, ...]
    words: frozenset[str]
    """Words that are right as they are."""
    verbs: frozenset[str] = field(init=False)
    """Of all languages, mild ones too."""
    exact: frozenset[str] = field(init=False)
    """Of all languages."""
    fillers: frozenset[str] = field(init=False)
    """Of all languages."""
    telling: frozenset[str] = field(init=False)
    """A text of several words that is a request has one of these, phrases of the rules file apart."""

    def __post_init__(self) -> None:
        nothing: frozenset[str] = frozenset()
        for name, sets in (
            ("verbs", [one.verbs | one.mild for one in self.languages]),
            ("exact", [one.exact for one in self.languages]),
            ("fillers", [one.bare for one in self.languages]),
        ):
            object.__setattr__(self, name, nothing.union(*sets))
        object.__setattr__(self, "telling", self.verbs | self.triggers)

    def find(self, words: Sequence[str], added: Sequence[str] = ()) -> str:
        """Finds a request to stop.

        Args:
            words: The normalised text.
            added: Phrases of the rules file, normalised.

        Returns:
            How it was found: words, typo or phrase; "" if it is none.
        """
        if not words or len(words) > LONGEST:
            return ""
        whole = " ".join(words)
        if _THRICE.search(whole):
            words = [_once(word) for word in words]
            whole = " ".join(words)
        if len(words) == 1 and self._is_typo(words[0]):
            return "typo"
        if whole in self.exact:
            return "words"
        if not added and self.telling.isdisjoint(words):
            # Nearly every text ends here, and each one comes by.
            return ""
        if len(words) <= _LONGEST_BARE and not self.verbs.isdisjoint(words) and self._is_bare(words):
            return "words"
        if added and any(f" {phrase} " in f" {whole} " for phrase in added):
            return "phrase"
        return "phrase" if not self.triggers.isdisjoint(words) and self._covers(whole) else ""

    def _is_typo(self, word: str) -> bool:
        return (
            len(word) > 3
            and word not in self.words
            and any(OSA.distance(word, known, score_cutoff=1) <= 1 for known in self.typos)
        )

    def _is_bare(self, words: Sequence[str]) -> bool:
        whole = " ".join(words)
        for language in self.languages:
            if whole in language.never:
                return False
            if not language.verbs.isdisjoint(words) and language.bare.issuperset(words):
                return True
            if not language.mild.isdisjoint(words) and language.polite.issuperset(words):
                return True
        return False

    def _covers(self, whole: str) -> bool:
        """Whether a phrase has little around it."""
        text = f" {whole} "
        found = self.phrases.search(text)
        while found is not None:
            around = [*text[: found.start()].split(), *text[found.end() :].split()]
            if sum(word not in self.fillers for word in around) <= len(found[0].split()):
                return True
            found = self.phrases.search(text, found.end() - 1)
        return False


def _once(word: str) -> str:
    """Stoppp → stop; a word of digits stays."""
    return _REPEATED.sub(r"\1", word) if len(word) > 3 and not word.isdigit() else word


def requests() -> Requests:
    """Reads the shipped words."""
    data = tomllib.loads(resources.files(__package__).joinpath("data/optout_phrases.toml").read_text(encoding="utf-8"))
    sets = {name: _choice(words) for name, words in data["sets"].items()}
    languages: list[Language] = []
    texts: list[str] = []
    for table in (value for value in data.values() if isinstance(value, dict) and "verbs" in value):
        verbs, mild = _words(table["verbs"]), _words(table["mild"])
        fillers, polite = _words(table["fillers"]), _words(table["polite"])
        languages.append(
            Language(
                verbs,
                mild,
                verbs | mild | fillers | polite,
                verbs | mild | polite,
                _words(table.get("exact", ())),
                _words(table.get("never", ())),
            )
        )
        texts += table["phrases"]
    options = re2.Options()
    options.longest_match = True
    options.max_mem = 64 << 20
    compiled = re2.compile(" (?:" + "|".join(pattern(phrase, sets) for phrase in texts) + ")", options)
    typos = data["typos"]
    common = frozenset(data["common"])
    triggers = [_triggers(phrase, data["sets"], common) for phrase in texts]
    return Requests(
        data["date"],
        tuple(languages),
        compiled,
        frozenset().union(*triggers),
        tuple(typos["of"]),
        frozenset(typos["words"]),
    )


def _triggers(phrase: str, sets: Mapping[str, Sequence[str]], common: frozenset[str]) -> frozenset[str]:
    """Return words of which a phrase has at least one: those of the part of it with the fewest common words."""
    parts: list[list[str]] = []
    for choice, optional, _, _, name, plain in _TOKEN.findall(phrase):
        if not optional and (choice or name or plain.strip()):
            needed = list(sets[name]) if name else choice.split("|") if choice else [plain]
            parts.append([_rarest(normalise(words), common) for words in needed])
    rarest = min(parts, key=lambda words: (sum(word in common for word in words) / len(words), len(words)))
    return frozenset(rarest)


def _rarest(words: Sequence[str], common: frozenset[str]) -> str:
    return next((word for word in words if word not in common), words[-1])


def _words(words: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(normalise(word)) for word in words)


def _choice(words: Iterable[str]) -> str:
    return "(?:" + "|".join(re.escape(" ".join(normalise(word))).replace("\\ ", " ") for word in words) + ")"


def pattern(phrase: str, sets: Mapping[str, str]) -> str:
    """Translates a phrase of the data file into a regular expression over words that are followed by one space each.

    Raises:
        KeyError: It names a set that there is not.
    """
    parts = []
    for choice, optional, low, high, name, plain in _TOKEN.findall(phrase):
        if choice:
            parts.append(_choice(choice.split("|")) + " ")
        elif optional:
            inner = sets[optional[1:-1]] if optional.startswith("<") else _choice(optional.split("|"))
            parts.append(f"(?:{inner} ){{{low or 0},{high or 1}}}")
        elif name:
            parts.append(sets[name] + " ")
        elif plain.strip():
            parts.append(_choice([plain]) + " ")
    return "".join(parts)
