"""The loop guard: two machines that answer each other would go on for ever, and get the account banned.

    [conversation]
    max_auto_replies = { count = 5, per = "10m", identical = 2, then = "mute_1h_and_escalate" }

The same text a third time in a row has no third answer. After so many automatic replies within that time the
conversation is muted. A person is told in both cases. Answers to control words are not counted: they have limits of
their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from bridge.options import At, BadValue, SomeSeconds, duration, text
from bridge.records import Guard

if TYPE_CHECKING:
    from bridge.records import Conversation

_seconds = duration(0.001)
_THEN = re.compile(r"(mute_(?P<mute>\d+[smhd]))(?P<escalate>_and_escalate)?")


@dataclass(frozen=True, slots=True)
class Then:
    """What happens to a conversation that goes in circles."""

    mute: float
    """Seconds without an automatic reply."""
    escalate: bool


def _then(value: object, at: At) -> Then:
    found = _THEN.fullmatch(text(value, at))
    if found is None:
        raise BadValue('must be as "mute_1h" or "mute_1h_and_escalate"')
    return Then(_seconds(found["mute"], at), found["escalate"] is not None)


@dataclass(frozen=True, slots=True)
class GuardTable:
    """max_auto_replies = { … } of [conversation]."""

    count: int = 0
    """So many automatic replies to one customer within `per`, 0 = any number."""
    per: SomeSeconds = 600.0
    identical: int = 0
    """So many answers to one and the same text in a row, 0 = any number."""
    then: Annotated[Then, _then] = Then(3600.0, escalate=True)
    """What follows when `count` is reached."""

    def __bool__(self) -> bool:
        return bool(self.count or self.identical)


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a text gets no answer."""

    rule: str
    """loop.identical, loop.count or loop.muted."""
    escalate: bool
    detail: str


def hear(table: GuardTable, state: Conversation, whole: str, now: float) -> Halt | None:
    """Take note of a text, before anything answers it.

    Args:
        table: The limits.
        state: The conversation with this text counted in; its guard is changed.
        whole: The text, normalised.
        now: Seconds since the epoch.

    Returns:
        Why it is not to be answered, None if it may be.
    """
    guard = state.guard or Guard()
    same = guard.same + 1 if whole == guard.last and guard.heard > now - table.per else 1
    replies = tuple(at for at in guard.replies if at > now - table.per)
    muted = guard.muted_until
    halt: Halt | None = None
    if muted > now:
        halt = Halt("loop.muted", escalate=False, detail="muted: too many automatic replies")
    elif table.count and len(replies) >= table.count:
        muted = now + table.then.mute
        replies = ()
        halt = Halt("loop.count", table.then.escalate, f"{table.count} automatic replies within {table.per:g} s")
    elif table.identical and same > table.identical:
        halt = Halt("loop.identical", table.then.escalate, detail=f"the same text {same} times in a row")
    state.guard = Guard(replies, whole, same, muted, now)
    return halt


def replied(state: Conversation, now: float) -> None:
    """Take note of an automatic reply to a text that `hear` let pass."""
    guard = state.guard or Guard()
    state.guard = Guard((*guard.replies, now), guard.last, guard.same, guard.muted_until, guard.heard)
