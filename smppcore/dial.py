"""Connections for an ESME: a name's addresses, TCP to one of them, TLS over it.

Rules:

1. A name is resolved at every attempt, so a carrier may move. The addresses that failed before come last; each next one
   is tried when the one before has failed, or is not there after a quarter of a second (RFC 8305).
2. Whatever goes wrong is a ConnectFailed that says in one line where, what, and in the case of TLS the mend.

No binds and no delays between attempts here.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from smppcore.errors import ConnectFailed
from smppcore.link import KEEPALIVE_SECONDS, prepare_socket
from smppcore.tls import explain

if TYPE_CHECKING:
    import ssl

    from smppcore.failover import Addresses, Endpoint

STAGGER_SECONDS = 0.25
"""How long an address is waited for before the next one is tried as well."""


@dataclass(frozen=True, slots=True)
class DialConfig:
    """How connections are made."""

    tls: ssl.SSLContext | None = None
    """TLS by this context, which says whom to trust; None is plain TCP."""
    server_name: str = ""
    """The name in the server's certificate; "" is the host."""
    source_address: str | None = None
    """The local address to connect from."""
    keepalive: float = KEEPALIVE_SECONDS
    """TCP keep-alive after so many seconds of silence; 0 is never."""


async def connect_tcp(
    endpoint: Endpoint, addresses: Addresses, config: DialConfig = DialConfig()
) -> tuple[trio.abc.Stream, str]:
    """Connect by TCP, and by TLS over it where the configuration says so.

    Args:
        endpoint: Where.
        addresses: Those of this host that failed before; brought up to date.
        config: How.

    Returns:
        The stream, and the peer's address.

    Raises:
        ConnectFailed: There is no connection.
    """
    found = await _resolve(endpoint, config.source_address)
    tcp = await _race(endpoint, addresses.order(found), addresses, config.source_address)
    try:
        peer = prepare_socket(tcp, config.keepalive)
        if config.tls is None:
            return tcp, peer
        name = config.server_name or endpoint.host
        tls = trio.SSLStream(tcp, config.tls, server_hostname=name)
        try:
            await tls.do_handshake()
        except trio.BrokenResourceError as exc:
            cause = exc.__cause__ or exc
            addresses.failed(tcp_address(peer))
            raise ConnectFailed("tls", f"TLS with {endpoint}: {explain(cause, name) or cause}") from exc
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return tls, peer


def tcp_address(peer: str) -> str:
    """Return the address of a peer "address:port"."""
    return peer.rpartition(":")[0].strip("[]")


async def _resolve(endpoint: Endpoint, source: str | None) -> list[str]:
    family = socket.AF_UNSPEC if source is None else socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        found = await trio.socket.getaddrinfo(endpoint.host, endpoint.port, family, socket.SOCK_STREAM)
    except OSError as exc:
        why = exc.strerror or str(exc)
        raise ConnectFailed("dns", f"cannot connect to {endpoint}: the name has no address ({why})") from exc
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def _race(
    endpoint: Endpoint, candidates: list[str], addresses: Addresses, source: str | None
) -> trio.SocketStream:
    """Return a connection to the first address that answers."""
    failures: dict[str, OSError] = {}
    winner: trio.SocketStream | None = None

    async def attempt(address: str, failed: trio.Event, race: trio.CancelScope) -> None:
        nonlocal winner
        try:
            stream = await _open(address, endpoint.port, source)
        except OSError as exc:
            failures[address] = exc
            addresses.failed(address)
            failed.set()
        except trio.Cancelled:
            if winner is None:
                addresses.failed(address)  # the time was up
            raise
        else:
            if winner is None:
                winner = stream
                race.cancel()
            else:
                await trio.aclose_forcefully(stream)

    try:
        async with trio.open_nursery() as nursery:
            for address in candidates:
                failed = trio.Event()
                nursery.start_soon(attempt, address, failed, nursery.cancel_scope)
                with trio.move_on_after(STAGGER_SECONDS):
                    await failed.wait()
    except BaseException:
        if winner is not None:  # and the caller was cancelled in that moment
            await trio.aclose_forcefully(winner)
        raise
    if winner is not None:
        return winner
    causes = {_cause(exc) for exc in failures.values()}
    raise ConnectFailed(causes.pop() if len(causes) == 1 else "connect", _line(endpoint, failures))


async def _open(address: str, port: int, source: str | None) -> trio.SocketStream:
    sock = trio.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if source is not None:
            # So that the port is chosen when the peer is known: else 64,000 connections are the most there can be
            sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            try:
                await sock.bind((source, 0))
            except OSError as exc:
                raise OSError(exc.errno, f"source address {source}: {exc.strerror}") from exc
        await sock.connect((address, port))
        return trio.SocketStream(sock)
    except BaseException:
        sock.close()
        raise


def _cause(exc: OSError) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "refused"
    return "unreachable" if exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT) else "connect"


def _words(exc: OSError) -> str:
    """What the system says; trio puts the address before it, which is said already."""
    plain = os.strerror(exc.errno) if exc.errno else ""
    text = exc.strerror or str(exc)
    return plain if plain and text.startswith("Error connecting") else text


def _line(endpoint: Endpoint, failures: dict[str, OSError]) -> str:
    whys = {address: _words(exc) for address, exc in failures.items()}
    if len(set(whys.values())) == 1:
        where = "" if list(whys) == [endpoint.host] else f" ({', '.join(whys)})"
        return f"cannot connect to {endpoint}{where}: {next(iter(whys.values()))}"
    return f"cannot connect to {endpoint}: " + ", ".join(f"{address}: {why}" for address, why in whys.items())
