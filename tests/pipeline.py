"""The pipeline without a network: an engine on a store, a clock that is set, and a carrier made of a few methods."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from bridge.config import InDoubtConfig, LinkConfig, RetryConfig
from bridge.engine import Engine
from bridge.events import Arrivals, CapacityChanged, OpenCall, Outcomes, SessionBound, SessionLost, Withdrawn
from bridge.outbound import Outbound
from bridge.records import (
    Conversation,
    Mo,
    Mt,
    pack,
    unpack_conversation,
    unpack_mo,
    unpack_mt,
)
from bridge.rules.load import compile_rules
from bridge.rules.optout import built_in
from bridge.scheduling import later_key
from bridge.store import Changes, ContactKey, CounterKey, IdKey, LinkRow, LogEntry, Parked, Position, StoreError
from smppcore import constants
from smppcore.errors import LinkClosed, ResponseTimeout
from smppcore.events import Outcome
from smppcore.pdu import DataSM, DeliverSM, Pdu, SubmitSM, SubmitSMResp
from smppcore.receipt import format_receipt
from smppcore.text import TextProfile, encode_message, user_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.events import Effects, Event
    from bridge.rules import Ruleset
    from bridge.store import SideTable, Store
    from smppcore.link import Link
    from smppcore.text import LongForm

NUMBER = b"60606"
CONTACT = b"15550001234"
START = 1_800_000_000.0

RULES = """\
version = "3"
[brand.acme]
name = "Acme"
country = "US"
languages = ["en"]
help_contact = "help@acme.example"
numbers = ["60606", "70707"]
[[keyword]]
words = ["hours"]
reply = "hours"
[[keyword]]
words = ["thanks"]
reply = "none"
[[pattern]]
name = "echo"
regex = '(?is)^echo (?P<what>.*)$'
reply = "echo"
[template.hours]
en = "8-18"
[template.echo]
en = "{what}"
[template.which]
en = "which?"
[conversation]
idle_close = "1h"
unmatched = { first = "which", second = "escalate" }
"""


def rules(text: str = RULES) -> Ruleset:
    """Compile rules: "hours" and "echo …" are answered, "thanks" is not; number 60606 is the brand acme's."""
    return compile_rules([("rules.toml", text)], built_in())


def link(name: str = "a", **options: object) -> LinkConfig:
    """Make a link's configuration; its group is its name unless given."""
    options.setdefault("group", name)
    return replace(LinkConfig(name=name, password="x"), **options)  # type: ignore[arg-type]


def retry(initial: float = 5.0, maximum: float = 300.0, max_age: float = 86400.0) -> RetryConfig:
    return RetryConfig(initial, maximum, max_age)


def in_doubt(reply: str) -> InDoubtConfig:
    return InDoubtConfig(reply=reply)  # type: ignore[arg-type]


class MemoryTurn:
    """One transaction on a MemoryStore."""

    def __init__(self, store: MemoryStore) -> None:
        self._s = store

    def conversations(self, keys: Sequence[ContactKey]) -> list[Conversation | None]:
        held = self._s.conversation
        return [unpack_conversation(held[key]) if key in held else None for key in keys]

    def correlate(self, keys: Sequence[IdKey]) -> list[tuple[int, int] | None]:
        return [self._s.ids.get(key) for key in keys]

    def mts(self, ids: Sequence[int]) -> list[Mt | None]:
        return [unpack_mt(self._s.mt[n]) if n in self._s.mt else None for n in ids]

    def mos(self, ids: Sequence[int]) -> list[Mo | None]:
        return [unpack_mo(self._s.mo[n]) if n in self._s.mo else None for n in ids]

    def parked(self, keys: Sequence[IdKey]) -> list[Parked | None]:
        return [self._s.parked.get(key) for key in keys]

    def parked_count(self) -> int:
        return len(self._s.parked)

    def unmatched_count(self) -> int:
        return len(self._s.unmatched)

    def parked_page(self, after: IdKey | None, limit: int) -> list[Parked]:
        return [p for key, p in sorted(self._s.parked.items()) if after is None or key > after][:limit]

    def queued(self, link: str, kind: int, after: int, limit: int) -> list[Mt]:
        ids = sorted(n for name, k, n in self._s.queue if (name, k) == (link, kind) and n > after)
        return [unpack_mt(self._s.mt[n]) for n in ids[:limit]]

    def open_claims(self, settled_below: int) -> list[Mt]:
        rows = [unpack_mt(data) for n, data in sorted(self._s.mt.items()) if n >= settled_below]
        return [row for row in rows if row.claim and _queue_key(row) not in self._s.queue]

    def mts_from(self, start: int, limit: int) -> list[Mt]:
        return [unpack_mt(data) for n, data in sorted(self._s.mt.items()) if n >= start][:limit]

    def due(self, limit: int) -> list[tuple[float, int]]:
        return sorted(self._s.due)[:limit]

    def recent_mos(self, links: frozenset[str], since: float, limit: int) -> Iterator[Mo]:
        for _, data in sorted(self._s.mo.items(), reverse=True):
            row = unpack_mo(data)
            if row.time < since or limit <= 0:
                return
            if row.link in links:
                limit -= 1
                yield row

    def assemblies(self) -> list[tuple[bytes, bytes]]:
        return sorted(self._s.assembly.items())

    def counters(self, hour: int) -> dict[CounterKey, int]:
        return {key: n for key, n in self._s.counter.items() if key[0] == hour}

    def rows(self, table: SideTable, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._s.side.get((table, key)) for key in keys]

    def count(self, table: SideTable) -> int:
        return sum(name == table for name, _ in self._s.side)

    def log_before(self, time: float, limit: int) -> int:
        first = itertools.takewhile(lambda row: row[1][0] < time, list(self._s.log.items())[:limit])
        return max((commit for commit, _ in first), default=0)

    def page(self, table: SideTable, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        rows = sorted((key, value) for (name, key), value in self._s.side.items() if name == table and key >= start)
        return rows[:limit]

    def commit(self, changes: Changes) -> None:
        if self._s.failures:
            raise self._s.failures.pop(0)
        self._s.apply(changes)


class MemoryStore:
    """A store in dictionaries, of octets where the real one has octets; `failures` are raised by the next commits."""

    def __init__(self) -> None:
        self.position = Position()
        self.mo: dict[int, bytes] = {}
        self.mt: dict[int, bytes] = {}
        self.conversation: dict[ContactKey, bytes] = {}
        self.ids: dict[IdKey, tuple[int, int]] = {}
        self.queue: set[tuple[str, int, int]] = set()
        self.parked: dict[IdKey, Parked] = {}
        self.unmatched: list[Parked] = []
        self.due: set[tuple[float, int]] = set()
        self.assembly: dict[bytes, bytes] = {}
        self.counter: dict[CounterKey, int] = {}
        self.link: dict[str, LinkRow] = {}
        self.log: dict[int, tuple[float, list[LogEntry]]] = {}
        self.side: dict[tuple[SideTable, bytes], bytes] = {}
        self.failures: list[StoreError] = []
        self.share = 0.0
        self.commit_seconds = 0.0

    @contextmanager
    def turn(self) -> Iterator[MemoryTurn]:
        yield MemoryTurn(self)

    def used_share(self) -> float:
        return self.share

    def close(self) -> None:
        pass

    def apply(self, c: Changes) -> None:
        fresh = [m.id for m in c.new_mos], [m.id for m in c.new_mts]
        for ids, held in zip(fresh, (self.mo, self.mt), strict=True):
            assert ids == sorted(set(ids))
            assert not ids or ids[0] > max(held, default=0)
        self.mo.update((m.id, pack(m)) for m in [*c.new_mos, *c.mos])
        self.mt.update((m.id, pack(m)) for m in [*c.new_mts, *c.mts.values()])
        self.conversation.update((key, pack(value)) for key, value in c.conversations.items())
        self.ids.update((key, (n, part)) for key, n, part in c.ids)
        self.queue |= {_queue_key(m) for m in c.queued}
        self.queue -= {_queue_key(m) for m in c.unqueued}
        self.parked.update(((p.group, p.message_id), p) for p in c.parked)
        for key in c.unparked:
            self.parked.pop(key, None)
        self.unmatched = self.unmatched[c.forgotten :] + c.unmatched
        for number in c.erased:
            self.parked = {key: p for key, p in self.parked.items() if number.encode() not in p.pdu}
            self.unmatched = [p for p in self.unmatched if number.encode() not in p.pdu]
        self.due = (self.due - set(c.undue)) | set(c.due)
        for name, value in c.assemblies.items():
            if value is None:
                self.assembly.pop(name, None)
            else:
                self.assembly[name] = value
        self.counter.update(c.counters)
        self.link.update((row.name, row) for row in c.links)
        for gone in c.let_go:
            self.mo.pop(gone, None)
            self.mt.pop(gone, None)
        for key in c.unnamed:
            self.ids.pop(key, None)
        self.log = {commit: row for commit, row in self.log.items() if commit > c.log_until}
        self.side.update((key, value) for key, value in c.rows.items() if value is not None)
        for key_ in [key for key, value in c.rows.items() if value is None]:
            self.side.pop(key_, None)
        assert c.position.commit == self.position.commit + 1
        self.position = c.position
        if c.log:
            self.log[c.position.commit] = c.position.time, list(c.log)


def _queue_key(m: Mt) -> tuple[str, int, int]:
    return m.link, 0 if m.control else 1 if m.mo else 2, m.id


class Wire:
    """Stands for the link of one session: keeps what is answered."""

    def __init__(self) -> None:
        self.responses: list[Pdu] = []

    def respond(self, responses: Sequence[Pdu]) -> None:
        self.responses += responses

    def statuses(self) -> list[int]:
        """Return the statuses of the answers since the last call."""
        found = [response.command_status for response in self.responses]
        self.responses.clear()
        return found


def text(
    body: bytes | str, source: bytes = CONTACT, number: bytes = NUMBER, esm_class: int = 0, data_coding: int = 0
) -> DeliverSM:
    """Make a deliver_sm with a text."""
    octets = body.encode("ascii") if isinstance(body, str) else body
    return DeliverSM(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=source,
        dest_addr_ton=3,
        destination_addr=number,
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=octets,
        sequence_number=7,
    )


def part(number: int, total: int, body: bytes, reference: int = 9, source: bytes = CONTACT) -> DeliverSM:
    """Make a deliver_sm with a part of a long text, by UDH."""
    return text(bytes((5, 0, 3, reference, total, number)) + body, source, esm_class=0x40)


def parts_of(words: str, reference: int, form: LongForm = "udh8", source: bytes = CONTACT) -> list[DeliverSM]:
    """Make the deliver_sm of a text as a carrier would."""
    encoded = encode_message(words, TextProfile(long_form=form))
    pdus = []
    for number in range(len(encoded.parts)):
        flags, octets, tlvs = user_data(encoded, number, reference)
        pdu = text(octets, source, esm_class=flags, data_coding=encoded.data_coding)
        pdu.tlvs = tlvs
        pdus.append(pdu)
    return pdus


def receipt(message_id: bytes, state: int = constants.STATE_DELIVERED, error: str = "000") -> DeliverSM:
    """Make a deliver_sm with a delivery receipt in the form of SMPP v3.4 Appendix B."""
    body = format_receipt(message_id.decode(), state, submitted=START, done=START, error=error)
    return text(body, esm_class=0x04)


class Bridge:
    """An engine with what surrounds it; one session on each link.

    Args:
        links: Configurations; the first is the one that methods mean unless told otherwise.
        store: A MemoryStore if left out.
        ruleset: `rules()` if left out.
        capacity: Of each link, as a bound session gives it.
        retain: Seconds that messages are kept.
    """

    def __init__(
        self,
        *links: LinkConfig,
        store: Store | None = None,
        ruleset: Ruleset | None = None,
        now: float = START,
        capacity: int = 50,
        retain: float = 0.0,
    ) -> None:
        self.retain = retain
        self.links = links or (link(),)
        self.name = self.links[0].name
        self.rules = ruleset if ruleset is not None else rules()
        self.store: Store = store if store is not None else MemoryStore()
        self.now = now
        self.capacity = capacity
        self.begin()

    def begin(self, *, bind: bool = True) -> None:
        """Start, or start anew after a kill: only the store is left."""
        self.wire = Wire()
        self.outbound = {config.name: Outbound(config) for config in self.links}
        self._revoked: list[Event] = []
        self.engine = Engine(self.store, self.rules, self.links, self.now, retain=self.retain)
        self.take_over(self.engine.start(self.now))
        if bind:
            self.turn(*(CapacityChanged(config.name, self.capacity) for config in self.links))

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store

    def turn(self, *events: Event) -> Effects:
        """Do one turn and what it sets free."""
        waiting, self._revoked = self._revoked, []
        effects = self.engine.turn([*waiting, *events], self.now)
        self.take_over(effects)
        return effects

    def take_over(self, effects: Effects) -> None:
        for connection, responses in effects.responses:
            connection.respond(responses)
        for outbound in self.outbound.values():
            flights = outbound.revoke(effects.revoked)
            if flights:
                self._revoked.append(Withdrawn(flights, suppressed=True))
        for flight in effects.flights:
            self.outbound[flight.mt.link].add([flight])

    # -- what the carrier does

    def arrivals(self, *pdus: DeliverSM | DataSM, name: str = "") -> Arrivals:
        return Arrivals(name or self.name, cast("Link", self.wire), list(pdus), self.now)

    def deliver(self, *pdus: DeliverSM | DataSM, name: str = "") -> Effects:
        """One read with these requests, and the turn for it."""
        return self.turn(self.arrivals(*pdus, name=name))

    def send(self, body: str) -> list[SubmitSM]:
        """Have the contact write this; return the submit_sm's of the reply as they leave."""
        self.deliver(text(body))
        return self.submits()

    def send_for_calls(self, body: str) -> list[OpenCall]:
        """Have the contact write this; return the calls that it leads to."""
        return self.deliver(text(body)).calls

    def submits(self, room: int = 1000, name: str = "") -> list[SubmitSM]:
        """Return what the writer of the one session takes."""
        return list(self.outbound[name or self.name].take(cast("Link", self.wire), room))

    def reply_texts(self) -> list[bytes]:
        """Take everything that may leave and return its user data."""
        return [pdu.short_message for pdu in self.submits()]

    def answers(self, *outcomes: Outcome, name: str = "") -> Outcomes:
        return Outcomes(name or self.name, list(outcomes))

    def lose_session(self, name: str = "") -> list[Event]:
        """Return the events of a session that ends with nothing outstanding."""
        name = name or self.name
        events: list[Event] = [SessionLost(name, self.now)]
        flights = self.outbound[name].session_lost(cast("Link", self.wire), last=True)
        if flights:
            events.append(Withdrawn(flights, suppressed=False))
        return [*events, CapacityChanged(name, 0)]

    def rebind(self, name: str = "") -> list[Event]:
        name = name or self.name
        return [SessionBound(name, self.now), CapacityChanged(name, self.capacity)]

    # -- what is stored

    def mos(self) -> list[Mo]:
        with self.store.turn() as turn:
            return [mo for mo in turn.mos(range(1, self.engine.position.next_id)) if mo is not None]

    def mts(self) -> list[Mt]:
        with self.store.turn() as turn:
            return [mt for mt in turn.mts(range(1, self.engine.position.next_id)) if mt is not None]

    def mt(self) -> Mt:
        """Return the only message that was sent."""
        (row,) = self.mts()
        return row

    def mo(self) -> Mo:
        """Return the only inbound message."""
        (row,) = self.mos()
        return row

    def count(self, what: str) -> int:
        return sum(n for (_, _, name), n in self.memory.counter.items() if name == what)


def accepted(pdu: SubmitSM, message_id: bytes, *, late: bool = False) -> Outcome:
    return Outcome(pdu, SubmitSMResp(message_id), late=late)


def refused(pdu: SubmitSM, status: int) -> Outcome:
    return Outcome(pdu, SubmitSMResp(command_status=status))


def timed_out(pdu: SubmitSM) -> Outcome:
    return Outcome(pdu, None, ResponseTimeout(1, 30.0))


def cut_off(pdu: SubmitSM) -> Outcome:
    return Outcome(pdu, None, LinkClosed("the peer closed the connection"))


def check(bridge: Bridge) -> None:
    """Assert what must hold between any two turns, of the rows and of the memory."""
    store = bridge.memory
    mos, mts = {m.id: m for m in bridge.mos()}, bridge.mts()
    assert not mos.keys() & {m.id for m in mts}
    outcomes = sum(n for (_, _, what), n in store.counter.items() if what.startswith("mo.") and what in _OUTCOMES)
    assert outcomes == len(mos)
    for mt in mts:
        queued = _queue_key(mt) in store.queue
        if ("later", later_key(mt)) in store.side:
            assert mt.state in {"queued", "sent"}
            assert not queued
            assert not mt.claim
            continue
        assert mt.mo in mos or not mt.mo
        assert not queued or mt.state in {"queued", "sent"}, mt
        assert queued or mt.state != "queued", mt
        assert queued or mt.claim or mt.in_doubt or mt.state != "sent", mt
        assert not mt.claim or queued or mt.id >= store.position.settled_below, mt
        assert bool(mt.claim) == (mt.id in bridge.engine.outbox.flights), mt
    finals = sum(bridge.count("mt." + state) for state in _FINAL)
    assert finals == sum(mt.state in _FINAL for mt in mts)
    for name, queue in bridge.engine.outbox.links.items():
        claimed = [f for f in bridge.engine.outbox.flights.values() if f.mt.link == name]
        assert queue.in_air == sum(f.claimed for f in claimed)


_FINAL = ("unknown", "delivered", "undeliverable", "expired", "deleted", "rejected", "suppressed", "failed")
_OUTCOMES = {
    f"mo.{word}"
    for word in ("replied", "flow", "escalated", "control", "silent", "called", "suppressed", "rejected", "pending")
}


def run_dry(bridge: Bridge, first_id: int = 1) -> list[bytes]:
    """Let the carrier accept everything until nothing is left to send; return the user data in order."""
    sent: list[bytes] = []
    number = first_id
    while pdus := bridge.submits():
        outcomes = []
        for pdu in pdus:
            sent.append(pdu.short_message)
            outcomes.append(accepted(pdu, b"%010d" % number))
            number += 1
        bridge.turn(bridge.answers(*outcomes))
    return sent
