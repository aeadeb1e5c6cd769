"""One link in service, between its sessions and the committer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pytest

from bridge.carrier import Carrier
from bridge.events import Arrivals, CapacityChanged, LinkChanged, SessionBound, SessionLost, Withdrawn
from smppcore.errors import BindRefused, LinkClosed
from smppcore.esme import Retry
from tests.pipeline import START, link, text
from tests.test_outbound import LONG, flight

if TYPE_CHECKING:
    from bridge.config import LinkConfig
    from bridge.events import Event
    from bridge.store import LinkRow
    from smppcore.errors import SmppError
    from smppcore.link import Link


HOST = "smsc.example:2775"


class FakeSession:
    def __init__(self, *, can_send: bool, can_receive: bool) -> None:
        self.can_send = can_send
        self.can_receive = can_receive
        self.bound = True
        self.peer_system_id = b"smsc"


class FakeLink:
    def __init__(self, *, can_send: bool = True, can_receive: bool = True, host: str = "smsc.example:2775") -> None:
        self.name = "a/1"
        self.host = host
        self.peer = "192.0.2.1:2775"
        self.session = FakeSession(can_send=can_send, can_receive=can_receive)
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class Desk:
    """A carrier, and what it has put."""

    def __init__(self, config: LinkConfig) -> None:
        self.events: list[Event] = []
        self.now = START
        self.carrier = Carrier(config, self.events.append, lambda: self.now)

    def taken(self) -> list[Event]:
        events = list(self.events)
        self.events.clear()
        return events

    def rows(self) -> list[LinkRow]:
        return [event.row for event in self.taken() if isinstance(event, LinkChanged)]


def retry(error: SmppError, delay: float, host: str = HOST, next_host: str = HOST, held_host: str = "") -> Retry:
    return Retry("a/1", host, error, delay, next_host, held_host)


def as_link(fake: FakeLink) -> Link:
    return cast("Link", fake)


@pytest.fixture
def desk() -> Desk:
    return Desk(link(window=10, host="smsc.example"))


@pytest.fixture
def bound(desk: Desk) -> FakeLink:
    fake = FakeLink()
    desk.carrier.on_bound(as_link(fake))
    desk.taken()
    return fake


def test_a_link_says_how_it_is_from_the_beginning(desk: Desk) -> None:
    (row,) = desk.rows()
    assert (row.name, row.state, row.since, row.binds, row.peer) == ("a", "connecting", START, 0, "smsc.example:2775")
    assert not desk.carrier.ready


def test_a_bound_session_has_room_and_may_be_sent_old_texts_again(desk: Desk) -> None:
    desk.taken()
    desk.now += 1
    desk.carrier.on_bound(as_link(FakeLink()))
    bound, capacity, changed = desk.taken()
    assert bound == SessionBound("a", START + 1)
    assert capacity == CapacityChanged("a", 10)
    assert isinstance(changed, LinkChanged)
    assert (changed.row.state, changed.row.since, changed.row.binds) == ("bound", START + 1, 1)
    assert changed.row.peer == "smsc.example:2775 (smsc)"
    assert desk.carrier.ready


@pytest.mark.parametrize(
    ("bind", "sessions", "ready", "capacity"),
    [
        ("transmitter", [(True, False)], True, 10),
        ("receiver", [(False, True)], True, 0),
        ("separate", [(True, False)], False, 10),
        ("separate", [(False, True)], False, 0),
        ("separate", [(True, False), (False, True)], True, 10),
    ],
)
def test_a_link_is_ready_when_it_can_do_what_it_is_for(
    bind: str, sessions: list[tuple[bool, bool]], ready: bool, capacity: int
) -> None:
    desk = Desk(link(bind=bind, window=10))
    for can_send, can_receive in sessions:
        desk.carrier.on_bound(as_link(FakeLink(can_send=can_send, can_receive=can_receive)))
    assert desk.carrier.ready is ready
    events = desk.taken()
    assert [0, *(e.capacity for e in events if isinstance(e, CapacityChanged))][-1] == capacity
    assert sum(isinstance(e, SessionBound) for e in events) == sum(receive for _, receive in sessions)
    wanted = 2 if bind == "separate" else 1
    last = [e.row.state for e in events if isinstance(e, LinkChanged)][-1]
    assert last == ("bound" if len(sessions) == wanted else "partly bound")


def test_parallel_sessions_share_the_capacity(desk: Desk) -> None:
    desk = Desk(link(window=10, binds=2))
    first, second = FakeLink(), FakeLink()
    desk.carrier.on_bound(as_link(first))
    desk.carrier.on_bound(as_link(second))
    assert CapacityChanged("a", 20) in desk.taken()
    desk.carrier.on_closed(as_link(first), "gone")
    events = desk.taken()
    assert CapacityChanged("a", 10) in events
    assert [e.row.state for e in events if isinstance(e, LinkChanged)] == ["partly bound"]
    assert desk.carrier.sessions == 1


def test_what_is_read_is_put(desk: Desk, bound: FakeLink) -> None:
    desk.carrier.on_events(as_link(bound), [text("hi")])
    (event,) = desk.taken()
    assert isinstance(event, Arrivals)
    assert (event.link, event.connection, event.time) == ("a", as_link(bound), START)


def test_claims_wake_the_sessions_that_can_send(desk: Desk, bound: FakeLink) -> None:
    receiver = FakeLink(can_send=False)
    desk.carrier.on_bound(as_link(receiver))
    desk.carrier.send([flight(1), flight(2)])
    assert (bound.woken, receiver.woken) == (1, 0)
    assert desk.carrier.take_requests(as_link(receiver), 10) == ()
    assert len(desk.carrier.take_requests(as_link(bound), 10)) == 2


def test_claims_go_back_when_there_is_no_session(desk: Desk) -> None:
    desk.taken()
    claim = flight(1)
    desk.carrier.send([claim])
    assert desk.taken() == [Withdrawn([claim], suppressed=False)]
    assert len(desk.carrier.outbound) == 0


def test_a_lost_session_is_told_with_its_claims_and_reason(desk: Desk, bound: FakeLink) -> None:
    claim = flight(1)
    desk.carrier.send([claim])
    desk.now += 5
    desk.carrier.on_closed(as_link(bound), "the peer closed the connection")
    lost, withdrawn, capacity, changed = desk.taken()
    assert lost == SessionLost("a", START + 5)
    assert withdrawn == Withdrawn([claim], suppressed=False)
    assert capacity == CapacityChanged("a", 0)
    assert isinstance(changed, LinkChanged)
    assert (changed.row.state, changed.row.detail) == ("connecting", "the peer closed the connection")


def test_a_lost_transmitter_brings_nothing_again(desk: Desk) -> None:
    fake = FakeLink(can_receive=False)
    desk.carrier.on_bound(as_link(fake))
    desk.taken()
    desk.carrier.on_closed(as_link(fake), "gone")
    assert not any(isinstance(event, SessionLost) for event in desk.taken())


def test_claims_of_who_opted_out_are_withdrawn_for_good(desk: Desk, bound: FakeLink) -> None:
    begun, waiting = flight(1, LONG), flight(2)
    desk.carrier.send([begun, waiting])
    desk.carrier.take_requests(as_link(bound), 1)
    desk.carrier.revoke({("2", "acme")})
    assert desk.taken() == []
    desk.carrier.revoke({("15550001234", "acme")})
    assert desk.taken() == [Withdrawn([waiting], suppressed=True)]


def test_a_refused_bind_is_said_in_one_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.taken()
    desk.now += 1
    with caplog.at_level(logging.WARNING, "smppbridge.link"):
        desk.carrier.on_retry(retry(BindRefused(14, "bind_transceiver refused with ESME_RINVPASWD"), 30.0))
        desk.now += 30
        desk.carrier.on_retry(retry(BindRefused(14, "bind_transceiver refused with ESME_RINVPASWD"), 60.0))
    assert [record.getMessage() for record in caplog.records] == [
        "link a/1: bind_transceiver refused with ESME_RINVPASWD; next attempt in 30.0 s",
    ]
    first, second = desk.rows()
    assert (first.state, first.detail) == ("refused", "bind_transceiver refused with ESME_RINVPASWD")
    assert first.since == second.since == START + 1


def test_a_failed_attempt_of_one_session_does_not_hide_the_others(desk: Desk, bound: FakeLink) -> None:
    assert bound.session.can_send
    desk.carrier.on_retry(retry(LinkClosed("gone"), 1.0))
    (event,) = desk.taken()
    assert isinstance(event, LinkChanged)
    assert (event.row.state, event.row.detail, event.reconnect) == ("bound", "", "closed")


def test_a_stopping_link_claims_nothing_more_and_sends_what_is_claimed(desk: Desk, bound: FakeLink) -> None:
    desk.carrier.send([flight(1)])
    desk.carrier.stop_sending()
    assert desk.taken() == [CapacityChanged("a", 0)]
    assert len(desk.carrier.take_requests(as_link(bound), 10)) == 1
    desk.carrier.on_bound(as_link(FakeLink()))
    assert CapacityChanged("a", 0) in desk.taken()
    desk.carrier.on_closed(as_link(bound), "unbound")
    assert desk.rows()[-1].state == "stopped"
