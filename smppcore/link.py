"""The driver of one stream and one Session: a reader, a writer, and the handler that both tell what happens.

Rules:

1. The reader never waits for the application: it hands over one batch of events per read and reads on. Only when more
   than `max_output` octets wait for a peer that does not take them does it stop reading, so that TCP pushes back.
2. The writer is the only caller of send_all. What accumulates during one write goes out in the next, and requests are
   taken from the handler only when the writer can write, so no message waits in an output buffer.
3. A write that does not finish in `write_timeout` ends the link, and so does any error of the stream; the errors of
   trio and of sockets are translated here, and nowhere else.
4. A bug in a handler is not caught: it leaves `Link.run` loudly.

No protocol decisions here: those are the Session's.
"""

from __future__ import annotations

import contextlib
import math
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import trio

from smppcore.errors import LinkClosed, LocalProtocolError
from smppcore.events import Event, Outcome
from smppcore.states import SessionState
from smppcore.tls import explain, is_end

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smppcore.pdu import Pdu
    from smppcore.session import Session

KEEPALIVE_SECONDS = 60.0
"""The system's own default is two hours, longer than any firewall remembers a connection."""
_READ_BYTES = 65536
_STREAM_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class LinkHandler(Protocol):
    """What uses links. All methods are called from the link's tasks and must not block."""

    def on_bound(self, link: Link) -> None:
        """The session has been bound; `on_closed` will follow once."""

    def on_events(self, link: Link, events: list[Event]) -> None:
        """What one read or one time-out brought, in order.

        Each Pdu that has a response must be answered with `link.respond`, now or later.
        """

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """The writer can write and `room` window slots are free: return at most so many requests to send.

        Call `link.wake` when there is something to take again. A request that cannot be encoded comes back as an
        Outcome with a LocalProtocolError.
        """

    def on_closed(self, link: Link, reason: str) -> None:
        """The link has ended, after the last `on_events`; whatever was outstanding has had its outcome."""


class Tap(Protocol):
    """What is shown the octets of a link, without TLS's encryption. It must not block, raise, or change anything."""

    def received(self, data: bytes) -> None:
        """This was read; it may begin and end anywhere."""

    def sent(self, data: bytes) -> None:
        """This is about to be written: whole PDUs."""


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """How a link treats its stream. Times in seconds."""

    write_timeout: float = 30.0
    """How long one write may take before the link is ended."""
    max_output_bytes: int = 4 * 1024 * 1024
    """How much may wait to be written before reading stops."""
    close_timeout: float = 5.0
    """How long the peer is given to close its side after we have closed ours."""


class _Call:
    """One `Link.request` that waits for its outcome."""

    __slots__ = ("abandoned", "done", "outcome")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: Outcome | None = None
        self.abandoned = False


class Link:
    """One connection: a stream, its session, and the tasks between them.

    Resource handling: `run` owns the stream and closes it on every way out; nothing runs before `run` or after it.

    Error handling: whatever ends the stream ends `run`, which returns the reason; outstanding requests get outcomes
    with LinkClosed first. Exceptions that leave `run` are bugs in handlers, or cancellation.

    Args:
        stream: Connected. If it is a HalfCloseableStream its end is announced by closing our side first.
        session: New, of the same clock as trio's.
        handler: Told of everything from the bind on.
        config: How to treat the stream.
        name: What logs and metrics call this link.
        peer: The other side's address, for people.
        host: The host as configured, of which `peer` is an address.
        before_bound: Told of the events before the bind, as an SMSC must be to answer it.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        session: Session,
        handler: LinkHandler,
        config: LinkConfig = LinkConfig(),
        *,
        name: str = "",
        peer: str = "",
        host: str = "",
        before_bound: Callable[[Link, list[Event]], None] | None = None,
    ) -> None:
        self.session = session
        self.handler = handler
        self.config = config
        self.name = name
        self.peer = peer
        self.host = host
        self.started = trio.current_time()
        self.bound_at = math.inf
        """When the session was bound, in seconds of trio's clock; math.inf before."""
        self._stream = stream
        self._before_bound = before_bound
        self._was_bound = False
        self._aborted = False
        self._retiring = False
        self._ended = False
        self._calls: dict[int, _Call] = {}  # by id() of the request, which the session keeps alive
        self._direct: list[Pdu] = []  # requests of _calls that have not been sent
        self._parked: trio.lowlevel.Task | None = None  # the writer, while it has nothing to write
        self._writing = 0  # octets that send_all is at
        self._drained: trio.Event | None = None  # what the reader waits for while too much is to be written
        self.over = trio.Event()
        """Set when a session that was bound is so no more; the link may still be closing."""
        self._flushed = trio.Event()
        self._at_end = False  # the peer has closed its side
        self.tap: Tap | None = None
        """Is shown what is read and written, while there is one."""
        self._read_scope = trio.CancelScope()

    @property
    def stream(self) -> trio.abc.Stream:
        """The stream that it drives."""
        return self._stream

    @property
    def can_send(self) -> bool:
        """Whether messages may be sent on this link."""
        return self.session.can_send

    @property
    def can_receive(self) -> bool:
        """Whether the peer may send messages on this link."""
        return self.session.can_receive

    async def run(self) -> str:
        """Read and write until the stream ends.

        Returns:
            Why it ended, in one line.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self._end()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)
        return self.session.close_reason

    def respond(self, responses: Sequence[Pdu]) -> None:
        """Queue the answers to Pdu events; on a link that has ended they are dropped.

        Raises:
            LocalProtocolError: One of them answers nothing that is open, or cannot be encoded.
        """
        self.session.respond(responses, trio.current_time())
        if not self._was_bound and self.session.bound:
            self._announce_bound()
        self._attend()
        if self._retiring:
            self._retire()

    def wake(self) -> None:
        """Let the writer ask for requests again."""
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked)
            self._parked = None

    def start_unbind(self) -> None:
        """Unbind and close; `run` returns when it is done. What is outstanding may still be answered until then."""
        self.session.unbind(trio.current_time())
        self._attend()

    def retire(self) -> None:
        """Take no more requests from the handler, and unbind when everything is answered, on both sides."""
        self._retiring = True
        self._retire()

    def _retire(self) -> None:
        if not self.session.outstanding and not self.session.unanswered:
            self.start_unbind()

    def abort(self, reason: str, cause: str = "closed") -> None:
        """End the link at once, with no unbind and nothing more written; `run` returns the reason."""
        self._aborted = True
        self._dispatch(self.session.abort(reason, trio.current_time(), cause))
        self._attend()

    async def request(self, pdu: Pdu) -> Pdu:
        """Send one request, past the handler, and wait for its response, whatever its status.

        Raises:
            LocalProtocolError: It cannot be encoded or may not be sent in this state.
            ResponseTimeout: There was no response in time; should it come late, the handler is told.
            LinkClosed: The link has ended.
        """
        if self._ended:
            raise LinkClosed(self.session.close_reason)
        call = self._calls[id(pdu)] = _Call()
        self._direct.append(pdu)
        self.wake()
        try:
            await call.done.wait()
        finally:
            call.abandoned = True
            if any(waiting is pdu for waiting in self._direct):
                self._direct = [waiting for waiting in self._direct if waiting is not pdu]
                del self._calls[id(pdu)]
        outcome = cast("Outcome", call.outcome)  # set before done
        if outcome.error is not None:
            raise outcome.error
        return cast("Pdu", outcome.response)

    # The reader -------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        session = self.session
        stream = self._stream
        max_output_bytes = self.config.max_output_bytes
        while not session.wants_close:
            # One scope for many reads: its deadline may come too early, for octets that came since push the timers
            # back, but never too late. A scope for each read, or to move the deadline each time, would cost more than
            # the read.
            with trio.CancelScope(deadline=session.next_deadline()) as self._read_scope:
                while not session.wants_close:
                    if session.output_bytes + self._writing > max_output_bytes:
                        self._drained = trio.Event()
                        await self._drained.wait()
                        continue
                    try:
                        data = bytes(await stream.receive_some(_READ_BYTES))
                    except _STREAM_ERRORS as exc:
                        self._dispatch(session.abort((why := _why(exc))[0], trio.current_time(), why[1]))
                        return
                    if self.tap is not None:
                        self.tap.received(data)
                    now = trio.current_time()
                    if data:
                        events = session.receive_data(data, now)
                    else:
                        self._at_end = True
                        events = session.receive_eof(now)
                    self._dispatch(events)
                    if events or session.output_bytes:
                        self.wake()
                    # What came may bring a deadline forward: the answer to an enquire_link starts the next interval
                    deadline = session.next_deadline()
                    if deadline < self._read_scope.deadline:
                        self._read_scope.deadline = deadline
            if self._read_scope.cancelled_caught:
                self._dispatch(session.handle_timeout(trio.current_time()))
                if session.state is SessionState.CLOSED:
                    return  # the peer does not answer, so there is nothing to wait for
                self.wake()
        if not self._aborted:
            await self._close()

    def _dispatch(self, events: list[Event]) -> None:
        if self._calls:
            events = self._settle(events)
        if not self._was_bound and self.session.bound:
            self._announce_bound()
        if events:
            if self._was_bound:
                self.handler.on_events(self, events)
            elif self._before_bound is not None:
                self._before_bound(self, events)
        if self._was_bound and not self.session.bound:
            self.over.set()
        if self._retiring:
            self._retire()

    def _announce_bound(self) -> None:
        self._was_bound = True
        self.bound_at = trio.current_time()
        self.handler.on_bound(self)

    def _settle(self, events: list[Event]) -> list[Event]:
        """Give the outcomes of direct requests to those who wait for them; return the rest."""
        rest: list[Event] = []
        for event in events:
            if not isinstance(event, Outcome):
                rest.append(event)
                continue
            call = self._calls.pop(id(event.request), None)
            if call is None:
                rest.append(event)
            elif not call.abandoned:
                call.outcome = event
                call.done.set()
        return rest

    async def _close(self) -> None:
        """Let the writer finish, close our side, and give the peer time to close its own.

        Closing at once could throw away what the peer has not read yet, its unbind_resp first (a reset overtakes it).
        """
        with trio.move_on_after(self.config.close_timeout):
            try:
                if isinstance(self._stream, trio.SSLStream):
                    await self._flushed.wait()
                    self._stream, _ = await self._stream.unwrap()  # what is left to close is the stream below TLS
                    return
                while not self._at_end:
                    data = bytes(await self._stream.receive_some(_READ_BYTES))
                    self._at_end = not data
                    if self.tap is not None:
                        self.tap.received(data)
                    self._dispatch(self.session.receive_data(data, trio.current_time()) if data else [])
                await self._flushed.wait()
            except _STREAM_ERRORS:
                pass  # what we had to say has been said, or nobody hears it

    # The writer -------------------------------------------------------------------------------------------------------

    async def _write(self, link_scope: trio.CancelScope) -> None:
        session = self.session
        stream = self._stream
        write_timeout = self.config.write_timeout
        while True:
            data = self._gather()
            if data:
                self._writing = len(data)
                if self.tap is not None:
                    self.tap.sent(data)
                with trio.move_on_after(write_timeout) as scope:
                    try:
                        await stream.send_all(data)
                    except _STREAM_ERRORS as exc:
                        self._fail(*_why(exc), link_scope)
                        return
                if scope.cancelled_caught:
                    self._fail(f"a write did not finish within {write_timeout:g} s", "write_timeout", link_scope)
                    return
                self._writing = 0
                if self._drained is not None:
                    self._drained.set()
                    self._drained = None
            elif session.wants_close:
                await self._close_our_side()
                self._flushed.set()
                return
            else:
                self._parked = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._unpark)

    def _unpark(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _gather(self) -> bytes:
        """Everything that can be written now: what is queued, and as many requests as the window has room for."""
        session = self.session
        sent = False
        if self._direct:
            self._send_direct()
            sent = True
        room = session.window_room
        if room > 0 and self._was_bound and not self._retiring:
            requests = self.handler.take_requests(self, room)
            if requests:
                self._send(requests)
                sent = True
        if sent:
            self._attend()
        return session.bytes_to_send()

    def _send(self, requests: Sequence[Pdu]) -> None:
        now = trio.current_time()
        try:
            self.session.send(requests, now)
        except LocalProtocolError:
            # One of them is at fault, and the others shall not suffer for it
            refused: list[Event] = []
            for request in requests:
                try:
                    self.session.send((request,), now)
                except LocalProtocolError as error:
                    refused.append(Outcome(request, None, error))
            self.handler.on_events(self, refused)

    def _send_direct(self) -> None:
        now = trio.current_time()
        refused: list[Event] = []
        session = self.session
        # A full window is waited for; what a link that ends has not sent, `_end` settles
        while self._direct and not session.wants_close and (session.window_room > 0 or not session.can_send):
            request = self._direct.pop(0)
            try:
                session.send((request,), now)
            except LocalProtocolError as error:
                refused.append(Outcome(request, None, error))
        self._settle(refused)

    async def _close_our_side(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            with contextlib.suppress(*_STREAM_ERRORS):  # the peer was quicker
                await self._stream.send_eof()

    # Ends -------------------------------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """Wake the writer, and the reader if a deadline has come forward or the link is to be closed."""
        self.wake()
        session = self.session
        deadline = -math.inf if session.wants_close else session.next_deadline()
        if deadline < self._read_scope.deadline:
            self._read_scope.deadline = deadline

    def _fail(self, reason: str, cause: str, link_scope: trio.CancelScope) -> None:
        self._dispatch(self.session.abort(reason, trio.current_time(), cause))
        link_scope.cancel()

    def _end(self) -> None:
        """Settle everything that is open, and say good-bye to the handler."""
        self._ended = True
        self._dispatch(self.session.abort(self.session.close_reason or "cancelled", trio.current_time()))
        unsent: list[Event] = [
            Outcome(request, None, LinkClosed(self.session.close_reason)) for request in self._direct
        ]
        self._direct.clear()
        self._settle(unsent)
        if self._was_bound:
            self.handler.on_closed(self, self.session.close_reason)


def _why(exc: BaseException) -> tuple[str, str]:
    """An error of the stream in a line and in a word: trio's errors keep the system's own as their cause."""
    cause = exc.__cause__ or exc
    if is_end(cause):
        return "the peer closed the connection", "peer_closed"
    # With TLS 1.3 a client learns only after its handshake that its certificate was not accepted (RFC 8446 §4.4.2.4).
    if problem := explain(cause):
        return problem, "tls"
    return f"the connection was lost: {str(cause) or type(cause).__name__}", "lost"


def prepare_socket(stream: trio.SocketStream, keepalive: float = KEEPALIVE_SECONDS) -> str:
    """Set a connected socket up for SMPP.

    TCP_NODELAY, without which a response waits for the peer's acknowledgement of the one before (up to 40 ms), is
    set by trio already; keep-alive finds the dead peers of links that do not ask with enquire_link.

    Args:
        stream: Connected.
        keepalive: After so many seconds without an octet the system asks whether the peer is there, and three times
            more at a third of it before it gives the connection up; 0 is never.

    Returns:
        The peer's address, "host:port".
    """
    if keepalive:
        options = (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, math.ceil(keepalive)),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, math.ceil(keepalive / 3)),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        )
        for option in options:
            with contextlib.suppress(OSError):  # gone already; the first read will say so
                stream.setsockopt(*option)
    try:
        host, port, *_ = stream.socket.getpeername()
    except OSError:
        return "?"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
