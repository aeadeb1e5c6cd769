"""A simulator that runs, ESMEs on memory streams to it, and messages for it."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio
import trio.testing

from smppcore import constants as c
from smppcore import udh
from smppcore.events import SessionConfig
from smppcore.link import Link
from smppcore.pdu import (
    BindRequest,
    BindResponse,
    BindTransceiver,
    SubmitSM,
)
from smppcore.session import Role, Session
from smppcore.testbed.config import SimulatorConfig
from smppcore.testbed.simulator import Simulator
from smppcore.text import encode_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.esme import Esme


NOW = 1_800_000_000.0
PLAIN = SimulatorConfig()
VERSION_50 = SessionConfig(system_id=b"simulator", interface_version=c.VERSION_50)
SUBSCRIBER, SERVICE = "255700000001", "12345"


class World:
    """A simulator that runs, and ESMEs on memory streams to it."""

    def __init__(self, simulator: Simulator, nursery: trio.Nursery, port: int) -> None:
        self.simulator = simulator
        self.nursery = nursery
        self.port = port

    async def bind(self, esme: Esme, bind: BindRequest | None = None, **session: float) -> tuple[Link, BindResponse]:
        ours, theirs = trio.testing.memory_stream_pair()
        config = replace(SessionConfig(response_timeout=300.0, enquire_link_interval=0.0), **session)  # type: ignore[arg-type]
        link = Link(ours, Session(Role.ESME, config, trio.current_time()), esme)
        self.nursery.start_soon(self.simulator.serve_stream, theirs)
        self.nursery.start_soon(link.run)
        response = await link.request(bind or BindTransceiver(b"esme", b"secret"))
        assert isinstance(response, BindResponse)
        return link, response

    async def bind_50(self, esme: Esme) -> Link:
        bind = BindTransceiver(b"esme", b"secret", interface_version=c.VERSION_50)
        link, _ = await self.bind(esme, bind, interface_version=c.VERSION_50)
        return link


@asynccontextmanager
async def world(config: SimulatorConfig = PLAIN, seed: int = 1) -> AsyncIterator[World]:
    simulator = Simulator(config, random.Random(seed), wall=lambda: NOW)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        yield World(simulator, nursery, port)
        nursery.cancel_scope.cancel()


def submit(text: str = "hello", **fields: object) -> SubmitSM:
    defaults = {
        "source_addr": SERVICE.encode(),
        "destination_addr": SUBSCRIBER.encode(),
        "registered_delivery": 1,
        "short_message": text.encode(),
    }
    return SubmitSM(**{**defaults, **fields})  # type: ignore[arg-type]


def submit_parts(text: str, reference: int = 7) -> list[SubmitSM]:
    parts = encode_message(text).parts
    return [
        submit(esm_class=c.ESM_UDHI, short_message=udh.concat8(reference, len(parts), number) + part)
        for number, part in enumerate(parts, 1)
    ]


def found(w: World) -> dict[str, int]:
    """What the judge has noted, of whomever, and how often."""
    return {found.name: found.count for verdict in w.simulator.report().verdicts for found in verdict.findings()}
