"""A connection of the simulator with the faults of its stream, and the place where a judge sees every octet.

Rules:

1. What the ESME sends is shown to the witness as it comes, what the session answers as it answers: a response that a
   fault loses or delays counts as given, for the ESME cannot know better.
2. Half-open is silent in both directions until the fault ends; closing a silent stream keeps the socket open.
3. The link is the only caller of send_all; what leaves later goes between its writes, never into one.

Must not be here: what strikes which PDU.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import trio

from smppcore.testbed.faults import Coalesce, HalfOpen, SlowRead, Split
from smppcore.testbed.outgoing import Outgoing, PduFaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.testbed.judge import Witness
    from smppcore.testbed.triggers import Plan

_STALL_SECONDS = 2.0
_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError)


class WireFaults:
    """The faults of streams, shared by all connections."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pdus = PduFaults(plan)
        self.half_open = plan.of(HalfOpen)
        self.slow_read = plan.of(SlowRead)
        self.split = plan.of(Split)
        self.coalesce = plan.of(Coalesce)
        self.any = self.pdus.any or any((self.half_open, self.slow_read, self.split, self.coalesce))
        """Whether there are any; without, streams go through untouched."""

    def silence(self, system_id: bytes, now: float) -> float:
        """Return how long a connection is silent from now on, in seconds; 0.0 if it is not."""
        return max((self.plan.remaining(fault, system_id, now) for fault in self.half_open), default=0.0)


class Wire(trio.abc.HalfCloseableStream):
    """A stream with faults.

    Resource handling: owns the stream; closing closes it, but in silence does nothing: `stay_silent` waits for its end.

    Args:
        stream: Connected.
        faults: What may go wrong.
        nursery: For what leaves later; lives as long as the connection.
        witness: Is shown every octet; None is nobody.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        faults: WireFaults,
        nursery: trio.Nursery,
        witness: Witness | None,
    ) -> None:
        self.system_id = b""
        """Of the account, once it has bound."""
        self.witness = witness
        self._stream = stream
        self._faults = faults
        self._nursery = nursery
        self._outgoing = Outgoing(faults.pdus)
        self._lock = trio.Lock()
        self._unread = b""
        self._held = b""

    # -- reading -----------------------------------------------------------------------------------------------------

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive octets, when and as slowly as the faults have it."""
        try:
            if self._faults.any:
                data = await self._receive_slowly(max_bytes)
            else:
                data = bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            if self.witness is not None:
                self.witness.ended(trio.current_time())
            raise
        if self.witness is not None:
            now = trio.current_time()
            if data:
                self.witness.received(data, now)
            else:
                self.witness.ended(now)
        return data

    async def _receive_slowly(self, max_bytes: int | None) -> bytes:
        faults = self._faults
        for fault in faults.slow_read:
            if faults.plan.holds(fault, self.system_id, trio.current_time()):
                self._set_receive_buffer(fault.buffer)
                await trio.sleep(fault.pause)
                max_bytes = fault.octets
        # Silence may begin while octets are waited for; a cancelled wait must not lose them
        await self._be_silent()
        if not self._unread:
            self._unread = bytes(await self._stream.receive_some(max_bytes))
            await self._be_silent()
        data, self._unread = self._unread, b""
        return data

    async def _be_silent(self) -> None:
        while silence := self._faults.silence(self.system_id, trio.current_time()):
            self._forgive()
            await trio.sleep(silence)

    def _forgive(self) -> None:
        if self.witness is not None:
            self.witness.forgive()

    def _set_receive_buffer(self, octets: int) -> None:
        """Bound the TCP window."""
        if isinstance(self._stream, trio.SocketStream):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)

    # -- writing -----------------------------------------------------------------------------------------------------

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets, or what the faults make of them."""
        data = bytes(data)
        witness, now = self.witness, trio.current_time()
        if not self._faults.any:
            if witness is not None:
                witness.sent(data, now)
            await self._stream.send_all(data)
            if witness is not None and (took := trio.current_time() - now) > _STALL_SECONDS:
                witness.stalled(took, now)
            return
        if self._faults.silence(self.system_id, now):
            self._forgive()
            return
        leaving = self._outgoing.send(data, self.system_id, now)
        if witness is not None:
            witness.sent(leaving.shown, now)
            for sequence in leaving.excused:
                witness.excuse(sequence)
            if leaving.damaged:
                self._forgive()
        for delay, take in leaving.later:
            self._nursery.start_soon(self._send_later, delay, take)
        await self._send(leaving.octets)
        if leaving.reset:
            self.prepare_reset()
            await trio.aclose_forcefully(self._stream)

    async def _send(self, octets: bytes) -> None:
        now = trio.current_time()
        plan = self._faults.plan
        for coalesce in self._faults.coalesce:
            if plan.holds(coalesce, self.system_id, now):
                if not self._held:
                    self._nursery.start_soon(self._send_later, coalesce.hold, self._release)
                self._held += octets
                return
        async with self._lock:
            octets = self._release() + octets
            for split in self._faults.split:
                if plan.holds(split, self.system_id, now):
                    for start in range(0, len(octets), split.octets):
                        await self._stream.send_all(octets[start : start + split.octets])
                        await trio.sleep(split.pause)
                    return
            if octets:
                await self._stream.send_all(octets)

    def _release(self) -> bytes:
        octets, self._held = self._held, b""
        return octets

    async def _send_later(self, delay: float, take: Callable[[], bytes]) -> None:
        await trio.sleep(delay)
        try:
            async with self._lock:
                octets = take()
                if octets and not self._faults.silence(self.system_id, trio.current_time()):
                    await self._stream.send_all(octets)
        except _ERRORS:
            pass  # the connection has ended before

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a write may be worth its while."""
        await self._stream.wait_send_all_might_not_block()

    # -- ends --------------------------------------------------------------------------------------------------------

    def prepare_reset(self) -> None:
        """Make closing reset the connection and throw away what is queued."""
        if isinstance(self._stream, trio.SocketStream):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def send_eof(self) -> None:
        """Close our side."""
        if not self._faults.silence(self.system_id, trio.current_time()):
            async with self._lock:
                if octets := self._release():
                    await self._stream.send_all(octets)
                if isinstance(self._stream, trio.abc.HalfCloseableStream):
                    await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream, unless it is silent."""
        if self._faults.silence(self.system_id, trio.current_time()):
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.aclose()

    async def stay_silent(self) -> None:
        """Leave the stream open until its silence ends, whatever has become of the session; then close it."""
        try:
            await self._be_silent()
        finally:
            await trio.aclose_forcefully(self._stream)
