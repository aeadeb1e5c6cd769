"""PDU traces: what goes over a link, a line for each PDU, while somebody wants to see it.

    2026-01-02T03:04:05.000001Z out carrier-a/1 0000001080000015000000000000000a

The file is `trace-LINK.log` in data_dir; `smppbridge decode` reads it. Passwords are hidden always, texts and numbers
unless asked for, inside the octets: a masked PDU decodes as the PDU did.

Rules:

* A link is never touched: its tasks only put what they read or wrote into a bounded list. Framing, masking and writing
  are done in a worker thread; what the list has no room for, or the disk, is dropped and said in the file.
* A file of `MAX_FILE` octets becomes `trace-LINK.log.1`, in place of the one before.
* A trace ends by itself when its time has come.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import trio

from smppcore.dissect.framing import Framer
from smppcore.dissect.masking import mask, mask_passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smppcore.esme import Esme
    from smppcore.link import Link

log = logging.getLogger("smppbridge.trace")

MAX_WAITING: Final = 2 << 20
"""Octets of a link that may wait to be written."""
MAX_FILE: Final = 16 << 20
"""Octets of a file after which a new one is begun."""


@dataclass(slots=True)
class _Chunk:
    """What one read or one write brought."""

    time: float
    direction: str
    tap: _Tap
    data: bytes
    lost: int
    """Octets of this direction that were dropped before it."""


class _Tap:
    """One connection of a traced link; see smppcore.link.Tap."""

    def __init__(self, trace: _Trace, link: Link) -> None:
        self.name = link.name
        self.framers = {"in": Framer(), "out": Framer()}  # used by the writing thread alone
        self._lost = {"in": 0, "out": 0}
        self._trace = trace
        # What was read before belongs to a PDU whose end is still to come
        self.framers["in"].feed(link.session.unfinished)

    def received(self, data: bytes) -> None:
        """Keep what was read."""
        self._keep("in", data)

    def sent(self, data: bytes) -> None:
        """Keep what is written."""
        self._keep("out", data)

    def _keep(self, direction: str, data: bytes) -> None:
        trace = self._trace
        if trace.waiting + len(data) > MAX_WAITING:
            self._lost[direction] += len(data)
            return
        trace.waiting += len(data)
        trace.chunks.append(_Chunk(trace.clock(), direction, self, data, self._lost[direction]))
        self._lost[direction] = 0
        trace.arrived.set()


@dataclass(slots=True)
class _Trace:
    """One traced link."""

    name: str
    path: Path
    esme: Esme
    clock: Callable[[], float]
    arrived: trio.Event
    until: float
    """Seconds since the epoch; math.inf: until it is switched off."""
    masked: bool
    remarks: list[str] = field(default_factory=list)
    """To be written before the next PDU."""
    chunks: list[_Chunk] = field(default_factory=list)
    waiting: int = 0
    """Octets in `chunks`."""
    dropped: int = 0
    """PDUs that could not be written."""
    failure: str = ""
    """Why, "" while writing works."""


class Tracer:
    """The traces of a service.

    Args:
        folder: Where the files go; exists.
        clock: Seconds since the epoch, never going backwards.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock
        self._traces: dict[str, _Trace] = {}
        self._ended: list[_Trace] = []  # what they still hold is to be written
        self._arrived = trio.Event()

    def file(self, link: str) -> Path:
        """Return where a link's trace is written."""
        return self._folder / f"trace-{link}.log"

    def switch_on(self, link: str, esme: Esme, *, seconds: float = math.inf, masked: bool = True) -> None:
        """Trace a link from now on; a trace that is on already is ended first.

        Args:
            link: Its name.
            esme: Its connections.
            seconds: For how long.
            masked: Hide texts and numbers.
        """
        self.switch_off(link)
        until = self._clock() + seconds
        trace = _Trace(link, self.file(link), esme, self._clock, self._arrived, until, masked)
        hidden = "passwords, texts and numbers are masked" if masked else "only passwords are masked"
        end = "" if math.isinf(until) else f", until {_iso(until)}"
        trace.remarks.append(f"trace of link {link} from {_iso(self._clock())}{end}; {hidden}")
        self._traces[link] = trace
        esme.set_tap(lambda connection: _Tap(trace, connection))
        self._arrived.set()

    def switch_off(self, link: str, why: str = "switched off") -> bool:
        """Trace a link no longer; return whether it was traced."""
        trace = self._traces.pop(link, None)
        if trace is None:
            return False
        trace.esme.set_tap(None)
        trace.until = self._clock()
        self._ended.append(trace)
        trace.remarks.append(f"the trace of link {link} ends: {why}")
        self._arrived.set()
        return True

    async def run(self) -> None:
        """Write what the links bring until cancelled."""
        while True:
            due = min((trace.until for trace in self._traces.values()), default=math.inf)
            with trio.move_on_after(max(0.0, due - self._clock())):
                await self._arrived.wait()
            await self._turn()

    async def close(self) -> None:
        """End all traces and write what is left."""
        for link in list(self._traces):
            self.switch_off(link, "the service stops")
        await self._turn()

    async def _turn(self) -> None:
        now = self._clock()
        for link, trace in list(self._traces.items()):
            if trace.until <= now:
                self.switch_off(link, "its time is over")
        self._arrived = trio.Event()
        ended, self._ended = self._ended, []
        for trace in [*ended, *self._traces.values()]:
            trace.arrived = self._arrived
            chunks, trace.chunks = trace.chunks, []
            remarks, trace.remarks = trace.remarks, []
            trace.waiting = 0
            if chunks or remarks:
                before, after = ([], remarks) if trace in ended else (remarks, [])
                if not await trio.to_thread.run_sync(_write, trace, before, chunks, after):
                    trace.remarks = before + trace.remarks


def _write(trace: _Trace, before: list[str], chunks: list[_Chunk], after: list[str]) -> bool:
    """Write chunks as lines between remarks; return whether there was room. Runs in a worker thread, one at a time."""
    lines = [_remark(remark) for remark in before]
    if trace.failure:
        lines.insert(0, _remark(f"{trace.dropped} PDUs are missing here: {trace.failure}"))
    hide = mask if trace.masked else mask_passwords
    pdus = 0
    for chunk in chunks:
        framer = chunk.tap.framers[chunk.direction]
        way = f"{chunk.direction} {chunk.tap.name}"
        framed = framer.gap(chunk.lost, "they came faster than they could be written") if chunk.lost else []
        for each in framed + framer.feed(chunk.data):
            if each.octets:
                pdus += 1
                lines.append(f"{_iso(chunk.time)} {way} {hide(each.octets).hex()}\n")
            else:
                lines.append(_remark(f"{way}: {each.skipped} octets are no PDUs: {each.why}"))
    lines += [_remark(remark) for remark in after]
    try:
        _append(trace.path, "".join(lines).encode())
    except OSError as exc:
        if not trace.failure:
            log.warning("link %s: the trace cannot be written: %s", trace.name, exc.strerror)
        trace.failure = exc.strerror or str(exc)
        trace.dropped += pdus
        return False
    if trace.failure:
        log.info("link %s: the trace can be written again", trace.name)
    trace.failure = ""
    trace.dropped = 0
    return True


def _remark(text: str) -> str:
    return f"# smppbridge: {text}\n"


def _append(path: Path, octets: bytes) -> None:
    """Append to a file, or leave it as it was.

    Raises:
        OSError: There is no room, or no such folder.
    """
    try:
        if path.stat().st_size + len(octets) > MAX_FILE:
            path.replace(path.with_name(path.name + ".1"))
    except FileNotFoundError:
        pass
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            rest = memoryview(octets)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, size)  # half a line would be taken for a PDU
            raise
    finally:
        os.close(descriptor)


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
