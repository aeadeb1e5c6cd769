"""Texts, numbers and passwords hidden inside a PDU's octets: same length, same layout, so that it decodes as before.

What stays: whatever routing and faults are found by. Of a number the first four digits (its country and network), short
codes and alphanumeric senders; of a receipt everything but the message's text; of a user data header everything. What
nobody has defined, a vendor's TLV or what follows a fault, may hold anything and is hidden.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore import udh
from smppcore.dissect.anatomy import Anatomy, take_apart
from smppcore.tlvs import TLV_RULES

if TYPE_CHECKING:
    from collections.abc import Callable

STAR = b"*"
"""What stands for a hidden octet; also an asterisk in GSM 03.38."""

_WITH_PASSWORD = frozenset(
    command_id.to_bytes(4, "big") for command_id in (c.BIND_RECEIVER, c.BIND_TRANSMITTER, c.BIND_TRANSCEIVER, c.OUTBIND)
)
_NUMBERS = frozenset(("source_addr", "destination_addr", "esme_addr"))
_TEXTS = frozenset(("short_message",))
_SHORT_CODE = 6
_KEPT_DIGITS = 4
_RECEIPT_TEXT = re.compile(rb"\btext *:", re.IGNORECASE)
_RECEIPT_ID = re.compile(rb"\bid *:", re.IGNORECASE)
_UCS2 = frozenset((c.DATA_CODING_UCS2, 0x18))
_RECEIPT_TYPES = (c.ESM_TYPE_RECEIPT, c.ESM_TYPE_INTERMEDIATE)


def mask(octets: bytes) -> bytes:
    """Hide texts, numbers and passwords; never raises."""
    anatomy = take_apart(octets)
    hidden = bytearray(octets)
    _mask_passwords(anatomy, hidden)
    for span in anatomy.spans:
        if span.leaf in _NUMBERS and isinstance(span.value, bytes):
            _replace(hidden, span.start, mask_number(span.value))
        elif span.leaf in _TEXTS and isinstance(span.value, bytes):
            _replace(hidden, span.start, _mask_text(span.value, anatomy))
    for tlv in anatomy.tlvs:
        masking = _TLV_MASKS.get(tlv.tag, _keep if tlv.tag in TLV_RULES else _hide)
        _replace(hidden, tlv.end - len(tlv.value), masking(tlv.value, anatomy))
    rest = max([anatomy.end, *(span.end for span in anatomy.spans), *(tlv.end for tlv in anatomy.tlvs)])
    _replace(hidden, rest, re.sub(rb"[^\0]", STAR, octets[rest:]))
    return bytes(hidden)


def mask_passwords(octets: bytes) -> bytes:
    """Hide only the password of a bind or an outbind; never raises."""
    if octets[4:8] not in _WITH_PASSWORD:
        return octets
    anatomy = take_apart(octets)
    hidden = bytearray(octets)
    _mask_passwords(anatomy, hidden)
    return bytes(hidden)


def _mask_passwords(anatomy: Anatomy, hidden: bytearray) -> None:
    for span in anatomy.spans:
        if span.name == "password":
            _replace(hidden, span.start, STAR * (span.end - 1 - span.start if span.whole else len(hidden) - span.start))
        elif span.name == "system_id" and not span.whole:
            # Where it should end is not known, so the password may be in what follows
            _replace(hidden, span.end, STAR * (len(hidden) - span.end))


def mask_number(number: bytes) -> bytes:
    """Hide what follows the fourth digit; a short code, and a name, stay."""
    if len(number) <= _SHORT_CODE or re.search(rb"[A-Za-z]", number):
        return number
    kept = _KEPT_DIGITS + number.startswith(b"+")
    return number[:kept] + STAR * (len(number) - kept)


def _mask_text(text: bytes, anatomy: Anatomy) -> bytes:
    esm_class = anatomy.number("esm_class")
    start = 0
    if esm_class & c.ESM_UDHI:
        header = udh.parse(text)
        start = header.length if header is not None else 0
    receipt = esm_class & c.ESM_TYPE_MASK in _RECEIPT_TYPES and _RECEIPT_ID.search(text, start)
    if receipt:
        excerpt = _RECEIPT_TEXT.search(text, start)
        start = excerpt.end() if excerpt else len(text)
    rest = text[start:]
    if anatomy.number("data_coding") in _UCS2 and not receipt:
        return text[:start] + (b"\0" + STAR) * (len(rest) // 2) + STAR * (len(rest) % 2)
    return text[:start] + STAR * len(rest)


def _keep(value: bytes, _anatomy: Anatomy) -> bytes:
    return value


def _hide(value: bytes, _anatomy: Anatomy) -> bytes:
    return STAR * len(value)


def _hide_after(kept: int) -> Callable[[bytes, Anatomy], bytes]:
    return lambda value, _anatomy: value[:kept] + STAR * (len(value) - kept)


_TLV_MASKS: dict[int, Callable[[bytes, Anatomy], bytes]] = {
    c.TAG_MESSAGE_PAYLOAD: _mask_text,
    c.TAG_CALLBACK_NUM: lambda value, _: (
        value[:3] + mask_number(value[3:])
    ),  # digit mode, TON, NPI (SMPP v3.4 §5.3.2.36)
    c.TAG_CALLBACK_NUM_ATAG: _hide_after(1),
    c.TAG_SOURCE_SUBADDRESS: _hide_after(1),
    c.TAG_DEST_SUBADDRESS: _hide_after(1),
    c.TAG_DEST_ADDR_NP_INFORMATION: _hide_after(0),
    c.TAG_BILLING_IDENTIFICATION: _hide_after(0),
}


def _replace(octets: bytearray, start: int, replacement: bytes) -> None:
    octets[start : start + len(replacement)] = replacement
