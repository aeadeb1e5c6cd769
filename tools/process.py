"""A bridge in a process and a folder of its own, for tools that do it harm; and how such a tool says its verdict.

Rules: a process is ended by its own id, by the one who started it, on every way out.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

SMPPBRIDGE = Path(sys.executable).with_name("smppbridge")
LOOK = 0.005
"""Seconds between two looks at something that cannot wake us."""

RULES = """\
version = "driver.1"

[brand.acme]
country = "US"
name = "Acme"
languages = ["en"]
numbers = ["12345"]
help_contact = "help@acme.example"

[[pattern]]
name = "balance"
regex = '(?i)^balance (?P<token>\\d{7})\\b'
reply = "balance"

[template.balance]
en = "OK {token}: {brand} has your balance, thank you"

[template.fallback]
en = "Sorry?"

[conversation]
idle_close = "24h"
unmatched = { first = "fallback", second = "escalate" }
"""

CONFIG = """\
[bridge]
data_dir = "{data_dir}"
rules = ["rules.toml"]

[store]
sync = "commit"
max_size = "{max_size}"

[http]
listen = "127.0.0.1:0"

[[link]]
name = "carrier"
port = {port}
system_id = "bridge"
password = "secret"
window = {window}
binds = {binds}
reconnect = {{ initial = "100ms", max = "500ms" }}
retry = {{ initial = "200ms", max = "1s" }}
in_doubt = {{ reply = "{in_doubt}", started = "hold" }}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a configuration and rules, for one bridge."""

    folder: Path
    data_dir: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "bridge.toml"

    @property
    def log(self) -> Path:
        """What the bridge says, all lives one after the other."""
        return self.folder / "bridge.log"

    def write(
        self, port: int, *, window: int, binds: int = 1, in_doubt: str = "resend", max_size: str = "8GiB"
    ) -> None:
        """Write configuration and rules for a bridge of the SMSC on this port of loopback."""
        text = CONFIG.format(
            data_dir=self.data_dir, port=port, window=window, binds=binds, in_doubt=in_doubt, max_size=max_size
        )
        self.config.write_text(text, encoding="utf-8")
        (self.folder / "rules.toml").write_text(RULES, encoding="utf-8")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of smppbridge on this site to its end."""
        return subprocess.run(
            [SMPPBRIDGE, *arguments, "-c", self.config], capture_output=True, text=True, check=False, timeout=120
        )

    def messages(self) -> list[dict[str, object]]:
        """Return the rows of `smppbridge export messages`.

        Raises:
            RuntimeError: The command failed.
        """
        done = self.command("export", "messages", "--format", "jsonl")
        if done.returncode:
            raise RuntimeError(f"export messages ended with {done.returncode}: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def said(self, lines: int = 12) -> str:
        """Return the end of the bridge's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class BridgeEnded(Exception):
    """The bridge ended by itself."""


class Bridge:
    """One life of a bridge: a process of its own.

    Resource handling: start with `running`, which kills what is left on every way out.
    """

    def __init__(self, process: trio.Process) -> None:
        self.process = process

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self.alive:
            self.process.kill()

    async def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; return the exit status.

        Raises:
            BridgeEnded: It did not end within the time.
        """
        self.process.send_signal(signal.SIGTERM)
        with trio.move_on_after(seconds):
            return await self.process.wait()
        raise BridgeEnded(f"SIGTERM did not end the bridge within {seconds:g} s")

    async def until(self, what: str, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for a condition while the bridge runs.

        Raises:
            BridgeEnded: The process ended before, or the time was up.
        """
        deadline = trio.current_time() + seconds
        while not condition():
            if not self.alive:
                raise BridgeEnded(f"the bridge ended with status {self.process.returncode} before: {what}")
            if trio.current_time() > deadline:
                raise BridgeEnded(f"in vain for {seconds:g} s: {what}")
            await trio.sleep(LOOK)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Bridge]:
    """Start a bridge; what is left of it at the end is killed."""
    with site.log.open("ab") as log:
        process = await trio.lowlevel.open_process(
            [SMPPBRIDGE, "run", "-c", site.config], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    bridge = Bridge(process)
    try:
        yield bridge
    finally:
        with trio.CancelScope(shield=True):
            bridge.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verdict."""

    what: str
    found: int | str
    wanted: str
    good: bool
    examples: tuple[object, ...] = ()


def print_checks(title: str, checks: Sequence[Check]) -> bool:
    """Print a verdict as a table; return whether all is well."""
    print(f"\n{title}")
    width = max(len(check.what) for check in checks)
    for check in checks:
        mark = "ok  " if check.good else "FAIL"
        print(f"  {mark} {check.what:<{width}}  {check.found!s:>9}   {check.wanted}")
        if check.examples and not check.good:
            print(f"       e.g. {', '.join(map(str, check.examples[:5]))}")
    return all(check.good for check in checks)


def none_of(what: str, examples: Sequence[object]) -> Check:
    """A check that there is none of something."""
    return Check(what, len(examples), "0", not examples, tuple(examples[:5]))
