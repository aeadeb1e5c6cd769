"""The session: octets in any pieces, and lengths that cannot be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smppcore import constants as c
from smppcore.errors import LinkClosed
from smppcore.pdu import (
    DeliverSM,
    EnquireLink,
    GenericNack,
    Unbind,
    encode,
)
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, StateChanged
from tests.sessions import (
    CLOSED,
    ESME,
    ROLES,
    SMSC,
    TRX,
    deliver,
    header,
    join,
    make,
    other,
    request_of,
    sent,
    submit,
)


def a_stream(role: Role) -> bytes:
    """What a peer of this role may send in a row: messages, housekeeping, nonsense, an answer, a farewell."""
    return join(
        [request_of(role, 1), EnquireLink(sequence_number=2), request_of(role, 3), GenericNack(sequence_number=4)]
    ) + join([request_of(other(role), 5), Unbind(sequence_number=6)])


def everything(session: Session, chunks: list[bytes]) -> tuple[list[Event], bytes]:
    events: list[Event] = []
    for chunk in chunks:
        events += session.receive_data(chunk, 1.0)
    return events, session.bytes_to_send()


@ROLES
def test_octets_cut_anywhere_give_the_same_events_and_answers(role: Role) -> None:
    data = a_stream(other(role))
    whole = everything(make(role, TRX), [data])
    assert len(whole[0]) == 3
    for cut in range(1, len(data)):
        assert everything(make(role, TRX), [data[:cut], data[cut:]]) == whole
    assert everything(make(role, TRX), [bytes([octet]) for octet in data]) == whole


@given(st.data())
def test_octets_in_any_pieces_give_the_same_events_and_answers(data: st.DataObject) -> None:
    octets = a_stream(SMSC)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(octets) - 1), max_size=12)))
    pieces = [octets[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert everything(make(ESME, TRX), pieces) == everything(make(ESME, TRX), [octets])


@ROLES
def test_a_length_below_the_header_is_nacked_with_sequence_zero_and_ends_the_session(role: Role) -> None:
    session = make(role, TRX)
    events = session.receive_data(b"\0\0\0\x0f" + encode(EnquireLink(sequence_number=9)), 1.0)
    assert events == [StateChanged(TRX, CLOSED, "the peer sent a PDU of 15 octets, less than its header")]
    assert sent(session) == [GenericNack(command_status=c.ESME_RINVCMDLEN)]
    assert session.wants_close
    assert session.receive_data(encode(EnquireLink(sequence_number=1)), 1.0) == []
    assert session.bytes_to_send() == b""


def test_a_length_below_the_header_is_seen_as_soon_as_it_is_whole() -> None:
    session = make(ESME, TRX)
    assert session.receive_data(b"\0\0", 1.0) == []
    assert len(session.receive_data(b"\0\0", 1.0)) == 1
    assert session.wants_close


def test_a_length_above_the_limit_is_nacked_with_its_sequence_before_the_body_comes() -> None:
    session = make(SMSC, TRX, SessionConfig(max_pdu_bytes=100))
    data = b"\0\0\0\x65\0\0\0\x04\0\0\0\0\0\0\0\x07"
    events = [event for at in range(16) for event in session.receive_data(data[at : at + 1], 1.0)]
    assert events == [StateChanged(TRX, CLOSED, "the peer sent a PDU of 101 octets, more than the limit")]
    assert sent(session) == [GenericNack(command_status=c.ESME_RINVCMDLEN, sequence_number=7)]
    assert session.wants_close


def test_complete_pdus_before_broken_framing_are_handled() -> None:
    session = make(SMSC, TRX)
    session.send([deliver()], 0.0)
    session.bytes_to_send()
    events = session.receive_data(encode(submit(5)) + b"\0\0\0\0", 1.0)
    assert events[0] == submit(5)
    assert isinstance(events[1], Outcome)
    assert isinstance(events[1].error, LinkClosed)
    assert isinstance(events[2], StateChanged)


def test_the_beginning_of_a_pdu_can_be_seen_until_it_is_whole() -> None:
    session = make(Role.ESME)
    probe = header(c.ENQUIRE_LINK)
    assert session.unfinished == b""
    session.receive_data(probe + probe[:7], 0.0)
    assert session.unfinished == probe[:7]
    session.receive_data(probe[7:], 0.0)
    assert session.unfinished == b""


def test_a_partial_pdu_at_the_end_of_the_stream_is_discarded() -> None:
    session = make(SMSC, TRX)
    assert session.receive_data(encode(submit(1)) + encode(submit(2))[:-1], 1.0) == [submit(1)]
    assert session.receive_eof(1.0) == [StateChanged(TRX, CLOSED, "the peer closed the connection")]
    assert session.receive_eof(2.0) == []


def test_a_large_pdu_in_small_pieces_costs_one_look_per_piece_not_a_copy() -> None:
    session = make(ESME, TRX)
    big = DeliverSM(sequence_number=1, tlvs=[(c.TAG_MESSAGE_PAYLOAD, bytes(60000))])
    octets = encode(big)
    events: list[Event] = []
    for at in range(0, len(octets), 7):
        events += session.receive_data(octets[at : at + 7], 1.0)
    assert events == [big]
