"""Our own side of each role, as the conformance cases' peer: the simulator, and the bridge's ESME, both in memory."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio
import trio.testing

from smppcore import constants as c
from smppcore.testbed.config import Mo, Receipts, SimulatorConfig
from smppcore.testbed.conformance.case import Smsc
from smppcore.testbed.faults import Error
from smppcore.testbed.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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
        self.simulator.inject(Mo("15550004242", "60606", text.decode("ascii")))

    async def unbind(self) -> None:
        for links in self.simulator.links.values():
            for link in links:
                link.start_unbind()


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
