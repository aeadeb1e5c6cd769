"""Sessions in any state, and the octets to talk to them with; shared by the tests of the session."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

import pytest

from smppcore import constants as c
from smppcore.pdu import (
    BindReceiver,
    BindReceiverResp,
    BindRequest,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    DeliverSM,
    Outbind,
    Pdu,
    SubmitSM,
    Unbind,
    decode,
    encode,
    response_to,
)
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable

BINDS: dict[SessionState, type[BindRequest]] = {
    SessionState.BOUND_TX: BindTransmitter,
    SessionState.BOUND_RX: BindReceiver,
    SessionState.BOUND_TRX: BindTransceiver,
}
BIND_RESPONSES = {
    SessionState.BOUND_TX: BindTransmitterResp,
    SessionState.BOUND_RX: BindReceiverResp,
    SessionState.BOUND_TRX: BindTransceiverResp,
}
VERSION_TLV = ((c.TAG_SC_INTERFACE_VERSION, b"\x34"),)
HEADER = Struct(">IIII")

ESME, SMSC = Role.ESME, Role.SMSC
OPEN, OUTBOUND, UNBOUND, CLOSED = (
    SessionState.OPEN,
    SessionState.OUTBOUND,
    SessionState.UNBOUND,
    SessionState.CLOSED,
)
TX, RX, TRX = SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX

ROLES = pytest.mark.parametrize("role", Role)


def make(role: Role, state: SessionState = SessionState.OPEN, config: SessionConfig | None = None) -> Session:
    """A session brought into a state by what the peer would do, at time 0, with nothing left to send."""
    session = Session(role, config or SessionConfig(), 0.0)
    if state is SessionState.OUTBOUND:
        if role is Role.ESME:
            session.receive_data(encode(Outbind(b"smsc")), 0.0)
        else:
            session.send([Outbind(b"smsc")], 0.0)
    elif state is not SessionState.OPEN:
        bind_to(session, BINDS.get(state, BindTransceiver))
    if state is SessionState.UNBOUND:
        session.receive_data(encode(Unbind(sequence_number=99)), 0.0)
    elif state is SessionState.CLOSED:
        session.receive_eof(0.0)
    session.bytes_to_send()
    assert session.state is state
    return session


def bind_to(session: Session, bind_class: type[BindRequest] = BindTransceiver, version: int = 0x34) -> None:
    """Bind a new session of either role, as the peer would."""
    if session.role is Role.ESME:
        bind = bind_class(b"esme", b"secret")
        session.send([bind], 0.0)
        answer = response_to(bind)
        answer.tlvs = ((c.TAG_SC_INTERFACE_VERSION, bytes([version])),)
        session.receive_data(encode(answer), 0.0)
    else:
        bind = bind_class(b"esme", b"secret", interface_version=version, sequence_number=1)
        session.receive_data(encode(bind), 0.0)
        session.respond([response_to(bind)], 0.0)
    session.bytes_to_send()


def sent(session: Session) -> list[Pdu]:
    """What the session has to send, decoded."""
    data = session.bytes_to_send()
    pdus, position = [], 0
    while position < len(data):
        (length, *_) = HEADER.unpack_from(data, position)
        pdus.append(decode(data, position, position + length))
        position += length
    return pdus


def header(command_id: int, status: int = 0, sequence: int = 1, body: bytes = b"") -> bytes:
    """A PDU of any header."""
    return HEADER.pack(16 + len(body), command_id, status, sequence) + body


def join(pdus: Iterable[Pdu]) -> bytes:
    """PDUs as one segment."""
    return b"".join(map(encode, pdus))


def submit(sequence_number: int = 0) -> SubmitSM:
    """A submit_sm that nobody objects to."""
    return SubmitSM(destination_addr=b"255700000001", short_message=b"hello", sequence_number=sequence_number)


def deliver(sequence_number: int = 0) -> DeliverSM:
    """A deliver_sm that nobody objects to."""
    return DeliverSM(source_addr=b"255700000001", short_message=b"hello", sequence_number=sequence_number)


def request_of(role: Role, sequence_number: int = 0) -> SubmitSM | DeliverSM:
    """The message that the given role sends."""
    return submit(sequence_number) if role is ESME else deliver(sequence_number)


def other(role: Role) -> Role:
    return SMSC if role is ESME else ESME


def outcomes(events: list[Event]) -> list[Outcome]:
    return [event for event in events if isinstance(event, Outcome)]
