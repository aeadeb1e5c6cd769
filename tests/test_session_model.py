"""The session against what the specification's tables say, and against a model of dicts.

The first half is data: each request that a peer may send in each state, for both roles, and what must come of it. The
second drives a session with anything in any order and compares it with a model that keeps plain dicts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smppcore import constants as c
from smppcore.errors import LinkClosed, LocalProtocolError, ResponseTimeout
from smppcore.pdu import (
    PDU_CLASSES,
    BroadcastSM,
    DataSM,
    DeliverSM,
    EnquireLink,
    Pdu,
    SmeAddress,
    SubmitMulti,
    SubmitSM,
    Unbind,
    encode,
    response_class,
    response_to,
)
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState, StateChanged
from tests.sessions import header, make, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES = tuple(SessionState)  # open outbound bound_tx bound_rx bound_trx unbound closed

# What comes of a request: E it is handed out; 0, 4, 5 it is answered with that status; U the session is unbound;
# n3, n4 a generic_nack with that status; - nothing at all. Columns: the states in the order above.
RECEIVED_BY_ESME = """
bind_transmitter        4  4  5  5  5  -  -
bind_receiver           4  4  5  5  5  -  -
bind_transceiver        4  4  5  5  5  -  -
outbind                 E  n4 n4 n4 n4 -  -
unbind                  4  4  U  U  U  -  -
enquire_link            0  0  0  0  0  0  -
submit_sm               4  4  4  4  4  -  -
submit_multi            4  4  4  4  4  -  -
data_sm                 4  4  4  E  E  -  -
deliver_sm              4  4  4  E  E  -  -
query_sm                4  4  4  4  4  -  -
cancel_sm               4  4  4  4  4  -  -
replace_sm              4  4  4  4  4  -  -
alert_notification      -  -  -  E  E  -  -
broadcast_sm            4  4  4  4  4  -  -
query_broadcast_sm      4  4  4  4  4  -  -
cancel_broadcast_sm     4  4  4  4  4  -  -
unknown                 n3 n3 n3 n3 n3 -  -
"""
RECEIVED_BY_SMSC = """
bind_transmitter        E  E  5  5  5  -  -
bind_receiver           E  E  5  5  5  -  -
bind_transceiver        E  E  5  5  5  -  -
outbind                 n4 n4 n4 n4 n4 -  -
unbind                  4  4  U  U  U  -  -
enquire_link            0  0  0  0  0  0  -
submit_sm               4  4  E  4  E  -  -
submit_multi            4  4  E  4  E  -  -
data_sm                 4  4  E  4  E  -  -
deliver_sm              4  4  4  4  4  -  -
query_sm                4  4  E  4  E  -  -
cancel_sm               4  4  E  4  E  -  -
replace_sm              4  4  E  4  E  -  -
alert_notification      -  -  -  -  -  -  -
broadcast_sm            4  4  E  4  E  -  -
query_broadcast_sm      4  4  E  4  E  -  -
cancel_broadcast_sm     4  4  E  4  E  -  -
unknown                 n3 n3 n3 n3 n3 -  -
"""
UNKNOWN = 0x0001_0200
REQUESTS: dict[str, type[Pdu]] = {
    pdu_class.name: pdu_class for pdu_class in PDU_CLASSES if pdu_class.command_id < c.RESPONSE_BIT
}


def table(text: str) -> Iterator[tuple[str, SessionState, str]]:
    for line in text.strip().splitlines():
        name, *cells = line.split()
        for state, cell in zip(STATES, cells, strict=True):
            yield name, state, cell


CASES = [
    pytest.param(role, name, state, cell, id=f"{role.value}-{name}-{state.value}")
    for role, text in ((Role.ESME, RECEIVED_BY_ESME), (Role.SMSC, RECEIVED_BY_SMSC))
    for name, state, cell in table(text)
]


def example(name: str) -> Pdu:
    """A request of that command that nobody objects to."""
    pdu = REQUESTS[name](sequence_number=7)
    if isinstance(pdu, SubmitSM | DeliverSM | DataSM):
        pdu.destination_addr = b"255700000001"
    if isinstance(pdu, SubmitMulti):
        pdu.dest_address = [SmeAddress(1, 1, b"255700000001")]
    if isinstance(pdu, DataSM):
        pdu.tlvs = [(c.TAG_MESSAGE_PAYLOAD, b"hello")]
    if isinstance(pdu, BroadcastSM):
        pdu.tlvs = [
            (c.TAG_BROADCAST_AREA_IDENTIFIER, b"\0area"),
            (c.TAG_BROADCAST_CONTENT_TYPE, b"\0\0\1"),
            (c.TAG_BROADCAST_REP_NUM, b"\0\1"),
            (c.TAG_BROADCAST_FREQUENCY_INTERVAL, b"\0\0\0"),
        ]
    return pdu


def test_the_tables_name_every_request() -> None:
    for text in (RECEIVED_BY_ESME, RECEIVED_BY_SMSC):
        assert {name for name, _, _ in table(text)} == {*REQUESTS, "unknown"}


@pytest.mark.parametrize(("role", "name", "state", "cell"), CASES)
def test_a_request_in_a_state(role: Role, name: str, state: SessionState, cell: str) -> None:
    session = make(role, state)
    data = header(UNKNOWN, sequence=7) if name == "unknown" else encode(example(name))
    events = session.receive_data(data, 1.0)
    answers = session.bytes_to_send()
    command_id = UNKNOWN if name == "unknown" else REQUESTS[name].command_id
    if cell == "E":
        assert events[0] == example(name)
        assert answers == b""
        assert session.unanswered == (response_class(command_id) is not None)
    elif cell == "U":
        assert [type(event) for event in events] == [StateChanged]
        assert answers == header(c.UNBIND_RESP, 0, 7)
        assert session.state is SessionState.UNBOUND
    else:
        assert events == []
        assert session.state is state
        if cell == "-":
            assert answers == b""
        elif cell.startswith("n"):
            assert answers == header(c.GENERIC_NACK, int(cell[1:]), 7)
        else:
            assert answers == header(command_id | c.RESPONSE_BIT, int(cell), 7)


@pytest.mark.parametrize(
    ("role", "name", "state", "cell"),
    [case for case in CASES if case.values[1] not in ("unknown", "unbind", "enquire_link")],
)
def test_what_one_side_may_send_is_what_the_other_is_handed(
    role: Role, name: str, state: SessionState, cell: str
) -> None:
    """The tables read the other way: an application may send what its peer's application would be handed."""
    sender = Role.SMSC if role is Role.ESME else Role.ESME
    session = make(sender, state)
    if cell == "E":
        session.send([example(name)], 1.0)
        assert [pdu.name for pdu in sent(session)] == [name]
    else:
        with pytest.raises(LocalProtocolError):
            session.send([example(name)], 1.0)
        assert session.bytes_to_send() == b""


WINDOW, RECEIVE_WINDOW, TIMEOUT, INTERVAL = 5, 4, 10.0, 30.0


class AnySession(RuleBasedStateMachine):
    """One bound session, its peer and its application doing anything; the model is a few dicts."""

    @initialize(role=st.sampled_from(Role))
    def begin(self, role: Role) -> None:
        config = SessionConfig(
            window=WINDOW, receive_window=RECEIVE_WINDOW, response_timeout=TIMEOUT, enquire_link_interval=INTERVAL
        )
        self.session = make(role, SessionState.BOUND_TRX, config)
        self.ours: type[SubmitSM | DeliverSM] = SubmitSM if role is Role.ESME else DeliverSM
        self.theirs: type[SubmitSM | DeliverSM] = DeliverSM if role is Role.ESME else SubmitSM
        self.now = 0.0
        self.open: dict[int, tuple[Pdu, float]] = {}  # our requests without an outcome
        self.late: dict[int, tuple[Pdu, float]] = {}  # those that timed out, oldest first
        self.owed: list[int] = []  # sequence numbers of the peer's requests that the application has not answered
        self.asked: dict[int, float] = {}  # our enquire_links without an answer
        self.heard = 0.0
        self.held_unbind: int | None = None
        self.counted = {"throttled_in": 0, "unknown_responses": 0, "protocol_errors": 0, "late_responses": 0}

    @property
    def bound(self) -> bool:
        return self.session.state is SessionState.BOUND_TRX

    def receive(self, data: bytes) -> list[Event]:
        self.heard = self.now
        return self.session.receive_data(data, self.now)

    def answers(self) -> list[tuple[int, int, int]]:
        return [(pdu.command_id, pdu.command_status, pdu.sequence_number) for pdu in sent(self.session)]

    @precondition(lambda self: self.bound)
    @rule(count=st.integers(0, WINDOW + 1))
    def we_send(self, count: int) -> None:
        requests = [self.ours(destination_addr=b"1") for _ in range(count)]
        if count > WINDOW - len(self.open):
            with pytest.raises(LocalProtocolError):
                self.session.send(requests, self.now)
            return
        self.session.send(requests, self.now)
        for request in requests:
            assert request.sequence_number not in self.open
            assert request.sequence_number not in self.asked
            self.open[request.sequence_number] = (request, self.now)
        assert self.answers() == [(self.ours.command_id, 0, request.sequence_number) for request in requests]

    @precondition(lambda self: self.session.state is not SessionState.CLOSED and self.open)
    @rule(which=st.integers(0, 99), status=st.sampled_from((0, c.ESME_RTHROTTLED)), nack=st.booleans())
    def the_peer_responds(self, which: int, status: int, nack: bool) -> None:
        number = list(self.open)[which % len(self.open)]
        request, sent_at = self.open.pop(number)
        data = header(c.GENERIC_NACK, 3, number) if nack else encode(response_to(request, status))
        (event,) = self.receive(data)
        assert isinstance(event, Outcome)
        assert event.request is request
        assert event.error is None
        assert not event.late
        assert event.elapsed == self.now - sent_at
        assert event.response is not None
        assert event.response.command_status == (3 if nack else status)

    @precondition(lambda self: self.session.state is not SessionState.CLOSED and self.late)
    @rule(which=st.integers(0, 99))
    def the_peer_responds_late(self, which: int) -> None:
        number = list(self.late)[which % len(self.late)]
        request, sent_at = self.late[number]
        events = self.receive(encode(response_to(request)))
        if self.now < sent_at + 2 * TIMEOUT:
            del self.late[number]
            self.counted["late_responses"] += 1
            (event,) = events
            assert isinstance(event, Outcome)
            assert event.request is request
            assert event.late
        else:
            self.counted["unknown_responses"] += 1
            assert events == []

    @precondition(lambda self: self.session.state is not SessionState.CLOSED)
    @rule(number=st.integers(0x7000_0000, 0xFFFF_FFFF), command_id=st.sampled_from((c.SUBMIT_SM_RESP, c.GENERIC_NACK)))
    def the_peer_responds_to_nothing(self, number: int, command_id: int) -> None:
        self.counted["unknown_responses"] += 1
        assert self.receive(header(command_id, 0, number, b"\0" if command_id == c.SUBMIT_SM_RESP else b"")) == []
        assert self.answers() == []

    @precondition(lambda self: self.session.state is not SessionState.CLOSED and self.open)
    @rule(which=st.integers(0, 99))
    def the_peer_responds_with_the_wrong_type(self, which: int) -> None:
        number = list(self.open)[which % len(self.open)]
        self.counted["protocol_errors"] += 1
        assert self.receive(header(c.ENQUIRE_LINK_RESP, 0, number)) == []

    @precondition(lambda self: self.bound)
    @rule(number=st.integers(0, 3), count=st.integers(1, 3))
    def the_peer_asks(self, number: int, count: int) -> None:
        request = self.theirs(destination_addr=b"1", sequence_number=number)
        room = max(0, RECEIVE_WINDOW - len(self.owed))
        events = self.receive(encode(request) * count)
        assert events == [request] * min(room, count)
        self.owed += [number] * len(events)
        refused = count - len(events)
        self.counted["throttled_in"] += refused
        response_id = self.theirs.command_id | c.RESPONSE_BIT
        assert self.answers() == [(response_id, c.ESME_RTHROTTLED, number)] * refused

    @precondition(lambda self: self.owed)
    @rule(which=st.integers(0, 99))
    def the_application_answers(self, which: int) -> None:
        number = self.owed.pop(which % len(self.owed))
        response = response_to(self.theirs(sequence_number=number))
        self.session.respond([response], self.now)
        expected = [(response.command_id, 0, number)]
        if self.held_unbind is not None and not self.owed:
            expected.append((c.UNBIND_RESP, 0, self.held_unbind))
            self.held_unbind = None
            assert self.session.wants_close
        assert self.answers() == expected

    @precondition(lambda self: self.session.state is not SessionState.CLOSED)
    @rule(number=st.integers(0, 0xFFFF_FFFF))
    def the_peer_enquires(self, number: int) -> None:
        assert self.receive(encode(EnquireLink(sequence_number=number))) == []
        assert self.answers() == [(c.ENQUIRE_LINK_RESP, 0, number)]

    @precondition(lambda self: self.session.state is not SessionState.CLOSED and self.asked)
    @rule()
    def the_peer_is_there(self) -> None:
        number = next(iter(self.asked))
        del self.asked[number]
        assert self.receive(header(c.ENQUIRE_LINK_RESP, 0, number)) == []

    @rule(seconds=st.sampled_from((0.5, 3.0, 9.5, 10.0, 31.0)))
    def time_passes(self, seconds: float) -> None:
        """To each deadline on the way, as a driver would."""
        until = self.now + seconds
        while self.session.next_deadline() <= until:
            self.now = max(self.now, self.session.next_deadline())
            self.a_deadline_comes()
        self.now = until

    def a_deadline_comes(self) -> None:
        died = any(at + TIMEOUT <= self.now and self.heard < at for at in self.asked.values())
        expired = {number for number, (_, at) in self.open.items() if at + TIMEOUT <= self.now}
        events = self.session.handle_timeout(self.now)
        outcomes = [event for event in events if isinstance(event, Outcome)]
        if died:
            assert {event.request.sequence_number for event in outcomes} == set(self.open)
            assert self.session.state is SessionState.CLOSED
            self.open.clear()
            self.owed.clear()
            self.asked.clear()
            self.held_unbind = None
            return
        self.asked = {number: at for number, at in self.asked.items() if at + TIMEOUT > self.now}
        assert [event.request.sequence_number for event in outcomes] == sorted(expired, key=list(self.open).index)
        for event in outcomes:
            assert isinstance(event.error, ResponseTimeout)
            number = event.request.sequence_number
            self.late[number] = self.open.pop(number)
        self.late = dict(list(self.late.items())[-2 * WINDOW :])
        for command_id, _, number in self.answers():
            if command_id == c.ENQUIRE_LINK:
                assert self.now >= self.heard + INTERVAL
                assert not self.asked
                self.asked[number] = self.now
            else:
                assert (command_id, number) == (c.UNBIND_RESP, self.held_unbind)
                self.held_unbind = None
                self.owed.clear()

    @precondition(lambda self: self.bound)
    @rule()
    def the_peer_unbinds(self) -> None:
        events = self.receive(encode(Unbind(sequence_number=77)))
        assert [type(event) for event in events] == [StateChanged]
        if self.owed:
            self.held_unbind = 77
            assert self.answers() == []
        else:
            assert self.answers() == [(c.UNBIND_RESP, 0, 77)]
            assert self.session.wants_close

    @precondition(lambda self: self.session.state is not SessionState.CLOSED)
    @rule()
    def the_stream_ends(self) -> None:
        events = self.session.receive_eof(self.now)
        outcomes = [event for event in events if isinstance(event, Outcome)]
        assert [event.request.sequence_number for event in outcomes] == list(self.open)
        assert all(isinstance(event.error, LinkClosed) for event in outcomes)
        assert isinstance(events[-1], StateChanged)
        self.open.clear()
        self.owed.clear()
        self.asked.clear()
        self.held_unbind = None

    @invariant()
    def the_model_agrees(self) -> None:
        session: Session | None = getattr(self, "session", None)
        if session is None:
            return
        assert session.outstanding == len(self.open)
        assert session.window_room == (WINDOW - len(self.open) if self.bound else 0)
        assert session.unanswered == len(self.owed)
        assert session.wants_close == (not self.bound and self.held_unbind is None)
        assert session.bytes_to_send() == b""
        for name, count in self.counted.items():
            assert getattr(session.counters, name) == count, name
        if session.state is SessionState.CLOSED:
            assert session.next_deadline() == math.inf


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
