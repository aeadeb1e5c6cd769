"""The session: what we ask, and what becomes of it."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from smppcore.errors import LocalProtocolError, ResponseTimeout
from smppcore.pdu import (
    AlertNotification,
    BindTransceiver,
    EnquireLink,
    GenericNack,
    Outbind,
    Pdu,
    QuerySM,
    QuerySMResp,
    SubmitSM,
    SubmitSMResp,
    encode,
    response_to,
)
from smppcore.session import Outcome, Role, Session, SessionConfig, SessionState
from tests.sessions import (
    CLOSED,
    ESME,
    OPEN,
    ROLES,
    RX,
    SMSC,
    TRX,
    TX,
    UNBOUND,
    deliver,
    header,
    join,
    make,
    request_of,
    sent,
    submit,
)


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


def test_a_window_is_resized_while_requests_are_outstanding() -> None:
    session = make(ESME, TRX, SessionConfig(window=2))
    session.send([submit(), submit()], 1.0)
    session.resize(3)
    assert session.window_room == 1
    session.resize(1)
    assert session.window_room == -1
    with pytest.raises(LocalProtocolError):
        session.send([submit()], 1.0)
    assert session.outstanding == 2


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
