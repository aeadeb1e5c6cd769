"""The kinds of field that PDU bodies are made of; a PDU class names one in each field's annotation.

A kind knows its limits and the status that a breach is answered with; `codegen` turns a class's kinds into its decode
and encode functions. Beside the kinds stand the few functions that the generated code calls where its fast path ends:
errors and TLVs.

Rules: the status of a breach is the field's own where SMPP v3.4 §5.1.3 has one, else ESME_RINVMSGLEN. The PDU classes,
generated code and the judgement of values (is this TON reserved?) must not be here.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from smppcore.constants import ESME_RINVMSGLEN, ESME_RINVOPTPARSTREAM
from smppcore.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEADER = Struct(">IIII")
"""command_length, command_id, command_status, sequence_number (SMPP v3.4 §3.2)."""

TLV_HEADER = Struct(">HH")
"""Tag and length of a TLV (SMPP v3.4 §3.2.4.1)."""

Tlv = tuple[int, bytes]
"""One TLV: its tag and its value."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer of one octet, as every integer of a fixed layout is (SMPP v3.4 §3.1)."""

    status: int = ESME_RINVMSGLEN

    def misfit(self, value: object) -> str:
        """Say why a value cannot be sent, "" if it can."""
        return "" if isinstance(value, int) and 0 <= value <= 255 else "not an integer of 0 to 255"


@dataclass(frozen=True, slots=True)
class COctets:
    """A C-octet string (SMPP v3.4 §3.1).

    Args:
        size: The most octets on the wire, the closing NUL included.
        status: What a string that is too long or not closed is answered with.
        lenient: As in responses, which nobody can answer and whose message_id is worth more than a rule: any length is
            taken, and where no NUL follows the string ends with the PDU.
    """

    size: int
    status: int = ESME_RINVMSGLEN
    lenient: bool = False

    def misfit(self, value: object) -> str:
        """Say why a value cannot be sent, "" if it can."""
        if not isinstance(value, bytes):
            return "not bytes"
        if len(value) >= self.size:
            return f"{len(value)} octets where {self.size - 1} fit"
        return "holds a NUL" if b"\0" in value else ""


@dataclass(frozen=True, slots=True)
class Octets:
    """An octet string behind its length in one octet: sm_length and short_message (SMPP v3.4 §5.2.21, §5.2.22).

    254 octets are v3.4's limit and 255 v5.0's. Both are taken and sent: real v3.4 peers deliver 255.
    """

    length_field: str = "sm_length"
    status: int = ESME_RINVMSGLEN

    def misfit(self, value: object) -> str:
        """Say why a value cannot be sent, "" if it can."""
        if not isinstance(value, bytes):
            return "not bytes"
        return f"{len(value)} octets where 255 fit" if len(value) > 255 else ""


@dataclass(frozen=True, slots=True)
class Entries:
    """A counted list whose entries have a layout of their own; its two functions are written by hand.

    Args:
        read: Takes the whole PDU and the position of the count; returns the entries and the position after them.
            Raises DecodeError, and IndexError where the PDU ends at the count.
        write: Takes the entries; returns their octets, the count included. Raises ValueError, saying which and why.
        count_field: The count's name.
        status: What a count that cannot be sent is refused with.
    """

    read: Callable[[bytes, int], tuple[Sequence[object], int]]
    write: Callable[[Sequence[object]], bytes]
    count_field: str
    status: int = ESME_RINVMSGLEN

    def misfit(self, value: Sequence[object]) -> str:
        """Say why a value cannot be sent, "" if it can."""
        try:
            self.write(value)
        except (TypeError, ValueError) as exc:
            return str(exc)
        return ""


Kind = Integer | COctets | Octets | Entries


def fault(data: bytes, field: str, reason: str, status: int) -> DecodeError:
    """Build the error that says what is wrong with the whole PDU `data`."""
    _, command_id, _, sequence_number = HEADER.unpack_from(data)
    return DecodeError(field, reason, command_status=status, command_id=command_id, sequence_number=sequence_number)


def unterminated(data: bytes, start: int, field: str, size: int, status: int) -> DecodeError:
    """Build the error for a C-octet string without a NUL where one must be."""
    inside = len(data) - start < size
    reason = "no NUL before the end of the PDU" if inside else f"longer than {size - 1} octets"
    return fault(data, field, reason, status)


def read_tlvs(data: bytes, position: int) -> Sequence[Tlv]:
    """Read everything from `position` to the end as TLVs, in order, repeats and unknown tags kept (SMPP v3.4 §3.3).

    Raises:
        DecodeError: 1 to 3 octets are left, or a length passes the end of the PDU.
    """
    end = len(data)
    tlvs: list[Tlv] = []
    unpack = TLV_HEADER.unpack_from
    while position < end:
        if end - position < 4:
            raise fault(data, "tlvs", f"{end - position} octets left where a TLV needs 4", ESME_RINVOPTPARSTREAM)
        tag, length = unpack(data, position)
        start = position + 4
        position = start + length
        if position > end:
            reason = f"TLV 0x{tag:04X} of {length} octets where {end - start} are left"
            raise fault(data, "tlvs", reason, ESME_RINVOPTPARSTREAM)
        tlvs.append((tag, data[start:position]))
    return tlvs


def try_tlvs(data: bytes, position: int) -> Sequence[Tlv]:
    """Read TLVs where the specification has none or nobody could be told of a fault: what is not TLVs is ignored."""
    try:
        return read_tlvs(data, position)
    except DecodeError:
        return ()


def write_tlvs(tlvs: Sequence[Tlv]) -> bytes:
    """Write TLVs in their order.

    Raises:
        struct.error: A tag or a length is above 65,535.
    """
    pack = TLV_HEADER.pack
    return b"".join([pack(tag, len(value)) + value for tag, value in tlvs])
