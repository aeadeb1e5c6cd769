"""An ESME's session joined to an SMSC's: what one sends the other receives, but for what the wire loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore import constants as c
from smppcore.errors import LinkClosed, ResponseTimeout
from smppcore.pdu import BindTransceiver, Pdu, SubmitSM, response_to
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState, StateChanged
from tests.sessions import HEADER, deliver, submit

Fault = Callable[[list[bytes]], list[bytes]]
"""What a wire does to the PDUs that are on it."""


def whole(pdus: list[bytes]) -> list[bytes]:
    return pdus


def drop(*which: int) -> Fault:
    return lambda pdus: [pdu for at, pdu in enumerate(pdus) if at not in which]


def reverse(pdus: list[bytes]) -> list[bytes]:
    return pdus[::-1]


def pdus_of(data: bytes) -> list[bytes]:
    pdus, position = [], 0
    while position < len(data):
        length = HEADER.unpack_from(data, position)[0]
        pdus.append(data[position : position + length])
        position += length
    return pdus


class Pair:
    """Two sessions and the wire between them; the SMSC accepts everything at once unless it is told to wait."""

    def __init__(self, config: SessionConfig | None = None) -> None:
        config = config or SessionConfig(window=10, response_timeout=10.0, enquire_link_interval=0, system_id=b"smsc")
        self.now = 0.0
        self.esme = Session(Role.ESME, config, 0.0)
        self.smsc = Session(Role.SMSC, config, 0.0)
        self.esme_events: list[Event] = []
        self.smsc_events: list[Event] = []

    def bind(self) -> None:
        self.esme.send([BindTransceiver(b"esme", b"secret")], self.now)
        self.to_smsc()
        self.answer()
        self.to_esme()

    def to_smsc(self, fault: Fault = whole) -> None:
        self._carry(self.esme, self.smsc, self.smsc_events, fault)

    def to_esme(self, fault: Fault = whole) -> None:
        self._carry(self.smsc, self.esme, self.esme_events, fault)

    def _carry(self, sender: Session, receiver: Session, events: list[Event], fault: Fault) -> None:
        data = b"".join(fault(pdus_of(sender.bytes_to_send())))
        if data:
            events += receiver.receive_data(data, self.now)

    def answer(self) -> None:
        """Both applications answer what they were asked."""
        for session, events in ((self.smsc, self.smsc_events), (self.esme, self.esme_events)):
            session.respond([response_to(event) for event in events if isinstance(event, Pdu)], self.now)
            events[:] = [event for event in events if not isinstance(event, Pdu)]

    def settle(self) -> None:
        """Carry everything both ways until nothing is left."""
        while self.esme.output_bytes or self.smsc.output_bytes:
            self.to_smsc()
            self.to_esme()
            self.answer()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.esme_events += self.esme.handle_timeout(self.now)
        self.smsc_events += self.smsc.handle_timeout(self.now)

    def outcomes(self) -> list[Outcome]:
        taken = [event for event in self.esme_events if isinstance(event, Outcome)]
        self.esme_events.clear()
        return taken


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.bind()
    pair.outcomes()
    return pair


def test_both_sides_are_bound_and_know_each_other() -> None:
    pair = Pair()
    pair.bind()
    assert pair.esme.state is pair.smsc.state is SessionState.BOUND_TRX
    assert (pair.esme.peer_system_id, pair.smsc.peer_system_id) == (b"smsc", b"esme")
    assert pair.esme.interface_version == pair.smsc.interface_version == 0x34


def test_messages_go_both_ways_at_once_under_equal_numbers(pair: Pair) -> None:
    pair.esme.send([submit() for _ in range(10)], pair.now)
    pair.smsc.send([deliver() for _ in range(10)], pair.now)
    pair.settle()
    assert pair.esme.outstanding == pair.smsc.outstanding == 0
    assert pair.esme.unanswered == pair.smsc.unanswered == 0
    assert [outcome.error for outcome in pair.outcomes()] == [None] * 10


def test_lost_responses_time_out_and_every_slot_is_free_again(pair: Pair) -> None:
    for _ in range(20):
        pair.esme.send([submit() for _ in range(pair.esme.window_room)], pair.now)
        pair.to_smsc()
        pair.answer()
        pair.to_esme(drop(0, 3))
        pair.wait(10.0)
    outcomes = pair.outcomes()
    assert len(outcomes) == 200
    assert sum(isinstance(outcome.error, ResponseTimeout) for outcome in outcomes) == 40
    assert pair.esme.window_room == 10


def test_lost_requests_time_out_as_well(pair: Pair) -> None:
    pair.esme.send([submit(), submit()], pair.now)
    pair.to_smsc(drop(0))
    pair.answer()
    pair.to_esme()
    pair.wait(10.0)
    assert [type(outcome.error) for outcome in pair.outcomes()] == [type(None), ResponseTimeout]


def test_swapped_responses_find_their_requests(pair: Pair) -> None:
    requests = [submit() for _ in range(10)]
    pair.esme.send(requests, pair.now)
    pair.to_smsc(reverse)
    pair.answer()
    pair.to_esme()
    assert [outcome.request for outcome in pair.outcomes()] == requests[::-1]


def test_a_delayed_response_comes_late_and_is_no_ones_but_its_requests(pair: Pair) -> None:
    (request,) = requests = [submit()]
    pair.esme.send(requests, pair.now)
    pair.to_smsc()
    pair.answer()
    pair.wait(10.0)
    pair.esme.send([submit()], pair.now)
    pair.settle()
    timed_out, late, timely = pair.outcomes()
    assert isinstance(timed_out.error, ResponseTimeout)
    assert late.late
    assert timed_out.request is late.request is request
    assert not timely.late


@pytest.mark.parametrize("asking", ["esme", "smsc"])
def test_either_side_may_unbind_and_both_want_to_close(pair: Pair, asking: str) -> None:
    (pair.esme if asking == "esme" else pair.smsc).unbind(pair.now)
    pair.settle()
    for session in (pair.esme, pair.smsc):
        assert session.state is SessionState.UNBOUND
        assert session.wants_close


def test_both_may_unbind_at_the_same_time(pair: Pair) -> None:
    pair.esme.unbind(pair.now)
    pair.smsc.unbind(pair.now)
    pair.settle()
    assert pair.esme.wants_close
    assert pair.smsc.wants_close


def test_an_unbind_lets_what_is_in_flight_finish(pair: Pair) -> None:
    pair.smsc.send([deliver(), deliver()], pair.now)
    pair.smsc.unbind(pair.now)
    pair.to_esme()
    assert not pair.esme.wants_close
    pair.answer()
    pair.to_smsc()
    outcomes = [event for event in pair.smsc_events if isinstance(event, Outcome)]
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert isinstance(pair.smsc_events[-1], StateChanged)
    assert pair.esme.wants_close


def test_a_cut_leaves_exactly_the_outstanding_in_doubt(pair: Pair) -> None:
    requests = [submit() for _ in range(7)]
    pair.esme.send(requests, pair.now)
    pair.to_smsc()
    pair.answer()
    pair.to_esme(drop(*range(3, 7)))
    pair.esme_events += pair.esme.receive_eof(pair.now)
    in_doubt = [outcome.request for outcome in pair.outcomes() if isinstance(outcome.error, LinkClosed)]
    assert in_doubt == requests[3:]


def test_two_silent_sides_ask_each_other_and_stay() -> None:
    pair = Pair(SessionConfig(enquire_link_interval=30.0, response_timeout=10.0))
    pair.bind()
    for _ in range(10):
        pair.wait(30.0)
        pair.settle()
    assert pair.esme.bound
    assert pair.smsc.bound
    # A question of the peer is a sign of life, so asking in turns is enough
    assert 5 <= pair.esme.counters.enquire_links_out + pair.smsc.counters.enquire_links_out <= 20


def test_a_wire_that_is_dead_is_noticed_by_both() -> None:
    pair = Pair(SessionConfig(enquire_link_interval=30.0, response_timeout=10.0))
    pair.bind()
    pair.wait(30.0)
    pair.esme.bytes_to_send()
    pair.smsc.bytes_to_send()
    pair.wait(10.0)
    assert pair.esme.state is pair.smsc.state is SessionState.CLOSED


class Wire:
    """Holds PDUs for some turns, loses or swaps them, as a list of numbers says."""

    def __init__(self, plan: list[int]) -> None:
        self.plan = plan
        self.held: list[bytes] = []

    def __call__(self, pdus: list[bytes]) -> list[bytes]:
        now, self.held = self.held, []
        for pdu in pdus:
            step = self.plan.pop() if self.plan else 0
            if step == 1:
                continue
            if step == 2:
                self.held.append(pdu)
            elif step == 3:
                now.insert(0, pdu)
            else:
                now.append(pdu)
        return now


@given(
    there=st.lists(st.integers(0, 3), max_size=60),
    back=st.lists(st.integers(0, 3), max_size=60),
    batches=st.lists(st.integers(0, 10), min_size=1, max_size=12),
    pause=st.sampled_from((0.1, 4.0, 11.0)),
)
def test_whatever_the_wire_does_each_request_ends_once_and_nothing_leaks(
    there: list[int], back: list[int], batches: list[int], pause: float
) -> None:
    pair = Pair()
    pair.bind()
    pair.outcomes()
    to_smsc, to_esme = Wire(there), Wire(back)
    requests: list[SubmitSM] = []
    for count in batches:
        batch = [submit() for _ in range(min(count, pair.esme.window_room))]
        pair.esme.send(batch, pair.now)
        requests += batch
        pair.to_smsc(to_smsc)
        pair.answer()
        pair.to_esme(to_esme)
        pair.wait(pause)
    pair.wait(10.0)
    outcomes = pair.outcomes()
    ended = Counter(id(outcome.request) for outcome in outcomes if not outcome.late)
    assert ended == Counter(id(request) for request in requests)
    late = Counter(id(outcome.request) for outcome in outcomes if outcome.late)
    timed_out = {id(outcome.request) for outcome in outcomes if isinstance(outcome.error, ResponseTimeout)}
    assert set(late) <= timed_out
    assert all(count == 1 for count in late.values())
    assert pair.esme.outstanding == 0
    assert pair.smsc.unanswered == 0
    assert all(outcome.response is None or outcome.response.command_status == c.ESME_ROK for outcome in outcomes)
