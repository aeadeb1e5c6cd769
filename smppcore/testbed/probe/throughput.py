"""Runs a search for a peer's limits over a bind that stays.

Must not be here: what to try next, and what it means (`capacity`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.testbed.load.mt import MtGenerator
from smppcore.testbed.probe.capacity import Bounds, Result, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.esme import Connect, EsmeConfig
    from smppcore.testbed.load.mt_books import MtLoad, MtReport
    from smppcore.testbed.probe.capacity import Findings, Trial

_THROTTLED = (c.status_name(c.ESME_RTHROTTLED), c.status_name(c.ESME_RMSGQFUL))
_REBIND_SECONDS = 30.0


async def measure(
    config: EsmeConfig,
    load: MtLoad,
    bounds: Bounds,
    *,
    connect: Connect | None = None,
    told: Callable[[Trial, Result | None], None] = lambda trial, result: None,
) -> Findings:
    """Find the window and the rate that a peer takes.

    Args:
        config: Where to bind and as whom; one bind is used.
        load: The messages: numbers, texts, time-outs.
        bounds: How far to go.
        connect: Makes connections; TCP and TLS if left out.
        told: Told of each trial when it begins, and of its result.

    Raises:
        SmppError: There was no connection, or no bind.
    """
    generator = MtGenerator(replace(config, binds=1), load, connect)
    findings: Findings | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(generator.hold)
        hunt = search(bounds)
        result: Result | None = None
        while findings is None:
            try:
                trial = next(hunt) if result is None else hunt.send(result)
            except StopIteration as done:
                findings = done.value
                break
            told(trial, None)
            result = await _run(generator, load, trial)
            told(trial, result)
        generator.close()
    return findings


async def _run(generator: MtGenerator, load: MtLoad, trial: Trial) -> Result:
    await trio.sleep(trial.pause)
    with trio.move_on_after(_REBIND_SECONDS):
        while not generator.sessions:  # noqa: ASYNC110  only after the peer has cut us off
            await trio.sleep(0.1)
    if not generator.sessions:
        return Result(closed=True)
    report = await generator.run(
        replace(
            load,
            messages=0 if trial.rate else trial.messages,
            seconds=trial.seconds,
            rate=trial.rate,
            window=trial.window,
            warmup=0.0,
        )
    )
    return _result(report, trial)


def _result(report: MtReport, trial: Trial) -> Result:
    throttled = sum(report.refused_status.get(name, 0) for name in _THROTTLED)
    whole = report.series[: int(trial.seconds)] if report.interval_s == 1.0 else []
    return Result(
        sent=report.sent,
        accepted=report.accepted,
        throttled=throttled,
        refused=report.refused - throttled,
        lost=report.lost,
        closed=report.binds_lost > 0,
        seconds=report.seconds,
        accepted_each_s=[int(row["answered"]) for row in whole],
        throttled_each_s=[int(row["errors"]) for row in whole],
        p50_ms=report.latency_ms["p50"],
        p99_ms=report.latency_ms["p99"],
    )
