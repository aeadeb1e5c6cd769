"""Connections: a name's addresses, the local address, keep-alive, and words for what fails."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import open_stream_to_socket_listener

from smppcore.dial import DialConfig, connect_tcp, tcp_address
from smppcore.errors import ConnectFailed
from smppcore.failover import Addresses, Endpoint
from smppcore.tls import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Names(trio.abc.HostnameResolver):
    """A name server of one name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]  # noqa: A002
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, 6, "", (address, port)) for address in self.addresses]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise NotImplementedError


@pytest.fixture
async def listener() -> AsyncIterator[trio.SocketListener]:
    (made,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with made:
        yield made


def port_of(listener: trio.SocketListener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port


async def test_a_connection_is_from_the_local_address_and_kept_alive(listener: trio.SocketListener) -> None:
    config = DialConfig(source_address="127.0.0.7", keepalive=90.0)
    stream, peer = await connect_tcp(Endpoint("127.0.0.1", port_of(listener)), Addresses(), config)
    assert isinstance(stream, trio.SocketStream)
    assert peer == f"127.0.0.1:{port_of(listener)}"
    assert stream.socket.getsockname()[0] == "127.0.0.7"
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 90
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    await stream.aclose()


async def test_without_keep_alive_the_system_asks_nothing(listener: trio.SocketListener) -> None:
    stream, _ = await connect_tcp(Endpoint("127.0.0.1", port_of(listener)), Addresses(), DialConfig(keepalive=0.0))
    assert isinstance(stream, trio.SocketStream)
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    await stream.aclose()


async def test_a_local_address_that_is_not_ours_is_named(listener: trio.SocketListener) -> None:
    with pytest.raises(ConnectFailed, match=r"source address 192\.0\.2\.1: Cannot assign requested address"):
        await connect_tcp(Endpoint("127.0.0.1", port_of(listener)), Addresses(), DialConfig(source_address="192.0.2.1"))


async def test_every_address_of_a_name_is_tried_and_those_that_failed_come_last(listener: trio.SocketListener) -> None:
    names = Names("127.0.0.3", "127.0.0.1")
    trio.socket.set_custom_hostname_resolver(names)
    addresses = Addresses()
    endpoint = Endpoint("smsc.example", port_of(listener))
    for number in (1, 2):
        stream, peer = await connect_tcp(endpoint, addresses)
        assert tcp_address(peer) == "127.0.0.1"
        await stream.aclose()
        assert names.asked == number, "resolved anew each time"
    assert addresses.order(["127.0.0.3", "127.0.0.1"]) == ["127.0.0.1", "127.0.0.3"]


async def test_why_no_address_answers_is_one_line() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = port_of(listener)
    await listener.aclose()
    with pytest.raises(ConnectFailed) as caught:
        await connect_tcp(Endpoint("127.0.0.1", port), Addresses())
    assert (str(caught.value), caught.value.cause) == (
        f"cannot connect to 127.0.0.1:{port}: Connection refused",
        "refused",
    )
    trio.socket.set_custom_hostname_resolver(Names("127.0.0.3", "127.0.0.1"))
    with pytest.raises(ConnectFailed) as caught:
        await connect_tcp(Endpoint("smsc.example", port), Addresses())
    assert str(caught.value).endswith(f"smsc.example:{port} (127.0.0.3, 127.0.0.1): Connection refused")


async def test_a_name_without_an_address_is_said_to_be() -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    with pytest.raises(ConnectFailed, match=r"cannot connect to smsc\.example:2775: the name has no address") as caught:
        await connect_tcp(Endpoint("smsc.example"), Addresses())
    assert caught.value.cause == "dns"


async def test_ipv6_is_spoken() -> None:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with listener:
        port = port_of(listener)
        stream, peer = await connect_tcp(Endpoint("::1", port), Addresses(), DialConfig(source_address="::1"))
        assert (peer, tcp_address(peer)) == (f"[::1]:{port}", "::1")
        await stream.aclose()


async def test_a_peer_that_does_not_speak_tls_is_one_line_with_the_mend(listener: trio.SocketListener) -> None:
    async def plain() -> None:
        async with await listener.accept() as stream:
            await stream.send_all(b"\0\0\0\x10\x80\0\0\x15\0\0\0\0\0\0\0\1")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(plain)
        with pytest.raises(
            ConnectFailed, match="the peer does not speak TLS here: use its TLS port, or no tls"
        ) as caught:
            await connect_tcp(Endpoint("127.0.0.1", port_of(listener)), Addresses(), DialConfig(tls=client_context()))
    assert caught.value.cause == "tls"


async def test_a_connection_that_nobody_wants_any_more_is_closed(listener: trio.SocketListener) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await connect_tcp(Endpoint("127.0.0.1", port_of(listener)), Addresses())
    assert scope.cancelled_caught
    await (await open_stream_to_socket_listener(listener)).aclose()
