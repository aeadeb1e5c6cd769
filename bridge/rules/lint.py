"""What carriers, regulators and costs ask of texts, beyond their being well-formed.

What a carrier would refuse a campaign for is a problem: the file does not load. What is only unwise is a note, which
`check` prints. The words that are looked for are data, with a date and their sources (data/lint.toml).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.options import Problem, key_text, parse
from bridge.rules.optout import KINDS
from smppcore.text import count_segments, encode_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.options import At
    from bridge.rules.ruleset import Brand
    from bridge.rules.tables import RulesTables
    from bridge.rules.templates import Text

_NAME = r"((?:[a-z0-9-]+\.)+[a-z]{2,})"
_DOMAIN = re.compile(rf"(?:https?://|(?=www\.)){_NAME}|(?<![@\w.-]){_NAME}(?=/)", re.IGNORECASE)
_GSM_DATA_CODING = 0
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Markers:
    """The shipped lists."""

    date: str
    no_more: Mapping[str, tuple[str, ...]]
    """By language; as the following."""
    frequency: Mapping[str, tuple[str, ...]]
    rates: Mapping[str, tuple[str, ...]]
    how_to_stop: Mapping[str, tuple[str, ...]]
    shorteners: frozenset[str]


@cache
def markers() -> Markers:
    """Return the shipped lists."""
    name = "data/lint.toml"
    raw, _ = parse(files("bridge.rules").joinpath(name).read_text(encoding="utf-8"), name, Path())
    by_language = {kind: {k: tuple(v) for k, v in raw[kind].items()} for kind in _KINDS}  # type: ignore[attr-defined]
    return Markers(str(raw["date"]), **by_language, shorteners=frozenset(raw["shorteners"]["list"]))  # type: ignore[index]


_KINDS = ("no_more", "frequency", "rates", "how_to_stop")


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in folded if not unicodedata.combining(c))


def domains(text: str) -> list[str]:
    """Return the domains of the links in a text."""
    return [(found[1] or found[2]).lower() for found in _DOMAIN.finditer(text)]


def lint(tables: RulesTables, brands: Iterable[Brand], at: At) -> tuple[Problem, ...]:
    """Hold the texts of a rules file against what is asked of them.

    Args:
        tables: The file as it is written.
        brands: Compiled.
        at: Its root; problems go there.

    Returns:
        The notes.
    """
    work = _Lint(at)
    for brand in brands:
        work.controls(brand, tables)
        work.templates(brand, tables)
        if brand.topics:
            work.topics(brand)
    if tables.optout.topics and tables.optout.scope != "topic":
        work.note(at.child("optout").child("topics"), 'has no effect without scope = "topic"')
    for word in tables.optout.answer_first:
        here = at.child("optout").child("answer_first")
        work.note(
            here, f"`{word}` of whoever answers a flow no longer opts out: in the US it revokes consent by itself"
        )
    return tuple(dict.fromkeys(work.notes))


class _Lint:
    def __init__(self, at: At) -> None:
        self._at = at
        self._markers = markers()
        self.notes: list[Problem] = []

    def note(self, at: At, message: str) -> None:
        self.notes.append(Problem(at.file, at.line, key_text(at.key), message))

    def controls(self, brand: Brand, tables: RulesTables) -> None:
        """The answers to STOP, START and HELP."""
        table = tables.brand[brand.name]
        allowed = {domain for value in (*table.vars.values(), table.help_contact) for domain in domains(value)}
        texts: dict[str, Iterable[tuple[str, Text]]] = {kind: brand.control_texts[kind].items() for kind in KINDS}
        texts["topic"] = [one for topic in brand.topics.values() for one in topic.question.items()]
        for kind, by_language in texts.items():
            for language, text in by_language:
                own = tables.optout.reply.get(language)
                if not language or own is None or not getattr(own, kind):
                    continue  # shipped, or the same once more
                here = self._at.child("optout").child("reply").child(language).child(kind)
                words = text.shortest()
                self._links(here, words, allowed, brand)
                if kind in ("stop", "topic"):
                    self._says(here, words, language, self._markers.no_more, "that no more messages come", must=True)
                    continue
                must = brand.country == "US"
                self._says(here, words, language, self._markers.frequency, "how often messages come", must=must)
                self._says(here, words, language, self._markers.rates, "that rates may apply", must=must)
                self._says(here, words, language, self._markers.how_to_stop, "how to stop", must=must)

    def topics(self, brand: Brand) -> None:
        """A STOP that ends one topic alone is allowed for a time, and not everywhere."""
        here = self._at.child("optout").child("scope")
        what = "STOP to a message of a topic ends that topic alone if the customer says so, else everything"
        self.note(here, f"{what}; ask your lawyers whether that will do where your customers are")
        if brand.topics_until < inf:
            last = datetime.fromtimestamp(brand.topics_until, UTC).date().isoformat()
            self.note(
                here,
                f"in {brand.country} that is allowed until {last} (DA 26-12), which may change: from that day on "
                f"STOP to {brand.name} ends everything",
            )
        if brand.carrier_answers:
            self.note(here, f"the carrier answers STOP to {brand.name}, and ends everything")

    def _says(
        self, at: At, text: str, language: str, known: Mapping[str, tuple[str, ...]], what: str, *, must: bool
    ) -> None:
        wanted = known.get(language.partition("-")[0])
        if wanted is None or any(marker in _plain(text) for marker in wanted):
            return
        if must:
            at.problem(f"must say {what}, as with `{wanted[0]}`")
        else:
            self.note(at, f"does not say {what}")

    def _links(self, at: At, text: str, allowed: set[str], brand: Brand) -> None:
        for domain in domains(text):
            if domain not in allowed:
                at.problem(
                    f"has a link to {domain}, which is neither in the `vars` of brand {brand.name} nor its contact"
                )

    def templates(self, brand: Brand, tables: RulesTables) -> None:
        """The other texts: their links and what they cost."""
        used: set[str] = set()
        for name, table in tables.template.items():
            for language, source in table.texts.items():
                text = brand.texts.get(name, {}).get(language)
                if text is None:
                    continue
                here = self._at.child("template").child(name).child(language)
                words = text.shortest()
                for domain in domains(words):
                    if domain in self._markers.shorteners:
                        here.problem(f"has a link to {domain}: carriers refuse public shorteners")
                    used.add(domain)
                if table.marketing:
                    # UK PECR reg. 22 and 23: who it is from, and a simple way to refuse, each time.
                    if not re.search(r"\{brand(\||\})", source):
                        here.problem("is marketing: it must name the sender, with {brand}")
                    self._says(here, words, language, self._markers.how_to_stop, "how to stop", must=True)
                self._costs(here, words, source)
            if table.reviewed and name in brand.texts:
                self._age(self._at.child("template").child(name).child("reviewed"), table.reviewed)
        self._answerable(brand, tables)
        if len(used) > 1:
            here = self._at.child("brand").child(brand.name)
            self.note(
                here,
                f"its texts link to {len(used)} domains ({', '.join(sorted(used)[:_MOST_SHOWN])}); carriers want one",
            )

    def _answerable(self, brand: Brand, tables: RulesTables) -> None:
        """A sender that is a word cannot be answered: each text has to say how else (CTIA Messaging Principles)."""
        words = [number for number in brand.numbers if not number.removeprefix("+").isdigit()]
        contact = tables.brand[brand.name].help_contact
        if not words:
            return
        for name in tables.template:
            for language, text in brand.texts.get(name, {}).items():
                if language and contact not in text.shortest():
                    here = self._at.child("template").child(name).child(language)
                    self.note(here, f"comes from {words[0]} too, which cannot be answered: it must name {contact}")

    def _costs(self, at: At, words: str, source: str) -> None:
        """Say which character makes a text one of 70 characters an SMS."""
        if encode_message(words).data_coding == _GSM_DATA_CODING:
            return
        strange = dict.fromkeys(c for c in source if encode_message(c).data_coding != _GSM_DATA_CODING)
        named = ", ".join(f"`{c}` (U+{ord(c):04X})" for c in list(strange)[:_MOST_SHOWN])
        plain = "".join("?" if c in strange else c for c in words)
        here, without = count_segments(words), count_segments(plain)
        if here > without:
            self.note(at, f"takes {here} SMS for {named}, without {without}")

    def _age(self, at: At, reviewed: str) -> None:
        try:
            date.fromisoformat(reviewed)
        except ValueError:
            at.problem(f'{reviewed!r} is no date; write it as "2026-11-24"')
