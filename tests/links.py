"""What the tests of link, esme and smsc share: a handler that records, and a peer that speaks PDUs over a stream."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from smppcore.link import Link, LinkConfig
from smppcore.pdu import Pdu, decode, encode, response_to
from smppcore.session import Event, Outcome, Role, Session, SessionConfig, SessionState
from tests.sessions import BINDS, HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from smppcore.errors import SmppError
    from smppcore.esme import Retry


class Recorder:
    """A handler that writes down what it is told, answers at once if asked to, and sends what it is given."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.bound: list[Link] = []
        self.events: list[Event] = []
        self.closed: list[tuple[Link, str]] = []
        self.to_send: list[Pdu] = []
        self.retries: list[tuple[float, str, SmppError, float]] = []
        self.hops: list[Retry] = []
        self.rooms: list[int] = []

    def on_bound(self, link: Link) -> None:
        self.bound.append(link)

    def on_events(self, link: Link, events: list[Event]) -> None:
        self.events += events
        if self.answers:
            link.respond([response_to(event) for event in events if isinstance(event, Pdu)])

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        self.rooms.append(room)
        taken, self.to_send = self.to_send[:room], self.to_send[room:]
        return taken

    def on_closed(self, link: Link, reason: str) -> None:
        self.closed.append((link, reason))

    def on_retry(self, retry: Retry) -> None:
        self.hops.append(retry)
        self.retries.append((trio.current_time(), retry.bind_name, retry.error, retry.delay))

    @property
    def outcomes(self) -> list[Outcome]:
        return [event for event in self.events if isinstance(event, Outcome)]

    @property
    def requests(self) -> list[Pdu]:
        return [event for event in self.events if isinstance(event, Pdu)]


class Peer:
    """The other end of a stream, speaking PDUs."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, *pdus: Pdu) -> None:
        await self.stream.send_all(b"".join(map(encode, pdus)))

    async def read(self) -> Pdu | None:
        """The next PDU; None at the end of the stream."""
        while len(self.buffer) < 16 or len(self.buffer) < HEADER.unpack_from(self.buffer)[0]:
            data = await self.stream.receive_some(65536)
            if not data:
                assert self.buffer == b""
                return None
            self.buffer += bytes(data)
        length = HEADER.unpack_from(self.buffer)[0]
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return decode(data)

    async def expect(self, pdu_class: type[Pdu]) -> Pdu:
        pdu = await self.read()
        assert isinstance(pdu, pdu_class), pdu
        return pdu

    async def answer(self, pdu_class: type[Pdu], status: int = 0) -> Pdu:
        """Take a request of that class and answer it."""
        request = await self.expect(pdu_class)
        await self.send(response_to(request, status))
        return request

    async def close(self) -> None:
        await self.stream.aclose()


class Running:
    """A link that runs, its peer, and what became of it."""

    def __init__(self, link: Link, peer: Peer) -> None:
        self.link = link
        self.peer = peer
        self.ended = trio.Event()
        self.reason = ""
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            self.reason = await self.link.run()
        self.ended.set()


@asynccontextmanager
async def running(
    role: Role,
    handler: Recorder,
    session_config: SessionConfig | None = None,
    link_config: LinkConfig | None = None,
    *,
    streams: tuple[trio.abc.Stream, trio.abc.Stream] | None = None,
    before_bound: Callable[[Link, list[Event]], None] | None = None,
) -> AsyncIterator[Running]:
    """A link between a handler and a peer, not bound."""
    ours, theirs = streams or trio.testing.memory_stream_pair()
    session = Session(role, session_config or SessionConfig(), trio.current_time())
    link = Link(ours, session, handler, link_config or LinkConfig(), before_bound=before_bound)
    async with trio.open_nursery() as nursery:
        state = Running(link, Peer(theirs))
        nursery.start_soon(state.run)
        yield state
        state.scope.cancel()


@asynccontextmanager
async def bound(
    handler: Recorder,
    session_config: SessionConfig | None = None,
    link_config: LinkConfig | None = None,
    *,
    state: SessionState = SessionState.BOUND_TRX,
    streams: tuple[trio.abc.Stream, trio.abc.Stream] | None = None,
) -> AsyncIterator[Running]:
    """An ESME's link, bound."""
    async with running(Role.ESME, handler, session_config, link_config, streams=streams) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.link.request, BINDS[state](b"esme"))
            await it.peer.answer(BINDS[state])
        await trio.testing.wait_all_tasks_blocked()
        assert it.link.session.state is state
        handler.events.clear()
        yield it
