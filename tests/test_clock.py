"""The service's time when the system's clock is set, on trio's mock clock."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import trio

from bridge.clock import SLEW, SteadyClock

if TYPE_CHECKING:
    from trio.testing import MockClock

NOW = 1_800_000_000.0
HOUR = 3600.0


class System:
    """The system's clock, which can be set."""

    def __init__(self) -> None:
        self.offset = NOW - trio.current_time()

    def __call__(self) -> float:
        return self.offset + trio.current_time()


def set_up(monkeypatch: pytest.MonkeyPatch) -> System:
    made = System()
    monkeypatch.setattr("bridge.clock.time", SimpleNamespace(time=made))
    return made


async def test_it_begins_with_the_time_of_day_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    set_up(monkeypatch)
    clock = SteadyClock()
    assert clock() == NOW
    await trio.sleep(7.0)
    clock.follow()
    assert clock() == NOW + 7.0


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_a_step_of_the_systems_clock_is_no_step_of_ours(
    step: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    system = set_up(monkeypatch)
    caplog.set_level(logging.INFO)
    clock = SteadyClock()
    system.offset += step
    last = clock()
    assert last == NOW
    for _ in range(100):
        clock.follow()
        assert clock() == pytest.approx(last, abs=1e-6)
        await trio.sleep(5.0)
        gone = clock() - last
        assert 5.0 * (1 - SLEW) - 1e-6 <= gone <= 5.0 * (1 + SLEW) + 1e-6
        assert gone > 0
        last = clock()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the system's clock was set {'forth' if step > 0 else 'back'} by 3600 s")


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_it_comes_to_agree_with_the_systems_clock_and_stays_so(
    step: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    system = set_up(monkeypatch)
    caplog.set_level(logging.INFO)
    clock = SteadyClock()
    system.offset += step
    for _ in range(round(HOUR / SLEW / 30.0) + 100):
        clock.follow()
        await trio.sleep(30.0)
    assert clock() == pytest.approx(system(), abs=0.01)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_small_differences_are_evened_out_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    system = set_up(monkeypatch)
    clock = SteadyClock()
    system.offset += 0.3
    for _ in range(120):
        clock.follow()
        await trio.sleep(5.0)
    assert clock() == pytest.approx(system(), abs=0.001)
    assert caplog.records == []
