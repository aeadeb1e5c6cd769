"""Play the conformance cases for an SMSC against other people's servers: a table of who fails what.

usage: tools/conformance.py [--against node-smpp] [--against smpp34] [--against HOST:PORT]
                            [--json FILE] [--markdown FILE]

node-smpp and smpp34 are played as the servers of tests/interop/peers, which do what each library's own example does; a
new process for each case, so that one case's harm is not the next one's. Found as for tests/interop: NODE_PATH and
PYTHONPATH. Without --against both are played, and our own simulator. Exit status 0: the table is what came out,
whatever it says.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import trio
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from smppcore.testbed.conformance.profile import TcpSmsc, audit_smsc
from smppcore.testbed.conformance.smsc import CASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from smppcore.testbed.conformance.case import Case, Result, Smsc, Verdict

PEERS = Path(__file__).resolve().parent.parent / "tests" / "interop" / "peers"
HOST = "127.0.0.1"
START_SECONDS = 10.0
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "differs", "not shown")
SHORT = {"pass": "ok", "fail": "**fails**", "differs": "other", "not shown": "–"}


class Server:
    """A program that serves SMPP and tells events on its standard output, one JSON object a line."""

    def __init__(self, process: trio.Process) -> None:
        self._out = cast("trio.abc.ReceiveStream", process.stdout)
        self._in = cast("trio.abc.SendStream", process.stdin)
        self._buffer = b""

    async def port(self) -> int:
        """Wait until it listens, and return its port."""
        while data := bytes(await self._out.receive_some(4096)):
            self._buffer += data
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["event"] == "listening":
                    return int(event["port"])
        raise SystemExit("a server ends before it listens: is its library there?")

    async def drain(self) -> None:
        """Read what it says, so that it never waits for us."""
        async for _ in self._out:
            pass

    async def deliver(self, text: bytes) -> None:
        """Have it deliver a text."""
        command = {"do": "deliver", "from": "15550004242", "to": "60606", "octets": text.hex()}
        await self._in.send_all(json.dumps({**command, "esm_class": 0, "data_coding": 0}).encode() + b"\n")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def command_of(peer: str) -> list[str]:
    """Return how a peer's program is started."""
    if peer == "node-smpp":
        return ["node", str(PEERS / "node_server.js")]
    if peer == "smpp34":
        return [sys.executable, str(PEERS / "smpp34_server.py"), str(free_port())]
    return [sys.executable, __file__, "--serve"]


@asynccontextmanager
async def server(peer: str) -> AsyncIterator[tuple[int, Server, trio.Process]]:
    """Run a peer's program for as long as the block lasts."""
    process = await trio.lowlevel.open_process(
        command_of(peer), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    running = Server(process)
    try:
        with trio.fail_after(START_SECONDS):
            port = await running.port()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.drain)
            yield port, running, process
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()


async def play(peer: str, case: Case[Smsc]) -> Result:
    """Play one case against a new process of the peer's, or against an address."""
    host, colon, port = peer.rpartition(":")
    if colon:
        (result,) = await audit_smsc((case,), TcpSmsc(host, int(port)))
        return result
    if case.setting:
        (result,) = await audit_smsc((case,), TcpSmsc(HOST, 0))
        return result
    async with server(peer) as (number, running, process):
        (result,) = await audit_smsc((case,), TcpSmsc(HOST, number, running.deliver))
        await trio.sleep(0.02)
        if process.poll() is not None:
            seen = f"its process ended with status {process.returncode}"
            result = replace(result, verdict="fail", seen=f"{seen}; {result.seen}" if result.seen else seen)
    return result


async def play_all(peers: Sequence[str], told: Callable[[str], None]) -> dict[str, list[Result]]:
    """Play every case against every peer, the peers side by side."""
    results: dict[str, list[Result]] = {peer: [] for peer in peers}

    async def one(peer: str) -> None:
        for case in CASES:
            results[peer].append(await play(peer, case))
            told(peer)

    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(one, peer)
    return results


def show(results: dict[str, list[Result]]) -> None:
    """Print who fails what, and what was seen."""
    table = Table("trap", "what happens", "what it must do", *results, box=None, pad_edge=False)
    colours = {"pass": "green", "fail": "red", "differs": "yellow", "not shown": "dim"}
    for number, case in enumerate(CASES):
        row = [results[peer][number] for peer in results]
        if all(result.verdict in ("pass", "not shown") for result in row):
            continue
        cells = [f"[{colours[one.verdict]}]{one.verdict}[/] {one.seen}".rstrip() for one in row]
        table.add_row(f"{case.trap}{' (P)' if case.policy else ''}", case.title, case.expectation, *cells)
    console = Console()
    console.print(table)
    for peer, found in results.items():
        counts = Counter(result.verdict for result in found)
        console.print(f"{peer}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))


def markdown(results: dict[str, list[Result]]) -> str:
    """Return the table of verdicts, a row for each case that somebody fails."""
    lines = [
        "# Who fails what",
        "",
        "Written by `tools/conformance.py --markdown`: the cases for an SMSC that at least one server does not pass.",
        "The servers are those of `tests/interop/peers`: what a library leaves to its application, and a short",
        "application does not do, counts as not done. *other*: another policy where the specification leaves it",
        "open (P); –: could not be shown.",
        "",
        "| trap | what happens | what it must do | " + " | ".join(results) + " |",
        "|---" * (3 + len(results)) + "|",
    ]
    for number, case in enumerate(CASES):
        row = [results[peer][number].verdict for peer in results]
        if all(verdict in ("pass", "not shown") for verdict in row):
            continue
        trap = f"{case.trap}{' (P)' if case.policy else ''}"
        lines.append(f"| {trap} | {case.title} | {case.expectation} | {' | '.join(SHORT[one] for one in row)} |")
    lines.append("")
    for peer, found in results.items():
        counts = Counter(result.verdict for result in found)
        lines.append(f"- {peer}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))
    return "\n".join([*lines, ""])


async def serve_ours() -> None:
    """Be our own simulator as a peer: commands in, events out."""
    import random

    from smppcore.testbed.config import Mo, SimulatorConfig
    from smppcore.testbed.simulator import Simulator

    simulator = Simulator(SimulatorConfig(), random.Random())
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, HOST, 0)
        print(json.dumps({"event": "listening", "port": port}), flush=True)
        async for line in trio.lowlevel.FdStream(os.dup(0)):
            command = json.loads(bytes(line))
            text = bytes.fromhex(command["octets"]).decode("ascii")
            simulator.inject(Mo(command["from"], command["to"], text))


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", action="append", metavar="PEER", help="node-smpp, smpp34, ours or HOST:PORT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of verdicts there")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        trio.run(serve_ours)
        return 0
    peers = arguments.against or ["ours", "node-smpp", "smpp34"]
    with Progress(console=Console(stderr=True)) as progress:
        tasks = {peer: progress.add_task(peer, total=len(CASES)) for peer in peers}
        results = trio.run(play_all, peers, lambda peer: progress.advance(tasks[peer]))
    show(results)
    if arguments.json:
        table = {peer: [asdict(result) for result in found] for peer, found in results.items()}
        arguments.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
