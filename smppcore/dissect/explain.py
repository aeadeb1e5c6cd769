"""One PDU for people: its fields in words, its text, its header, its receipt, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore import udh
from smppcore.dissect import meanings
from smppcore.dissect.anatomy import Anatomy, take_apart
from smppcore.dissect.judge import Finding, judge
from smppcore.dissect.masking import mask, mask_passwords
from smppcore.pdu import DataSM, DeliverSM
from smppcore.receipt import Receipt, parse_receipt
from smppcore.states import BIND_STATES
from smppcore.text import Alphabet, UserData, read_message

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = frozenset(("command_length", "command_id", "command_status", "sequence_number"))


@dataclass(slots=True)
class Value:
    """A field, a TLV or an element of a user data header, in words."""

    name: str
    offset: int
    value: int | str
    """Strings as Latin-1; octet strings, TLVs and elements in hex."""
    meaning: str


@dataclass(slots=True)
class Explained:
    """One PDU in words; everything in it is as much masked as was asked for."""

    command: str
    """Its name, "0x00010200" for an unknown one, "" if there is no whole header."""
    command_id: int
    command_status: int
    sequence_number: int
    octets: bytes
    fields: list[Value] = field(default_factory=list)
    tlvs: list[Value] = field(default_factory=list)
    udh: list[Value] = field(default_factory=list)
    text: str | None = None
    """What short_message or message_payload says, without its header; None: it has none, or it is not text."""
    receipt: Receipt | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The status of a response in words, "" for a request."""
        response = self.command_id >= c.RESPONSE_BIT
        return meanings.status(self.command_status) if response else ""

    @property
    def decoded(self) -> bool:
        """Whether it could be decoded."""
        return not any(finding.level == "error" for finding in self.findings)

    def row(self) -> Mapping[str, object]:
        """Return it as what JSON can hold."""
        return {
            "command": self.command,
            "command_id": self.command_id,
            "command_status": self.command_status,
            "status": self.status,
            "sequence_number": self.sequence_number,
            "length": len(self.octets),
            "octets": self.octets.hex(),
            "fields": [asdict(value) for value in self.fields],
            "tlvs": [asdict(value) for value in self.tlvs],
            "udh": [asdict(value) for value in self.udh],
            "text": self.text,
            "receipt": None
            if self.receipt is None
            else {**asdict(self.receipt), "state": c.state_name(self.receipt.state)},
            "findings": [asdict(finding) for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Options:
    """How PDUs are to be shown."""

    charset: Alphabet = Alphabet.GSM7
    """What data_coding 0 means."""
    masked: bool = False
    """Hide texts and numbers."""
    secrets: bool = False
    """Show passwords."""
    words: bool = True
    """Put everything in words; False: only binds, and what is wrong."""


def explain(octets: bytes, options: Options = Options(), version: int = c.VERSION_34) -> Explained:
    """Explain one PDU; never raises.

    Args:
        octets: What is taken for a PDU; may be anything.
        options: What is hidden, and what data_coding 0 means.
        version: The session's interface_version, as far as it is known.
    """
    # What is wrong is found in what was sent, and shown without a word of it
    anatomy = take_apart(octets)
    findings = judge(anatomy, version, options.charset)
    shown = mask(octets) if options.masked else octets if options.secrets else mask_passwords(octets)
    if shown is not octets:
        anatomy = take_apart(shown)
    command_id = anatomy.number("command_id")
    explained = Explained(
        c.command_name(command_id) if anatomy.spans else "",
        command_id,
        anatomy.number("command_status"),
        anatomy.number("sequence_number"),
        shown,
        findings=findings,
    )
    if not options.words and command_id not in BIND_STATES:
        return explained
    for span in anatomy.spans:
        if span.name not in _HEADER:
            words = meanings.field(span.leaf, span.value)
            explained.fields.append(Value(span.name, span.start, _shown(span.leaf, span.value), words))
    for tlv in anatomy.tlvs:
        words = meanings.tlv(tlv.tag, tlv.value)
        explained.tlvs.append(Value(c.tag_name(tlv.tag), tlv.start, tlv.value.hex(), words))
    _explain_text(explained, anatomy, options)
    if isinstance(anatomy.pdu, DeliverSM | DataSM):
        explained.receipt = parse_receipt(anatomy.pdu)
    return explained


def _shown(name: str, value: int | bytes) -> int | str:
    if isinstance(value, int):
        return value
    return value.hex() if name == "short_message" else value.decode("latin-1")


def _explain_text(explained: Explained, anatomy: Anatomy, options: Options) -> None:
    short, payload = anatomy.value("short_message"), anatomy.tlv(c.TAG_MESSAGE_PAYLOAD)
    text = short or payload
    if not isinstance(text, bytes) or not text:
        return
    start = anatomy.end
    for span in anatomy.spans:
        if span.name == "short_message" and short:
            start = span.start
    for tlv in anatomy.tlvs:
        if tlv.tag == c.TAG_MESSAGE_PAYLOAD and not short:
            start = tlv.start + 4
            break
    has_header = bool(anatomy.number("esm_class") & c.ESM_UDHI)
    header = udh.parse(text) if has_header else None
    position = start + 1
    for identifier, data in header.elements if header is not None else ():
        words = meanings.element(identifier, data)
        explained.udh.append(Value(f"0x{identifier:02X}", position, data.hex(), words))
        position += 2 + len(data)
    part = UserData(text, anatomy.number("data_coding"), has_header)
    explained.text = read_message((part,), options.charset)
