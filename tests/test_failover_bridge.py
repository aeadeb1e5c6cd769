"""The bridge on two hosts of a carrier of which one fails: replies go on, none is lost, none comes twice without doubt.

Everything but the sockets and the disk is real; the clock is virtual, and each schedule of faults comes from its seed.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from bridge.carrier import Carrier
from bridge.config import Backoff
from bridge.engine import Engine
from bridge.links import esme_config
from smppcore import constants as c
from smppcore.errors import ConnectFailed
from smppcore.esme import Esme
from smppcore.events import SessionConfig
from smppcore.failover import Addresses, Endpoint
from smppcore.testbed.config import Receipts, SimulatorConfig, Traffic
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.tally import Reply
from tests.links import Peer
from tests.pipeline import START, MemoryStore, link, rules
from tests.test_esme import refusing

if TYPE_CHECKING:
    from bridge.config import LinkConfig
    from bridge.events import Effects, Event
    from bridge.records import Mt

HOSTS = (Endpoint("a"), Endpoint("b"))
FAULTS = ("cut", "half-open", "refusing")
RATE = 10
SECONDS = 12.0
SCHEDULES = 100


class Valve(trio.abc.HalfCloseableStream):
    """A stream that can be frozen: what is written is swallowed, and nothing comes, as of a host that has vanished."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._frozen = trio.CancelScope()

    def freeze(self) -> None:
        self._frozen.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if not self._frozen.cancel_called:
            with trio.CancelScope() as scope:
                self._frozen = scope
                return bytes(await self._stream.receive_some(max_bytes))
        await trio.sleep_forever()
        raise AssertionError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._frozen.cancel_called:
            await self._stream.send_all(data)
        await trio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        await self.aclose()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self._stream.aclose()


class World:
    """One carrier on two hosts, and the bridge bound to it."""

    def __init__(self, config: LinkConfig, seed: int) -> None:
        self.nursery: trio.Nursery
        self.fault: dict[Endpoint, str] = {}
        self._valves: dict[Endpoint, list[Valve]] = {host: [] for host in HOSTS}
        session = SessionConfig(
            system_id=b"carrier", enquire_link_interval=0.4, enquire_link_timeout=0.4, response_timeout=5.0
        )
        rng = random.Random(seed)
        self.simulator = Simulator(SimulatorConfig(receipts=Receipts(delay=0.2), session=session), rng, lambda: START)
        self.replied: list[float] = []
        self.texts: Counter[bytes | str] = Counter()
        self.simulator.observers.append(self._observe)
        self.store = MemoryStore()
        self.engine = Engine(self.store, rules(), [config], START)
        self._events: list[Event] = []
        self._news = trio.Event()
        self.carrier = Carrier(config, self._put, self._now)
        self.esme = Esme(esme_config(config), self.carrier, rng, self._connect)

    def _now(self) -> float:
        return START + trio.current_time()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()

    def _observe(self, happening: object) -> None:
        if isinstance(happening, Reply):
            self.replied.append(trio.current_time())
            self.texts[happening.text] += 1

    async def turns(self) -> None:
        """The committer, without a thread: time stands still during a turn."""
        self._hand_out(self.engine.start(self._now()))
        while True:
            if not self._events:
                self._news = trio.Event()
                with trio.move_on_at(self.engine.next_due(self._now()) - START):
                    await self._news.wait()
            events, self._events = self._events, []
            self._hand_out(self.engine.turn(events, self._now()))
            await trio.lowlevel.checkpoint()

    def _hand_out(self, effects: Effects) -> None:
        for connection, responses in effects.responses:
            connection.respond(responses)
        if effects.flights:
            self.carrier.send(effects.flights)

    async def _connect(self, host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        fault = self.fault.get(host)
        if fault == "cut":
            raise ConnectFailed("refused", f"cannot connect to {host}: Connection refused")
        ours, theirs = memory_stream_pair()
        if fault == "refusing":
            self.nursery.start_soon(refusing(c.ESME_RBINDFAIL), Peer(theirs))
            return ours, "memory"
        valve = Valve(theirs)
        self._valves[host].append(valve)
        if fault == "half-open":
            valve.freeze()
        self.nursery.start_soon(self.simulator.serve_stream, valve)
        return ours, "memory"

    async def break_host(self, host: Endpoint, fault: str, seconds: float) -> None:
        self.fault[host] = fault
        for valve in self._valves[host]:
            if fault == "half-open":
                valve.freeze()
            else:
                await valve.aclose()
        self._valves[host].clear()
        await trio.sleep(seconds)
        del self.fault[host]

    def mts(self) -> list[Mt]:
        with self.store.turn() as turn:
            return [mt for mt in turn.mts(range(1, self.engine.position.next_id)) if mt is not None]


async def play(seed: int) -> tuple[World, list[float]]:
    """Run one schedule; return the world after it, and when a fault began."""
    rng = random.Random(seed)
    config = link(
        hosts=HOSTS,
        hosts_mode=rng.choice(("failover", "balance", "standby")),
        binds=rng.randint(1, 3),
        system_id="esme",
        password="secret",
        window=rng.choice((1, 10, 50)),
        enquire_link=0.4,
        enquire_link_timeout=0.4,
        response_timeout=5.0,
        reconnect=Backoff(0.5, 4.0),
    )
    world = World(config, seed)
    faults: list[float] = []
    async with trio.open_nursery() as nursery:
        world.nursery = nursery
        await nursery.start(world.simulator.serve, "127.0.0.1", 0)
        nursery.start_soon(world.turns)
        nursery.start_soon(world.esme.run)
        await world.simulator.receiving()
        texts = Traffic(RATE, int(RATE * SECONDS), "echo {n}", subscribers=10_000)
        nursery.start_soon(world.simulator.generate, texts)
        await trio.sleep(rng.uniform(0.5, 2.0))
        while trio.current_time() < SECONDS - 5.0:
            faults.append(trio.current_time())
            await world.break_host(rng.choice(HOSTS), rng.choice(FAULTS), rng.uniform(0.2, 4.0))
            await trio.sleep(rng.uniform(0.0, 1.5))
        with trio.fail_after(60.0):
            while len(world.texts) < texts.count or any(mt.state != "delivered" for mt in world.mts()):  # noqa: ASYNC110
                await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    return world, faults


@pytest.mark.parametrize("tenth", range(10))
def test_replies_go_on_when_one_of_two_hosts_fails(tenth: int) -> None:
    for seed in range(tenth * SCHEDULES // 10, (tenth + 1) * SCHEDULES // 10):
        world, faults = trio.run(play, seed, clock=MockClock(autojump_threshold=0))
        assert faults
        for began in faults:
            assert any(began < at <= began + 2.0 for at in world.replied), f"seed {seed}: silence after {began:.2f} s"
        mts = world.mts()
        assert len(mts) == int(RATE * SECONDS), f"seed {seed}: each text has one reply"
        doubled = {text for text, times in world.texts.items() if times > 1}
        in_doubt = {mt.text for mt in mts if mt.in_doubt or mt.attempts > 1}
        assert doubled <= in_doubt, f"seed {seed}: doubled without a doubt"
