"""A full disk: the bridge must answer with a temporary error, stay up, and go on by itself when there is room.

    python tools/full_disk.py               both cases
    python tools/full_disk.py --case disk   a small tmpfs under [bridge] data_dir, filled up while texts come
    python tools/full_disk.py --case size   [store] max_size: from 95% on only what is open is settled

The tmpfs is mounted as root, or in a user and mount namespace of its own (`unshare -rm`). Where neither can be had the
case "disk" says so and ends with status 77; the case "size" needs no rights. The driver (`driver.py`) delivers again
what was refused. Exit status 0: all is as it should be; 1: the table says what is not.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from driver import ENQUIRE, Driver, expected_state, message_state, serving
from process import Bridge, BridgeEnded, Check, Site, none_of, print_checks, running

from bridge.store.lmdb import LmdbReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driver import Text

Row = dict[str, object]

CANNOT = 77
"""Exit status: this machine does not let us make a small file system."""
FULL = "ESME_RX_T_APPN"
"""The answer to a text that cannot be kept (0x64)."""
RATE = 200.0
"""Texts per second for the disk that is full at once."""
GROWING_RATE = 4000.0
"""Texts per second for the store that grows to its limit."""
MAX_SIZE = 16 << 20
"""Octets of [store] max_size: the least that the configuration takes."""
GOES_ON = 30.0
"""Seconds within which everything must be answered when there is room."""
NO_SPACE = os.strerror(errno.ENOSPC)
_NAMESPACE = "FULL_DISK_NAMESPACE"


@contextmanager
def tmpfs(size: str) -> Iterator[Path]:
    """Mount a small file system.

    Raises:
        PermissionError: It cannot be mounted.
    """
    folder = Path(tempfile.mkdtemp(prefix="full-disk-"))
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PermissionError(done.stderr.strip())
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


def in_namespace() -> int | None:
    """Run this program again in a namespace where it may mount; return its status, None if that cannot be had."""
    if os.environ.get(_NAMESPACE) or shutil.which("unshare") is None:
        return None
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        return None
    command = ["unshare", "-rm", sys.executable, __file__, "--case", "disk"]
    return subprocess.run(command, env={**os.environ, _NAMESPACE: "1"}, check=False).returncode


def fill(file: Path) -> int:
    """Write to the end of a file until the disk is full; return its size in octets."""
    with file.open("ab", buffering=0) as ballast:
        for size in (1 << 20, 4096):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError as exc:
                if exc.errno != errno.ENOSPC:
                    raise
    return file.stat().st_size


class Stage:
    """What both cases do with a bridge and a driver, and what they note."""

    def __init__(self, driver: Driver, bridge: Bridge) -> None:
        self.driver = driver
        self.bridge = bridge
        self.checks: list[Check] = []

    async def normal(self, texts: int) -> None:
        """Have some texts answered and their receipts taken."""
        self.driver.sending = True
        await self.bridge.until("texts are answered", lambda: self.driver.totals.taken >= texts)

    async def leave_in_the_air(self) -> list[Text]:
        """Withhold answers and receipts until some replies wait for theirs; return their texts."""
        driver = self.driver
        driver.reporting = driver.answering = False
        before = {text.token for text in driver.texts.values() if text.submits}

        def waiting() -> list[Text]:
            return [text for text in driver.texts.values() if text.taken and text.token not in before]

        await self.bridge.until("replies are in the air", lambda: len(waiting()) >= 10)
        return waiting()

    async def until_refused(self, seconds: float = 30.0) -> None:
        """Wait until every text is refused: nothing can be committed any more."""
        driver = self.driver
        last = [-1, 0.0]

        def steady() -> bool:
            taken = driver.totals.acknowledged
            if taken != last[0]:
                last[:] = [taken, trio.current_time()]
            return driver.refusals.get(FULL, 0) >= 20 and trio.current_time() - last[1] > 1.0

        await self.bridge.until("texts are refused", steady, seconds)

    async def while_full(self, seconds: float, commits: Callable[[], int]) -> None:
        """Look for what must not happen while the store has no room.

        Args:
            seconds: For how long.
            commits: How many commits there have been that could have taken a text. Old pages are used again, so a
                small commit may succeed on a full disk, and what it took may be acknowledged: a time in which one did
                says little, the next is looked at, up to ten.
        """
        driver = self.driver
        for _ in range(10):
            count = commits()
            # What the last commit took is acknowledged by now
            await trio.sleep(0.5)
            before, refused = replace(driver.totals), driver.refusals.get(FULL, 0)
            with trio.move_on_after(seconds):
                await self.bridge.process.wait()
            refused = driver.refusals.get(FULL, 0) - refused
            enquired = await self.enquire()
            taken = driver.totals.acknowledged - before.acknowledged
            submits = driver.totals.submits - before.submits
            committed = commits() - count
            if not committed:
                break
        few = f"0, or by the {committed} commits" if committed else "0"
        self.checks += [
            Check("the process stays up", "yes" if self.bridge.alive else "no", "yes", self.bridge.alive),
            enquired,
            Check(f"while full: texts refused with {FULL}", refused, "> 0", refused > 0),
            Check("while full: texts acknowledged", taken, few, taken == 0 or committed > 0),
            Check("while full: submit_sm's", submits, few, submits == 0 or committed > 0),
        ]

    async def enquire(self) -> Check:
        """Say nothing for a while, so that the sessions ask; the next question comes when the last was answered."""
        driver = self.driver
        sessions = driver.bound
        driver.silent = True
        before = driver.asked
        await trio.sleep(10 * ENQUIRE)
        answered = driver.asked - before - 1
        driver.silent = False
        return Check("while full: enquire_link's answered", answered, "≥ 4", answered >= 4 and driver.bound == sessions)

    async def go_on(self) -> None:
        """Wait until everything is acknowledged and answered."""
        driver = self.driver
        driver.sending = False
        driver.reporting = driver.answering = True
        began = trio.current_time()
        try:
            await self.bridge.until(
                "all is answered", lambda: driver.totals.open == 0 and next(driver.unanswered(), None) is None, GOES_ON
            )
        except BridgeEnded:
            if not self.bridge.alive:
                raise
        took = trio.current_time() - began
        self.checks.append(Check("goes on: all is settled after", f"{took:.1f} s", f"< {GOES_ON:g} s", took < GOES_ON))
        # A reply that is sent twice would come now
        await trio.sleep(1.5)


def compare(driver: Driver, rows: list[Row], in_the_air: list[Text]) -> list[Check]:
    """Compare the export with the books."""
    texts = list(driver.texts.values())
    mos = {str(row["text"]): row for row in rows if row["kind"] == "mo"}
    by_mo = {row["mo"]: row for row in rows if row["kind"] == "mt"}
    replies = {t.token: by_mo.get(mo["id"]) for t in texts if (mo := mos.get(body(t))) is not None}

    def wrong(text: Text) -> bool:
        """Whether the reply's row does not say which id it got and what its receipt said."""
        row = replies.get(text.token)
        if row is None or row["state"] != expected_state(text.token):
            return True
        return row["message_ids"] != [reply.message_id for reply in text.taken]

    refused = [t for t in texts if t.refused]
    return [
        Check("texts", len(texts), "all acknowledged", all(t.acknowledged for t in texts)),
        Check("texts refused, then taken and answered", len(refused), "> 0, all", bool(refused)),
        none_of("texts without exactly one row", [t.token for t in texts if t.token not in replies])
        if len(mos) == sum(row["kind"] == "mo" for row in rows)
        else Check("texts without exactly one row", "some", "0", good=False),
        none_of("texts not answered", [t.token for t in driver.unanswered()]),
        none_of("texts answered twice", [t.token for t in texts if len(t.taken) > 1 or t.denied > 1]),
        none_of("replies to a text that was not acknowledged", [t.token for t in texts if t.unasked]),
        Check("replies in the air when the disk was full", len(in_the_air), "> 0", bool(in_the_air)),
        none_of("of these, id or receipt not recorded", [t.token for t in in_the_air if wrong(t)]),
        none_of("replies, id or receipt not recorded", [t.token for t in texts if wrong(t)]),
        none_of("submit_sm's that answer no text", driver.strays),
    ]


def body(text: Text) -> str:
    """The text as the export shows it."""
    return f"balance {text.token:07d} please"


async def disk(folder: Path, mount: Path) -> list[Check]:
    """Fill the file system under the running bridge, then make room."""
    driver = Driver(window=50, rate=RATE)
    site = Site(folder, mount / "var")
    async with serving(driver) as port:
        site.write(port, window=50)
        async with running(site) as bridge:
            stage = Stage(driver, bridge)
            await stage.normal(200)
            in_the_air = await stage.leave_in_the_air()
            ballast = mount / "ballast"
            size = await trio.to_thread.run_sync(fill, ballast)
            print(f"filled the disk with {size >> 10} KiB")
            await stage.until_refused()
            await until_enospc(site, bridge, ballast)
            # The answers come while nothing can be written, and so do the receipts
            driver.answering = driver.reporting = True
            await stage.while_full(3.0, lambda: commits_of(site.data_dir))
            stage.checks.append(seen_enospc(site))
            ballast.unlink()
            print("made room")
            driver.sending = True
            await trio.sleep(1.0)
            await stage.go_on()
            status = await bridge.stop()
    return [
        *stage.checks,
        Check("exit status after SIGTERM", status, "0", status == 0),
        *compare(driver, site.messages(), in_the_air),
        store_check(site),
    ]


def commits_of(data_dir: Path) -> int:
    """Return how many commits a store holds."""
    reader = LmdbReader(data_dir)
    try:
        return reader.position.commit
    finally:
        reader.close()


async def until_enospc(site: Site, bridge: Bridge, ballast: Path) -> None:
    """Make the store see ENOSPC itself: with a little room a write is only cut short, and LMDB calls that EIO."""
    for _ in range(50):
        if NO_SPACE in site.log.read_text(encoding="utf-8"):
            return
        cut(ballast)
        with trio.move_on_after(0.1):
            await bridge.process.wait()
        await trio.to_thread.run_sync(fill, ballast)
        with trio.move_on_after(0.1):
            await bridge.process.wait()


def cut(file: Path) -> None:
    """Take a little off the end of a file."""
    os.truncate(file, file.stat().st_size - (64 << 10))


def seen_enospc(site: Site) -> Check:
    """Whether the system itself said that there is no space, errno 28; print what the store said."""
    said = Counter(re.findall(r"WARNING smppbridge: (.*)", site.log.read_text(encoding="utf-8")))
    for line, times in said.most_common(5):
        print(f"{times:6} × {line}")
    found = sum(times for line, times in said.items() if NO_SPACE in line)
    return Check("ENOSPC seen by the store, lines of its log", found, "> 0", found > 0)


def store_check(site: Site) -> Check:
    """Have the bridge check its own store."""
    status = site.command("store", "check").returncode
    return Check("exit status of store check", status, "0", status == 0)


async def size(folder: Path) -> list[Check]:
    """Let the store grow to 95% of its maximum size, then start again with a larger one."""
    driver = Driver(window=50, rate=GROWING_RATE)
    site = Site(folder, folder / "var")
    async with serving(driver) as port:
        site.write(port, window=50, max_size=f"{MAX_SIZE >> 20}MiB")
        async with running(site) as bridge:
            stage = Stage(driver, bridge)
            await stage.normal(200)
            data = site.data_dir / "data.mdb"
            await bridge.until("93% of max_size are used", lambda: data.stat().st_size > 0.93 * MAX_SIZE, 120.0)
            # What is open when the store is full has to be settled after it
            driver.reporting = False
            await bridge.until("texts are refused", lambda: driver.refusals.get(FULL, 0) > 0, 60.0)
            driver.answering = False
            await stage.until_refused()
            in_the_air = [text for text in driver.texts.values() if any(not reply.settled for reply in text.taken)]
            driver.answering = driver.reporting = True
            await bridge.until(
                "receipts are taken while texts are refused",
                lambda: all(reply.settled for text in in_the_air for reply in text.taken if has_receipt(text)),
            )
            await stage.while_full(3.0, lambda: 0)
            status = await bridge.stop()
            stage.checks.append(Check("exit status after SIGTERM, while full", status, "0", status == 0))
        used = data.stat().st_size / MAX_SIZE
        stage.checks.append(Check("of max_size used", f"{used:.1%}", "95% … 100%", 0.94 <= used <= 1.0))
        site.write(port, window=50, max_size="64MiB")
        async with running(site) as bridge:
            stage.bridge = bridge
            await bridge.until("the bind", lambda: driver.bound > 0)
            await stage.go_on()
            status = await bridge.stop()
    return [
        *stage.checks,
        Check("exit status after SIGTERM", status, "0", status == 0),
        *compare(driver, site.messages(), in_the_air),
        store_check(site),
    ]


def has_receipt(text: Text) -> bool:
    """Whether the driver sends a receipt for the replies to this text."""
    return message_state(text.token) is not None


def judge(title: str, run: Callable[[], list[Check]]) -> int:
    """Run a case and print its verdict; return the exit status."""
    checks: list[Check] = []
    try:
        checks = run()
    except* BridgeEnded as group:
        print(f"{title}:", *group.exceptions)
    return 0 if checks and print_checks(title, checks) else 1


def disk_case() -> int:
    """Run the case "disk" where it can be had; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        try:
            with tmpfs("32m") as mount:
                return judge("a full disk (tmpfs)", lambda: trio.run(disk, Path(folder), mount))
        except PermissionError as exc:
            status = in_namespace()
            if status is None:
                print(f"no tmpfs can be mounted here ({exc}), and no namespace be had (unshare -rm)")
                return CANNOT
            return status


def size_case() -> int:
    """Run the case "size"; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        return judge("a full store ([store] max_size)", lambda: trio.run(size, Path(folder)))


def main() -> int:
    """Run the cases; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=("disk", "size", "both"), default="both")
    options = parser.parse_args()
    if options.case == "disk":
        return disk_case()
    if options.case == "size":
        return size_case()
    status = disk_case()
    if status == CANNOT:
        print('the case "size" stands in for it: no ENOSPC is seen')
        return size_case()
    return size_case() or status


if __name__ == "__main__":
    sys.exit(main())
