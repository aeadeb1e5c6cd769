"""A load on the terminal: one panel while it runs, and a few lines when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import trio
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from smppcore.testbed.load.series import sum_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.latency import Latencies
    from smppcore.testbed.load.mo import MoGenerator
    from smppcore.testbed.load.mo_books import MoReport
    from smppcore.testbed.load.mt import MtGenerator
    from smppcore.testbed.load.mt_books import MtReport
    from smppcore.testbed.load.series import Series

Report = TypeVar("Report")

_REFRESH_SECONDS = 0.5
_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Now:
    """What the panel shows: numbers with their names, and the rates of the last intervals."""

    line: str
    errors: dict[str, int] = field(default_factory=dict)
    latency: str = ""
    rates: list[float] = field(default_factory=list)


async def watch(run: Callable[[], Awaitable[Report]], stop: Callable[[], None], now: Callable[[], Now]) -> Report:
    """Run a load and show it on the terminal, if there is one; at Ctrl-C it is stopped, and its result is returned."""
    console = Console(stderr=True, highlight=False, markup=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_signals, stop)
        if console.is_terminal:
            nursery.start_soon(_refresh, console, now)
        report = await run()
        nursery.cancel_scope.cancel()
    return report


async def watch_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at Ctrl-C or SIGTERM."""
    with trio.open_signal_receiver(2, 15) as signals:
        await signals.__anext__()
        stop()


async def _refresh(console: Console, now: Callable[[], Now]) -> None:
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_panel(now()), refresh=True)
            await trio.sleep(_REFRESH_SECONDS)


def _panel(now: Now) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(now.line, style="bold"))
    if now.latency:
        table.add_row(Text(now.latency))
    if now.errors:
        table.add_row(Text(f"errors  {counts(now.errors)}", style="red"))
    if now.rates:
        table.add_row(Text(sparkline(now.rates), style="cyan"))
    return table


def sparkline(values: list[float]) -> str:
    """Draw values as bars of a character each."""
    top = max(values) or 1.0
    return "".join(_BARS[round(value / top * (len(_BARS) - 1))] for value in values)


def counts(table: dict[str, int]) -> str:
    """Return "3 ESME_RTHROTTLED, 1 ESME_RSYSERR", the most frequent first."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(table.items(), key=_negative_count))


def _negative_count(item: tuple[str, int]) -> int:
    return -item[1]


def percentiles(latency: dict[str, float]) -> str:
    """Return the percentiles of a report in words."""
    names = ("p50", "p90", "p99", "p999", "max")
    return "   ".join(f"{name} {latency[name]:,.1f} ms" for name in names)


def _last_rate(series: Series, now: float) -> tuple[float, list[float]]:
    """Return the rate of answers in the last whole interval, and those of the last ones."""
    rates = [interval.answered / series.seconds for interval in series.intervals[-61:-1]]
    if rates:
        return rates[-1], rates
    elapsed = now - series.began
    return (series.current.answered / elapsed if elapsed > 0 else 0.0), []


def _latency(latency: Latencies) -> str:
    return percentiles(latency.report()) if latency.count else ""


def mt_now(generator: MtGenerator) -> Now:
    """Look at an MT load that runs."""
    books = generator.books
    rate, rates = _last_rate(books.series, trio.current_time())
    total = sum_of(books.series.intervals)
    line = (
        f"{rate:,.0f} answered/s   {total.answered:,} answered   {books.report.refused:,} errors   "
        f"{books.in_flight:,} in flight   {len(generator.sessions)} binds"
    )
    if books.load.receipts:
        line += f"   {books.report.receipts:,} receipts, {books.waiting:,} awaited"
    if books.report.lost:
        line += f"   {books.report.lost:,} lost"
    return Now(line, books.report.refused_status, _latency(total.answer_latency), rates)


def mo_now(generator: MoGenerator) -> Now:
    """Look at an MO load that runs, or waits for its binds."""
    books = generator.books
    if not books.pace.taken:
        return Now(f"{len(generator.receivers)} of {generator.load.binds} binds")
    rate, rates = _last_rate(books.series, trio.current_time())
    total = sum_of(books.series.intervals)
    line = (
        f"{rate:,.0f} acknowledged/s   {total.answered:,} acknowledged   {books.report.ack_err:,} errors   "
        f"{books.unanswered:,} in flight   {books.report.replied:,} replied   {len(generator.receivers)} binds"
    )
    return Now(line, books.report.ack_status, _latency(total.answer_latency), rates)


def mt_lines(report: MtReport) -> list[str]:
    """Return an MT load's result for people."""
    lines = [
        f"{report.answered_per_s:,.0f} answered/s with {report.binds} bind(s)   "
        f"{report.sent:,} submit_sm in {report.seconds:,.1f} s: {report.accepted:,} accepted, "
        f"{report.refused:,} refused, {report.lost:,} lost",
        f"latency   {percentiles(report.latency_ms)}",
    ]
    if report.refused:
        lines.append(f"refused   {counts(report.refused_status)}")
    if report.not_sent:
        lines.append(f"not sent  {report.not_sent:,} that were due while the windows were full")
    if report.receipts or report.receipts_missing:
        lines += [
            f"receipts  {report.receipts:,}: {counts(report.receipts_by_state)}; {report.receipts_missing:,} missing",
            f"          {percentiles(report.receipt_ms)}",
        ]
    if report.receipts_unmatched:
        lines.append(f"          {report.receipts_unmatched:,} for nothing that we sent")
    if report.binds_lost:
        lines.append(f"binds     {report.binds_lost} lost on the way")
    return [*lines, *_ending(report.end, report.generator_util)]


def mo_lines(report: MoReport) -> list[str]:
    """Return an MO load's result for people."""
    lines = [
        f"{report.acks_per_s:,.0f} acknowledged/s, {report.replies_per_s:,.0f} replies/s   "
        f"{report.mo_unique:,} texts in {report.seconds:,.1f} s: {report.ack_ok:,} acknowledged, "
        f"{report.replied:,} replied, {report.never_acked:,} never acknowledged",
        f"until acknowledged  {percentiles(report.ack_ms)}",
    ]
    if report.replied:
        lines.append(f"until the reply     {percentiles(report.reply_ms)}")
    if report.ack_err:
        lines.append(f"errors    {counts(report.ack_status)}; sent again: {report.mo_resent:,}")
    if report.mo_not_sent:
        lines.append(f"not sent  {report.mo_not_sent:,} that were due while the windows were full")
    if report.dup_replies or report.unmatched or report.wrong_addr:
        lines.append(
            f"replies   {report.dup_replies:,} repeated, {report.unmatched:,} to no text, "
            f"{report.wrong_addr:,} to the wrong subscriber"
        )
    if report.receipts_made:
        lines.append(f"receipts  {report.receipts_made:,} made, {report.receipts_acked:,} acknowledged")
    return [*lines, *_ending(report.end, report.driver_util)]


def _ending(end: str, util: float) -> list[str]:
    lines = [] if end == "complete" else [f"ended     {end}"]
    if util >= 0.9:
        lines.append(f"note      the generator used {util:.0%} of a core: the peer may well be faster than this")
    return lines
