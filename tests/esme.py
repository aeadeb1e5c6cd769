"""A small ESME on a link, for tests of what stands on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, Outcome
from smppcore.pdu import DeliverSM, Pdu, response_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smppcore.link import Link


def accept(_pdu: DeliverSM) -> int | None:
    return c.ESME_ROK


class Esme:
    """A bound ESME: `judge` gives the status to answer each deliver_sm with, None for no answer."""

    def __init__(self, judge: Callable[[DeliverSM], int | None] = accept) -> None:
        self.judge = judge
        self.received: list[DeliverSM] = []
        self.outcomes: list[Outcome] = []
        self.order: list[str] = []
        self.closed = ""
        self.link: Link | None = None
        self._requests: list[Pdu] = []
        self._news = trio.Event()

    # LinkHandler

    def on_bound(self, link: Link) -> None:
        self.link = link

    def on_events(self, link: Link, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, DeliverSM):
                self.received.append(event)
                self.order.append("receipt" if event.esm_class & c.ESM_TYPE_MASK else "mo")
                status = self.judge(event)
                if status is not None:
                    link.respond([response_to(event, status)])
            elif isinstance(event, Outcome):
                self.outcomes.append(event)
                self.order.append("response" if event.response else "lost")
        self._news.set()

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        requests, self._requests = self._requests[:room], self._requests[room:]
        return requests

    def on_closed(self, link: Link, reason: str) -> None:
        self.closed = reason
        self._news.set()

    # for tests

    def send(self, *requests: Pdu) -> None:
        assert self.link is not None
        self._requests += requests
        self.link.wake()

    async def until(self, true: Callable[[], object]) -> None:
        with trio.fail_after(1000):
            while not true():
                self._news = trio.Event()
                await self._news.wait()

    @property
    def texts(self) -> list[bytes]:
        return [pdu.short_message for pdu in self.received if not pdu.esm_class & c.ESM_TYPE_MASK]

    @property
    def receipts(self) -> list[DeliverSM]:
        return [pdu for pdu in self.received if pdu.esm_class & c.ESM_TYPE_MASK]
