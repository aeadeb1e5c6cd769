"""How fast smppcore is by itself: submit_sm per second as a client and as a server, over loopback TCP.

    python tools/bench_core.py               our client and our server, each on a core of its own
    python tools/bench_core.py --driver DIR  against DIR/smscdrive and DIR/esmeflood, so that only we are measured

The side that is measured runs in a process of its own, pinned to one core; every PDU is decoded into an object and
every request goes through the window, as in use. "answered_per_s" counts responses after the warm-up; "cpu_us" is the
processor time per message, which holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from smppcore.esme import Esme, EsmeConfig
from smppcore.events import Event, Outcome, SessionConfig
from smppcore.pdu import Pdu, SubmitSM, SubmitSMResp
from smppcore.smsc import SmscConfig, SmscServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smppcore.esme import Retry
    from smppcore.link import Link

HOST = "127.0.0.1"


class Pump:
    """An ESME's handler that keeps the window full and counts what is answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.sent = 0

    def on_bound(self, link: Link) -> None:
        """Nothing to prepare."""

    def on_events(self, link: Link, events: list[Event]) -> None:
        """Count the responses with status 0."""
        for event in events:
            if isinstance(event, Outcome) and event.response is not None and event.response.command_status == 0:
                self.answered += 1

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """As many as there is room for, each a new message."""
        first = self.sent
        self.sent += room
        return [
            SubmitSM(
                b"",
                3,
                0,
                b"12345",
                1,
                1,
                b"2557%08d" % (number % 100000000),
                registered_delivery=1,
                short_message=b"Your balance is %07d, thank you" % number,
            )
            for number in range(first, first + room)
        ]

    def on_closed(self, link: Link, reason: str) -> None:
        """Nothing to clear."""

    def on_retry(self, retry: Retry) -> None:
        """A bench without a link measures nothing."""
        sys.exit(f"{retry.bind_name}: {retry.reason}")


class Sink:
    """A server's handler that accepts every submit_sm with an id."""

    def __init__(self) -> None:
        self.accepted = 0

    def on_bound(self, link: Link) -> None:
        """Nothing to prepare."""

    def on_events(self, link: Link, events: list[Event]) -> None:
        """One response per request, all of a batch in one call."""
        first = self.accepted
        responses = [
            SubmitSMResp(b"%010d" % number, sequence_number=event.sequence_number)
            for number, event in enumerate(events, first)
            if isinstance(event, SubmitSM)
        ]
        self.accepted += len(responses)
        link.respond(responses)

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """A sink sends nothing of its own."""
        return ()

    def on_closed(self, link: Link, reason: str) -> None:
        """Nothing to clear."""


async def pump(port: int, window: int, seconds: float, warmup: float) -> None:
    """Bind, pump for a while, and print {"answered_per_s": …, "cpu_us": …} on standard output."""
    handler = Pump()
    session = SessionConfig(window=window)
    esme = Esme(
        EsmeConfig(HOST, port, system_id=b"bench", password=b"bench", session=session), handler, random.Random()
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(esme.run)
        await trio.sleep(warmup)
        answered, started, cpu = handler.answered, time.perf_counter(), time.process_time()
        await trio.sleep(seconds)
        answered, took, cpu = handler.answered - answered, time.perf_counter() - started, time.process_time() - cpu
        await esme.stop()
    print(json.dumps({"answered_per_s": round(answered / took), "cpu_us": round(cpu / max(1, answered) * 1e6, 2)}))


async def sink(window: int) -> None:
    """Serve until killed; print the port first."""
    server = SmscServer(SmscConfig(session=SessionConfig(window=window)), lambda _bind, _peer: 0, Sink())
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(server.serve, HOST, 0)
        print(port, flush=True)


def start(command: Sequence[str], core: int) -> subprocess.Popen[str]:
    """Start a program pinned to one core, its standard output piped."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )


def ourselves(*arguments: object) -> list[str]:
    """The command that runs one side of this bench in a process of its own."""
    return [sys.executable, __file__, *map(str, arguments)]


def first_line(process: subprocess.Popen[str]) -> str:
    """What a program says when it is ready."""
    return process.stdout.readline().strip() if process.stdout else ""


def cpu_seconds(pid: int) -> float:
    """The processor time that a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port for a program that cannot choose one itself."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def measure_client(driver: Path | None, window: int, seconds: float, warmup: float, cores: Sequence[int]) -> str:
    """Our client, against smscdrive or our own server."""
    if driver is None:
        server = start(ourselves("--role", "sink", "--window", window), cores[0])
        port = int(first_line(server))
    else:
        limit = str(seconds + warmup + 20)
        port = free_port()
        command = [
            str(driver / "smscdrive"),
            "-p",
            str(port),
            "--mt",
            "-s",
            limit,
            "--timeout",
            limit,
            "-j",
            os.devnull,
        ]
        server = start(command, cores[0])
        first_line(server)
    try:
        arguments = ("--role", "pump", "--port", port, "--window", window, "--seconds", seconds, "--warmup", warmup)
        client = start(ourselves(*arguments), cores[1])
        out, _ = client.communicate(timeout=seconds + warmup + 20)
        return out.strip()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)


def measure_server(driver: Path | None, window: int, seconds: float, warmup: float, cores: Sequence[int]) -> str:
    """Our server, pumped by esmeflood or our own client."""
    server = start(ourselves("--role", "sink", "--window", window), cores[1])
    try:
        port = int(first_line(server))
        if driver is None:
            arguments = ("--role", "pump", "--port", port, "--window", window, "--seconds", seconds, "--warmup", warmup)
            client = start(ourselves(*arguments), cores[0])
            out, _ = client.communicate(timeout=seconds + warmup + 20)
            return out.strip()
        command = [
            str(driver / "esmeflood"),
            str(port),
            "-w",
            str(window),
            "-s",
            str(seconds + warmup),
            "-g",
            str(warmup),
        ]
        client = start(command, cores[0])
        out, _ = client.communicate(timeout=seconds + warmup + 20)
        report = json.loads(out[out.index("{") :])
        figures = {
            "answered_per_s": round(report["submits_per_s"]),
            "cpu_us": round(cpu_seconds(server.pid) / max(1, report["ok"]) * 1e6, 2),
            "resp_ms": report["resp_ms"],
            "err": report["err"],
        }
        return json.dumps(figures)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)


def main() -> None:
    """Measure what was asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=Path, help="folder with smscdrive and esmeflood")
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured, after the warm-up")
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--side", choices=("client", "server", "both"), default="both")
    parser.add_argument("--role", choices=("pump", "sink"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role == "pump":
        trio.run(pump, options.port, options.window, options.seconds, options.warmup)
        return
    if options.role == "sink":
        trio.run(sink, options.window)
        return
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[-1])
    driver = options.driver.resolve() if options.driver else None
    against = "smscdrive/esmeflood" if driver else "ourselves"
    for side, measure in (("client", measure_client), ("server", measure_server)):
        if options.side in (side, "both"):
            figures = measure(driver, options.window, options.seconds, options.warmup, cores)
            print(f"{side}, window {options.window}, against {against}: {figures}", flush=True)


if __name__ == "__main__":
    main()
