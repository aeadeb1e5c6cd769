"""Server-sent events: what goes on, to everybody who looks, once a second while anybody does.

A state is sent, not a history: whoever reads slowly misses states in between, and nothing is queued for anybody.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from bridge.web import pages
from bridge.web.access import Problem

if TYPE_CHECKING:
    from starlette.types import Receive, Send

    from bridge.service import Service
    from bridge.web.views import Views

EVERY: Final = 1.0
"""Seconds."""
MOST: Final = 50
"""Lookers at a time."""
_QUIET: Final = 15


class Live:
    """Tells lookers what goes on.

    Args:
        service: For what is not in the store.
        views: For what is.
    """

    def __init__(self, service: Service, views: Views) -> None:
        self._service = service
        self._views = views
        self._lookers = 0
        self._wanted = trio.Event()
        self._state = b""
        self._changed = trio.Event()

    async def run(self) -> None:
        """Look while anybody does, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                stored = await self._views.get(pages.live, links=self._service.config.link, now=time.time())
            except Problem as exc:
                self._state = b"event: problem\ndata: " + msgspec.json.encode({"problem": exc.text}) + b"\n\n"
            else:
                moved = msgspec.json.encode(
                    {"time": time.time(), "not_ready": self._service.not_ready(), "moved": self._service.moved()}
                )
                self._state = b"event: state\ndata: " + stored[:-1] + b"," + moved[1:] + b"\n\n"
            self._changed.set()
            self._changed = trio.Event()
            await trio.sleep(EVERY)

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer one looker until it goes.

        Raises:
            Problem: There are too many.
        """
        if self._lookers >= MOST:
            raise Problem(503, f"{MOST} are looking already", {"Retry-After": "5"})
        self._lookers += 1
        self._wanted.set()
        try:
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with trio.open_nursery() as nursery:

                async def gone() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    nursery.cancel_scope.cancel()

                nursery.start_soon(gone)
                while True:
                    with trio.move_on_after(_QUIET):
                        await self._changed.wait()
                    await send({"type": "http.response.body", "body": self._state or b": \n\n", "more_body": True})
        finally:
            self._lookers -= 1
            if not self._lookers:
                self._wanted = trio.Event()
                self._state = b""
