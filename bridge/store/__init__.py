"""The store as the pipeline sees it: whole batches in, whole batches out.

One task writes. Each turn of the committer opens a Turn, reads what its events need, and commits one Changes; the rest
of the program reads snapshots through a Reader. Nothing here assumes that the store is in this process or that a
look-up is free, so every call takes a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, get_args

from bridge.analytics import CounterKey as CounterKey  # noqa: TC001  a part of this interface

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from bridge.records import Conversation, Mo, Mt

ContactKey = tuple[str, str]
"""(contact, brand)."""
IdKey = tuple[str, str]
"""(carrier group, message_id as normalised for the link)."""


SideTable = Literal["wake", "call", "case", "evidence", "later", "input", "job", "figure", "hook", "dead", "ruleset"]
"""A table whose rows are octets to the store; who uses it says what is in it:

wake      milliseconds, 8 octets, brand NUL contact → nothing: when a conversation has something to do (bridge.deciding)
call      id, 8 octets                              → a call that has not returned (bridge.deciding)
case      id, 8 octets                              → brand NUL contact: an open case (bridge.deciding)
evidence  number NUL brand NUL ordinal, 8 octets    → a link of a chain of evidence (bridge.evidence)
later     milliseconds and id, 8 octets each        → nothing: a message that may not leave before (bridge.scheduling)
input     number NUL brand NUL id, 8 octets         → values of an entry of the log (bridge.inputs)
figure    hour, 4 octets, words                     → total, 8 octets: what reports are made of (bridge.analytics)
hook      webhook NUL number NUL brand NUL id       → an event to be told (bridge.hooks)
dead      the same                                  → one that was given up
ruleset   version                                   → its files: what sessions that began by it need (bridge.pinned)
job       job NUL number NUL brand                  → id, 8 octets: what the job has made (bridge.deciding)
"""
SIDE_TABLES: Final[tuple[SideTable, ...]] = get_args(SideTable)


LogEntry = tuple[str | int | list[int] | dict[str, str] | None, ...]
"""One input of the committer, with what it led to; the first item says which, the rest refers to rows:

``("mo", id, [ids of its replies])``
    a text was decided
``("part", id)``
    a part of a long message came
``("again", id)``
    the carrier delivered an MO again
``("submit", id, part, status, message_id)``
    the answer to a submit_sm; status None: there was none, message_id says why
``("withdrawn", id)``
    a claim was taken back before anything left
``("receipt", id, part, state, error)``
    a delivery receipt; the state by number, or by the carrier's word if the specification has none for it
``("unknown", id)``
    no final receipt has come in time
``("opted out", id)``
    the carrier refused a message because the customer wants none; nothing more is sent to him
``("in doubt", id)``
    a claim of an earlier process without an outcome
``("link", name, state, detail)``
    a link changed its state
``("woken", brand, contact, [ids of replies])``
    the time of a conversation had come
``("call", brand, contact, id)``
    a call was recorded
``("called", brand, contact, id of the call, error, row of `input` or 0, [ids of replies])``
    it returned
``("asked", brand, contact, what, by whom, row of `input` or 0, [ids of replies])``
    somebody asked for something
"""


class StoreError(Exception):
    """The store cannot be opened or used; the text is one line with the mend."""


class StoreFull(StoreError):
    """There is no room: the disk is full, or the map has its maximum size. The turn was not committed."""


@dataclass(slots=True)
class Parked:
    """A receipt whose message_id no message of ours has: not yet, or, once it was waited for, not at all."""

    group: str
    message_id: str
    """Normalised for the link it came on; "" if none could be read."""
    state: int | str
    """message_state (SMPP v3.4 §5.2.28), or the carrier's word if the specification has none for it."""
    error: str
    received: float
    link: str
    pdu: bytes
    """The deliver_sm or data_sm, whole."""


class SessionRow(NamedTuple):
    """A bound session of a link."""

    name: str
    """Of the configured bind."""
    host: str
    """As configured, host:port."""
    address: str
    """That it is connected to."""
    role: str
    """"" for one that sends, "standby", or "receives" for one that cannot send."""


@dataclass(slots=True)
class LinkRow:
    """What the service says of one link, for those who look from outside."""

    name: str
    state: str
    """"bound", "partly bound", "connecting", "refused" or "stopped"."""
    since: float
    binds: int
    """Sessions bound now."""
    detail: str
    """The last error in one line, "" if all is well."""
    peer: str
    """The hosts on which it is bound, with the peer's system_id."""
    held: list[SessionRow] = field(default_factory=list)
    """The bound sessions."""


@dataclass(slots=True)
class Position:
    """How far the store has come; written with every commit."""

    next_id: int = 1
    """The id that the next message gets."""
    commit: int = 0
    """Ordinal of the last commit."""
    time: float = 0.0
    """When the last commit was made."""
    settled_below: int = 1
    """No message with a smaller id has an open claim, unless it is in the queue table."""
    expected: dict[str, float] = field(default_factory=dict)
    """By carrier group: MOs that came from this time on may be delivered again, for their connection has ended."""
    watched_below: int = 1
    """Of no message with a smaller id a receipt is missed, unless it is in the table `due`."""
    spent: dict[str, dict[str, tuple[float, int, int]]] = field(default_factory=dict)
    """By link and service number ("" for the link): (beginning of the day, submit_sm of that day, those of them for
    messages that we started), where there is a limit per day."""
    carrier: dict[str, tuple[float, str, int | None]] = field(default_factory=dict)
    """By link, where the carrier has been found to throttle: (submit_sm per second, 0.0 for any number; what its
    answers have shown, a word of `smppcore.adaptive.Verdict`; its last congestion_state)."""
    forgotten: dict[str, int] = field(default_factory=dict)
    """By retention time, in seconds: the words of messages with a smaller id are forgotten."""
    kept_from: int = 1
    """Messages with a smaller id have been let go."""
    log_until: int = 0
    """The log up to this commit has been let go."""


@dataclass(slots=True)
class Changes:
    """Everything one turn writes; committed as a whole or not at all."""

    position: Position = field(default_factory=Position)
    new_mos: list[Mo] = field(default_factory=list)
    """In ascending order of id, all above every id in the store."""
    mos: list[Mo] = field(default_factory=list)
    """Rows that exist already."""
    new_mts: list[Mt] = field(default_factory=list)
    mts: dict[int, Mt] = field(default_factory=dict)
    """Rows that exist already, by id."""
    conversations: dict[ContactKey, Conversation] = field(default_factory=dict)
    ids: list[tuple[IdKey, int, int]] = field(default_factory=list)
    """(key, message, part): which message of ours the SMSC calls so."""
    queued: list[Mt] = field(default_factory=list)
    """Messages to find again after a restart though they were not claimed when they were made."""
    unqueued: list[Mt] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    unparked: list[IdKey] = field(default_factory=list)
    unmatched: list[Parked] = field(default_factory=list)
    """Receipts of no message of ours: waited for in vain, or without a message_id that can be read."""
    forgotten: int = 0
    """So many of the oldest of those that are kept are let go."""
    due: list[tuple[float, int]] = field(default_factory=list)
    """(when, message): to be looked at again, as its receipt may be missed then."""
    undue: list[tuple[float, int]] = field(default_factory=list)
    assemblies: dict[bytes, bytes | None] = field(default_factory=dict)
    """Long messages still lacking parts, by key; None for one that is done with."""
    counters: dict[CounterKey, int] = field(default_factory=dict)
    """New totals."""
    links: list[LinkRow] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    """Numbers of customers who are forgotten: receipts without a message that name one are let go."""
    rows: dict[tuple[SideTable, bytes], bytes | None] = field(default_factory=dict)
    """Of the side tables; None for one that is taken out."""
    let_go: list[int] = field(default_factory=list)
    """Messages of either way that are not kept any longer, whatever else says of them here."""
    unnamed: list[IdKey] = field(default_factory=list)
    """message_ids of such messages."""
    log_until: int = 0
    """The log up to this commit is not kept any longer."""
    log: list[LogEntry] = field(default_factory=list)
    """What the turn took in, in the order in which it was applied."""


class Turn(Protocol):
    """One transaction. Reads see everything committed before it; leaving it without commit() changes nothing."""

    def conversations(self, keys: Sequence[ContactKey]) -> list[Conversation | None]:
        """Load the conversations of these contacts."""

    def correlate(self, keys: Sequence[IdKey]) -> list[tuple[int, int] | None]:
        """Return (message, part) for each of these message_ids."""

    def mts(self, ids: Sequence[int]) -> list[Mt | None]:
        """Load these messages."""

    def mos(self, ids: Sequence[int]) -> list[Mo | None]:
        """Load these inbound messages."""

    def parked(self, keys: Sequence[IdKey]) -> list[Parked | None]:
        """Load the receipts kept under these message_ids."""

    def parked_count(self) -> int:
        """Return how many receipts are kept."""

    def unmatched_count(self) -> int:
        """Return how many receipts of no message are kept."""

    def parked_page(self, after: IdKey | None, limit: int) -> list[Parked]:
        """Return kept receipts in order of their keys, from behind this one or from the first."""

    def queued(self, link: str, kind: int, after: int, limit: int) -> list[Mt]:
        """Return queued messages of a link with a greater id, ascending; kind: 0 control, 1 conversation, 2 started."""

    def open_claims(self, settled_below: int) -> list[Mt]:
        """Return messages that may have a claim open, from this id on; those in the queue are not among them."""

    def mts_from(self, start: int, limit: int) -> list[Mt]:
        """Return messages from this id on, ascending."""

    def due(self, limit: int) -> list[tuple[float, int]]:
        """Return the first entries of `due`, earliest first."""

    def recent_mos(self, links: frozenset[str], since: float, limit: int) -> Iterator[Mo]:
        """Return MOs of these links that came after this time, newest first."""

    def assemblies(self) -> list[tuple[bytes, bytes]]:
        """Return the long messages still lacking parts."""

    def counters(self, hour: int) -> dict[CounterKey, int]:
        """Return the totals of one hour."""

    def rows(self, table: SideTable, keys: Sequence[bytes]) -> list[bytes | None]:
        """Load rows of a side table."""

    def page(self, table: SideTable, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Return rows of a side table in order of their keys, from this key on."""

    def count(self, table: SideTable) -> int:
        """Return how many rows a side table has."""

    def log_before(self, time: float, limit: int) -> int:
        """Return the last of the first commits in the log, at most so many, that were made before a time; 0 if none."""

    def commit(self, changes: Changes) -> None:
        """Write everything and sync it to the disk.

        Raises:
            StoreFull: There is no room; nothing was written.
            StoreError: The disk failed; nothing was written.
        """


class Store(Protocol):
    """The writing side, held by one service at a time."""

    position: Position
    commit_seconds: float
    """How long the last commit took to reach the disk."""

    def turn(self) -> AbstractContextManager[Turn]:
        """Open the next turn; the caller has no other one open."""

    def used_share(self) -> float:
        """Return how much of the maximum size is used, 0.0 … 1.0."""

    def close(self) -> None:
        """Close it; every commit is on the disk already."""
