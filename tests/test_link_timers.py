"""The link calls the session when it is due, also when what arrives brings a deadline forward."""

from __future__ import annotations

import trio
import trio.testing

from smppcore.link import Link
from smppcore.pdu import BindTransceiver, EnquireLink, decode, encode, response_to
from smppcore.session import Event, Role, Session, SessionConfig


class Silent:
    """A handler with nothing to say."""

    def on_bound(self, link: Link) -> None: ...

    def on_events(self, link: Link, events: list[Event]) -> None: ...

    def take_requests(self, link: Link, room: int) -> tuple[()]:
        return ()

    def on_closed(self, link: Link, reason: str) -> None: ...


async def test_an_answered_enquire_link_starts_the_next_interval(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    ours, peer = trio.testing.memory_stream_pair()
    config = SessionConfig(enquire_link_interval=5.0, response_timeout=60.0)
    session = Session(Role.ESME, config, trio.current_time())
    session.send([BindTransceiver(b"esme", b"secret")], trio.current_time())
    nursery.start_soon(Link(ours, session, Silent()).run)
    asked: list[float] = []
    while len(asked) < 3:
        request = decode(await peer.receive_some())
        if isinstance(request, EnquireLink):
            asked.append(trio.current_time())
        await peer.send_all(encode(response_to(request)))
    assert asked == [5.0, 10.0, 15.0]
    nursery.cancel_scope.cancel()
