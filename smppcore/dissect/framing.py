"""From a stream's octets to PDUs, also when the stream begins in the middle of one or something else is in between.

Rules:

* A stream that is in step is read by command_length alone, as a peer reads it; whatever the PDU says.
* Out of step, the next PDU is looked for by its shape. What is passed over is said, with its size.
* At most `LONGEST` octets are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smppcore import constants as c
from smppcore.fields import HEADER
from smppcore.pdu import PDU_CLASSES

LONGEST: Final = 0x10000 + 0x400
"""Octets of the longest PDU that is believed: a whole message_payload and its surroundings."""

_KNOWN: Final = frozenset(pdu_class.command_id for pdu_class in PDU_CLASSES)
_HEADER_ONLY: Final = frozenset(
    (c.ENQUIRE_LINK, c.ENQUIRE_LINK_RESP, c.UNBIND, c.UNBIND_RESP, c.GENERIC_NACK, c.CANCEL_SM_RESP, c.REPLACE_SM_RESP)
)
_LARGEST_STATUS: Final = 0xFFFF


def has_shape(data: bytes | bytearray, start: int = 0) -> bool:
    """Whether what begins here has the header of a PDU: a length, a command and a status that can be."""
    if len(data) - start < HEADER.size:
        return False
    length, command_id, status, _ = HEADER.unpack_from(data, start)
    if not HEADER.size <= length <= LONGEST or command_id not in _KNOWN or status > _LARGEST_STATUS:
        return False
    return length <= HEADER.size + 64 if command_id in _HEADER_ONLY else True


def find_pdu(data: bytes | bytearray, start: int = 0) -> int:
    """Return where a PDU begins that is followed by another one or by the end; -1 if none does."""
    while True:
        # command_id's second and third octets are NUL in every command that there is
        start = data.find(b"\0", start)
        if start < 0 or start + HEADER.size > len(data):
            return -1
        if has_shape(data, start):
            after = start + int.from_bytes(data[start : start + 4], "big")
            if after >= len(data) or has_shape(data, after) or len(data) - after < HEADER.size:
                return start
        start += 1


@dataclass(slots=True)
class Framed:
    """What came out of a stream: a PDU, or octets that are none."""

    octets: bytes
    """The PDU; b"" for what was passed over."""
    skipped: int = 0
    """Octets that were passed over."""
    why: str = ""
    """Why they were."""


class Framer:
    """One direction of one stream.

    Args:
        in_step: The first octet is that of a PDU.
        why: Why it may not be, if so.
    """

    def __init__(self, *, in_step: bool = True, why: str = "") -> None:
        self.in_step = in_step
        self.found = 0
        """PDUs so far."""
        self._buffer = bytearray()
        self._skipped = 0
        self._why = why

    def feed(self, data: bytes) -> list[Framed]:
        """Take the next octets; return what has become whole."""
        self._buffer += data
        framed: list[Framed] = []
        while self._take(framed):
            pass
        return framed

    def gap(self, octets: int, why: str) -> list[Framed]:
        """Octets of the stream are missing here: look for the next PDU."""
        framed = self.end()
        self.in_step = False
        self._skipped = max(0, octets)
        self._why = why
        return framed

    def end(self) -> list[Framed]:
        """No more octets come; return what that leaves."""
        rest = len(self._buffer) + self._skipped
        why = (self._why or "it ends within a PDU") if rest else ""
        self._buffer.clear()
        self._skipped = 0
        self._why = ""
        return [Framed(b"", rest, why)] if rest else []

    def _take(self, framed: list[Framed]) -> bool:
        buffer = self._buffer
        if not self.in_step and not self._resynchronise(framed):
            return False
        if len(buffer) < 4:
            return False
        length = int.from_bytes(buffer[:4], "big")
        if not HEADER.size <= length <= LONGEST:
            self.in_step = False
            self._why = f"a command_length of {length} cannot be (SMPP v3.4 §5.1.1)"
            return self._drop(1)  # whatever is found begins later
        if len(buffer) < length:
            return False
        framed.append(Framed(bytes(buffer[:length])))
        self.found += 1
        del buffer[:length]
        return True

    def _resynchronise(self, framed: list[Framed]) -> bool:
        buffer = self._buffer
        start = find_pdu(buffer)
        if start < 0:
            # Only the last octets can still become a header
            self._drop(max(0, len(buffer) - HEADER.size + 1))
            return False
        self._drop(start)
        if self._skipped:
            framed.append(Framed(b"", self._skipped, self._why))
        self._skipped = 0
        self._why = ""
        self.in_step = True
        return True

    def _drop(self, octets: int) -> bool:
        del self._buffer[:octets]
        self._skipped += octets
        return True
