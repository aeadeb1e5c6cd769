"""What is known of a customer beyond what is said: fields with types, which templates use by their names.

    [profile]
    name     = "text"
    birthday = { type = "date", personal = true }
    plan     = { type = "choice", choices = { gold = ["gold", "1"], basic = ["basic", "2"] } }
    timezone = "timezone"

Flows save into it, operators set, import and erase it. Without the table any name can be a field, and is a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from bridge.options import At, BadValue, fill, nearest
from bridge.records import Conversation
from bridge.rules import topics
from bridge.rules.answers.reading import AnswerError, compile_answer
from bridge.rules.answers.setting import Setting
from bridge.rules.flows.tables import WaitTable
from bridge.rules.message import Decision, Fact
from bridge.rules.quiet import ZONE_FIELD, is_zone
from bridge.rules.threads import next_wake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.rules.message import Request
    from bridge.rules.ruleset import Brand

Type = Literal["text", "number", "date", "email", "phone", "choice", "timezone"]
LANGUAGE: Final = "language"
"""The field that is no variable: in which language the customer is answered."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class FieldTable:
    """A field of [profile]."""

    type: Type = "text"
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """type = "choice": for each value the words for it."""
    personal: bool = False
    """Masked wherever a text with it is shown."""


def read_fields(value: object, at: At) -> dict[str, FieldTable]:
    """Reads [profile].

    Raises:
        BadValue: It is no table.
    """
    if not isinstance(value, dict):
        raise BadValue('must be a table of fields, as name = "text"')
    fields = {}
    for name, given in value.items():
        here = at.child(name)
        table = fill(FieldTable(), {"type": given} if isinstance(given, str) else given, here)
        if not _NAME.fullmatch(name):
            here.problem("is no name of a field: letters, digits and underscores")
        elif name == LANGUAGE or (name == ZONE_FIELD) != (table.type == "timezone"):
            here.problem(
                "has a meaning of its own" if name == LANGUAGE else f"`{ZONE_FIELD}` is the field of that type"
            )
        elif (table.type == "choice") != bool(table.choices):
            here.problem('`choices` and type = "choice" go together')
        else:
            fields[name] = table
    return fields


def clean(name: str, value: str, fields: Mapping[str, FieldTable], setting: Setting) -> str:
    """Return a value as it is kept.

    Args:
        name: Of the field.
        value: As it is given.
        fields: That the rules have, none = any.
        setting: The brand's country and zone, for dates and numbers of telephones.

    Raises:
        ValueError: There is no such field, or that is no value of it; the text says so.
    """
    table = fields.get(name)
    if table is None:
        if fields and name != ZONE_FIELD:
            raise ValueError(f"there is no field `{name}` in [profile]{nearest(name, fields)}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"`{name}` is no name of a field")
        table = FieldTable("timezone" if name == ZONE_FIELD else "text")
    given = value.strip()
    if len(given) > _LONGEST:
        raise ValueError(f"{name}: is longer than {_LONGEST} characters")
    if table.type == "timezone":
        if not is_zone(given):
            raise ValueError(f"{name}: there is no time zone `{given}`")
        return given
    try:
        read = compile_answer(WaitTable(name, table.type, choices=table.choices)).read
    except AnswerError as exc:
        raise ValueError(f"{name}: {exc}") from exc
    values = read(given, setting)
    if values is None:
        raise ValueError(f"{name}: {given!r} is no {table.type}")
    return values[name]


def asked(request: Request, state: Conversation, brand: Brand | None, now: float) -> Decision:
    """Change what is known of a customer on the word of an operator.

    Args:
        request: profile.set (values by field, "" = forget it), profile.merge (`number`: another number of the same
            customer; his fields as `field.NAME`, `opted_out` if he has, the topics that he has `stopped`),
            profile.deactivate (the number was given back; `evidence`) or profile.erase.
        state: The conversation so far; it is not changed.
        brand: Of the conversation, None if no rules have it any more.
        now: Seconds since the epoch.
    """
    if request.kind == "profile.set":
        return _set(request, state, brand, now)
    if request.kind == "profile.merge":
        return _merge(request, state, now)
    if request.kind == "profile.deactivate":
        return _deactivate(request, state, now)
    if request.kind == "profile.erase":
        return _erase(request, state)
    return _refused(state, f"there is no request `{request.kind}`")


def _set(request: Request, state: Conversation, brand: Brand | None, now: float) -> Decision:
    after = replace(state)
    fields = {} if brand is None else brand.fields
    languages = () if brand is None else brand.languages
    setting = Setting(now, "UTC" if brand is None else brand.timezone, "en", "US" if brand is None else brand.country)
    profile = dict(state.profile)
    personal = list(state.personal)
    for name, value in request.values.items():
        if name == LANGUAGE:
            if value and languages and value not in languages:
                return _refused(state, f"the brand speaks {', '.join(languages)}, not {value}")
            after.language = value
        elif not value.strip():
            profile.pop(name, None)
        else:
            try:
                profile[name] = clean(name, value, fields, setting)
            except ValueError as exc:
                return _refused(state, str(exc))
            if name in fields and fields[name].personal:
                personal.append(name)
    after.profile, after.personal = profile, tuple(dict.fromkeys(personal))
    return Decision("silent", "", "", "", (), after, facts=(Fact("profile", {"by": request.by}),))


def _merge(request: Request, state: Conversation, now: float) -> Decision:
    number = request.values.get("number", "")
    if not number or number == state.contact:
        return _refused(state, "a number is merged with another one")
    after = replace(state)
    theirs = {key.removeprefix("field."): v for key, v in request.values.items() if key.startswith("field.")}
    after.profile = theirs | state.profile
    after.also = tuple(dict.fromkeys((*state.also, number)))
    facts = [Fact("merged", {"by": request.by, "number": number})]
    # One customer, one will: whoever has said STOP with one number has said it.
    after.topics = topics.stop_too(state, request.values)
    if request.values.get("opted_out") == "yes" and not state.opted_out:
        after.opted_out, after.session, after.offered = now, None, ()
        after.wake = next_wake(after)
        facts.append(Fact("opted_out", {"how": "merged", "text": number, "by": request.by}))
    return Decision("silent", "", "", "", (), after, facts=tuple(facts))


def _deactivate(request: Request, state: Conversation, now: float) -> Decision:
    """End the consent of a number that was given back: whoever gets it next has agreed to nothing (CTIA §5.1.5)."""
    if state == Conversation(state.contact, state.brand):
        return _refused(state, "is not known")
    if state.opted_out and not state.last and not state.profile:
        return _refused(state, "has opted out, and nothing else is known of it")
    name = former_name(state, now)
    said = {"how": "deactivated", "text": request.values.get("evidence", ""), "by": request.by, "former": name}
    facts = (Fact("deactivated", {"by": request.by, "former": name}), Fact("opted_out", {**said}))
    return Decision("silent", "", "", "", (), Conversation(state.contact, state.brand, opted_out=now), facts=facts)


def former_name(state: Conversation, now: float) -> str:
    """Return what a customer is called whose number was given back: longer than any number (E.164 has 15 digits)."""
    return f"{state.contact}{int(now):012}"


def former(state: Conversation, now: float) -> Conversation:
    """Return what stays of a customer whose number was given back: history, profile and evidence, nothing that is due.

    Args:
        state: Under the number.
        now: Seconds since the epoch.
    """
    return replace(
        state,
        contact=former_name(state, now),
        opted_out=state.opted_out or now,
        session=None,
        case=None,
        rating=None,
        offered=(),
        contexts=(),
        opting_in=0.0,
        wake=0.0,
    )


def _erase(request: Request, state: Conversation) -> Decision:
    """Forget everything but the will not to be written to, and its evidence."""
    after = Conversation(
        state.contact,
        state.brand,
        opted_out=state.opted_out,
        evidence=state.evidence,
        last=state.last,
        topics=topics.only_stopped(state),
    )
    return Decision("silent", "", "", "", (), after, facts=(Fact("erased", {"by": request.by}),))


def _refused(state: Conversation, problem: str) -> Decision:
    return Decision("silent", "", "", "", (), state, problem=problem)
