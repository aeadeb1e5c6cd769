"""What is wrong with one PDU: what cannot be decoded, what the specification forbids, what looks like a mistake.

Rules: findings hold no message text and no numbers of people, so that they may be shown where those are masked. What
depends on other PDUs is `pairing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from smppcore import constants as c
from smppcore import udh
from smppcore.dissect import meanings
from smppcore.pdu import DataSM, DeliverSM
from smppcore.receipt import parse_receipt
from smppcore.text import Alphabet, decode_text
from smppcore.tlvs import TLV_RULES
from smppcore.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smppcore.dissect.anatomy import Anatomy

Level = Literal["error", "violation", "suspicious"]

SECTIONS: Final = {
    "command_status": "SMPP v3.4 §5.1.3",
    "sequence_number": "SMPP v3.4 §5.1.4",
    "service_type": "SMPP v3.4 §5.2.11",
    "source_addr_ton": "SMPP v3.4 §5.2.5",
    "dest_addr_ton": "SMPP v3.4 §5.2.5",
    "source_addr_npi": "SMPP v3.4 §5.2.6",
    "dest_addr_npi": "SMPP v3.4 §5.2.6",
    "source_addr": "SMPP v3.4 §5.2.8",
    "destination_addr": "SMPP v3.4 §5.2.9",
    "esm_class": "SMPP v3.4 §5.2.12",
    "priority_flag": "SMPP v3.4 §5.2.14",
    "schedule_delivery_time": "SMPP v3.4 §5.2.15, §7.1.1",
    "validity_period": "SMPP v3.4 §5.2.16, §7.1.1",
    "registered_delivery": "SMPP v3.4 §5.2.17",
    "replace_if_present_flag": "SMPP v3.4 §5.2.18",
    "data_coding": "SMPP v3.4 §5.2.19",
    "sm_default_msg_id": "SMPP v3.4 §5.2.20",
    "sm_length": "SMPP v3.4 §5.2.21",
    "short_message": "SMPP v3.4 §5.2.22",
    "message_id": "SMPP v3.4 §5.2.23",
    "number_of_dests": "SMPP v3.4 §5.2.24",
    "dest_flag": "SMPP v3.4 §5.2.25",
    "dl_name": "SMPP v3.4 §5.2.27",
    "system_id": "SMPP v3.4 §5.2.1",
    "password": "SMPP v3.4 §5.2.2",
    "system_type": "SMPP v3.4 §5.2.3",
    "interface_version": "SMPP v3.4 §5.2.4",
    "address_range": "SMPP v3.4 §5.2.7",
    "command_length": "SMPP v3.4 §5.1.1",
    "command_id": "SMPP v3.4 §5.1.2",
    "tlvs": "SMPP v3.4 §3.2.4",
    "message_payload": "SMPP v3.4 §5.3.2.32",
}
"""Where a field is defined."""

_TEXT_CODINGS = frozenset((0x00, 0x01, 0x03))
_NOT_OCTETS = (Alphabet.UCS2, Alphabet.BINARY, Alphabet.GSM7_PACKED)
_REPEATABLE = frozenset(
    (
        c.TAG_CALLBACK_NUM,
        c.TAG_CALLBACK_NUM_PRES_IND,
        c.TAG_CALLBACK_NUM_ATAG,
        c.TAG_BROADCAST_AREA_IDENTIFIER,
        c.TAG_BROADCAST_CONTENT_TYPE,
    )
)
_SAR = (c.TAG_SAR_MSG_REF_NUM, c.TAG_SAR_TOTAL_SEGMENTS, c.TAG_SAR_SEGMENT_SEQNUM)


@dataclass(slots=True)
class Finding:
    """One thing that is wrong."""

    level: Level
    """error: it cannot be decoded; violation: the specification forbids it; suspicious: it is allowed, and odd."""
    field: str
    text: str
    section: str = ""
    offset: int | None = None
    """Of the octet at fault, in the PDU."""


def judge(anatomy: Anatomy, version: int = c.VERSION_34, charset: Alphabet = Alphabet.GSM7) -> list[Finding]:
    """Return what is wrong with a PDU, the worst first.

    Args:
        anatomy: The PDU.
        version: The session's interface_version.
        charset: What data_coding 0 means.
    """
    findings: list[Finding] = []
    if anatomy.error is not None:
        error = anatomy.error
        section = SECTIONS.get(error.field, "")
        answer = f"; to be answered with {c.status_name(error.command_status)}"
        findings.append(Finding("error", error.field, error.reason + answer, section, anatomy.end))
    if len(anatomy.octets) >= 16:
        findings += _header(anatomy)
    if anatomy.pdu is not None:
        fault = validate(anatomy.pdu, version)
        if fault is not None:
            name, status = fault
            text = f"not allowed; a strict SMSC answers {c.status_name(status)} ({c.status_text(status)})"
            findings.append(Finding("violation", name, text, SECTIONS.get(name, ""), _offset(anatomy, name)))
        findings += _body(anatomy)
    findings += _tlvs(anatomy)
    findings += _text(anatomy, charset)
    order = ("error", "violation", "suspicious")
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _offset(anatomy: Anatomy, name: str) -> int | None:
    for span in anatomy.spans:
        if name in (span.name, span.leaf):
            return span.start
    return next((tlv.start for tlv in anatomy.tlvs if c.tag_name(tlv.tag) == name), None)


def _header(anatomy: Anatomy) -> Iterator[Finding]:
    command_id, status = anatomy.number("command_id"), anatomy.number("command_status")
    sequence = anatomy.number("sequence_number")
    if status and command_id < c.RESPONSE_BIT:
        text = f"{c.status_name(status)} in a request, where it must be 0"
        yield Finding("violation", "command_status", text, "SMPP v3.4 §3.2", 8)
    if not 1 <= sequence <= 0x7FFFFFFF and not (command_id == c.GENERIC_NACK and sequence == 0):
        yield Finding(
            "violation", "sequence_number", f"0x{sequence:08X} is not 1 to 0x7FFFFFFF", SECTIONS["sequence_number"], 12
        )
    if command_id == c.GENERIC_NACK and status == 0:
        yield Finding("suspicious", "command_status", "a generic_nack that names no error", "SMPP v3.4 §4.3.1", 8)
    if anatomy.error is None and anatomy.end < len(anatomy.octets):
        extra = len(anatomy.octets) - anatomy.end
        what = "in an error response, which has no body" if status else "after the last field"
        yield Finding("suspicious", "", f"{extra} octets {what}; they are ignored", "", anatomy.end)
    elif status and command_id > c.RESPONSE_BIT and len(anatomy.octets) > 16 and not anatomy.tlvs:
        yield Finding("suspicious", "", "an error response with a body; it is ignored", "SMPP v3.4 §4.4.2", 16)


def _body(anatomy: Anatomy) -> Iterator[Finding]:
    pdu = anatomy.pdu
    command_id = anatomy.number("command_id")
    accepted = command_id in (c.SUBMIT_SM_RESP, c.DATA_SM_RESP) and not anatomy.number("command_status")
    if accepted and not anatomy.value("message_id"):
        text = "accepted without a message_id: its receipt can never be matched"
        yield Finding("suspicious", "message_id", text, SECTIONS["message_id"])
    if isinstance(pdu, DeliverSM | DataSM):
        yield from _receipt(anatomy, pdu)
    for side in ("source", "dest"):
        name = "source_addr" if side == "source" else "destination_addr"
        address, ton = anatomy.value(name), anatomy.value(f"{side}_addr_ton")
        if not isinstance(address, bytes) or not address:
            continue
        if any(octet < 0x20 or octet == 0x7F for octet in address):
            yield Finding(
                "suspicious", name, "control characters in an address", SECTIONS[name], _offset(anatomy, name)
            )
        elif ton == c.TON_INTERNATIONAL and address[:1] == b"+":
            yield Finding("suspicious", name, "a + that the TON says already", SECTIONS[name], _offset(anatomy, name))
        elif ton == c.TON_INTERNATIONAL and address[:2] == b"00":
            yield Finding(
                "suspicious",
                name,
                "begins with 00 though the TON is international",
                SECTIONS[name],
                _offset(anatomy, name),
            )
        elif ton == c.TON_ALPHANUMERIC and len(address) > 11:
            yield Finding(
                "suspicious",
                name,
                "longer than the 11 characters that handsets show",
                SECTIONS[name],
                _offset(anatomy, name),
            )
        elif ton in (c.TON_INTERNATIONAL, c.TON_NATIONAL) and not address.translate(None, b"0123456789*#+abcABC"):
            continue
        elif ton in (c.TON_INTERNATIONAL, c.TON_NATIONAL):
            yield Finding("suspicious", name, "not digits, which its TON says", SECTIONS[name], _offset(anatomy, name))


def _receipt(anatomy: Anatomy, pdu: DeliverSM | DataSM) -> Iterator[Finding]:
    receipt = parse_receipt(pdu)
    short = pdu.short_message if isinstance(pdu, DeliverSM) else b""
    body = pdu.tlv(c.TAG_MESSAGE_PAYLOAD) or short
    if receipt is None:
        if pdu.esm_class & c.ESM_TYPE_MASK == 0 and body[:3].lower() == b"id:" and b"stat:" in body:
            text = "looks like a delivery receipt, and is a plain text by its esm_class"
            yield Finding("suspicious", "esm_class", text, SECTIONS["esm_class"], _offset(anatomy, "esm_class"))
        return
    if not receipt.message_id:
        yield Finding("suspicious", "short_message", "a receipt that names no message", "SMPP v3.4 Appendix B")
    if receipt.state == c.STATE_UNKNOWN and not receipt.state_word:
        yield Finding("suspicious", "short_message", "a receipt that says no state", "SMPP v3.4 Appendix B")
    if receipt.conflict:
        text = "the receipt's text and its TLVs differ; the TLVs count"
        yield Finding("suspicious", "message_state", text, "SMPP v3.4 §5.3.2.35")
    if pdu.registered_delivery & c.RECEIPT_MASK:
        text = "a receipt that asks for a receipt"
        yield Finding("suspicious", "registered_delivery", text, SECTIONS["registered_delivery"])


def _tlvs(anatomy: Anatomy) -> Iterator[Finding]:
    seen: set[int] = set()
    for tlv in anatomy.tlvs:
        name = c.tag_name(tlv.tag)
        rule = TLV_RULES.get(tlv.tag)
        if rule is None:
            text = "a vendor's TLV" if meanings.is_vendors(tlv.tag) else "a TLV that no specification defines"
            yield Finding("suspicious", name, text, "SMPP v3.4 §5.3.2", tlv.start)
        elif not rule.shortest <= len(tlv.value) <= rule.longest and tlv.length == len(tlv.value):
            wanted = str(rule.shortest) if rule.shortest == rule.longest else f"{rule.shortest} to {rule.longest}"
            yield Finding(
                "violation", name, f"{len(tlv.value)} octets where {wanted} belong", "SMPP v3.4 §5.3.2", tlv.start
            )
        if tlv.tag in seen and tlv.tag not in _REPEATABLE:
            yield Finding("suspicious", name, "is repeated; the first one counts", "SMPP v3.4 §3.2.4", tlv.start)
        seen.add(tlv.tag)
    sar = [tag for tag in _SAR if tag in seen]
    if sar:
        values = [(tlv.tag, tlv.value) for tlv in anatomy.tlvs]
        if udh.concatenation_from_sar(values) is None:
            text = "the sar_* TLVs are not all there or not possible; they are ignored"
            yield Finding("suspicious", c.tag_name(sar[0]), text, "SMPP v3.4 §5.3.2.22")
        elif anatomy.number("esm_class") & c.ESM_UDHI:
            yield Finding("violation", c.tag_name(sar[0]), "together with a user data header", "SMPP v3.4 §5.3.2.22")


def _text(anatomy: Anatomy, charset: Alphabet) -> Iterator[Finding]:
    short, payload = anatomy.value("short_message"), anatomy.tlv(c.TAG_MESSAGE_PAYLOAD)
    coding = anatomy.value("data_coding")
    if short and payload is not None and isinstance(anatomy.pdu, DeliverSM):
        yield Finding("violation", "message_payload", "together with short_message", SECTIONS["message_payload"])
    text = payload if payload is not None else short
    if isinstance(coding, int) and meanings.data_coding(coding).startswith(meanings.RESERVED):
        at = _offset(anatomy, "data_coding")
        yield Finding("suspicious", "data_coding", f"0x{coding:02X} is reserved", SECTIONS["data_coding"], at)
    if not isinstance(coding, int) or not isinstance(text, bytes) or not text:
        return
    at = _offset(anatomy, "short_message" if payload is None else "message_payload")
    if isinstance(short, bytes) and len(short) > 254:
        yield Finding("violation", "sm_length", "255, and v3.4 has at most 254", SECTIONS["sm_length"], at)
    if anatomy.number("esm_class") & c.ESM_UDHI:
        header = udh.parse(text)
        if header is None:
            yield Finding(
                "violation", "esm_class", "the user data header is longer than the text", SECTIONS["esm_class"], at
            )
            return
        if not header.elements:
            text_ = "the elements do not fill the user data header; it is skipped"
            yield Finding("suspicious", "short_message", text_, "3GPP TS 23.040 §9.2.3.24", at)
        elif header.concatenation() is None and any(identifier in (0x00, 0x08) for identifier, _ in header.elements):
            yield Finding(
                "suspicious",
                "short_message",
                "a concatenation that cannot be; it is ignored",
                "3GPP TS 23.040 §9.2.3.24.1",
                at,
            )
        text = text[header.length :]
    elif text[:3] in (b"\x05\x00\x03", b"\x06\x08\x04"):
        yield Finding(
            "suspicious",
            "esm_class",
            "the text begins like a user data header, and UDHI is not set",
            SECTIONS["esm_class"],
            at,
        )
    yield from _coding(text, coding, charset, at)


def _coding(text: bytes, coding: int, charset: Alphabet, at: int | None) -> Iterator[Finding]:
    if coding in (c.DATA_CODING_UCS2, 0x18):
        if len(text) % 2:
            yield Finding(
                "suspicious",
                "short_message",
                f"UCS-2 of an odd length, {len(text)} octets",
                SECTIONS["data_coding"],
                at,
            )
        elif not _is(text, "utf-16-be"):
            yield Finding("suspicious", "short_message", "half a surrogate pair in UCS-2", SECTIONS["data_coding"], at)
        return
    if coding not in _TEXT_CODINGS or (coding == 0 and charset in _NOT_OCTETS):
        return
    named = meanings.data_coding(coding)
    if _looks_like_ucs2(text):
        yield Finding(
            "suspicious",
            "data_coding",
            f"the text looks like UCS-2, and data_coding says {named}",
            SECTIONS["data_coding"],
            at,
        )
    elif not text.isascii() and _is(text, "utf-8"):
        yield Finding(
            "suspicious",
            "data_coding",
            f"the text looks like UTF-8, and data_coding says {named}",
            SECTIONS["data_coding"],
            at,
        )
    elif "\ufffd" in (decode_text(text, coding, charset) or ""):
        alphabet = charset.value if coding == 0 else named
        yield Finding(
            "suspicious", "short_message", f"octets that {alphabet} has no character for", SECTIONS["data_coding"], at
        )


def _looks_like_ucs2(text: bytes) -> bool:
    """Whether every other octet is that of one block of characters, Latin's NUL among them."""
    if len(text) < 4 or len(text) % 2:
        return False
    high = text[::2]
    commonest = max(set(high), key=high.count)
    return (
        commonest < 0x20
        and commonest != 0x1B
        and high.count(commonest) * 3 >= len(high) * 2
        and any(octet >= 0x20 for octet in text[1::2])
    )


def _is(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
