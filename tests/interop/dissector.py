"""What tshark's SMPP dissector sees in a capture, compared with what our codec and `smppbridge decode` see in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import trio

from smppcore.codegen import layout
from smppcore.constants import RESPONSE_BIT
from smppcore.dissect.anatomy import take_apart
from smppcore.dissect.found import Found, Remark
from smppcore.dissect.recording import read
from smppcore.dissect.tcp import End
from smppcore.fields import COctets, Integer
from smppcore.pdu import decode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.interop.relay import Relay

    Dissect = Callable[[Relay], Awaitable[Counter[str]]]

# Fields that the dissector shows bit by bit: which, and how far to the left the bits belong
_BITS = {
    "esm.submit.msg_mode": ("esm_class", 0),
    "esm.submit.msg_type": ("esm_class", 2),
    "esm.submit.features": ("esm_class", 6),
    "regdel.receipt": ("registered_delivery", 0),
    "regdel.acks": ("registered_delivery", 2),
    "regdel.notif": ("registered_delivery", 4),
}
_NAMES = {
    "message": "short_message",
    "schedule_delivery_time_r": "schedule_delivery_time",
    "validity_period_r": "validity_period",
}


@dataclass(slots=True)
class Seen:
    """One PDU, every value as hex."""

    fields: dict[str, str] = field(default_factory=dict)
    """By the specification's names; strings that are empty are left out, for the dissector hides some of them."""
    tlvs: list[tuple[str, str]] = field(default_factory=list)
    """In their order."""


def ours(octets: bytes) -> Seen:
    """Return what our codec sees."""
    pdu = decode(octets)
    seen = Seen(tlvs=[(f"{tag:04x}", value.hex()) for tag, value in pdu.tlvs])
    seen.fields = {
        "command_length": f"{len(octets):08x}",
        "command_id": f"{pdu.command_id:08x}",
        "sequence_number": f"{pdu.sequence_number:08x}",
    }
    if pdu.command_id & RESPONSE_BIT:  # the dissector does not show what is NULL in requests
        seen.fields["command_status"] = f"{pdu.command_status:08x}"
    for name, kind in layout(type(pdu)).items():
        value = getattr(pdu, name)
        if isinstance(kind, Integer):
            seen.fields[name] = f"{value:02x}"
        elif value:
            seen.fields[name] = value.hex() + "00" * isinstance(kind, COctets)
    return seen


def taken_apart(octets: bytes) -> Seen:
    """Return what `smppbridge decode` sees."""
    anatomy = take_apart(octets)
    seen = Seen(tlvs=[(f"{tlv.tag:04x}", tlv.value.hex()) for tlv in anatomy.tlvs])
    request = anatomy.number("command_id") < RESPONSE_BIT
    for span in anatomy.spans:
        if span.value != b"" and span.name != "sm_length" and not (request and span.name == "command_status"):
            seen.fields[span.name] = octets[span.start : span.end].hex()
    return seen


def recorded(capture: Path, port: int) -> dict[tuple[int, bool], list[bytes]]:
    """Return the PDUs that `smppbridge decode` finds in a capture, by the client's port and whether it sent them."""
    found: dict[tuple[int, bool], list[bytes]] = {}
    with capture.open("rb") as file:
        for item in read(file):
            assert not isinstance(item, Remark), item
            if isinstance(item, Found):
                assert isinstance(item.sender, End)
                assert isinstance(item.link, tuple)
                client = next(end.port for end in item.link if end.port != port)
                found.setdefault((client, item.sender.port != port), []).append(item.octets)
    return found


def theirs(protocol: ElementTree.Element) -> Seen:
    """Return what tshark sees, from one <proto name="smpp">."""
    seen = Seen()
    for element in protocol:
        name, octets = element.get("name", "").removeprefix("smpp."), element.get("value", "")
        if name in _BITS:
            target, shift = _BITS[name]
            bits = int(seen.fields.get(target, "0"), 16) | int(element.get("show", ""), 0) << shift
            seen.fields[target] = f"{bits:02x}"
        elif name == "opt_params":
            seen.tlvs += [_tlv(each) for each in element]
        elif name not in ("sm_length", "message_text"):  # what follows the user data header is in the message already
            seen.fields[_NAMES.get(name, name)] = octets.zfill(2)  # a flag of one bit is one digit
    return seen


def _tlv(element: ElementTree.Element) -> tuple[str, str]:
    tag, length, *value = [each.get("value", "") for each in element]
    octets = value[0] if value else ""
    assert len(octets) == 2 * int(length, 16)
    return tag, octets


def _differences(its: Seen, expected: Seen) -> dict[str, tuple[str | None, str | None]]:
    """Return the fields that differ, empty strings aside, as tshark and as our codec sees them."""
    names = {name for name, value in its.fields.items() if value not in ("", "00")} | expected.fields.keys()
    both = {name: (its.fields.get(name), expected.fields.get(name)) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


async def compare(tshark: str, relay: Relay, folder: Path) -> Counter[str]:
    """Let tshark dissect what went over a relay, and compare it with our codec, PDU by PDU.

    Returns:
        The PDUs by name, see `count`.

    Raises:
        AssertionError: Something is malformed, or the two differ.
    """
    capture = folder / "capture.pcap"
    relay.write_pcap(capture)
    command = [tshark, "-r", str(capture), "-d", f"tcp.port=={relay.target},smpp", "-T", "pdml"]
    result = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
    # It writes halves of surrogate pairs as if they were characters, which XML does not allow
    packets = ElementTree.fromstring(result.stdout.decode("utf-8", "replace"))  # noqa: S314  tshark's own output
    found: dict[tuple[int, bool], list[Seen]] = {}
    for packet in packets:
        assert packet.find("proto[@name='_ws.malformed']") is None, ElementTree.tostring(packet, "unicode")
        tcp = packet.find("proto[@name='tcp']")
        assert tcp is not None
        source, destination = (int(_shown(tcp, f"tcp.{end}port")) for end in ("src", "dst"))
        from_client = destination == relay.target
        conversation = found.setdefault((source if from_client else destination, from_client), [])
        for protocol in packet.findall("proto[@name='smpp']"):
            assert protocol.find(".//field[@name='_ws.expert']") is None, ElementTree.tostring(protocol, "unicode")
            conversation.append(theirs(protocol))

    decoded = recorded(capture, relay.target)
    for connection in relay.connections:
        for from_client in (True, False):
            octets = connection.pdus(from_client=from_client)
            assert decoded.get((connection.client_port, from_client), []) == octets
            seen = found.get((connection.client_port, from_client), [])
            assert len(seen) == len(octets)
            for each, its in zip(octets, seen, strict=True):
                expected = ours(each)
                assert _differences(its, expected) == {}, each.hex()
                assert its.tlvs == expected.tlvs, each.hex()
                assert taken_apart(each) == expected, each.hex()
    return count(relay)


def count(relay: Relay) -> Counter[str]:
    """Count the PDUs of each name that went over a relay, those with an error status as "name!"."""
    pdus = [
        decode(octets)
        for connection in relay.connections
        for from_client in (True, False)
        for octets in connection.pdus(from_client=from_client)
    ]
    return Counter(pdu.name + "!" * bool(pdu.command_status) for pdu in pdus)


def _shown(protocol: ElementTree.Element, name: str) -> str:
    found = protocol.find(f".//field[@name='{name}']")
    assert found is not None
    return found.get("show", "")
