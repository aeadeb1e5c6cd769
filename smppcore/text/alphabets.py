"""What data_coding says: the alphabet of the octets, the message class, a message waiting indication.

Rules:

* SMPP v3.4 §5.2.19 before 3GPP TS 23.038 §4: 0x10 … 0xBF and 0xE0 … 0xEF are reserved although GSM gives them a
  meaning, except 0x18 (UCS-2, class 0), which is sent in practice.
* Nothing here raises: a coding that we have no table for is binary, and its octets are kept as they came.

Must not be here: tables of characters.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from smppcore.constants import DATA_CODING_ASCII, DATA_CODING_LATIN1, DATA_CODING_UCS2

if TYPE_CHECKING:
    from collections.abc import Mapping


class Alphabet(Enum):
    """How the octets of user data stand for characters."""

    GSM7 = "gsm7"
    """GSM 03.38 default alphabet, its extension and the national tables, one septet to an octet (unpacked)."""
    GSM7_PACKED = "gsm7_packed"
    """The same, eight septets to seven octets, with fill bits after a header (3GPP TS 23.038 §6.1.2.1)."""
    UCS2 = "ucs2"
    """UTF-16BE: UCS-2 with surrogate pairs."""
    LATIN1 = "latin1"
    """ISO 8859-1."""
    ASCII = "ascii"
    """IA5, ANSI X3.4."""
    BINARY = "binary"
    """No characters: 8-bit data, or a coding that we do not know."""


_UCS2_FLASH: Final = 0x18
_ALPHABETS: Final[Mapping[int, Alphabet]] = {
    DATA_CODING_ASCII: Alphabet.ASCII,
    DATA_CODING_LATIN1: Alphabet.LATIN1,
    DATA_CODING_UCS2: Alphabet.UCS2,
    _UCS2_FLASH: Alphabet.UCS2,
    # GSM message waiting indication, default alphabet.
    **dict.fromkeys(range(0xC0, 0xE0), Alphabet.GSM7),
    # GSM message class: bit 2 set is 8-bit data.
    **{coding: Alphabet.GSM7 for coding in range(0xF0, 0x100) if not coding & 0x04},
}

# Bound once: in Python 3.11 an Enum's member costs three times a module's global, on every message.
_GSM7: Final = Alphabet.GSM7
_GSM7_PACKED: Final = Alphabet.GSM7_PACKED
_BINARY: Final = Alphabet.BINARY

WAITING_KINDS: Final = ("voicemail", "fax", "email", "other")
"""Bits 1–0 of a message waiting indication (3GPP TS 23.038 §4)."""


def alphabet_of(data_coding: int, default_alphabet: Alphabet = _GSM7) -> Alphabet:
    """Return the alphabet of a data_coding.

    Args:
        data_coding: As received, 0 … 255.
        default_alphabet: What data_coding 0 means on the link. Where that is packed, GSM's own groups are too.
    """
    if data_coding == 0:
        return default_alphabet
    alphabet = _ALPHABETS.get(data_coding, _BINARY)
    return _GSM7_PACKED if alphabet is _GSM7 and default_alphabet is _GSM7_PACKED else alphabet


def message_class(data_coding: int) -> int | None:
    """Return the message class, 0 … 3 (0 is shown at once, "flash"); None if the coding has none."""
    if data_coding == _UCS2_FLASH:
        return 0
    return data_coding & 0x03 if 0xF0 <= data_coding <= 0xFF else None


def waiting_indication(data_coding: int) -> tuple[str, bool] | None:
    """Return what kind of message waits in a mailbox, one of WAITING_KINDS, and whether one does at all.

    None if the coding is no message waiting indication.
    """
    if 0xC0 <= data_coding <= 0xDF:
        return WAITING_KINDS[data_coding & 0x03], bool(data_coding & 0x08)
    return None
