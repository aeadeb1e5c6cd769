"""One PDU's octets taken apart into fields with their offsets, as far as they can be read.

`pdu.decode` is fast and says that something is wrong; this is slow and says where. It interprets the same field table,
and goes on to the first octet that it cannot place, so that what comes before a fault is still seen.

Must not be here: meanings, judgement beyond "it ends here".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.codegen import layout
from smppcore.errors import DecodeError
from smppcore.fields import HEADER, TLV_HEADER, COctets, Entries, Integer, Octets
from smppcore.pdu import PDU_CLASSES, Pdu, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_ID = {pdu_class.command_id: pdu_class for pdu_class in PDU_CLASSES}
_ADDRESS = (("dest_addr_ton", Integer()), ("dest_addr_npi", Integer()), ("destination_addr", COctets(21)))
_LIST = (("dl_name", COctets(21)),)


@dataclass(slots=True)
class Span:
    """One field, where it is in the PDU."""

    name: str
    """By the specification; entries of lists as "dest_address[0].destination_addr"."""
    start: int
    end: int
    """After its last octet, the NUL of a string included."""
    value: int | bytes
    """Strings without their NUL."""
    whole: bool = True
    """False: the PDU ends within it, or a string has no NUL where it must have one."""

    @property
    def leaf(self) -> str:
        """Its name without the list that it is in."""
        return self.name.rpartition(".")[2] if "." in self.name else self.name


@dataclass(slots=True)
class TlvSpan:
    """One TLV, where it is in the PDU."""

    tag: int
    start: int
    end: int
    value: bytes
    length: int
    """As announced; more than the value has if the PDU ends within it."""


@dataclass(slots=True)
class Anatomy:
    """A PDU taken apart."""

    octets: bytes
    spans: list[Span] = field(default_factory=list)
    tlvs: list[TlvSpan] = field(default_factory=list)
    end: int = 0
    """The first octet that could not be placed; the PDU's length if all could."""
    pdu: Pdu | None = None
    """As `pdu.decode` returns it."""
    error: DecodeError | None = None
    """As it raises it."""
    _values: dict[str, int | bytes] = field(default_factory=dict)

    def add(self, span: Span) -> None:
        """Place the next field."""
        self.spans.append(span)
        self._values[span.name] = span.value
        self.end = span.end if span.whole else span.start

    def value(self, name: str) -> int | bytes | None:
        """Return the value of a field, None if the PDU does not come to it."""
        return self._values.get(name)

    def number(self, name: str) -> int:
        """Return the value of a field of the type integer, 0 if the PDU does not come to it."""
        value = self.value(name)
        return value if isinstance(value, int) else 0

    def tlv(self, tag: int) -> bytes | None:
        """Return the value of the first TLV of a tag, None if there is none."""
        return next((tlv.value for tlv in self.tlvs if tlv.tag == tag), None)


def take_apart(octets: bytes) -> Anatomy:
    """Take one PDU apart; never raises.

    Args:
        octets: What is taken for a PDU, its header included; may be anything.
    """
    anatomy = Anatomy(octets)
    try:
        anatomy.pdu = decode(octets)
    except DecodeError as error:
        anatomy.error = error
    if len(octets) < HEADER.size:
        return anatomy
    header = ("command_length", "command_id", "command_status", "sequence_number")
    for index, (name, value) in enumerate(zip(header, HEADER.unpack_from(octets), strict=True)):
        anatomy.add(Span(name, 4 * index, 4 * index + 4, value))
    pdu_class = _BY_ID.get(anatomy.number("command_id"))
    if pdu_class is not None and _body(anatomy, pdu_class):
        _tlvs(anatomy)
    return anatomy


def _body(anatomy: Anatomy, pdu_class: type[Pdu]) -> bool:
    """Place the mandatory fields; return whether all are there."""
    for name, kind in layout(pdu_class).items():
        if isinstance(kind, Entries):
            if not _entries(anatomy, name, kind):
                return False
        elif not _field(anatomy, name, kind):
            return False
    return True


def _field(anatomy: Anatomy, name: str, kind: Integer | COctets | Octets) -> bool:
    octets, start = anatomy.octets, anatomy.end
    if start >= len(octets):
        return False
    if isinstance(kind, Integer):
        anatomy.add(Span(name, start, start + 1, octets[start]))
        return True
    if isinstance(kind, COctets):
        limit = len(octets) if kind.lenient else min(len(octets), start + kind.size)
        nul = octets.find(0, start, limit)
        if nul >= 0:
            anatomy.add(Span(name, start, nul + 1, octets[start:nul]))
            return True
        anatomy.add(Span(name, start, limit, octets[start:limit], whole=kind.lenient))
        return kind.lenient
    length = octets[start]
    anatomy.add(Span(kind.length_field, start, start + 1, length))
    end = start + 1 + length
    value = octets[start + 1 : end]
    anatomy.add(Span(name, start + 1, min(end, len(octets)), value, whole=end <= len(octets)))
    return end <= len(octets)


def _entries(anatomy: Anatomy, name: str, kind: Entries) -> bool:
    """Place the list of submit_multi or of its response (SMPP v3.4 §4.5.1, §4.5.2)."""
    if not _field(anatomy, kind.count_field, Integer()):
        return False
    for number in range(anatomy.number(kind.count_field)):
        prefix = f"{name}[{number}]."
        if kind.count_field == "number_of_dests":
            if not _field(anatomy, prefix + "dest_flag", Integer()):
                return False
            flag = anatomy.spans[-1].value
            if flag not in (c.DEST_FLAG_SME_ADDRESS, c.DEST_FLAG_DISTRIBUTION_LIST):
                return False
            fields: Iterator[tuple[str, Integer | COctets]] = iter(_ADDRESS if flag == 1 else _LIST)
        else:
            fields = iter(_ADDRESS)
        if not all(_field(anatomy, prefix + leaf, leaf_kind) for leaf, leaf_kind in fields):
            return False
        if kind.count_field == "no_unsuccess":
            status = anatomy.octets[anatomy.end : anatomy.end + 4]
            if len(status) < 4:
                return False
            span = Span(prefix + "error_status_code", anatomy.end, anatomy.end + 4, int.from_bytes(status, "big"))
            anatomy.add(span)
    return True


def _tlvs(anatomy: Anatomy) -> None:
    """Place what follows as TLVs, the last of them even if it is cut short (SMPP v3.4 §3.2.4.1)."""
    octets, end = anatomy.octets, len(anatomy.octets)
    while end - anatomy.end >= TLV_HEADER.size:
        tag, length = TLV_HEADER.unpack_from(octets, anatomy.end)
        start = anatomy.end
        value = octets[start + 4 : start + 4 + length]
        anatomy.tlvs.append(TlvSpan(tag, start, start + 4 + len(value), value, length))
        if len(value) < length:
            return  # `end` stays at the TLV that is wrong
        anatomy.end = start + 4 + length
