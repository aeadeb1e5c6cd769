"""The first stage of a turn: what became of what we sent, by answers and by receipts.

Here a message leaves its pair's queue, is tried again, or is in doubt; `bridge.delivery` says by which rules. Whose a
receipt is, `bridge.receipts` finds out; one that came before the answer with its message_id is applied here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    part_accepted,
    part_failed,
    part_in_doubt,
    part_refused,
    retry_delay,
)
from bridge.desk import Stage
from bridge.dispatch import too_old_at
from bridge.records import FINAL_STATES
from smppcore import constants
from smppcore.adaptive import Verdict
from smppcore.errors import LocalProtocolError, ResponseTimeout
from smppcore.pdu import SubmitSMResp
from smppcore.receipt import normalise_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import LinkConfig
    from bridge.desk import Desk
    from bridge.events import Outcomes
    from bridge.outbox import LinkQueue
    from bridge.records import Mt
    from bridge.store import IdKey, Parked
    from smppcore.session import Outcome

_NO_RESPONSE = "no_response"
_LINK_LOST = "link_lost"


class Settlement(Stage):
    """Outcomes and receipts of one turn."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._any_parked = desk.store.parked_count() > 0
        self._early: list[tuple[int, Parked]] = []
        self._silent = 0
        self._throttled = 0
        self.opted_out: list[Mt] = []
        """Messages whose customer wants none, says the carrier."""
        self.again: dict[int, Flight] = {}
        """Claims out of no queue, to be tried again: the store's queue has them from this turn on, unless it claims
        them anew at once."""
        self.answers: list[Mt] = []
        """First answers to texts that the carrier has accepted: how long the customers waited is counted."""

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
        key = id_key(queue.config, message_id)
        self.changes.ids.append((key, mt.id, part))
        if self._any_parked:
            parked = self.store.parked([key])[0]
            if parked is not None:
                self.changes.unparked.append(key)
                self._early.append((part, parked))

    def _apply_early(self, mt: Mt) -> None:
        """Apply receipts that came before their response, once the response itself was."""
        for part, parked in self._early:
            self.receipt(self.outbox.links[mt.link], mt, part, parked.state, parked.error)
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
            if mt.asked and mt.state == ACCEPTED:
                self.answers.append(mt)
            self._leave(flight)
            return
        elif flight.fate == FAILED:
            if flight.opted_out:
                self.opted_out.append(mt)
            finish(mt, "suppressed" if flight.opted_out else "failed", now)
            self._leave(flight)
        elif flight.fate == RETRY:
            if now >= too_old_at(mt, queue.max_age):
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
            self.desk.final(mt)

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
                self.desk.final(mt)
        if flight is not None:
            self._leave(flight)

    def _next_try(self, queue: LinkQueue, mt: Mt, *, throttled: bool = False) -> float:
        """Return when a message is to be tried again: it keeps those behind it waiting no longer than it may wait."""
        retry = queue.config.retry
        attempts = mt.attempts
        if throttled and queue.limits.carrier.verdict is Verdict.SPORADIC:
            # The rate is not the cause: the next may go at once.
            attempts -= 1
        delay = retry_delay(attempts, throttled=throttled, initial=retry.initial, maximum=retry.max)
        return min(self.now + delay, max(too_old_at(mt, queue.max_age), self.now))

    def _again(self, flight: Flight, at: float, *, first: bool = False) -> None:
        if not flight.queued:
            self.again[flight.mt.id] = flight
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
        self.taken_after_all(queue, row, part, message_id)
        self._apply_early(row)
        self.changes.mts[row.id] = row

    def taken_after_all(self, queue: LinkQueue, row: Mt, part: int, message_id: str) -> None:
        """The SMSC has a part that was given up on; what it says of one that is on its way again, is known then."""
        if row.claim or row.state not in {"sent", "unknown"}:
            return
        name_part(row, part, message_id)
        if None not in row.message_ids:
            row.in_doubt = False
            accept(row, self.now)
            if row.asked and row.state == ACCEPTED:
                self.answers.append(row)
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
            self.desk.final(mt)
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

    def receipt(self, queue: LinkQueue, mt: Mt, part: int, state: int | str, error: str) -> bool:
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

    def resends(self, mt: Mt) -> bool:
        """Return whether a message in doubt is sent again."""
        policy = self.outbox.links[mt.link].config.in_doubt
        return (policy.reply if mt.mo else policy.started) == "resend"


def id_key(config: LinkConfig, message_id: str) -> IdKey:
    """Return by what a message is found again that the SMSC of a link calls so in its answer."""
    kind = config.message_id.response
    return config.group, message_id if kind == "text" else normalise_id(message_id, kind)


def _congestion(outcomes: Sequence[Outcome]) -> int | None:
    """Return the last congestion_state among these answers (SMPP v5.0 §4.8.4.18), None if there is none."""
    for outcome in reversed(outcomes):
        value = outcome.response.tlv(constants.TAG_CONGESTION_STATE) if outcome.response is not None else None
        if value:
            return value[0]
    return None
