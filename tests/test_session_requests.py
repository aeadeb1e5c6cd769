"""The session: what the peer asks, and what it is answered."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from smppcore.errors import LocalProtocolError
from smppcore.pdu import (
    AlertNotification,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    SubmitSMResp,
    Unbind,
    UnbindResp,
    encode,
    response_to,
)
from smppcore.session import Outcome, Role, SessionConfig, SessionState
from tests.sessions import (
    CLOSED,
    ESME,
    OPEN,
    ROLES,
    RX,
    SMSC,
    TRX,
    TX,
    deliver,
    header,
    join,
    make,
    other,
    request_of,
    sent,
    submit,
)


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
