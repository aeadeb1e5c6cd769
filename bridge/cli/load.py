"""`smppbridge load`: traffic for other people's programs, and what they made of it."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import trio

from bridge.cli import CliProblem
from bridge.cli.common import print_json
from bridge.cli.loadview import mo_lines, mo_now, mt_lines, mt_now, watch
from bridge.cli.picture import Labels, check_picture, draw_load, write_file
from bridge.cli.target import DURATION, FICTIONAL_NUMBER, esme_of, read_lines, target, target_options
from smppcore.testbed.load.mo import MoGenerator
from smppcore.testbed.load.mo_books import MoLoad
from smppcore.testbed.load.mt import MtGenerator
from smppcore.testbed.load.mt_books import MtLoad
from smppcore.testbed.load.pace import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.testbed.load.mo_books import MoReport
    from smppcore.testbed.load.mt_books import MtReport
    from smppcore.testbed.load.texts import Encoding

Generator = TypeVar("Generator", MtGenerator, MoGenerator)

_MOST_TIME = 365 * 86400.0
_USUAL_SECONDS = 10.0
_UNLIMITED_COUNT = 10**12


class _Ramp(click.ParamType[Stage]):
    """A change of rate, as FROM:TO:TIME, 100:2000:30s."""

    name = "ramp"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Stage:
        if isinstance(value, Stage):
            return value
        parts = str(value).split(":")
        try:
            start, end = map(float, parts[:2])
            (seconds,) = parts[2:]
        except ValueError:
            self.fail(f"{value!r} is not FROM:TO:TIME, as 100:2000:30s", param, ctx)
        if not (0 <= start < math.inf and 0 <= end < math.inf):
            self.fail("rates are numbers of 0 or more", param, ctx)
        span = DURATION.convert(seconds, param, ctx)
        if not span:
            self.fail("a ramp takes time", param, ctx)
        return Stage(start, end, span)


def _load_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what both directions have."""
    for option in reversed(
        (
            click.option("--count", type=click.IntRange(1, _UNLIMITED_COUNT), help="How many messages."),
            click.option("--seconds", type=DURATION, help="For how long, as 30s.  [default: 10s, or the ramps]"),
            click.option("--window", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Of a bind."),
            click.option("--rate", default=0.0, type=click.FloatRange(0), help="Messages per second; 0: open end."),
            click.option(
                "--ramp", type=_Ramp(), multiple=True, metavar="FROM:TO:TIME", help="Rates; several follow each other."
            ),
            click.option("--texts", type=click.Path(dir_okay=False, path_type=Path), help="A file for {line}."),
            click.option(
                "--encoding",
                type=click.Choice(["auto", "gsm7", "ascii", "latin1", "ucs2"]),
                default="auto",
                show_default=True,
                help="What it cannot carry goes as UCS-2.",
            ),
            click.option("--seed", default=0, help="Of random numbers in texts."),
            click.option("--warmup", type=DURATION, default="1s", show_default=True, help="Left out of the figures."),
            click.option("--json", "json_to", metavar="FILE|-", help="Write the result as JSON; -: print only that."),
            click.option(
                "--plot",
                "plot_to",
                type=click.Path(dir_okay=False, path_type=Path),
                callback=check_picture,
                metavar="FILE.png|svg",
                help="Draw the result.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group()
def load() -> None:
    """Traffic at a rate or as fast as it is taken, with the figures; it always stops by itself."""


@load.command()
@target_options
@click.option("--binds", default=1, show_default=True, type=click.IntRange(1, 1000), help="Parallel sessions.")
@click.option(
    "--from", "source", default="12345", show_default=True, help="The sender: a number, or a name of 11 letters."
)
@click.option(
    "--to",
    default=FICTIONAL_NUMBER,
    show_default=True,
    type=click.IntRange(1, 10**20 - 1),
    help="The first number; nobody has the default.",
)
@click.option("--subscribers", default=100, show_default=True, type=click.IntRange(1), help="Numbers from there on.")
@click.option("--text", default="Load test {n}", show_default=True, help="With {n}, {line}, {random:LOW:HIGH}.")
@click.option("--receipts", is_flag=True, help="Ask for receipts, and wait for them.")
@click.option("--receipt-wait", type=DURATION, default="30s", show_default=True, help="After the last one.")
@click.option("--response-timeout", type=DURATION, default="30s", show_default=True, help="Then it is lost.")
@_load_options
def mt(
    *,
    binds: int,
    source: str,
    to: int,
    subscribers: int,
    text: str,
    receipts: bool,
    receipt_wait: float,
    response_timeout: float,
    count: int | None,
    seconds: float | None,
    window: int,
    rate: float,
    ramp: tuple[Stage, ...],
    texts: Path | None,
    encoding: Encoding,
    seed: int,
    warmup: float,
    json_to: str | None,
    plot_to: Path | None,
    **where: object,
) -> None:
    """Submit messages to any SMSC, as an ESME with one bind or many.

    Without --rate or --ramp, as fast as answers come (closed loop). With one of them, on schedule (open loop): latency
    then counts from when a message was due, so a slow SMSC cannot hide what it delays.

    Exit status 1: no bind, or messages without a response, or without the receipts that were asked for.

    \b
    Example:
      smppbridge load mt --count 10000 --window 20
      smppbridge load mt --host smsc.example --system-id me --ramp 100:2000:30s --binds 4 --plot ramp.png
    """  # noqa: D301  \b keeps click from wrapping the example
    load = MtLoad(
        messages=count or 0,
        seconds=_seconds(seconds, ramp),
        window=window,
        rate=rate,
        ramp=ramp,
        source=source,
        destination=to,
        subscribers=subscribers,
        text=text,
        lines=read_lines(texts),
        encoding=encoding,
        seed=seed,
        receipts=receipts,
        receipt_wait=receipt_wait,
        response_timeout=response_timeout,
        warmup=warmup,
    )
    config = replace(esme_of(target(where)), binds=binds)
    if not source.isascii() or len(source) > 20:
        raise click.UsageError("--from is at most 20 characters of ASCII")
    generator = _checked(lambda: MtGenerator(config, load))
    report = trio.run(_run_mt, generator)
    at = str(config.endpoints[0])
    _show(asdict(report), mt_lines(report), json_to)
    if plot_to:
        draw_load(plot_to, report, Labels(f"submit_sm to {at}", "response", "receipt"))
    problems = [
        f"{report.lost} submit_sm without a response" if report.lost else "",
        f"{report.receipts_missing} accepted messages without a receipt" if report.receipts_missing else "",
        f"{report.binds_refused} of {config.binds} binds could not be bound" if report.binds_refused else "",
        "nothing came from the SMSC any more" if report.end == "stalled" else "",
    ]
    _conclude(problems)


@load.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=2775, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--binds", default=1, show_default=True, type=click.IntRange(1, 1000), help="Begin with so many.")
@click.option("--wait", type=DURATION, default="60s", show_default=True, help="For them, at most.")
@click.option("--from", "source", default=FICTIONAL_NUMBER, show_default=True, type=click.IntRange(1, 10**20 - 1))
@click.option("--subscribers", default=100, show_default=True, type=click.IntRange(1), help="Numbers from there on.")
@click.option("--to", "service", default="60606", show_default=True, help="The service's number.")
@click.option("--text", default="BALANCE {n} please", show_default=True, help="With {n}, {line}, {random:LOW:HIGH}.")
@click.option("--replies", is_flag=True, help="Wait for one reply to each; replies are counted in any case.")
@click.option("--max-unreplied", default=0, help="With --replies: send nothing while so many wait.")
@click.option("--receipts", is_flag=True, help="Send a receipt for each reply that asks for one.")
@click.option("--idle", type=DURATION, default="5s", show_default=True, help="Silence that ends it.")
@_load_options
def mo(
    *,
    host: str,
    port: int,
    binds: int,
    wait: float,
    source: int,
    subscribers: int,
    service: str,
    text: str,
    replies: bool,
    max_unreplied: int,
    receipts: bool,
    idle: float,
    count: int | None,
    seconds: float | None,
    window: int,
    rate: float,
    ramp: tuple[Stage, ...],
    texts: Path | None,
    encoding: Encoding,
    seed: int,
    warmup: float,
    json_to: str | None,
    plot_to: Path | None,
) -> None:
    """Send texts to any ESME, as an SMSC that accepts every bind.

    A reply is matched by the number {n} that it repeats, else it answers its subscriber's oldest text.

    Exit status 1: nobody bound, texts that were never acknowledged, or with --replies never answered.

    \b
    Example:
      smppbridge load mo --count 10000 --replies
      smppbridge load mo --port 2776 --binds 2 --rate 500 --seconds 1m --json result.json --plot result.png
    """  # noqa: D301  \b keeps click from wrapping the example
    load = MoLoad(
        messages=count or 0,
        seconds=_seconds(seconds, ramp),
        window=window,
        rate=rate,
        ramp=ramp,
        max_unreplied=max_unreplied,
        replies=replies,
        binds=binds,
        subscribers=subscribers,
        first_subscriber=source,
        service=service,
        text=text,
        lines=read_lines(texts),
        encoding=encoding,
        seed=seed,
        receipts=receipts,
        warmup=warmup,
        idle=idle,
        timeout=_MOST_TIME,
    )
    generator = _checked(lambda: MoGenerator(load))
    report = _listening(lambda: trio.run(_run_mo, generator, host, port, wait), host, port)
    if report is None:
        few = f"{len(generator.receivers)} of {binds} receiving sessions" if generator.receivers else "nobody"
        raise CliProblem(f"{few} bound within {wait:g} s on {host}:{port}; --wait changes that")
    _show(asdict(report), mo_lines(report), json_to)
    if plot_to:
        draw_load(plot_to, report, Labels(f"deliver_sm from {host}:{port}", "acknowledgement", "reply"))
    problems = [
        f"{report.never_acked} texts never acknowledged" if report.never_acked else "",
        f"{report.unreplied} texts without a reply" if replies and report.unreplied else "",
    ]
    _conclude(problems)


def _seconds(seconds: float | None, ramp: tuple[Stage, ...]) -> float:
    return seconds if seconds is not None else sum(stage.seconds for stage in ramp) or _USUAL_SECONDS


def _checked(make: Callable[[], Generator]) -> Generator:
    """Make a generator; what is wrong with its text is wrong usage."""
    try:
        return make()
    except ValueError as exc:
        raise click.UsageError(f"--text: {exc}") from exc


async def _run_mt(generator: MtGenerator) -> MtReport:
    async with trio.open_nursery() as nursery:
        await nursery.start(generator.hold)
        report = await watch(generator.run, generator.stop, lambda: mt_now(generator))
        generator.close()
    return report


async def _run_mo(generator: MoGenerator, host: str, port: int, wait: float) -> MoReport | None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(generator.serve, host, port)
        click.echo(
            f"Waiting on {host}:{port} for {generator.load.binds} bind(s) that receive; Ctrl-C ends it.", err=True
        )

        async def run() -> MoReport | None:
            with trio.move_on_after(wait):
                await generator.bound()
                return await generator.run()
            return None

        report = await watch(run, generator.stop, lambda: mo_now(generator))
        nursery.cancel_scope.cancel()
    return report


def _listening(run: Callable[[], MoReport | None], host: str, port: int) -> MoReport | None:
    """Run, and say in one line why it cannot be listened there."""
    try:
        return run()
    except* OSError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise CliProblem(f"port {port} on {host} is in use; choose another with --port") from group
        raise CliProblem(f"cannot listen on {host}:{port}: {error}") from group


def _show(result: dict[str, object], lines: list[str], json_to: str | None) -> None:
    """Print the figures, or write them as JSON."""
    if json_to == "-":
        print_json(result)
        return
    for line in lines:
        click.echo(line)
    if json_to:
        write_file(Path(json_to), json.dumps(result, indent=1).encode() + b"\n")


def _conclude(problems: list[str]) -> None:
    told = [problem for problem in problems if problem]
    if told:
        raise CliProblem("; ".join(told))
