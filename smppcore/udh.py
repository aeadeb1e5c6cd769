"""User data headers: their elements, and what they and the SAR TLVs say about the parts of a long message.

Rules:

* A header that does not fit into its user data is no header (None): the user data stays whole.
* A concatenation that cannot be true (total 0, sequence 0, sequence above total) is ignored, as 3GPP TS 23.040
  §9.2.3.24.1 asks: the message is a plain one. The SAR TLVs are treated alike.
* Unknown elements are kept, in order, with repeats.

Must not be here: buffers for parts, text, PDUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smppcore.constants import TAG_SAR_MSG_REF_NUM, TAG_SAR_SEGMENT_SEQNUM, TAG_SAR_TOTAL_SEGMENTS
from smppcore.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Information element identifiers (3GPP TS 23.040 §9.2.3.24).
IE_CONCATENATION_8: Final = 0x00
IE_PORTS_8: Final = 0x04
IE_PORTS_16: Final = 0x05
IE_CONCATENATION_16: Final = 0x08
IE_SINGLE_SHIFT: Final = 0x24
IE_LOCKING_SHIFT: Final = 0x25


@dataclass(slots=True)
class Concatenation:
    """One part's place in a long message."""

    reference: int
    """The number that all parts share."""
    reference_bits: int
    """8 or 16: references of different widths never mean the same message."""
    total: int
    """Parts of the message, 1 … 255."""
    sequence: int
    """This part, 1 … total."""


@dataclass(slots=True)
class Udh:
    """A user data header."""

    elements: tuple[tuple[int, bytes], ...]
    """(identifier, data) in the order received; none if the elements do not fill the header exactly."""
    length: int
    """Octets of the header with its length octet: the text begins there."""

    def element(self, identifier: int) -> bytes | None:
        """Return the data of an element; of the last one if it is repeated (3GPP TS 23.040 §9.2.3.24)."""
        for found, data in reversed(self.elements):
            if found == identifier:
                return data
        return None

    def concatenation(self) -> Concatenation | None:
        """Return the part's place, from the last concatenation element that can be true; None if there is none."""
        for identifier, data in reversed(self.elements):
            if identifier == IE_CONCATENATION_8 and len(data) == 3:
                concatenation = Concatenation(data[0], 8, data[1], data[2])
            elif identifier == IE_CONCATENATION_16 and len(data) == 4:
                concatenation = Concatenation(data[0] << 8 | data[1], 16, data[2], data[3])
            else:
                continue
            if _is_possible(concatenation):
                return concatenation
        return None

    def ports(self) -> tuple[int, int] | None:
        """Return (destination, source) of an application port address; None if there is none.

        3GPP TS 23.040 §9.2.3.24.3 and §9.2.3.24.4.
        """
        for identifier, data in reversed(self.elements):
            if identifier == IE_PORTS_8 and len(data) == 2:
                return data[0], data[1]
            if identifier == IE_PORTS_16 and len(data) == 4:
                return data[0] << 8 | data[1], data[2] << 8 | data[3]
        return None


def parse(octets: bytes) -> Udh | None:
    """Parse the header at the beginning of user data whose PDU has the UDHI flag set.

    Args:
        octets: The whole user data, from short_message or message_payload alike.

    Returns:
        The header; None if the header would reach beyond the user data, so that there is none to take off. An SMSC
        answers such a submit with ESME_RINVESMCLASS; an ESME acknowledges it and keeps the octets.
    """
    if not octets or octets[0] >= len(octets):
        return None
    length = octets[0] + 1
    elements = []
    position = 1
    while position < length:
        # An element that is cut short makes the header meaningless, but not the text behind it (23.040 §9.2.3.24).
        if position + 2 > length or position + 2 + octets[position + 1] > length:
            return Udh((), length)
        end = position + 2 + octets[position + 1]
        elements.append((octets[position], octets[position + 2 : end]))
        position = end
    return Udh(tuple(elements), length)


def header(elements: bytes) -> bytes:
    """Build a header of information elements, each its identifier, its length and its data.

    Raises:
        LocalProtocolError: They take more than 255 octets.
    """
    if len(elements) > 255:
        raise LocalProtocolError(f"a user data header has at most 255 octets, not {len(elements)}")
    return bytes((len(elements),)) + elements


def concatenation_element(concatenation: Concatenation) -> bytes:
    """Build the information element of one part (3GPP TS 23.040 §9.2.3.24.1 and §9.2.3.24.8): 5 or 6 octets.

    Raises:
        LocalProtocolError: A number is out of range.
    """
    _check(concatenation)
    place = bytes((concatenation.total, concatenation.sequence))
    if concatenation.reference_bits == 8:
        return bytes((IE_CONCATENATION_8, 3, concatenation.reference)) + place
    return bytes((IE_CONCATENATION_16, 4)) + concatenation.reference.to_bytes(2, "big") + place


def concat8(reference: int, total: int, sequence: int) -> bytes:
    """Build the header of one part, with an 8-bit reference: 6 octets.

    Raises:
        LocalProtocolError: A number is out of range.
    """
    return header(concatenation_element(Concatenation(reference, 8, total, sequence)))


def concat16(reference: int, total: int, sequence: int) -> bytes:
    """Build the header of one part, with a 16-bit reference: 7 octets.

    Raises:
        LocalProtocolError: A number is out of range.
    """
    return header(concatenation_element(Concatenation(reference, 16, total, sequence)))


def concatenation_from_sar(tlvs: Iterable[tuple[int, bytes]]) -> Concatenation | None:
    """Read the three sar_* TLVs (SMPP v3.4 §5.3.2.22 … 24); None unless all three are there, whole and possible.

    Of repeated TLVs the first counts.
    """
    reference = total = sequence = b""
    for tag, value in tlvs:
        if tag == TAG_SAR_MSG_REF_NUM:
            reference = reference or value
        elif tag == TAG_SAR_TOTAL_SEGMENTS:
            total = total or value
        elif tag == TAG_SAR_SEGMENT_SEQNUM:
            sequence = sequence or value
    if len(reference) != 2 or len(total) != 1 or len(sequence) != 1:
        return None
    concatenation = Concatenation(int.from_bytes(reference, "big"), 16, total[0], sequence[0])
    return concatenation if _is_possible(concatenation) else None


def sar_tlvs(concatenation: Concatenation) -> tuple[tuple[int, bytes], ...]:
    """Build the three sar_* TLVs of one part; an 8-bit reference goes into the low octet.

    Raises:
        LocalProtocolError: A number is out of range.
    """
    _check(concatenation)
    return (
        (TAG_SAR_MSG_REF_NUM, concatenation.reference.to_bytes(2, "big")),
        (TAG_SAR_TOTAL_SEGMENTS, bytes((concatenation.total,))),
        (TAG_SAR_SEGMENT_SEQNUM, bytes((concatenation.sequence,))),
    )


def _is_possible(concatenation: Concatenation) -> bool:
    return 1 <= concatenation.sequence <= concatenation.total


def _check(concatenation: Concatenation) -> None:
    if not 0 <= concatenation.reference < 1 << concatenation.reference_bits:
        raise LocalProtocolError(
            f"reference {concatenation.reference} needs more than {concatenation.reference_bits} bits"
        )
    if concatenation.total > 255 or not _is_possible(concatenation):
        raise LocalProtocolError(f"part {concatenation.sequence} of {concatenation.total} cannot be numbered")
