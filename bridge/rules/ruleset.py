"""The compiled rules: what `load` makes and `decide` reads. Nothing here changes once it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from bridge.rules.quiet import Restraint

if TYPE_CHECKING:
    from bridge.options import Problem
    from bridge.rules.escalation import Escalation
    from bridge.rules.flows.flow import Flow
    from bridge.rules.guard import GuardTable
    from bridge.rules.hours import Hours
    from bridge.rules.intents.train import Report
    from bridge.rules.intents.understanding import Understanding
    from bridge.rules.keywords import Keywords
    from bridge.rules.optout import Control
    from bridge.rules.optout_text import Requests
    from bridge.rules.patterns import PatternSet
    from bridge.rules.people import Queues
    from bridge.rules.privacy import Kind
    from bridge.rules.profile import FieldTable
    from bridge.rules.rating import CsatTable
    from bridge.rules.templates import Text
    from bridge.rules.topics import Topic
    from bridge.rules.typos import Typos

Texts = Mapping[str, "Text"]
"""One template by language; "" is the brand's first language."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does when it fits."""

    layer: str
    """The layer of the rule, as in Decision."""
    rule: str
    """The rule's name, as in Decision."""
    outcome: str
    """replied, escalated or silent."""
    template: str = ""
    """The template to answer with, "" = no answer."""
    detail: str = ""
    """As in Decision."""
    language: str = ""
    """The language of the word that was sent, "" = not known."""
    resolves: bool = False
    """The conversation is resolved by it."""
    flow: str = ""
    """The flow that it starts, "" = none."""
    escalation: Escalation | None = None
    """To whom it hands the message, None = to nobody."""
    asks: bool = False
    """Its template asks which of two intents is meant."""


@dataclass(frozen=True, slots=True)
class Brand:
    """A sender's identity with everything that answers for it."""

    name: str
    """Its key in the rules file."""
    country: str
    languages: tuple[str, ...]
    """The first is the fallback."""
    numbers: tuple[str, ...]
    """Its service numbers, as written in the file."""
    controls: Mapping[str, Control]
    """STOP, START and HELP words, by normalised text."""
    control_texts: Mapping[str, Texts]
    """By kind of control."""
    keywords: Keywords
    patterns: PatternSet
    pattern_actions: tuple[Action, ...]
    """What each pattern of `patterns` does."""
    texts: Mapping[str, Texts]
    """The templates by name."""
    unmatched: tuple[Action, Action]
    """For the first text in a row that no rule knows, and for the ones after it."""
    idle_close: float
    """Seconds of silence after which a new conversation begins."""
    guard: GuardTable | None = None
    """The loop guard, None if there is none."""
    typos: Typos | None = None
    """Keywords that may be misspelt, None if there are none."""
    understanding: Understanding | None = None
    """The intents, None if there are none."""
    which: Action | None = None
    """Asks which of two intents is meant, None if no template does."""
    requests: Requests | None = None
    """Recognises requests to stop in people's own words."""
    phrases: tuple[str, ...] = ()
    """More of them, normalised."""
    declared: Keywords | None = None
    """Keywords that stand before a request in people's own words."""
    free_text: str = "optout"
    """What such a request does: optout, ask or escalate."""
    double_opt_in: bool = False
    carrier_answers: bool = False
    """The carrier itself answers STOP and START, and keeps messages back."""
    timezone: str = "UTC"
    """Its IANA time zone."""
    flows: Mapping[str, Flow] = field(default_factory=dict)
    queues: Queues = field(default_factory=dict)
    """Of people; without any, escalations are only recorded."""
    reopen_window: float = 259200.0
    """Seconds in which a closed conversation goes on with the next text."""
    hours: Hours | None = None
    """When somebody is there, None = always."""
    restraint: Restraint = field(default_factory=Restraint)
    """Quiet hours and caps of messages that we start."""
    csat: CsatTable | None = None
    """The rating, None if nobody is asked."""
    redact: tuple[Kind, ...] = ()
    """What is masked wherever a text is shown."""
    fields: Mapping[str, FieldTable] = field(default_factory=dict)
    """Of a customer's profile; without any, any name is one."""
    retain_text: float = 0.0
    """Seconds after which the words of messages are forgotten, 0.0 = never."""
    retain_facts: float = 0.0
    """Seconds for which the evidence of a customer who is forgotten is kept, 0.0 = for good."""
    answer_first: frozenset[str] = frozenset()
    """STOP words, normalised, that a flow which waits may take before they opt out."""
    topics: Mapping[str, Topic] = field(default_factory=dict)
    """Those that can be stopped alone."""
    topics_until: float = inf
    """From then on STOP ends everything, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class RulesFile:
    """What a rules file holds, for reports."""

    file: str
    version: str
    brands: tuple[str, ...]
    keywords: int
    patterns: int
    templates: int
    tests: int
    training: Report | None = None
    """How well the intents do in cross-validation, None if there are none."""
    notes: tuple[Problem, ...] = ()
    """What is unwise in its texts."""
    reviewed: Mapping[str, str] = field(default_factory=dict)
    """By template, when somebody last looked at it, where the file says so."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Every rules file that is in force."""

    version: str = ""
    """Of the files, joined with "+" where there are several; stored with every decision."""
    numbers: Mapping[str, Brand] = field(default_factory=dict)
    """The brand of each service number, with and without a leading "+"."""
    files: tuple[RulesFile, ...] = ()
    """In the order of the configuration."""
    sources: tuple[tuple[str, str], ...] = ()
    """The name and the text of each file."""
    older: Mapping[str, Ruleset] = field(default_factory=dict)
    """Those before it that sessions still keep to, by version."""

    def keeping(self, version: str, number: str) -> Brand | None:
        """The brand of a service number in the rules of a version, None if these are gone."""
        rules = self if version == self.version else self.older.get(version)
        return None if rules is None else rules.numbers.get(number)

    def named(self, name: str) -> Brand | None:
        """The brand of a name, None if there is none."""
        return next((brand for brand in self.numbers.values() if brand.name == name), None)

    def brand_of(self, number: str) -> str:
        """The name of the brand that a service number belongs to, "" if it belongs to none."""
        brand = self.numbers.get(number)
        return "" if brand is None else brand.name

    def queues(self) -> tuple[str, ...]:
        """The names of all queues of people."""
        return tuple(dict.fromkeys(name for brand in self.numbers.values() for name in brand.queues))
