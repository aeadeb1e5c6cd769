"""The link: what goes through a stream, in what batches, and how it ends."""

from __future__ import annotations

import math
import ssl
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
import trustme

from smppcore import constants as c
from smppcore.errors import LinkClosed, LocalProtocolError, ResponseTimeout
from smppcore.link import Link, LinkConfig, prepare_socket
from smppcore.pdu import (
    BindTransceiver,
    BindTransceiverResp,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    QuerySM,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
    encode,
    response_to,
)
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState, StateChanged
from tests.links import Peer, Recorder, bound, running
from tests.sessions import deliver, join, submit

if TYPE_CHECKING:
    from trio.testing import MockClock


async def blocked() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_a_bound_link_is_announced_before_its_first_events(autojump_clock: MockClock) -> None:
    order: list[str] = []

    class Handler(Recorder):
        def on_bound(self, link: Link) -> None:
            order.append("bound")

        def on_events(self, link: Link, events: list[Event]) -> None:
            order.extend(type(event).__name__ for event in events)

    async with running(Role.ESME, Handler()) as it, trio.open_nursery() as nursery:
        nursery.start_soon(it.link.request, BindTransceiver())
        request = await it.peer.expect(BindTransceiver)
        await it.peer.stream.send_all(join([response_to(request), deliver(1)]))
        await blocked()
        assert order == ["bound", "StateChanged", "DeliverSM"]


async def test_one_read_is_one_batch_and_its_answers_one_write(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        requests = [deliver(number) for number in (1, 2, 3)]
        await it.peer.send(*requests)
        data = bytes(await it.peer.stream.receive_some(65536))
        assert handler.requests == requests
        assert data == join([DeliverSMResp(sequence_number=number) for number in (1, 2, 3)])


async def test_responses_and_new_requests_share_a_write(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        handler.to_send = [submit()]
        await it.peer.send(deliver(1))
        data = bytes(await it.peer.stream.receive_some(65536))
        assert data == encode(DeliverSMResp(sequence_number=1)) + encode(submit(2))


async def test_requests_are_taken_as_the_window_has_room(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, SessionConfig(window=2)) as it:
        handler.rooms.clear()
        handler.to_send = [submit() for _ in range(5)]
        it.link.wake()
        for _ in range(5):
            await it.peer.answer(SubmitSM)
        await blocked()
        assert all(1 <= room <= 2 for room in handler.rooms)
        assert [type(outcome.response) for outcome in handler.outcomes] == [SubmitSMResp] * 5


async def test_nothing_is_taken_where_nothing_may_be_sent(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, state=SessionState.BOUND_RX) as it:
        handler.to_send = [submit()]
        it.link.wake()
        await blocked()
        assert handler.rooms == []
        assert not it.link.can_send
        assert it.link.can_receive


async def test_a_request_that_cannot_be_encoded_does_not_hold_back_the_others(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        bad = SubmitSM(destination_addr=bytes(21))
        handler.to_send = [submit(), bad, submit()]
        it.link.wake()
        await it.peer.answer(SubmitSM)
        await it.peer.answer(SubmitSM)
        await blocked()
        refused, *others = handler.outcomes
        assert refused.request is bad
        assert isinstance(refused.error, LocalProtocolError)
        assert len(others) == 2


async def test_a_handler_that_returns_more_than_was_asked_for_is_told(autojump_clock: MockClock) -> None:
    class Greedy(Recorder):
        def take_requests(self, link: Link, room: int) -> list[Pdu]:
            taken, self.to_send = self.to_send, []
            return taken

    handler = Greedy()
    async with bound(handler, SessionConfig(window=1)) as it:
        handler.to_send = [submit(), submit()]
        it.link.wake()
        await blocked()
        (refused,) = handler.outcomes
        assert isinstance(refused.error, LocalProtocolError)


async def test_octets_cut_anywhere_are_the_same_events(autojump_clock: MockClock) -> None:
    data = join([deliver(1), EnquireLink(sequence_number=2), deliver(3)])
    for cut in range(1, len(data)):
        handler = Recorder()
        async with bound(handler) as it:
            await it.peer.stream.send_all(data[:cut])
            await blocked()
            await it.peer.stream.send_all(data[cut:])
            await blocked()
            assert handler.requests == [deliver(1), deliver(3)]
            assert {type(await it.peer.read()) for _ in range(3)} == {DeliverSMResp, EnquireLinkResp}


async def test_a_connection_that_ends_at_any_octet_settles_everything_once(autojump_clock: MockClock) -> None:
    data = join([deliver(1), deliver(2)])
    for cut in range(len(data) + 1):
        handler = Recorder()
        async with bound(handler) as it:
            handler.to_send = [submit()]
            it.link.wake()
            await it.peer.stream.send_all(data[:cut]) if cut else None
            await blocked()
            await it.peer.close()
            await it.ended.wait()
        assert len(handler.closed) == 1
        (outcome,) = handler.outcomes
        assert isinstance(outcome.error, LinkClosed)
        assert len(handler.requests) == [cut >= len(encode(deliver(1))), cut == len(data)].count(True)


# Waiting for one response ---------------------------------------------------------------------------------------------


async def test_a_direct_request_gets_its_response_past_the_handler(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it, trio.open_nursery() as nursery:

        async def ask() -> None:
            answer = await it.link.request(QuerySM(b"id"))
            assert answer.command_status == c.ESME_RQUERYFAIL

        nursery.start_soon(ask)
        await it.peer.answer(QuerySM, c.ESME_RQUERYFAIL)
    assert handler.outcomes == []


async def test_a_direct_request_times_out_and_its_late_response_is_the_handlers(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, SessionConfig(response_timeout=5.0)) as it:
        with pytest.raises(ResponseTimeout):
            await it.link.request(submit())
        await it.peer.answer(SubmitSM)
        await blocked()
        (outcome,) = handler.outcomes
        assert outcome.late


async def test_a_direct_request_on_a_link_that_ends_raises(autojump_clock: MockClock) -> None:
    async with bound(Recorder()) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.peer.close)
            with pytest.raises(LinkClosed, match="the peer closed the connection"):
                await it.link.request(submit())
        await it.ended.wait()
        with pytest.raises(LinkClosed):
            await it.link.request(submit())


async def test_a_direct_request_waits_for_the_window_and_fails_with_the_link(autojump_clock: MockClock) -> None:
    async with bound(Recorder(), SessionConfig(window=1)) as it, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(LinkClosed):
                await it.link.request(submit())

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await it.peer.expect(SubmitSM)
        await blocked()
        assert it.link.session.outstanding == 1
        await it.peer.close()


async def test_a_direct_request_that_the_state_forbids_raises(autojump_clock: MockClock) -> None:
    async with bound(Recorder()) as it:
        with pytest.raises(LocalProtocolError):
            await it.link.request(deliver())


async def test_a_direct_request_that_is_given_up_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, SessionConfig(window=1)) as it:
        for _ in range(2):
            with trio.move_on_after(1.0):
                await it.link.request(submit())
        await it.peer.answer(SubmitSM)
        await blocked()
        assert it.link.session.outstanding == 0
        assert handler.outcomes == []
        handler.to_send = [submit()]
        it.link.wake()
        assert (await it.peer.answer(SubmitSM)).sequence_number == 3


# Time -----------------------------------------------------------------------------------------------------------------


async def test_a_request_times_out_even_while_octets_keep_coming(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, SessionConfig(response_timeout=10.0, enquire_link_interval=30.0)) as it:
        handler.to_send = [submit()]
        it.link.wake()
        started = trio.current_time()
        while not handler.outcomes:
            await trio.sleep(1.5)
            await it.peer.send(EnquireLink(sequence_number=1))
        assert isinstance(handler.outcomes[0].error, ResponseTimeout)
        assert trio.current_time() - started == pytest.approx(10.5)


async def test_a_silent_peer_is_asked_and_stays_if_it_answers(autojump_clock: MockClock) -> None:
    async with bound(Recorder(), SessionConfig(enquire_link_interval=30.0)) as it:
        for _ in range(3):
            asked = trio.current_time()
            await it.peer.answer(EnquireLink)
            assert trio.current_time() - asked == pytest.approx(30.0)
        assert it.link.session.bound


async def test_a_dead_peer_ends_the_link(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, SessionConfig(enquire_link_interval=30.0, response_timeout=10.0)) as it:
        started = trio.current_time()
        await it.ended.wait()
        assert it.reason == "enquire_link was not answered"
        assert trio.current_time() - started == pytest.approx(40.0)
        assert handler.closed == [(it.link, it.reason)]


async def test_a_connection_without_bind_is_closed_and_never_announced(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with running(Role.SMSC, handler, SessionConfig(session_init_timeout=5.0)) as it:
        await it.ended.wait()
        assert it.reason == "no bind in time"
        assert trio.current_time() == pytest.approx(it.link.started + 5.0)
    assert (handler.bound, handler.events, handler.closed) == ([], [], [])
    assert it.link.bound_at == math.inf


# A peer that does not read --------------------------------------------------------------------------------------------


async def test_a_write_that_does_not_finish_ends_the_link(autojump_clock: MockClock) -> None:
    handler = Recorder()
    streams = trio.testing.lockstep_stream_pair()
    async with bound(
        handler, SessionConfig(enquire_link_interval=0), LinkConfig(write_timeout=7.0), streams=streams
    ) as it:
        handler.to_send = [submit()]
        it.link.wake()
        started = trio.current_time()
        await it.ended.wait()
        assert trio.current_time() - started == pytest.approx(7.0)
        assert it.reason == "a write did not finish within 7 s"
        (outcome,) = handler.outcomes
        assert isinstance(outcome.error, LinkClosed)


async def test_reading_goes_on_while_a_write_is_stuck(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler, streams=trio.testing.lockstep_stream_pair()) as it:
        for number in range(1, 6):
            await it.peer.send(deliver(number))
        assert len(handler.requests) == 5
        for number in range(1, 6):
            assert (await it.peer.expect(DeliverSMResp)).sequence_number == number


async def test_reading_stops_while_too_much_waits_to_be_written_and_goes_on_after(autojump_clock: MockClock) -> None:
    handler = Recorder()
    config = LinkConfig(max_output_bytes=100)
    async with (
        bound(handler, link_config=config, streams=trio.testing.lockstep_stream_pair()) as it,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            for number in range(1, 31):
                await it.peer.send(deliver(number))

        nursery.start_soon(ask)
        await blocked()
        assert 100 // 17 <= len(handler.requests) <= 100 // 17 + 2
        for number in range(1, 31):
            assert (await it.peer.expect(DeliverSMResp)).sequence_number == number


# Ends -----------------------------------------------------------------------------------------------------------------


async def test_a_peers_unbind_is_answered_then_our_side_closed_then_its_side_awaited(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        await it.peer.send(Unbind(sequence_number=9))
        assert await it.peer.read() == UnbindResp(sequence_number=9)
        assert await it.peer.read() is None
        await blocked()
        assert not it.ended.is_set()
        await it.peer.close()
        await it.ended.wait()
        assert it.reason == "unbound by the peer"
        assert handler.closed == [(it.link, "unbound by the peer")]


async def test_a_peer_that_never_closes_its_side_is_left(autojump_clock: MockClock) -> None:
    async with bound(Recorder(), link_config=LinkConfig(close_timeout=5.0)) as it:
        await it.peer.send(Unbind(sequence_number=9))
        started = trio.current_time()
        await it.ended.wait()
        assert trio.current_time() - started == pytest.approx(5.0)


async def test_our_unbind_waits_for_its_answer_and_closes(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        it.link.start_unbind()
        await it.peer.answer(Unbind)
        assert await it.peer.read() is None
        await it.peer.close()
        await it.ended.wait()
        assert it.reason == "unbound"


async def test_responses_that_come_before_the_peer_closes_are_still_outcomes(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        handler.to_send = [submit()]
        it.link.wake()
        request = await it.peer.expect(SubmitSM)
        it.link.start_unbind()
        unbind = await it.peer.expect(Unbind)
        await it.peer.send(response_to(unbind))
        assert await it.peer.read() is None
        await it.peer.send(response_to(request))
        await it.peer.close()
        await it.ended.wait()
        (outcome,) = handler.outcomes
        assert outcome.error is None


async def test_the_answers_that_are_owed_go_out_before_unbind_resp(autojump_clock: MockClock) -> None:
    handler = Recorder(answers=False)
    async with bound(handler) as it:
        await it.peer.send(deliver(1), Unbind(sequence_number=2))
        await trio.sleep(0.5)
        it.link.respond([DeliverSMResp(sequence_number=1)])
        assert await it.peer.read() == DeliverSMResp(sequence_number=1)
        assert await it.peer.read() == UnbindResp(sequence_number=2)


async def test_unbinding_a_link_that_is_not_bound_closes_it(autojump_clock: MockClock) -> None:
    async with running(Role.ESME, Recorder()) as it:
        it.link.start_unbind()
        assert await it.peer.read() is None
        await it.peer.close()
        await it.ended.wait()
        assert it.reason == "unbound"


async def test_broken_framing_is_nacked_and_the_link_closed(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        await it.peer.stream.send_all(bytes(16))
        assert await it.peer.read() == GenericNack(command_status=c.ESME_RINVCMDLEN)
        assert await it.peer.read() is None
        await it.peer.close()
        await it.ended.wait()
        assert it.reason == "the peer sent a PDU of 0 octets, less than its header"
        assert [type(event) for event in handler.events] == [StateChanged]


@pytest.mark.parametrize("inside_handler", [False, True])
async def test_an_abort_ends_the_link_at_once(inside_handler: bool, autojump_clock: MockClock) -> None:
    class Handler(Recorder):
        def on_events(self, link: Link, events: list[Event]) -> None:
            super().on_events(link, events)
            if events == [deliver(1)]:
                link.abort("enough")

    handler = Handler()
    async with bound(handler) as it:
        handler.to_send = [submit()]
        it.link.wake()
        await blocked()
        started = trio.current_time()
        if inside_handler:
            await it.peer.send(deliver(1))
        else:
            it.link.abort("enough")
        await it.ended.wait()
        assert trio.current_time() == started
        assert it.reason == "enough"
        assert [type(outcome.error) for outcome in handler.outcomes] == [LinkClosed]
        assert handler.closed == [(it.link, "enough")]


async def test_a_cancelled_link_settles_what_is_open_and_closes_its_stream(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        handler.to_send = [submit()]
        it.link.wake()
        await it.peer.expect(SubmitSM)
        it.scope.cancel()
        await it.ended.wait()
        assert [type(outcome.error) for outcome in handler.outcomes] == [LinkClosed]
        assert handler.closed == [(it.link, "cancelled")]
        assert await it.peer.read() is None


async def test_answers_after_the_end_are_dropped(autojump_clock: MockClock) -> None:
    handler = Recorder(answers=False)
    async with bound(handler) as it:
        await it.peer.send(deliver(1))
        await blocked()
        await it.peer.close()
        await it.ended.wait()
        it.link.respond([DeliverSMResp(sequence_number=1)])
        it.link.wake()


async def test_a_stream_that_breaks_is_one_line_and_settles_everything(autojump_clock: MockClock) -> None:
    class Breaking(trio.abc.ReceiveStream):
        """A stream that says at its end what a socket says when it is reset."""

        async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
            data = await receive.receive_some(max_bytes)
            if not data:
                raise trio.BrokenResourceError from ConnectionResetError(104, "Connection reset by peer")
            return data

        async def aclose(self) -> None:
            await receive.aclose()

    send, their_receive = trio.testing.memory_stream_one_way_pair()
    their_send, receive = trio.testing.memory_stream_one_way_pair()
    streams = (trio.StapledStream(send, Breaking()), trio.StapledStream(their_send, their_receive))
    handler = Recorder()
    async with bound(handler, streams=streams) as it:
        handler.to_send = [submit()]
        it.link.wake()
        await it.peer.expect(SubmitSM)
        await their_send.aclose()
        await it.ended.wait()
        assert it.reason == "the connection was lost: [Errno 104] Connection reset by peer"
        assert [type(outcome.error) for outcome in handler.outcomes] == [LinkClosed]


async def test_a_write_into_a_closed_stream_is_one_line(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with bound(handler) as it:
        assert isinstance(it.peer.stream, trio.StapledStream)
        await it.peer.stream.receive_stream.aclose()
        handler.to_send = [submit()]
        it.link.wake()
        await it.ended.wait()
        assert it.reason.startswith("the connection was lost")
        assert [type(outcome.error) for outcome in handler.outcomes] == [LinkClosed]


async def test_a_bug_in_a_handler_is_loud_and_the_link_still_closed(autojump_clock: MockClock) -> None:
    class Buggy(Recorder):
        def on_events(self, link: Link, events: list[Event]) -> None:
            super().on_events(link, events)
            if any(isinstance(event, DeliverSM) for event in events):
                raise KeyError("a bug")

    handler = Buggy()

    async def scene() -> None:
        async with bound(handler) as it:
            await it.peer.send(deliver(1))
            await it.ended.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await scene()
    assert caught.group_contains(KeyError, match="a bug")
    assert len(handler.closed) == 1


async def test_the_smscs_application_is_told_of_binds_before_the_session_is_bound(autojump_clock: MockClock) -> None:
    handler = Recorder()
    opening: list[Event] = []

    def judge(link: Link, events: list[Event]) -> None:
        opening.extend(events)
        link.respond([response_to(event) for event in events if isinstance(event, Pdu)])

    async with running(Role.SMSC, handler, before_bound=judge) as it:
        await it.peer.send(BindTransceiver(b"esme", sequence_number=1))
        await it.peer.expect(BindTransceiverResp)
        assert opening == [BindTransceiver(b"esme", sequence_number=1)]
        assert handler.bound == [it.link]
        await it.peer.send(submit(2))
        await it.peer.expect(SubmitSMResp)
        assert handler.requests == [submit(2)]


# Sockets and TLS ------------------------------------------------------------------------------------------------------


async def test_a_socket_is_prepared_and_named(autojump_clock: MockClock) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        client = await trio.open_tcp_stream("127.0.0.1", port)
        server = await listener.accept()
        async with client, server:
            assert prepare_socket(client) == f"127.0.0.1:{port}"
            assert client.getsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY)
            assert client.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_KEEPALIVE)


async def test_a_socket_whose_peer_has_gone_has_no_name(autojump_clock: MockClock) -> None:
    class Gone:
        def setsockopt(self, *arguments: int) -> None:
            pass

        @property
        def socket(self) -> Gone:
            return self

        def getpeername(self) -> tuple[str, int]:
            raise OSError(107, "Transport endpoint is not connected")

    assert prepare_socket(Gone()) == "?"  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("smsc.example").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return client, server


async def test_a_link_over_tls_ends_with_a_close_notify(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], autojump_clock: MockClock
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    client = trio.SSLStream(ours, contexts[0], server_hostname="smsc.example")
    server = trio.SSLStream(theirs, contexts[1], server_side=True)
    handler = Recorder()
    session = Session(Role.ESME, SessionConfig(), trio.current_time())
    link = Link(client, session, handler)
    peer = Peer(server)
    reasons: list[str] = []

    async def run() -> None:
        reasons.append(await link.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        nursery.start_soon(link.request, BindTransceiver(b"esme"))
        await peer.answer(BindTransceiver)
        await peer.send(deliver(1))
        await peer.expect(DeliverSMResp)
        link.start_unbind()
        await peer.answer(Unbind)
        started = trio.current_time()
        assert await peer.read() is None
        await peer.close()
    assert reasons == ["unbound"]
    assert trio.current_time() == started
    assert isinstance(handler.requests[0], DeliverSM)
    assert not any(isinstance(event, Outcome) for event in handler.events)
