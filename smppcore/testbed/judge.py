"""What each ESME does wrong, seen from the octets of its connections.

Rules:

1. A witness per connection is shown what the ESME sent and what it was answered, and notes against `findings.RULES`.
   It keeps no more than the session does: un-answered requests, both ways.
2. In doubt for the ESME. A response counts as given when the session gives it; what it cannot help (a fault that broke
   its connection) is forgiven. So a count is a lower bound, and an ESME without findings may still be lucky.
3. Time is an argument, in seconds; nothing raises, whatever the octets.

Must not be here: streams, clocks, answers, output.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, cast

from smppcore import constants as c
from smppcore.binding import negotiate
from smppcore.errors import DecodeError
from smppcore.pdu import BindRequest, decode
from smppcore.states import BIND_STATES, BOUND, OPERATIONS, WITHOUT_RESPONSE, SessionState
from smppcore.testbed.verdicts import Found, Limits, Verdict
from smppcore.throttle import TokenBucket
from smppcore.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.events import SessionConfig

_HEADER = Struct(">IIII").unpack_from
_MAX_SEQUENCE = 0x7FFFFFFF
_SUBMISSIONS = frozenset((c.SUBMIT_SM, c.DATA_SM, c.SUBMIT_MULTI))
_BUSY = frozenset((c.ESME_RTHROTTLED, c.ESME_RMSGQFUL))
_TLV_STATUSES = frozenset(
    (
        c.ESME_RINVOPTPARSTREAM,
        c.ESME_ROPTPARNOTALLWD,
        c.ESME_RINVPARLEN,
        c.ESME_RMISSINGOPTPARAM,
        c.ESME_RINVOPTPARAMVAL,
    )
)
_UNANSWERED: Final = {c.ENQUIRE_LINK: "enquire_link_unanswered", c.UNBIND: "unbind_unanswered"}
_MESSAGE_ID_OCTETS = 64
_STORM_SECONDS = 60.0
_STORM_FAILURES = 8  # a minute and connection; doubling from a second comes to six
_IGNORED_SECONDS = 3
_FLOOD_SECONDS = 1.0
_FLOOD_LENGTH = 5
_UNBIND_SECONDS = 2.0  # that an unbind is given if the connection ends before its time-out


class Judge:
    """Everything that is noted.

    Args:
        limits: What is agreed with the account of a system_id.
        session: How the sessions are configured.
    """

    def __init__(self, limits: Callable[[bytes], Limits], session: SessionConfig) -> None:
        self.session = session
        self.verdicts: dict[str, Verdict] = {}
        """By ESME."""
        self._limits = limits
        self._witnesses: dict[Witness, None] = {}
        self._began: float | None = None

    def connected(self, peer: str, now: float) -> Witness:
        """Return the witness of a new connection from an address."""
        if self._began is None:
            self._began = now
        witness = Witness(self, peer, now)
        self._witnesses[witness] = None
        return witness

    def report(self, now: float) -> list[Verdict]:
        """Return all ESMEs, those with the worst findings first."""
        for witness in self._witnesses:
            witness.expire(now)
        return sorted(self.verdicts.values(), key=Verdict.rank)

    def verdict(self, system_id: bytes) -> Verdict:
        """Return the verdict on the ESME of a system_id, a new one if there is none yet."""
        name = system_id.decode("latin-1")
        if name not in self.verdicts:
            limits = self._limits(system_id)
            self.verdicts[name] = Verdict(name, limits, bucket=TokenBucket(limits.rate, limits.rate, 0.0))
        return self.verdicts[name]

    def note(self, verdict: Verdict, name: str, detail: str, now: float) -> None:
        """Note that an ESME has broken a rule."""
        at = now - (self._began or 0.0)
        found = verdict.found.get(name)
        if found is None:
            verdict.found[name] = Found(name, 1, at, at, detail)
        else:
            found.count += 1
            found.last = at

    def forget(self, witness: Witness) -> None:
        """A connection has ended."""
        self._witnesses.pop(witness, None)


class Witness:
    """One connection; made by `Judge.connected`."""

    def __init__(self, judge: Judge, peer: str, now: float) -> None:
        self._judge = judge
        self._peer = peer
        self._started = now
        self._verdict: Verdict | None = None  # once there was a bind
        self._state = SessionState.OPEN
        self._binding: int | None = None  # sequence_number of a bind that was not answered yet
        self._version = judge.session.interface_version
        self._partial = b""
        self._open: dict[int, tuple[int, bytes]] = {}  # what the ESME asked: number → command_id, octets
        self._open_submissions = 0
        self._window = 0
        self._last_sequence = 0
        self._asked: dict[int, tuple[int, float, bool]] = {}  # what we asked: number → command_id, time, receipt
        self._last_asked = 0
        self._expired: dict[int, float] = {}
        self._excused: set[int] = set()
        self._unanswerable: set[int] = set()
        self._forgiven = False
        self._unbound = False  # one of both has asked to unbind
        self._broken = False
        self._last_enquired = float("-inf")
        self._enquired_fast = 0

    # -- what the ESME sends -----------------------------------------------------------------------------------------

    def received(self, data: bytes, now: float) -> None:
        """Take in what the ESME has sent; may end anywhere."""
        if self._broken:
            return
        if self._asked:
            self.expire(now)
        if self._partial:
            data = self._partial + data
        position, end = 0, len(data)
        while end - position >= 4:
            length = int.from_bytes(data[position : position + 4], "big")
            if not 16 <= length <= self._judge.session.max_pdu_bytes:
                self._broken = True
                self._note("bad_length", f"command_length {length}", now)
                return
            if position + length > end:
                break
            _, command_id, status, sequence = _HEADER(data, position)
            pdu = data[position : position + length]
            if command_id >= c.RESPONSE_BIT:
                self._receive_response(command_id, status, sequence, pdu, now)
            else:
                self._receive_request(command_id, status, sequence, pdu, now)
            position += length
        self._partial = data[position:]

    def _receive_request(self, command_id: int, status: int, sequence: int, pdu: bytes, now: float) -> None:
        if status:
            self._note("status_in_request", f"{c.command_name(command_id)}: {c.status_name(status)}", now)
        if not 0 < sequence <= _MAX_SEQUENCE:
            self._note("sequence_out_of_range", f"{c.command_name(command_id)}: 0x{sequence:08X}", now)
        elif sequence in self._open:
            self._note("sequence_reused", f"{c.command_name(command_id)}: {sequence}", now)
        elif sequence <= self._last_sequence != _MAX_SEQUENCE:
            self._note("sequence_not_ascending", f"{sequence} after {self._last_sequence}", now)
        self._last_sequence = sequence
        if command_id in BIND_STATES and self._state not in BOUND:
            if self._binding is None:
                self._binding = sequence
                self._receive_bind(pdu, now)
            else:
                self._note("second_bind", "before the first was answered", now)
        senders = OPERATIONS.get(command_id)
        if senders is None:
            self._note("unknown_command", f"0x{command_id:08X}", now)
        elif self._state not in senders[0]:
            self._note(self._state_rule(command_id), f"{c.command_name(command_id)} in {self._state.value}", now)
        elif command_id in _SUBMISSIONS:
            self._open_submissions += 1
            self._receive_submission(now)
        elif command_id == c.ENQUIRE_LINK:
            self._receive_enquire_link(pdu, now)
        elif command_id == c.UNBIND:
            self._unbound = True
            self._state = SessionState.UNBOUND
        self._open[sequence] = command_id, pdu

    def _state_rule(self, command_id: int) -> str:
        if self._state is SessionState.UNBOUND:
            return "request_after_unbind"
        if self._state not in BOUND:
            return "request_before_bind"
        return "second_bind" if command_id in BIND_STATES else "operation_not_allowed"

    def _receive_submission(self, now: float) -> None:
        verdict = cast("Verdict", self._verdict)  # whoever may submit is bound
        if self._window and self._open_submissions > self._window:
            self._note("window_exceeded", f"{self._open_submissions} of {self._window}", now)
        ignored = verdict.seconds_ignored
        if verdict.submitted(now):
            self._note("rate_exceeded", f"more than {verdict.limits.rate:g}/s", now)
        if verdict.seconds_ignored > max(ignored, _IGNORED_SECONDS - 1):
            self._note("ignored_throttling", f"{verdict.seconds_ignored} seconds in a row", now)

    def _receive_bind(self, pdu: bytes, now: float) -> None:
        try:
            bind = decode(pdu)
        except DecodeError:
            return  # the answer will say so
        if self._verdict is not None or not isinstance(bind, BindRequest):
            return
        verdict = self._verdict = self._judge.verdict(bind.system_id)
        self._window = verdict.limits.window
        self._version = negotiate(self._judge.session.interface_version, bind.interface_version)
        verdict.connections += 1
        verdict.peak = max(verdict.peak, verdict.connections)
        recent = sum(now - failed < _STORM_SECONDS for failed in verdict.failures)
        if recent > _STORM_FAILURES * verdict.peak:
            self._note("rebind_storm", f"{recent} refusals and lost sessions within {_STORM_SECONDS:g} s", now)

    def _receive_enquire_link(self, pdu: bytes, now: float) -> None:
        if len(pdu) > 16:
            self._note("extra_octets", f"enquire_link of {len(pdu)} octets", now)
        self._enquired_fast = self._enquired_fast + 1 if now - self._last_enquired < _FLOOD_SECONDS else 0
        self._last_enquired = now
        if self._enquired_fast >= _FLOOD_LENGTH:
            self._note("enquire_link_flood", f"{self._enquired_fast + 1} in a row", now)

    def _receive_response(self, command_id: int, status: int, sequence: int, pdu: bytes, now: float) -> None:
        if command_id == c.GENERIC_NACK:
            self._receive_nack(status, sequence, now)
            return
        name = c.command_name(command_id)
        asked = self._asked.get(sequence)
        if asked is None:
            self._receive_needless(name, sequence, now)
            return
        asked_id, sent, receipt = asked
        if command_id != asked_id + c.RESPONSE_BIT:
            self._note("response_wrong_type", f"{name} to {c.command_name(asked_id)}", now)
            return
        del self._asked[sequence]
        if now - sent > self._judge.session.response_timeout / 2:
            self._note("response_late", f"{name} after {now - sent:.1f} s", now)
        if receipt and status:
            self._note("receipt_refused", c.status_name(status), now)
        if asked_id in (c.ENQUIRE_LINK, c.UNBIND):
            if len(pdu) > 16:
                self._note("extra_octets", f"{name} of {len(pdu)} octets", now)
        elif len(pdu) > 17 or (len(pdu) == 17 and pdu[16]):
            self._check_body(name, pdu, now)

    def _check_body(self, name: str, pdu: bytes, now: float) -> None:
        """The body of a response to what we deliver is a message_id, in deliver_sm_resp an empty one (§4.6.2)."""
        end = pdu.find(0, 16)
        if not 16 <= end <= 16 + _MESSAGE_ID_OCTETS:
            self._note("response_malformed", f"{name}: message_id has no end within {_MESSAGE_ID_OCTETS} octets", now)
        elif name == "deliver_sm_resp" and end > 16:
            self._note("message_id_not_null", f"{name}: {len(pdu)} octets", now)

    def _receive_needless(self, name: str, sequence: int, now: float) -> None:
        if sequence in self._excused:
            return
        if sequence in self._unanswerable:
            self._note("answered_the_unanswerable", f"{name} {sequence}", now)
        elif (sent := self._expired.pop(sequence, None)) is not None:
            self._note("response_late", f"{name} after {now - sent:.1f} s", now)
        elif 0 < sequence <= self._last_asked:
            self._note("response_repeated", f"{name} {sequence}", now)
        else:
            self._note("response_to_nothing", f"{name} {sequence}", now)

    def _receive_nack(self, status: int, sequence: int, now: float) -> None:
        asked = self._asked.pop(sequence, None)
        if asked is not None:
            self._note("nack_to_request", f"{c.status_name(status)} to {c.command_name(asked[0])}", now)
        elif self._forgiven or sequence in self._excused:
            return
        elif sequence in self._unanswerable:
            self._note("answered_the_unanswerable", f"generic_nack {sequence}", now)
        elif 0 < sequence <= self._last_sequence and sequence not in self._open:
            self._note("nack_to_response", f"{c.status_name(status)}, sequence_number {sequence}", now)
        else:
            self._note("stray_nack", f"{c.status_name(status)}, sequence_number {sequence}", now)

    # -- what it is sent ---------------------------------------------------------------------------------------------

    def sent(self, data: bytes, now: float) -> None:
        """Take in whole PDUs that the session has sent."""
        position, end = 0, len(data)
        while position < end:
            length, command_id, status, sequence = _HEADER(data, position)
            if command_id >= c.RESPONSE_BIT:
                self._send_response(command_id, status, sequence, now)
            else:
                self._send_request(command_id, sequence, data[position : position + length], now)
            position += length

    def _send_response(self, command_id: int, status: int, sequence: int, now: float) -> None:
        request = self._open.pop(sequence, None)
        if request is None:
            return
        asked_id, pdu = request
        verdict = self._verdict
        if asked_id in _SUBMISSIONS:
            self._open_submissions -= self._open_submissions > 0
            if status in _BUSY and verdict is not None:
                verdict.throttled += 1
                verdict.throttled_in_second += 1
                return
        elif sequence == self._binding:
            self._binding = None
            self._send_bind_resp(asked_id, command_id, status, now)
        if status:
            self._blame(pdu, now)
        elif self._version < c.VERSION_34:
            self._blame_for_tlvs(pdu, now)

    def _send_bind_resp(self, asked_id: int, command_id: int, status: int, now: float) -> None:
        if status == c.ESME_ROK and command_id == asked_id + c.RESPONSE_BIT:
            self._state = BIND_STATES[asked_id]
            cast("Verdict", self._verdict).sessions += 1  # a bind that cannot be read is never accepted
            return
        if self._verdict is not None:
            self._verdict.failures.append(now)
        self._note("bind_refused", c.status_name(status), now)

    def _blame(self, pdu: bytes, now: float) -> None:
        """A request was refused: say whether it was malformed."""
        try:
            request = decode(pdu)
        except DecodeError as error:
            if error.field == "command_id":
                return  # noted when it came
            name, detail, status = error.field, str(error), error.command_status
        else:
            fault = validate(request, self._version)
            if fault is None:
                return
            name, status = fault
            detail = f"{request.name}: {name}"
            value = getattr(request, name, None)
            if isinstance(value, int):
                detail += f" 0x{value:02X}"
        rule = "malformed_tlv" if status in _TLV_STATUSES else "malformed_field"
        self._note(rule, f"{detail} ({c.status_name(status)})", now)

    def _blame_for_tlvs(self, pdu: bytes, now: float) -> None:
        try:
            request = decode(pdu)
        except DecodeError:
            return
        if request.tlvs:
            self._note("tlv_before_34", f"{request.name}: {c.tag_name(request.tlvs[0][0])}", now)

    def _send_request(self, command_id: int, sequence: int, pdu: bytes, now: float) -> None:
        self._last_asked = max(self._last_asked, sequence)
        if command_id in WITHOUT_RESPONSE:
            self._unanswerable.add(sequence)
            if command_id == c.OUTBIND:
                self._state = SessionState.OUTBOUND
            return
        self._unbound |= command_id == c.UNBIND
        self._asked[sequence] = command_id, now, command_id in (c.DELIVER_SM, c.DATA_SM) and _is_receipt(pdu)

    def excuse(self, sequence: int) -> None:
        """A request of ours was distorted: any answer to it will do, and none as well."""
        self._asked.pop(sequence, None)
        self._excused.add(sequence)

    def forgive(self) -> None:
        """The connection was damaged: however it ends, the ESME is not to blame."""
        self._forgiven = True

    def stalled(self, seconds: float, now: float) -> None:
        """A write took so long because the ESME did not read."""
        self._note("not_reading", f"{seconds:.1f} s", now)

    # -- time and ends -----------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Note what has not been answered in time."""
        timeout = self._judge.session.response_timeout
        while self._asked:
            sequence = next(iter(self._asked))
            command_id, sent, receipt = self._asked[sequence]
            if now - sent < timeout:
                return
            del self._asked[sequence]
            self._expired[sequence] = sent
            if len(self._expired) > 1000:
                del self._expired[next(iter(self._expired))]
            rule = _UNANSWERED.get(command_id, "receipt_unanswered" if receipt else "mo_unanswered")
            if not self._forgiven:
                self._note(rule, f"{c.command_name(command_id)} {sequence} after {timeout:g} s", now)

    def ended(self, now: float) -> None:
        """The ESME has closed the connection."""
        if self._broken or self._forgiven:
            return
        if self._partial:
            self._note("truncated_pdu", f"{len(self._partial)} octets of a PDU", now)
        if self._state in BOUND and not self._unbound:
            self._note("closed_without_unbind", self._state.value, now)

    def closed(self, now: float) -> None:
        """The connection is over."""
        self.expire(now)
        for command_id, sent, _ in self._asked.values():
            if command_id == c.UNBIND and now - sent >= _UNBIND_SECONDS and not self._forgiven:
                self._note("unbind_unanswered", f"for {now - sent:.1f} s", now)
        self._judge.forget(self)
        verdict = self._verdict
        if verdict is not None:
            verdict.connections -= 1
            if self._state in BOUND and not self._forgiven:
                verdict.failures.append(now)
        elif not self._last_sequence and now - self._started >= self._judge.session.session_init_timeout:
            self._note("no_bind", f"for {now - self._started:.0f} s", now)

    def _note(self, name: str, detail: str, now: float) -> None:
        verdict = self._verdict
        if verdict is None:
            host = self._peer.rpartition(":")[0] or "unknown address"
            verdict = self._judge.verdicts.setdefault(host, Verdict(host, Limits()))
        self._judge.note(verdict, name, detail, now)


def _is_receipt(pdu: bytes) -> bool:
    """Whether a deliver_sm or data_sm of ours is a receipt or a notification, by its esm_class."""
    source = pdu.index(0, 16) + 3  # service_type, source_addr_ton, source_addr_npi (SMPP v3.4 §4.6.1, §4.7.1)
    destination = pdu.index(0, source) + 3
    return bool(pdu[pdu.index(0, destination) + 1] & c.ESM_TYPE_MASK)
