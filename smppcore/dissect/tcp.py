"""TCP segments of a capture to streams: in order, without repetitions, and with what is missing said.

Rules:

* Either direction of a connection is a stream of its own. What comes before its turn waits, at most `MAX_WAITING`
  octets in `MAX_WAITING_SEGMENTS` segments; more than that, or the end of the connection, makes what is missing a gap.
* A connection whose beginning is not in the capture begins where the capture does.
* At most `MAX_STREAMS` streams are kept, and `MAX_TOTAL` octets waiting in all; the stream that was silent for longest
  goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_WAITING: Final = 1 << 20
MAX_WAITING_SEGMENTS: Final = 1000
MAX_STREAMS: Final = 4000
MAX_TOTAL: Final = 1 << 26
_MODULUS: Final = 1 << 32


class End(NamedTuple):
    """One side of a connection."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class Segment:
    """One TCP segment, as a packet carried it."""

    time: float
    """Seconds since the epoch."""
    source: End
    destination: End
    sequence: int
    data: bytes
    syn: bool = False
    fin: bool = False
    rst: bool = False
    missing: int = 0
    """Octets at its end that were not captured."""


@dataclass(slots=True)
class Piece:
    """What a segment adds to a stream, in the stream's order."""

    data: bytes = b""
    gap: int = 0
    """Octets that are missing before it."""
    begins: bool = False
    """A new connection: what was before belongs to an earlier one."""
    in_step: bool = False
    """With begins: its first octet is in the capture."""
    ends: bool = False
    """Nothing follows in this direction."""


@dataclass(slots=True)
class _Stream:
    next: int
    """The sequence number that is waited for."""
    first: int | None
    """That of its SYN, None if it is not in the capture."""
    waiting: dict[int, bytes] = field(default_factory=dict)
    octets: int = 0
    ended: bool = False


StreamKey = tuple[End, End]
"""Who sends, and to whom."""


class Reassembly:
    """All streams of a capture."""

    def __init__(self) -> None:
        self._streams: OrderedDict[StreamKey, _Stream] = OrderedDict()
        self._octets = 0
        self.retransmitted = 0
        """Octets that came again."""

    def add(self, segment: Segment) -> list[Piece]:
        """Take one segment; return what it makes readable of its stream.

        The pieces are in order; none if the segment has nothing new or comes before its turn.
        """
        key = segment.source, segment.destination
        stream = self._streams.get(key)
        pieces: list[Piece] = []
        # Not a SYN that came again, as it does in a capture of two interfaces
        if stream is None or (segment.syn and stream.first != segment.sequence):
            self._forget(key)
            first = segment.sequence if segment.syn else None
            stream = self._streams[key] = _Stream((segment.sequence + segment.syn) % _MODULUS, first)
            pieces.append(Piece(begins=True, in_step=segment.syn))
        self._streams.move_to_end(key)
        while len(self._streams) > MAX_STREAMS or self._octets > MAX_TOTAL:
            self._forget(next(iter(self._streams)))
        sequence = (segment.sequence + segment.syn) % _MODULUS
        if segment.data:
            self._keep(stream, sequence, segment.data)
        pieces += self._ready(stream)
        if segment.missing and _ahead(sequence + len(segment.data), stream.next) == 0:
            # The capture was made with a short snaplen: what follows these octets is known not to be there
            pieces.append(Piece(gap=segment.missing))
            stream.next = (stream.next + segment.missing) % _MODULUS
        full = stream.octets > MAX_WAITING or len(stream.waiting) > MAX_WAITING_SEGMENTS
        if full or ((segment.fin or segment.rst) and stream.waiting):
            pieces += self._give_up(stream)
        if (segment.fin or segment.rst) and not stream.ended:
            stream.ended = True
            pieces.append(Piece(ends=True))
        return pieces

    def finish(self) -> list[tuple[StreamKey, list[Piece]]]:
        """The capture is at its end: return what still waits, by stream."""
        left = []
        for key, stream in self._streams.items():
            pieces = self._give_up(stream)
            if pieces:
                left.append((key, pieces))
        return left

    def _forget(self, key: StreamKey) -> None:
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._octets -= stream.octets

    def _count(self, stream: _Stream, octets: int) -> None:
        stream.octets += octets
        self._octets += octets

    def _keep(self, stream: _Stream, sequence: int, data: bytes) -> None:
        ahead = _ahead(sequence, stream.next)
        if ahead < 0:
            if -ahead >= len(data):
                self.retransmitted += len(data)
                return
            self.retransmitted += -ahead
            data = data[-ahead:]
            sequence = stream.next
        known = stream.waiting.get(sequence, b"")
        if len(known) >= len(data):
            self.retransmitted += len(data)
            return
        self._count(stream, len(data) - len(known))
        stream.waiting[sequence] = data

    def _ready(self, stream: _Stream) -> list[Piece]:
        """Take out what continues the stream."""
        pieces: list[Piece] = []
        while stream.waiting:
            data = stream.waiting.pop(stream.next, None)
            if data is None:
                # An overlap: it begins before what is waited for, and ends behind it
                first = min(stream.waiting, key=lambda sequence: _ahead(sequence, stream.next))
                ahead = _ahead(first, stream.next)
                if ahead > 0:
                    break
                data = stream.waiting.pop(first)
                self._count(stream, -len(data))
                self.retransmitted += min(-ahead, len(data))
                data = data[-ahead:]
            else:
                self._count(stream, -len(data))
            if data:
                stream.next = (stream.next + len(data)) % _MODULUS
                pieces.append(Piece(data))
        return pieces

    def _give_up(self, stream: _Stream) -> list[Piece]:
        """Take out everything that waits, with what is missing in between."""
        pieces: list[Piece] = []
        while stream.waiting:
            first = min(stream.waiting, key=lambda sequence: _ahead(sequence, stream.next))
            gap = _ahead(first, stream.next)
            if gap > 0:
                pieces.append(Piece(gap=gap))
                stream.next = first
            pieces += self._ready(stream)
        return pieces


def _ahead(sequence: int, reference: int) -> int:
    """Return how far a sequence number is ahead of another, -2^31 … 2^31 - 1 (RFC 9293 §3.4)."""
    return ((sequence - reference + (_MODULUS >> 1)) % _MODULUS) - (_MODULUS >> 1)
