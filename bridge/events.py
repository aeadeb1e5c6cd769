"""What the committer takes in, and what a committed turn sets free.

Every change of state is one of these events. They come in batches as the links read them, never one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.analytics import Figure
    from bridge.config import LinkConfig
    from bridge.delivery import Flight
    from bridge.records import Mt
    from bridge.rules import Called, Request, Ruleset
    from bridge.store import ContactKey, LinkRow
    from smppcore.link import Link
    from smppcore.pdu import Pdu
    from smppcore.session import Outcome


@dataclass(slots=True)
class Arrivals:
    """Requests that one read of one session brought: texts, parts of texts, receipts."""

    link: str
    connection: Link
    pdus: list[Pdu]
    time: float


@dataclass(slots=True)
class Outcomes:
    """What became of submit_sm's of ours; `request.context` of each is (Flight, number of the part)."""

    link: str
    outcomes: list[Outcome]


@dataclass(slots=True)
class Withdrawn:
    """Claimed messages that no session was given: none of their octets left."""

    flights: list[Flight]
    suppressed: bool
    """The customer opted out since the claim; otherwise the link was lost before."""


@dataclass(slots=True)
class CapacityChanged:
    """How many submit_sm's may be outstanding on a link altogether now."""

    link: str
    capacity: int


@dataclass(slots=True)
class SessionLost:
    """A session that could receive has ended; what it had not been answered for may come again."""

    link: str
    time: float


@dataclass(slots=True)
class SessionBound:
    """A session that can receive has been bound."""

    link: str
    time: float


@dataclass(slots=True)
class LinkChanged:
    """What is to be said of a link from now on."""

    row: LinkRow
    reconnect: str = ""
    """Why a bind must be made anew, in a word; "" if none must."""


class OpenCall(msgspec.Struct, array_like=True, gc=False):
    """A call to a function or a workflow that has not returned; the store has it until then."""

    id: int
    contact: str
    brand: str
    name: str
    arguments: dict[str, str]
    timeout: float
    """Seconds."""
    made: float


@dataclass(slots=True)
class Returned:
    """A call has returned, has failed, or will never return."""

    called: Called


@dataclass(slots=True)
class RulesChanged:
    """Other rules are in force from this turn on."""

    rules: Ruleset


@dataclass(slots=True)
class LinkConfigured:
    """From the turn after this one on a link is configured so: a new one, or one that there is."""

    link: str
    config: LinkConfig | None
    """None: there is no such link any more. None of its messages is claimed, and it brings no events."""
    done: Callable[[], None]
    """Called when it is so."""


@dataclass(slots=True)
class HooksRecalled:
    """A page of the events for a webhook is wanted, as the store has them after what came before this."""

    webhook: str
    """"" = of whichever there are."""
    start: bytes
    """The first key."""


@dataclass(slots=True)
class HooksSettled:
    """What became of events for webhooks."""

    done: list[bytes]
    """Keys of those that were taken."""
    dead: list[tuple[bytes, str]]
    """(key, why) of those that were given up."""


@dataclass(slots=True)
class HooksRevived:
    """The dead letters of a webhook are to be told once more, or forgotten: a page of them."""

    webhook: str
    drop: bool
    answer: Callable[[int], None]
    """Called with how many there were."""


@dataclass(slots=True, eq=False)
class Asked:
    """An operator, an agent or a program asks for something, and waits to hear of it."""

    contact: str
    brand: str
    request: Request


Event = (
    Arrivals
    | Asked
    | CapacityChanged
    | HooksRecalled
    | HooksRevived
    | HooksSettled
    | LinkChanged
    | LinkConfigured
    | Outcomes
    | Returned
    | RulesChanged
    | SessionBound
    | SessionLost
    | Withdrawn
)


@dataclass(slots=True)
class Effects:
    """What the turn that was just committed sets free."""

    responses: list[tuple[Link, list[Pdu]]] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    """Claimed and durable: to be handed to a session."""
    revoked: set[ContactKey] = field(default_factory=set)
    """Who opted out in this turn: claims for them that have not left yet are withdrawn."""
    calls: list[OpenCall] = field(default_factory=list)
    """Recorded and durable: to be made."""
    answers: list[tuple[Asked, str]] = field(default_factory=list)
    """(what was asked for, why it was refused: "" = it was done)."""
    hooks: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Events for webhooks that this turn has written: keys and rows."""
    recalled: list[tuple[HooksRecalled, list[tuple[bytes, bytes]], bytes]] = field(default_factory=list)
    """Pages of what the store has, as they were wanted, and where the next one begins, b"" = nowhere."""
    backlog: tuple[int, int] | None = None
    """(events that wait, dead letters), if this turn looked."""
    configured: list[LinkConfigured] = field(default_factory=list)
    """Links that are configured otherwise now."""
    forgotten: list[ContactKey] = field(default_factory=list)
    """Customers of whom nothing more is to be told."""
    revived: list[tuple[Callable[[int], None], int]] = field(default_factory=list)
    """(whom to tell, how many dead letters there were)."""
    incidents: list[str] = field(default_factory=list)
    """For the log, a line each; no message text, no numbers."""
    tally: dict[tuple[str, str], int] = field(default_factory=dict)
    """(link, what) → how many, as counted in the store."""
    full: bool = False
    """The store had no room."""
    seconds: float | None = None
    """How long it took to decide and commit them; None if nothing was committed."""
    commit_seconds: float = 0.0
    """How much of that the disk took."""
    events: Sequence[Event] = ()
    """What the turn took in, if it was committed."""
    final: list[Mt] = field(default_factory=list)
    """Messages that have come to their final state."""
    figures: Mapping[Figure, int] = field(default_factory=dict)
    """What the turn has added to the figures of the reports."""
