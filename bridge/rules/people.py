"""People: who has a conversation in hand from its escalation until it is closed, and what they do with it.

A case opens with the first escalation, in a queue of the rules file, and a text that people send opens one too. While
it is open the bot says nothing; control words are answered all the same. A file without a [queue.NAME] has no cases:
its escalations are only recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Annotated, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.units import format_unit
from msgspec.structs import replace

from bridge.options import At, BadValue, SomeSeconds, duration, url, whole
from bridge.records import Case
from bridge.rules import rating
from bridge.rules.message import Decision, Fact, Inbound, Reply
from bridge.rules.numbers import is_short_code
from bridge.rules.templates import MissingVariable, render, unsendable
from bridge.rules.threads import known, next_wake

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.message import Request
    from bridge.rules.ruleset import Brand


@dataclass(frozen=True, slots=True)
class Sla:
    """sla = { … } of a queue: how soon the customer is to have an answer."""

    first: Annotated[float, duration()] = 0.0
    """After the escalation, 0 = no limit."""
    next: Annotated[float, duration()] = 0.0
    """After a further text, 0 = no limit."""
    business_hours: bool = False
    """The clock stands still outside the brand's opening hours."""


_LONGEST_URL = 400
"""It is in keys of the store, which have some 500 octets."""


def _url(value: object, at: At) -> str:
    given = url(value, at) if value else ""
    if len(given) > _LONGEST_URL:
        raise BadValue(f"must be {_LONGEST_URL} characters or fewer, not {len(given)}")
    return given


@dataclass(frozen=True, slots=True)
class Breach:
    """on_breach = { … } of a queue: what happens when the answer is late."""

    notify: Annotated[str, _url] = ""
    """The URL that is told, as a webhook is."""
    move_to: str = ""
    """The queue that the case goes to, "" = it stays; whoever had it has it no longer."""


@dataclass(frozen=True, slots=True)
class QueueTable:
    """[queue.NAME]."""

    sla: Sla = field(default_factory=Sla)
    on_breach: Breach = field(default_factory=Breach)
    closed_reply: str = ""
    """The template for a customer whose text comes outside the opening hours, once in a case; "" = none."""
    max_open_per_agent: Annotated[int, whole(0, 10_000)] = 0
    """So many open cases of it one agent takes, 0 = any number."""
    bot_while_open: Literal["control_only", "off"] = "control_only"
    """What is answered by itself while people have a case: control words; or STOP and START alone, and HELP on a short
    code, which has to answer it."""
    idle_close: SomeSeconds = 86400.0
    """After so long without a word from either side the case is closed; what waits for an answer waits on."""


Queues = Mapping[str, QueueTable]
PROMISES = frozenset({"sla", "opens"})
"""Variables of a text that hands over."""


def _due(brand: Brand, queue: QueueTable, seconds: float, now: float) -> float:
    """Return when an answer is due: 0.0 = never."""
    if not seconds:
        return 0.0
    if not queue.sla.business_hours or brand.hours is None:
        return now + seconds
    due = brand.hours.after(now, seconds)
    return 0.0 if due == inf else due


def open_case(after: Conversation, brand: Brand, queue: str, priority: str, tags: tuple[str, ...], now: float) -> None:
    """Open a case, if the file has queues.

    Args:
        after: The conversation; it is changed.
        brand: Of the conversation.
        queue: Its name, one that is not there = the first.
        priority: low, normal or high.
        tags: Of the rule that escalates.
        now: Seconds since the epoch.
    """
    queues = brand.queues
    if not queues:
        return
    name = queue if queue in queues else next(iter(queues))
    table = queues[name]
    due = _due(brand, table, table.sla.first, now)
    after.case = Case(
        after.mo, name, now, priority, due=due, tags=tags, idle=max(now, due) + table.idle_close, waiting=now
    )


def promises(brand: Brand, queue: str, language: str, now: float) -> dict[str, str]:
    """Return what a text that hands over may promise: {sla}, how soon an answer comes; {opens}, when people are there.

    Args:
        brand: Of the conversation.
        queue: That the conversation is handed to.
        language: Of the text, "" = the brand's first.
        now: Seconds since the epoch.
    """
    queues = brand.queues
    table = queues.get(queue) or next(iter(queues.values()), QueueTable())
    spoken = _locale(language or brand.languages[0])
    said = {}
    if table.sla.first:
        minutes = round(table.sla.first / 60)
        hours, rest = divmod(minutes, 60)
        said["sla"] = format_unit(*((minutes, "minute") if rest else (hours, "hour")), locale=spoken)
    if brand.hours is not None:
        at = brand.hours.opens(now)
        if at < inf:
            opens, today = brand.hours.local(at), brand.hours.local(now).date()
            days = (opens.date() - today).days
            pattern = "HH:mm" if not days else "EEEE HH:mm" if days < 7 else "EEEE d MMMM HH:mm"
            said["opens"] = format_datetime(opens, pattern, locale=spoken)
    return said


@cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def after_hours(brand: Brand, after: Conversation, now: float) -> tuple[Reply, ...]:
    """Say that nobody is there, once in a case, if nobody is.

    Args:
        brand: Of the conversation.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """
    case = after.case
    if case is None or case.told_closed or brand.hours is None or brand.hours.is_open(now):
        return ()
    template = brand.queues.get(case.queue, QueueTable()).closed_reply
    if not template:
        return ()
    texts = brand.texts[template]
    variables = known(after) | promises(brand, case.queue, after.language, now)
    try:
        text = render(
            texts.get(after.language) or texts[""], variables, Inbound("", after.contact, after.number, after.link)
        )
    except MissingVariable:
        return ()
    after.case = replace(case, told_closed=True)
    after.messages_out += 1
    return (Reply(template, text),)


def keep_help(case: Case, brand: Brand, number: str) -> bool:
    """Return whether HELP is left to the people who have a conversation in hand."""
    queue = brand.queues.get(case.queue)
    return queue is not None and queue.bot_while_open == "off" and not is_short_code(number)


def attach(case: Case, brand: Brand, after: Conversation, now: float) -> Decision:
    """Put a text before the people who have the conversation in hand.

    Args:
        case: Of the conversation.
        brand: Whose number was texted.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    table = brand.queues.get(case.queue, QueueTable())
    due = case.due or _due(brand, table, table.sla.next, now)
    idle = max(now, due) + table.idle_close
    after.case = replace(case, due=due, idle=idle, waiting=case.waiting or now)
    told = after_hours(brand, after, now)
    after.wake = next_wake(after)
    return Decision("escalated", "human", f"queue.{case.queue}", "", told, after, "people have it in hand")


def wake(brand: Brand | None, after: Conversation, now: float) -> Decision | None:
    """Do what is due in a case by time alone; None if nothing is.

    Args:
        brand: Of the conversation's number, None if no rules have it any more.
        after: The conversation; it is changed.
        now: Seconds since the epoch.
    """
    case = after.case
    if case is None:
        return None
    queues = {} if brand is None else brand.queues
    if case.idle and case.idle <= now:
        return _closed(after, case, brand, "idle", "", now)
    if not case.due or case.due > now:
        return None
    table = queues.get(case.queue, QueueTable())
    moved = table.on_breach.move_to
    told: dict[str, str | int | float] = {"case": case.id, "queue": case.queue, "agent": case.agent, "moved_to": moved}
    fact = Fact("breached", {**told, "notify": table.on_breach.notify})
    if brand is not None and moved in queues:
        after.case = replace(case, queue=moved, agent="", due=_due(brand, queues[moved], queues[moved].sla.first, now))
    else:
        after.case = replace(case, due=0.0)
    after.wake = next_wake(after)
    return Decision("silent", "human", f"queue.{case.queue}", "", (), after, facts=(fact,))


def asked(request: Request, state: Conversation, brand: Brand | None, now: float) -> Decision:
    """Do what somebody wants to have done with a conversation.

    Args:
        request: case.take, reply, note, tag, transfer or close; by whom.
        state: The conversation so far; it is not changed.
        brand: Of its number, None if no rules have it any more.
        now: Seconds since the epoch.
    """
    after = replace(state)
    queues = {} if brand is None else brand.queues
    what = request.kind.removeprefix("case.")
    if after.case is None and what == "reply" and brand is not None and queues and after.id:
        open_case(after, brand, "", "normal", (), now)
        after.escalated = after.escalated or now
        after.session, after.offered = None, ()
    case = after.case
    if case is None:
        return _refused(state, "there is no open case of this customer")
    problem = ""
    replies: tuple[Reply, ...] = ()
    facts: tuple[Fact, ...] = ()
    text = request.values.get("text", "").strip()
    match what:
        case "take" if case.agent and case.agent != request.by and request.values.get("force") != "yes":
            problem = f"{case.agent} has it"
        case "take" if case.agent != request.by and (problem := _too_many(request, case.queue, queues, request.by)):
            pass
        case "take":
            after.case = replace(case, agent=request.by)
            facts = (Fact("taken", {"case": case.id, "agent": request.by}),)
        case "reply" if not text:
            problem = "an empty text is not sent"
        case "reply" if problem := unsendable(text):
            problem = f"the text {problem}"
        case "reply" if state.opted_out:
            problem = "opted_out: the customer wants no messages"
        case "reply":
            table = queues.get(case.queue, QueueTable())
            agent, idle = case.agent or request.by, now + table.idle_close
            after.case = replace(case, agent=agent, due=0.0, idle=idle, waiting=0.0)
            after.messages_out += 1
            replies = (Reply("", text, by=request.by, asked=case.waiting),)
            facts = (Fact("answered", {"case": case.id, "agent": request.by}),)
        case "note" if not text:
            problem = "an empty note says nothing"
        case "note":
            after.case = replace(case, notes=(*case.notes, (now, request.by, text)))
        case "tag":
            tags = tuple(tag for tag in request.values.get("tags", "").split(",") if tag)
            after.case = replace(case, tags=tuple(dict.fromkeys((*case.tags, *tags))))
        case "transfer":
            problem = _transfer(request, after, case, brand, now)
        case "close":
            return _closed(after, case, brand, request.by, request.values.get("resolved", "yes"), now)
        case _:
            problem = f"there is no request `{request.kind}`"
    if problem:
        return _refused(state, problem)
    after.wake = next_wake(after)
    return Decision("silent", "human", f"queue.{case.queue}", "", replies, after, facts=facts)


def _too_many(request: Request, queue: str, queues: Queues, agent: str) -> str:
    """Return why an agent gets no further case of a queue, "" if he does; `holds` says how many he has."""
    most = queues.get(queue, QueueTable()).max_open_per_agent
    if most and int(request.values.get("holds", "0")) >= most:
        return f"{agent} has {most} open cases of queue {queue}, and that is the most for one agent"
    return ""


def _transfer(request: Request, after: Conversation, case: Case, brand: Brand | None, now: float) -> str:
    queue, agent = request.values.get("queue", ""), request.values.get("agent", "")
    queues = {} if brand is None else brand.queues
    if not queue and not agent:
        return "to whom? Name a queue or an agent"
    if queue and queue not in queues:
        return f"there is no queue `{queue}`; there are: {', '.join(queues)}"
    if agent and agent != case.agent and (problem := _too_many(request, queue or case.queue, queues, agent)):
        return problem
    moved = replace(case, agent=agent)
    if brand is not None and queue and queue != case.queue:
        moved.queue, moved.due = queue, _due(brand, queues[queue], queues[queue].sla.first, now)
    after.case = moved
    return ""


def _closed(after: Conversation, case: Case, brand: Brand | None, by: str, resolved: str, now: float) -> Decision:
    after.case, after.escalated, after.unmatched = None, 0.0, 0
    facts = rating.settle(after, brand, "agent", f"queue.{case.queue}", now) if resolved == "yes" else ()
    after.wake = next_wake(after)
    fact = Fact("closed", {"case": case.id, "queue": case.queue, "by": by})
    return Decision("silent", "human", f"queue.{case.queue}", "", (), after, facts=(*facts, fact))


def _refused(state: Conversation, problem: str) -> Decision:
    return Decision("silent", "", "", "", (), state, problem=problem)
