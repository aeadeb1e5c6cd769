"""Whether the bridge keeps to what carriers allow: real runs over loopback, each against a simulated carrier.

    python tools/flow.py                    all runs, some six minutes; prints a table, exits 1 on a miss
    python tools/flow.py -k 100/s           only those whose name has this in it
    python tools/flow.py --silent 20000     with fewer messages for the carrier that does not answer all

Each run has a bridge in a process and a folder of its own, and subscribers who write faster than the carrier takes the
replies. A carrier's limit is counted by a bucket, by the seconds of its clock, or over any second.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import trio
from process import Check, Site, print_checks, running

from smppcore.testbed.config import Account, Receipts, SimulatorConfig, Traffic
from smppcore.testbed.faults import Lose, Throttle
from smppcore.testbed.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from process import Bridge

    from smppcore.testbed.faults import Fault

ACCOUNT = Account("bridge", "secret")
WARM_UP = 10.0
"""Seconds in which the bridge may find the limit."""
EVERY = 10
"""One in so many submit_sm is throttled."""
COUNTINGS: tuple[Literal["clock", "sliding", "bucket"], ...] = ("clock", "sliding", "bucket")


@dataclass(frozen=True, slots=True)
class Mark:
    """What the carrier has seen up to a time."""

    time: float
    accepted: int
    throttled: int


class World:
    """A simulated carrier and a bridge that is bound to it."""

    def __init__(self, simulator: Simulator, site: Site, bridge: Bridge) -> None:
        self.simulator = simulator
        self.site = site
        self.bridge = bridge
        self.texts = 0
        self.most_outstanding = 0

    def mark(self) -> Mark:
        """Return the figures of now."""
        figures = self.simulator.tally.figures
        throttled = figures.submit_status.get("ESME_RTHROTTLED", 0)
        return Mark(trio.current_time(), figures.submits_accepted, throttled)

    async def write(self, rate: float, count: int) -> None:
        """Let subscribers write, at a rate or all at once."""
        self.texts += count
        await self.simulator.generate(
            Traffic(rate=rate, count=count, text="balance {n}", service="12345", subscribers=max(count, 1))
        )

    async def watch(self) -> None:
        """Look again and again how many submit_sm are un-answered."""
        while True:
            for links in self.simulator.links.values():
                for link in links:
                    self.most_outstanding = max(self.most_outstanding, link.session.unanswered)
            await trio.sleep(0.002)

    async def rows(self) -> list[dict[str, object]]:
        """Stop the bridge; return its replies."""
        await self.bridge.stop(60.0)
        return [row for row in await trio.to_thread.run_sync(self.site.messages) if row["kind"] == "mt"]


async def run(
    folder: Path,
    config: SimulatorConfig,
    play: Callable[[World], Awaitable[list[Check]]],
    *,
    window: int = 50,
    options: str = "",
) -> list[Check]:
    """Play one run in a world of its own."""
    site = Site(folder, folder / "var")
    await trio.Path(folder).mkdir()
    simulator = Simulator(config, random.Random(7))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        site.write(port, window=window)
        with site.config.open("a", encoding="utf-8") as file:
            file.write(options)
        async with running(site) as bridge:
            with trio.fail_after(30):
                await simulator.receiving()
            checks = await play(World(simulator, site, bridge))
        nursery.cancel_scope.cancel()
    return checks


def carrier(*faults: Fault, response: float = 0.0) -> SimulatorConfig:
    """Return a carrier with faults."""
    receipts = Receipts(outcomes={"none": 1.0})
    return SimulatorConfig(accounts=(ACCOUNT,), receipts=receipts, faults=faults, response=response, judged=False)


def fates(rows: list[dict[str, object]], world: World) -> list[Check]:
    """Check that each text has a reply, which was accepted once or waits."""
    states = Counter(str(row["state"]) for row in rows)
    lost = {state: n for state, n in states.items() if state not in {"accepted", "queued", "sent"}}
    again = sum(int(str(row["attempts"])) - 1 for row in rows if row["in_doubt"])
    accepted = world.simulator.tally.figures.submits_accepted
    return [
        Check("texts without a reply", world.texts - len(rows), "0", len(rows) == world.texts),
        Check("replies lost", sum(lost.values()), "0", not lost, tuple(lost.items())),
        Check(
            "accepted by the carrier, more than by the bridge",
            accepted - states["accepted"],
            f"at most the {again} sent again in doubt",
            0 <= accepted - states["accepted"] <= again,
        ),
    ]


async def limited(world: World, limit: int, seconds: float) -> list[Check]:
    """Offer three times what the carrier allows."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.write, 3.0 * limit, int(3 * limit * (seconds - 1)))
        await trio.sleep(WARM_UP)
        begin = world.mark()
        await trio.sleep(seconds - WARM_UP)
        end = world.mark()
    accepted, throttled = end.accepted - begin.accepted, end.throttled - begin.throttled
    goodput = accepted / (end.time - begin.time)
    share = throttled / max(1, accepted + throttled)
    rows = await world.rows()
    return [
        Check("throttled after ten seconds", f"{share:.2%}", "at most 1%", share <= 0.01),
        Check("accepted per second", f"{goodput:,.1f}", f"at least {0.95 * limit:,.1f}", goodput >= 0.95 * limit),
        *fates(rows, world),
    ]


async def full_speed(world: World, count: int, rates: list[float]) -> list[Check]:
    """Let all subscribers write at once, and measure until each has its reply; compare with the run before."""
    begin = world.mark()
    await world.write(0.0, count)
    await world.bridge.until("all replies are accepted", lambda: world.mark().accepted >= count, 300.0)
    rate = count / (trio.current_time() - begin.time)
    rates.append(rate)
    checks = fates(await world.rows(), world)
    checks.append(Check("replies per second", f"{rate:,.0f}", "-", good=True))
    if len(rates) > 1:
        loss = 1.0 - rate / rates[0]
        checks.append(Check(f"lost by one throttled in {EVERY}", f"{loss:.1%}", "at most 15%", loss <= 0.15))
    return checks


async def slow(world: World) -> list[Check]:
    """A carrier that takes 200 ms for each answer."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.watch)
        await world.write(0.0, 6000)
        await trio.sleep(2.0)
        begin = world.mark()
        await trio.sleep(15.0)
        end = world.mark()
        nursery.cancel_scope.cancel()
    goodput = (end.accepted - begin.accepted) / (end.time - begin.time)
    return [
        Check("accepted per second", f"{goodput:,.1f}", "at least 225", goodput >= 225),
        Check("most un-answered at once", world.most_outstanding, "at most 50", 0 < world.most_outstanding <= 50),
        *fates(await world.rows(), world),
    ]


async def silent(world: World, count: int) -> list[Check]:
    """A carrier that never answers one submit_sm in a hundred."""
    await world.write(0.0, count)
    quiet = 0.0
    last = world.mark()
    with trio.move_on_after(900):
        while quiet < 8.0:  # longer than a response time-out and the wait before a message in doubt is sent again
            await trio.sleep(1.0)
            now = world.mark()
            quiet = quiet + 1.0 if now.accepted == last.accepted and now.accepted >= count else 0.0
            last = now
    outstanding = sum(link.session.unanswered for links in world.simulator.links.values() for link in links)
    rows = await world.rows()
    stuck = sum(row["state"] != "accepted" for row in rows)
    doubtful = sum(bool(row["in_doubt"]) for row in rows)
    return [
        Check("replies stuck", stuck, "0", stuck == 0),
        Check("replies that were in doubt", doubtful, "some 1%", 0.005 * count <= doubtful <= 0.02 * count),
        Check("held by the carrier un-answered at the end", outstanding, "-", good=True),
        *fates(rows, world),
    ]


async def main(only: str, silent_count: int, speed_count: int) -> bool:
    """Do the runs; return whether all is well."""
    rates: list[float] = []
    runs: dict[str, Callable[[Path], Awaitable[list[Check]]]] = {}
    for limit, seconds in ((10, 60.0), (100, 40.0), (1000, 30.0)):
        for counting in COUNTINGS:
            config = carrier(Throttle(above=float(limit), counting=counting))
            play = partial(limited, limit=limit, seconds=seconds)
            runs[f"a carrier of {limit}/s, counted by {counting}"] = partial(run, config=config, play=play)
    speed = partial(full_speed, count=speed_count, rates=rates)
    runs["full speed, nothing throttled"] = partial(run, config=carrier(), play=speed)
    runs["full speed, every tenth throttled"] = partial(run, config=carrier(Throttle(every=EVERY)), play=speed)
    runs["answers after 200 ms"] = partial(run, config=carrier(response=0.2), play=slow)
    runs["one answer in a hundred never comes"] = partial(
        run,
        config=carrier(Lose(every=100)),
        play=partial(silent, count=silent_count),
        options='response_timeout = "1s"\n',
    )
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, play_run) in enumerate(runs.items()):
            if only in name:
                good &= print_checks(name, await play_run(Path(folder) / str(number)))
                sys.stdout.flush()
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", metavar="WORD", help="only runs whose name has this in it")
    parser.add_argument("--silent", type=int, default=200_000, metavar="N", help="messages for the silent carrier")
    parser.add_argument("--speed", type=int, default=150_000, metavar="N", help="messages of a run at full speed")
    arguments = parser.parse_args()
    sys.exit(0 if trio.run(main, arguments.k, arguments.silent, arguments.speed) else 1)
