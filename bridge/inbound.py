"""What a session hands out → events for the committer; no decisions, no store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.events import Arrivals, Outcomes
from smppcore import constants
from smppcore.pdu import DataSM, DeliverSM, Pdu, response_class, response_to
from smppcore.session import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.events import Event
    from smppcore.link import Link
    from smppcore.session import Event as SessionEvent


def sort_events(link: str, connection: Link, events: list[SessionEvent], now: float) -> Iterator[Event]:
    """Return the committer's events of one batch: outcomes first, then what arrived.

    A request that we do not carry out is answered here, ESME_RINVCMDID; an alert_notification has no answer (SMPP v3.4
    §4.12.1).

    Args:
        link: Name of the link.
        connection: The session's link, for the responses.
        events: What the session handed out.
        now: When the batch was read, seconds since the epoch.
    """
    arrived: list[Pdu] = []
    settled: list[Outcome] = []
    for event in events:
        kind = type(event)
        if kind is DeliverSM or kind is DataSM:
            arrived.append(event)  # type: ignore[arg-type]
        elif kind is Outcome:
            settled.append(event)  # type: ignore[arg-type]
        elif isinstance(event, Pdu) and response_class(event.command_id) is not None:
            connection.respond([response_to(event, constants.ESME_RINVCMDID)])
    if settled:
        yield Outcomes(link, settled)
    if arrived:
        yield Arrivals(link, connection, arrived, now)
