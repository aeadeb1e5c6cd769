"""What operations staff do to a running bridge, done under load and judged by an SMSC with books of its own.

    python tools/operations.py                        stop, upgrade, reload and backup at 5,000 texts/s; some minutes
    python tools/operations.py stop upgrade           SIGTERM; a restart as for an upgrade
    python tools/operations.py reload                 SIGHUP with one of three links changed
    python tools/operations.py backup                 `store backup`, restored elsewhere and compared
    python tools/operations.py soak --minutes 40 --rate 3000

stop: exit status 0 within the drain, and every acknowledged text is in the store with its answer; the first part of
upgrade. upgrade: the next process goes on, and afterwards nothing was lost and nothing answered twice. reload: the
other links keep their sockets. backup: the copy is whole, and holds what the original held at that commit. soak:
memory, descriptors and the file's size each minute, with /metrics scraped and the console's stream open. Exit status 0
if every line of the verdict is ok.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import trio
from crash import settle, verify
from driver import Driver, message_state, serving
from process import Bridge, BridgeEnded, Check, Site, none_of, print_checks, running

from bridge.export import message_rows
from bridge.store.lmdb import LmdbReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.store import LogEntry

    Row = dict[str, object]

DRAIN = 10.0
"""Seconds: what a link's `drain` is by default."""
GRACE = 3.0
"""Seconds beyond it for unbinding, the last commit and the end of the process."""
GROWTH = 0.02
"""Of the memory, in the second half of a soak: noise of the allocator."""
GROWTH_MIB = 4
WARM = 2.0
"""Seconds after the bind before the measurement begins."""
_TOKEN = re.compile(r"(?<!\d)\d{7}(?!\d)")


@dataclass(frozen=True, slots=True)
class Options:
    """Of a run."""

    rate: float
    seconds: float
    window: int
    minutes: float


class Run:
    """One bridge under load.

    Args:
        options: Of the run.
        folder: To work in.
        links: How many there are.
    """

    def __init__(self, options: Options, folder: Path, links: int = 1) -> None:
        self.options = options
        self.driver = Driver(window=options.window, rate=options.rate)
        self.site = Site(folder, folder / "var")
        self.links = links
        self.http = _free_port()
        self.rates: list[float] = []
        """Texts acknowledged per second, in each stretch of load."""

    def write(self, port: int, *, changed: str = "") -> None:
        """Write the configuration; a link of this name gets another system_type."""
        self.site.write(port, window=self.options.window)
        head, link = self.site.config.read_text(encoding="utf-8").split("[[link]]")
        head = head.replace("127.0.0.1:0", f"127.0.0.1:{self.http}")
        for number in range(1, self.links + 1):
            name = f"carrier-{number}"
            made = link.replace('"carrier"', f'"{name}"\ngroup = "carrier"').replace('"bridge"', f'"{name}"')
            head += f"[[link]]{made}" + ('system_type = "changed"\n' if name == changed else "")
        self.site.config.write_text(head, encoding="utf-8")

    async def bound(self, bridge: Bridge) -> None:
        """Wait for all links."""
        await bridge.until("the binds", lambda: self.driver.bound == self.links)

    async def load(self, bridge: Bridge, seconds: float) -> None:
        """Let texts come for a while, and note how many were acknowledged."""
        before, began = self.driver.totals.acknowledged, trio.current_time()
        await bridge.until("the load", lambda: trio.current_time() - began >= seconds, seconds + 1)
        self.rates.append((self.driver.totals.acknowledged - before) / (trio.current_time() - began))

    async def finish(self, bridge: Bridge) -> int:
        """Let everything settle, stop; return the exit status."""
        self.driver.sending = False
        await settle(bridge, self.driver, set())
        return await bridge.stop()

    def verdict(self, status: int) -> list[Check]:
        """Compare the books with the store of a bridge that has settled and stopped."""
        checked = self.site.command("store", "check")
        return [
            Check("exit status after SIGTERM", status, "0", status == 0),
            *verify(self.driver, [], self.site.messages(), self.options.window * self.links, hold=False),
            Check("exit status of store check", checked.returncode, "0", checked.returncode == 0),
        ]

    def peers(self) -> dict[str, str]:
        """Return the bridge's address of each link's connection."""
        return {link.session.system_id.decode(): link.peer for link in self.driver.links}

    @property
    def title(self) -> str:
        """What was had of the rate."""
        return f"{self.options.rate:,.0f} texts/s wanted, acknowledged " + ", ".join(
            f"{rate:,.0f}/s" for rate in self.rates
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def by_token(rows: list[Row], kind: str) -> dict[int, list[Row]]:
    """Return the rows of a kind by the token in their text."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        token = _TOKEN.search(str(row["text"]))
        if row["kind"] == kind and token is not None:
            found.setdefault(int(token[0]), []).append(row)
    return found


async def stop(run: Run, *, restarts: int = 0) -> None:
    """SIGTERM under load, so many times with a restart after it; the last process settles."""
    async with serving(run.driver) as port:
        run.write(port)
        run.driver.sending = True
        for life in range(restarts + 1):
            async with running(run.site) as bridge:
                await run.bound(bridge)
                await trio.sleep(WARM)
                await run.load(bridge, run.options.seconds)
                began = trio.current_time()
                status = await bridge.stop(DRAIN + GRACE + 10)
                took = trio.current_time() - began
            if life == 0:
                print_or_raise(run, stopped(run, status, took), "stop")
        if restarts:
            async with running(run.site) as bridge:
                await run.bound(bridge)
                await run.load(bridge, run.options.seconds)
                status = await run.finish(bridge)
            print_or_raise(run, run.verdict(status), f"upgrade: {restarts + 1} restarts")


def stopped(run: Run, status: int, took: float) -> list[Check]:
    """Judge what a bridge left that was stopped under load."""
    texts = run.driver.texts.values()
    rows = run.site.messages()
    mos, mts = by_token(rows, "mo"), by_token(rows, "mt")
    known = [text for text in texts if text.acknowledged]
    unanswered = [row for row in rows if row["kind"] == "mt" and row["state"] in ("queued", "sent")]
    open_claims = [row["id"] for row in unanswered if row["times"]["claimed"]]  # type: ignore[index]
    return [
        Check("exit status", status, "0", status == 0),
        Check("seconds from SIGTERM to the end", f"{took:.2f}", f"≤ {DRAIN + GRACE:g}", took <= DRAIN + GRACE),
        Check("texts acknowledged", len(known), "> 0", bool(known)),
        none_of("acknowledged texts that the store lacks", [t.token for t in known if t.token not in mos]),
        none_of("texts stored twice", [token for token, found in mos.items() if len(found) > 1]),
        none_of("stored texts without one reply", [token for token in mos if len(mts.get(token, ())) != 1]),
        none_of("replies taken twice", [t.token for t in texts if len(t.taken) > 1]),
        none_of("messages left in the air", open_claims),
        Check("replies that wait for the next start", len(unanswered) - len(open_claims), "", good=True),
    ]


async def reload(run: Run) -> None:
    """SIGHUP with one of three links changed."""
    async with serving(run.driver) as port:
        run.write(port)
        run.driver.sending = True
        async with running(run.site) as bridge:
            await run.bound(bridge)
            await trio.sleep(WARM)
            await run.load(bridge, run.options.seconds)
            before = run.peers()
            run.write(port, changed="carrier-2")
            began = trio.current_time()
            bridge.process.send_signal(signal.SIGHUP)
            await bridge.until(
                "the changed link", lambda: len(run.peers()) == 3 and run.peers()["carrier-2"] != before["carrier-2"]
            )
            took = trio.current_time() - began
            await run.load(bridge, run.options.seconds)
            after = run.peers()
            status = await run.finish(bridge)
    kept = sorted(name for name in before if before[name] == after[name])
    print_or_raise(
        run,
        [
            Check("links that kept their socket", " ".join(kept), "1 and 3", kept == ["carrier-1", "carrier-3"]),
            Check("seconds from SIGHUP to the new bind", f"{took:.2f}", f"≤ {DRAIN + GRACE:g}", took <= DRAIN + GRACE),
            *run.verdict(status),
        ],
        "reload",
    )


async def backup(run: Run, folder: Path) -> None:
    """Copy the store under load, restore it elsewhere, compare."""
    copy, other = folder / "copy", Site(folder, folder / "restored")
    async with serving(run.driver) as port:
        run.write(port)
        run.driver.sending = True
        async with running(run.site) as bridge:
            await run.bound(bridge)
            await trio.sleep(WARM)
            await run.load(bridge, run.options.seconds)
            before, began = run.driver.totals.acknowledged, trio.current_time()
            copied = await trio.to_thread.run_sync(run.site.command, "store", "backup", str(copy))
            took = trio.current_time() - began
            meanwhile = (run.driver.totals.acknowledged - before) / took
            await run.load(bridge, run.options.seconds)
            status = await run.finish(bridge)
    checks = run.verdict(status)
    config = run.site.config.read_text(encoding="utf-8")
    run.site.config.write_text(config.replace(f'"{run.site.data_dir}"', f'"{other.data_dir}"'), encoding="utf-8")
    restored = other.command("store", "restore", str(copy))
    checked = other.command("store", "check")
    checks += [
        Check("exit status of store backup", copied.returncode, "0", copied.returncode == 0),
        Check("seconds it took", f"{took:.1f}", "", good=True),
        Check("texts/s acknowledged meanwhile", f"{meanwhile:,.0f}", "", good=True),
        Check("exit status of store restore", restored.returncode, "0", restored.returncode == 0),
        Check("exit status of store check of the copy", checked.returncode, "0", checked.returncode == 0),
        *compared(run.site.data_dir, other.data_dir),
    ]
    print_or_raise(run, checks, "backup")


def compared(original: Path, copy: Path) -> list[Check]:
    """Compare a copy with the store that went on after it: all that no later commit has touched is the same."""
    theirs, ours = LmdbReader(copy), LmdbReader(original)
    position = theirs.position
    log = list(theirs.log())
    before: list[tuple[int, float, list[LogEntry]]] = []
    touched: set[int] = set()
    for entry in ours.log():
        if entry[0] <= position.commit:
            before.append(entry)
        else:
            touched.update(numbers(entry[2]))
    rows = list(message_rows(theirs))
    same = [row for row in message_rows(ours) if row["id"] < position.next_id]  # type: ignore[operator]
    changed = [ours["id"] for ours, row in zip(same, rows, strict=False) if row != ours and row["id"] not in touched]
    theirs.close()
    ours.close()
    return [
        Check("commits in the copy", f"{position.commit:,}", "> 0", position.commit > 0),
        Check("rows in its export", f"{len(rows):,}", f"as in the original: {len(same):,}", len(rows) == len(same)),
        Check("entries of its log", f"{len(log):,}", f"the original's: {len(before):,}", log == before),
        Check("rows that later commits have touched", f"{sum(row['id'] in touched for row in rows):,}", "", good=True),
        none_of("rows that differ and were not touched", changed),
    ]


def numbers(value: object) -> Iterator[int]:
    """Yield every whole number in nested lists."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


@dataclass(frozen=True, slots=True)
class Look:
    """What a process is like at one moment."""

    minute: float
    rss_anon: float
    """MiB."""
    descriptors: int
    file: float
    """MiB."""
    rate: float
    """Texts acknowledged per second since the last look."""

    def __str__(self) -> str:
        return (
            f"{self.minute:6.1f} min  RssAnon {self.rss_anon:7.1f} MiB  descriptors {self.descriptors:3}"
            f"  file {self.file:8.1f} MiB  {self.rate:7,.0f} texts/s"
        )


def look(pid: int, file: Path, minute: float, rate: float) -> Look:
    """Look at a process and its store."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    anon = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    return Look(minute, anon / 1024, len(os.listdir(f"/proc/{pid}/fd")), file.stat().st_size / (1 << 20), rate)


def forget_settled(driver: Driver, newest: int) -> None:
    """Drop from the books the texts up to this one that are over: for a long run they would be most of the memory."""
    for token, text in list(driver.texts.items()):
        if token > newest:
            return
        if (
            text.acknowledged
            and text.denied + len(text.taken) == 1
            and all(taken.settled or message_state(token) is None for taken in text.taken)
        ):
            del driver.texts[token]


async def soak(run: Run) -> None:
    """Load for a long time, looked at every minute."""
    driver, looks = run.driver, list[Look]()
    scrapes = events = 0
    url = f"http://127.0.0.1:{run.http}"

    async def scrape() -> None:
        nonlocal scrapes
        async with httpx2.AsyncClient() as client:
            while True:
                (await client.get(f"{url}/metrics")).raise_for_status()
                scrapes += 1
                await trio.sleep(5.0)

    async def watch() -> None:
        nonlocal events
        async with httpx2.AsyncClient(timeout=None) as client, client.stream("GET", f"{url}/api/v1/live") as stream:
            async for line in stream.aiter_lines():
                events += line.startswith("data")

    async with serving(driver) as port:
        run.write(port)
        driver.sending = True
        async with running(run.site) as bridge:
            await run.bound(bridge)
            await trio.sleep(WARM)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scrape)
                nursery.start_soon(watch)
                began = trio.current_time()
                while (trio.current_time() - began) / 60 < run.options.minutes - 0.01:
                    newest = driver.totals.texts
                    await run.load(bridge, min(60.0, run.options.minutes * 60))
                    minute = (trio.current_time() - began) / 60
                    looks.append(look(bridge.process.pid, run.site.data_dir / "data.mdb", minute, run.rates[-1]))
                    print(looks[-1], flush=True)
                    forget_settled(driver, newest)
                nursery.cancel_scope.cancel()
            status = await run.finish(bridge)
    checked = run.site.command("store", "check")
    # The first minutes fill caches and pages of the outbox; what grows after that would grow for years.
    middle, last = looks[len(looks) // 2], looks[-1]
    print_or_raise(
        run,
        [
            Check("exit status after SIGTERM", status, "0", status == 0),
            Check("texts", f"{driver.totals.texts:,}", "> 0", driver.totals.texts > 0),
            Check("texts or receipts not acknowledged", driver.totals.open, "0", driver.totals.open == 0),
            none_of("texts never answered", [text.token for text in driver.unanswered()]),
            none_of("texts answered twice", [text.token for text in driver.texts.values() if len(text.taken) > 1]),
            none_of("submit_sm's that answer no open text", driver.strays),
            Check("scrapes of /metrics", scrapes, "> 0", scrapes > 0),
            Check("events on the console's stream", events, "> 0", events > 0),
            Check(
                "RssAnon, MiB, from the middle to the end",
                f"{middle.rss_anon:.1f} → {last.rss_anon:.1f}",
                f"≤ {GROWTH:.0%} and {GROWTH_MIB} MiB more",
                last.rss_anon <= middle.rss_anon * (1 + GROWTH) + GROWTH_MIB,
            ),
            Check(
                "descriptors, from the middle to the end",
                f"{middle.descriptors} → {last.descriptors}",
                "≤ 2 more",
                last.descriptors <= middle.descriptors + 2,
            ),
            Check("octets of the file per text", f"{last.file * (1 << 20) / driver.totals.texts:,.0f}", "", good=True),
            Check("exit status of store check", checked.returncode, "0", checked.returncode == 0),
        ],
        f"soak of {run.options.minutes:g} minutes",
    )


def print_or_raise(run: Run, checks: list[Check], what: str) -> None:
    """Print a verdict.

    Raises:
        BridgeEnded: A line of it is not ok.
    """
    if not print_checks(f"{what}: {run.title}", checks):
        raise BridgeEnded(f"{what}: FAILED")


PARTS = ("stop", "upgrade", "reload", "backup", "soak")


async def part(name: str, options: Options, folder: Path) -> None:
    """Do one of them."""
    run = Run(options, folder, links=3 if name == "reload" else 1)
    match name:
        case "stop":
            await stop(run)
        case "upgrade":
            await stop(run, restarts=2)
        case "reload":
            await reload(run)
        case "backup":
            await backup(run, folder)
        case "soak":
            await soak(run)


def main() -> int:
    """Run and judge; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rate", type=float, default=5000.0, help="texts per second at most")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stretch of load")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=40.0, help="of the soak")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    options = Options(arguments.rate, arguments.seconds, arguments.window, arguments.minutes)
    failed = False
    for name in arguments.parts or ("upgrade", "reload", "backup"):
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
            folder = Path(temporary)
            try:
                trio.run(part, name, options, folder)
            except* BridgeEnded as group:
                failed = True
                print(*group.exceptions, Site(folder, folder / "var").said(), sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
