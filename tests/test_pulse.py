"""The proof that turns go on, on the mock clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from bridge.clock import SteadyClock
from bridge.notify import Notifier
from bridge.pulse import INTERVAL, STALLED, Pulse
from bridge.store import StoreFull
from tests.test_committer import Desk, desk, turns_in_the_loop

if TYPE_CHECKING:
    from trio.testing import MockClock

__all__ = ["desk", "turns_in_the_loop"]


class Manager(Notifier):
    """A service manager that notes when it hears of us."""

    def __init__(self, watchdog: float = 0.0) -> None:
        super().__init__("", watchdog)
        self.beats: list[tuple[float, str]] = []

    def beat(self, status: str) -> None:
        self.beats.append((trio.current_time(), status))


@pytest.mark.parametrize(("watchdog", "interval"), [(0.0, INTERVAL), (60.0, INTERVAL), (3.0, 1.0)])
async def test_an_idle_service_beats_with_a_turn_each_time(
    desk: Desk, nursery: trio.Nursery, autojump_clock: MockClock, watchdog: float, interval: float
) -> None:
    manager = Manager(watchdog)
    pulse = Pulse(desk.committer, SteadyClock(), manager, lambda: "well")
    began = trio.current_time()
    nursery.start_soon(pulse.run)
    await trio.sleep(3.5 * interval)
    assert manager.beats == [(began + n * interval, "well") for n in range(4)]
    assert desk.batches == [0, 0, 0, 0]
    assert pulse.stalled == 0.0


async def test_a_turn_that_does_not_end_is_noticed_and_its_end_as_well(
    desk: Desk, nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Manager()
    pulse = Pulse(desk.committer, SteadyClock(), manager, lambda: "")
    nursery.start_soon(pulse.run)
    await trio.sleep(1.0)
    hung = trio.Event()

    async def hang(*_arguments: object) -> object:
        await hung.wait()
        raise StoreFull("no room")

    monkeypatch.setattr("bridge.committer.trio.to_thread.run_sync", hang)
    await trio.sleep(STALLED - 2.0)
    assert (pulse.stalled, len(manager.beats)) == (0.0, 1)
    await trio.sleep(2.0)
    assert pulse.stalled == STALLED + 1.0
    assert len(manager.beats) == 1
    hung.set()
    await trio.sleep(0.1)
    assert (pulse.stalled, len(manager.beats)) == (0.0, 2)


async def test_turns_that_fail_end_too(desk: Desk, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    manager = Manager()
    desk.bridge.memory.failures += [StoreFull("no room")] * 100
    nursery.start_soon(Pulse(desk.committer, SteadyClock(), manager, lambda: desk.committer.failure).run)
    await trio.sleep(2 * INTERVAL + 0.1)
    assert [status for _, status in manager.beats] == ["no room"] * 3
