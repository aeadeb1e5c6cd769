"""The tables of a rules file as they are written, before anything is compiled: names, defaults and units."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from bridge.options import At, BadValue, Seconds, SomeSeconds, flag, nearest, text, whole
from bridge.rules.escalation import Escalation, read_escalation
from bridge.rules.flows.tables import FlowTable  # noqa: TC001  fill() reads the hints
from bridge.rules.guard import GuardTable
from bridge.rules.hours import HoursTable, read_hours
from bridge.rules.intents.tables import IntentsTable, IntentTable
from bridge.rules.people import QueueTable  # noqa: TC001  fill() reads the hints
from bridge.rules.privacy import PrivacyTable
from bridge.rules.profile import FieldTable, read_fields
from bridge.rules.quiet import Cap, QuietTable
from bridge.rules.rating import CsatTable  # noqa: TC001  fill() reads the hints

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")


def _language(value: object, at: At) -> str:
    given = text(value, at)
    if not _LANGUAGE.fullmatch(given):
        raise BadValue('must be a language code, as "en" or "pt-BR"')
    return given


def _country(value: object, at: At) -> str:
    given = text(value, at)
    if not re.fullmatch(r"[A-Z]{2}", given):
        raise BadValue('must be a country code of two capitals, as "US"')
    return given


def _words(value: object, at: At) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadValue('must be a list of texts, as ["track", "parcel"]')
    if not value:
        at.problem("is empty")
    return tuple(value)


def _words_by_language(value: object, at: At) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        return {"": _words(value, at)}
    found = {}
    for language, words in value.items():
        here = at.child(language)
        try:
            found[_language(language, here)] = _words(words, here)
        except BadValue as exc:
            here.problem(str(exc))
    return found


@dataclass(frozen=True, slots=True)
class BrandTable:
    """[brand.NAME]."""

    country: Annotated[str, _country] = "US"
    """Which law and carrier rules its texts are held against."""
    name: str = ""
    """What customers call it: {brand} in every text; "" = NAME."""
    languages: tuple[Annotated[str, _language], ...] = ("en",)
    """The first is the fallback; every template has all of them."""
    timezone: str = "UTC"
    """Its IANA time zone."""
    help_contact: str = ""
    """A telephone number, an e-mail or a web address: {help_contact}; the HELP text must name one."""
    numbers: tuple[str, ...] = ()
    """The service numbers that this brand answers; replies leave from the number that was texted."""
    vars: dict[str, str] = field(default_factory=dict)
    """More variables for its texts."""
    optout_by: Literal["bridge", "carrier"] = "bridge"
    """Who answers STOP and START: carriers of US toll-free numbers do it themselves."""
    hours: Annotated[HoursTable | None, read_hours] = None
    """When its people are there."""
    quiet: QuietTable = field(default_factory=QuietTable)
    """When messages that we start may not leave."""
    cap: Cap = field(default_factory=Cap)
    """How many of these a customer gets."""


@dataclass(frozen=True, slots=True)
class ControlTexts:
    """[optout.reply.LANG]: the answers to control words, "" = the built-in text."""

    stop: str = ""
    start: str = ""
    help: str = ""
    ask: str = ""
    """For `free_text = "ask"`."""
    confirm: str = ""
    """For `double_opt_in`."""
    topic: str = ""
    """For `scope = "topic"`: confirms STOP, and asks whether only {topic} was meant."""


@dataclass(frozen=True, slots=True)
class OptoutTable:
    """[optout]: more control words and other texts; the built-in words always stay."""

    scope: Literal["brand", "topic"] = "brand"
    """What STOP covers: everything of the brand; or, to a message of one of `topics`, that topic if he says so."""
    topics: dict[str, dict[str, str]] = field(default_factory=dict)
    """For `scope = "topic"`: what customers call a topic of messages that we start, by language."""
    answer_first: tuple[str, ...] = ()
    """STOP words that a flow which waits for an answer may take before they opt out; "stop" itself is refused."""
    keywords: Annotated[dict[str, tuple[str, ...]], _words_by_language] = field(default_factory=dict)
    """STOP words to add, by language."""
    start: Annotated[dict[str, tuple[str, ...]], _words_by_language] = field(default_factory=dict)
    """START words to add, by language."""
    help: Annotated[dict[str, tuple[str, ...]], _words_by_language] = field(default_factory=dict)
    """HELP words to add, by language."""
    phrases: tuple[str, ...] = ()
    """Requests to stop in people's own words, beside the shipped ones; anywhere in a short text."""
    free_text: Literal["optout", "ask", "escalate"] = "optout"
    """What such a request does."""
    double_opt_in: bool = False
    """START from somebody who has opted out is first to be confirmed by YES."""
    reply: dict[str, ControlTexts] = field(default_factory=dict)
    """Texts by language."""


@dataclass(frozen=True, slots=True)
class KeywordTable:
    """[[keyword]]."""

    words: Annotated[dict[str, tuple[str, ...]], _words_by_language] = field(default_factory=dict)
    """A list, or lists by language: then the answer is in the language of the word."""
    match: Literal["only", "first", "phrase"] = "only"
    """The whole message, its first word, or words in a row anywhere in it."""
    reply: str = ""
    """The template to answer with; "none" = known, and deliberately not answered."""
    flow: str = ""
    """The flow that it starts."""
    escalate: Annotated[Escalation | None, read_escalation] = None
    """true or { queue, priority }: hand the message to a person."""


@dataclass(frozen=True, slots=True)
class PatternTable:
    """[[pattern]]."""

    name: str = ""
    """In reports."""
    regex: str = ""
    """In RE2's syntax; named groups become variables."""
    reply: str = ""
    """As in [[keyword]]."""
    flow: str = ""
    """As in [[keyword]]."""
    escalate: Annotated[Escalation | None, read_escalation] = None
    """As in [[keyword]]."""


@dataclass(frozen=True, slots=True)
class TemplateTable:
    """[template.NAME]."""

    texts: dict[str, str] = field(default_factory=dict)
    """By language."""
    max_segments: int = 0
    """How many SMS the text may take at least, 0 = no limit."""
    reviewed: str = ""
    """When somebody last looked whether it still holds, as "2026-11-24"; `check --older-than` lists the old ones."""
    given: tuple[str, ...] = ()
    """Variables that come with the message when `send` uses it, as the columns of a file."""
    marketing: bool = False
    """It sells something: it must name the brand and say how to stop."""


_max_segments = whole(1, 255)


def _template(value: object, at: At) -> TemplateTable:
    if not isinstance(value, dict):
        raise BadValue('must be a table of texts by language, as en = "…"')
    texts: dict[str, str] = {}
    max_segments, reviewed, marketing = 0, "", False
    given: tuple[str, ...] = ()
    for key, item in value.items():
        here = at.child(key)
        try:
            if key == "max_segments":
                max_segments = _max_segments(item, here)
            elif key == "reviewed":
                reviewed = text(item, here)
            elif key == "marketing":
                marketing = flag(item, here)
            elif key == "given":
                given = _words(item, here)
            elif _LANGUAGE.fullmatch(key):
                texts[key] = text(item, here)
            else:
                known = ["max_segments", "reviewed", "given", "marketing"]
                named = ", ".join(f"`{name}`" for name in known)
                here.problem(f"is neither a language code nor {named}{nearest(key, known)}")
        except BadValue as exc:
            here.problem(str(exc))
    return TemplateTable(texts, max_segments, reviewed, given, marketing)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """unmatched = { … }: a template, "escalate" or "silent"."""

    first: str = "escalate"
    """For the first text in a row that no rule knows."""
    second: str = "escalate"
    """For those after it."""


@dataclass(frozen=True, slots=True)
class ConversationTable:
    """[conversation]."""

    key: tuple[Literal["customer", "brand"], ...] = ("customer", "brand")
    """What makes a thread: these two, so that it survives a change of service number of the same brand."""
    idle_close: SomeSeconds = 86400.0
    """After this silence a conversation is closed."""
    reopen_window: Seconds = 259200.0
    """A text so soon after the end goes on with the conversation; a later one begins another, which names it."""
    unmatched: Unmatched = Unmatched()
    """What happens to texts that no rule knows."""
    max_auto_replies: GuardTable = field(default_factory=GuardTable)
    """The loop guard."""


@dataclass(frozen=True, slots=True)
class After:
    """then = { … } of a test."""

    state: Literal["opted_out", "subscribed"] = "subscribed"


@dataclass(frozen=True, slots=True)
class SelfTestTable:
    """[[test]]: a conversation and its expected answers."""

    say: tuple[str, ...] = ()
    """What the customer writes, in order."""
    expect: tuple[str, ...] = ()
    """For each: the template of the answer, "optout.stop" and its like, "escalated", or "" for no answer."""
    lang: str = ""
    """The language in which the customer was answered before; "" = a new customer."""
    after: str = ""
    """The topic of a message that we started just before; "" = there was none."""
    number: str = ""
    """The service number that is texted; "" = the first of the file's first brand."""
    at: str = ""
    """When it begins, by the brand's clock, as "2026-11-24 19:30"; "" = when the brand is open."""
    then: After | None = None
    """What must hold at the end."""
    calls: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the calls of flows return, by name; a call that is not here fails."""


@dataclass(frozen=True, slots=True)
class RulesTables:
    """A whole rules file."""

    version: str = ""
    """Free text, stored with every decision."""
    brand: dict[str, BrandTable] = field(default_factory=dict)
    optout: OptoutTable = OptoutTable()
    keyword: tuple[KeywordTable, ...] = ()
    pattern: tuple[PatternTable, ...] = ()
    intents: IntentsTable = field(default_factory=IntentsTable)
    intent: dict[str, IntentTable] = field(default_factory=dict)
    flow: dict[str, FlowTable] = field(default_factory=dict)
    queue: dict[str, QueueTable] = field(default_factory=dict)
    template: dict[str, Annotated[TemplateTable, _template]] = field(default_factory=dict)
    conversation: ConversationTable = ConversationTable()
    profile: Annotated[dict[str, FieldTable], read_fields] = field(default_factory=dict)
    csat: CsatTable | None = None
    privacy: PrivacyTable = field(default_factory=PrivacyTable)
    test: tuple[SelfTestTable, ...] = ()
