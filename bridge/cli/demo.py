"""`smppbridge demo`: the product on one screen, with nothing to set up."""

from __future__ import annotations

import gc
import logging
import shlex
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from bridge.cli import CliProblem
from bridge.cli.common import print_json, printable
from bridge.cli.conf import conf_dir
from bridge.demo import Hooks, Line, Summary, play

if TYPE_CHECKING:
    from bridge.service import Service

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")
_CROWD = 3000


@click.command()
@click.option("--keep", is_flag=True, help="Stay up afterwards, to look around, until Ctrl-C.")
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Keep configuration and store here."
)
@click.option(
    "--crowd", default=_CROWD, show_default=True, type=click.IntRange(2, 1_000_000), help="Texts of the crowd."
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="Port of the simulated carrier; default any free one."
)
@click.option("--json", "as_json", is_flag=True, help="Print only the closing figures, as JSON.")
def demo(*, keep: bool, folder: Path | None, crowd: int, port: int, as_json: bool) -> None:
    """Everything on loopback with nothing to set up: simulator, bridge and scripted subscribers.

    It ends by comparing the simulator's books with the store's; exit status 1 if they differ.

    \b
    Example:
      smppbridge demo --keep
    """  # noqa: D301  \b keeps click from wrapping the example
    logging.basicConfig(level=logging.ERROR)
    folder = folder or Path(tempfile.mkdtemp(prefix="smppbridge-demo-"))
    if (folder / "var").exists():
        raise CliProblem(f"{folder} holds the store of another demo; choose another --dir")
    console = Console(highlight=False, stderr=as_json)
    view = _View(console, crowd)
    gc.collect()
    gc.freeze()
    # Carrier and bridge share one interpreter here, and each waits for the other: shorter slices, quicker answers.
    sys.setswitchinterval(0.0005)

    async def stay(service: Service, port: int) -> None:
        config = shlex.quote(str(folder / "bridge.toml"))
        console.print(f"\nStill up. The carrier listens on 127.0.0.1:{port}; look around with, say:")
        console.print(
            f"  smppbridge status -c {config}\n  smppbridge queue -c {config}\nCtrl-C ends it.", soft_wrap=True
        )
        with trio.open_signal_receiver(2, 15) as signals:
            async for _ in signals:
                return

    hooks = Hooks(view.line, view.crowd, view.note)
    with view.progress:
        summary = trio.run(
            lambda: play(
                folder,
                conf_dir() / "rules" / "acme.toml",
                hooks,
                crowd=crowd,
                sim_port=port,
                keep=stay if keep else None,
            )
        )
    if as_json:
        print_json(asdict(summary) | {"config": str(folder / "bridge.toml")})
    else:
        _report(console, summary, folder)
    if summary.problems:
        raise CliProblem("; ".join(summary.problems))


class _View:
    """What a person sees while it runs."""

    def __init__(self, console: Console, crowd: int) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("[bold]a crowd writes"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self.progress.add_task("crowd", total=crowd, visible=False)
        self._numbers: dict[str, str] = {}

    def line(self, line: Line) -> None:
        """Print one text of a conversation."""
        colour = self._numbers.setdefault(line.subscriber, _COLOURS[len(self._numbers) % len(_COLOURS)])
        text = Text(f"{line.seconds:5.2f} s  ", style="dim")
        text.append(f"{line.subscriber} ", style=colour)
        text.append("▸ " if line.inbound else "◂ ", style="bold")
        text.append(printable(line.text), style="" if line.inbound else "bold")
        if not line.inbound:
            text.append(f"  {line.milliseconds:.0f} ms", style="dim")
        self.console.print(text, soft_wrap=True)

    def crowd(self, answered: int, total: int) -> None:
        """Move the progress of the crowd."""
        self.progress.update(self._task, completed=answered, visible=answered < total)

    def note(self, text: str) -> None:
        """Print a stage direction."""
        self.console.print(Text(f"── {text}", style="bold"))


def _report(console: Console, summary: Summary, folder: Path) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row(str(summary.texts), "texts from subscribers, each acknowledged when it was on disk")
    for outcome, n in summary.outcomes.items():
        table.add_row(str(n), f"  {outcome}")
    table.add_row(str(summary.replies), "replies")
    for state, n in summary.states.items():
        table.add_row(str(n), f"  {state}")
    table.add_row(str(summary.receipts), "of them with a receipt for every part")
    table.add_row(
        str(summary.cuts),
        "time the carrier cut every connection" if summary.cuts == 1 else "times the carrier cut every connection",
    )
    table.add_row(str(summary.redelivered), "texts it delivered again afterwards: known, answered once")
    table.add_row(str(summary.in_doubt), "replies without an answer at the cut: in doubt, sent again")
    ms = summary.reply_ms
    table.add_row(f"{ms['p50']:.1f} ms", f"from text to answer, median; p99 {ms['p99']:.1f} ms, the cut included")
    console.print()
    console.print(table)
    config = shlex.quote(str(folder / "bridge.toml"))
    if not summary.problems:
        console.print(
            Text(f"\n✓ the carrier's books and the store's agree ({summary.seconds:.1f} s)", style="bold green")
        )
    console.print(f"  smppbridge export messages -c {config} --format jsonl", soft_wrap=True)
    sys.stdout.flush()
