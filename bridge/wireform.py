"""What a link's configuration changes in messages on the wire: how numbers are written, and vendors' TLVs.

Numbers: the first rule that fits a number is applied. What arrives is rewritten before anything looks at it, so rules,
exports and conversations know only the normal form; what leaves is rewritten as its last step. In everything that an
SMSC delivers, receipts included, the source is the subscriber and the destination the service (SMPP v3.4 §4.6.1).

No I/O and no clock here. A number that a rule makes too long is refused by the encoder, and its message fails by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import re2

from bridge.options import At, BadValue, octets, text, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smppcore.pdu import DataSM, DeliverSM, SubmitSM

TlvValues = dict[str, str | int]
TonNpi = Annotated[int, whole(-1, 255)]
"""A type of number or a numbering plan; -1 is none in particular."""


def _value(value: object, at: At) -> str | int:
    del at
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise BadValue("must be a text or a whole number")
    return value


def _regex(value: object, at: At) -> str:
    given = text(value, at)
    try:
        re2.compile(given)
    except re2.error as exc:
        raise BadValue("must be a regular expression as RE2 has them") from exc
    return given


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How numbers are rewritten; a rule fits by `of`, `ton`, and `strip` or `match`, and the first that fits counts."""

    of: Literal["contact", "service", "both"] = "contact"
    """Whose numbers: the subscribers', ours, or both."""
    ton: TonNpi = -1
    """Only numbers of this type (§5.2.5); -1 = of any."""
    strip: str = ""
    """Only numbers that begin so; it is taken away."""
    add: Annotated[str, octets(20)] = ""
    """This is put in front."""
    match: Annotated[str, _regex] = ""
    """In place of strip and add: only numbers that this regular expression matches as a whole …"""
    to: Annotated[str, octets(40)] = ""
    """… and this is what they become; \\1 stands for the first group."""
    set_ton: TonNpi = -1
    """The type of the number afterwards; -1 = as it was."""
    set_npi: TonNpi = -1
    """Its numbering plan afterwards; -1 = as it was."""


TlvType = Literal["string", "cstring", "int8", "int16", "int32", "hex"]


@dataclass(frozen=True, slots=True)
class SentTlv:
    """A TLV on each submit_sm."""

    tag: Annotated[int, whole(0x0001, 0xFFFF)] = 0
    """Vendors' own are 0x1400 to 0x3fff (§5.3.1)."""
    type: TlvType = "string"
    """string, cstring (with a NUL), int8, int16, int32 or hex."""
    value: Annotated[str | int, _value] = ""
    """A text, a number for the int types, hexadecimal octets for hex."""


@dataclass(frozen=True, slots=True)
class KeptTlv:
    """A TLV of deliver_sm that is kept with the message and shown in exports."""

    tag: Annotated[int, whole(0x0001, 0xFFFF)] = 0
    """As SentTlv.tag."""
    name: str = ""
    """What exports call it; "" = the tag."""
    type: TlvType = "hex"
    """How its octets are read; what does not fit is shown in hex."""


def problem_of(rule: NumberRule) -> str:
    """Return what is wrong between the parts of a rule, "" if nothing is."""
    if rule.match and (rule.strip or rule.add):
        return "has `match`, so `strip` and `add` are of no use: give `to`"
    if rule.to and not rule.match:
        return "`to` is of no use without `match`"
    if rule.match and any(int(group) > re2.compile(rule.match).groups for group in re.findall(r"\\(\d+)", rule.to)):
        return "`to` names a group that `match` does not have"
    return ""


class Rewriter:
    """The rules of one direction.

    Args:
        rules: In the order in which they are tried.
    """

    __slots__ = ("_rules",)

    def __init__(self, rules: Sequence[NumberRule]) -> None:
        self._rules = [(rule, re2.compile(rule.match) if rule.match else None) for rule in rules]

    def number(self, number: str, ton: int, npi: int, *, contact: bool) -> tuple[str, int, int]:
        """Return a number with its TON and NPI as the first rule that fits writes it; unchanged if none does.

        Args:
            number: Of the subscriber or of the service.
            ton: Type of number (SMPP v3.4 §5.2.5).
            npi: Numbering plan (§5.2.6).
            contact: Whether it is the subscriber's.
        """
        for rule, regex in self._rules:
            if rule.of != "both" and (rule.of == "contact") is not contact:
                continue
            if rule.ton not in (-1, ton) or not number.startswith(rule.strip):
                continue
            if regex is None:
                written = rule.add + number[len(rule.strip) :]
            elif (fits := regex.fullmatch(number)) is not None:
                written = fits.expand(rule.to)
            else:
                continue
            return written, ton if rule.set_ton < 0 else rule.set_ton, npi if rule.set_npi < 0 else rule.set_npi
        return number, ton, npi

    def delivered(self, pdu: DeliverSM | DataSM) -> None:
        """Bring the numbers of what an SMSC delivers into their normal form."""
        number, pdu.source_addr_ton, pdu.source_addr_npi = self.number(
            pdu.source_addr.decode("latin-1"), pdu.source_addr_ton, pdu.source_addr_npi, contact=True
        )
        pdu.source_addr = number.encode("latin-1")
        number, pdu.dest_addr_ton, pdu.dest_addr_npi = self.number(
            pdu.destination_addr.decode("latin-1"), pdu.dest_addr_ton, pdu.dest_addr_npi, contact=False
        )
        pdu.destination_addr = number.encode("latin-1")

    def submitted(self, pdu: SubmitSM) -> None:
        """Write the numbers of what we send as the carrier wants them."""
        number, pdu.source_addr_ton, pdu.source_addr_npi = self.number(
            pdu.source_addr.decode("latin-1"), pdu.source_addr_ton, pdu.source_addr_npi, contact=False
        )
        pdu.source_addr = number.encode("latin-1")
        number, pdu.dest_addr_ton, pdu.dest_addr_npi = self.number(
            pdu.destination_addr.decode("latin-1"), pdu.dest_addr_ton, pdu.dest_addr_npi, contact=True
        )
        pdu.destination_addr = number.encode("latin-1")


def tlv_octets(sent: SentTlv) -> bytes:
    """Return the value of a TLV as it goes on the wire.

    Raises:
        ValueError: It is none of its type; the text says what it must be.
    """
    value = sent.value
    if sent.type in _WIDTHS:
        width = _WIDTHS[sent.type]
        if not isinstance(value, int) or not 0 <= value < 1 << 8 * width:
            raise ValueError(f"must be a number from 0 to {(1 << 8 * width) - 1} for {sent.type}")
        return value.to_bytes(width)
    if not isinstance(value, str):
        raise ValueError(f"must be a text in quotes for {sent.type}")  # noqa: TRY004  of the value, not of a caller
    if sent.type == "hex":
        try:
            return bytes.fromhex(value)
        except ValueError as exc:
            raise ValueError("must be hexadecimal octets, as 0a1b") from exc
    try:
        value_octets = value.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise ValueError("must be Latin-1 text") from exc
    return value_octets + b"\0" if sent.type == "cstring" else value_octets


def kept_tlvs(wanted: Sequence[KeptTlv], tlvs: Sequence[tuple[int, bytes]]) -> TlvValues:
    """Return the values that are to be kept, by name: of each tag the first, in hex if it does not fit its type."""
    found: TlvValues = {}
    for kept in wanted:
        value_octets = next((value for tag, value in tlvs if tag == kept.tag), None)
        if value_octets is not None:
            found[kept.name or f"0x{kept.tag:04x}"] = _read(kept.type, value_octets)
    return found


def _read(kind: str, value: bytes) -> str | int:
    if kind in _WIDTHS and len(value) == _WIDTHS[kind]:
        return int.from_bytes(value)
    if kind in ("string", "cstring"):
        plain = value.removesuffix(b"\0") if kind == "cstring" else value
        return plain.decode("latin-1")
    return value.hex()


_WIDTHS = {"int8": 1, "int16": 2, "int32": 4}
