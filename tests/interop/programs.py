"""Programs in processes of their own: other people's SMPP peers, and ours.

A peer is a script in `peers/` that takes commands and tells events, one JSON object a line: so one test serves several
libraries. Every program is started here and ended here.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gsm0338
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

PEERS = Path(__file__).parent / "peers"
SMPPBRIDGE = str(Path(sys.executable).with_name("smppbridge"))
PATIENCE = 20.0
"""Seconds that anything may take before a test fails."""

Fields = dict[str, str | int]
Event = dict[str, object]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that nothing tells us of."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def listening(port: int) -> None:
    """Wait until somebody listens on a port of loopback."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                await trio.sleep(0.02)
            else:
                return


class Program:
    """A running process and what it has written, both streams as one list of lines."""

    def __init__(self, name: str, process: trio.Process) -> None:
        self.name = name
        self.process = process
        self.lines: list[str] = []
        self._news = trio.Event()

    @property
    def output(self) -> str:
        """Everything that it has written."""
        return "\n".join(self.lines)

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until what it has written fulfils a condition.

        Raises:
            AssertionError: It does not within PATIENCE.
        """
        with trio.move_on_after(PATIENCE):
            while not condition():
                await self._news.wait()
        assert condition(), f"in vain for {PATIENCE:g} s: {what}; {self.name} wrote:\n{self.output}"

    async def line(self, part: str, count: int = 1) -> None:
        """Wait for a number of lines that contain a text."""
        await self.until(f"{count} lines with {part!r}", lambda: sum(part in line for line in self.lines) >= count)

    async def ended(self) -> int:
        """Wait for its end and return the exit status."""
        with trio.move_on_after(PATIENCE):
            return await self.process.wait()
        raise AssertionError(f"{self.name} does not end:\n{self.output}")

    async def terminate(self) -> int:
        """Ask it to end, and wait."""
        self.process.terminate()
        return await self.ended()

    async def read(self, stream: trio.abc.ReceiveStream) -> None:
        """Take in what it writes until it closes the stream."""
        rest = b""
        async for data in stream:
            *lines, rest = (rest + bytes(data)).split(b"\n")
            if lines:
                self.lines += [line.decode("utf-8", "replace") for line in lines]
                self._tell()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


@asynccontextmanager
async def program(command: Sequence[str | Path], *, cwd: Path | None = None) -> AsyncIterator[Program]:
    """Run a program for as long as the block lasts."""
    process = await trio.lowlevel.open_process(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd
    )
    assert process.stdout is not None
    assert process.stderr is not None
    running = Program(Path(command[0]).name, process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.read, process.stdout)
            nursery.start_soon(running.read, process.stderr)
            yield running
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The readers raise nothing: it is the block's own exception, and a skip must stay one
        error = group.exceptions[0]
        error.add_note(f"{running.name} wrote:\n{running.output[-5000:]}")
        raise error from None
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with trio.move_on_after(5):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()


class Peer:
    """A script of `peers/`: commands in, events out."""

    def __init__(self, running: Program) -> None:
        self.program = running
        self._taken: Counter[str] = Counter()

    async def do(self, command: str, **fields: str | int) -> None:
        """Give it a command."""
        stdin = self.program.process.stdin
        assert stdin is not None
        await stdin.send_all(json.dumps({"do": command, **fields}).encode() + b"\n")

    def events(self, kind: str) -> list[Event]:
        """Return all events of a kind that came so far."""
        found = [json.loads(line) for line in self.program.lines if line.startswith("{")]
        return [event for event in found if event["event"] == kind]

    async def event(self, kind: str) -> Event:
        """Wait for the next event of a kind."""
        taken = self._taken[kind]
        self._taken[kind] += 1
        await self.program.until(f"an event {kind!r}", lambda: len(self.events(kind)) > taken)
        return self.events(kind)[taken]


@asynccontextmanager
async def peer(script: str, *arguments: str) -> AsyncIterator[Peer]:
    """Run a script of `peers/`."""
    path = PEERS / script
    interpreter = "node" if path.suffix == ".js" else sys.executable
    async with program([interpreter, path, *arguments]) as running:
        yield Peer(running)


def whole_texts(events: list[Event], by: str) -> dict[str, str]:
    """Return the whole texts of messages, by one of their addresses, which has one text only.

    `part` is a header or element of 3GPP TS 23.040 §9.2.3.24.1: it ends with the number of parts and the part's own.
    """
    parts: dict[str, dict[int, str]] = {}
    totals: dict[str, int] = {}
    for event in events:
        address, header = str(event[by]), bytes.fromhex(str(event["part"]))
        totals[address], number = (header[-2], header[-1]) if header else (1, 1)
        parts.setdefault(address, {})[number] = text_of(event)
    return {
        address: "".join(text for _, text in sorted(found.items()))
        for address, found in parts.items()
        if len(found) == totals[address]
    }


def text_of(event: Event) -> str:
    """Return a message's text as its peer decoded it, or decoded by a codec that is not ours."""
    if "text" in event:
        return str(event["text"])
    octets = bytes.fromhex(str(event["octets"]))
    return octets.decode("utf-16-be") if event["data_coding"] == 8 else str(gsm0338.Codec().decode(octets)[0])


RULES = """
version = "interop.1"
[brand.acme]
country = "US"
name = "Acme"
languages = ["en"]
numbers = ["12345", "123"]
help_contact = "help@acme.example"
[[keyword]]
words = ["story"]
match = "first"
reply = "story"
[[keyword]]
words = ["сказка"]
match = "first"
reply = "tale"
[[pattern]]
name = "ping"
regex = '(?i)^(?:ping )?(?P<token>\\d+)'
reply = "pong"
[template.pong]
en = "OK {token}: {brand} @ €5 [a]"
[template.story]
en = "%s"
[template.tale]
en = "%s"
[template.fallback]
en = "Sorry?"
[conversation]
idle_close = "24h"
unmatched = { first = "fallback", second = "escalate" }
"""
STORY = " ".join(f"Line {n} of a long story costs €{n}." for n in range(12))
"""A reply of three parts in the GSM alphabet, with characters of its extension."""
TALE = " ".join(f"Строка {n} длинной сказки 🙂." for n in range(8))
"""A reply of several parts in UCS-2, with surrogate pairs."""


class Bridge:
    """A running `smppbridge run` with its folder."""

    def __init__(self, running: Program, config: Path) -> None:
        self.program = running
        self.config = config

    async def stop(self) -> list[dict[str, object]]:
        """Let it drain and end as an operator would; return the export of its store."""
        assert await self.program.terminate() == 0, self.program.output
        assert "Traceback" not in self.program.output, self.program.output
        result = await trio.run_process(
            [SMPPBRIDGE, "export", "messages", "-c", self.config, "--format", "jsonl"], capture_stdout=True
        )
        return [json.loads(line) for line in result.stdout.splitlines()]


@asynccontextmanager
async def bridge(folder: Path, port: int, **options: str | int) -> AsyncIterator[Bridge]:
    """Run a bridge with one link to a port of loopback.

    Args:
        folder: An empty folder.
        port: The SMSC's.
        options: Keys of [[link]]; a string stands in the file as it is, without quotes added.
    """
    (folder / "rules.toml").write_text(RULES % (STORY, TALE), encoding="utf-8")
    link: dict[str, str | int] = {
        "name": '"peer"',
        "port": port,
        "system_id": '"bridge"',
        "password": '"secret"',
        "reconnect": '{ initial = "0.1s", max = "0.5s" }',
        **options,
    }
    config = folder / "bridge.toml"
    config.write_text(
        '[bridge]\ndata_dir = "var"\nrules = ["rules.toml"]\n[store]\nmax_size = "64MiB"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\n[[link]]\n'
        + "".join(f"{key} = {value}\n" for key, value in link.items()),
        encoding="utf-8",
    )
    async with program([SMPPBRIDGE, "run", "-c", config]) as running:
        yield Bridge(running, config)
