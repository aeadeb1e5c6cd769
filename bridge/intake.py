"""How many texts the next turn takes in: no more than it can answer at once, as long as little waits.

A reply that is claimed by the commit that makes it costs a third less than one that has to wait in the store's queue.
So where replies are held up by the window, texts wait a moment un-acknowledged, where they cost nothing, and the
carrier slows down to the rate of the answers. That is for hiccups (throttled answers to be tried again, a slow second),
not for a backlog: once `MUCH` waits, or a text has waited for `PATIENCE`, it is taken in and acknowledged whatever
waits before it. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.events import Arrivals, Outcomes, SessionLost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.events import Event
    from bridge.outbox import LinkQueue

PATIENCE: Final = 0.05
"""Seconds that a text may wait un-acknowledged; an SMSC waits for many times as long."""
MUCH: Final = 20
"""Windows full of waiting replies from which on texts are taken in at once."""


def divide(events: Sequence[Event], links: Mapping[str, LinkQueue], now: float) -> tuple[list[Event], list[Arrivals]]:
    """Part what the next turn takes from what waits for the one after it.

    Args:
        events: In the order in which they came.
        links: By name.
        now: Seconds since the epoch.

    Returns:
        (events of the next turn, arrivals that wait), each in order.
    """
    arrivals = [event for event in events if isinstance(event, Arrivals)]
    if not arrivals:
        return list(events), []
    room = {name: _room(links[name], events) for name in {arrival.link for arrival in arrivals}}
    taken: list[Event] = []
    waiting: list[Arrivals] = []
    for event in events:
        if not isinstance(event, Arrivals):
            taken.append(event)
            continue
        left = room[event.link]
        if left is None or event.time <= now - PATIENCE or len(event.pdus) <= left:
            taken.append(event)
        elif left > 0:
            taken.append(replace(event, pdus=event.pdus[:left]))
            waiting.append(replace(event, pdus=event.pdus[left:]))
        else:
            waiting.append(event)
        if left is not None:
            room[event.link] = max(left - len(event.pdus), 0)
    return taken, waiting


def _room(queue: LinkQueue, events: Sequence[Event]) -> int | None:
    """Return how many replies of a link could go with the next turn, None if texts must not wait for that."""
    name = queue.config.name
    if queue.in_air == 0 or queue.loaded > MUCH * queue.capacity:
        return None
    answers = 0
    for event in events:
        if isinstance(event, SessionLost) and event.link == name:
            # What came on a lost session has to be known before the carrier delivers it again.
            return None
        if isinstance(event, Outcomes) and event.link == name:
            answers += len(event.outcomes)
    return max(queue.room + answers - len(queue.ready) - len(queue.started), 0)
