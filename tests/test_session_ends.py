"""The session: unbinding, and the end of the stream."""

from __future__ import annotations

import math

import pytest

from smppcore import constants as c
from smppcore.errors import LinkClosed, LocalProtocolError
from smppcore.pdu import (
    BindTransceiver,
    DeliverSMResp,
    EnquireLink,
    Unbind,
    UnbindResp,
    encode,
    response_to,
)
from smppcore.session import Outcome, Role, SessionConfig, StateChanged
from tests.sessions import (
    CLOSED,
    ESME,
    ROLES,
    TRX,
    UNBOUND,
    deliver,
    header,
    join,
    make,
    other,
    outcomes,
    request_of,
    sent,
    submit,
)


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
