"""The session: what it answers, what it hands out, what it sends, and when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore import constants as c
from smppcore.errors import LinkClosed, LocalProtocolError, ResponseTimeout
from smppcore.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySM,
    QuerySMResp,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
    encode,
    response_to,
)
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState, StateChanged
from tests.sessions import bind_to, deliver, header, join, make, sent, submit

ESME, SMSC = Role.ESME, Role.SMSC
OPEN, OUTBOUND, UNBOUND, CLOSED = (
    SessionState.OPEN,
    SessionState.OUTBOUND,
    SessionState.UNBOUND,
    SessionState.CLOSED,
)
TX, RX, TRX = SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX

ROLES = pytest.mark.parametrize("role", Role)


def request_of(role: Role, sequence_number: int = 0) -> SubmitSM | DeliverSM:
    """The message that the given role sends."""
    return submit(sequence_number) if role is ESME else deliver(sequence_number)


def other(role: Role) -> Role:
    return SMSC if role is ESME else ESME


def outcomes(events: list[Event]) -> list[Outcome]:
    return [event for event in events if isinstance(event, Outcome)]


# Framing --------------------------------------------------------------------------------------------------------------


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


# Binding --------------------------------------------------------------------------------------------------------------


def test_an_esme_is_bound_by_the_response_to_its_bind() -> None:
    session = make(ESME)
    session.send([BindTransceiver(b"esme", b"pw")], 0.0)
    answer = BindTransceiverResp(b"carrier", sequence_number=1, tlvs=[(c.TAG_SC_INTERFACE_VERSION, b"\x34")])
    events = session.receive_data(encode(answer), 2.0)
    assert events == [
        Outcome(BindTransceiver(b"esme", b"pw", sequence_number=1), answer, elapsed=2.0),
        StateChanged(OPEN, TRX, "bound"),
    ]
    assert (session.system_id, session.peer_system_id) == (b"esme", b"carrier")
    assert session.bind_command_id == c.BIND_TRANSCEIVER
    assert session.interface_version == 0x34
    assert session.bound


def test_a_refused_bind_leaves_the_session_open_for_another() -> None:
    session = make(ESME)
    session.send([BindTransceiver()], 0.0)
    (event,) = session.receive_data(header(c.BIND_TRANSCEIVER_RESP, c.ESME_RINVPASWD), 1.0)
    assert isinstance(event, Outcome)
    assert event.response == BindTransceiverResp(command_status=c.ESME_RINVPASWD, sequence_number=1)
    assert session.state is OPEN
    session.send([BindReceiver()], 2.0)


def test_a_bind_answered_by_generic_nack_is_refused() -> None:
    session = make(ESME)
    session.send([BindTransceiver()], 0.0)
    (event,) = session.receive_data(header(c.GENERIC_NACK, c.ESME_RINVCMDID), 1.0)
    assert isinstance(event, Outcome)
    assert event.response == GenericNack(command_status=c.ESME_RINVCMDID, sequence_number=1)
    assert session.state is OPEN


def test_a_bind_response_without_body_binds_with_an_empty_name() -> None:
    session = make(ESME)
    session.send([BindTransceiver(b"esme")], 0.0)
    session.receive_data(header(c.BIND_TRANSCEIVER_RESP), 1.0)
    assert session.state is TRX
    assert session.peer_system_id == b""


def test_what_comes_before_the_bind_response_is_refused_and_what_follows_it_is_handled_in_order() -> None:
    session = make(ESME)
    bind = BindTransceiver()
    session.send([bind], 0.0)
    session.bytes_to_send()
    data = join([deliver(1), EnquireLink(sequence_number=2), response_to(bind), deliver(3)])
    events = session.receive_data(data, 1.0)
    assert [type(event) for event in events] == [Outcome, StateChanged, DeliverSM]
    assert sent(session) == [
        DeliverSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=1),
        EnquireLinkResp(sequence_number=2),
    ]


def test_only_one_bind_waits_for_its_response() -> None:
    session = make(ESME)
    session.send([BindTransceiver()], 0.0)
    with pytest.raises(LocalProtocolError, match="already waiting"):
        session.send([BindTransceiver()], 0.0)


def test_a_bind_that_cannot_be_encoded_leaves_nothing_behind() -> None:
    session = make(ESME)
    with pytest.raises(LocalProtocolError):
        session.send([BindTransceiver(b"longer than fifteen")], 0.0)
    assert session.bytes_to_send() == b""
    assert session.next_deadline() == 30.0
    session.send([BindTransceiver(b"esme")], 0.0)


def test_an_smsc_hands_out_the_bind_and_is_bound_by_the_answer() -> None:
    session = make(SMSC, config=SessionConfig(system_id=b"smsc"))
    bind = BindReceiver(b"esme", b"pw", sequence_number=7)
    assert session.receive_data(encode(bind), 0.0) == [bind]
    assert session.state is OPEN
    answer = response_to(bind)
    session.respond([answer], 0.0)
    assert session.state is RX
    assert (session.system_id, session.peer_system_id) == (b"esme", b"esme")
    tlvs = [(c.TAG_SC_INTERFACE_VERSION, b"\x34")]
    expected = BindReceiverResp(b"smsc", sequence_number=7, tlvs=tlvs)
    assert sent(session) == [expected]
    assert answer == response_to(bind), "responding never changes the caller's object"


def test_the_name_and_version_that_the_application_gives_are_kept() -> None:
    session = make(SMSC, config=SessionConfig(system_id=b"smsc"))
    bind = BindTransceiver(sequence_number=1)
    session.receive_data(encode(bind), 0.0)
    answer = BindTransceiverResp(b"mine", sequence_number=1, tlvs=[(c.TAG_SC_INTERFACE_VERSION, b"\x50")])
    session.respond([answer], 0.0)
    assert sent(session) == [answer]


@pytest.mark.parametrize("answer", [response_to(BindTransceiver(), c.ESME_RINVPASWD), GenericNack()])
def test_an_smsc_that_refuses_a_bind_stays_open(answer: Pdu) -> None:
    session = make(SMSC)
    bind = BindTransceiver(sequence_number=3)
    session.receive_data(encode(bind), 0.0)
    answer.sequence_number = 3
    session.respond([answer], 0.0)
    assert session.state is OPEN
    assert sent(session) == [answer]
    assert session.receive_data(encode(BindTransceiver(sequence_number=4)), 0.0) != []


def test_a_second_bind_before_the_first_is_answered_is_refused() -> None:
    session = make(SMSC)
    session.receive_data(encode(BindTransceiver(sequence_number=1)), 0.0)
    assert session.receive_data(encode(BindReceiver(sequence_number=2)), 0.0) == []
    assert sent(session) == [response_to(BindReceiver(sequence_number=2), c.ESME_RALYBND)]
    session.respond([BindTransceiverResp(sequence_number=1)], 0.0)
    assert session.state is TRX


def test_a_second_bind_on_a_bound_session_is_refused_and_the_session_usable() -> None:
    session = make(SMSC, TRX)
    assert session.receive_data(encode(BindReceiver(sequence_number=2)), 0.0) == []
    assert sent(session) == [response_to(BindReceiver(sequence_number=2), c.ESME_RALYBND)]
    assert session.receive_data(encode(submit(3)), 0.0) == [submit(3)]


def test_a_malformed_bind_is_answered_with_its_own_status() -> None:
    session = make(SMSC)
    bad = header(c.BIND_TRANSCEIVER, sequence=5, body=b"a system_id too long\0\0\0\x34")
    assert session.receive_data(bad, 0.0) == []
    assert sent(session) == [BindTransceiverResp(command_status=c.ESME_RINVSYSID, sequence_number=5)]
    assert session.state is OPEN


@pytest.mark.parametrize(
    ("theirs", "ours", "negotiated"),
    [
        (0x00, 0x34, 0x00),
        (0x33, 0x34, 0x33),
        (0x34, 0x50, 0x34),
        (0x50, 0x34, 0x34),
        (0x50, 0x50, 0x50),
        (0x99, 0x50, 0x50),
        (0x40, 0x50, 0x34),
    ],
)
@ROLES
def test_the_version_is_the_lower_of_both_and_reserved_ones_count_as_one_below(
    role: Role, theirs: int, ours: int, negotiated: int
) -> None:
    session = make(role, config=SessionConfig(interface_version=ours))
    bind_to(session, version=theirs)
    assert session.interface_version == negotiated


def test_a_strict_smsc_refuses_a_reserved_version() -> None:
    session = make(SMSC, config=SessionConfig(strict=True))
    assert session.receive_data(encode(BindTransceiver(interface_version=0x99, sequence_number=1)), 0.0) == []
    assert sent(session) == [BindTransceiverResp(command_status=c.ESME_RBINDFAIL, sequence_number=1)]
    assert session.receive_data(encode(BindTransceiver(interface_version=0x50, sequence_number=1)), 0.0) != []


@pytest.mark.parametrize(("assumed", "tlvs"), [(0x34, [(0x1400, b"x")]), (0x33, [])])
def test_a_silent_smsc_has_the_assumed_version(assumed: int, tlvs: list[tuple[int, bytes]]) -> None:
    session = make(ESME, config=SessionConfig(assume_version=assumed))
    session.send([BindTransceiver()], 0.0)
    session.receive_data(encode(BindTransceiverResp(sequence_number=1)), 0.0)
    session.bytes_to_send()
    request = submit()
    request.tlvs = [(0x1400, b"x")]
    session.send([request, submit()], 0.0)
    assert [list(pdu.tlvs) for pdu in sent(session)] == [tlvs, []]
    assert request.tlvs == [(0x1400, b"x")]
    assert session.interface_version == assumed


@pytest.mark.parametrize("tag", [c.TAG_MESSAGE_PAYLOAD, c.TAG_SAR_MSG_REF_NUM])
def test_what_makes_no_sense_without_its_tlvs_is_not_sent_to_a_peer_before_v34(tag: int) -> None:
    session = make(ESME, config=SessionConfig(assume_version=0x33))
    session.send([BindTransceiver()], 0.0)
    session.receive_data(encode(BindTransceiverResp(sequence_number=1)), 0.0)
    session.bytes_to_send()
    request = submit()
    request.tlvs = [(tag, b"xx")]
    with pytest.raises(LocalProtocolError, match="interface_version is below"):
        session.send([request], 0.0)
    session.send([submit()], 0.0)
    assert len(sent(session)) == 1


def test_an_esme_before_v34_gets_no_tlvs() -> None:
    session = make(SMSC)
    bind = BindTransceiver(b"old", interface_version=0x33, sequence_number=1)
    session.receive_data(encode(bind), 0.0)
    session.respond([response_to(bind)], 0.0)
    session.receive_data(encode(submit(2)), 0.0)
    session.respond([SubmitSMResp(b"1", sequence_number=2, tlvs=[(0x1400, b"x")])], 0.0)
    assert [list(pdu.tlvs) for pdu in sent(session)] == [[], []]


def test_an_outbind_is_told_and_can_be_answered_with_a_bind() -> None:
    session = make(ESME)
    outbind = Outbind(b"smsc", b"pw", sequence_number=1)
    assert session.receive_data(encode(outbind), 0.0) == [outbind, StateChanged(OPEN, OUTBOUND, "outbind")]
    assert session.bytes_to_send() == b""
    session.send([BindReceiver()], 0.0)
    session.receive_data(header(c.BIND_RECEIVER_RESP), 0.0)
    assert session.state is RX


def test_an_smsc_that_sends_outbind_waits_for_the_bind() -> None:
    session = make(SMSC)
    session.send([Outbind(b"smsc")], 0.0)
    assert sent(session) == [Outbind(b"smsc", sequence_number=1)]
    assert session.state is OUTBOUND
    assert session.receive_data(encode(BindReceiver(sequence_number=1)), 0.0) == [BindReceiver(sequence_number=1)]


def test_a_malformed_outbind_has_no_answer() -> None:
    session = make(ESME)
    assert session.receive_data(header(c.OUTBIND, body=b"no end"), 0.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.protocol_errors == 1


def test_an_answer_to_something_else_does_not_settle_a_bind() -> None:
    session = make(SMSC)
    session.receive_data(encode(BindTransceiver(sequence_number=1)), 0.0)
    with pytest.raises(LocalProtocolError, match="answers no open request"):
        session.respond([BindTransceiverResp(sequence_number=2)], 0.0)
    session.respond([], 0.0)
    assert session.state is OPEN
    session.respond([BindTransceiverResp(sequence_number=1)], 0.0)
    assert session.state is TRX


def test_a_bind_answer_that_cannot_be_encoded_binds_nobody() -> None:
    session = make(SMSC)
    session.receive_data(encode(BindTransceiver(sequence_number=1)), 0.0)
    with pytest.raises(LocalProtocolError):
        session.respond([BindTransceiverResp(b"longer than fifteen", sequence_number=1)], 0.0)
    assert session.state is OPEN
    session.respond([BindTransceiverResp(sequence_number=1)], 0.0)
    assert session.state is TRX


# Requests of the peer -------------------------------------------------------------------------------------------------


@ROLES
def test_requests_are_handed_out_and_answered_in_any_order(role: Role) -> None:
    session = make(role, TRX)
    requests = [request_of(other(role), number) for number in (5, 3, 9)]
    assert session.receive_data(join(requests), 1.0) == requests
    assert session.unanswered == 3
    answers = [response_to(request) for request in reversed(requests)]
    session.respond(answers, 2.0)
    assert sent(session) == answers
    assert session.unanswered == 0


@pytest.mark.parametrize("sequence", [0, 0x80000000, 0xFFFFFFFF])
def test_any_sequence_number_is_echoed(sequence: int) -> None:
    session = make(ESME, TRX)
    (event,) = session.receive_data(encode(deliver(sequence)), 1.0)
    assert event == deliver(sequence)
    session.respond([DeliverSMResp(sequence_number=sequence)], 1.0)
    session.receive_data(encode(EnquireLink(sequence_number=sequence)), 1.0)
    assert [pdu.sequence_number for pdu in sent(session)] == [sequence, sequence]


def test_two_open_requests_with_one_number_get_one_answer_each() -> None:
    session = make(ESME, TRX)
    assert len(session.receive_data(join([deliver(1), deliver(1)]), 1.0)) == 2
    session.respond([DeliverSMResp(sequence_number=1)], 1.0)
    assert session.unanswered == 1
    session.respond([DeliverSMResp(sequence_number=1)], 1.0)
    assert session.unanswered == 0
    with pytest.raises(LocalProtocolError, match="answers no open request"):
        session.respond([DeliverSMResp(sequence_number=1)], 1.0)


def test_each_direction_has_its_own_numbers() -> None:
    session = make(ESME, TRX)
    session.send([submit()], 0.0)
    number = sent(session)[0].sequence_number
    assert session.receive_data(encode(deliver(number)), 1.0) == [deliver(number)]
    (outcome,) = session.receive_data(encode(SubmitSMResp(b"1", sequence_number=number)), 1.0)
    assert isinstance(outcome, Outcome)


def test_a_status_in_a_request_is_ignored() -> None:
    session = make(ESME, TRX)
    request = deliver(1)
    request.command_status = 77
    assert session.receive_data(encode(request), 1.0) == [request]


def test_a_malformed_request_is_answered_and_the_next_one_is_fine() -> None:
    session = make(SMSC, TRX)
    bad = bytearray(encode(submit(1)))
    bad[-6] = 200  # sm_length
    assert session.receive_data(bytes(bad) + encode(submit(2)), 1.0) == [submit(2)]
    assert sent(session) == [SubmitSMResp(command_status=c.ESME_RINVMSGLEN, sequence_number=1)]
    assert session.counters.protocol_errors == 1


def test_a_value_that_is_not_allowed_is_answered_by_an_smsc() -> None:
    session = make(SMSC, TRX)
    bad = submit(1)
    bad.priority_flag = 9
    assert session.receive_data(join([bad, submit(2)]), 1.0) == [submit(2)]
    assert sent(session) == [SubmitSMResp(command_status=c.ESME_RINVPRTFLG, sequence_number=1)]


def test_an_esme_takes_whatever_value_its_smsc_delivers() -> None:
    session = make(ESME, TRX)
    odd = deliver(1)
    odd.priority_flag, odd.data_coding, odd.short_message = 9, 0x0F, bytes(255)
    assert session.receive_data(encode(odd), 1.0) == [odd]


def test_a_malformed_alert_notification_has_no_answer() -> None:
    session = make(ESME, RX)
    assert session.receive_data(header(c.ALERT_NOTIFICATION, body=b"\0"), 1.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.protocol_errors == 1


def test_an_alert_notification_is_told_and_takes_no_answer() -> None:
    session = make(ESME, RX, SessionConfig(receive_window=0))
    alert = AlertNotification(source_addr=b"1", esme_addr=b"2", sequence_number=1)
    assert session.receive_data(encode(alert), 1.0) == [alert]
    assert session.unanswered == 0
    assert session.bytes_to_send() == b""


@pytest.mark.parametrize(
    ("role", "state", "request_", "answer"),
    [
        (SMSC, OPEN, submit(7), SubmitSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (SMSC, RX, submit(7), SubmitSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (SMSC, TRX, deliver(7), DeliverSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (ESME, OPEN, deliver(7), DeliverSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (ESME, TX, deliver(7), DeliverSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (ESME, TRX, submit(7), SubmitSMResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (SMSC, OPEN, Unbind(sequence_number=7), UnbindResp(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (ESME, TRX, Outbind(sequence_number=7), GenericNack(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
        (SMSC, OPEN, Outbind(sequence_number=7), GenericNack(command_status=c.ESME_RINVBNDSTS, sequence_number=7)),
    ],
)
def test_what_only_others_may_send_or_not_in_this_state_is_refused_and_the_session_stays(
    role: Role, state: SessionState, request_: Pdu, answer: Pdu
) -> None:
    session = make(role, state)
    assert session.receive_data(encode(request_), 1.0) == []
    assert sent(session) == [answer]
    assert session.state is state
    assert not session.wants_close
    assert session.counters.protocol_errors == 1


def test_an_alert_notification_out_of_place_has_no_answer() -> None:
    session = make(ESME, TX)
    assert session.receive_data(encode(AlertNotification(sequence_number=1)), 1.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.protocol_errors == 1


@ROLES
def test_an_unknown_command_is_nacked_with_its_number(role: Role) -> None:
    session = make(role, TRX)
    assert session.receive_data(header(0x00010200, sequence=8) + encode(EnquireLink(sequence_number=9)), 1.0) == []
    assert sent(session) == [
        GenericNack(command_status=c.ESME_RINVCMDID, sequence_number=8),
        EnquireLinkResp(sequence_number=9),
    ]


@ROLES
def test_an_unknown_response_is_counted_and_never_answered(role: Role) -> None:
    session = make(role, TRX)
    assert session.receive_data(header(0x80010200, sequence=8), 1.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.unknown_responses == 1


@pytest.mark.parametrize("state", [state for state in SessionState if state is not CLOSED])
@ROLES
def test_enquire_link_is_answered_in_every_state(role: Role, state: SessionState) -> None:
    session = make(role, state)
    assert session.receive_data(encode(EnquireLink(sequence_number=4)), 1.0) == []
    assert session.bytes_to_send() == header(c.ENQUIRE_LINK_RESP, sequence=4)
    assert session.counters.enquire_links_in == 1


@pytest.mark.parametrize(
    ("strict", "answer"),
    [
        (False, EnquireLinkResp(sequence_number=4)),
        (True, GenericNack(command_status=c.ESME_RINVCMDLEN, sequence_number=4)),
    ],
)
def test_an_enquire_link_that_is_too_long_is_refused_by_the_strict_only(strict: bool, answer: Pdu) -> None:
    session = make(SMSC, TRX, SessionConfig(strict=strict))
    session.receive_data(header(c.ENQUIRE_LINK, sequence=4, body=b"\0") + encode(submit(5)), 1.0)
    assert sent(session) == [answer]
    assert session.unanswered == 1


def test_past_the_receive_window_requests_are_throttled_but_enquire_link_is_not() -> None:
    session = make(ESME, TRX, SessionConfig(receive_window=2))
    requests = [deliver(number) for number in (1, 2, 3)]
    assert session.receive_data(join([*requests, EnquireLink(sequence_number=4)]), 1.0) == requests[:2]
    assert sent(session) == [
        DeliverSMResp(command_status=c.ESME_RTHROTTLED, sequence_number=3),
        EnquireLinkResp(sequence_number=4),
    ]
    assert session.counters.throttled_in == 1
    session.respond([DeliverSMResp(sequence_number=1)], 2.0)
    assert session.receive_data(encode(deliver(5)), 2.0) == [deliver(5)]


def test_equal_numbers_do_not_slip_past_the_receive_window() -> None:
    session = make(ESME, TRX, SessionConfig(receive_window=2))
    assert len(session.receive_data(join([deliver(0)] * 3), 1.0)) == 2


def test_an_answer_that_cannot_be_encoded_is_the_callers_mistake_and_can_be_made_good() -> None:
    session = make(SMSC, TRX)
    session.receive_data(encode(submit(1)), 1.0)
    with pytest.raises(LocalProtocolError):
        session.respond([SubmitSMResp(bytes(100), sequence_number=1)], 1.0)
    assert session.bytes_to_send() == b""
    session.respond([SubmitSMResp(b"1", sequence_number=1)], 1.0)
    assert len(sent(session)) == 1


def test_answers_after_the_end_are_dropped() -> None:
    session = make(SMSC, TRX)
    session.receive_data(encode(submit(1)), 1.0)
    session.receive_eof(1.0)
    session.respond([SubmitSMResp(b"1", sequence_number=1)], 2.0)
    assert session.bytes_to_send() == b""


# Requests of ours -----------------------------------------------------------------------------------------------------


@ROLES
def test_requests_are_numbered_recorded_and_sent_in_one_piece(role: Role) -> None:
    session = make(role, TRX, SessionConfig(window=3))
    requests = [request_of(role) for _ in range(3)]
    session.send(requests, 1.0)
    assert (session.window_room, session.outstanding) == (0, 3)
    size = session.output_bytes
    data = session.bytes_to_send()
    assert size == len(data)
    assert data == join(requests)
    assert session.output_bytes == 0
    numbers = [request.sequence_number for request in requests]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_nothing_is_sent_beyond_the_window() -> None:
    session = make(ESME, TRX, SessionConfig(window=2))
    session.send([submit()], 0.0)
    session.bytes_to_send()
    with pytest.raises(LocalProtocolError):
        session.send([submit(), submit()], 0.0)
    assert session.bytes_to_send() == b""
    assert session.window_room == 1


def test_one_request_that_cannot_be_encoded_holds_back_the_batch() -> None:
    session = make(ESME, TRX)
    with pytest.raises(LocalProtocolError) as caught:
        session.send([submit(), SubmitSM(destination_addr=bytes(21))], 0.0)
    assert caught.value.field == "destination_addr"
    assert session.bytes_to_send() == b""
    assert session.outstanding == 0


@ROLES
def test_responses_in_any_order_find_their_requests(role: Role) -> None:
    session = make(role, TRX)
    requests = [request_of(role) for _ in range(3)]
    session.send(requests, 1.0)
    answers = [response_to(request) for request in reversed(requests)]
    events = session.receive_data(join(answers), 3.5)
    assert events == [
        Outcome(request, answer, elapsed=2.5) for request, answer in zip(reversed(requests), answers, strict=True)
    ]
    assert session.outstanding == 0


def test_an_error_response_is_an_outcome_and_its_body_is_ignored() -> None:
    session = make(ESME, TRX)
    request = submit()
    session.send([request], 0.0)
    (event,) = session.receive_data(
        header(c.SUBMIT_SM_RESP, c.ESME_RTHROTTLED, request.sequence_number, body=b"\xff\xff"), 0.0
    )
    assert isinstance(event, Outcome)
    assert event.response is not None
    assert event.response.command_status == c.ESME_RTHROTTLED
    assert not event.malformed


def test_an_accepted_request_whose_response_cannot_be_read_counts_as_accepted_with_nothing_known() -> None:
    session = make(ESME, TRX)
    request = QuerySM(b"id")
    session.send([request], 0.0)
    bad = header(c.QUERY_SM_RESP, 0, request.sequence_number, body=b"id\0\0")
    assert session.receive_data(bad, 1.0) == [
        Outcome(request, QuerySMResp(sequence_number=request.sequence_number), malformed=True, elapsed=1.0)
    ]
    assert session.outstanding == 0
    assert session.counters.malformed_responses == 1


def test_a_generic_nack_fails_its_request_with_its_status() -> None:
    session = make(ESME, TRX)
    requests = [submit(), submit()]
    session.send(requests, 0.0)
    (event,) = session.receive_data(header(c.GENERIC_NACK, c.ESME_RINVCMDLEN, requests[1].sequence_number), 1.0)
    assert event == Outcome(
        requests[1],
        GenericNack(command_status=c.ESME_RINVCMDLEN, sequence_number=requests[1].sequence_number),
        elapsed=1.0,
    )
    assert session.outstanding == 1


def test_a_generic_nack_with_status_zero_is_no_acceptance() -> None:
    session = make(ESME, TRX)
    request = submit()
    session.send([request], 0.0)
    (event,) = session.receive_data(header(c.GENERIC_NACK, 0, request.sequence_number), 1.0)
    assert isinstance(event, Outcome)
    assert event.response is not None
    assert event.response.command_status == c.ESME_RUNKNOWNERR


def test_a_generic_nack_of_nothing_is_counted_and_never_answered() -> None:
    session = make(ESME, TRX)
    session.send([submit()], 0.0)
    session.bytes_to_send()
    assert session.receive_data(header(c.GENERIC_NACK, c.ESME_RINVCMDLEN, 0), 1.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.generic_nacks_in == 1
    assert session.outstanding == 1


def test_a_response_of_the_wrong_type_is_counted_and_the_request_waits_on() -> None:
    session = make(ESME, TRX)
    request = submit()
    session.send([request], 0.0)
    session.bytes_to_send()
    assert session.receive_data(header(c.ENQUIRE_LINK_RESP, 0, request.sequence_number), 1.0) == []
    assert session.counters.protocol_errors == 1
    assert session.outstanding == 1
    assert session.bytes_to_send() == b""
    assert len(session.receive_data(encode(response_to(request)), 2.0)) == 1


def test_a_response_to_an_unknown_number_is_counted_only() -> None:
    session = make(ESME, TRX)
    assert session.receive_data(encode(SubmitSMResp(b"1", sequence_number=77)), 1.0) == []
    assert session.bytes_to_send() == b""
    assert session.counters.unknown_responses == 1


def test_a_request_without_response_times_out_and_its_slot_is_free() -> None:
    session = make(ESME, TRX, SessionConfig(window=1, response_timeout=10.0))
    request = submit()
    session.send([request], 5.0)
    assert session.next_deadline() == 15.0
    assert session.handle_timeout(14.9) == []
    (event,) = session.handle_timeout(15.0)
    assert isinstance(event, Outcome)
    assert event.request is request
    assert event.response is None
    assert isinstance(event.error, ResponseTimeout)
    assert (event.error.sequence_number, event.error.seconds) == (request.sequence_number, 10.0)
    assert session.window_room == 1
    assert session.counters.response_timeouts == 1


def timed_out(config: SessionConfig, request: Pdu | None = None) -> tuple[Session, Pdu]:
    session = make(ESME, TRX, config)
    request = request or submit()
    session.send([request], 0.0)
    session.handle_timeout(10.0)
    session.bytes_to_send()
    return session, request


LATE = SessionConfig(response_timeout=10.0, enquire_link_interval=0)


def test_a_late_response_is_a_second_outcome_once() -> None:
    session, request = timed_out(LATE)
    answer = response_to(request)
    assert session.receive_data(encode(answer), 12.0) == [Outcome(request, answer, late=True, elapsed=12.0)]
    assert session.receive_data(encode(answer), 12.0) == []
    assert (session.counters.late_responses, session.counters.unknown_responses) == (1, 1)


def test_a_response_after_the_late_window_is_unknown() -> None:
    session, request = timed_out(LATE)
    assert session.receive_data(encode(response_to(request)), 20.0) == []
    assert session.counters.unknown_responses == 1


def test_a_late_generic_nack_settles_too() -> None:
    session, request = timed_out(LATE)
    (event,) = session.receive_data(header(c.GENERIC_NACK, 8, request.sequence_number), 12.0)
    assert event == Outcome(
        request, GenericNack(command_status=8, sequence_number=request.sequence_number), late=True, elapsed=12.0
    )


def test_a_late_response_that_cannot_be_read_is_an_acceptance_with_nothing_known() -> None:
    session, request = timed_out(LATE, QuerySM(b"id"))
    (event,) = session.receive_data(header(c.QUERY_SM_RESP, 0, request.sequence_number, b"id\0\0"), 12.0)
    assert event == Outcome(
        request, QuerySMResp(sequence_number=request.sequence_number), late=True, malformed=True, elapsed=12.0
    )


def test_a_late_response_of_the_wrong_type_is_counted_only() -> None:
    session, request = timed_out(LATE)
    assert session.receive_data(header(c.DELIVER_SM_RESP, 0, request.sequence_number, b"\0"), 12.0) == []
    assert session.counters.protocol_errors == 1
    assert session.counters.late_responses == 0


def test_an_alert_notification_is_sent_without_outcome() -> None:
    session = make(SMSC, RX)
    alert = AlertNotification(source_addr=b"1", esme_addr=b"2")
    session.send([alert], 0.0)
    assert sent(session) == [alert]
    assert alert.sequence_number == 1
    assert session.outstanding == 0


@pytest.mark.parametrize(
    ("role", "state", "request_"),
    [
        (ESME, OPEN, submit()),
        (ESME, RX, submit()),
        (ESME, TRX, deliver()),
        (ESME, TRX, BindTransceiver()),
        (ESME, TRX, EnquireLink()),
        (ESME, CLOSED, submit()),
        (SMSC, TX, deliver()),
        (SMSC, TRX, submit()),
        (SMSC, OPEN, BindTransceiver()),
        (SMSC, TRX, Outbind()),
        (SMSC, TX, AlertNotification()),
    ],
)
def test_what_the_state_does_not_allow_is_not_sent(role: Role, state: SessionState, request_: Pdu) -> None:
    session = make(role, state)
    with pytest.raises(LocalProtocolError, match="may not be sent in state") as caught:
        session.send([request_], 0.0)
    assert caught.value.command_status == c.ESME_RINVBNDSTS
    assert session.bytes_to_send() == b""


def test_what_takes_no_slot_goes_alone() -> None:
    session = make(SMSC, TRX)
    with pytest.raises(LocalProtocolError, match="together"):
        session.send([deliver(), AlertNotification()], 0.0)
    assert session.bytes_to_send() == b""


@pytest.mark.parametrize(
    ("role", "state", "can_send", "can_receive"),
    [
        (ESME, OPEN, False, False),
        (ESME, TX, True, False),
        (ESME, RX, False, True),
        (ESME, TRX, True, True),
        (ESME, UNBOUND, False, False),
        (SMSC, TX, False, True),
        (SMSC, RX, True, False),
        (SMSC, TRX, True, True),
        (SMSC, CLOSED, False, False),
    ],
)
def test_where_messages_go(role: Role, state: SessionState, can_send: bool, can_receive: bool) -> None:
    session = make(role, state)
    assert (session.can_send, session.can_receive) == (can_send, can_receive)
    assert session.window_room == (50 if can_send else 0)


def test_a_new_session_knows_nothing_of_the_old_ones_requests() -> None:
    old = make(ESME, TRX)
    old.send([submit()], 0.0)
    new = make(ESME, TRX)
    assert new.receive_data(encode(SubmitSMResp(b"1", sequence_number=2)), 1.0) == []
    assert new.counters.unknown_responses == 1


# Timers ---------------------------------------------------------------------------------------------------------------


@ROLES
@pytest.mark.parametrize("state", [OPEN, OUTBOUND])
def test_a_connection_without_bind_is_closed_in_time(role: Role, state: SessionState) -> None:
    session = make(role, state, SessionConfig(session_init_timeout=5.0))
    assert session.next_deadline() == 5.0
    assert session.handle_timeout(4.9) == []
    assert session.handle_timeout(5.0) == [StateChanged(state, CLOSED, "no bind in time")]
    assert session.wants_close
    assert session.bytes_to_send() == b""
    assert session.next_deadline() == math.inf
    assert session.handle_timeout(6.0) == []


def test_a_bind_without_response_ends_the_session() -> None:
    session = make(ESME, config=SessionConfig(response_timeout=3.0))
    bind = BindTransceiver()
    session.send([bind], 0.0)
    assert session.next_deadline() == 3.0
    outcome, change = session.handle_timeout(3.0)
    assert isinstance(outcome, Outcome)
    assert outcome.request is bind
    assert isinstance(outcome.error, ResponseTimeout)
    assert change == StateChanged(OPEN, CLOSED, "the bind was not answered")


@ROLES
def test_a_silent_peer_is_asked_whether_it_is_there(role: Role) -> None:
    session = make(role, TRX, SessionConfig(enquire_link_interval=10.0, response_timeout=4.0))
    session.receive_data(encode(EnquireLink(sequence_number=1)), 2.0)
    session.bytes_to_send()
    assert session.next_deadline() == 12.0
    assert session.handle_timeout(11.9) == []
    assert session.bytes_to_send() == b""
    assert session.handle_timeout(12.0) == []
    (question,) = sent(session)
    assert isinstance(question, EnquireLink)
    assert session.next_deadline() == 16.0
    assert session.window_room == 50, "a question of our own takes no slot"
    assert session.receive_data(encode(response_to(question)), 13.0) == []
    assert session.next_deadline() == 23.0


def test_no_answer_and_no_octet_ends_the_session() -> None:
    session = make(ESME, TRX, SessionConfig(enquire_link_interval=10.0, response_timeout=4.0))
    request = submit()
    session.send([request], 10.0)
    session.handle_timeout(10.0)
    events = session.handle_timeout(14.0)
    assert session.state is CLOSED
    assert session.close_reason == "enquire_link was not answered"
    assert [event.request for event in outcomes(events)] == [request]


def test_any_octet_counts_as_life() -> None:
    session = make(ESME, TRX, SessionConfig(enquire_link_interval=10.0, response_timeout=4.0))
    session.handle_timeout(10.0)
    session.receive_data(b"\0", 13.0)
    assert session.handle_timeout(14.0) == []
    assert session.state is TRX
    assert session.next_deadline() == 23.0
    session.handle_timeout(23.0)
    assert [type(pdu) for pdu in sent(session)] == [EnquireLink, EnquireLink]


def test_a_late_enquire_link_resp_is_nobodys_business() -> None:
    session = make(ESME, TRX, SessionConfig(enquire_link_interval=10.0, response_timeout=4.0))
    session.handle_timeout(10.0)
    (question,) = sent(session)
    session.receive_data(b"\0", 13.0)
    session.handle_timeout(14.0)
    rest = encode(deliver(1))[1:] + encode(response_to(question))
    assert session.receive_data(rest, 15.0) == [deliver(1)]
    assert session.counters.late_responses == 1


def test_nobody_is_asked_after_an_unbind() -> None:
    session = make(ESME, TRX, SessionConfig(enquire_link_interval=10.0, response_timeout=40.0))
    session.unbind(5.0)
    assert session.next_deadline() == 45.0
    assert session.handle_timeout(30.0) == []
    assert [type(pdu) for pdu in sent(session)] == [Unbind]


def test_no_question_is_asked_when_that_is_off_or_nobody_is_bound() -> None:
    off = make(ESME, TRX, SessionConfig(enquire_link_interval=0))
    assert off.next_deadline() == math.inf
    assert off.handle_timeout(1e9) == []
    assert off.bytes_to_send() == b""
    unbound = make(SMSC, UNBOUND)
    assert unbound.next_deadline() == math.inf
    assert unbound.handle_timeout(1e9) == []
    assert unbound.bytes_to_send() == b""


def test_a_session_without_operations_is_unbound() -> None:
    config = SessionConfig(inactivity_timeout=60.0, enquire_link_interval=0)
    session = make(SMSC, TRX, config)
    session.receive_data(encode(submit(2)), 10.0)
    session.receive_data(encode(EnquireLink(sequence_number=3)), 50.0)
    session.bytes_to_send()
    assert session.next_deadline() == 70.0
    assert session.handle_timeout(69.0) == []
    assert session.handle_timeout(70.0) == []
    assert [type(pdu) for pdu in sent(session)] == [Unbind]


def test_answering_and_sending_are_operations() -> None:
    session = make(ESME, TRX, SessionConfig(inactivity_timeout=60.0, enquire_link_interval=0, response_timeout=1e6))
    session.receive_data(encode(deliver(1)), 10.0)
    session.respond([DeliverSMResp(sequence_number=1)], 20.0)
    assert session.next_deadline() == 80.0
    session.send([submit()], 30.0)
    assert session.next_deadline() == 90.0


def test_sending_brings_the_deadline_forward() -> None:
    session = make(ESME, TRX, SessionConfig(enquire_link_interval=1000.0, response_timeout=5.0))
    assert session.next_deadline() == 1000.0
    session.send([submit()], 1.0)
    assert session.next_deadline() == 6.0


# Ends -----------------------------------------------------------------------------------------------------------------


@ROLES
def test_a_peers_unbind_is_answered_and_then_closed(role: Role) -> None:
    session = make(role, TRX)
    assert session.receive_data(encode(Unbind(sequence_number=6)), 1.0) == [
        StateChanged(TRX, UNBOUND, "unbound by the peer")
    ]
    assert session.bytes_to_send() == header(c.UNBIND_RESP, sequence=6)
    assert session.wants_close
    assert session.close_reason == "unbound by the peer"


@ROLES
def test_requests_after_an_unbind_are_not_processed(role: Role) -> None:
    session = make(role, TRX)
    events = session.receive_data(join([Unbind(sequence_number=6), request_of(other(role), 7)]), 1.0)
    assert len(events) == 1
    assert sent(session) == [UnbindResp(sequence_number=6)]


def test_an_unbind_waits_for_the_answers_that_are_owed() -> None:
    session = make(ESME, TRX)
    events = session.receive_data(join([deliver(1), deliver(2), Unbind(sequence_number=3)]), 1.0)
    assert len(events) == 3
    assert session.bytes_to_send() == b""
    assert not session.wants_close
    session.respond([DeliverSMResp(sequence_number=1)], 1.1)
    assert not session.wants_close
    session.respond([DeliverSMResp(sequence_number=2)], 1.2)
    assert sent(session) == [
        DeliverSMResp(sequence_number=1),
        DeliverSMResp(sequence_number=2),
        UnbindResp(sequence_number=3),
    ]
    assert session.wants_close
    assert session.next_deadline() == math.inf


def test_an_unbind_does_not_wait_for_ever() -> None:
    session = make(ESME, TRX, SessionConfig(unbind_grace=2.0))
    session.receive_data(join([deliver(1), Unbind(sequence_number=3)]), 1.0)
    assert session.next_deadline() == 3.0
    assert session.handle_timeout(3.0) == []
    assert sent(session) == [UnbindResp(sequence_number=3)]
    assert session.wants_close
    session.respond([DeliverSMResp(sequence_number=1)], 3.1)
    assert session.bytes_to_send() == b""


def test_responses_are_matched_until_the_stream_ends() -> None:
    session = make(ESME, TRX)
    request = submit()
    session.send([request], 0.0)
    events = session.receive_data(join([Unbind(sequence_number=3), response_to(request)]), 1.0)
    assert events[1:] == [Outcome(request, response_to(request), elapsed=1.0)]


@pytest.mark.parametrize("answer", [c.UNBIND_RESP, c.GENERIC_NACK])
@ROLES
def test_our_unbind_ends_with_the_answer(role: Role, answer: int) -> None:
    session = make(role, TRX)
    session.unbind(1.0)
    (question,) = sent(session)
    assert isinstance(question, Unbind)
    assert session.state is TRX
    assert session.window_room == 0
    with pytest.raises(LocalProtocolError):
        session.send([request_of(role)], 1.0)
    assert not session.wants_close
    assert session.receive_data(header(answer, 0, question.sequence_number), 2.0) == [
        StateChanged(TRX, UNBOUND, "unbound")
    ]
    assert session.wants_close


def test_what_the_peer_asks_while_we_unbind_is_still_handled() -> None:
    session = make(ESME, TRX)
    session.unbind(1.0)
    session.bytes_to_send()
    assert session.receive_data(encode(deliver(4)), 1.5) == [deliver(4)]
    session.respond([DeliverSMResp(sequence_number=4)], 1.6)
    assert sent(session) == [DeliverSMResp(sequence_number=4)]


def test_unbinding_twice_asks_once() -> None:
    session = make(ESME, TRX, SessionConfig(inactivity_timeout=1.0))
    session.unbind(1.0)
    session.unbind(1.1)
    session.handle_timeout(2.0)
    assert len(sent(session)) == 1


def test_an_unbind_without_answer_ends_the_session() -> None:
    session = make(ESME, TRX, SessionConfig(response_timeout=5.0))
    request = submit()
    session.send([request], 0.5)
    session.unbind(1.0)
    assert len(outcomes(session.handle_timeout(5.5))) == 1
    assert session.handle_timeout(6.0) == [StateChanged(TRX, CLOSED, "unbind was not answered")]


def test_unbinding_what_is_not_bound_just_closes() -> None:
    session = make(ESME)
    session.unbind(0.0)
    assert session.wants_close
    assert session.bytes_to_send() == b""
    closed = make(ESME, CLOSED)
    closed.unbind(0.0)
    assert closed.bytes_to_send() == b""


@ROLES
def test_the_end_of_the_stream_settles_every_request_once(role: Role) -> None:
    session = make(role, TRX)
    requests = [request_of(role), request_of(role)]
    session.send(requests, 0.0)
    # An enquire_link and an unbind are outstanding as well, and nobody's business
    session.handle_timeout(30.0)
    session.send(again := [request_of(role)], 31.0)
    session.unbind(32.0)
    events = session.receive_eof(33.0)
    assert [event.request for event in outcomes(events)] == again
    assert all(isinstance(event.error, LinkClosed) for event in outcomes(events))
    assert events[-1] == StateChanged(TRX, CLOSED, "the peer closed the connection")
    assert session.abort("again", 34.0) == []
    assert session.outstanding == 0


def test_after_an_unbind_the_end_of_the_stream_keeps_the_reason() -> None:
    session = make(ESME, UNBOUND)
    assert session.receive_eof(1.0) == [StateChanged(UNBOUND, CLOSED, "unbound by the peer")]


def test_aborting_settles_an_unanswered_bind() -> None:
    session = make(ESME)
    bind = BindTransceiver()
    session.send([bind], 0.0)
    outcome, _ = session.abort("gone", 1.0)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.error, LinkClosed)
    assert outcome.error.reason == "gone"


def test_everything_is_counted() -> None:
    session = make(ESME, TRX)
    session.send([submit(), submit()], 0.0)
    data = join([deliver(1), EnquireLink(sequence_number=2)])
    session.receive_data(data, 1.0)
    counters = session.counters
    assert (counters.pdus_in, counters.pdus_out) == (3, 4)
    assert counters.octets_in == len(data) + len(encode(response_to(BindTransceiver()))) + 5
    assert counters.octets_out >= session.output_bytes
