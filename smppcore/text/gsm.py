"""GSM 7-bit characters: one pair of tables for both directions, and septets packed into octets.

Standard: 3GPP TS 23.038 §6.1.2.1 (packing), §6.2.1 (alphabets). Septets are octets 0 … 127 here until they are packed.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import TYPE_CHECKING

from smppcore.text.national import DEFAULT, ESCAPE, LOCKING_SHIFT, SINGLE_SHIFT, VOID

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPED = re.compile(rb"\x1b(.?)", re.DOTALL)


class GsmTables:
    """A basic (locking shift) and an extension (single shift) table, compiled for both directions.

    Args:
        locking: The 128 characters of the basic table, by septet; U+FFFD where there is none.
        single: The characters of the extension table, by the septet after the escape.
    """

    def __init__(self, locking: str, single: Mapping[int, str]) -> None:
        self._decoding = locking + VOID * 128
        self._single = single
        septets: dict[str, str] = {}
        for septet, character in enumerate(locking):
            if character not in (ESCAPE, VOID):
                septets.setdefault(character, chr(septet))
        for septet, character in single.items():
            septets.setdefault(character, ESCAPE + chr(septet))
        self._encoding = str.maketrans(septets)
        self._characters = frozenset(septets)

    def encode(self, text: str) -> bytes | None:
        """Encode, one septet to an octet; None if a character is in neither table."""
        if not self._characters.issuperset(text):
            return None
        return text.translate(self._encoding).encode("latin-1")

    def decode(self, octets: bytes) -> str:
        """Decode; octets above 0x7F, and septets without a character, become U+FFFD.

        An escape that the extension table does not know yields the basic table's character; one before an escape, or
        before nothing, is shown as a space (3GPP TS 23.038 §6.2.1.1).
        """
        text: str = codecs.charmap_decode(octets, "strict", self._decoding)[0]
        if ESCAPE not in text:
            return text
        pieces = []
        start = 0
        for match in _ESCAPED.finditer(octets):
            pieces.append(text[start : match.start()])
            start = match.end()
            pieces.append(self._escaped(match[1]))
        pieces.append(text[start:])
        return "".join(pieces)

    def _escaped(self, octet: bytes) -> str:
        if octet in (b"", b"\x1b"):
            return " "
        return self._single.get(octet[0]) or self._decoding[octet[0]]


@cache
def tables(locking: int = 0, single: int = 0) -> GsmTables:
    """Return the tables of two national language identifiers; the default's for one that is not known."""
    return GsmTables(LOCKING_SHIFT.get(locking, DEFAULT), SINGLE_SHIFT.get(single, SINGLE_SHIFT[0]))


GSM = tables()
"""The default alphabet and its extension."""
IDENTICAL = bytes(
    septet for septet, character in enumerate(DEFAULT) if ord(character) == septet and character != ESCAPE
)
"""The octets that mean the same in ASCII, each once."""


PADDING = b"\0\r"
"""What seven bits that are left over may hold."""


def pack(septets: bytes, header_octets: int = 0) -> bytes:
    """Pack septets into octets, low bits first.

    Where seven bits would be left over they are a carriage return, so that they are not taken for one more "@"
    (3GPP TS 23.038 §6.1.2.3.1).

    Args:
        septets: 0 … 127 each.
        header_octets: What goes before, with its length octet: the text begins at the next septet boundary.
    """
    fill = -header_octets * 8 % 7
    if (fill + len(septets) * 7) % 8 == 1:
        septets += b"\r"
    packed = 0
    for n, septet in enumerate(septets):
        packed |= septet << 7 * n
    return (packed << fill).to_bytes((fill + len(septets) * 7 + 7) // 8, "little")


def unpack(octets: bytes, header_octets: int = 0) -> bytes:
    """Return the septets of packed octets.

    SMPP counts octets, so that seven bits left over look like a septet: a last septet that ends the last octet is left
    out if it is 0, "@", or a carriage return. (A text may end so just there; far more often the sender padded.) In user
    data that is full a zero is kept: there, whoever divided a long text had no bits left over.

    Args:
        octets: Without the header.
        header_octets: What was before, with its length octet.
    """
    fill = -header_octets * 8 % 7
    bits = len(octets) * 8 - fill
    packed = int.from_bytes(octets, "little") >> fill
    septets = bytes(packed >> 7 * n & 0x7F for n in range(bits // 7))
    padding = b"\r" if header_octets + len(octets) == 140 else PADDING
    return septets[:-1] if septets and bits % 7 == 0 and septets[-1] in padding else septets
