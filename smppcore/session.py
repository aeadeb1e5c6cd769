"""The protocol of one session, without I/O: octets in, events out; PDUs in, octets out.

Rules:

1. Time is an argument, in seconds of any clock that never goes backwards; nothing here waits. Whoever drives a
   session calls `handle_timeout` when `next_deadline` has come, and writes `bytes_to_send` whenever there is
   something.
2. What the peer asks is either answered here (enquire_link, unbind, whatever is malformed, unknown, not allowed in
   this state or beyond the receive window) or handed out as a Pdu event, which the application must answer with
   `respond`.
3. Each request that we send ends in exactly one `Outcome` with a response or an error. A response that comes after
   the time-out is one more outcome, marked late.
4. Nothing that a peer sends raises: a bad PDU is an answer and a count, and broken framing is a generic_nack and the
   end.
5. Which operation is allowed where is a table (`states.py`), which requests are open is the window's business, and
   what a session is told and tells is in `events.py`.

No sockets, clocks, logs or message logic here.
"""

from __future__ import annotations

import copy
import math
from struct import Struct
from typing import TYPE_CHECKING, cast

from smppcore import constants as c
from smppcore.binding import complete_response, is_acceptance, is_reserved, negotiate
from smppcore.errors import DecodeError, LinkClosed, LocalProtocolError, ResponseTimeout
from smppcore.events import Counters, Event, Outcome, SessionConfig, StateChanged
from smppcore.pdu import (
    BindRequest,
    BindResponse,
    EnquireLink,
    GenericNack,
    Pdu,
    Unbind,
    decode,
    decode_framed,
    encode,
    response_class,
)
from smppcore.states import BIND_STATES, BOUND, OPERATIONS, RECEIVABLE, SENDABLE, WITHOUT_RESPONSE, Role, SessionState
from smppcore.validation import validate
from smppcore.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Counters",
    "Event",
    "Outcome",
    "Role",
    "Session",
    "SessionConfig",
    "SessionState",
    "StateChanged",
]

_HEADER = Struct(">IIII")  # command_length, command_id, command_status, sequence_number (SMPP v3.4 §3.2)
_HEADER_BYTES = 16
_OPEN = SessionState.OPEN
_OUTBOUND = SessionState.OUTBOUND
_UNBOUND = SessionState.UNBOUND
_CLOSED = SessionState.CLOSED
_NOTHING: frozenset[int] = frozenset()
_NEVER = -math.inf


class Session:
    """One SMPP session, from the connection to its end.

    Args:
        role: Which side we are.
        config: Limits and times.
        now: The time at which the connection was made; all later times are of the same clock, in seconds.
    """

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self.role = role
        self.config = config
        self.state = _OPEN
        self.counters = Counters()
        self.interface_version = config.interface_version
        """Of the session: the lower of ours and the peer's, known once bound."""
        self.bind_command_id = 0
        """Of the bind that this session began with."""
        self.system_id = b""
        """Of the ESME, as in the bind."""
        self.peer_system_id = b""
        """Of the other side: as in the bind_resp for an ESME, as in the bind for an SMSC."""
        self.wants_close = False
        """The stream must be closed once everything queued has been written."""
        self.close_reason = ""
        """Why, once the session is unbound or closed."""
        self.close_cause = ""
        """The same in a word, as in LinkClosed."""
        self.output_bytes = 0
        """How many octets are queued."""
        self._window: Window[Pdu] = Window(config.window, config.response_timeout)
        self._judges = role is Role.SMSC  # an ESME must take what its SMSC delivers
        self._sendable = _NOTHING
        self._receivable = _NOTHING
        self._output: list[bytes] = []
        self._partial = bytearray()
        self._needed = 0  # octets that _partial must reach before looking at it again is of use
        self._unanswered: dict[int, int] = {}  # sequence_number of a Pdu event → how many are open under it
        self._unanswered_count = 0
        self._bind: Pdu | None = None  # sent or received, and not answered
        self._unbinding = False
        self._held_unbind: int | None = None  # sequence_number of a peer's unbind that we have not answered
        self._unbind_deadline = math.inf
        self._started = now
        self._last_received = now
        self._last_operation = now
        self._enquire_sent = _NEVER  # when, while it is un-answered
        self._enquire_timeout = config.enquire_link_timeout or config.response_timeout

    def resize(self, window: int) -> None:
        """Let so many of our requests be un-answered from now on; those beyond it are waited for."""
        self._window.size = window

    @property
    def window_room(self) -> int:
        """How many requests may be sent now; 0 in a state in which we send no messages."""
        return self._window.room if self._sendable else 0

    @property
    def outstanding(self) -> int:
        """How many of our requests are un-answered: binds, enquire_link and unbind not counted."""
        return self._window.outstanding

    @property
    def unanswered(self) -> int:
        """How many requests of the peer the application has not answered."""
        return self._unanswered_count

    @property
    def unfinished(self) -> bytes:
        """The beginning of a PDU whose rest has not come."""
        return bytes(self._partial)

    @property
    def bound(self) -> bool:
        """Whether the session is in one of the bound states."""
        return self.state in BOUND

    @property
    def can_send(self) -> bool:
        """Whether messages may be sent to the peer: bound for it, and nobody has asked to unbind."""
        return bool(self._sendable)

    @property
    def can_receive(self) -> bool:
        """Whether the peer may send us messages."""
        return bool(self._receivable)

    # Octets in --------------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take what was read from the stream.

        Args:
            data: At least one octet; may end anywhere.
            now: In seconds.

        Returns:
            What the application must know, in the order of arrival. There may be octets to send as well.
        """
        counters = self.counters
        counters.octets_in += len(data)
        self._last_received = now
        if self.state is _CLOSED:
            return []
        if self._partial:
            # Appended to until the PDU is whole: a PDU in many small pieces is copied once, not once per piece.
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        events: list[Event] = []
        position, count = 0, 0
        end = len(data)
        max_bytes = self.config.max_pdu_bytes
        window = self._window
        header = _HEADER.unpack_from
        while end - position >= _HEADER_BYTES:
            length, command_id, status, sequence = header(data, position)
            if length < _HEADER_BYTES or length > max_bytes:
                break
            stop = position + length
            if stop > end:
                break
            count += 1
            if command_id >= c.RESPONSE_BIT:
                entry = window.get(sequence)
                if entry is None:
                    self._receive_late(data, position, stop, command_id, sequence, now, events)
                else:
                    request, sent = entry
                    if command_id == request.command_id + c.RESPONSE_BIT:
                        try:
                            pdu = decode_framed(data[position:stop], command_id, status, sequence)
                            outcome = Outcome(request, pdu, None, False, False, now - sent)
                        except DecodeError:
                            outcome = self._malformed(request, sequence, now - sent)
                        if window.release(sequence):
                            self._receive_own(outcome, events)
                        else:
                            events.append(outcome)
                    else:
                        self._receive_mismatch(command_id, status, sequence, request, now - sent, events)
            elif command_id in self._receivable:
                self._receive_request(data[position:stop], command_id, status, sequence, events)
            else:
                self._receive_other(data, position, stop, command_id, sequence, now, events)
            position = stop
        counters.pdus_in += count
        if position < end:
            self._keep_partial(data, position, end, now, events)
        if events:
            self._last_operation = now
        return events

    def receive_eof(self, now: float) -> list[Event]:
        """The peer has closed the stream; a PDU that is not whole is discarded.

        Returns:
            The outcomes of all outstanding requests, and the change of state.
        """
        return self.abort(self.close_reason or "the peer closed the connection", now, "peer_closed")

    def _keep_partial(self, data: bytes, position: int, end: int, now: float, events: list[Event]) -> None:
        """Keep the start of a PDU, or end the session if its length cannot be right (SMPP v3.4 §4.3)."""
        rest = end - position
        self._needed = 4
        if rest >= 4:
            length = int.from_bytes(data[position : position + 4], "big")
            self._needed = max(length, _HEADER_BYTES)
            if length < _HEADER_BYTES:
                # The header itself cannot be trusted, so neither can its sequence_number
                events += self._break_framing(f"a PDU of {length} octets, less than its header", 0, now)
                return
            if length > self.config.max_pdu_bytes:
                self._needed = _HEADER_BYTES
                if rest >= _HEADER_BYTES:
                    sequence = _HEADER.unpack_from(data, position)[3]
                    events += self._break_framing(f"a PDU of {length} octets, more than the limit", sequence, now)
                    return
        self._partial += data[position:]

    def _break_framing(self, reason: str, sequence: int, now: float) -> list[Event]:
        self.counters.protocol_errors += 1
        self._nack(c.ESME_RINVCMDLEN, sequence)
        return self.abort(f"the peer sent {reason}", now, "protocol")

    # Responses --------------------------------------------------------------------------------------------------------

    def _malformed(self, request: Pdu, sequence: int, elapsed: float) -> Outcome:
        """Status 0 and a body that cannot be read: the peer has accepted it all the same, under an id we do not know.

        Decoding ignores the body of a response with an error status, so there is no other case.
        """
        self.counters.malformed_responses += 1
        cls = cast("type[Pdu]", response_class(request.command_id))  # only what has one is in the window
        return Outcome(request, cls(sequence_number=sequence), malformed=True, elapsed=elapsed)

    def _receive_mismatch(
        self,
        command_id: int,
        command_status: int,
        sequence: int,
        request: Pdu,
        elapsed: float,
        events: list[Event],
    ) -> None:
        """A response that is not of its request's type: a generic_nack ends the request, any other is ignored."""
        if command_id != c.GENERIC_NACK:
            self.counters.protocol_errors += 1
            return
        self.counters.generic_nacks_in += 1
        outcome = Outcome(request, _nack_of(command_status, sequence), elapsed=elapsed)
        if self._window.release(sequence):
            self._receive_own(outcome, events)
        else:
            events.append(outcome)

    def _receive_own(self, outcome: Outcome, events: list[Event]) -> None:
        """The answer to a request that the session keeps out of the window."""
        request, response = outcome.request, cast("Pdu", outcome.response)
        if request.command_id == c.ENQUIRE_LINK:
            self._enquire_sent = _NEVER
        elif request.command_id == c.UNBIND:
            events.append(self._move(_UNBOUND, "unbound"))
            self.wants_close = True
        else:
            events.append(outcome)
            tlv = response.tlv(c.TAG_SC_INTERFACE_VERSION)
            version = tlv[0] if tlv else self.config.assume_version
            change = self._settle_bind(cast("BindRequest", request), response, version)
            if change is not None:
                events.append(change)

    def _receive_late(
        self, data: bytes, position: int, stop: int, command_id: int, sequence: int, now: float, events: list[Event]
    ) -> None:
        """A response to nothing that is open; never answered, for a nack to a response invites loops."""
        counters = self.counters
        if command_id == c.GENERIC_NACK:
            counters.generic_nacks_in += 1
        entry = self._window.get_late(sequence, now)
        if entry is None:
            counters.unknown_responses += 1
            return
        request, sent = entry
        if command_id not in (request.command_id + c.RESPONSE_BIT, c.GENERIC_NACK):
            counters.protocol_errors += 1
            return
        counters.late_responses += 1
        self._window.release_late(sequence)
        if request.command_id == c.ENQUIRE_LINK:
            return
        if command_id == c.GENERIC_NACK:
            status = _HEADER.unpack_from(data, position)[2]
            outcome = Outcome(request, _nack_of(status, sequence), late=True, elapsed=now - sent)
        else:
            try:
                outcome = Outcome(request, decode(data, position, stop), late=True, elapsed=now - sent)
            except DecodeError:
                outcome = self._malformed(request, sequence, now - sent)
                outcome.late = True
        events.append(outcome)

    # Requests ---------------------------------------------------------------------------------------------------------

    def _receive_request(self, octets: bytes, command_id: int, status: int, sequence: int, events: list[Event]) -> None:
        """A request that this state hands to the application, unless there are too many or it is wrong."""
        answerable = command_id not in WITHOUT_RESPONSE
        if answerable and self._unanswered_count >= self.config.receive_window:
            # 34 §2.9: more than a window may be refused; enquire_link never is
            self.counters.throttled_in += 1
            self._answer(command_id, c.ESME_RTHROTTLED, sequence)
            return
        try:
            pdu = decode_framed(octets, command_id, status, sequence)
        except DecodeError as error:
            self._reject(command_id, error.command_status, sequence)
            return
        if self._judges and (fault := validate(pdu, self.interface_version, strict=self.config.strict)) is not None:
            self._reject(command_id, fault[1], sequence)
            return
        if answerable:
            self._unanswered[sequence] = self._unanswered.get(sequence, 0) + 1
            self._unanswered_count += 1
        events.append(pdu)

    def _receive_other(
        self, data: bytes, position: int, stop: int, command_id: int, sequence: int, now: float, events: list[Event]
    ) -> None:
        """A request that is not simply handed to the application."""
        if command_id == c.ENQUIRE_LINK:
            # 50 §4.1.2: in any state. Extra octets where no TLV may stand are read over, except by the strict.
            self.counters.enquire_links_in += 1
            if self.config.strict and stop - position != _HEADER_BYTES:
                self.counters.protocol_errors += 1
                self._nack(c.ESME_RINVCMDLEN, sequence)
            else:
                self._answer(command_id, c.ESME_ROK, sequence)
        elif self.state is _UNBOUND:
            pass  # requests that follow an unbind are not processed
        elif command_id == c.UNBIND and self.bound:
            self.close_cause = "unbound"
            events.append(self._move(_UNBOUND, "unbound by the peer"))
            if self._unanswered_count:
                # What the application is about to answer would otherwise be delivered again after the rebind
                self._held_unbind = sequence
                self._unbind_deadline = now + self.config.unbind_grace
            else:
                self._answer(c.UNBIND, c.ESME_ROK, sequence)
                self.wants_close = True
        elif command_id in RECEIVABLE[self.role, self.state]:
            self._receive_opening(data, position, stop, command_id, sequence, events)
        elif command_id in WITHOUT_RESPONSE:
            self.counters.protocol_errors += 1
            if command_id == c.OUTBIND:
                self._nack(c.ESME_RINVBNDSTS, sequence)
        elif command_id in OPERATIONS:
            already = self.bound and command_id in BIND_STATES
            self._reject(command_id, c.ESME_RALYBND if already else c.ESME_RINVBNDSTS, sequence)
        else:
            self.counters.protocol_errors += 1
            self._nack(c.ESME_RINVCMDID, sequence)

    def _receive_opening(
        self, data: bytes, position: int, stop: int, command_id: int, sequence: int, events: list[Event]
    ) -> None:
        """A bind, or an outbind, in a session that is not bound."""
        if self._bind is not None and command_id in BIND_STATES:
            self._reject(command_id, c.ESME_RALYBND, sequence)
            return
        try:
            pdu = decode(data, position, stop)
        except DecodeError as error:
            self._reject(command_id, error.command_status, sequence)
            return
        if command_id in BIND_STATES:
            version = cast("BindRequest", pdu).interface_version
            if self.config.strict and is_reserved(version):
                self._reject(command_id, c.ESME_RBINDFAIL, sequence)
                return
            self._bind = pdu
            self._unanswered[sequence] = 1
            self._unanswered_count += 1
            events.append(pdu)
        else:
            events += (pdu, self._move(_OUTBOUND, "outbind"))

    def _reject(self, command_id: int, command_status: int, sequence: int) -> None:
        """Answer a bad request with an error; alert_notification and outbind have no answer."""
        self.counters.protocol_errors += 1
        if command_id not in WITHOUT_RESPONSE:
            self._answer(command_id, command_status, sequence)

    def _answer(self, command_id: int, command_status: int, sequence: int) -> None:
        """Queue a response without a body: what we answer ourselves has none (SMPP v3.4 §4.2.2, §4.11.2)."""
        self._queue(_HEADER.pack(_HEADER_BYTES, command_id + c.RESPONSE_BIT, command_status, sequence), 1)

    def _nack(self, command_status: int, sequence: int) -> None:
        self._queue(_HEADER.pack(_HEADER_BYTES, c.GENERIC_NACK, command_status, sequence), 1)

    # PDUs out ---------------------------------------------------------------------------------------------------------

    def send(self, requests: Sequence[Pdu], now: float) -> None:
        """Queue requests: each gets its sequence number and a window slot, and later an `Outcome`.

        A bind, an outbind and an alert_notification go alone; they take no slot, and the last two have no outcome.

        Raises:
            LocalProtocolError: The state does not allow one of them, the window has no room for all, or one cannot be
                encoded. Nothing was queued.
        """
        sendable = self._sendable
        for request in requests:
            if request.command_id not in sendable:
                self._send_other(requests, now)
                return
        window = self._window
        window.reserve(requests, now)
        try:
            octets = b"".join(list(map(self._encoder(), requests)))
        except LocalProtocolError:
            for request in requests:
                window.release(request.sequence_number)
            raise
        self._last_operation = now
        self._queue(octets, len(requests))

    def _send_other(self, requests: Sequence[Pdu], now: float) -> None:
        request = requests[0]
        command_id = request.command_id
        if len(requests) > 1 or self._unbinding or command_id not in SENDABLE[self.role, self.state]:
            raise LocalProtocolError(
                f"{request.name} may not be sent in state {self.state.value}"
                if len(requests) == 1
                else "one of several requests may not be sent, or not together with others",
                command_status=c.ESME_RINVBNDSTS,
            )
        if command_id in BIND_STATES:
            if self._bind is not None:
                raise LocalProtocolError("a bind is already waiting for its response", command_status=c.ESME_RALYBND)
            octets = self._record_extra(request, now)
            self._bind = request
        else:
            self._window.number(request)
            octets = self._encoder()(request)
            if command_id == c.OUTBIND:
                self._move(_OUTBOUND, "outbind")
        self._last_operation = now
        self._queue(octets, 1)

    def respond(self, responses: Sequence[Pdu], now: float) -> None:
        """Queue the answers to Pdu events; once the session has ended they are dropped, for nobody can hear them.

        A bind_resp with status 0 binds the session. It gets the configured system_id if it has none, and the
        sc_interface_version TLV if the peer speaks v3.4 or later (SMPP v3.4 §3.4).

        Raises:
            LocalProtocolError: One of them answers nothing that is open, or cannot be encoded.
        """
        if self.state is _CLOSED or (self.state is _UNBOUND and self._held_unbind is None):
            return
        bind = cast("BindRequest | None", self._bind) if self.role is Role.SMSC else None
        if bind is not None:
            responses = [complete_response(bind, response, self.config) for response in responses]
        octets = b"".join(list(map(self._encoder(), responses)))
        unanswered = self._unanswered
        for response in responses:
            sequence = response.sequence_number
            count = unanswered.pop(sequence, 0)
            if count == 0:
                raise LocalProtocolError(f"{response.name} {sequence} answers no open request", field="sequence_number")
            if count > 1:
                unanswered[sequence] = count - 1
        self._unanswered_count -= len(responses)
        self._last_operation = now
        self._queue(octets, len(responses))
        if bind is not None:
            for response in responses:  # one, for nothing else can be open
                self._settle_bind(bind, response, bind.interface_version)
        if self._held_unbind is not None and not self._unanswered_count:
            self._release_unbind()

    def _settle_bind(self, bind: BindRequest, response: Pdu, peer_version: int) -> StateChanged | None:
        """Whichever side asked: the bind has its answer, and a yes binds the session."""
        self._bind = None
        if not is_acceptance(response):
            return None
        self.interface_version = negotiate(self.config.interface_version, peer_version)
        self.bind_command_id = bind.command_id
        self.system_id = bind.system_id
        self.peer_system_id = cast("BindResponse", response).system_id if self.role is Role.ESME else bind.system_id
        return self._move(BIND_STATES[bind.command_id], "bound")

    def bytes_to_send(self) -> bytes:
        """Everything queued, joined once; b"" if there is nothing."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        self.output_bytes = 0
        return data

    def _queue(self, octets: bytes, pdus: int) -> None:
        self._output.append(octets)
        self.output_bytes += len(octets)
        self.counters.octets_out += len(octets)
        self.counters.pdus_out += pdus

    def _encoder(self) -> Callable[[Pdu], bytes]:
        """How PDUs become octets for this peer: without TLVs before v3.4 (SMPP v3.4 §3.4)."""
        return encode if self.interface_version >= c.VERSION_34 else _encode_without_tlvs

    def _record_extra(self, request: Pdu, now: float) -> bytes:
        self._window.reserve_extra(request, now)
        try:
            return self._encoder()(request)
        except LocalProtocolError:
            self._window.release(request.sequence_number)
            raise

    # Timers -----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` must be called, in seconds; math.inf if never. Sending can bring it forward."""
        if self.state is _CLOSED:
            return math.inf
        config = self.config
        deadline = min(self._window.next_deadline(), self._unbind_deadline)
        if self._enquire_sent != _NEVER:
            deadline = min(deadline, self._enquire_sent + self._enquire_timeout)
        if self.bound:
            if config.enquire_link_interval > 0 and self._enquire_sent == _NEVER and not self._unbinding:
                deadline = min(deadline, self._last_received + config.enquire_link_interval)
            if config.inactivity_timeout > 0 and not self._unbinding:
                deadline = min(deadline, self._last_operation + config.inactivity_timeout)
        elif self.state is not _UNBOUND:
            deadline = min(deadline, self._started + config.session_init_timeout)
        return deadline

    def handle_timeout(self, now: float) -> list[Event]:
        """Do whatever is due at `now`; harmless when nothing is.

        Returns:
            Outcomes of requests that timed out, and the change of state if the session has ended.
        """
        if self.state is _CLOSED:
            return []
        events: list[Event] = []
        config = self.config
        for request in self._window.expire(now):
            if request.command_id == c.ENQUIRE_LINK:
                pass  # below, for it may have a time of its own
            elif request.command_id == c.UNBIND:
                return events + self.abort("unbind was not answered", now)
            else:
                self.counters.response_timeouts += 1
                error = ResponseTimeout(request.sequence_number, config.response_timeout)
                events.append(Outcome(request, None, error))
                if request is self._bind:
                    return events + self.abort("the bind was not answered", now)
        if self._enquire_sent + self._enquire_timeout <= now and self._enquire_sent != _NEVER:
            # 50 §4.1.2: any octet since then shows life as well as a response would
            if self._last_received < self._enquire_sent:
                return events + self.abort("enquire_link was not answered", now, "enquire_link")
            self._enquire_sent = _NEVER
        if now >= self._unbind_deadline:
            self._release_unbind()
        if self.bound:
            if config.inactivity_timeout > 0 and now >= self._last_operation + config.inactivity_timeout:
                self.unbind(now)
            elif (
                config.enquire_link_interval > 0
                and self._enquire_sent == _NEVER
                and not self._unbinding
                and now >= self._last_received + config.enquire_link_interval
            ):
                self._enquire_sent = now
                self.counters.enquire_links_out += 1
                self._queue(self._record_extra(EnquireLink(), now), 1)
        elif self.state is not _UNBOUND and now >= self._started + config.session_init_timeout:
            events += self.abort("no bind in time", now)
        return events

    # Ends -------------------------------------------------------------------------------------------------------------

    def unbind(self, now: float) -> None:
        """Ask the peer to end the session. Nothing more is sent; what the peer asks until it has answered is handled.

        A session that is not bound simply wants to be closed.
        """
        if self._unbinding or self.state in (_UNBOUND, _CLOSED):
            return
        if not self.bound:
            self.close_reason = "unbound"
            self.wants_close = True
            return
        self._unbinding = True
        self._sendable = _NOTHING
        self._queue(self._record_extra(Unbind(), now), 1)

    def abort(self, reason: str, now: float, cause: str = "closed") -> list[Event]:
        """End the session: the stream has ended or must end. What is queued may still be written.

        Args:
            reason: Why, in one line.
            now: In seconds.
            cause: The same in a word, as in LinkClosed.

        Returns:
            One outcome with LinkClosed for every outstanding request, and the change of state; [] if it had ended.
        """
        if self.state is _CLOSED:
            return []
        self.close_cause = self.close_cause or cause
        error = LinkClosed(reason, cause)
        events: list[Event] = [
            Outcome(request, None, error)
            for request in self._window.drain()
            if request.command_id not in (c.ENQUIRE_LINK, c.UNBIND)
        ]
        self._bind = None
        self._unanswered.clear()
        self._unanswered_count = 0
        self._partial.clear()
        events.append(self._move(_CLOSED, reason))
        self.wants_close = True
        return events

    def _release_unbind(self) -> None:
        """Answer the peer's unbind; whatever the application answers after it is dropped."""
        self._answer(c.UNBIND, c.ESME_ROK, cast("int", self._held_unbind))
        self._held_unbind = None
        self._unbind_deadline = math.inf
        self._unanswered.clear()
        self._unanswered_count = 0
        self.wants_close = True

    def _move(self, state: SessionState, reason: str) -> StateChanged:
        change = StateChanged(self.state, state, reason)
        self.state = state
        if state in BOUND:
            self._sendable = SENDABLE[self.role, state] - WITHOUT_RESPONSE
            self._receivable = RECEIVABLE[self.role, state]
        else:
            self._sendable = self._receivable = _NOTHING
            if state in (_UNBOUND, _CLOSED):
                self.close_reason = self.close_reason or reason
        return change


_TEXT_TLVS = {
    c.TAG_MESSAGE_PAYLOAD: "message_payload",
    c.TAG_SAR_MSG_REF_NUM: "sar_msg_ref_num",
}


def _encode_without_tlvs(pdu: Pdu) -> bytes:
    if pdu.tlvs:
        for tag, _ in pdu.tlvs:
            if tag in _TEXT_TLVS:
                # Left out, the message would arrive empty, or as a heap of parts.
                raise LocalProtocolError(
                    f"{_TEXT_TLVS[tag]} cannot be sent to a peer whose interface_version is below 3.4",
                    field=_TEXT_TLVS[tag],
                )
        pdu = copy.copy(pdu)
        pdu.tlvs = ()
    return encode(pdu)


def _nack_of(command_status: int, sequence: int) -> GenericNack:
    """A generic_nack is never an acceptance, even if a confused peer gives it status 0."""
    return GenericNack(command_status=command_status or c.ESME_RUNKNOWNERR, sequence_number=sequence)
