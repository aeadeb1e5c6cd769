"""The first stage of a turn, and its last word: what became of what we sent, by answers and by receipts.

Here a message leaves its pair's queue, is tried again, or is in doubt; `bridge.delivery` says by which rules. A receipt
whose message_id no message has yet is kept until the answer with that id comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.delivery import (
    ACCEPTED,
    FAILED,
    RETRY,
    Flight,
    accept,
    apply_receipt,
    error_kind,
    finish,
    judge,
    name_part,
    outcome_of,
    part_accepted,
    part_failed,
    part_in_doubt,
    part_refused,
    retry_delay,
    unaccepted_parts,
)
from bridge.desk import Stage
from bridge.records import FINAL_STATES
from bridge.store import Parked
from smppcore import constants
from smppcore.errors import LocalProtocolError, ResponseTimeout
from smppcore.pdu import SubmitSMResp, encode
from smppcore.receipt import normalise_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.desk import Desk
    from bridge.events import Outcomes
    from bridge.outbox import LinkQueue
    from bridge.records import Mt
    from bridge.store import IdKey
    from smppcore.pdu import Pdu
    from smppcore.receipt import Receipt
    from smppcore.session import Outcome

MOST_KEPT = 100_000
"""Receipts that may wait for their message at a time, and that are kept when it has not come: the newest. A carrier
that floods us with receipts of nobody's must not fill the disk."""
MOST_PARTS = 4
"""Parts of a message that a reference is looked up for; longer ones in doubt wait for their submit_sm_resp."""
LAPS = 4
"""How many messages with the same reference are looked at, the last ones first: a quarter of a million messages."""
_OPEN_STATES = (constants.STATE_SCHEDULED, constants.STATE_ENROUTE, constants.STATE_UNKNOWN)
_NO_RESPONSE = "no_response"
_LINK_LOST = "link_lost"


class Settlement(Stage):
    """Outcomes and receipts of one turn."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._parked: dict[IdKey, Parked] = {}
        waiting = desk.store.parked_count()
        self._any_parked = waiting > 0
        self._room = MOST_KEPT - waiting
        self._early: list[tuple[int, Parked]] = []
        self._silent = 0
        self._throttled = 0
        self.opted_out: list[Mt] = []
        """Messages whose customer wants none, says the carrier."""

    def outcomes(self, event: Outcomes) -> None:
        """Settle the answers to what we sent."""
        queue = self.outbox.links[event.link]
        flights, log, mts = self.outbox.flights, self.changes.log, self.changes.mts
        self._silent = self._throttled = 0
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
                self._not_accepted(queue, flight, part, outcome)
            if flight.open == 0:
                self._landed(queue, flight)
            if self._early:
                self._apply_early(mt)
            mts[mt.id] = mt
        answers = len(event.outcomes) - self._silent
        if answers > 0:
            # A TLV that only v5.0 has is not looked for in the answers of others.
            congestion = _congestion(event.outcomes) if queue.config.interface_version >= constants.VERSION_50 else None
            queue.answered(answers, self._throttled, congestion, self.now)

    def _not_accepted(self, queue: LinkQueue, flight: Flight, part: int, outcome: Outcome) -> None:
        mt, response, log = flight.mt, outcome.response, self.changes.log
        self._silent += response is None
        if response is not None:
            # An answer of another type with status 0 says nothing of the message.
            status = response.command_status or constants.ESME_RSYSERR
            kind = error_kind(status, queue.config.errors)
            self._throttled += kind == "throttled"
            part_failed(flight, part, status, kind)
            log.append(("submit", mt.id, part, status, ""))
            self.desk.count(mt.link, "submit." + constants.status_name(status))
        elif isinstance(outcome.error, LocalProtocolError):
            part_refused(flight, part, f"not sendable: {outcome.error}")
            log.append(("submit", mt.id, part, None, "not sendable"))
        else:
            why = _NO_RESPONSE if isinstance(outcome.error, ResponseTimeout) else _LINK_LOST
            part_in_doubt(flight, part, why)
            log.append(("submit", mt.id, part, None, why))
            self.desk.count(mt.link, "submit." + why)

    def _name_part(self, queue: LinkQueue, mt: Mt, part: int, message_id: str) -> None:
        """Make the message findable by what the SMSC called it; settle a receipt that came first."""
        if not message_id:
            self.desk.count(mt.link, "submit.no_message_id")
            if mt.link not in self.state.nameless:
                self.state.nameless.add(mt.link)
                self.effects.incidents.append(
                    f"link {mt.link}: accepts messages without a message_id; their receipts cannot be matched"
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
            self._receipt(self.outbox.links[mt.link], mt, part, parked.state, parked.error)
        self._early.clear()

    def _landed(self, queue: LinkQueue, flight: Flight) -> None:
        """Every part has its answer: decide what becomes of the message."""
        mt, now = flight.mt, self.now
        self.desk.landed.append(flight)
        queue.in_air -= flight.claimed
        if mt.receipts and judge(mt, now, accepted_is_final=queue.config.accepted_is_final):
            # A receipt for another part was faster than the last answer: nothing of it needs to be sent again.
            self._leave(flight)
        elif flight.fate == ACCEPTED:
            accept(mt, now)
            self._leave(flight)
            return
        elif flight.fate == FAILED:
            if flight.opted_out:
                self.opted_out.append(mt)
            finish(mt, "suppressed" if flight.opted_out else "failed", now)
            self._leave(flight)
        elif flight.fate == RETRY:
            if now - mt.created >= queue.max_age:
                finish(mt, "failed", now, "too_old")
                self._leave(flight)
            else:
                again = self._next_try(queue, mt, throttled=flight.throttled)
                self._again(flight, again, first=flight.throttled)
        else:
            self.in_doubt(mt, flight)
        self._count_final(mt)

    def _count_final(self, mt: Mt) -> None:
        if mt.state in FINAL_STATES:
            self.desk.count(mt.link, "mt." + mt.state)

    def in_doubt(self, mt: Mt, flight: Flight | None) -> None:
        """A submit_sm has no answer (invariant 8): resend, hold or fail, as the link says."""
        config = self.outbox.links[mt.link].config
        policy = config.in_doubt.reply if mt.mo else config.in_doubt.started
        mt.in_doubt = True
        if flight is None:
            self.changes.log.append(("in doubt", mt.id))
        self.desk.count(mt.link, "mt.in_doubt")
        if policy == "resend":
            if flight is None:
                mt.claim = 0.0
            else:
                # On a live session the SMSC is slow, not gone: no hurry to send it again.
                again = self.now if mt.error == _LINK_LOST else self._next_try(self.outbox.links[mt.link], mt)
                self._again(flight, again)
            return
        mt.claim = mt.next_try = 0.0
        if policy == "fail":
            finish(mt, "failed", self.now, "in_doubt")
            if flight is None:
                self.desk.count(mt.link, "mt.failed")
        if flight is not None:
            self._leave(flight)

    def _next_try(self, queue: LinkQueue, mt: Mt, *, throttled: bool = False) -> float:
        """Return when a message is to be tried again: it keeps those behind it waiting no longer than it may wait."""
        retry = queue.config.retry
        delay = retry_delay(mt.attempts, throttled=throttled, initial=retry.initial, maximum=retry.max)
        return min(self.now + delay, max(mt.created + queue.max_age, self.now))

    def _again(self, flight: Flight, at: float, *, first: bool = False) -> None:
        if not flight.queued:
            self.changes.queued.append(flight.mt)
        self.outbox.retry(flight.mt, at, first=first)

    def _leave(self, flight: Flight) -> None:
        if flight.queued:
            self.changes.unqueued.append(flight.mt)
        self.outbox.leave(flight.mt, self.now)

    def _late(self, queue: LinkQueue, flight: Flight, part: int, outcome: Outcome) -> None:
        """An answer after the message was given up on: it still says that the SMSC has it."""
        response = outcome.response
        if not isinstance(response, SubmitSMResp) or response.command_status:
            return
        row = self.row(flight.mt.id)
        if row is None:
            return
        message_id = response.message_id.decode("latin-1")
        self._name_part(queue, row, part, message_id)
        self.changes.log.append(("submit", row.id, part, 0, message_id))
        self._taken_after_all(queue, row, part, message_id)
        self._apply_early(row)
        self.changes.mts[row.id] = row

    def _taken_after_all(self, queue: LinkQueue, row: Mt, part: int, message_id: str) -> None:
        """The SMSC has a part that was given up on; what it says of one that is on its way again, is known then."""
        if row.claim or row.state not in {"sent", "unknown"}:
            return
        name_part(row, part, message_id)
        if None not in row.message_ids:
            row.in_doubt = False
            accept(row, self.now)
            self.changes.unqueued.append(row)
            self.outbox.settle(row, self.now)
            if judge(row, self.now, accepted_is_final=queue.config.accepted_is_final):
                self._count_final(row)

    def withdrawn(self, flight: Flight, *, suppressed: bool) -> None:
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
        self.desk.landed.append(flight)
        self.changes.log.append(("withdrawn", mt.id))
        queue.in_air -= flight.claimed
        mt.attempts -= 1
        if suppressed:
            finish(mt, "suppressed", self.now, "opted_out")
            self.desk.count(mt.link, "mt.suppressed")
            self._leave(flight)
            return
        if mt.attempts == 0:
            mt.state = "queued"
        self._again(flight, self.now)

    def row(self, mt_id: int, stored: Mt | None = None) -> Mt | None:
        """Return the one object of this turn for a message, which may have been loaded already."""
        row = self.changes.mts.get(mt_id)
        if row is None:
            loaded = stored or self.store.mts([mt_id])[0]
            if loaded is None:
                return None
            row = self.outbox.find(loaded)
        return row

    def receipts(self, received: list[tuple[LinkQueue, Receipt, Pdu]]) -> None:
        """Match receipts to their messages; keep those whose message is not known."""
        keys: list[IdKey] = [
            (queue.config.group, normalise_id(receipt.message_id, queue.config.message_id.receipt))
            for queue, receipt, _ in received
        ]
        found = self.store.correlate(keys)
        fresh = {key: (mt_id, part) for key, mt_id, part in self.changes.ids}
        places = [fresh.get(key) or place for key, place in zip(keys, found, strict=True)] if fresh else found
        rows = self.changes.mts
        unknown = [place[0] for place in places if place is not None and place[0] not in rows]
        loaded = {row.id: self.outbox.find(row) for row in self.store.mts(unknown) if row is not None}
        for (queue, receipt, pdu), key, place in zip(received, keys, places, strict=True):
            link = queue.config.name
            self.desk.count(link, "receipt")
            if receipt.conflict:
                self._conflict(link)
            if place is None and receipt.reference is not None and key[1]:
                row = self._by_reference(queue, key, receipt, receipt.reference, pdu)
                if row is not None:
                    loaded[row.id], place = row, self.changes.ids[-1][1:]
            if place is None:
                self._park(link, key, receipt, pdu)
                continue
            row = rows.get(place[0]) or loaded.get(place[0])
            if row is not None and self._receipt(queue, row, place[1], _state_of(receipt), receipt.error):
                rows[row.id] = row

    def _receipt(self, queue: LinkQueue, mt: Mt, part: int, state: int | str, error: str) -> bool:
        """Apply one receipt; return whether it changed anything."""
        self.changes.log.append(("receipt", mt.id, part, state, error))
        before = mt.state
        waited = before == "sent" and not mt.claim
        if not apply_receipt(mt, part, state, error, self.now, accepted_is_final=queue.config.accepted_is_final):
            return False
        if mt.done:
            if mt.state != "delivered" and error in queue.config.opted_out_errors:
                self.opted_out.append(mt)
            self._count_final(mt)
            if before == "unknown":
                self.desk.count(mt.link, "mt.unknown", -1)
            elif waited:
                self.changes.unqueued.append(mt)
                self.outbox.settle(mt, self.now)
        return True

    def _by_reference(self, queue: LinkQueue, key: IdKey, receipt: Receipt, reference: int, pdu: Pdu) -> Mt | None:
        """Find a message in doubt whose message_id never reached us by the reference that its receipt repeats.

        Two octets repeat themselves, so only the last messages that may have this one are asked, and the receipt must
        come from the customer of exactly one part in doubt.
        """
        links = self.state.group_links[key[0]]
        customer: str = pdu.source_addr.decode("latin-1").lstrip("+0")  # type: ignore[attr-defined]
        top = self.desk.first_id - 1
        places: list[tuple[Mt, int]] = []
        for part in range(MOST_PARTS):
            newest = top - ((top - reference + part) & 0xFFFF)
            numbers = [n for n in (newest - 0x10000 * lap for lap in range(LAPS)) if n > 0]
            for number, stored in zip(numbers, self.store.mts(numbers), strict=True):
                row = None if stored is None else self.row(number, stored)
                if (
                    row is not None
                    and row.in_doubt
                    and row.done == 0.0
                    and row.link in links
                    and row.contact.lstrip("+0") == customer
                    and part in unaccepted_parts(row)
                ):
                    places.append((row, part))
        if len(places) != 1:
            return None
        row, part = places[0]
        self.changes.ids.append((key, row.id, part))
        self._taken_after_all(queue, row, part, receipt.message_id)
        self.changes.mts[row.id] = row
        self.desk.count(queue.config.name, "receipt.by_reference")
        return row

    def _conflict(self, link: str) -> None:
        """The TLVs of a receipt say something else than its text: the TLVs count."""
        self.desk.count(link, "receipt.conflict")
        if link not in self.state.conflicting:
            self.state.conflicting.add(link)
            self.effects.incidents.append(f"link {link}: TLVs and text of a receipt disagree; the TLVs count")

    def _park(self, link: str, key: IdKey, receipt: Receipt, pdu: Pdu) -> None:
        """Keep a receipt whose message is not known: its submit_sm_resp may be on the way."""
        parked = Parked(key[0], key[1], _state_of(receipt), receipt.error, self.now, link, _octets_of(pdu))
        if not key[1]:
            self.desk.count(link, "receipt.unreadable")
            self.keep_unmatched(parked)
            return
        self.desk.count(link, "receipt.parked")
        earlier = self._parked.get(key) or (self.store.parked([key])[0] if self._any_parked else None)
        if earlier is not None and outcome_of(earlier.state) is not None:
            return  # nothing that comes after a final receipt counts
        if earlier is None:
            self._room -= 1
        if self._room < 0:
            self.desk.count(link, "receipt.unmatched")
            self.keep_unmatched(parked)
        else:
            self._parked[key] = parked
            self.changes.parked.append(parked)

    def keep_unmatched(self, parked: Parked) -> None:
        """Keep a receipt of no message for people to look at, while there is room for it."""
        if not self.desk.refuse_texts:
            self.changes.unmatched.append(parked)

    def give_up_parked(self, parked: Parked) -> None:
        """Its message never came, unless another receipt of the same id came just now."""
        key = parked.group, parked.message_id
        if key not in self._parked and key not in self.changes.unparked:
            self.changes.unparked.append(key)
            self.desk.count(parked.link, "receipt.unmatched")
            self.keep_unmatched(parked)

    def resends(self, mt: Mt) -> bool:
        """Return whether a message in doubt is sent again."""
        policy = self.outbox.links[mt.link].config.in_doubt
        return (policy.reply if mt.mo else policy.started) == "resend"


def _octets_of(pdu: Pdu) -> bytes:
    """Return a received receipt whole; without its addresses if a lenient reader let them be longer than they may."""
    try:
        return encode(pdu)
    except LocalProtocolError:
        return encode(replace(pdu, source_addr=b"", destination_addr=b""))


def _state_of(receipt: Receipt) -> int | str:
    """Return the state of a receipt as it is kept; an intermediate notification closes nothing, whatever it says."""
    if receipt.intermediate and receipt.state not in _OPEN_STATES:
        return constants.STATE_ENROUTE
    return receipt.raw_state


def _congestion(outcomes: Sequence[Outcome]) -> int | None:
    """Return the last congestion_state among these answers (SMPP v5.0 §4.8.4.18), None if there is none."""
    for outcome in reversed(outcomes):
        value = outcome.response.tlv(constants.TAG_CONGESTION_STATE) if outcome.response is not None else None
        if value:
            return value[0]
    return None
