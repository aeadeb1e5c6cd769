"""Captures: every link type, streams put together again, and damage said instead of raised."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.dissect.capture import CaptureError
from smppcore.dissect.found import Begin, Found, Item, Remark
from smppcore.dissect.framing import LONGEST, Framer
from smppcore.dissect.recording import read
from smppcore.dissect.tcp import MAX_WAITING_SEGMENTS, End, Piece, Reassembly, Segment
from smppcore.pdu import BindTransceiver, BindTransceiverResp, DeliverSM, EnquireLink, SubmitSM, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLIENT, SERVER = End("10.0.0.1", 5000), End("10.0.0.2", 2775)
BIND = encode(BindTransceiver(b"esme", b"secret", sequence_number=1))
BOUND = encode(BindTransceiverResp(b"smsc", sequence_number=1))
TEXT = encode(DeliverSM(source_addr=b"1", destination_addr=b"2", short_message=b"hello", sequence_number=7))
SUBMIT = encode(SubmitSM(source_addr=b"2", destination_addr=b"1", short_message=b"reply", sequence_number=8))
PROBE = encode(EnquireLink(sequence_number=9))
SYN, ACK, FIN = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_FIN


def tcp(sequence: int, data: bytes = b"", flags: int = ACK, *, back: bool = False) -> dpkt.tcp.TCP:
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    return dpkt.tcp.TCP(sport=source.port, dport=destination.port, seq=sequence % 2**32, flags=flags, data=data)


def ip4(segment: dpkt.tcp.TCP, *, back: bool = False, **fields: int) -> bytes:
    source, destination = b"\x0a\0\0\1", b"\x0a\0\0\2"
    if back:
        source, destination = destination, source
    packet = dpkt.ip.IP(src=source, dst=destination, p=6, data=segment, len=20 + len(segment), **fields)
    return bytes(packet)


def ip6(segment: dpkt.tcp.TCP) -> bytes:
    ends = bytes(15) + b"\1", bytes(15) + b"\2"
    return bytes(dpkt.ip6.IP6(src=ends[0], dst=ends[1], nxt=6, hlim=64, plen=len(segment), data=segment))


MACS = bytes(12)
LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "Ethernet": (1, lambda packet: MACS + b"\x08\x00" + packet),
    "Ethernet, padded": (1, lambda packet: MACS + b"\x08\x00" + packet + bytes(9)),
    "VLAN": (1, lambda packet: MACS + b"\x81\x00\x00\x07\x08\x00" + packet),
    "two VLANs": (1, lambda packet: MACS + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00" + packet),
    "raw": (101, lambda packet: packet),
    "raw of BSD": (12, lambda packet: packet),
    "IPv4": (228, lambda packet: packet),
    "loopback": (0, lambda packet: b"\2\0\0\0" + packet),
    "loopback, big-endian": (108, lambda packet: b"\0\0\0\2" + packet),
    "Linux cooked": (113, lambda packet: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800) + packet),
    "Linux cooked v2": (276, lambda packet: struct.pack(">HHiHBB8s", 0x0800, 0, 2, 1, 0, 6, bytes(8)) + packet),
}


def pcap(packets: Sequence[bytes], link_type: int = 101, order: str = "<", *, nano: bool = False) -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    part = 500_000_000 if nano else 500_000
    return head + b"".join(
        struct.pack(order + "IIII", 1_700_000_000 + n, part, len(packet), len(packet)) + packet
        for n, packet in enumerate(packets)
    )


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def pcapng(packets: Sequence[tuple[int, bytes]], link_types: Sequence[int], order: str = "<") -> bytes:
    octets = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    for link_type in link_types:
        octets += block(1, struct.pack(order + "HHI", link_type, 0, 0) + struct.pack(order + "HHB3x", 9, 1, 9), order)
    for n, (interface, packet) in enumerate(packets):
        time = (1_700_000_000 + n) * 10**9 + 500_000_000
        head = struct.pack(order + "IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(packet), len(packet))
        octets += block(6, head + packet, order)
    return octets + block(5, bytes(12), order)  # statistics, which are passed over


def conversation() -> list[dpkt.tcp.TCP]:
    return [
        tcp(99, flags=SYN),
        tcp(499, flags=SYN | ACK, back=True),
        tcp(100, BIND),
        tcp(500, BOUND + TEXT[:10], back=True),
        tcp(500 + len(BOUND) + 10, TEXT[10:], back=True),
        tcp(100 + len(BIND), SUBMIT),
    ]


def packets() -> list[bytes]:
    return [ip4(segment, back=segment.sport == SERVER.port) for segment in conversation()]


def items(octets: bytes, port: int = 0) -> list[Item]:
    return [item for item in read(io.BytesIO(octets), port) if not isinstance(item, Begin)]


def octets_of(found: Sequence[Item]) -> list[bytes]:
    assert not [item for item in found if isinstance(item, Remark)], found
    return [item.octets for item in found if isinstance(item, Found)]


@pytest.mark.parametrize("name", LINKS)
def test_every_link_type_is_read(name: str) -> None:
    link_type, dress = LINKS[name]
    found = items(pcap([dress(packet) for packet in packets()], link_type))
    assert octets_of(found) == [BIND, BOUND, TEXT, SUBMIT]
    first, second, third, _ = (item for item in found if isinstance(item, Found))
    assert first.direction == "10.0.0.1:5000 → 10.0.0.2:2775"
    assert (second.sender, second.link) == (SERVER, first.link)
    assert (first.place, first.time) == ("packet 3", 1_700_000_002.5)
    assert third.place == "packet 5"


def test_ipv6_is_read() -> None:
    found = items(pcap([ip6(tcp(99, flags=SYN)), ip6(tcp(100, BIND))], 229))
    assert octets_of(found) == [BIND]
    assert isinstance(found[0], Found)
    assert found[0].direction == "[::1]:5000 → [::2]:2775"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_byte_orders_and_units_of_pcap(order: str, nano: bool) -> None:
    found = items(pcap(packets(), order=order, nano=nano))
    assert octets_of(found) == [BIND, BOUND, TEXT, SUBMIT]
    assert isinstance(found[0], Found)
    assert found[0].time == 1_700_000_002.5


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_several_interfaces_and_sections(order: str) -> None:
    raw, ethernet = LINKS["raw"][1], LINKS["Ethernet"][1]
    dressed = [(n % 2, (raw, ethernet)[n % 2](packet)) for n, packet in enumerate(packets())]
    octets = pcapng(dressed[:4], [101, 1], order) + pcapng([(0, packet) for packet in packets()[4:]], [101], "<")
    found = items(octets)
    assert octets_of(found) == [BIND, BOUND, TEXT, SUBMIT]
    assert isinstance(found[0], Found)
    assert found[0].time == pytest.approx(1_700_000_002.5)


def test_simple_packets_of_pcapng_and_gzip() -> None:
    simple = b"".join(block(3, struct.pack("<I", len(packet)) + packet) for packet in packets())
    octets = pcapng([], [101]) + simple
    assert octets_of(items(octets)) == [BIND, BOUND, TEXT, SUBMIT]
    assert octets_of(items(gzip.compress(octets))) == [BIND, BOUND, TEXT, SUBMIT]


@st.composite
def torn(draw: st.DrawFn) -> tuple[int, bytes, list[tuple[int, bytes]]]:
    """A stream as segments that overlap, repeat and come out of order, but begin with the first."""
    data = draw(st.binary(min_size=1, max_size=60))
    start = draw(st.sampled_from([0, 1000, 2**32 - 20]))
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=8))})
    pieces = list(pairwise(cuts))
    spans = st.tuples(st.integers(0, len(data)), st.integers(0, len(data))).map(sorted).map(tuple)
    extra = draw(st.lists(spans, max_size=5))
    order = draw(st.permutations([*pieces[1:], *extra]))
    return start, data, [((start + a) % 2**32, data[a:b]) for a, b in [pieces[0], *order]]


def segment(sequence: int, data: bytes = b"", **flags: bool | int) -> Segment:
    return Segment(0.0, CLIENT, SERVER, sequence, data, **flags)  # type: ignore[arg-type]


@given(torn(), st.booleans())
def test_a_stream_is_put_together_however_it_was_torn(
    torn_stream: tuple[int, bytes, list[tuple[int, bytes]]], syn: bool
) -> None:
    start, data, segments = torn_stream
    reassembly = Reassembly()
    pieces: list[Piece] = []
    if syn:
        pieces += reassembly.add(segment((start - 1) % 2**32, syn=True))
    for sequence, part in segments:
        pieces += reassembly.add(segment(sequence, part))
    assert b"".join(piece.data for piece in pieces) == data
    assert not any(piece.gap for piece in pieces)
    assert reassembly.finish() == []


def test_what_is_missing_is_a_gap_at_the_end_of_the_connection() -> None:
    reassembly = Reassembly()
    reassembly.add(segment(99, syn=True))
    assert reassembly.add(segment(110, b"later")) == []
    assert reassembly.add(segment(115, fin=True)) == [Piece(gap=10), Piece(b"later"), Piece(ends=True)]
    assert reassembly.add(segment(200, b"after a gap")) == []
    assert [pieces for _, pieces in reassembly.finish()] == [[Piece(gap=85), Piece(b"after a gap")]]


def test_what_waits_for_missing_segments_is_bounded() -> None:
    reassembly = Reassembly()
    reassembly.add(segment(99, syn=True))
    pieces: list[Piece] = []
    for n in range(MAX_WAITING_SEGMENTS + 1):
        pieces += reassembly.add(segment(110 + 2 * n, b"x"))
    assert pieces[0] == Piece(gap=10)
    assert sum(len(piece.data) for piece in pieces) == MAX_WAITING_SEGMENTS + 1
    assert reassembly.finish() == []


def test_ports_that_are_used_again_are_a_new_connection() -> None:
    again = [ip4(tcp(7000, flags=SYN)), ip4(tcp(7001, BIND))]
    found = list(read(io.BytesIO(pcap(packets() + again))))
    assert sum(isinstance(item, Begin) for item in found) == 3
    assert [item.octets for item in found if isinstance(item, Found)] == [BIND, BOUND, TEXT, SUBMIT, BIND]


def test_packets_that_were_captured_twice_count_once() -> None:
    twice = [packet for packet in packets() for _ in range(2)]
    assert octets_of(items(pcap(twice))) == [BIND, BOUND, TEXT, SUBMIT]
    late = [*packets(), *packets()]
    assert octets_of(items(pcap(late))) == [BIND, BOUND, TEXT, SUBMIT]


def test_a_capture_that_begins_in_the_middle_finds_its_step_and_says_so() -> None:
    stream = SUBMIT[20:] + PROBE + SUBMIT
    found = items(pcap([ip4(tcp(500, stream[:30])), ip4(tcp(530, stream[30:]))]))
    assert [item.octets for item in found if isinstance(item, Found)] == [PROBE, SUBMIT]
    (remark,) = (item for item in found if isinstance(item, Remark))
    assert remark.text == f"{len(SUBMIT) - 20} octets passed over: the capture begins within a PDU"
    assert not remark.undecodable


def test_missing_segments_are_said_and_the_next_pdu_found() -> None:
    lost = [
        ip4(tcp(99, flags=SYN)),
        ip4(tcp(100, PROBE)),
        ip4(tcp(216, SUBMIT[-10:] + PROBE)),
        ip4(tcp(242, flags=FIN)),
    ]
    found = items(pcap(lost))
    assert [item.octets for item in found if isinstance(item, Found)] == [PROBE, PROBE]
    (remark,) = (item for item in found if isinstance(item, Remark))
    assert remark.text == "110 octets passed over: 100 octets are missing in the capture"
    assert remark.undecodable


def test_a_short_snaplen_is_a_gap() -> None:
    whole = [ip4(tcp(99, flags=SYN)), ip4(tcp(100, PROBE + SUBMIT)), ip4(tcp(116 + len(SUBMIT), PROBE))]
    octets = pcap(whole[:1])
    cut = whole[1][:-10]
    octets += struct.pack("<IIII", 1_700_000_001, 0, len(cut), len(whole[1])) + cut
    octets += pcap(whole[2:])[24:]
    found = items(octets)
    assert [item.octets for item in found if isinstance(item, Found)] == [PROBE, PROBE]
    assert "10 octets are missing in the capture" in "".join(item.text for item in found if isinstance(item, Remark))


def test_other_traffic_is_let_alone_unless_its_port_is_named() -> None:
    http = [ip4(tcp(99, flags=SYN)), ip4(tcp(100, b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"))]
    assert items(pcap(http)) == []
    found = items(pcap(http), port=2775)
    assert isinstance(found[0], Remark)
    assert "a command_length of 1195725856 cannot be" in found[0].text
    assert items(pcap(packets()), port=2776) == []
    assert len(items(pcap(packets()), port=2775)) == 4


def test_an_unknown_first_command_is_seen_on_a_named_port() -> None:
    unknown = bytes.fromhex("00000010000102000000000000000001")
    octets = pcap([ip4(tcp(99, flags=SYN)), ip4(tcp(100, unknown + PROBE))])
    assert octets_of(items(octets, port=2775)) == [unknown, PROBE]


def test_tls_is_named() -> None:
    (remark,) = items(pcap([ip4(tcp(99, flags=SYN)), ip4(tcp(100, b"\x16\x03\x01\x02\0\1\0\1\xfc" + bytes(40)))]))
    assert isinstance(remark, Remark)
    assert "TLS" in remark.text


def test_fragments_broken_packets_and_unknown_links_are_said() -> None:
    fragment = ip4(tcp(1, BIND), mf=1)
    texts = [item.text for item in items(pcap([fragment, b"\x45\0", b"\x41" + bytes(40)])) if isinstance(item, Remark)]
    assert texts == ["1 fragments of IP packets are passed over", "2 packets are malformed"]
    (remark,) = items(pcap([bytes(40)], link_type=147))
    assert isinstance(remark, Remark)
    assert remark.text == "packets of link type 147 cannot be read"


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (pcap([])[:20], "ends within its header"),
        (pcap(packets()) + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 0) + b"x", "4294967295 octets at packet 7"),
        (pcapng([], [101]) + struct.pack("<II", 6, 0xFFFFFFF0), "a pcapng block of 4294967280 octets"),
        (pcapng([], [101]) + struct.pack("<II", 6, 4), "a pcapng block of 4 octets"),
        (gzip.compress(pcap(packets()))[:-9], "the gzipped file is damaged"),
    ],
)
def test_a_damaged_file_is_one_line(octets: bytes, says: str) -> None:
    with pytest.raises(CaptureError, match=says):
        items(octets)


def test_a_file_that_is_still_written_just_ends() -> None:
    octets = pcap(packets())
    assert octets_of(items(octets[:-5])) == [BIND, BOUND, TEXT]
    octets = pcapng([(0, packet) for packet in packets()], [101])
    assert octets_of(items(octets[:-50])) == [BIND, BOUND, TEXT]


@given(st.data())
def test_any_damage_to_a_capture_gives_items_or_one_line(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from([pcap(packets()), pcapng([(0, p) for p in packets()], [101])])))
    for _ in range(data.draw(st.integers(1, 6))):
        octets[data.draw(st.integers(4, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CaptureError):
        items(bytes(octets))


@given(st.lists(st.sampled_from([BIND, TEXT, SUBMIT, PROBE]), min_size=1, max_size=6), st.data())
def test_a_stream_is_framed_wherever_it_is_cut(pdus: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pdus)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    framer = Framer()
    framed = [each for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for each in framer.feed(stream[a:b])]
    assert [each.octets for each in framed] == pdus
    assert framer.end() == []


def test_a_framer_keeps_no_more_than_one_pdu() -> None:
    framer = Framer(in_step=False)
    for _ in range(100):
        assert framer.feed(b"\xff" * 10_000) == []
    assert len(framer._buffer) < 16
    framer.feed((LONGEST).to_bytes(4, "big") + PROBE[4:] + b"\0" * 10_000)
    assert len(framer._buffer) <= LONGEST
