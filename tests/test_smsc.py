"""The server: who gets in, who is in the registry, and how it ends."""

from __future__ import annotations

import random
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
import trustme

from smppcore import constants as c
from smppcore.dial import DialConfig
from smppcore.errors import LinkClosed
from smppcore.esme import Esme, EsmeConfig
from smppcore.pdu import (
    BindReceiver,
    BindRequest,
    BindTransceiver,
    BindTransceiverResp,
    DeliverSM,
    EnquireLink,
    EnquireLinkResp,
    Outbind,
    SubmitSM,
    SubmitSMResp,
    Unbind,
)
from smppcore.session import Outcome, SessionConfig, SessionState
from smppcore.smsc import SmscConfig, SmscServer
from tests.links import Peer, Recorder
from tests.sessions import deliver, submit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from trio.testing import MockClock

SESSION = SessionConfig(system_id=b"smsc", session_init_timeout=10.0)


def password_is_secret(bind: BindRequest, peer: str) -> int:
    return c.ESME_ROK if bind.password == b"secret" else c.ESME_RINVPASWD


def connect(nursery: trio.Nursery, server: SmscServer, peer: str = "memory") -> Peer:
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(server.serve_stream, ours, peer)
    return Peer(theirs)


async def bind(peer: Peer, system_id: bytes = b"esme", password: bytes = b"secret") -> int:
    await peer.send(BindTransceiver(system_id, password, sequence_number=1))
    return (await peer.expect(BindTransceiverResp)).command_status


async def test_an_accepted_bind_is_in_the_registry_until_it_ends(autojump_clock: MockClock) -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server, "10.0.0.1:4711")
        await peer.send(BindTransceiver(b"esme", b"secret", sequence_number=1))
        assert await peer.read() == BindTransceiverResp(
            b"smsc", sequence_number=1, tlvs=[(c.TAG_SC_INTERFACE_VERSION, b"\x34")]
        )
        (link,) = server.links[b"esme"]
        assert handler.bound == [link]
        assert (link.peer, link.session.state) == ("10.0.0.1:4711", SessionState.BOUND_TRX)
        await peer.send(submit(2))
        await peer.expect(SubmitSMResp)
        assert handler.requests == [submit(2)]
        await peer.close()
    assert server.links == {}
    assert handler.closed == [(link, "the peer closed the connection")]


async def test_a_refused_bind_is_answered_and_may_be_tried_again(autojump_clock: MockClock) -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server)
        assert await bind(peer, password=b"wrong") == c.ESME_RINVPASWD
        assert server.links == {}
        assert handler.bound == []
        assert await bind(peer) == c.ESME_ROK
        assert server.bound == 1
        await peer.close()


async def test_the_judge_is_told_who_asks_from_where(autojump_clock: MockClock) -> None:
    asked: list[tuple[BindRequest, str]] = []

    def judge(bind: BindRequest, peer: str) -> int:
        asked.append((bind, peer))
        return c.ESME_RSYSERR

    server = SmscServer(SmscConfig(session=SESSION), judge, Recorder())
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server, "10.9.8.7:1")
        assert await bind(peer) == c.ESME_RSYSERR
        await peer.close()
    assert asked == [(BindTransceiver(b"esme", b"secret", sequence_number=1), "10.9.8.7:1")]


async def test_several_sessions_of_one_name_are_kept_in_order(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler := Recorder())
    async with trio.open_nursery() as nursery:
        peers = [connect(nursery, server) for _ in range(3)]
        for peer in peers:
            assert await bind(peer) == c.ESME_ROK
        assert server.links == {b"esme": handler.bound}
        await peers[1].close()
        await trio.testing.wait_all_tasks_blocked()
        assert server.links == {b"esme": [handler.bound[0], handler.bound[2]]}
        await peers[0].close()
        await peers[2].close()


async def test_binds_beyond_the_limit_are_refused(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION, max_binds=1), password_is_secret, Recorder())
    async with trio.open_nursery() as nursery:
        first, second = connect(nursery, server), connect(nursery, server)
        assert await bind(first) == c.ESME_ROK
        assert await bind(second) == c.ESME_RBINDFAIL
        await first.close()
        await trio.testing.wait_all_tasks_blocked()
        assert await bind(second) == c.ESME_ROK
        await second.close()


async def test_idle_connections_never_keep_a_new_bind_out(autojump_clock: MockClock) -> None:
    """Where five idle sockets are enough to stop some servers, the oldest goes for each new one."""
    server = SmscServer(SmscConfig(session=SESSION, max_unbound=5), password_is_secret, Recorder())
    async with trio.open_nursery() as nursery:
        idle = [connect(nursery, server) for _ in range(5)]
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(10):
            assert await bind(connect(nursery, server)) == c.ESME_ROK
        assert await idle[0].read() is None
        assert server.bound == 10
        nursery.cancel_scope.cancel()


async def test_many_at_once_push_out_as_many(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION, max_unbound=2), password_is_secret, Recorder())
    async with trio.open_nursery() as nursery:
        peers = []
        for _ in range(6):
            peers.append(connect(nursery, server))
            await trio.testing.wait_all_tasks_blocked()
        assert [await bind(peer) for peer in peers[4:]] == [c.ESME_ROK] * 2
        for peer in peers[:4]:
            assert await peer.read() is None
        nursery.cancel_scope.cancel()


async def test_a_connection_without_bind_is_closed_in_time_but_answers_enquire_link(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, Recorder())
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server)
        await trio.sleep(9.0)
        await peer.send(EnquireLink(sequence_number=4), submit(5))
        assert await peer.read() == EnquireLinkResp(sequence_number=4)
        assert (await peer.expect(SubmitSMResp)).command_status == c.ESME_RINVBNDSTS
        assert await peer.read() is None
        assert trio.current_time() == 10.0


async def test_messages_go_to_a_receiver_and_their_answers_come_back(autojump_clock: MockClock) -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server)
        await peer.send(BindReceiver(b"esme", b"secret", sequence_number=1))
        await peer.read()
        handler.to_send = [deliver()]
        server.links[b"esme"][0].wake()
        await peer.answer(DeliverSM)
        await trio.testing.wait_all_tasks_blocked()
        assert [outcome.error for outcome in handler.outcomes] == [None]
        await peer.close()


# Listening ------------------------------------------------------------------------------------------------------------


class Quick(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


@asynccontextmanager
async def serving(config: SmscConfig, handler: Recorder) -> AsyncIterator[tuple[SmscServer, int]]:
    server = SmscServer(config, password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(server.serve, "127.0.0.1", 0)
        yield server, port
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is told to handlers, not to tasks
            await trio.sleep(0.002)


async def test_our_client_and_our_server_understand_each_other_over_tcp() -> None:
    theirs, ours = Recorder(), Recorder()
    async with serving(SmscConfig(session=SESSION), theirs) as (server, port), trio.open_nursery() as nursery:
        client = Esme(EsmeConfig("127.0.0.1", port, system_id=b"esme", password=b"secret"), ours, Quick())
        nursery.start_soon(client.run)
        await until(lambda: ours.bound)
        ours.to_send = [submit() for _ in range(500)]
        theirs.to_send = [deliver() for _ in range(500)]
        ours.bound[0].wake()
        theirs.bound[0].wake()
        await until(lambda: len(ours.outcomes) == len(theirs.outcomes) == 500)
        assert all(outcome.error is None for outcome in [*ours.outcomes, *theirs.outcomes])
        assert len(ours.requests) == len(theirs.requests) == 500
        assert server.links[b"esme"][0].peer.startswith("127.0.0.1:")
        await client.stop()
    assert ours.closed == [(ours.bound[0], "unbound")]
    assert theirs.closed == [(theirs.bound[0], "unbound by the peer")]


async def test_our_client_and_our_server_understand_each_other_over_tls() -> None:
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    theirs, ours = Recorder(), Recorder()
    async with (
        serving(SmscConfig(session=SESSION, tls=server_context), theirs) as (_, port),
        trio.open_nursery() as nursery,
    ):
        config = EsmeConfig(
            "127.0.0.1", port, system_id=b"esme", password=b"secret", dial=DialConfig(tls=client_context)
        )
        client = Esme(config, ours, Quick())
        nursery.start_soon(client.run)
        await until(lambda: ours.bound)
        answer = await ours.bound[0].request(submit())
        assert answer.command_status == c.ESME_ROK
        with trio.fail_after(2):
            await client.stop()
    assert ours.closed == [(ours.bound[0], "unbound")]
    assert theirs.closed == [(theirs.bound[0], "unbound by the peer")]


async def test_a_port_in_use_is_an_oserror_and_nothing_is_started() -> None:
    async with serving(SmscConfig(), Recorder()) as (_, port):
        with pytest.raises(OSError, match="in use"):
            await SmscServer(SmscConfig(), password_is_secret, Recorder()).serve("127.0.0.1", port)


async def test_stopping_unbinds_the_bound_closes_the_others_and_ends_serving() -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(server.serve, "127.0.0.1", 0)
        peer = Peer(await trio.open_tcp_stream("127.0.0.1", port))
        idle = Peer(await trio.open_tcp_stream("127.0.0.1", port))
        assert await bind(peer) == c.ESME_ROK
        await until(lambda: server._unbound)

        async def leave() -> None:
            await peer.answer(Unbind)
            assert await peer.read() is None
            await peer.close()
            assert await idle.read() is None
            await idle.close()

        nursery.start_soon(leave)
        with trio.fail_after(2):
            await server.stop()
    assert handler.closed == [(handler.bound[0], "unbound")]
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream("127.0.0.1", port)


async def test_stopping_waits_only_so_long_for_the_deaf(autojump_clock: MockClock) -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION, unbind_timeout=3.0), password_is_secret, handler)
    async with trio.open_nursery() as nursery:
        peer = connect(nursery, server)
        assert await bind(peer) == c.ESME_ROK
        await server.stop()
        assert trio.current_time() == 3.0
        nursery.cancel_scope.cancel()


async def test_stopping_an_idle_server_returns_at_once(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, Recorder())
    await server.stop()
    assert trio.current_time() == 0.0


async def test_an_outbind_makes_an_esme_bind_on_our_connection() -> None:
    handler = Recorder()
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:
        port = listener.socket.getsockname()[1]
        nursery.start_soon(server.dial_outbind, "127.0.0.1", port, b"smsc", b"knock")
        peer = Peer(await listener.accept())
        assert await peer.read() == Outbind(b"smsc", b"knock", sequence_number=1)
        await peer.send(BindReceiver(b"esme", b"secret", sequence_number=1))
        await peer.read()
        assert server.links[b"esme"][0].session.state is SessionState.BOUND_RX
        await peer.close()


async def test_a_cut_connection_settles_what_was_sent() -> None:
    handler = Recorder()
    async with serving(SmscConfig(session=SESSION), handler) as (_, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        peer = Peer(stream)
        assert await bind(peer) == c.ESME_ROK
        handler.to_send = [deliver()]
        handler.bound[0].wake()
        await peer.expect(DeliverSM)
        # Closing with linger 0 resets the connection
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await peer.close()
        await until(lambda: handler.closed)
        (outcome,) = handler.outcomes
        assert isinstance(outcome, Outcome)
        assert isinstance(outcome.error, LinkClosed)
        assert handler.closed[0][1] == "the connection was lost: [Errno 104] Connection reset by peer"


async def test_one_bad_peer_does_not_disturb_another(autojump_clock: MockClock) -> None:
    server = SmscServer(SmscConfig(session=SESSION), password_is_secret, handler := Recorder())
    async with trio.open_nursery() as nursery:
        bad, good = connect(nursery, server), connect(nursery, server)
        assert await bind(good) == c.ESME_ROK
        await bad.stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        await bad.read()
        assert await bad.read() is None
        await good.send(SubmitSM(destination_addr=b"1", sequence_number=2))
        await good.expect(SubmitSMResp)
        assert len(handler.requests) == 1
        nursery.cancel_scope.cancel()
