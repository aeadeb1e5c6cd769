"""The product in under a minute: a simulated carrier, the real service, and subscribers who write to it, on loopback.

Three acts: a few people whose conversations can be read; a crowd; and, in the middle of the crowd, a carrier that cuts
every connection without an answer to what was just sent. Then the books of both sides are compared: what the simulator
saw and what the store exports.

Everything goes over TCP and through a store on the disk, as in production. Must not be here: how it looks on a
terminal.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from bridge import config as configuration
from bridge import rules
from bridge.export import message_rows
from bridge.records import FINAL_STATES
from bridge.service import Service
from bridge.store.lmdb import LmdbReader
from smppcore.testbed.config import Receipts, SimulatorConfig, Traffic
from smppcore.testbed.delays import Uniform
from smppcore.testbed.faults import Cut
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.tally import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from smppcore.testbed.tally import Report

SERVICE_NUMBER = "60606"
_PAUSE = 0.35
"""Seconds that a person takes between reading an answer and writing again."""
_PATIENCE = 20.0
_CROWD_RATE = 1000.0
"""Texts a second."""

_LONG = (
    "Good morning, I ordered a birthday present two weeks ago and paid for express delivery, but nothing has come so "
    "far and the party is tomorrow. My neighbour says nobody rang. Can you please look where parcel AC20481632 is now?"
)

PEOPLE: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...] = (
    ("12025550101", (("Track", True), ("it is AC12345678", True), ("thanks!", False))),
    ("12025550102", (("Horaires", True), ("conseiller svp", True))),
    ("12025550103", (("HELP", True), ("Stop.", True), ("AC12345678", False), ("START", True))),
    ("12025550104", (("hello? 👋", True), ("is anybody there", False))),
    ("12025550105", ((_LONG, True),)),
)
"""Who writes what, and whether an answer is due."""


@dataclass(slots=True)
class Line:
    """One text in a conversation, as it happens."""

    seconds: float
    """Since the demo began."""
    subscriber: str
    inbound: bool
    """From the subscriber."""
    text: str
    milliseconds: float = 0.0
    """What the subscriber waited for this answer."""


@dataclass(slots=True)
class Summary:
    """What both sides have in their books when it is over."""

    seconds: float
    texts: int
    """Inbound texts, by the carrier's books."""
    outcomes: dict[str, int]
    """By the store's."""
    replies: int
    """Messages sent, by the store's books."""
    states: dict[str, int]
    receipts: int
    """Messages with a receipt for every part."""
    redelivered: int
    """Texts that the carrier delivered again after the cut, and that were answered once."""
    in_doubt: int
    """Replies that were in the air at the cut and were sent again."""
    cuts: int
    reply_ms: dict[str, float]
    problems: list[str] = field(default_factory=list)
    """Where the two books differ; none if all is well."""


@dataclass(slots=True)
class Hooks:
    """Who is told what while it runs."""

    line: Callable[[Line], None]
    crowd: Callable[[int, int], None]
    """(texts answered, texts of the crowd)"""
    note: Callable[[str], None]


def write_files(folder: Path, rules_file: Path, port: int, http_port: int) -> Path:
    """Write the configuration of the demo, as a person would, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "rules.toml"
    target.write_bytes(rules_file.read_bytes())
    config = folder / "bridge.toml"
    config.write_text(
        f"""# Written by `smppbridge demo`.
[bridge]
data_dir = "var"
rules = ["rules.toml"]
[http]
listen = "127.0.0.1:{http_port}"
[[link]]
name = "simulator"
port = {port}
system_id = "esme"
password = "secret"
reconnect = {{ initial = "200ms", max = "2s" }}
""",
        encoding="utf-8",
    )
    return config


async def play(
    folder: Path,
    rules_file: Path,
    hooks: Hooks,
    *,
    crowd: int,
    sim_port: int = 0,
    http_port: int = 0,
    keep: Callable[[Service, int], Awaitable[None]] | None = None,
) -> Summary:
    """Run the demo.

    Args:
        folder: For the configuration and the store.
        rules_file: What the bridge answers by.
        hooks: Told what happens.
        crowd: How many texts the crowd sends.
        sim_port: Where the simulated carrier listens, 0 for any free port.
        http_port: For metrics and health, 0 for any free port.
        keep: Called before the end with the service and the simulator's port; what it awaits keeps everything up.

    Returns:
        The figures, with every difference between the two sides' books.

    Raises:
        SmppError: A subscriber waited in vain.
    """
    began = trio.current_time()
    receipts = Receipts(delay=Uniform(0.1, 0.3))
    cut = Cut(numbers=(max(crowd // 2, 1) + sum(due for _, script in PEOPLE for _, due in script),))
    simulator = Simulator(SimulatorConfig(receipts=receipts, faults=(cut,)), random.Random(7))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", sim_port)
        config = configuration.load(write_files(folder, rules_file, port, http_port))
        service = Service(config, rules.load(config.bridge.rules))
        nursery.start_soon(service.run)
        await simulator.receiving()
        hooks.note(f"the bridge has bound to the simulated carrier on 127.0.0.1:{port}")
        async with trio.open_nursery() as people:
            for delay, (number, script) in enumerate(PEOPLE):
                people.start_soon(_person, simulator, number, script, delay * 0.2, began, hooks)
        hooks.note(f"a crowd writes: {crowd:,} texts, {_CROWD_RATE:,.0f} a second")
        await _crowd(simulator, crowd, hooks)
        with trio.move_on_after(_PATIENCE):
            await simulator.settled()
        if keep is not None:
            await keep(service, port)
        service.stop()
        await service.stopped()
        await simulator.stop()
        report = simulator.report()
    return _compare(config.bridge.data_dir, report, trio.current_time() - began)


async def _person(
    simulator: Simulator, number: str, script: tuple[tuple[str, bool], ...], delay: float, began: float, hooks: Hooks
) -> None:
    await trio.sleep(delay)
    subscriber = simulator.subscriber(number, SERVICE_NUMBER)
    for text, answered in script:
        sent = trio.current_time()
        hooks.line(Line(sent - began, number, True, text))
        subscriber.send(text)
        if answered:
            reply = await subscriber.receive(_PATIENCE)
            now = trio.current_time()
            hooks.line(Line(now - began, number, False, reply.text, (reply.time - sent) * 1000))
        await trio.sleep(_PAUSE)


async def _crowd(simulator: Simulator, crowd: int, hooks: Hooks) -> None:
    """Send many texts at a rate, and wait until each has its answer."""
    answered = 0
    told = False
    done = trio.Event()

    def watch(happening: object) -> None:
        nonlocal answered, told
        if simulator.tally.figures.drops and not told:
            told = True
            hooks.note("the carrier has cut every connection in the middle of it; the bridge is back")
        if isinstance(happening, Reply) and happening.mo is not None:
            answered += 1
            hooks.crowd(answered, crowd)
            if answered >= crowd:
                done.set()

    simulator.observers.append(watch)
    traffic = Traffic(rate=_CROWD_RATE, count=crowd, text="Where is AC1{n} please?", service=SERVICE_NUMBER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulator.generate, traffic)
        with trio.move_on_after(crowd / _CROWD_RATE + _PATIENCE):
            await done.wait()
    simulator.observers.remove(watch)


def _compare(data_dir: Path, report: Report, seconds: float) -> Summary:
    reader = LmdbReader(data_dir)
    try:
        rows = list(message_rows(reader))
        receipts = sum(-1 not in mt.receipts and bool(mt.receipts) for mt in reader.mts())
    finally:
        reader.close()
    mos = [row for row in rows if row["kind"] == "mo"]
    mts = [row for row in rows if row["kind"] == "mt"]
    outcomes = Counter(str(row["outcome"]) for row in mos)
    states = Counter(str(row["state"]) for row in mts)
    in_doubt = sum(bool(row["in_doubt"]) for row in mts)
    figures = report.figures
    summary = Summary(
        seconds,
        figures.mo_unique,
        dict(outcomes.most_common()),
        len(mts),
        dict(states.most_common()),
        receipts,
        sum(bool(row["redelivered"]) for row in mos),
        in_doubt,
        figures.drops,
        report.reply_ms,
    )
    open_ones = [row for row in mts if row["state"] not in FINAL_STATES]
    for wrong, text in (
        (len(mos) != figures.mo_unique, f"the carrier sent {figures.mo_unique} texts, the store has {len(mos)}"),
        (figures.mo_acked != len(mos), f"{figures.mo_acked} texts were acknowledged, the store has {len(mos)}"),
        (bool(open_ones), f"{len(open_ones)} replies have no final state"),
        (receipts != len(mts), f"{receipts} of {len(mts)} replies have their receipt"),
        (
            not len(mts) <= figures.replies <= len(mts) + in_doubt,
            f"the carrier got {figures.replies} replies, the store has {len(mts)}, {in_doubt} of them sent again",
        ),
    ):
        if wrong:
            summary.problems.append(text)
    return summary
