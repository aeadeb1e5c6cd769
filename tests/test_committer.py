"""The committer's task: what it says and keeps while turns fail, and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from bridge.committer import Committer
from bridge.store import StoreError, StoreFull
from smppcore import constants as c
from tests.pipeline import Bridge, accepted, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.events import Effects

NO_ROOM = "no room on the disk of the store"


class Watched:
    """A committer around an engine on a memory store, and everything that it handed out."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.bridge = Bridge()
        self.handed: list[Effects] = []
        self.committer = Committer(self.bridge.engine, self._take, lambda: self.bridge.now)
        nursery.start_soon(self.committer.run)

    def _take(self, effects: Effects) -> None:
        self.bridge.take_over(effects)
        self.handed.append(effects)

    def fail_with(self, error: StoreError | None) -> None:
        """Let every commit fail from now on; None: let none fail."""
        self.bridge.memory.failures = [] if error is None else [error] * 10_000

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let turns pass until something holds; a turn's thread cannot wake us."""
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.001)

    async def deliver(self, body: str) -> list[int]:
        """Deliver one text; return the status of its answer."""
        self.committer.put(self.bridge.arrivals(text(body)))
        await self.until(lambda: bool(self.bridge.wire.responses))
        await wait_all_tasks_blocked()
        return self.bridge.wire.statuses()

    def incidents(self) -> list[str]:
        found = [line for effects in self.handed for line in effects.incidents]
        self.handed.clear()
        return found


async def test_a_store_that_fails_is_told_once_and_once_that_it_works_again(nursery: trio.Nursery) -> None:
    watched = Watched(nursery)
    watched.fail_with(StoreFull(NO_ROOM))
    assert await watched.deliver("hours") == [c.ESME_RX_T_APPN]
    assert await watched.deliver("hours") == [c.ESME_RX_T_APPN]
    assert watched.incidents() == [f"{NO_ROOM}; texts are refused until it works again"]
    watched.fail_with(StoreError("the disk failed"))
    assert await watched.deliver("hours") == [c.ESME_RX_T_APPN]
    assert watched.incidents() == ["the disk failed; texts are refused until it works again"]
    watched.fail_with(None)
    assert await watched.deliver("hours") == [c.ESME_ROK]
    assert watched.incidents() == ["the store works again"]
    assert await watched.deliver("thanks") == [c.ESME_ROK]
    assert watched.incidents() == []


async def test_a_store_that_is_nearly_full_is_told_once(nursery: trio.Nursery) -> None:
    watched = Watched(nursery)
    watched.bridge.memory.share = 0.96
    assert await watched.deliver("hours") == [c.ESME_RX_T_APPN]
    assert await watched.deliver("hours") == [c.ESME_RX_T_APPN]
    (line,) = watched.incidents()
    assert "raise [store] max_size" in line
    watched.bridge.memory.share = 0.5
    assert await watched.deliver("hours") == [c.ESME_ROK]
    assert watched.incidents() == ["the store is no longer nearly full"]


async def test_an_outcome_waits_here_until_it_can_be_written(nursery: trio.Nursery) -> None:
    watched = Watched(nursery)
    await watched.deliver("hours")
    (pdu,) = watched.bridge.submits()
    watched.fail_with(StoreFull(NO_ROOM))
    watched.committer.put(watched.bridge.answers(accepted(pdu, b"id1")))
    for _ in range(3):
        assert await watched.deliver("thanks") == [c.ESME_RX_T_APPN]
    assert watched.bridge.mt().state == "sent"
    watched.fail_with(None)
    assert await watched.deliver("thanks") == [c.ESME_ROK]
    assert watched.bridge.mt().state == "accepted"
    assert list(watched.bridge.mt().message_ids) == ["id1"]
    await watched.committer.drained()
