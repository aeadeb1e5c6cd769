"""A capture's TCP segments to PDUs.

Rules:

* SMPP is found on any port by its shape; on a port that was named everything is SMPP.
* A connection that is not SMPP is forgotten as soon as that shows, so that a capture may hold anything else.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, BinaryIO, Final

from smppcore.dissect.capture import Packets
from smppcore.dissect.found import Begin, Found, Item, Remark
from smppcore.dissect.framing import Framed, Framer, has_shape
from smppcore.dissect.tcp import MAX_STREAMS, Piece, Reassembly, StreamKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATIENCE: Final = 1 << 18
"""Octets of a stream begun in the middle after which it is not SMPP."""
_MOST_OTHERS: Final = 100_000


class _Direction:
    __slots__ = ("begun", "framer", "octets")

    def __init__(self, framer: Framer, *, begun: bool) -> None:
        self.framer = framer
        self.begun = begun
        """Its first octet is in the capture."""
        self.octets = 0


class CaptureReader:
    """The PDUs of a capture.

    Args:
        file: pcap or pcapng, at its beginning.
        port: Of the SMSC; 0: any.
    """

    def __init__(self, file: BinaryIO, port: int = 0) -> None:
        self._packets = Packets(file)
        self._port = port
        self._reassembly = Reassembly()
        self._directions: OrderedDict[StreamKey, _Direction] = OrderedDict()
        self._others: OrderedDict[StreamKey, None] = OrderedDict()
        self._tls = 0
        self._found = 0

    def items(self) -> Iterator[Item]:
        """Read it all, a packet at a time.

        Raises:
            CaptureError: It is no capture, or its structure is broken.
        """
        packets = self._packets
        time: float | None = None
        for segment in packets.segments():
            time = segment.time
            if self._port and self._port not in (segment.source.port, segment.destination.port):
                continue
            key = segment.source, segment.destination
            if segment.syn:
                self._others.pop(key, None)
            elif key in self._others:
                continue
            yield from self._read(key, self._reassembly.add(segment), time)
        for key, pieces in self._reassembly.finish():
            yield from self._read(key, pieces, time)
        for key, direction in self._directions.items():
            yield from self._shown(key, direction, direction.framer.end(), time)
        yield from self._closing()

    def _read(self, key: StreamKey, pieces: Iterable[Piece], time: float | None) -> Iterator[Item]:
        for piece in pieces:
            if piece.begins:
                before = self._directions.pop(key, None)
                if before is not None:
                    yield from self._shown(key, before, before.framer.end(), time)
                self._directions[key] = self._begin(begun=piece.in_step)
                if len(self._directions) > MAX_STREAMS:
                    self._directions.popitem(last=False)
                if piece.in_step:
                    yield Begin(_link(key))
            direction = self._directions.get(key)
            if direction is None:
                continue
            self._directions.move_to_end(key)
            framed: list[Framed] = []
            if piece.gap:
                framed += direction.framer.gap(piece.gap, f"{piece.gap} octets are missing in the capture")
            if piece.data:
                if not direction.octets and piece.data[:2] == b"\x16\x03":  # a handshake of TLS (RFC 8446 §5.1)
                    self._tls += 1
                direction.octets += len(piece.data)
                framed += direction.framer.feed(piece.data)
            if piece.ends:
                framed += direction.framer.end()
            yield from self._shown(key, direction, framed, time)
            if not direction.framer.found and not self._port and self._is_other(direction, piece.data):
                del self._directions[key]
                self._others[key] = None
                if len(self._others) > _MOST_OTHERS:
                    self._others.popitem(last=False)

    def _begin(self, *, begun: bool) -> _Direction:
        if begun:
            framer = Framer(in_step=bool(self._port), why="no PDU begins there")
        else:
            framer = Framer(in_step=False, why="the capture begins within a PDU")
        return _Direction(framer, begun=begun)

    def _is_other(self, direction: _Direction, data: bytes) -> bool:
        if direction.begun and direction.octets == len(data) >= 16:
            return not has_shape(data)
        return direction.octets > PATIENCE

    def _shown(
        self, key: StreamKey, direction: _Direction, framed: Iterable[Framed], time: float | None
    ) -> Iterator[Item]:
        place = f"packet {self._packets.count}"
        shown = f"{key[0]} → {key[1]}"
        for each in framed:
            if each.octets:
                self._found += 1
                yield Found(each.octets, place, time, link=_link(key), sender=key[0], direction=shown)
            elif direction.framer.found or self._port:
                text = f"{each.skipped} octets passed over: {each.why}"
                yield Remark(text, place, time, shown, undecodable=not each.why.startswith("the capture begins"))

    def _closing(self) -> Iterator[Item]:
        """What is to be said of the whole capture."""
        packets = self._packets
        if packets.fragments:
            yield Remark(f"{packets.fragments} fragments of IP packets are passed over")
        if packets.unknown_links:
            kinds = ", ".join(str(kind) for kind in sorted(packets.unknown_links)[:5])
            yield Remark(f"packets of link type {kinds} cannot be read", undecodable=True)
        elif packets.unreadable:
            yield Remark(f"{packets.unreadable} packets are malformed")
        if self._tls and not self._found:
            yield Remark(
                f"{self._tls} streams are TLS, in which nothing can be seen: switch on the link's PDU trace instead"
            )


def _link(key: StreamKey) -> StreamKey:
    """Return the connection that a direction is of."""
    return key if key[0] <= key[1] else (key[1], key[0])
