"""One connection of a load: a reader, a writer, and PDUs patched into octets that `encode` made once.

A load generator measures other programs, so it must cost little itself: it stands on the stream, not on Session. One
read is one batch, one write is everything that waits. The PDUs that come by the thousand are read in place by whoever
stands on this; everything else goes through `decode`.

Must not be here: what is counted, when something is sent.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod

import trio

from smppcore import constants as c
from smppcore.errors import DecodeError
from smppcore.pdu import Pdu, decode, encode

HEADER = struct.Struct(">IIII")
MAX_PDU_BYTES = 70_000
_READ_BYTES = 256 * 1024
_LAST_WRITE_SECONDS = 1.0
_STREAM_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


def template(pdu: Pdu, *placeholders: bytes) -> bytes:
    """Encode a PDU once, for `patched`: sequence_number and each placeholder, in order of appearance, become a %b."""
    octets = encode(pdu)
    rest = octets[16:].replace(b"%", b"%%")
    for placeholder in placeholders:
        rest = rest.replace(placeholder, b"%b", 1)
    return octets[4:12].replace(b"%", b"%%") + b"%b" + rest


def patched(octets: bytes, sequence: int, *values: bytes) -> bytes:
    """Return a PDU from a template."""
    rest = octets % (sequence.to_bytes(4), *values)
    return (len(rest) + 4).to_bytes(4) + rest


class Connection(ABC):
    """A stream with its tasks.

    Resource handling: the stream is closed when `run` returns. Error handling: a stream that breaks ends `run`, which
    says whether it was the peer's doing.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.output: list[bytes] = []
        """What waits to be written."""
        self.closing = False
        """Nothing more is read; the connection ends when what waits has been written."""
        self.bad_pdus = 0
        """PDUs that could not be decoded."""
        self._stream = stream
        self._wake = trio.Event()
        self._sequence = 0

    @abstractmethod
    def take(self, data: bytes, position: int, stop: int, command: int, status: int, sequence: int) -> bool:
        """Take in a PDU that comes by the thousand; False for any other."""

    @abstractmethod
    def take_other(self, pdu: Pdu) -> None:
        """Take in any other PDU."""

    @abstractmethod
    def begin(self, now: float) -> None:
        """A read begins, before its first `take`."""

    @abstractmethod
    def fill(self, output: list[bytes], now: float) -> None:
        """Append the requests that can be sent now."""

    def next_sequence(self) -> int:
        """Return the sequence_number of the next request (SMPP v3.4 §3.2)."""
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        return self._sequence

    def wake(self) -> None:
        """There may be something to write."""
        self._wake.set()

    async def run(self) -> bool:
        """Serve the connection until it ends; return whether the peer ended it without an unbind."""
        broken = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                if not self.closing:
                    nursery.cancel_scope.cancel()
                else:  # the writer ends by itself, once the last answer is written
                    nursery.cancel_scope.deadline = trio.current_time() + _LAST_WRITE_SECONDS
        except* _STREAM_ERRORS:
            broken = True
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)
        return broken or not self.closing

    async def _read(self) -> None:
        rest = b""
        while not self.closing:
            chunk = bytes(await self._stream.receive_some(_READ_BYTES))
            if not chunk:
                return
            rest = self._scan(rest + chunk if rest else chunk, trio.current_time())
            self._wake.set()

    def _scan(self, data: bytes, now: float) -> bytes:
        """Take all whole PDUs of `data`; return what is left."""
        self.begin(now)
        take, header = self.take, HEADER.unpack_from
        position, end = 0, len(data)
        while end - position >= 16:
            length, command, status, sequence = header(data, position)
            if not 16 <= length <= MAX_PDU_BYTES:
                self.bad_pdus += 1
                self.closing = True
                return b""
            stop = position + length
            if stop > end:
                break
            if not take(data, position, stop, command, status, sequence):
                self._decode(data[position:stop])
            position = stop
        return data[position:]

    def _decode(self, octets: bytes) -> None:
        try:
            pdu = decode(octets)
        except DecodeError as error:
            self.bad_pdus += 1
            if error.command_id < c.RESPONSE_BIT:  # a nack to a response would invite loops
                self.output.append(HEADER.pack(16, c.GENERIC_NACK, error.command_status, error.sequence_number))
            return
        self.take_other(pdu)

    async def _write(self) -> None:
        while True:
            self._wake = trio.Event()
            output, self.output = self.output, []
            if not self.closing:
                self.fill(output, trio.current_time())
            if output:
                await self._stream.send_all(b"".join(output))
            elif self.closing:
                return
            else:
                await self._wake.wait()
