"""Results as pictures, PNG or SVG. matplotlib is imported when the first is drawn: it is no small thing."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bridge.cli import CliProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smppcore.testbed.load.mo_books import MoReport
    from smppcore.testbed.load.mt_books import MtReport
    from smppcore.testbed.probe.capacity import Findings, Rung

BLUE, GREEN, RED, AMBER, GREY = "#1f5fa8", "#2f9e6e", "#c8413b", "#e0912f", "#7a8290"
_SHADES = {"p50": "#1f5fa8", "p90": "#5f97d3", "p99": "#a9c8ea"}
FORMATS = (".png", ".svg")


@dataclass(frozen=True, slots=True)
class Labels:
    """What the things of a picture are called."""

    title: str
    answer: str
    """What a request is answered with."""
    closing: str
    """What a message ends with."""


def check_picture(_ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Refuse, before anything is sent, a picture that could not be drawn."""
    if path is not None and path.suffix not in FORMATS:
        raise click.BadParameter(f"{path} ends in neither .png nor .svg", param=param)
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}", param=param)
    if path is not None:
        figure(1, 1)
    return path


def write_file(path: Path, octets: bytes) -> None:
    """Write a file.

    Raises:
        CliProblem: It cannot be written.
    """
    try:
        path.write_bytes(octets)
    except OSError as exc:
        raise CliProblem(f"{path}: cannot be written: {exc.strerror}") from exc


def figure(width: float, height: float) -> Figure:
    """Make an empty figure of so many inches.

    Raises:
        CliProblem: There is no matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise CliProblem("pictures need matplotlib: pip install 'smppbridge[plot]'") from exc
    return Figure(figsize=(width, height), dpi=120, layout="constrained", facecolor="white")


def save(picture: Figure, path: Path) -> None:
    """Write a figure in the format that the file's name says.

    Raises:
        CliProblem: The file cannot be written.
    """
    octets = io.BytesIO()
    picture.savefig(octets, format=path.suffix[1:])
    write_file(path, octets.getvalue())


def tidy(axes: Axes, title: str) -> None:
    """Take away what says nothing, and write the title."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color="#22262c")
    axes.grid(visible=True, axis="y", color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b4bac2")
    axes.tick_params(colors="#4a5058", labelsize=8)


def legend(axes: Axes) -> None:
    """Write what the lines are, on the line of the title, where it hides nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), fontsize=8, frameon=False, ncols=5)


def draw_load(path: Path, report: MtReport | MoReport, labels: Labels) -> None:
    """Draw a load: its rate over time, latency percentiles over time, and how latencies spread.

    Raises:
        CliProblem: There is no matplotlib, or the file cannot be written.
    """
    # The last interval is seldom a whole one: it would look like a collapse
    rows, width = report.series[:-1] or report.series, report.interval_s
    at = [row["at_s"] + width / 2 for row in rows]
    picture = figure(10, 8.5)
    rate, latency, spread = picture.subplots(3, 1, height_ratios=(1.15, 1, 0.9))

    def per_second(name: str) -> list[float]:
        return [row[name] / width for row in rows]

    rate.plot(at, per_second("sent"), color=GREY, linewidth=1.2, linestyle="--", label="sent")
    rate.fill_between(at, per_second("answered"), color=BLUE, alpha=0.18, linewidth=0)
    rate.plot(at, per_second("answered"), color=BLUE, linewidth=1.8, marker="o", markersize=3, label=labels.answer)
    if any(row["closed"] for row in rows):
        rate.plot(at, per_second("closed"), color=GREEN, linewidth=1.4, label=labels.closing)
    if any(row["errors"] for row in rows):
        rate.plot(at, per_second("errors"), color=RED, linewidth=1.4, label="error")
    tidy(rate, f"{labels.title}: per second")
    rate.set_ylim(bottom=0)
    legend(rate)

    for name in ("p99", "p90", "p50"):
        values = [row[f"answer_{name}_ms"] or math.nan for row in rows]
        latency.plot(at, values, color=_SHADES[name], linewidth=1.8, marker="o", markersize=3, label=name)
    if any(row["closed"] for row in rows):
        values = [row["closing_p50_ms"] or math.nan for row in rows]
        latency.plot(at, values, color=GREEN, linewidth=1.4, label=f"{labels.closing} p50")
    tidy(latency, f"ms until the {labels.answer}")
    _milliseconds(latency, [row[name] for row in rows for name in ("answer_p50_ms", "answer_p99_ms", "closing_p50_ms")])
    legend(latency)
    for axes in (rate, latency):
        axes.set_xlim(0, max(rows[-1]["at_s"] + width, 1))
        axes.set_xlabel("seconds", fontsize=8, color="#4a5058")
    _spread(spread, report.latency_histogram_ms, labels.answer)
    save(picture, path)


def _milliseconds(axes: Axes, values: Sequence[float]) -> None:
    """Choose a scale: logarithmic where the values span more than a factor of 20."""
    some = [value for value in values if value]
    if some and max(some) > 20 * min(some):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        axes.set_ylim(bottom=0)


def _spread(axes: Axes, histogram: Sequence[tuple[float, float, int]], answer: str) -> None:
    total = sum(count for *_, count in histogram)
    tidy(axes, f"share of messages by ms until the {answer}, after the warm-up")
    if not total:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=GREY)
        return
    # Four to an octave: the 32 that are counted make a comb where few distinct values come
    merged: dict[int, int] = {}
    for low, _, count in histogram:
        step = math.floor(math.log2(low) * 4 + 1e-6)
        merged[step] = merged.get(step, 0) + count
    for step, count in merged.items():
        left, right = 2 ** (step / 4), 2 ** ((step + 1) / 4)
        axes.bar(left, count / total * 100, width=right - left, align="edge", color=BLUE, alpha=0.75, linewidth=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    so_far = 0
    marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    for _, high, count in histogram:
        so_far += count
        for name in [name for name, share in marks.items() if so_far >= share * total]:
            del marks[name]
            axes.axvline(high, color="#22262c", linewidth=1, linestyle=":")
            axes.annotate(
                f"{name} {high:.3g}",
                (high, 0.97),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                rotation=90,
                ha="right",
                va="top",
            )


def draw_throughput(path: Path, findings: Findings, at: str) -> None:
    """Draw what was answered, and how fast, over what was offered, with what is recommended.

    Raises:
        CliProblem: There is no matplotlib, or the file cannot be written.
    """
    rungs = sorted(findings.rates, key=_offered)
    offered = [rung.trial.rate for rung in rungs]
    picture = figure(9, 7.5)
    answered, latency = picture.subplots(2, 1, sharex=True)
    answered.plot(offered, offered, color=GREY, linewidth=1, linestyle="--", label="offered")
    answered.plot(
        offered, [rung.answered_per_s for rung in rungs], color=BLUE, linewidth=1.8, marker="o", label="accepted"
    )
    throttled = [rung.result.throttled / max(rung.trial.seconds, 1e-6) for rung in rungs]
    if any(throttled):
        answered.plot(offered, throttled, color=RED, linewidth=1.4, marker="o", markersize=4, label="throttled")
    answered.axvline(findings.rate, color=GREEN, linewidth=1.6, linestyle=":", label=f"rate = {findings.rate:g}")
    tidy(answered, f"{at}, window {findings.window}: messages per second")
    legend(answered)
    for name, values in (
        ("p99", [rung.result.p99_ms for rung in rungs]),
        ("p50", [rung.result.p50_ms for rung in rungs]),
    ):
        latency.plot(offered, values, color=_SHADES[name], linewidth=1.8, marker="o", markersize=4, label=name)
    latency.axvline(findings.rate, color=GREEN, linewidth=1.6, linestyle=":")
    tidy(latency, "ms until the response")
    legend(latency)
    _milliseconds(latency, [value for rung in rungs for value in (rung.result.p50_ms, rung.result.p99_ms)])
    for axes in (answered, latency):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    answered.set_yscale("symlog", linthresh=10)
    answered.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    answered.set_ylim(bottom=0)
    latency.set_xlabel("messages per second offered", fontsize=8, color="#4a5058")
    save(picture, path)


def _offered(rung: Rung) -> float:
    return rung.trial.rate
