"""PDUs found in text: whatever dress they come in, and nothing where there is none."""

from __future__ import annotations

import base64
import contextlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.dissect.capture import CaptureError
from smppcore.dissect.found import Begin, Found, Remark
from smppcore.dissect.recording import read
from smppcore.dissect.sniff import direction_of, time_of
from smppcore.pdu import (
    BindTransceiver,
    DeliverSM,
    EnquireLink,
    GenericNack,
    Pdu,
    SubmitSM,
    SubmitSMResp,
    decode,
    encode,
)
from tests.strategies import any_pdus

if TYPE_CHECKING:
    from collections.abc import Callable

PDU = encode(SubmitSM(source_addr=b"60606", destination_addr=b"12025550102", short_message=b"Hello | there  ab cd"))
OTHER = encode(DeliverSM(sequence_number=77, short_message=bytes(range(1, 200))))
LINK = encode(EnquireLink(sequence_number=3))
HEX = PDU.hex()


def items(text: str | bytes) -> list[Found | Remark | Begin]:
    return list(read(io.BytesIO(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))))


def octets(text: str | bytes) -> list[bytes]:
    found = items(text)
    assert not [item for item in found if isinstance(item, Remark)], found
    return [item.octets for item in found if isinstance(item, Found)]


def lines(data: bytes, width: int = 16) -> list[bytes]:
    return [data[at : at + width] for at in range(0, len(data), width)]


def shown(data: bytes) -> str:
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in data)


def xxd(data: bytes) -> str:
    def groups(line: bytes) -> str:
        return " ".join(line[at : at + 2].hex() for at in range(0, len(line), 2))

    return "".join(f"{16 * n:08x}: {groups(line):<39}  {shown(line)}\n" for n, line in enumerate(lines(data)))


def hexdump(data: bytes) -> str:
    rows = [
        f"{16 * n:08x}  {line[:8].hex(' '):<23}  {line[8:].hex(' '):<23}  |{shown(line)}|\n"
        for n, line in enumerate(lines(data))
    ]
    return "".join(rows) + f"{len(data):08x}\n"


def tcpdump(data: bytes) -> str:
    head = "10:11:12.123456 IP 10.0.0.1.5000 > 10.0.0.2.2775: Flags [P.], length 60\n"
    rows = (f"\t0x{16 * n:04x}:  {line.hex(' ', -2):<39}  {shown(line)}\n" for n, line in enumerate(lines(data)))
    return head + "".join(rows)


def wireshark(data: bytes) -> str:
    return "".join(f"{16 * n:04x}  {line.hex(' '):<47}   {shown(line)}\n" for n, line in enumerate(lines(data)))


FORMS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "upper case": lambda data: data.hex().upper(),
    "spaces": lambda data: data.hex(" "),
    "colons": lambda data: data.hex(":"),
    "dashes": lambda data: data.hex("-"),
    "groups of four digits": lambda data: data.hex(" ", -2),
    "groups of eight digits": lambda data: data.hex(" ", -4),
    "0x": lambda data: "0x" + data.hex(),
    "0x each": lambda data: ", ".join(f"0x{octet:02x}" for octet in data),
    "array of C": lambda data: "{ " + ",\n".join(", ".join(f"0x{o:02X}" for o in line) for line in lines(data)) + " };",
    "escaped": lambda data: '"' + "".join(f"\\x{octet:02x}" for octet in data) + '"',
    "lines of 16": lambda data: "\n".join(line.hex(" ") for line in lines(data)),
    "bytes of Python": repr,
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "base64 for addresses": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "xxd": xxd,
    "hexdump -C": hexdump,
    "tcpdump -X": tcpdump,
    "Wireshark": wireshark,
    "log line": lambda data: f"2026-01-02 03:04:05,678 DEBUG smpp: Sending PDU [{data.hex()}] to carrier",
    "Jasmin": lambda data: f"2026-01-02 03:04:05 INFO     1234 Receiving data [{data.hex()}]",
    "repr in a log line": lambda data: f"12:00:00 >> {data!r}",
    "base64 in JSON": lambda data: f'{{"pdu": "{base64.b64encode(data).decode()}", "n": 1}}',
    "windows": lambda data: data.hex(" ") + "\r\n",
    "raw": lambda data: data.decode("utf-8", "surrogateescape"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("data", [PDU, OTHER, LINK], ids=["submit_sm", "deliver_sm", "enquire_link"])
def test_a_pdu_is_found_in_every_dress(form: str, data: bytes) -> None:
    assert octets(FORMS[form](data)) == [data]


def likely(pdu: Pdu) -> bool:
    """Whether a PDU has one of the statuses by which PDUs are told from other octets."""
    return pdu.command_status <= 0xFFFF


PDUS = any_pdus().filter(likely).map(encode)


@given(PDUS, st.sampled_from(sorted(FORMS)))
def test_any_pdu_is_found_in_any_dress(data: bytes, form: str) -> None:
    assert octets(FORMS[form](data)) == [data]


@given(st.lists(PDUS, min_size=1, max_size=4), st.sampled_from(["hex", "log line", "xxd", "Wireshark"]))
def test_several_pdus_are_found_line_by_line_and_in_one_piece(pdus: list[bytes], form: str) -> None:
    assert octets("\n".join(FORMS[form](data) for data in pdus)) == pdus
    assert octets(FORMS[form](b"".join(pdus))) == pdus


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for item in items(text):
        assert isinstance(item, Remark) or len(getattr(item, "octets", b"")) >= 16


FRAGMENTS = [
    *("0x", "\\x", "00", "10", " ", ":", "\n", "AAAA", "=", "b'", "'", "|", "[", "00000000  ", "80000015"),
    *("SMPP PDU 0x1 dump:\n", "  command_id: 4 = 0x00000004\n", "SMPP PDU dump ends.\n"),
    "2026-01-02T03:04:05Z in a/1 ",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))
def test_any_text_that_looks_like_a_recording_is_read(text: str) -> None:
    items(text)


@given(st.binary(max_size=300))
def test_any_octets_are_read(data: bytes) -> None:
    with contextlib.suppress(CaptureError):
        items(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02 03:04:05 INFO the sky is blue",
        "d41d8cd98f00b204e9800998ecf8427e  README.md",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
        r"b'\d\x' and b'\d\d'",
        "request 6ba7b810-9dad-11d1-80b4-00c04fd430c8 done",
    ],
)
def test_what_is_no_pdu_is_none(text: str) -> None:
    assert octets(text) == []


def test_hex_that_holds_no_pdu_is_said() -> None:
    (remark,) = items("deadbeef" * 8)
    assert isinstance(remark, Remark)
    assert remark.undecodable
    assert remark.text == "32 octets that hold no PDU"


def test_a_whole_frame_is_looked_through() -> None:
    frame = bytes.fromhex("0200000000010200000000020800450000640001400040060000") + b"\x7f\0\0\1" * 2 + b"\x12\x34" * 10
    remark, found = items((frame + PDU).hex())
    assert isinstance(remark, Remark)
    assert remark.text == f"{len(frame)} octets before the PDU are passed over"
    assert isinstance(found, Found)
    assert found.octets == PDU


def test_rows_that_hexdump_leaves_out_are_put_back() -> None:
    padding = 16 - len(encode(SubmitSM())) % 16
    data = encode(SubmitSM(short_message=b"x" * (padding + 64) + b"end"))
    rows = hexdump(data).splitlines(keepends=True)
    same = [n for n, row in enumerate(rows) if row[8:] == rows[n - 1][8:]]
    assert len(same) >= 2
    squeezed = [row for n, row in enumerate(rows) if n not in same]
    squeezed.insert(same[0], "*\n")
    assert octets("".join(squeezed)) == [data]


def test_a_pdu_that_is_cut_short_is_still_one() -> None:
    cut = HEX[:-20]
    assert octets(cut) == [PDU[:-10]]
    assert octets(f"sent {cut} …") == [PDU[:-10]]
    assert octets(f"{cut}\n{LINK.hex()}\n") == [PDU[:-10], LINK]


def test_an_unknown_command_is_one_by_its_length() -> None:
    assert octets("0000001100010200000000000000000941") == [bytes.fromhex("0000001100010200000000000000000941")]


def test_time_and_direction_of_the_line_are_kept() -> None:
    (found,) = items(FORMS["Jasmin"](PDU))
    assert isinstance(found, Found)
    assert (found.when, found.sender, found.place) == ("2026-01-02 03:04:05", "in", "line 1")
    assert found.time == 1767323045.0
    (found,) = items(FORMS["tcpdump -X"](PDU))
    assert isinstance(found, Found)
    assert found.when == "10:11:12.123456"
    (found,) = items("2026-01-02 03:04:05 sending\n" + PDU.hex(" "))
    assert isinstance(found, Found)
    assert (found.when, found.sender, found.place) == ("2026-01-02 03:04:05", "out", "line 2")


@pytest.mark.parametrize(
    ("line", "seconds", "shown_time"),
    [
        ("2026-01-02T03:04:05.5+01:00 x", 1767319445.5, "2026-01-02T03:04:05.5+01:00"),
        ("2026-01-02T03:04:05Z", 1767323045.0, "2026-01-02T03:04:05Z"),
        ("[1767323045.250] x", 1767323045.25, "1767323045.250"),
        ("Jan  2 03:04:05 host x", 63082800.0 + 97445, "Jan  2 03:04:05"),
        ("x 00:00:01.5 x", 1.5, "00:00:01.5"),
        ("2026-13-02 03:04:05", None, ""),
        ("no time at 12025550102", None, ""),
    ],
)
def test_times_of_lines(line: str, seconds: float | None, shown_time: str) -> None:
    time, when = time_of(line)
    assert when == shown_time
    if seconds is None or not line.startswith("Jan"):
        assert time == seconds


@pytest.mark.parametrize(
    ("text", "direction"),
    [("Got PDU", "in"), ("<< x", "in"), ("sent", "out"), ("tx ->", "out"), ("sent, received", ""), ("PDU", "")],
)
def test_directions_of_lines(text: str, direction: str) -> None:
    assert direction_of(text) == direction


KANNEL = """\
2026-11-23 22:26:25 [9444] [7] DEBUG: SMPP[ours]: Got PDU:
2026-11-23 22:26:25 [9444] [7] DEBUG: SMPP PDU 0x7fc080001100 dump:
2026-11-23 22:26:25 [9444] [6] DEBUG: SMPP[ours]: Sending PDU:
2026-11-23 22:26:25 [9444] [7] DEBUG:   type_name: deliver_sm
2026-11-23 22:26:25 [9444] [7] DEBUG:   command_id: 5 = 0x00000005
2026-11-23 22:26:25 [9444] [6] DEBUG: SMPP PDU 0x7fc08c001100 dump:
2026-11-23 22:26:25 [9444] [7] DEBUG:   command_status: 0 = 0x00000000
2026-11-23 22:26:25 [9444] [6] DEBUG:   type_name: bind_transceiver
2026-11-23 22:26:25 [9444] [6] DEBUG:   command_id: 9 = 0x00000009
2026-11-23 22:26:25 [9444] [6] DEBUG:   command_status: 0 = 0x00000000
2026-11-23 22:26:25 [9444] [6] DEBUG:   sequence_number: 1 = 0x00000001
2026-11-23 22:26:25 [9444] [6] DEBUG:   system_id: "esme"
2026-11-23 22:26:25 [9444] [6] DEBUG:   password: "secret"
2026-11-23 22:26:25 [9444] [6] DEBUG:   system_type: ""
2026-11-23 22:26:25 [9444] [6] DEBUG:   interface_version: 52 = 0x00000034
2026-11-23 22:26:25 [9444] [6] DEBUG:   addr_ton: 0 = 0x00000000
2026-11-23 22:26:25 [9444] [6] DEBUG:   addr_npi: 0 = 0x00000000
2026-11-23 22:26:25 [9444] [6] DEBUG:   address_range: NULL
2026-11-23 22:26:25 [9444] [6] DEBUG: SMPP PDU dump ends.
2026-11-23 22:26:25 [9444] [7] DEBUG:   sequence_number: 12 = 0x0000000c
2026-11-23 22:26:25 [9444] [7] DEBUG:   service_type: NULL
2026-11-23 22:26:25 [9444] [7] DEBUG:   source_addr_ton: 1 = 0x00000001
2026-11-23 22:26:25 [9444] [7] DEBUG:   source_addr: "12025550000"
2026-11-23 22:26:25 [9444] [7] DEBUG:   destination_addr: "60606"
2026-11-23 22:26:25 [9444] [7] DEBUG:   esm_class: 4 = 0x00000004
2026-11-23 22:26:25 [9444] [7] DEBUG:   sm_length: 17 = 0x00000011
2026-11-23 22:26:25 [9444] [7] DEBUG:   short_message:
2026-11-23 22:26:25 [9444] [7] DEBUG:    Octet string at 0x7fc080001410:
2026-11-23 22:26:25 [9444] [7] DEBUG:      len:  17
2026-11-23 22:26:25 [9444] [7] DEBUG:      size: 18
2026-11-23 22:26:25 [9444] [7] DEBUG:      immutable: 0
2026-11-23 22:26:25 [9444] [7] DEBUG:      data: 47 72 7e 1e 65 20 1b 65 35 20 30 30 30 30 30 30   Gr~.e .e5 000000
2026-11-23 22:26:25 [9444] [7] DEBUG:      data: 30                                                0
2026-11-23 22:26:25 [9444] [7] DEBUG:    Octet string dump ends.
2026-11-23 22:26:25 [9444] [7] DEBUG:   receipted_message_id: "41"
2026-11-23 22:26:25 [9444] [7] DEBUG:   message_state: 2 = 0x00000002
2026-11-23 22:26:25 [9444] [7] DEBUG: SMPP PDU dump ends.
"""


def test_dumps_of_kannel_become_pdus_again_thread_by_thread() -> None:
    bind, receipt = (item for item in items(KANNEL) if isinstance(item, Found))
    assert (bind.direction, receipt.direction) == ("out ours/6", "in ours/7")
    assert (bind.place, receipt.place) == ("line 6", "line 2")
    assert bind.when == "2026-11-23 22:26:25"
    assert decode(bind.octets) == BindTransceiver(b"esme", b"secret", sequence_number=1)
    assert decode(receipt.octets) == DeliverSM(
        source_addr_ton=1,
        source_addr=b"12025550000",
        destination_addr=b"60606",
        esm_class=4,
        short_message=bytes.fromhex("47727e1e65201b6535203030303030") + b"00",
        sequence_number=12,
        tlvs=[(0x1E, b"41\0"), (0x0427, b"\x02")],
    )


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("command_id: 9 = 0x00000009", "command_id: 7777 = 0x00001e61"),
        ('system_id: "esme"', "system_id: 4 = 0x00000004"),
        ('password: "secret"', 'password: "much too long for a password"'),
    ],
)
def test_a_dump_of_kannel_that_is_no_pdu_is_said(changed: str, to: str) -> None:
    remark, found = items(KANNEL.replace(changed, to))
    assert isinstance(remark, Remark)
    assert remark.undecodable
    assert "Kannel" in remark.text
    assert "much too" not in remark.text
    assert isinstance(found, Found)


def test_a_dump_of_kannel_without_an_end_does_not_grow() -> None:
    text = "SMPP PDU 0x1 dump:\n" + "     data: 47 72\n" * 20_000 + LINK.hex()
    assert octets(text) == [LINK]


def trace(direction: str, bind: str, pdu: Pdu) -> str:
    return f"2026-01-02T03:04:05.000001Z {direction} {bind} {encode(pdu).hex()}\n"


def test_our_own_trace_is_read() -> None:
    text = (
        "# smppbridge: trace of link a: texts and numbers masked\n"
        + trace("out", "a/1", BindTransceiver(b"esme", b"******", sequence_number=1))
        + trace("in", "a/2", SubmitSMResp(b"7", sequence_number=9))
        + trace("in", "a/2", GenericNack(command_status=3))[:-2]
        + "\n# smppbridge: 3 PDUs are missing here: no space left on device\n"
    )
    remark, begin, bind, response, cut, missing = items(text)
    assert isinstance(remark, Remark)
    assert begin == Begin("a/1")
    assert isinstance(bind, Found)
    assert (bind.link, bind.sender, bind.direction, bind.time) == ("a/1", "out", "out a/1", 1767323045.000001)
    assert isinstance(response, Found)
    assert (response.link, response.sender) == ("a/2", "in")
    assert isinstance(cut, Remark)
    assert cut.undecodable
    assert isinstance(missing, Remark)


def test_the_octets_of_a_stream_are_read_and_its_damage_said() -> None:
    good = items(PDU + LINK + OTHER)
    assert [item.octets for item in good if isinstance(item, Found)] == [PDU, LINK, OTHER]
    first, damage, last = items(LINK + b"\xff" * 9 + PDU)
    assert isinstance(damage, Remark)
    assert damage.text == "9 octets passed over: a command_length of 4294967295 cannot be (SMPP v3.4 §5.1.1)"
    assert isinstance(first, Found)
    assert isinstance(last, Found)
    assert last.octets == PDU
    _, cut = items(LINK + PDU[:-5])
    assert isinstance(cut, Remark)
    assert cut.text == f"{len(PDU) - 5} octets passed over: it ends within a PDU"
