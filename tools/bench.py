"""How fast the bridge answers: the whole pipeline on one pinned core, the store synced on every commit.

    python tools/bench.py                            every workload, with the built-in load generator
    python tools/bench.py --driver DIR               with DIR/smscdrive (C; compiled with cc if need be)
    python tools/bench.py --driver DIR --peers DIR   and other SMPP stacks in the same run, for ratios
    python tools/bench.py -k w50 -k receipts         only these workloads
    python tools/bench.py --driver DIR -k mt         messages that wait in the durable outbox, as fast as they leave
    python tools/bench.py --driver DIR -k w50 -k throttled     what it costs that one in ten is throttled
    python tools/bench.py -k memory                  two million MOs, and the memory meanwhile

The bridge runs by itself on the first core, the load generator on the last. Rules with opt-out words, 50 keywords, 10
patterns and templates decide; conversation state, counters, claims and outcomes are committed; receipts are asked for.
"Answered" is replies/s with at most 4 × window MOs waiting for their reply. What the disk can do is measured in the
same run: fsync, and a bare LMDB loop that commits as many octets in batches of the same size.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import trio

from bridge.records import Mt
from bridge.store import Changes, Position
from bridge.store.lmdb import LmdbStore
from smppcore.testbed.load.mo import run_mo_load
from smppcore.testbed.load.mo_books import MoLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CORES = sorted(os.sched_getaffinity(0))
SECONDS = 8.0
Report = dict[str, float | int | str | dict[str, float] | list[int]]


@dataclass(frozen=True)
class Workload:
    """One run of the load generator."""

    name: str
    window: int
    rate: int = 0
    receipts: bool = False
    messages: int = 0
    backlog: int = 0
    """Messages that wait in the store's queue when the bridge starts; then the SMSC only takes them."""
    throttle_every: int = 0
    """Every so many-th submit_sm is answered ESME_RTHROTTLED, whatever the rate is; 0 = none."""

    @property
    def needs_driver(self) -> bool:
        """Whether only the C driver can do it."""
        return bool(self.backlog or self.throttle_every)


WORKLOADS = (
    Workload("w10", 10),
    Workload("w50", 50),
    Workload("w200", 200),
    Workload("rate2000", 50, rate=2000),
    Workload("receipts", 50, receipts=True),
    Workload("throttled", 50, throttle_every=10),
    Workload("mt", 50, backlog=500_000),
    Workload("memory", 200, messages=2_000_000),
)


def rules() -> str:
    """Return a rule file as a busy brand has it."""
    keywords = "".join(
        f'[[keyword]]\nwords = ["word{n}", "other{n}"]\nmatch = "first"\nreply = "info"\n' for n in range(50)
    )
    patterns = "".join(
        f'[[pattern]]\nname = "p{n}"\nregex = \'(?i)\\bref{n}[ -]?(?P<ref>[0-9]{{4,8}})\\b\'\nreply = "info"\n'
        for n in range(9)
    )
    return f"""version = "bench"
[brand.bench]
country = "US"
name = "Bench"
languages = ["en"]
numbers = ["12345"]
help_contact = "help@bench.example"
[brand.bench.quiet]
window = ""
{keywords}{patterns}
[[pattern]]
name = "balance"
regex = '(?i)^balance (?P<token>[0-9]{{7}})\\b'
reply = "balance"
[template.balance]
en = "{{brand}}: your balance {{token}} is fine, thank you"
[template.info]
en = "{{brand}}: we are here for you."
[conversation]
unmatched = {{ first = "info", second = "escalate" }}
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def pinned(core: int) -> Callable[[], None]:
    """Return a preexec_fn that keeps a child on one core."""
    return lambda: os.sched_setaffinity(0, {core})


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---------------------------------------------------------------- what the disk can do


def fsync_p50(folder: Path, octets: int) -> float:
    """Return the median seconds of writing and syncing so many octets at the end of a file."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(os.urandom(octets))
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def bare_lmdb(folder: Path, batch: int, seconds: float = 2.0) -> float:
    """Return messages/s of a loop that only commits what the bridge commits for so many messages at a time.

    Per message: the rows of the MO and of its reply, the reply's row again with its outcome, an entry of the index of
    message_ids, and the state of a random one of 100,000 contacts: about as many octets as the bridge writes.
    """
    path = folder / f"bare{batch}"
    env = lmdb.open(str(path), map_size=1 << 32, max_dbs=4)
    rows, replies, ids, contacts = (env.open_db(name) for name in (b"mo", b"mt", b"ids", b"contact"))
    noise = os.urandom(1 << 16)
    number = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        with env.begin(write=True) as txn:
            for n in range(number, number + batch):
                key = n.to_bytes(8, "big")
                at = n % 60_000
                txn.put(key, noise[at : at + 130], db=rows, append=True)
                txn.put(key, noise[at : at + 150], db=replies, append=True)
                txn.put(b"2557%08d" % (n * 7919 % 100_000), noise[at : at + 60], db=contacts)
            for n in range(max(number - batch, 0), number):
                key = n.to_bytes(8, "big")
                txn.put(key, noise[n % 60_000 :][:165], db=replies)
                txn.put(b"carrier\0%010d" % n, key, db=ids)
        number += batch
    rate = number / (time.perf_counter() - began)
    env.close()
    shutil.rmtree(path)
    return rate


def in_child(function: str, *arguments: object) -> float:
    """Return a figure measured by a function of this module in a process pinned like the bridge."""
    call = f"{function}(pathlib.Path({arguments[0]!r}), *{list(arguments[1:])!r})"
    code = f"import tools.bench as bench, pathlib; print(bench.{call})"
    command = [sys.executable, "-c", code]
    out = subprocess.run(
        command, check=True, capture_output=True, preexec_fn=pinned(CORES[0]), cwd=Path(__file__).parent.parent
    )
    return float(out.stdout)


# ---------------------------------------------------------------- load generators


def compiled(folder: Path, scratch: Path) -> Path:
    """Return smscdrive, compiled into the scratch folder unless it is there."""
    built = folder / "smscdrive"
    if os.access(built, os.X_OK):
        return built
    target = scratch / "smscdrive"
    if not target.exists():
        subprocess.run(["cc", "-O2", "-w", "-o", target, folder / "smscdrive.c"], check=True)
    return target


class Generator:
    """A running load generator, the built-in one or smscdrive."""

    def __init__(self, work: Workload, scratch: Path, driver: Path | None, seconds: float) -> None:
        self.port = free_port()
        self._json = scratch / "load.json"
        self._json.unlink(missing_ok=True)
        self._timeout = 900 if work.messages else seconds + 60
        if driver is not None:
            command = [
                str(compiled(driver, scratch)),
                "-p",
                str(self.port),
                "-w",
                str(work.window),
                "-j",
                str(self._json),
            ]
            command += ["-n", str(work.messages), "-t", "800"] if work.messages else ["-s", str(seconds)]
            if work.backlog:
                command += ["--mt"]
            else:
                command += ["-r", str(work.rate)] if work.rate else ["-u", str(4 * work.window)]
            command += ["--receipts"] if work.receipts else []
            command += ["--throttle-every", str(work.throttle_every)] if work.throttle_every else []
        else:
            load = {
                "messages": work.messages,
                "seconds": seconds,
                "window": work.window,
                "rate": work.rate,
                "max_unreplied": 0 if work.rate else 4 * work.window,
                "receipts": work.receipts,
                "timeout": self._timeout,
            }
            command = [
                sys.executable,
                __file__,
                "--generate",
                json.dumps(load),
                "--port",
                str(self.port),
                "--to",
                str(self._json),
            ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=pinned(CORES[-1]))
        while not listening(self.port):
            time.sleep(0.02)

    def report(self, each: Callable[[], None] = lambda: None) -> Report:
        """Wait for the end and return the figures."""
        ends = time.monotonic() + self._timeout
        while self.process.poll() is None and time.monotonic() < ends:
            each()
            time.sleep(0.5)
        stop(self.process)
        report: Report = json.loads(self._json.read_text())
        return report


def listening(port: int) -> bool:
    """Return whether somebody listens on a port, without connecting to it."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def generate(load: str, port: int, target: Path) -> None:
    """Be the built-in load generator."""
    report = trio.run(lambda: run_mo_load(MoLoad(**json.loads(load)), port=port))
    target.write_text(json.dumps(asdict(report)))


# ---------------------------------------------------------------- what is measured


def fill_queue(folder: Path, count: int) -> None:
    """Make a store in whose queue so many messages wait, each to another contact."""
    store = LmdbStore(folder, max_size=1 << 34, sync=False)
    now = time.time()
    for first in range(1, count + 1, 10_000):
        with store.turn() as turn:
            changes = Changes(Position(first + 10_000, first // 10_000 + 1, now, first))
            changes.new_mts = changes.queued = [
                Mt(n, 0, 0, "bench", f"2557{n:08}", "12345", "bench", f"Your parcel {n:07} is on its way", "", "", now)
                for n in range(first, first + 10_000)
            ]
            turn.commit(changes)
    store.close()


def bridge(scratch: Path, work: Workload, port: int) -> subprocess.Popen[bytes]:
    """Start the bridge with a store of its own."""
    folder = scratch / "bridge"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "rules.toml").write_text(rules())
    (folder / "bridge.toml").write_text(
        f'[bridge]\ndata_dir = "var"\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'[[link]]\nname = "bench"\nport = {port}\nsystem_id = "bench"\npassword = "secret"\nwindow = {work.window}\n'
        'reconnect = { initial = "100ms", max = "1s" }\n'
    )
    if work.backlog:
        fill_queue(folder / "var", work.backlog)
    log = (folder / "log").open("wb")
    command = [sys.executable, "-m", "bridge", "run", "-c", str(folder / "bridge.toml")]
    return subprocess.Popen(command, stderr=log, preexec_fn=pinned(CORES[0]), cwd=Path(__file__).parent.parent)


def peers(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Return the peers that can run here: name, command without port and binds."""
    yield "raw trio (keeps nothing)", [sys.executable, str(folder / "raw-trio.py"), "echo"]
    if shutil.which("node"):
        yield "node-smpp (keeps nothing)", ["node", str(folder / "node-echo.js"), "echo"]
    if shutil.which("bearerbox"):
        yield "Kannel with its spool", ["bash", str(folder / "kannel-echo.sh"), "echo"]


def start_peer(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start another program on the bridge's core."""
    extra = ["1", "spool"] if "kannel" in command[1] else ["1"]
    return subprocess.Popen(
        [*command, str(port), *extra], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned(CORES[0])
    )


def resident(pid: int) -> dict[str, int]:
    """Return a process's anonymous and file-backed resident memory in KiB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) for name in ("RssAnon", "RssFile")}


def run_one(
    work: Workload, scratch: Path, driver: Path | None, seconds: float, start: Callable[[int], subprocess.Popen[bytes]]
) -> Report:
    """Run one workload against one program."""
    generator = Generator(work, scratch, driver, seconds)
    process = start(generator.port)
    samples: list[dict[str, int]] = []
    last = 0.0

    def sample() -> None:
        nonlocal last
        if work.messages and time.monotonic() - last > 5 and process.poll() is None:
            last = time.monotonic()
            samples.append(resident(process.pid))
            print(
                f"    memory: {samples[-1]['RssAnon'] >> 10} MiB, {samples[-1]['RssFile'] >> 10} MiB of mapped files",
                flush=True,
            )

    try:
        time.sleep(1)
        if process.poll() is not None:
            raise SystemExit(f"it did not start, exit status {process.returncode}; see {scratch / 'bridge' / 'log'}")
        report = generator.report(sample)
    finally:
        stop(generator.process)
        stop(process)
    if len(samples) > 2:
        report["anon_mib_first"], report["anon_mib_last"] = samples[1]["RssAnon"] >> 10, samples[-1]["RssAnon"] >> 10
    return report


def line(name: str, report: Report) -> str:
    """Return the figures of one run on one line."""
    if name == "bridge mt":
        return f"{name:32} {report['submits_per_s']:>9,.0f} submits/s   {report['submits']} in all"
    reply = report["reply_ms"]
    assert isinstance(reply, dict)  # noqa: S101
    latency = f"p50 {reply['p50']:7.2f} ms  p99 {reply['p99']:7.2f} ms"
    return (
        f"{name:32} {report['replies_per_s']:>9,.0f} replies/s   {latency}   "
        f"unreplied_acked {report['unreplied_acked']}  duplicates {report['dup_replies']}  end {report['end']}"
    )


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=Path, help="folder with smscdrive (or smscdrive.c)")
    parser.add_argument("--peers", type=Path, help="folder with raw-trio.py, node-echo.js, kannel-echo.sh")
    parser.add_argument(
        "-k", dest="only", action="append", choices=[w.name for w in WORKLOADS], help="only this workload; repeatable"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of sending, each run")
    parser.add_argument("--runs", type=int, default=1, help="of each workload; the median is printed last")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--generate", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.generate:
        generate(args.generate, args.port, args.to)
        return
    usual = [w.name for w in WORKLOADS if w.name != "memory" and (args.driver or not w.needs_driver)]
    wanted = [w for w in WORKLOADS if w.name in (args.only or usual)]
    if args.driver is None and (names := [w.name for w in wanted if w.needs_driver]):
        parser.error(f"{' and '.join(names)}: only with --driver")
    results: dict[str, list[Report] | float] = {}
    with tempfile.TemporaryDirectory(prefix="smppbridge-bench-") as name:
        scratch = Path(name)
        results["fsync_p50_ms"] = fsync_p50(scratch, 32768) * 1000
        print(f"{'disk: fsync of 32 KiB':32} {results['fsync_p50_ms']:9.2f} ms")
        for batch in sorted({w.window for w in wanted}):
            rate = results[f"bare_lmdb_{batch}"] = in_child("bare_lmdb", name, batch)
            print(f"{f'disk: bare LMDB, batches of {batch}':32} {rate:>9,.0f} messages/s", flush=True)
        for work in wanted:
            runs = []
            for _ in range(args.runs):
                report = run_one(work, scratch, args.driver, args.seconds, partial(bridge, scratch, work))
                runs.append(report)
                print(line(f"bridge {work.name}", report), flush=True)
            if args.runs > 1:
                median = statistics.median(
                    float(str(r["submits_per_s" if work.backlog else "replies_per_s"])) for r in runs
                )
                print(f"{'  median':32} {median:>9,.0f} a second")
            results[work.name] = runs
        if args.peers:
            for peer, command in peers(args.peers):
                report = run_one(WORKLOADS[1], scratch, args.driver, args.seconds, partial(start_peer, command))
                results[peer] = [report]
                print(line(f"peer {peer}, w50", report), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
