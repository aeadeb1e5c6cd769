"""Our own side of each role, as the conformance cases' peer: the simulator, and the bridge's ESME, both in memory."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio
import trio.testing

from bridge.carrier import Carrier
from bridge.committer import Committer
from bridge.config import InDoubtConfig
from bridge.engine import Engine
from bridge.links import esme_config
from smppcore import constants as c
from smppcore import esme as client
from smppcore.testbed.config import Account, Receipts, SimulatorConfig
from smppcore.testbed.config import Mo as Text
from smppcore.testbed.conformance.case import Esme, Smsc
from smppcore.testbed.conformance.wire import NotShown
from smppcore.testbed.faults import Error
from smppcore.testbed.simulator import Simulator
from tests.pipeline import START, MemoryStore, link, rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.events import Effects
    from bridge.records import Mo, Mt
    from smppcore.failover import Addresses, Endpoint

_USUAL = SimulatorConfig()
SETTINGS: Mapping[str, SimulatorConfig] = {
    "": _USUAL,
    "usual": _USUAL,
    "lenient": replace(_USUAL, session=replace(_USUAL.session, strict=False)),
    "v5.0": replace(_USUAL, session=replace(_USUAL.session, interface_version=c.VERSION_50)),
    "inactivity timer": replace(_USUAL, session=replace(_USUAL.session, inactivity_timeout=20.0)),
    "enquire_link": replace(_USUAL, session=replace(_USUAL.session, enquire_link_interval=5.0)),
    **{
        c.status_name(status): SimulatorConfig(faults=(Error(status=status),))
        for status in (c.ESME_RTHROTTLED, c.ESME_RMSGQFUL, c.ESME_RSYSERR)
    },
    "no transceiver": SimulatorConfig(accounts=(Account(binds=("transmitter", "receiver")),)),
    "v5.0 statuses": SimulatorConfig(bind_error_style="50"),
    "long ids": SimulatorConfig(message_id="uuid"),
    "few operations": SimulatorConfig(accounts=(Account(operations=("submit_sm", "query_sm")),)),
    "few service types": SimulatorConfig(accounts=(Account(service_types=("", "CMT")),)),
    "undeliverable": SimulatorConfig(receipts=Receipts(outcomes={"undeliverable": 1.0})),
    "hex ids": SimulatorConfig(message_id="hex", first_message_id=0xABCDEF, receipts=Receipts(delay=3600.0)),
    "slow receipts": SimulatorConfig(receipts=Receipts(delay=3600.0)),
    "small windows": replace(_USUAL, session=replace(_USUAL.session, window=3, receive_window=5), response=1.0),
}


class OurSmsc:
    """The simulator."""

    def __init__(self, simulator: Simulator, nursery: trio.Nursery) -> None:
        self.simulator = simulator
        self._nursery = nursery

    async def connect(self) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.simulator.serve_stream, theirs, "memory")
        return ours

    async def deliver(self, text: bytes) -> None:
        self.simulator.inject(Text("15550004242", "60606", text.decode("ascii")))

    async def unbind(self) -> None:
        for links in self.simulator.links.values():
            for session in links:
                session.start_unbind()


@asynccontextmanager
async def our_smsc(setting: str) -> AsyncIterator[Smsc]:
    """The simulator, set up as a case wants it."""
    simulator = Simulator(SETTINGS[setting], random.Random(1), lambda: 1_800_000_000.0 + trio.current_time())
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        smsc = Smsc(OurSmsc(simulator, nursery))
        yield smsc
        await smsc.end()
        nursery.cancel_scope.cancel()


OPTIONS: Mapping[str, Mapping[str, object]] = {
    "": {},
    "transmitter": {"bind": "transmitter"},
    "fallback": {"fallback": True},
    "strict": {"strict": True},
    "v3.3 assumed": {"assume_version": c.VERSION_33},
    "hold in doubt": {"in_doubt": InDoubtConfig(reply="hold")},
    "short timers": {"response_timeout": 5.0, "inactivity_timeout": 20.0},
    "window of 3": {"window": 3},
    "receive window of 2": {"receive_window": 2},
}
RULES = rules()


class OurBridge:
    """The bridge on a store in memory; it connects to whoever accepts."""

    def __init__(self, **options: object) -> None:
        self.config = link("a", **options)
        self.store = MemoryStore()
        self.incidents: list[str] = []
        began = trio.current_time()

        def clock() -> float:
            return START + trio.current_time() - began

        self.engine = Engine(self.store, RULES, (self.config,), clock())
        self.engine.start(clock())
        self.committer = Committer(self.engine, self._hand_out, clock)
        self.carrier = Carrier(self.config, self.committer.put, clock)
        self.esme = client.Esme(esme_config(self.config), self.carrier, random.Random(1), self._connect)
        self._calls, self._listening = trio.open_memory_channel[trio.abc.Stream](100)

    def _hand_out(self, effects: Effects) -> None:
        for connection, responses in effects.responses:
            connection.respond(responses)
        self.carrier.revoke(effects.revoked)
        if effects.flights:
            self.carrier.send(effects.flights)
        self.incidents += effects.incidents

    async def _connect(self, _host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        ours, theirs = trio.testing.memory_stream_pair()
        await self._calls.send(theirs)
        return ours, "memory"

    async def accept(self) -> trio.abc.Stream:
        with trio.move_on_after(1000):
            return await self._listening.receive()
        raise NotShown("it did not connect within 1000 s")

    def mos(self) -> list[Mo]:
        with self.store.turn() as turn:
            return [mo for mo in turn.mos(range(1, self.engine.position.next_id)) if mo is not None]

    def mts(self) -> list[Mt]:
        with self.store.turn() as turn:
            return [mt for mt in turn.mts(range(1, self.engine.position.next_id)) if mt is not None]


@asynccontextmanager
async def our_esme(**options: object) -> AsyncIterator[tuple[Esme, OurBridge]]:
    """The bridge with a link set up as a case wants it; its turns must run in the event loop."""
    bridge = OurBridge(**options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.committer.run)
        nursery.start_soon(bridge.esme.run)
        esme = Esme(bridge, rebind=1000.0, response_timeout=30.0, watch=60.0)
        yield esme, bridge
        await esme.end()
        nursery.cancel_scope.cancel()
