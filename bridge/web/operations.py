"""The operations of the HTTP API: one table, from which requests are judged and the OpenAPI document is made.

Must not be here: HTTP, and what an operation does to a conversation (that is in the rules).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from bridge.control import ControlError
from bridge.customers import contact_of
from bridge.deciding import DONE_BEFORE
from bridge.explaining import as_object, decided, reasons
from bridge.reporting import SECTIONS, ReportProblem, span_of
from bridge.rules import Request
from bridge.rules.consent import SOURCES
from bridge.web import pages
from bridge.web.access import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.reports import Span
    from bridge.rules.ruleset import Brand
    from bridge.service import Service
    from bridge.tokens import Token
    from bridge.web.views import Views

Limit = Annotated[int, Meta(ge=1, le=200, description="How many at most.")]
Id = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Number = Annotated[str, Meta(min_length=1, max_length=40, description="A number, as +14155550123 or 14155550123.")]
Name = Annotated[str, Meta(max_length=100)]
Before = Annotated[int, Meta(ge=0, le=2**53 - 1, description="The cursor: only what is older than this id; 0 = all.")]
After = Annotated[str, Meta(max_length=700, description='The cursor: `next` of the page before, "" = the first.')]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Words = Annotated[str, Meta(max_length=200)]


class Args(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in the path and behind the question mark."""


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON object that a request brings."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, judged."""

    service: Service
    views: Views
    caller: Token
    key: str
    """Its Idempotency-Key, "" = none."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    role: str
    """Of bridge.tokens.ROLES, the least that is needed."""
    summary: str
    does: Callable[..., Awaitable[object] | object]
    """Of (call, args, body), as far as it has these; returns what is answered, or JSON already, or has it awaited."""
    args: type[Args] | None = None
    body: type[Body] | None = None
    changes: bool = True
    """Of another method than GET: whether anything is changed."""

    @property
    def name(self) -> str:
        """What code that is made from the document calls it."""
        return self.does.__name__.strip("_")


async def _ask(call: Call, contact: str, brand: str, kind: str, values: dict[str, str]) -> None:
    why = await call.service.ask(contact, brand, Request(kind, call.caller.name, values))
    if why:
        raise Problem(409, why)


def _contact(number: str) -> str:
    try:
        return contact_of(number)
    except ValueError as exc:
        raise Problem(400, str(exc)) from exc


def _brand(call: Call, name: str) -> Brand:
    brand = call.service.rules.named(name)
    if brand is None:
        raise Problem(404, f"there is no brand `{name}`")
    return brand


# ---------------------------------------------------------------- the service


def me(call: Call) -> object:
    """Who asks."""
    return {"name": call.caller.name, "role": call.caller.role}


async def status(call: Call) -> object:
    """Totals."""
    return await call.views.get(pages.status, links=call.service.config.link)


async def links(call: Call) -> object:
    """Links."""
    return await call.views.get(pages.links, links=call.service.config.link)


class OneLink(Args):
    """By its name, and what is to be done with it."""

    name: Name
    what: Literal["pause", "resume", "drain", "rebind"]


async def steer_link(call: Call, args: OneLink) -> object:
    """Steer."""
    try:
        return {"said": await call.service.steer(args.name, args.what)}
    except ControlError as exc:
        raise Problem(404, str(exc)) from exc


# ---------------------------------------------------------------- messages and conversations


class Search(Args):
    """Of messages."""

    words: Words = ""
    state: Name = ""
    limit: Limit = 50
    before: Before = 0


class OneMessage(Args):
    """By its id."""

    id: Id


class Message(Body):
    """One that we start."""

    to: Number
    text: Annotated[str, Meta(max_length=2000, description="As it is; or else `template`.")] = ""
    template: Annotated[str, Meta(max_length=100, description="Of the rules, in the customer's language.")] = ""
    variables: Annotated[dict[Name, Words], Meta(max_length=50)] = {}
    sender: Annotated[str, Meta(max_length=40, description='The service number, "" = the first of the rules.')] = ""
    link: Annotated[str, Meta(max_length=100, description='"" = the only one.')] = ""
    topic: Annotated[str, Meta(min_length=1, max_length=100, description="What caps count.")] = "general"
    flow: Annotated[str, Meta(max_length=100, description="That an answer begins.")] = ""
    at: Annotated[float, Meta(ge=0, le=1e11, description="Not before, seconds since the epoch; 0 = at once.")] = 0.0
    valid: Annotated[float, Meta(ge=1, le=30 * 86400, description="Of no use so many seconds after that.")] = 86400.0


async def list_messages(call: Call, args: Search) -> object:
    """Search."""
    return await call.views.get(
        pages.messages, words=args.words, state=args.state, limit=args.limit, before=args.before
    )


async def show_message(call: Call, args: OneMessage) -> object:
    """One of them."""
    return await call.views.get(pages.message, number=args.id)


async def send_message(call: Call, body: Message) -> object:
    """Begin one; the same Idempotency-Key never sends twice, whatever happens in between."""
    rules, known = call.service.rules, [link.name for link in call.service.config.link]
    number = body.sender or next(iter(rules.numbers), "")
    brand = rules.numbers.get(number)
    if brand is None:
        raise Problem(409, f"no brand has the number {number or '(there are no rules)'}")
    link = body.link or (known[0] if len(known) == 1 else "")
    if link not in known:
        raise Problem(409, f"there is no link `{link}`; there are: {', '.join(known)}")
    if bool(body.text) == bool(body.template):
        raise Problem(400, "give one of text and template")
    if body.template and body.template not in brand.texts:
        raise Problem(409, f"there is no template `{body.template}`")
    now = time.time()
    values = {
        "number": number.removeprefix("+"),
        "link": link,
        "template": body.template,
        "text": body.text,
        "topic": body.topic,
        "at": str(body.at),
        "expires": str(max(body.at, now) + body.valid),
        "language": brand.languages[0],
        **{f"var.{name}": value for name, value in body.variables.items()},
    }
    if body.flow:
        values |= {"flow": body.flow, "until": str(max(body.at, now) + body.valid)}
    if call.key:
        digest = hashlib.sha256(f"{call.caller.name}\0{call.key}".encode()).hexdigest()
        values["job"] = f"http-{digest[:24]}"
    contact = _contact(body.to)
    why = await call.service.ask(contact, brand.name, Request("send", call.caller.name, values))
    if why not in ("", DONE_BEFORE):
        raise Problem(409, why)
    return {"to": contact, "brand": brand.name, "taken_before": bool(why)}


class Listed(Args):
    """A page of a list by brand."""

    brand: Name = ""
    limit: Limit = 50
    after: After = ""


class Conversations(Listed):
    """A page of conversations."""

    state: Literal["", "open", "people", "resolved", "opted out"] = ""


class OneConversation(Args):
    """By brand and number."""

    brand: Name
    number: Number
    limit: Limit = 50
    before: Before = 0


async def list_conversations(call: Call, args: Conversations) -> object:
    """A page."""
    return await call.views.get(
        pages.conversations, brand=args.brand, state=args.state, limit=args.limit, after=args.after
    )


async def show_conversation(call: Call, args: OneConversation) -> object:
    """With its messages."""
    contact = _contact(args.number)
    return await call.views.get(
        pages.conversation, brand=args.brand, contact=contact, limit=args.limit, before=args.before
    )


# ---------------------------------------------------------------- contacts and consent


class Contacts(Listed):
    """A page of customers."""

    field: Name = ""
    value: Words = ""


class OneContact(Args):
    """By number."""

    number: Number


class OneThread(Args):
    """The history of a number."""

    number: Number
    limit: Limit = 50
    before: Before = 0


class ContactOfBrand(Args):
    """By number and brand."""

    number: Number
    brand: Name = ""


class Profile(Body):
    """Fields to be set."""

    brand: Name
    values: Annotated[dict[Name, Words], Meta(min_length=1, max_length=50, description='"" forgets a field.')]


class Consent(Body):
    """What a customer wants."""

    brand: Name
    wants: Annotated[
        Literal["none", "messages", "agreed"],
        Meta(description="none = opt out, messages = opt in again, agreed = has agreed: only recorded, as evidence."),
    ]
    source: Annotated[str, Meta(max_length=20, description="How it came: " + ", ".join(SOURCES))] = "other"
    evidence: Annotated[str, Meta(max_length=2000, description="What was said, where it is filed.")] = ""


async def list_contacts(call: Call, args: Contacts) -> object:
    """A page."""
    return await call.views.get(
        pages.contacts, brand=args.brand, field=args.field, value=args.value, limit=args.limit, after=args.after
    )


async def show_contact(call: Call, args: OneContact) -> object:
    """One number."""
    return await call.views.get(pages.contact, contact=_contact(args.number))


async def show_thread(call: Call, args: OneThread) -> object:
    """Its history."""
    return await call.views.get(pages.thread, contact=_contact(args.number), limit=args.limit, before=args.before)


async def set_profile(call: Call, args: OneContact, body: Profile) -> object:
    """Set fields."""
    contact = _contact(args.number)
    await _ask(call, contact, _brand(call, body.brand).name, "profile.set", dict(body.values))
    return {"number": contact, "brand": body.brand}


async def erase_contact(call: Call, args: ContactOfBrand) -> object:
    """Forget texts and profile."""
    contact = _contact(args.number)
    known: list[str] = msgspec.json.decode(await call.views.get(pages.known_brands, contact=contact))
    brands = [brand for brand in known if args.brand in ("", brand)]
    if not brands:
        raise Problem(404, f"nothing is known of {contact}")
    for brand in brands:
        await _ask(call, contact, brand, "profile.erase", {})
    return {"number": contact, "brands": brands}


async def list_consent(call: Call, args: Listed) -> object:
    """Who has opted out."""
    return await call.views.get(pages.consent, brand=args.brand, limit=args.limit, after=args.after)


async def show_consent(call: Call, args: OneContact) -> object:
    """The evidence."""
    return await call.views.get(pages.evidence, contact=_contact(args.number))


async def set_consent(call: Call, args: OneContact, body: Consent) -> object:
    """Opt out or in, or record consent."""
    contact = _contact(args.number)
    if body.source not in SOURCES:
        raise Problem(400, f"source must be one of {', '.join(SOURCES)}")
    kind = {"none": "optout.add", "messages": "optout.remove", "agreed": "consent.given"}[body.wants]
    values = {"source": body.source, "evidence": body.evidence}
    await _ask(call, contact, _brand(call, body.brand).name, kind, values)
    return {"number": contact, "brand": body.brand, "wants": body.wants}


# ---------------------------------------------------------------- cases


class Inbox(Args):
    """Which cases."""

    queue: Name = ""
    agent: Name = ""


class OneCase(Args):
    """By its id."""

    id: Id


class ShownCase(OneCase):
    """With so many messages."""

    limit: Limit = 50


class Take(Body):
    """Make it yours."""

    force: Annotated[bool, Meta(description="Even if somebody else has it.")] = False


class Said(Body):
    """A text."""

    text: Text


class Tags(Body):
    """Words to find it by."""

    tags: Annotated[list[Annotated[str, Meta(pattern="^[^,]+$", max_length=100)]], Meta(min_length=1, max_length=20)]


class Transfer(Body):
    """To whom."""

    queue: Name = ""
    agent: Name = ""


class Close(Body):
    """How it ended."""

    resolved: bool = True


async def list_cases(call: Call, args: Inbox) -> object:
    """The inbox."""
    return await call.views.get(pages.inbox, queue=args.queue, agent=args.agent, now=time.time())


async def show_case(call: Call, args: ShownCase) -> object:
    """One, with what was said."""
    return await call.views.get(pages.case, number=args.id, limit=args.limit, now=time.time())


async def _case(call: Call, number: int, kind: str, values: dict[str, str]) -> object:
    contact, brand = msgspec.json.decode(await call.views.get(pages.whose, number=number))
    await _ask(call, contact, brand, f"case.{kind}", values)
    return {"id": number}


async def take_case(call: Call, args: OneCase, body: Take) -> object:
    """Take."""
    return await _case(call, args.id, "take", {"force": "yes" if body.force else ""})


async def reply_case(call: Call, args: OneCase, body: Said) -> object:
    """Reply."""
    return await _case(call, args.id, "reply", {"text": body.text})


async def note_case(call: Call, args: OneCase, body: Said) -> object:
    """Note."""
    return await _case(call, args.id, "note", {"text": body.text})


async def tag_case(call: Call, args: OneCase, body: Tags) -> object:
    """Tag."""
    return await _case(call, args.id, "tag", {"tags": ",".join(body.tags)})


async def transfer_case(call: Call, args: OneCase, body: Transfer) -> object:
    """Transfer."""
    return await _case(call, args.id, "transfer", {"queue": body.queue, "agent": body.agent})


async def close_case(call: Call, args: OneCase, body: Close) -> object:
    """Close."""
    return await _case(call, args.id, "close", {"resolved": "yes" if body.resolved else "no"})


# ---------------------------------------------------------------- rules and reports


class Question(Body):
    """A text that a customer could send."""

    text: Annotated[str, Meta(max_length=2000)]
    number: Annotated[str, Meta(max_length=40, description='The service number, "" = the first of the rules.')] = ""
    language: Annotated[str, Meta(max_length=20, description="In which the customer was answered before.")] = ""


class Reported(Args):
    """What is reported on."""

    days: Annotated[int, Meta(ge=1, le=400)] = 7
    since: Annotated[str, Meta(max_length=10, description="A day, as 2026-11-01; instead of days.")] = ""
    until: Annotated[str, Meta(max_length=10, description="The day behind the last.")] = ""
    brand: Name = ""
    sections: Annotated[str, Meta(max_length=200, description="With commas between: " + ", ".join(SECTIONS))] = ""


def show_rules(call: Call) -> object:
    """What is in force."""
    rules = call.service.rules
    brands = dict.fromkeys(brand.name for brand in rules.numbers.values())
    return {
        "version": rules.version,
        "kept_versions": list(rules.older),
        "files": [str(path) for path in call.service.config.bridge.rules],
        "brands": [
            {
                "name": name,
                "numbers": list(brand.numbers),
                "languages": list(brand.languages),
                "timezone": brand.timezone,
                "queues": list(brand.queues),
                "flows": list(brand.flows),
                "templates": list(brand.texts),
            }
            for name in brands
            if (brand := rules.named(name)) is not None
        ],
    }


def explain(call: Call, body: Question) -> object:
    """Why this answer."""
    rules = call.service.rules
    number = body.number or next(iter(rules.numbers), "")
    if number not in rules.numbers:
        raise Problem(409, f"no brand has the number {number or '(there are no rules)'}")
    decision = decided(body.text, number, body.language, rules, time.time())
    return {**as_object(body.text, decision), "why": list(reasons(body.text, decision, rules, number))}


async def reload(call: Call) -> object:
    """Take the files anew."""
    try:
        return {"said": await call.service.reload()}
    except ControlError as exc:
        raise Problem(409, str(exc)) from exc


def _span(call: Call, args: Reported) -> Span:
    try:
        return span_of(call.service.rules, args.days, args.since, args.until, args.brand)
    except ReportProblem as exc:
        raise Problem(400, str(exc)) from exc


async def show_report(call: Call, args: Reported) -> object:
    """The figures."""
    sections = [name for name in args.sections.split(",") if name] or list(SECTIONS)
    unknown = next((name for name in sections if name not in SECTIONS), None)
    if unknown is not None:
        raise Problem(400, f"there is no section `{unknown}`; there are: {', '.join(SECTIONS)}")
    rates = {link.name: link.submit_rate for link in call.service.config.link}
    return await call.views.get(pages.report, rates=rates, span=_span(call, args), sections=sections)


async def show_suggestions(call: Call, args: Reported) -> object:
    """What to teach."""
    return await call.views.get(pages.suggestions, span=_span(call, args))


OPERATIONS: Final = (
    Operation("GET", "/me", "viewer", "Who asks, with which role", me),
    Operation("GET", "/status", "viewer", "What the store holds, as totals", status),
    Operation("GET", "/links", "viewer", "Links, their sessions and limits", links),
    Operation("POST", "/links/{name}/{what}", "operator", "Pause, resume, drain or rebind", steer_link, OneLink),
    Operation("GET", "/messages", "viewer", "Search messages of both ways, the newest first", list_messages, Search),
    Operation("POST", "/messages", "operator", "Send a message that answers nothing", send_message, body=Message),
    Operation("GET", "/messages/{id}", "viewer", "A message and all that happened to it", show_message, OneMessage),
    Operation("GET", "/conversations", "viewer", "List conversations", list_conversations, Conversations),
    Operation(
        "GET",
        "/conversations/{brand}/{number}",
        "viewer",
        "A conversation with its messages",
        show_conversation,
        OneConversation,
    ),
    Operation("GET", "/contacts", "viewer", "List customers", list_contacts, Contacts),
    Operation("GET", "/contacts/{number}", "viewer", "What is known of a number", show_contact, OneContact),
    Operation("PATCH", "/contacts/{number}", "agent", "Set fields of a profile", set_profile, OneContact, Profile),
    Operation("DELETE", "/contacts/{number}", "operator", "Forget a customer", erase_contact, ContactOfBrand),
    Operation("GET", "/contacts/{number}/messages", "viewer", "The history of a number", show_thread, OneThread),
    Operation("GET", "/consent", "viewer", "List who has opted out", list_consent, Listed),
    Operation("GET", "/consent/{number}", "viewer", "Evidence of consent, verified", show_consent, OneContact),
    Operation("POST", "/consent/{number}", "operator", "Opt a number out or in", set_consent, OneContact, Consent),
    Operation("GET", "/cases", "viewer", "Open cases, the most urgent first", list_cases, Inbox),
    Operation("GET", "/cases/{id}", "viewer", "A case with its customer and messages", show_case, ShownCase),
    Operation("POST", "/cases/{id}/take", "agent", "Make a case yours", take_case, OneCase, Take),
    Operation("POST", "/cases/{id}/reply", "agent", "Answer the customer", reply_case, OneCase, Said),
    Operation("POST", "/cases/{id}/note", "agent", "Leave a note for colleagues", note_case, OneCase, Said),
    Operation("POST", "/cases/{id}/tag", "agent", "Tag a case", tag_case, OneCase, Tags),
    Operation("POST", "/cases/{id}/transfer", "agent", "Give a case away", transfer_case, OneCase, Transfer),
    Operation("POST", "/cases/{id}/close", "agent", "End a case: the bot answers again", close_case, OneCase, Close),
    Operation("GET", "/rules", "viewer", "The rules in force", show_rules),
    Operation("POST", "/rules/explain", "viewer", "Why a text gets its answer", explain, body=Question, changes=False),
    Operation("POST", "/rules/reload", "operator", "Take the rules files anew, all of them or none", reload),
    Operation("GET", "/reports", "viewer", "How customers are served", show_report, Reported),
    Operation("GET", "/reports/suggestions", "viewer", "What the rules could learn", show_suggestions, Reported),
)
