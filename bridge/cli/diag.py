"""`smppbridge diag`: a link diagnosed before it is trusted."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.cli import CliProblem
from bridge.cli.common import print_json, printable
from bridge.cli.loadview import watch_signals
from bridge.cli.picture import check_picture, draw_throughput, write_file
from bridge.cli.target import DURATION, FICTIONAL_NUMBER, esme_of, target, target_options
from smppcore.dissect.explain import explain
from smppcore.testbed.load.mt_books import MtLoad
from smppcore.testbed.load.texts import Texts
from smppcore.testbed.probe.bind import examine
from smppcore.testbed.probe.capacity import Bounds, summary
from smppcore.testbed.probe.follow import follow
from smppcore.testbed.probe.throughput import measure

if TYPE_CHECKING:
    from smppcore.dissect.explain import Explained
    from smppcore.esme import EsmeConfig
    from smppcore.testbed.probe.bind import Examination
    from smppcore.testbed.probe.capacity import Findings, Result, Rung, Trial
    from smppcore.testbed.probe.follow import Step

_BAR = 30


@click.group()
def diag() -> None:
    """Diagnose a link before trusting it: what a bind shows, how much the peer takes, what becomes of a message."""


def _json_option(command: click.decorators.FC) -> click.decorators.FC:
    return click.option("--json", "json_to", metavar="FILE|-", help="Write the result as JSON; -: print only that.")(
        command
    )


@diag.command()
@target_options
@click.option("--from", "source", default="12345", show_default=True, help="The sender of what is tried.")
@click.option("--to", default="", metavar="NUMBER", help="Send this number a tiny text in each form.")
@_json_option
def bind(*, source: str, to: str, json_to: str | None, **where: object) -> None:
    """Look at everything that a bind shows: DNS, TCP, TLS, the answer in words, round trips, what the peer takes.

    Nothing is sent to anybody without --to: what can be tried is tried on messages that do not exist or have no
    destination. Exit status 1 if anything is bad.

    \b
    Example:
      smppbridge diag bind --port 2775
      smppbridge diag bind -c bridge.toml --link carrier-a --to 12025550100
    """  # noqa: D301  \b keeps click from wrapping the example
    config = esme_of(target(where))
    found = trio.run(lambda: examine(config, time.time, source=source, to=to))
    if json_to == "-":
        print_json(asdict(found) | {"good": found.good})
    else:
        _print_verdicts(found)
        if json_to:
            write_file(Path(json_to), json.dumps(asdict(found) | {"good": found.good}, indent=1).encode() + b"\n")
    if found.problem:
        raise CliProblem(found.problem)
    bad = [verdict for verdict in found.verdicts if verdict.word == "bad"]
    if bad:
        raise CliProblem("; ".join(f"{verdict.what}: {verdict.found}" for verdict in bad))


_SIGNS = {"good": ("✓", "green"), "note": ("?", "yellow"), "bad": ("✗", "red")}


def _print_verdicts(found: Examination) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for verdict in found.verdicts:
        sign, colour = _SIGNS[verdict.word]
        advice = f"\n→ {verdict.advice}" if verdict.advice else ""
        table.add_row(Text(sign, style=colour), printable(verdict.what), Text(f"{printable(verdict.found)}{advice}"))
    Console(highlight=False, markup=False).print(table)


@diag.command()
@target_options
@click.option("--from", "source", default="12345", show_default=True, help="The sender.")
@click.option("--to", default=str(FICTIONAL_NUMBER), show_default=True, help="The number; nobody has the default.")
@click.option("--text", default="smppbridge test message", show_default=True)
@click.option("--wait", type=DURATION, default="60s", show_default=True, help="For the receipt.")
@_json_option
def send(*, source: str, to: str, text: str, wait: float, json_to: str | None, **where: object) -> None:
    """Send one message and follow it to its receipt, with every PDU in readable form.

    Exit status 0 if it was delivered.

    \b
    Example:
      smppbridge diag send -c bridge.toml --link carrier-a --to 12025550100
    """  # noqa: D301  \b keeps click from wrapping the example
    config = esme_of(target(where))
    body = Texts(text.replace("{", "(").replace("}", ")")).body(int(time.time()))
    quiet = json_to == "-"
    pdus: list[dict[str, object]] = []

    def told(step: Step) -> None:
        if not quiet:
            click.secho(f"{step.at_ms:10,.1f} ms  {step.what:<12} {printable(step.detail)}", bold=True)

    def pdu(octets: bytes, ours: bool) -> None:
        explained = explain(octets)
        pdus.append({"ours": ours, **explained.row()})
        if not quiet:
            _print_pdu(explained, ours=ours)

    journey = trio.run(lambda: follow(config, source, to, body, wait, told=told, pdu=pdu))
    result = asdict(journey) | {"pdus": pdus}
    if quiet:
        print_json(result)
    elif json_to:
        write_file(Path(json_to), json.dumps(result, indent=1).encode() + b"\n")
    response, receipt = journey.id_forms
    if response != receipt and not quiet:
        click.echo(f'\nThis carrier wants: message_id = {{ response = "{response}", receipt = "{receipt}" }}')
    if journey.outcome != "delivered":
        last = journey.steps[-1]
        raise CliProblem(f"not delivered: {journey.outcome}; last: {last.what} {last.detail}".rstrip())


def _print_pdu(explained: Explained, *, ours: bool) -> None:
    arrow = "→" if ours else "←"
    status = f"  {explained.status}" if explained.status else ""
    click.echo(f"               {arrow} {explained.command} {explained.sequence_number}{status}")
    text = {"short_message", "message_payload"} if explained.text is not None else set()
    fields = [
        f"{value.name}={value.meaning or value.value}"
        for value in [*explained.fields, *explained.tlvs]
        if value.value and value.name not in text
    ]
    fields += [f"“{explained.text}”"] if explained.text is not None else []
    if fields:
        click.secho(printable(f"                 {'  '.join(fields)}"), dim=True)
    for finding in explained.findings:
        click.secho(printable(f"                 {finding.level}: {finding.text}"), fg="yellow")


@diag.command()
@target_options
@click.option("--from", "source", default="12345", show_default=True, help="The sender.")
@click.option(
    "--to",
    default=FICTIONAL_NUMBER,
    show_default=True,
    type=click.IntRange(1, 10**20 - 1),
    help="The first number; nobody has the default.",
)
@click.option("--subscribers", default=100, show_default=True, type=click.IntRange(1), help="Numbers from there on.")
@click.option("--text", default="Throughput test", show_default=True)
@click.option("--max-messages", default=20_000, show_default=True, type=click.IntRange(100, 10_000_000), help="In all.")
@click.option("--max-window", default=200, show_default=True, type=click.IntRange(1, 5000), help="The largest burst.")
@click.option("--max-rate", default=10_000.0, show_default=True, type=click.FloatRange(1), help="Messages per second.")
@click.option("--max-time", type=DURATION, default="3m", show_default=True)
@click.option(
    "--plot",
    "plot_to",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=check_picture,
    metavar="FILE.png|svg",
    help="Draw the curve.",
)
@_json_option
def throughput(
    *,
    source: str,
    to: int,
    subscribers: int,
    text: str,
    max_messages: int,
    max_window: int,
    max_rate: float,
    max_time: float,
    plot_to: Path | None,
    json_to: str | None,
    **where: object,
) -> None:
    """Find the window and the rate that the peer takes, and print the two lines for the configuration.

    Bursts of growing size find the window; rates that grow threefold find where the peer throttles, or where it answers
    less than what was due; a trial just below confirms it. It sends real messages: how many at most, it says first.

    \b
    Example:
      smppbridge diag throughput --port 2775 --plot curve.png
      smppbridge diag throughput -c bridge.toml --link carrier-a --to 12025550100 --max-messages 5000
    """  # noqa: D301  \b keeps click from wrapping the example
    config = esme_of(target(where))
    load = MtLoad(source=source, destination=to, subscribers=subscribers, text=text, response_timeout=10.0)
    bounds = Bounds(max_messages, max_window, max_rate)
    at = str(config.endpoints[0])
    last = f" to {to + subscribers - 1}" if subscribers > 1 else ""
    click.echo(
        f"At most {max_messages:,} messages to {at} for {to}{last}, at most {max_rate:,.0f} a second, "
        f"in at most {max_time:,.0f} s; Ctrl-C ends it.",
        err=True,
    )
    findings = trio.run(_throughput, config, load, bounds, max_time)
    if findings is None:
        raise CliProblem(f"stopped, or not finished within {max_time:g} s; --max-time gives it more time")
    if json_to == "-":
        print_json(summary(findings))
    else:
        for line in _throughput_lines(findings):
            click.echo(line)
        if json_to:
            write_file(Path(json_to), json.dumps(summary(findings), indent=1).encode() + b"\n")
    if plot_to and findings.rates:
        draw_throughput(plot_to, findings, at)
    if findings.problem:
        raise CliProblem(findings.problem)


async def _throughput(config: EsmeConfig, load: MtLoad, bounds: Bounds, seconds: float) -> Findings | None:
    console = Console(stderr=True, highlight=False, markup=False)
    sent = 0
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def told(trial: Trial, result: Result | None) -> None:
            nonlocal sent
            if result is not None:
                sent += result.sent
            elif console.is_terminal:
                what = f"{trial.rate:,.0f}/s for {trial.seconds:.0f} s" if trial.rate else "at once"
                live.update(
                    Text(f"{sent:,} sent; trying {trial.messages:,} {what}, window {trial.window}"), refresh=True
                )

        with trio.move_on_after(seconds) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch_signals, scope.cancel)
                findings = await measure(config, load, bounds, told=told)
                nursery.cancel_scope.cancel()
            return findings
    return None


def _throughput_lines(findings: Findings) -> list[str]:
    """Return the curve and what it means."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("window", "offered", "answered/s", "p50 ms", "p99 ms", "throttled"):
        table.add_column(name, justify="right")
    table.add_column("")
    top = max((rung.answered_per_s for rung in findings.rates), default=1.0) or 1.0
    for rung in [*findings.bursts, *findings.rates]:
        table.add_row(*_row(rung, top))
    console = Console(highlight=False, markup=False, width=100)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    lines += ["", *findings.explanation()]
    if not findings.problem:
        lines += [
            "",
            f"window = {findings.window}",
            f"rate = {findings.rate:g}",
        ]
    return lines


def _row(rung: Rung, top: float) -> list[str]:
    trial, result = rung.trial, rung.result
    bar = "" if not trial.rate else "█" * round(rung.answered_per_s / top * _BAR) or "▏"
    return [
        str(trial.window),
        f"{trial.rate:,.0f}/s" if trial.rate else "at once",
        f"{rung.answered_per_s:,.0f}" if trial.rate else "",
        f"{result.p50_ms:,.1f}",
        f"{result.p99_ms:,.1f}",
        "closed" if result.closed else f"{result.throttled:,}" if result.throttled else "-",
        bar,
    ]
