"""The session: who binds to whom, as what, and in which version."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from smppcore.errors import LocalProtocolError
from smppcore.pdu import (
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
    SubmitSMResp,
    encode,
    response_to,
)
from smppcore.session import Outcome, Role, SessionConfig, StateChanged
from tests.sessions import (
    ESME,
    OPEN,
    OUTBOUND,
    ROLES,
    RX,
    SMSC,
    TRX,
    bind_to,
    deliver,
    header,
    join,
    make,
    sent,
    submit,
)


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
