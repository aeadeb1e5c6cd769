"""People: who has a conversation in hand from its escalation until it is closed, and what they do with it.

A case opens with the first escalation, in a queue of the rules file, and a text that people send opens one too. While
it is open the bot says nothing; control words are answered all the same. A file without a [queue.NAME] has no cases:
its escalations are only recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from msgspec.structs import replace

from bridge.options import SomeSeconds, duration
from bridge.records import Case
from bridge.rules.message import Decision, Fact, Reply
from bridge.rules.threads import next_wake, resolve

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


@dataclass(frozen=True, slots=True)
class Breach:
    """on_breach = { … } of a queue: what happens when the answer is late."""

    move_to: str = ""
    """The queue that the case goes to, "" = it stays; whoever had it has it no longer."""


@dataclass(frozen=True, slots=True)
class QueueTable:
    """[queue.NAME]."""

    sla: Sla = field(default_factory=Sla)
    on_breach: Breach = field(default_factory=Breach)
    idle_close: SomeSeconds = 86400.0
    """After so long without a word from either side the case is closed."""


Queues = Mapping[str, QueueTable]


def open_case(
    after: Conversation, queues: Queues, queue: str, priority: str, tags: tuple[str, ...], now: float
) -> None:
    """Open a case, if the file has queues.

    Args:
        after: The conversation; it is changed.
        queues: Of its brand.
        queue: Its name, one that is not there = the first.
        priority: low, normal or high.
        tags: Of the rule that escalates.
        now: Seconds since the epoch.
    """
    if not queues:
        return
    name = queue if queue in queues else next(iter(queues))
    table = queues[name]
    due = now + table.sla.first if table.sla.first else 0.0
    after.case = Case(after.mo, name, now, priority, due=due, tags=tags, idle=now + table.idle_close)


def attach(case: Case, brand: Brand, after: Conversation, now: float) -> Decision:
    """Put a text before the people who have the conversation in hand.

    Args:
        case: Of the conversation.
        brand: Whose number was texted.
        after: The conversation with it; it is changed.
        now: Seconds since the epoch.
    """
    table = brand.queues.get(case.queue, QueueTable())
    due = case.due or (now + table.sla.next if table.sla.next else 0.0)
    after.case = replace(case, due=due, idle=now + table.idle_close)
    after.wake = next_wake(after)
    return Decision("escalated", "human", f"queue.{case.queue}", "", (), after, "people have it in hand")


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
        return _closed(after, case, "idle", "", now)
    if not case.due or case.due > now:
        return None
    table = queues.get(case.queue, QueueTable())
    moved = table.on_breach.move_to
    fact = Fact("breached", {"case": case.id, "queue": case.queue, "agent": case.agent, "moved_to": moved})
    if moved in queues:
        first = queues[moved].sla.first
        after.case = replace(case, queue=moved, agent="", due=now + first if first else 0.0)
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
    if after.case is None and what == "reply" and queues and after.id:
        open_case(after, queues, "", "normal", (), now)
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
        case "take":
            after.case = replace(case, agent=request.by)
            facts = (Fact("taken", {"case": case.id, "agent": request.by}),)
        case "reply" if not text:
            problem = "an empty text is not sent"
        case "reply" if state.opted_out:
            problem = "opted_out: the customer wants no messages"
        case "reply":
            table = queues.get(case.queue, QueueTable())
            after.case = replace(case, agent=case.agent or request.by, due=0.0, idle=now + table.idle_close)
            after.messages_out += 1
            replies = (Reply("", text, by=request.by),)
            facts = (Fact("answered", {"case": case.id, "agent": request.by}),)
        case "note" if not text:
            problem = "an empty note says nothing"
        case "note":
            after.case = replace(case, notes=(*case.notes, (now, request.by, text)))
        case "tag":
            tags = tuple(tag for tag in request.values.get("tags", "").split(",") if tag)
            after.case = replace(case, tags=tuple(dict.fromkeys((*case.tags, *tags))))
        case "transfer":
            problem = _transfer(request, after, case, queues, now)
        case "close":
            return _closed(after, case, request.by, request.values.get("resolved", "yes"), now)
        case _:
            problem = f"there is no request `{request.kind}`"
    if problem:
        return _refused(state, problem)
    after.wake = next_wake(after)
    return Decision("silent", "human", f"queue.{case.queue}", "", replies, after, facts=facts)


def _transfer(request: Request, after: Conversation, case: Case, queues: Queues, now: float) -> str:
    queue, agent = request.values.get("queue", ""), request.values.get("agent", "")
    if not queue and not agent:
        return "to whom? Name a queue or an agent"
    if queue and queue not in queues:
        return f"there is no queue `{queue}`; there are: {', '.join(queues)}"
    moved = replace(case, agent=agent)
    if queue and queue != case.queue:
        first = queues[queue].sla.first
        moved.queue, moved.due = queue, now + first if first else 0.0
    after.case = moved
    return ""


def _closed(after: Conversation, case: Case, by: str, resolved: str, now: float) -> Decision:
    facts = resolve(after, "agent", f"queue.{case.queue}", now) if resolved == "yes" else ()
    after.case, after.escalated, after.unmatched = None, 0.0, 0
    after.wake = next_wake(after)
    fact = Fact("closed", {"case": case.id, "queue": case.queue, "by": by})
    return Decision("silent", "human", f"queue.{case.queue}", "", (), after, facts=(*facts, fact))


def _refused(state: Conversation, problem: str) -> Decision:
    return Decision("silent", "", "", "", (), state, problem=problem)
