"""escalate = …: to whom a message is handed, for every rule that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bridge.options import At, BadValue, fill
from bridge.rules.message import Fact
from bridge.rules.people import open_case
from bridge.rules.threads import next_wake

if TYPE_CHECKING:
    from bridge.records import Conversation
    from bridge.rules.ruleset import Brand


@dataclass(frozen=True, slots=True)
class Escalation:
    """escalate = { … }: to whom a message is handed."""

    queue: str = "default"
    priority: Literal["low", "normal", "high"] = "normal"
    tags: tuple[str, ...] = ()
    note: str = ""
    """For the people of the queue, with variables; {input} is what the customer wrote."""

    @property
    def detail(self) -> str:
        """What is kept with the message that was handed over."""
        return f"queue={self.queue} priority={self.priority}"


def read_escalation(value: object, at: At) -> Escalation | None:
    """Reads true, false or a table.

    Raises:
        BadValue: It is something else.
    """
    if isinstance(value, bool):
        return Escalation() if value else None
    if not isinstance(value, dict):
        raise BadValue("must be true, false or a table of queue, priority, tags, note")
    return fill(Escalation(), value, at)


def hand_over(after: Conversation, to: Escalation, brand: Brand, now: float, note: str = "") -> tuple[Fact, ...]:
    """Hand a conversation to people, unless they have it already.

    Args:
        after: The conversation; it is changed.
        to: To whom.
        brand: Of the conversation.
        now: Seconds since the epoch.
        note: For them, filled in.
    """
    after.session, after.offered = None, ()
    if after.escalated:
        return ()
    after.escalated = now
    first, after.human = int(not after.human), True
    open_case(after, brand, to.queue, to.priority, to.tags, now)
    if after.case is not None:
        if note:
            after.case.notes = ((now, "", note),)
        after.wake = next_wake(after)
    return (
        Fact(
            "escalated",
            {"queue": to.queue, "priority": to.priority, "note": note, "tags": ",".join(to.tags), "first": first},
        ),
    )
