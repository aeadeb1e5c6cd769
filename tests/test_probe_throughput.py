"""The search for a peer's window and rate: against models of peers, and against the simulator on a mock clock."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from smppcore.errors import ConnectFailed
from smppcore.esme import EsmeConfig
from smppcore.testbed.config import Account, SimulatorConfig
from smppcore.testbed.faults import Error
from smppcore.testbed.load.mt_books import MtLoad
from smppcore.testbed.probe.capacity import Bounds, Findings, Result, Trial, search, steady_rate, summary
from smppcore.testbed.probe.throughput import measure
from smppcore.testbed.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from smppcore.esme import Connect
    from smppcore.failover import Addresses, Endpoint

BOUNDS = Bounds()


async def diagnose(config: SimulatorConfig, bounds: Bounds = BOUNDS) -> tuple[Findings, Simulator]:
    """Search against a simulator."""
    simulator = Simulator(config, random.Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)

        async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(simulator.serve_stream, theirs)
            return ours, "memory"

        findings = await measure(
            EsmeConfig("memory", system_id=b"esme", password=b"secret"), MtLoad(), bounds, connect=connect
        )
        nursery.cancel_scope.cancel()
    return findings, simulator


@pytest.mark.parametrize("delay", [0.0, 0.04])
async def test_a_window_of_20_and_500_a_second_are_found_within_a_tenth(
    autojump_clock: MockClock, delay: float
) -> None:
    account = Account(window=20, rate=500.0)
    findings, simulator = await diagnose(SimulatorConfig(accounts=(account,), response=delay))
    assert 18 <= findings.window <= 22
    assert findings.window_limit == 20
    assert 450 <= findings.rate <= 550
    assert findings.confirmed
    assert findings.messages == simulator.tally.figures.submits <= BOUNDS.messages
    assert summary(findings)["window"] == findings.window


async def test_a_small_carrier_is_treated_gently(autojump_clock: MockClock) -> None:
    findings, _ = await diagnose(SimulatorConfig(accounts=(Account(window=5, rate=20.0),), response=0.05))
    assert (findings.window, findings.window_limit) == (5, 5)
    assert 18 <= findings.rate <= 22
    assert findings.messages < 1000


async def test_without_limits_the_highest_rate_is_reached(autojump_clock: MockClock) -> None:
    findings, _ = await diagnose(SimulatorConfig(response=0.1), Bounds(messages=3000, window=50, rate=100.0))
    assert (findings.window_limit, findings.rate_limit) == (0, 0.0)
    assert findings.rate == pytest.approx(100, rel=0.02)
    assert findings.window == pytest.approx(10, abs=1)
    assert "no limit up to 50" in findings.explanation()[0]
    assert "no limit up to 100/s" in findings.explanation()[1]


async def test_a_window_that_does_not_reach_the_rate_is_the_knee(autojump_clock: MockClock) -> None:
    findings, _ = await diagnose(SimulatorConfig(accounts=(Account(window=10),), response=0.1))
    assert (findings.window, findings.rate_limit, findings.kept_up) == (10, 0.0, False)
    assert findings.rate == pytest.approx(100, rel=0.05)
    assert findings.knee_window == pytest.approx(10, rel=0.1)
    assert "never throttled" in findings.explanation()[1]


async def test_messages_that_are_refused_are_no_measure(autojump_clock: MockClock) -> None:
    findings, _ = await diagnose(SimulatorConfig(faults=(Error(status=11),)))
    assert "refuses the messages themselves" in findings.problem
    assert findings.explanation() == [findings.problem]


# -- models of peers ---------------------------------------------------------------------------------------------------


def run(bounds: Bounds, peer: Callable[[Trial], Result]) -> tuple[Findings, list[Trial]]:
    hunt = search(bounds)
    trials: list[Trial] = []
    result: Result | None = None
    while True:
        try:
            trial = next(hunt) if result is None else hunt.send(result)
        except StopIteration as done:
            findings: Findings = done.value
            return findings, trials
        trials.append(trial)
        result = peer(trial)


def taking(window: int, rate: float = 1e9) -> Callable[[Trial], Result]:
    """A peer with a window and a strict rate."""

    def peer(trial: Trial) -> Result:
        if not trial.rate:
            accepted = min(trial.messages, window)
            return Result(trial.messages, accepted, trial.messages - accepted, seconds=0.1, p50_ms=100.0)
        accepted = min(trial.messages, int(rate * trial.seconds))
        each = accepted / trial.seconds
        over = trial.messages - accepted
        return Result(
            trial.messages,
            accepted,
            over,
            seconds=trial.seconds,
            accepted_each_s=[int(each)] * int(trial.seconds),
            throttled_each_s=[over // int(trial.seconds)] * int(trial.seconds),
            p50_ms=100.0,
        )

    return peer


@pytest.mark.parametrize("window", [1, 2, 3, 7, 10, 33, 64, 120, 199])
def test_every_window_is_found_exactly(window: int) -> None:
    findings, trials = run(Bounds(rate=20.0), taking(window))
    assert findings.window_limit == window
    assert sum(not trial.rate for trial in trials) < 14


@pytest.mark.parametrize("rate", [3.0, 25.0, 80.0, 999.0])
def test_every_rate_is_found_within_a_tenth(rate: float) -> None:
    findings, _ = run(BOUNDS, taking(10, rate))
    assert findings.rate == pytest.approx(rate, rel=0.1)
    assert findings.confirmed


@pytest.mark.parametrize("messages", [100, 500, 2000, 20_000])
def test_no_more_messages_are_tried_than_allowed(messages: int) -> None:
    for peer in (taking(10**9), taking(20, 100.0), taking(0)):
        findings, trials = run(Bounds(messages=messages), peer)
        assert sum(trial.messages for trial in trials) <= messages
        assert findings.problem or findings.window


def test_a_peer_that_takes_nothing_is_a_problem() -> None:
    findings, _ = run(BOUNDS, taking(0))
    assert "not even" in findings.problem


def test_a_peer_that_closes_at_too_many_is_a_limit() -> None:
    def peer(trial: Trial) -> Result:
        if trial.messages > 30 and not trial.rate:
            return Result(trial.messages, 0, closed=True, seconds=0.1)
        return taking(10**9)(trial)

    findings, _ = run(Bounds(rate=10.0), peer)
    assert findings.window_limit == 30


def test_a_recommendation_that_is_throttled_is_lowered() -> None:
    confirmations = 0

    def peer(trial: Trial) -> Result:
        nonlocal confirmations
        if trial.rate and trial.rate not in (10.0, 30.0, 90.0):
            confirmations += 1
            if confirmations < 3:
                return Result(100, 90, 10, seconds=5.0)
        return taking(10, 50.0)(trial)

    findings, _ = run(BOUNDS, peer)
    assert (findings.rate, confirmations) == (41.0, 3)
    assert findings.confirmed


def test_a_recommendation_that_is_always_throttled_is_not_confirmed() -> None:
    def peer(trial: Trial) -> Result:
        if trial.rate and trial.rate not in (10.0, 30.0, 90.0):
            return Result(100, 90, 10, seconds=5.0)
        return taking(10, 50.0)(trial)

    findings, _ = run(BOUNDS, peer)
    assert not findings.confirmed
    assert "not confirmed" in findings.explanation()[-1]


def test_what_counts_is_what_was_accepted_after_throttling_began() -> None:
    throttled = Result(throttled=5, accepted_each_s=[810, 689, 499, 501], throttled_each_s=[0, 121, 310, 310])
    assert steady_rate(throttled) == 500
    assert steady_rate(Result(accepted_each_s=[10, 20, 30])) == 25
    assert steady_rate(Result(accepted_each_s=[10])) == 10
    assert steady_rate(Result(accepted=5, seconds=2.0)) == 2.5
    assert steady_rate(Result()) == 0.0


async def test_a_bind_that_does_not_come_back_ends_the_search(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    connections = 0

    def connector(nursery: trio.Nursery) -> Connect:
        async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
            nonlocal connections
            connections += 1
            if connections > 1:
                raise ConnectFailed("refused", "gone")
            ours, theirs = trio.testing.memory_stream_pair()

            async def serve() -> None:
                with trio.move_on_after(3):
                    await simulator.serve_stream(theirs)

            nursery.start_soon(serve)
            return ours, "memory"

        return connect

    async with trio.open_nursery() as nursery:
        findings = await measure(
            EsmeConfig("memory", system_id=b"esme", password=b"secret"), MtLoad(), BOUNDS, connect=connector(nursery)
        )
        nursery.cancel_scope.cancel()
    assert findings.window_limit <= 5
    assert not findings.confirmed
