"""The session: what it does in time, and what is counted."""

from __future__ import annotations

import math

import pytest

from smppcore.errors import ResponseTimeout
from smppcore.pdu import (
    BindTransceiver,
    DeliverSMResp,
    EnquireLink,
    Unbind,
    encode,
    response_to,
)
from smppcore.session import Outcome, Role, SessionConfig, SessionState, StateChanged
from tests.sessions import (
    CLOSED,
    ESME,
    OPEN,
    OUTBOUND,
    ROLES,
    SMSC,
    TRX,
    UNBOUND,
    deliver,
    make,
    outcomes,
    sent,
    submit,
)


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
