"""One turn: every waiting event, decided and committed as one transaction.

The order inside a turn is fixed: outcomes of what we sent, then what arrived, then decisions (a contact's messages in
sequence), then receipts, then the outbox. So a receipt finds the message_id that came in the same read, and a STOP
suppresses the replies decided just before it. Nothing here touches a socket or reads a clock; what must happen outside
is returned as Effects, once the commit is done.

If the commit fails, the caller has the memory rebuilt from the store (`State.recall`) and gives the outcomes again
later.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from bridge.assembly import Assembly, add_part, joined, pack_key
from bridge.delivery import (
    ACCEPTED,
    FAILED,
    RETRY,
    Flight,
    accept,
    apply_receipt,
    finish,
    judge,
    name_part,
    part_accepted,
    part_failed,
    part_in_doubt,
    part_refused,
    retry_delay,
)
from bridge.dispatch import may_send
from bridge.events import (
    Arrivals,
    CapacityChanged,
    Effects,
    LinkChanged,
    Outcomes,
    SessionBound,
    SessionLost,
    Withdrawn,
)
from bridge.outbox import PAGE
from bridge.records import FINAL_STATES, Conversation, Mo, Mt
from bridge.redelivery import MoKey, keys_of
from bridge.rules import Inbound, decide
from bridge.store import Changes, Parked, Position
from smppcore import constants
from smppcore.errors import LocalProtocolError, ResponseTimeout
from smppcore.pdu import DeliverSM, DeliverSMResp, SubmitSMResp, response_to
from smppcore.receipt import STATE_OUTCOME, normalise_id, parse_receipt
from smppcore.text import decode_text, encode_message
from smppcore.udh import Concatenation, concatenation_from_sar
from smppcore.udh import parse as parse_udh

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.assembly import AssemblyKey
    from bridge.events import Event
    from bridge.outbox import LinkQueue
    from bridge.state import State
    from bridge.store import ContactKey, IdKey, Turn
    from smppcore.pdu import Pdu
    from smppcore.receipt import Receipt
    from smppcore.session import Outcome
    from smppcore.text import Encoded

_ESM_TYPE = 0x3C
_ESM_RECEIPTS = (0x04, 0x20)
_ESM_UDHI = 0x40
_NO_RESPONSE = "no_response"

PARKED_TTL = 3600.0
"""Seconds for which a receipt without a message is kept: its submit_sm_resp cannot be on the way any longer."""
PARKED_CHECK = 60.0


class TurnWork:
    """The work of one turn: made for it, run once, thrown away."""

    def __init__(self, state: State, store: Turn, now: float, *, refuse_texts: bool) -> None:
        self.state = state
        self.outbox = state.outbox
        self.store = store
        self.now = now
        self.refuse_texts = refuse_texts
        self.changes = Changes()
        self.effects = Effects()
        self.landed: list[Flight] = []
        self.next_id = state.position.next_id
        self.first_id = self.next_id
        self._texts: list[tuple[Mo, str, LinkQueue]] = []
        self._receipts: list[tuple[LinkQueue, Receipt]] = []
        self._unanswered: dict[str, dict[MoKey, Mo]] = {}
        self._contexts: dict[ContactKey, Conversation | None] = {}
        self._replies: list[tuple[Mt, Encoded]] = []
        self._pending_mos: dict[int, Mo] = {}
        self._redelivered: dict[int, Mo] = {}
        self._absorbed: list[tuple[str, MoKey, Mo]] = []
        self._lost: list[SessionLost] = []
        self._parked: dict[IdKey, Parked] = {}
        self._any_parked = store.parked_count() > 0
        self._early: list[tuple[int, Parked]] = []

    def recover(self) -> None:
        """Judge the claims that an earlier process left without an outcome: they are in doubt (invariant 2)."""
        for row in self.store.open_claims(self.state.position.settled_below):
            self.changes.mts[row.id] = row
            if row.link not in self.outbox.links:
                # It waits in the queue until its link is configured again.
                row.in_doubt = True
                row.claim = 0.0
                self.changes.queued.append(row)
                continue
            self._in_doubt(row, None)
            if self._resends(row):
                self.changes.queued.append(row)
                self.outbox.load(row, self.now)

    def run(self, events: Iterable[Event]) -> Effects:
        """Do everything and commit it.

        Raises:
            StoreError: Nothing was committed; the memory of the outbox is no longer true.
        """
        arrivals: list[Arrivals] = []
        for event in events:
            if isinstance(event, Arrivals):
                arrivals.append(event)
            elif isinstance(event, Outcomes):
                self._outcomes(event)
            else:
                self._other(event)
        for arrival in arrivals:
            self._arrived(arrival)
        self._overdue_assemblies()
        for loss in self._lost:
            self._expect_again(loss)
        if self._texts:
            self._decide_all()
        if self._receipts:
            self._match_receipts()
        self._forget_parked()
        for queue in self.outbox.links.values():
            # Before the new replies: what the store's queue will hold only with this commit cannot be loaded yet.
            self._load_page(queue)
        self._schedule_replies()
        self._refill()
        self._commit()
        return self.effects

    def undo(self, events: Iterable[Event]) -> None:
        """Nothing was committed: make these events fit to be given once more, and what was absorbed to come again."""
        for event in events:
            if isinstance(event, Outcomes):
                for outcome in event.outcomes:
                    context = outcome.request.context
                    if isinstance(context, tuple) and not outcome.late:
                        flight, part = context
                        flight.open |= 1 << part
            elif isinstance(event, Withdrawn):
                for flight in event.flights:
                    flight.open |= sum(1 << part for part in flight.todo)
        for group, key, mo in self._absorbed:
            self.state.redelivery[group].not_absorbed(key, mo)

    # ---------------------------------------------------------------- small things

    def _count(self, link: str, what: str, n: int = 1) -> None:
        key = (link, what)
        tally = self.effects.tally
        tally[key] = tally.get(key, 0) + n

    def _new_id(self) -> int:
        n = self.next_id
        self.next_id = n + 1
        return n

    def _other(self, event: Event) -> None:
        state = self.state
        if isinstance(event, Withdrawn):
            for flight in event.flights:
                self._withdrawn(flight, suppressed=event.suppressed)
        elif isinstance(event, CapacityChanged):
            self.outbox.links[event.link].capacity = event.capacity
        elif isinstance(event, SessionLost):
            config = self.outbox.links[event.link].config
            since = event.time - config.response_timeout
            links = state.group_links[config.group]
            state.redelivery[config.group].connection_ended(
                (event.link, event.time), since, self.store.recent_mos(links, since, 1_000_000)
            )
            self._lost.append(event)
        elif isinstance(event, SessionBound):
            state.redelivery[self.outbox.links[event.link].config.group].bound(event.time)
        elif isinstance(event, LinkChanged):
            row = event.row
            self.changes.links.append(row)
            self.changes.log.append(("link", row.name, row.state, row.detail))

    def _expect_again(self, loss: SessionLost) -> None:
        """What this turn takes may not have been answered when the connection ended: it is not in the store yet."""
        group = self.outbox.links[loss.link].config.group
        links = self.state.group_links[group]
        mos = [mo for mo in (*self.changes.new_mos, *self.changes.mos) if mo.link in links and mo.time <= loss.time]
        self.state.redelivery[group].also((loss.link, loss.time), mos)

    # ---------------------------------------------------------------- what became of our submit_sm's

    def _outcomes(self, event: Outcomes) -> None:
        queue = self.outbox.links[event.link]
        flights, log, mts = self.outbox.flights, self.changes.log, self.changes.mts
        for outcome in event.outcomes:
            context = outcome.request.context
            if not isinstance(context, tuple):
                continue
            flight, part = context
            mt = flight.mt
            if outcome.late or mt.id not in flights or not flight.open >> part & 1:
                self._late(queue, flight, part, outcome)
                continue
            response = outcome.response
            if type(response) is SubmitSMResp and response.command_status == 0:
                message_id = response.message_id.decode("latin-1")
                part_accepted(flight, part, message_id)
                self._name_part(queue, mt, part, message_id)
                log.append(("submit", mt.id, part, 0, message_id))
            else:
                self._not_accepted(flight, part, outcome)
            if flight.open == 0:
                self._landed(queue, flight)
            if self._early:
                self._apply_early(mt)
            mts[mt.id] = mt

    def _not_accepted(self, flight: Flight, part: int, outcome: Outcome) -> None:
        mt, response, log = flight.mt, outcome.response, self.changes.log
        if response is not None:
            # An answer of another type with status 0 says nothing of the message.
            status = response.command_status or constants.ESME_RSYSERR
            part_failed(flight, part, status)
            log.append(("submit", mt.id, part, status, ""))
            self._count(mt.link, "submit." + constants.status_name(status))
        elif isinstance(outcome.error, LocalProtocolError):
            part_refused(flight, part, f"not sendable: {outcome.error}")
            log.append(("submit", mt.id, part, None, "not sendable"))
        else:
            why = _NO_RESPONSE if isinstance(outcome.error, ResponseTimeout) else "link_lost"
            part_in_doubt(flight, part, why)
            log.append(("submit", mt.id, part, None, why))
            self._count(mt.link, "submit." + why)

    def _name_part(self, queue: LinkQueue, mt: Mt, part: int, message_id: str) -> None:
        """Make the message findable by what the SMSC called it; settle a receipt that came first."""
        if not message_id:
            self.effects.incidents.append(
                f"link {mt.link}: submit_sm_resp without message_id: its receipt cannot be matched"
            )
            return
        config = queue.config
        kind = config.message_id.response
        key = (config.group, message_id if kind == "text" else normalise_id(message_id, kind))
        self.changes.ids.append((key, mt.id, part))
        if self._any_parked:
            parked = self.store.parked([key])[0]
            if parked is not None:
                self.changes.unparked.append(key)
                self._early.append((part, parked))

    def _apply_early(self, mt: Mt) -> None:
        """Apply receipts that came before their response, once the response itself was."""
        for part, parked in self._early:
            self._receipt(mt, part, parked.state, parked.error)
        self._early.clear()

    def _landed(self, queue: LinkQueue, flight: Flight) -> None:
        """Every part has its answer: decide what becomes of the message."""
        mt, now = flight.mt, self.now
        self.landed.append(flight)
        queue.in_air -= flight.claimed
        if mt.receipts and judge(mt, now):
            # A receipt for another part was faster than the last answer: nothing of it needs to be sent again.
            self._leave(flight)
        elif flight.fate == ACCEPTED:
            accept(mt, now)
            self._leave(flight)
            return
        elif flight.fate == FAILED:
            finish(mt, "failed", now)
            self._leave(flight)
        elif flight.fate == RETRY:
            if now - mt.created > queue.max_age:
                finish(mt, "failed", now, "too_old")
                self._leave(flight)
            else:
                retry = queue.config.retry
                delay = retry_delay(mt.attempts, throttled=flight.throttled, initial=retry.initial, maximum=retry.max)
                self._again(flight, now + delay)
        else:
            self._in_doubt(mt, flight)
        if mt.state in FINAL_STATES:
            self._count(mt.link, "mt." + mt.state)

    def _in_doubt(self, mt: Mt, flight: Flight | None) -> None:
        """A submit_sm has no answer (invariant 8): resend, hold or fail, as the link says."""
        config = self.outbox.links[mt.link].config
        policy = config.in_doubt.reply if mt.mo else config.in_doubt.started
        mt.in_doubt = True
        if flight is None:
            self.changes.log.append(("in doubt", mt.id))
        self._count(mt.link, "mt.in_doubt")
        if policy == "resend":
            if flight is None:
                mt.claim = 0.0
            else:
                # On a live session the SMSC is slow, not gone: no hurry to send it again.
                self._again(flight, self.now + (config.retry.initial if mt.error == _NO_RESPONSE else 0.0))
            return
        mt.claim = mt.next_try = 0.0
        if policy == "fail":
            finish(mt, "failed", self.now, "in_doubt")
            if flight is None:
                self._count(mt.link, "mt.failed")
        if flight is not None:
            self._leave(flight)

    def _again(self, flight: Flight, at: float) -> None:
        if not flight.queued:
            self.changes.queued.append(flight.mt)
        self.outbox.retry(flight.mt, at)

    def _leave(self, flight: Flight) -> None:
        if flight.queued:
            self.changes.unqueued.append(flight.mt)
        self.outbox.leave(flight.mt, self.now)

    def _late(self, queue: LinkQueue, flight: Flight, part: int, outcome: Outcome) -> None:
        """An answer after the message was given up on: it still says that the SMSC has it."""
        response = outcome.response
        if not isinstance(response, SubmitSMResp) or response.command_status:
            return
        row = self._row(flight.mt.id)
        if row is None:
            return
        message_id = response.message_id.decode("latin-1")
        self._name_part(queue, row, part, message_id)
        self.changes.log.append(("submit", row.id, part, 0, message_id))
        if row.claim == 0.0 and row.state == "sent":
            name_part(row, part, message_id)
            if None not in row.message_ids:
                row.in_doubt = False
                accept(row, self.now)
                self.changes.unqueued.append(row)
                self.outbox.settle(row, self.now)
                if judge(row, self.now):
                    self._count(row.link, "mt." + row.state)
        self._apply_early(row)
        self.changes.mts[row.id] = row

    def _withdrawn(self, flight: Flight, *, suppressed: bool) -> None:
        """A claim, or the rest of one, that no session was given."""
        mt = flight.mt
        if mt.id not in self.outbox.flights:
            return
        queue = self.outbox.links[mt.link]
        self.changes.mts[mt.id] = mt
        for part in flight.todo:
            flight.open &= ~(1 << part)
        if flight.sent:
            flight.fate = RETRY if flight.fate == ACCEPTED else flight.fate
            if flight.open == 0:
                self._landed(queue, flight)
            return
        self.landed.append(flight)
        self.changes.log.append(("withdrawn", mt.id))
        queue.in_air -= flight.claimed
        mt.attempts -= 1
        if suppressed:
            finish(mt, "suppressed", self.now, "opted_out")
            self._count(mt.link, "mt.suppressed")
            self._leave(flight)
            return
        if mt.attempts == 0:
            mt.state = "queued"
        self._again(flight, self.now)

    def _row(self, mt_id: int) -> Mt | None:
        """Return the one object of this turn for a message."""
        row = self.changes.mts.get(mt_id)
        if row is None:
            loaded = self.store.mts([mt_id])[0]
            if loaded is None:
                return None
            row = self.outbox.find(loaded)
        return row

    # ---------------------------------------------------------------- what arrived

    def _arrived(self, event: Arrivals) -> None:
        queue = self.outbox.links[event.link]
        config = queue.config
        group = config.group
        unanswered = self._unanswered.setdefault(group, {})
        expecting = bool(self.state.redelivery[group])
        responses: list[Pdu] = []
        for pdu in event.pdus:
            esm_class: int = pdu.esm_class  # type: ignore[attr-defined]
            if type(pdu) is DeliverSM:
                responses.append(DeliverSMResp(sequence_number=pdu.sequence_number))
            else:
                responses.append(response_to(pdu))
            if esm_class and esm_class & _ESM_TYPE in _ESM_RECEIPTS:
                receipt = parse_receipt(pdu)  # type: ignore[arg-type]
                if receipt is not None:
                    self._receipts.append((queue, receipt))
                    continue
            body: bytes = pdu.short_message if type(pdu) is DeliverSM else b""
            if not body and pdu.tlvs:
                body = pdu.tlv(constants.TAG_MESSAGE_PAYLOAD) or b""
            source: str = pdu.source_addr.decode("latin-1")  # type: ignore[attr-defined]
            destination: str = pdu.destination_addr.decode("latin-1")  # type: ignore[attr-defined]
            data_coding: int = pdu.data_coding  # type: ignore[attr-defined]
            key = (source, destination, esm_class, data_coding, body)
            first = unanswered.get(key)
            if first is not None:
                first.redelivered += 1
                self.changes.log.append(("again", first.id))
                self._count(event.link, "mo.redelivered")
                continue
            if expecting and self._came_before(group, key):
                self._count(event.link, "mo.redelivered")
                continue
            if self.refuse_texts:
                responses[-1] = response_to(pdu, constants.ESME_RX_T_APPN)
                self._count(event.link, "mo.refused")
                continue
            if esm_class & _ESM_UDHI or pdu.tlvs:
                place, octets = _place_of(pdu, esm_class, body)
                if place is not None:
                    self._count(event.link, "parts")
                    unanswered[key] = self._part(queue, event.time, pdu, key, place, octets)
                    continue
            else:
                octets = body
            mo = Mo(
                self.next_id,
                event.time,
                event.link,
                source,
                destination,
                "",
                "",
                "",
                "",
                "",
                0,
                "",
                esm_class,
                data_coding,
                _addressing(pdu),
            )
            self.next_id += 1
            unanswered[key] = mo
            self.changes.new_mos.append(mo)
            self._read(mo, queue, octets, (body,))
        self.effects.responses.append((event.connection, responses))

    def _read(self, mo: Mo, queue: LinkQueue, octets: bytes, bodies: tuple[bytes, ...]) -> None:
        """Decode a whole message and put it in line for a decision; what is no text is kept whole and not answered."""
        text = decode_text(octets, mo.data_coding, queue.alphabet)
        if text is None:
            mo.bodies = bodies
            mo.outcome = "silent"
            mo.layer = "silent"
            mo.detail = "not a text"
            self.changes.log.append(("mo", mo.id, []))
            return
        mo.text = text
        if len(bodies) > 1 or not text.isascii() or text.encode() != bodies[0]:
            mo.bodies = bodies
        self._texts.append((mo, text, queue))

    def _came_before(self, group: str, key: MoKey) -> bool:
        """Absorb a message that the carrier delivers again (invariant 9)."""
        redelivery = self.state.redelivery[group]
        for mo_id in redelivery.candidates(key, self.now):
            known = self._pending_mos.get(mo_id) or self._redelivered.get(mo_id)
            mo = known or self.store.mos([mo_id])[0]
            if mo is not None and key in keys_of(mo):
                redelivery.absorbed(key, mo, self.now)
                self._absorbed.append((group, key, mo))
                mo.redelivered += 1
                if known is None:
                    self._redelivered[mo_id] = mo
                    self.changes.mos.append(mo)
                self.changes.log.append(("again", mo.id))
                return True
        return False

    def _part(self, queue: LinkQueue, time: float, pdu: Pdu, key: MoKey, place: Concatenation, octets: bytes) -> Mo:
        """Take one part of a long message; the last one makes it a text like any other."""
        assemblies = self.state.assemblies
        name: AssemblyKey = (
            queue.config.group,
            key[0],
            key[1],
            place.reference,
            place.reference_bits,
            place.total,
        )
        assembly = assemblies.get(name)
        if assembly is not None and not add_part(assembly, place.sequence, octets, key[4]):
            self._join(name, assembly, queue, partial=True)
            assembly = None
        if assembly is None:
            mo = Mo(self._new_id(), time, queue.config.name, key[0], key[1], "", "pending")
            mo.esm_class, mo.data_coding, mo.addressing = key[2], key[3], _addressing(pdu)
            self.changes.new_mos.append(mo)
            self._pending_mos[mo.id] = mo
            assembly = Assembly(mo.id, queue.config.name, time, mo.esm_class, mo.data_coding, mo.addressing)
            add_part(assembly, place.sequence, octets, key[4])
            assemblies[name] = assembly
        else:
            mo = self._pending_mo(assembly)
        self.changes.log.append(("part", mo.id))
        mo.bodies = joined(assembly)[1]
        if len(assembly.parts) == place.total:
            self._join(name, assembly, queue, partial=False)
        else:
            self.changes.assemblies[pack_key(name)] = assembly.pack()
        return mo

    def _pending_mo(self, assembly: Assembly) -> Mo:
        """Return the row of a message that lacks parts; it is written with this turn."""
        mo = self._pending_mos.get(assembly.mo)
        if mo is None:
            mo = self._redelivered.get(assembly.mo)
            if mo is None:
                mo = self.store.mos([assembly.mo])[0]
                if mo is None:
                    raise RuntimeError(f"the store lacks the row {assembly.mo} of a long message")
                self.changes.mos.append(mo)
            self._pending_mos[mo.id] = mo
        return mo

    def _join(self, name: AssemblyKey, assembly: Assembly, queue: LinkQueue, *, partial: bool) -> None:
        mo = self._pending_mo(assembly)
        del self.state.assemblies[name]
        self.changes.assemblies[pack_key(name)] = None
        if partial:
            mo.detail = "partial"
        octets, bodies = joined(assembly)
        mo.outcome = ""
        self._read(mo, queue, octets, bodies)

    def _overdue_assemblies(self) -> None:
        """Read what there is of long messages whose missing parts did not come in time."""
        overdue = [
            (name, assembly)
            for name, assembly in self.state.assemblies.items()
            if assembly.link in self.outbox.links
            and self.now >= assembly.started + self.outbox.links[assembly.link].config.assemble_timeout
        ]
        for name, assembly in overdue:
            self._count(assembly.link, "mo.partial")
            self._join(name, assembly, self.outbox.links[assembly.link], partial=True)

    # ---------------------------------------------------------------- decisions

    def _decide_all(self) -> None:
        rules, now = self.state.rules, self.now
        brands = [rules.brand_of(mo.destination) for mo, _, _ in self._texts]
        keys = [(text[0].source, brand) for text, brand in zip(self._texts, brands, strict=True)]
        contexts = self._contexts
        missing = [key for key in dict.fromkeys(keys) if key not in contexts]
        contexts.update(zip(missing, self.store.conversations(missing), strict=True))
        changed = self.changes.conversations
        version = rules.version
        for (mo, text, queue), key in zip(self._texts, keys, strict=True):
            state = contexts[key]
            mo.rules_version = version
            try:
                decision = decide(Inbound(text, mo.source, mo.destination, mo.link), state, rules, now, mo.id)
                replies = [encode_message(reply.text, default_alphabet=queue.alphabet) for reply in decision.replies]
            except Exception as exc:  # one text that the rules fail on must not take the others with it
                mo.outcome = "rejected"
                mo.detail = f"{type(exc).__name__}: {exc}"
                self.effects.incidents.append(f"message {mo.id}: the rules failed: {type(exc).__name__}")
                self.changes.log.append(("mo", mo.id, []))
                state = state or Conversation(mo.source, key[1], id=mo.id, started=now, last_in=now, messages_in=1)
                state.escalated = now
                contexts[key] = changed[key] = state
                continue
            after = decision.state
            if after.opted_out and (state is None or not state.opted_out):
                self.effects.revoked.add(key)
            contexts[key] = changed[key] = after
            mo.outcome = decision.outcome
            mo.layer = decision.layer
            mo.rule = decision.rule
            mo.conversation = after.id
            if decision.detail:
                mo.detail = f"{mo.detail}: {decision.detail}" if mo.detail else decision.detail
            reply_ids: list[int] = []
            self.changes.log.append(("mo", mo.id, reply_ids))
            for reply, encoded in zip(decision.replies, replies, strict=True):
                reply_ids.append(self.next_id)
                self._replies.append(
                    (
                        Mt(
                            self.next_id,
                            mo.id,
                            after.id,
                            mo.link,
                            mo.source,
                            mo.destination,
                            key[1],
                            reply.text,
                            reply.template,
                            version,
                            now,
                            reply.control,
                            len(encoded.parts),
                            queue.reply_addressing(mo.addressing),
                        ),
                        encoded,
                    )
                )
                self.next_id += 1

    # ---------------------------------------------------------------- receipts

    def _match_receipts(self) -> None:
        keys: list[IdKey] = [
            (queue.config.group, normalise_id(receipt.message_id, queue.config.message_id.receipt))
            for queue, receipt in self._receipts
        ]
        found = self.store.correlate(keys)
        fresh = {key: (mt_id, part) for key, mt_id, part in self.changes.ids}
        places = [fresh.get(key) or place for key, place in zip(keys, found, strict=True)] if fresh else found
        rows = self.changes.mts
        unknown = [place[0] for place in places if place is not None and place[0] not in rows]
        loaded = {row.id: self.outbox.find(row) for row in self.store.mts(unknown) if row is not None}
        for (queue, receipt), key, place in zip(self._receipts, keys, places, strict=True):
            link = queue.config.name
            self._count(link, "receipt")
            if place is None:
                self._park(link, key, receipt)
                continue
            row = rows.get(place[0]) or loaded.get(place[0])
            if row is not None and self._receipt(row, place[1], _state_of(receipt), receipt.error):
                rows[row.id] = row

    def _receipt(self, mt: Mt, part: int, state: int, error: str) -> bool:
        """Apply one receipt; return whether it changed anything."""
        self.changes.log.append(("receipt", mt.id, part, state, error))
        waited = mt.state == "sent" and not mt.claim
        if not apply_receipt(mt, part, state, error, self.now):
            return False
        if mt.state in FINAL_STATES:
            self._count(mt.link, "mt." + mt.state)
            if waited:
                self.changes.unqueued.append(mt)
                self.outbox.settle(mt, self.now)
        return True

    def _park(self, link: str, key: IdKey, receipt: Receipt) -> None:
        """Keep a receipt whose message is not known: its submit_sm_resp may be on the way."""
        if not key[1]:
            self._count(link, "receipt.unreadable")
            return
        self._count(link, "receipt.parked")
        earlier = self._parked.get(key) or (self.store.parked([key])[0] if self._any_parked else None)
        if earlier is not None and STATE_OUTCOME.get(earlier.state) is not None:
            return  # nothing that comes after a final receipt counts
        parked = self._parked[key] = Parked(key[0], key[1], _state_of(receipt), receipt.error, self.now)
        self.changes.parked.append(parked)

    def _forget_parked(self) -> None:
        state = self.state
        if not self._any_parked or self.now < state.parked_check:
            return
        state.parked_check = self.now + PARKED_CHECK
        for parked in self.store.expired_parked(self.now - PARKED_TTL, 1000):
            key = parked.group, parked.message_id
            if key not in self._parked:
                self.changes.unparked.append(key)
                self._count("", "receipt.unmatched")

    # ---------------------------------------------------------------- the outbox

    def _schedule_replies(self) -> None:
        """Put the replies of this turn in order; those that can go at once are claimed by this very commit."""
        now, outbox, changes, flights = self.now, self.outbox, self.changes, self.effects.flights
        for mt, encoded in self._replies:
            changes.new_mts.append(mt)
            queue = outbox.links[mt.link]
            verdict = may_send(mt, self._contexts[mt.contact, mt.brand], queue.max_age, now)
            if verdict is not None:
                finish(mt, verdict[0], now, verdict[1])
                self._count(mt.link, "mt." + mt.state)
            elif (flight := outbox.admit(mt, encoded, now)) is not None:
                flights.append(flight)
            else:
                changes.queued.append(mt)

    def _refill(self) -> None:
        """Claim what waits, as far as windows and rates allow."""
        outbox, now = self.outbox, self.now
        outbox.release_due(now)
        if self.refuse_texts:
            # From 95% on only what settles open work is written: no new claims.
            return
        for queue in outbox.links.values():
            while True:
                heads = outbox.candidates(queue, now)
                if not heads:
                    break
                keys = dict.fromkeys((mt.contact, mt.brand) for mt in heads)
                missing = [key for key in keys if key not in self._contexts]
                self._contexts.update(zip(missing, self.store.conversations(missing), strict=True))
                for mt in heads:
                    self._send_or_drop(queue, mt)

    def _send_or_drop(self, queue: LinkQueue, mt: Mt) -> None:
        if mt.id < self.first_id:
            self.changes.mts[mt.id] = mt
        verdict = may_send(mt, self._contexts[mt.contact, mt.brand], queue.max_age, self.now)
        if verdict is None:
            self.effects.flights.append(self.outbox.claim(mt, self.now))
            return
        finish(mt, verdict[0], self.now, verdict[1])
        self._count(mt.link, "mt." + mt.state)
        self.changes.unqueued.append(mt)
        self.outbox.leave(mt, self.now)

    def _load_page(self, queue: LinkQueue) -> None:
        for kind, after in enumerate(queue.unloaded):
            if after is None or queue.loaded >= PAGE:
                continue
            rows = self.store.queued(queue.config.name, kind, after, PAGE)
            queue.unloaded[kind] = rows[-1].id if len(rows) == PAGE else None
            gone = {mt.id for mt in self.changes.unqueued}
            for row in rows:
                mt = self.outbox.find(row)
                if mt is not row or row.id in gone:
                    continue
                if row.claim:
                    # Claimed before the process was started anew, and nobody knows what became of it.
                    self.changes.mts[row.id] = row
                    self._in_doubt(row, None)
                    if not self._resends(row):
                        self.changes.unqueued.append(row)
                        continue
                self.outbox.load(row, self.now)

    def _resends(self, mt: Mt) -> bool:
        policy = self.outbox.links[mt.link].config.in_doubt
        return (policy.reply if mt.mo else policy.started) == "resend"

    # ---------------------------------------------------------------- the commit

    def _commit(self) -> None:
        changes, state = self.changes, self.state
        submits: Counter[str] = Counter()
        for (link, outcome), n in Counter([(mo.link, mo.outcome) for mo in changes.new_mos]).items():
            self._count(link, "mo." + outcome, n)
        for mo in self._pending_mos.values():
            if mo.id < self.first_id and mo.outcome != "pending":
                self._count(mo.link, "mo." + mo.outcome)
                self._count(mo.link, "mo.pending", -1)
        for link, n in Counter([mt.link for mt in changes.new_mts]).items():
            self._count(link, "mt", n)
        for flight in self.effects.flights:
            submits[flight.mt.link] += flight.claimed
        for link, n in submits.items():
            self._count(link, "submit", n)
        changes.counters = state.counters.totals(self.now, self.effects.tally)
        changes.position = Position(
            self.next_id,
            state.position.commit + 1,
            self.now,
            next(iter(state.births), self.first_id),
            {group: r.since(self.now) for group, r in state.redelivery.items() if r.since(self.now) < inf},
        )
        self.store.commit(changes)


def _state_of(receipt: Receipt) -> int:
    """Return the message_state of a receipt; an intermediate notification closes nothing, whatever it says."""
    if receipt.intermediate and STATE_OUTCOME[receipt.state] is not None:
        return constants.STATE_ENROUTE
    return receipt.state


def _addressing(pdu: Pdu) -> bytes:
    return bytes(
        (pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi)  # type: ignore[attr-defined]
    )


def _place_of(pdu: Pdu, esm_class: int, body: bytes) -> tuple[Concatenation | None, bytes]:
    """Return where a part belongs, None for a message of its own, and its user data without the header."""
    if esm_class & _ESM_UDHI:
        header = parse_udh(body)
        if header is None:
            return None, body
        return header.concatenation(), body[header.length :]
    return concatenation_from_sar(pdu.tlvs), body
