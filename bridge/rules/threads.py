"""The thread of a conversation: what an MO continues, reopens or begins, and when it has something to do by itself."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.records import Conversation

if TYPE_CHECKING:
    from bridge.records import Topics
    from bridge.rules.message import Inbound


def receive(
    message: Inbound,
    brand: str,
    idle_close: float,
    reopen_window: float,
    state: Conversation | None,
    now: float,
    mo_id: int,
) -> Conversation:
    """Return the conversation with an MO counted in: the one so far, or a new one that names it.

    A conversation is closed when its matter is resolved, or after `idle_close` of silence; a text within the
    `reopen_window` after that goes on with it. One that people have in hand goes on, however long it was silent.

    Args:
        message: The text and its two numbers.
        brand: The name of the brand, "" for a number of no brand.
        idle_close: Seconds.
        reopen_window: Seconds.
        state: What is known so far; it is not changed.
        now: Seconds since the epoch.
        mo_id: The number of this message; a new conversation is called by it.
    """
    # Positional: keywords would cost 0.3 µs, structs.replace 1 µs.
    if state is None:
        return Conversation(
            message.contact, brand, mo_id, now, now, 1, 0, 0.0, "", 0, 0.0, {}, mo_id, message.link, message.number
        )
    idle = now - state.last_in > idle_close and state.case is None
    closed = state.resolved or (state.last_in + idle_close if idle else 0.0)
    if not state.id or (closed and now - closed > reopen_window and state.case is None):
        return Conversation(
            message.contact,
            brand,
            mo_id,
            now,
            now,
            1,
            0,
            state.opted_out,
            state.language,
            0,
            0.0,
            {},
            mo_id,
            message.link,
            message.number,
            state.addressing,
            state.id,
            wake=0.0 if state.rating is None else state.rating.due,
            guard=state.guard,
            rating=state.rating,
            contexts=state.contexts,
            last=state.last,
            opting_in=state.opting_in,
            told=state.told,
            profile=state.profile,
            evidence=state.evidence,
            personal=state.personal,
            started_messages=state.started_messages,
            also=state.also,
            topics=_carried(state),
        )
    return Conversation(
        message.contact,
        brand,
        state.id,
        state.started,
        now,
        state.messages_in + 1,
        state.messages_out,
        state.opted_out,
        state.language,
        0 if idle else state.unmatched,
        state.escalated,
        {} if idle else state.variables,
        mo_id,
        message.link,
        message.number,
        state.addressing,
        state.previous,
        state.resolved,
        state.resolved_by,
        state.wake,
        () if idle else state.offered,
        state.session,
        state.case,
        state.guard,
        state.rating,
        state.contexts,
        state.last,
        state.opting_in,
        state.told,
        state.profile,
        state.evidence,
        state.topic,
        state.reopened,
        state.personal,
        state.started_messages,
        state.also,
        state.inquiry,
        state.human,
        state.topics,
    )


def _carried(state: Conversation) -> Topics | None:
    """Return the topics for the next conversation: that of a message which nothing has followed is still the last."""
    topics = state.topics
    if topics is None or not topics.last:
        return topics
    return replace(topics, texts=0) if topics.texts == state.messages_in else replace(topics, last="")


def next_wake(state: Conversation) -> float:
    """Return when the conversation has something to do by time alone, in seconds since the epoch; 0.0 = never."""
    times = []
    if state.session is not None:
        times += [state.session.until, state.session.expires]
    if state.case is not None:
        times += [state.case.due, state.case.idle]
    if state.rating is not None:
        times.append(state.rating.due)
    earliest = min((time for time in times if time), default=inf)
    return 0.0 if earliest == inf else earliest


def known(state: Conversation) -> dict[str, str]:
    """Return what templates and conditions know: the customer's profile, and what this conversation has brought."""
    return state.profile | state.variables if state.profile else state.variables
