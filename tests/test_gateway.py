"""What every gateway keeps: one in this process, and SMPP to the simulator over memory streams."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import memory_stream_pair

from bridge.carrier import Carrier
from bridge.engine import Engine
from bridge.events import Arrivals, CapacityChanged, LinkChanged, Outcomes, SessionBound, SessionLost, Withdrawn
from bridge.links import esme_config
from bridge.outbound import Outbound
from bridge.store import LinkRow, StoreFull
from smppcore import constants as c
from smppcore.esme import Esme
from smppcore.events import Outcome
from smppcore.pdu import SubmitSMResp, response_to
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.subscriber import NoReply
from tests.pipeline import START, MemoryStore, link, receipt, rules, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from trio.testing import MockClock

    from bridge.config import LinkConfig
    from bridge.delivery import Flight
    from bridge.events import Effects, Event
    from bridge.gateway import Gateway
    from bridge.records import Conversation, Mo, Mt
    from bridge.store import ContactKey
    from smppcore.link import Link
    from smppcore.pdu import Pdu

CONTACT = "15550001234"
PATIENCE = 20.0


class Local:
    """A gateway in this process: texts are handed in, messages are handed to their reader at once."""

    def __init__(self, config: LinkConfig, put: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self.config = config
        self.read: list[tuple[str, str]] = []
        self.statuses: list[int] = []
        self._outbound = Outbound(config)
        self._put = put
        self._clock = clock
        self._up = False
        self._sent = 0

    @property
    def ready(self) -> bool:
        return self._up

    @property
    def sessions(self) -> int:
        return int(self._up)

    @property
    def wanted(self) -> int:
        return 1

    @property
    def waiting(self) -> int:
        return len(self._outbound)

    def open(self) -> None:
        self._up = True
        name = self.config.name
        self._put(LinkChanged(LinkRow(name, "bound", self._clock(), 1, "", "this process")))
        self._put(SessionBound(name, self._clock()))
        self._put(CapacityChanged(name, self.config.window))

    def close(self) -> None:
        self._up = False
        name = self.config.name
        self._put(CapacityChanged(name, 0))
        self._put(SessionLost(name, self._clock()))
        if flights := self._outbound.session_lost(cast("Link", self), last=True):
            self._put(Withdrawn(flights, suppressed=False))

    def write(self, contact: str, body: str) -> None:
        self._put(Arrivals(self.config.name, cast("Link", self), [text(body, contact.encode())], self._clock()))

    def respond(self, responses: Sequence[Pdu]) -> None:
        self.statuses += [response.command_status for response in responses]

    def send(self, flights: Sequence[Flight]) -> None:
        if not self._up:
            self._put(Withdrawn(list(flights), suppressed=False))
            return
        self._outbound.add(flights)
        for pdu in self._outbound.take(cast("Link", self), 1000):
            self._sent += 1
            message_id = b"%d" % self._sent
            self.read.append((pdu.destination_addr.decode(), pdu.short_message.decode()))
            self._put(Outcomes(self.config.name, [Outcome(pdu, SubmitSMResp(message_id), late=False)]))
            self._put(Arrivals(self.config.name, cast("Link", self), [receipt(message_id)], self._clock()))

    def revoke(self, contacts: set[ContactKey]) -> None:
        if flights := self._outbound.revoke(contacts):
            self._put(Withdrawn(flights, suppressed=True))

    def pause(self) -> None:
        self._put(CapacityChanged(self.config.name, 0))

    def resume(self) -> None:
        self._put(CapacityChanged(self.config.name, self.config.window))

    def stop_sending(self) -> None:
        self._put(CapacityChanged(self.config.name, 0))


class World:
    """A bridge with one gateway, and its subscriber."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.store = MemoryStore()
        self.config = link(system_id="esme", password="secret", enquire_link=0.0)
        self.engine = Engine(self.store, rules(), [self.config], START)
        self._events: list[Event] = []
        self._news = trio.Event()
        self.gateway: Gateway
        self.nursery: trio.Nursery
        if kind == "local":
            self.local = Local(self.config, self.put, self.now)
            self.gateway = self.local
        else:
            self.simulator = Simulator(SimulatorConfig(receipts=Receipts(delay=0.2)), random.Random(1), lambda: START)
            carrier = Carrier(self.config, self.put, self.now)
            self.gateway = carrier
            self.esme = Esme(esme_config(self.config), carrier, random.Random(1), self._connect)

    def now(self) -> float:
        return START + trio.current_time()

    def put(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()

    async def _connect(self, _host: object, _addresses: object) -> tuple[trio.abc.Stream, str]:
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self.simulator.serve_stream, theirs)
        return ours, "memory"

    async def turns(self) -> None:
        self._hand_out(self.engine.start(self.now()))
        while True:
            if not self._events:
                self._news = trio.Event()
                with trio.move_on_at(self.engine.next_due(self.now()) - START):
                    await self._news.wait()
            events, self._events = self._events, []
            try:
                self._hand_out(self.engine.turn(events, self.now()))
            except StoreFull:
                for event in events:
                    if isinstance(event, Arrivals):
                        event.connection.respond([_refusal(pdu) for pdu in event.pdus])
            await trio.lowlevel.checkpoint()

    def _hand_out(self, effects: Effects) -> None:
        for connection, responses in effects.responses:
            connection.respond(responses)
        if effects.revoked:
            self.gateway.revoke(effects.revoked)
        if effects.flights:
            self.gateway.send(effects.flights)

    async def open(self) -> None:
        if self.kind == "local":
            self.local.open()
        else:
            self.nursery.start_soon(self.simulator._agenda.run)
            self.nursery.start_soon(self.esme.run)
            await self.simulator.receiving()
        await self.until(lambda: self.engine.outbox.links["a"].capacity > 0)

    async def close(self) -> None:
        if self.kind == "local":
            self.local.close()
        else:
            await self.esme.stop()
        await self.until(lambda: self.engine.outbox.links["a"].capacity == 0)

    def write(self, body: str) -> None:
        if self.kind == "local":
            self.local.write(CONTACT, body)
        else:
            self.simulator.subscriber(CONTACT, "60606").send(body)

    async def reads(self) -> str:
        """Return the next message that the subscriber gets, "" if none comes."""
        if self.kind == "smpp":
            try:
                return (await self.simulator.subscriber(CONTACT, "60606").receive(PATIENCE)).text
            except NoReply:
                return ""
        with trio.move_on_after(PATIENCE):
            await self.until(lambda: self.local.read)
            return self.local.read.pop(0)[1]
        return ""

    async def until(self, happened: Callable[[], object]) -> None:
        with trio.fail_after(PATIENCE):
            while not happened():  # noqa: ASYNC110  the store wakes nobody
                await trio.sleep(0.05)

    def mts(self) -> list[Mt]:
        with self.store.turn() as turn:
            return [mt for mt in turn.mts(range(1, self.engine.position.next_id)) if mt is not None]

    def mos(self) -> list[Mo]:
        with self.store.turn() as turn:
            return [mo for mo in turn.mos(range(1, self.engine.position.next_id)) if mo is not None]

    def conversation(self) -> Conversation | None:
        with self.store.turn() as turn:
            return turn.conversations([(CONTACT, "acme")])[0]


def _refusal(pdu: Pdu) -> Pdu:
    return response_to(pdu, c.ESME_RX_T_APPN)


@asynccontextmanager
async def world(kind: str) -> AsyncIterator[World]:
    made = World(kind)
    async with trio.open_nursery() as nursery:
        made.nursery = nursery
        nursery.start_soon(made.turns)
        await made.open()
        yield made
        nursery.cancel_scope.cancel()


both = pytest.mark.parametrize("kind", ["local", "smpp"])


@both
async def test_a_text_is_answered_and_the_receipt_is_matched(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        here.write("hours")
        assert await here.reads() == "8-18"
        await here.until(lambda: [mt.state for mt in here.mts()] == ["delivered"])
        assert [mo.outcome for mo in here.mos()] == ["replied"]


@both
async def test_it_says_whether_it_is_ready(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        assert (here.gateway.ready, here.gateway.sessions, here.gateway.waiting) == (True, 1, 0)
        await here.close()
        await here.until(lambda: not here.gateway.ready)
        assert here.gateway.sessions == 0
        assert here.store.link["a"].name == "a"


@both
async def test_what_cannot_leave_comes_back_and_leaves_later(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        here.gateway.stop_sending()
        await here.until(lambda: here.engine.outbox.links["a"].capacity == 0)
        here.write("hours")
        await here.until(lambda: here.mts())
        assert [mt.state for mt in here.mts()] == ["queued"]
        assert await here.reads() == ""


@both
async def test_after_stop_nothing_but_the_confirmation_is_read(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        here.write("stop")
        assert "unsubscribed" in await here.reads()
        here.write("hours")
        assert await here.reads() == ""
        state = here.conversation()
        assert state is not None
        assert state.opted_out


@both
async def test_texts_of_one_contact_are_answered_in_order(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        for number in range(20):
            here.write(f"echo {number}")
        assert [await here.reads() for _ in range(20)] == [str(number) for number in range(20)]


@both
async def test_a_commit_that_fails_acknowledges_nothing(kind: str, autojump_clock: MockClock) -> None:
    async with world(kind) as here:
        here.store.failures.append(StoreFull("no room"))
        here.write("hours")
        await here.until(lambda: not here.store.failures)
        if kind == "local":  # nobody brings it again
            assert (here.local.statuses, here.mos()) == ([c.ESME_RX_T_APPN], [])
        else:
            assert await here.reads() == "8-18"
            assert await here.reads() == ""
            assert [mo.outcome for mo in here.mos()] == ["replied"]
