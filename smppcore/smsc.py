"""The server: accepts connections, has their binds judged, and keeps the registry of bound sessions.

Rules:

1. Who may bind is the caller's decision, made by a function that must not block.
2. Connections without a bind are bounded by themselves: the oldest goes when there are too many, so idle sockets
   never keep a new bind out.
3. Where many sessions have one system_id all of them are in the registry, in the order of their binds.

No storage and no message handling here: those are the handler's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, SessionConfig
from smppcore.link import Link, LinkConfig, LinkHandler, prepare_socket
from smppcore.pdu import BindRequest, Outbind, response_to
from smppcore.session import Role, Session
from smppcore.tls import explain, is_end

if TYPE_CHECKING:
    import ssl


_CLOSE_SECONDS = 1.0
_DISTRUST = "the client closed during the handshake: it may not trust our certificate"


@dataclass(frozen=True, slots=True)
class SmscConfig:
    """How a server treats its connections. Times in seconds."""

    session: SessionConfig = field(default_factory=lambda: SessionConfig(system_id=b"smsc", session_init_timeout=10.0))
    """Name, window and timers."""
    link: LinkConfig = field(default_factory=LinkConfig)
    """How streams are treated."""
    max_binds: int = 1000
    """How many sessions may be bound at once; a bind beyond it is answered with ESME_RBINDFAIL."""
    max_unbound: int = 1000
    """How many connections may wait for their bind; the oldest is closed for one more."""
    unbind_timeout: float = 5.0
    """How long `SmscServer.stop` waits for the sessions to unbind."""
    tls: ssl.SSLContext | None = None
    """TLS with this context's certificate; None is plain TCP."""


Authenticate = Callable[[BindRequest, str], int]
"""Judges a bind from a peer's address: the command_status to answer with, ESME_ROK to let it in."""


class SmscServer:
    """An SMPP server.

    Resource handling: connections belong to the `serve…` call that accepted them; they are closed when it returns or is
    cancelled. Cancelling closes without unbinding, `stop` unbinds first.

    Error handling: whatever happens on a connection ends that connection only. Exceptions that leave `serve` are the
    OSError of listening, and bugs in the handler.

    Args:
        config: How connections are treated.
        authenticate: Judges binds.
        handler: Told of links from the bind on; one for all of them.
        on_refused: Told the address of a peer with which there is no TLS, and why, in one line.
    """

    def __init__(
        self,
        config: SmscConfig,
        authenticate: Authenticate,
        handler: LinkHandler,
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        self.config = config
        self.links: dict[bytes, list[Link]] = {}
        """The bound sessions by system_id."""
        self._authenticate = authenticate
        self._handler = handler
        self._on_refused = on_refused
        self._unbound: dict[Link, None] = {}  # in the order of their connections
        self._accepting = trio.CancelScope()
        self._serving = trio.CancelScope()
        self._connections = 0
        self._idle = trio.Event()
        self._stopping = False

    @property
    def bound(self) -> int:
        """How many sessions are bound."""
        return sum(map(len, self.links.values()))

    async def serve(
        self, host: str | None, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen and serve until `stop` or cancellation.

        Args:
            host: Where to listen; None is everywhere.
            port: TCP port; 0 lets the system choose.
            task_status: Told the port once connections are accepted.

        Raises:
            OSError: It cannot be listened there.
        """
        listeners = await trio.open_tcp_listeners(port, host=host or None)
        port = listeners[0].socket.getsockname()[1]
        with self._serving:
            async with trio.open_nursery() as connections:
                task_status.started(port)
                with self._accepting:
                    await trio.serve_listeners(self._accept, listeners, handler_nursery=connections)

    async def serve_stream(self, stream: trio.abc.Stream, peer: str = "", outbind: Outbind | None = None) -> str:
        """Drive one connection until it ends.

        Args:
            stream: Connected.
            peer: Its address.
            outbind: To send first, if we have made the connection.

        Returns:
            Why it ended, in one line.
        """
        config = self.config
        session = Session(Role.SMSC, config.session, trio.current_time())
        if outbind is not None:
            session.send((outbind,), trio.current_time())
        link = Link(stream, session, self._handler, config.link, peer=peer, before_bound=self._judge)
        if len(self._unbound) >= config.max_unbound:
            oldest = next(iter(self._unbound))
            del self._unbound[oldest]
            oldest.abort("too many connections without a bind")
        self._unbound[link] = None
        self._connections += 1
        try:
            return await link.run()
        finally:
            self._connections -= 1
            self._forget(link)
            if self._stopping and not self._connections:
                self._idle.set()

    async def dial_outbind(self, host: str, port: int, system_id: bytes, password: bytes) -> str:
        """Connect to an ESME and ask it to bind, then serve the connection (SMPP v3.4 §2.2.1, §4.1.7).

        Returns:
            Why it ended, in one line.

        Raises:
            OSError: There was no connection.
        """
        tcp = await trio.open_tcp_stream(host, port)
        return await self.serve_stream(tcp, prepare_socket(tcp), Outbind(system_id, password))

    async def stop(self) -> None:
        """Accept no more, unbind every session, for at most `unbind_timeout`, and make `serve` return."""
        self._stopping = True
        self._accepting.cancel()
        for link in [*self._unbound, *(link for links in self.links.values() for link in links)]:
            link.start_unbind()
        if self._connections:
            with trio.move_on_after(self.config.unbind_timeout):
                await self._idle.wait()
        self._serving.cancel()

    async def _accept(self, tcp: trio.SocketStream) -> None:
        peer = prepare_socket(tcp)
        stream = await self.secure(tcp, peer)
        if stream is not None:
            await self.serve_stream(stream, peer)

    async def secure(self, tcp: trio.SocketStream, peer: str) -> trio.abc.Stream | None:
        """Make a connection that was accepted safe, as configured.

        Returns:
            The stream to use; None if there was no TLS to be had: `on_refused` is told, and the connection closed.
        """
        if self.config.tls is None:
            return tcp
        stream = trio.SSLStream(tcp, self.config.tls, server_side=True)
        why = "no handshake in time: the client may not speak TLS"
        with trio.move_on_after(self.config.session.session_init_timeout):
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError as exc:
                cause = exc.__cause__ or exc
                why = _DISTRUST if is_end(cause) else explain(cause) or str(cause)
                # trio keeps to itself the alert by which OpenSSL tells the client why (RFC 8446 §6.2)
                await _say_and_close(tcp, stream._outgoing.read())  # noqa: SLF001
            else:
                return stream
        await trio.aclose_forcefully(tcp)
        if self._on_refused is not None:
            self._on_refused(peer, why)
        return None

    def _judge(self, link: Link, events: list[Event]) -> None:
        """Answer the bind of a session that is not bound yet."""
        for event in events:
            if isinstance(event, BindRequest):
                full = self.bound >= self.config.max_binds
                status = c.ESME_RBINDFAIL if full else self._authenticate(event, link.peer)
                if status == c.ESME_ROK:
                    del self._unbound[link]
                    self.links.setdefault(event.system_id, []).append(link)
                link.respond((response_to(event, status),))

    def _forget(self, link: Link) -> None:
        self._unbound.pop(link, None)
        system_id = link.session.system_id
        links = self.links.get(system_id, [])
        if link in links:
            links.remove(link)
            if not links:
                del self.links[system_id]


async def _say_and_close(tcp: trio.SocketStream, octets: bytes) -> None:
    """Send the last octets, and give the peer a moment to read them: to close at once would throw them away."""
    with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(_CLOSE_SECONDS):
        await tcp.send_all(octets)
        await tcp.send_eof()
        while await tcp.receive_some():
            pass
