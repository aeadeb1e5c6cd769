"""A simulator, or a small ESME, in a thread of its own, for tests of commands that run an event loop themselves."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from smppcore.esme import Esme, EsmeConfig
from smppcore.failover import BackoffConfig
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.simulator import Simulator
from tests.links import Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from trio.lowlevel import TrioToken


_QUICK = Receipts(delay=0.01)


@contextmanager
def _thread(run: Callable[[Callable[[object], None]], Awaitable[None]]) -> Iterator[object]:
    """Run an async function in a thread until the block ends; it is given what tells that it is ready."""
    ready = threading.Event()
    told: list[object] = []
    token: list[TrioToken] = []
    scope = trio.CancelScope()

    def tell(value: object) -> None:
        told.append(value)
        ready.set()

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        with scope:
            await run(tell)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert ready.wait(20)
        yield told[0]
    finally:
        token[0].run_sync_soon(scope.cancel)
        thread.join(20)


@contextmanager
def simulator(config: SimulatorConfig | None = None) -> Iterator[int]:
    """A simulator on a port of loopback."""

    async def run(tell: Callable[[object], None]) -> None:
        served = Simulator(config or SimulatorConfig(receipts=_QUICK), random.Random(1))
        async with trio.open_nursery() as nursery:
            tell(await nursery.start(served.serve, "127.0.0.1", 0))

    with _thread(run) as port:
        assert isinstance(port, int)
        yield port


@contextmanager
def esme() -> Iterator[int]:
    """An ESME that takes everything, and binds to a free port of loopback as soon as somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def run(tell: Callable[[object], None]) -> None:
        backoff = BackoffConfig(0.05, 0.05)
        config = EsmeConfig("127.0.0.1", port, system_id=b"esme", password=b"secret", backoff=backoff)
        tell(None)
        await Esme(config, Recorder(), random.Random(1)).run()

    with _thread(run):
        yield port
