"""pcap and pcapng files to the TCP segments in them; read packet by packet, so that their size does not matter.

dpkt reads the headers of packets and of pcap. Of pcapng it reads one interface and one section, so the blocks are
walked here. Errors are one line of `CaptureError`; a file that ends too soon, as one still written to, is over.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final

import dpkt

from smppcore.dissect.tcp import End, Segment
from smppcore.errors import SmppError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PCAP_MAGICS: Final = frozenset((b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"))
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
_LONGEST_BLOCK: Final = 1 << 26
_LARGEST_PACKET: Final = 1 << 20

# What dpkt raises where a packet is not what it says it is
_BROKEN = (dpkt.Error, struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError)


class CaptureError(SmppError):
    """The file is no capture that can be read; the text is one line."""


class Packets:
    """The packets of a capture.

    Args:
        file: At its beginning; read once, forward, so that it may be a pipe.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0
        """Packets read so far."""
        self.unreadable = 0
        """Packets that are broken, or of a link type that is not known."""
        self.fragments = 0
        """Fragments of IP packets: TCP in them cannot be read."""
        self.unknown_links: set[int] = set()
        """Link types that are not known."""

    def segments(self) -> Iterator[Segment]:
        """Read all TCP segments.

        Raises:
            CaptureError: It is no capture, or its structure is broken.
        """
        for time, link_type, data, missing in self._packets():
            self.count += 1
            try:
                segment = self._segment(time, link_type, data, missing)
            except _BROKEN:
                self.unreadable += 1
                continue
            if segment is not None:
                yield segment

    # Files ------------------------------------------------------------------------------------------------------------

    def _packets(self) -> Iterator[tuple[float, int, bytes, int]]:
        """Return time, link type, octets, and how many octets of the packet were not captured."""
        magic = self._read(4)
        if magic == PCAPNG_MAGIC:
            yield from self._pcapng()
        elif magic in PCAP_MAGICS:
            yield from self._pcap(magic)
        else:
            raise CaptureError("neither pcap nor pcapng")

    def _pcap(self, magic: bytes) -> Iterator[tuple[float, int, bytes, int]]:
        header_class = dpkt.pcap.FileHdr if magic[:1] == b"\xa1" else dpkt.pcap.LEFileHdr
        order = ">" if magic[:1] == b"\xa1" else "<"
        fraction = 1e-9 if b"\x3c" in magic else 1e-6
        try:
            header = header_class(magic + self._read(20))
        except _BROKEN as exc:
            raise CaptureError("the pcap file ends within its header") from exc
        link_type = header.linktype & 0xFFFF
        packet_header = struct.Struct(order + "IIII")
        while len(head := self._read(16)) == 16:
            seconds, part, captured, length = packet_header.unpack(head)
            if captured > _LARGEST_PACKET:
                raise CaptureError(f"a packet of {captured} octets at packet {self.count + 1}: the file is damaged")
            data = self._read(captured)
            if len(data) < captured:
                return
            yield seconds + part * fraction, link_type, data, max(0, length - captured)

    def _pcapng(self) -> Iterator[tuple[float, int, bytes, int]]:
        order = "<"
        interfaces: list[tuple[int, float, int]] = []  # link type, unit of its times, snaplen
        head = PCAPNG_MAGIC + self._read(4)
        while len(head) == 8:
            if head[:4] == PCAPNG_MAGIC:
                marker = self._read(4)
                order = "<" if marker == b"\x4d\x3c\x2b\x1a" else ">"
                interfaces = []
                body = self._block(head, order, 12)
            else:
                body = self._block(head, order, 8)
            if body is None:
                return
            (kind,) = struct.unpack(order + "I", head[:4])
            try:
                if kind == dpkt.pcapng.PCAPNG_BT_IDB:
                    interfaces.append(_interface(body, order))
                elif kind == dpkt.pcapng.PCAPNG_BT_EPB:
                    yield _enhanced(body, order, interfaces)
                elif kind == dpkt.pcapng.PCAPNG_BT_SPB and interfaces:
                    (length,) = struct.unpack_from(order + "I", body)
                    link_type, _, snaplen = interfaces[0]
                    captured = min(length, snaplen or length)
                    yield 0.0, link_type, body[4 : 4 + captured], length - captured
            except (struct.error, IndexError):
                self.unreadable += 1
            head = self._read(8)

    def _block(self, head: bytes, order: str, before: int) -> bytes | None:
        """Read the rest of a block; return what is between its two lengths, None at the end of the file."""
        (length,) = struct.unpack(order + "I", head[4:])
        if not before + 4 <= length <= _LONGEST_BLOCK:
            raise CaptureError(f"a pcapng block of {length} octets after packet {self.count}: the file is damaged")
        rest = self._read(-(-length // 4) * 4 - before)
        return rest[:-4] if len(rest) == -(-length // 4) * 4 - before else None

    def _read(self, octets: int) -> bytes:
        """Read so many octets; fewer at the end of the file."""
        parts: list[bytes] = []
        while octets > 0:
            part = self._file.read(octets)
            if not part:
                break
            parts.append(part)
            octets -= len(part)
        return b"".join(parts)

    # Packets ----------------------------------------------------------------------------------------------------------

    def _segment(self, time: float, link_type: int, data: bytes, missing: int) -> Segment | None:
        reader = _LINK_TYPES.get(link_type)
        if reader is None:
            self.unknown_links.add(link_type)
            self.unreadable += 1
            return None
        packet = reader(data)
        while isinstance(packet, dpkt.Packet) and not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
            packet = packet.data
        if not isinstance(packet, dpkt.Packet):
            return None
        if isinstance(packet, dpkt.ip.IP) and (packet.mf or packet.offset):
            self.fragments += packet.p == dpkt.ip.IP_PROTO_TCP
            return None
        tcp = packet.data
        if not isinstance(tcp, dpkt.tcp.TCP):
            return None
        return Segment(
            time,
            End(dpkt.utils.inet_to_str(packet.src), tcp.sport),
            End(dpkt.utils.inet_to_str(packet.dst), tcp.dport),
            tcp.seq,
            bytes(tcp.data),
            syn=bool(tcp.flags & dpkt.tcp.TH_SYN),
            fin=bool(tcp.flags & dpkt.tcp.TH_FIN),
            rst=bool(tcp.flags & dpkt.tcp.TH_RST),
            missing=missing,
        )


def _interface(body: bytes, order: str) -> tuple[int, float, int]:
    """Read an Interface Description Block: the link type, the unit of its times in seconds, the snaplen."""
    link_type, _, snaplen = struct.unpack_from(order + "HHI", body)
    unit = 1e-6
    position = 8
    while position + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, position)
        if code == dpkt.pcapng.PCAPNG_OPT_IF_TSRESOL and length == 1:
            resolution = body[position + 4]
            unit = 2.0 ** -(resolution & 0x7F) if resolution & 0x80 else 10.0**-resolution
        if code == 0:
            break
        position += 4 + -(-length // 4) * 4
    return link_type, unit, snaplen


def _enhanced(body: bytes, order: str, interfaces: list[tuple[int, float, int]]) -> tuple[float, int, bytes, int]:
    number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
    link_type, unit, _ = interfaces[number]
    return (high << 32 | low) * unit, link_type, body[20 : 20 + captured], max(0, length - captured)


def _raw(data: bytes) -> dpkt.Packet:
    """A packet without a link layer; its first four bits are the version of IP."""
    return dpkt.ip6.IP6(data) if data[:1] >= b"\x60" else dpkt.ip.IP(data)


def _loopback(data: bytes) -> dpkt.Packet:
    """Four octets of address family, in the byte order of the machine that captured, then IP."""
    return _raw(data[4:])


# https://www.tcpdump.org/linktypes.html; 12 and 14 are what BSDs call raw IP
_LINK_TYPES: dict[int, Callable[[bytes], dpkt.Packet]] = {
    0: _loopback,
    1: dpkt.ethernet.Ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: dpkt.sll.SLL,
    228: _raw,
    229: _raw,
    276: dpkt.sll2.SLL2,
}
