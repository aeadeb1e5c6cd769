"""Message text: between `str` and the octets of user data, and how many parts a text takes.

The only crossing between bytes (the wire) and str (the rules), receipts' ASCII fields apart.

Rules:

* A text goes out in the cheapest encoding that carries every character: the link's default alphabet, else UCS-2 as
  UTF-16BE, so that emoji survive. Nothing is transliterated, dropped or truncated.
* A part is 140 octets on the air (3GPP TS 23.040 §9.2.3.16), whatever SMPP's sm_length would allow. GSM-7 travels in
  SMPP one septet to an octet, but is counted in septets.
* An escape pair or a surrogate pair is never split (3GPP TS 23.040 §9.2.3.24.1).
* Decoding never raises: what no table knows becomes U+FFFD, what is not text at all is None.

Must not be here: PDUs, user data headers, buffers for parts that are missing.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from smppcore.constants import (
    DATA_CODING_ASCII,
    DATA_CODING_DEFAULT,
    DATA_CODING_LATIN1,
    DATA_CODING_UCS2,
    ESME_RINVMSGLEN,
)
from smppcore.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Alphabet(Enum):
    """How the octets of user data stand for characters."""

    GSM7 = "gsm7"
    """GSM 03.38 default alphabet and its extension, one septet to an octet (unpacked)."""
    UCS2 = "ucs2"
    """UTF-16BE: UCS-2 with surrogate pairs."""
    LATIN1 = "latin1"
    """ISO 8859-1."""
    ASCII = "ascii"
    """IA5, ANSI X3.4."""
    BINARY = "binary"
    """No characters: 8-bit data, or a coding that we do not know."""


# Bound once: in Python 3.11 an Enum's member costs three times a module's global, on every message.
_GSM7: Final = Alphabet.GSM7
_BINARY: Final = Alphabet.BINARY

# SMPP v3.4 §5.2.19. Values without an entry are 8-bit data (0x02, 0x04), codings that we have no table for, or
# reserved; 0x10 … 0x3F are reserved although GSM gives them a meaning, but 0x18 (UCS-2, class 0) is sent in practice.
_ALPHABETS: Final[Mapping[int, Alphabet]] = {
    DATA_CODING_ASCII: Alphabet.ASCII,
    DATA_CODING_LATIN1: Alphabet.LATIN1,
    DATA_CODING_UCS2: Alphabet.UCS2,
    0x18: Alphabet.UCS2,
    # GSM message waiting indication, default alphabet: 0xE0 … 0xEF stay reserved in SMPP.
    **dict.fromkeys(range(0xC0, 0xE0), Alphabet.GSM7),
    # GSM message class: bit 2 set is 8-bit data.
    **{coding: Alphabet.GSM7 for coding in range(0xF0, 0x100) if not coding & 0x04},
}


# -- GSM 03.38 -------------------------------------------------------------------------------------------------------

_ESCAPE = "\x1b"
_ESCAPE_OCTET = 0x1B
_REPLACEMENT = "\ufffd"
_ESCAPED = re.compile(f"{_ESCAPE}(.?)", re.DOTALL)


class _GsmTables:
    """One pair of GSM tables, compiled for both directions.

    Args:
        locking: The 128 characters of the basic table, by septet; U+001B stands at the escape.
        single_shift: The characters of the extension table, by the basic table's character at the same septet.
    """

    def __init__(self, locking: str, single_shift: Mapping[str, str]) -> None:
        self._decoding = locking + _REPLACEMENT * 128
        # 3GPP TS 23.038 §6.2.1.1: an escape before an escape, or before nothing, is shown as a space.
        self._extension = {**single_shift, _ESCAPE: " ", "": " "}
        septets = {character: chr(septet) for septet, character in enumerate(locking) if character != _ESCAPE}
        shifted = {character: _ESCAPE + septets[basic] for basic, character in single_shift.items()}
        self._encoding = str.maketrans({**shifted, **septets})
        self._characters = frozenset(septets) | frozenset(shifted)
        self.identical = bytes(ord(septet) for character, septet in septets.items() if character == septet)
        """The octets that mean the same in ASCII, each once."""

    def encode(self, text: str) -> bytes | None:
        """Encode, one septet to an octet; None if a character is in neither table."""
        if not self._characters.issuperset(text):
            return None
        return text.translate(self._encoding).encode("latin-1")

    def decode(self, octets: bytes) -> str:
        """Decode; octets above 0x7F become U+FFFD.

        An escape that the extension table does not know yields the basic table's character (3GPP TS 23.038 §6.2.1.1).
        """
        text = codecs.charmap_decode(octets, "strict", self._decoding)[0]
        if _ESCAPE in text:
            extension = self._extension
            text = _ESCAPED.sub(lambda match: extension.get(match[1], match[1]), text)
        return text


# 3GPP TS 23.038 §6.2.1 and §6.2.1.1.
_GSM_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION: Final[Mapping[str, str]] = {
    "\n": "\f",
    "Λ": "^",
    "(": "{",
    ")": "}",
    "/": "\\",
    "<": "[",
    "=": "~",
    ">": "]",
    "¡": "|",
    "e": "€",
}
_GSM: Final = _GsmTables(_GSM_BASIC, _GSM_EXTENSION)
_IDENTICAL: Final = _GSM.identical


# -- encoding --------------------------------------------------------------------------------------------------------

_PART_OCTETS = 140


@dataclass(slots=True)
class Encoded:
    """A text as user data."""

    data_coding: int
    """For the PDU's field of that name."""
    parts: tuple[bytes, ...]
    """The user data of each part, without user data header; one part needs none."""


def encode_message(
    text: str, *, default_alphabet: Alphabet = _GSM7, reference_bits: int = 8, max_parts: int = 255
) -> Encoded:
    """Encode a text in the cheapest way that carries all of it.

    Args:
        text: Any str. Halves of a surrogate pair are joined, lone surrogates become U+FFFD.
        default_alphabet: What data_coding 0 means on the link. With UCS2 or BINARY every text goes as data_coding 8.
        reference_bits: 8 or 16, the width of the concatenation reference that parts will carry; a part holds 153 or
            152 septets, 134 or 133 octets, 67 or 66 UTF-16 units, and an undivided text 160, 140 or 70.
        max_parts: The most parts that are acceptable; 255 is the most that a concatenation can number.

    Returns:
        The data_coding and the user data of each part. More than one part: put `udh.concat8` or `udh.concat16` before
        each, and set the UDHI flag.

    Raises:
        LocalProtocolError: The text takes more than max_parts parts.
    """
    # Most replies are short and made of characters that GSM-7 and ASCII share: no table is needed to see it.
    if default_alphabet is _GSM7 and len(text) <= 160 and text.isascii():
        octets = text.encode()
        if not octets.translate(None, _IDENTICAL):
            return Encoded(0, (octets,))
    encoded = _segment(text, default_alphabet, reference_bits)
    if len(encoded.parts) > max_parts:
        raise LocalProtocolError(
            f"the text takes {len(encoded.parts)} parts, at most {max_parts} are allowed",
            field="short_message",
            command_status=ESME_RINVMSGLEN,
        )
    return encoded


def count_segments(text: str, *, default_alphabet: Alphabet = _GSM7, reference_bits: int = 8) -> int:
    """Count the parts that `encode_message` makes of a text, without limit; arguments as there."""
    return len(_segment(text, default_alphabet, reference_bits).parts)


def _segment(text: str, default_alphabet: Alphabet, reference_bits: int) -> Encoded:
    octets = _encode_default(text, default_alphabet)
    if octets is None:
        octets = _encode_utf16(text)
        data_coding, unit_bits, unit_octets = DATA_CODING_UCS2, 16, 2
    else:
        data_coding, unit_bits, unit_octets = DATA_CODING_DEFAULT, _UNIT_BITS[default_alphabet], 1
    if len(octets) <= _PART_OCTETS * 8 // unit_bits * unit_octets:
        return Encoded(data_coding, (octets,))
    header_octets = 6 if reference_bits == 8 else 7
    limit = (_PART_OCTETS - header_octets) * 8 // unit_bits * unit_octets
    parts = []
    start = 0
    while start < len(octets):
        end = start + limit
        if end < len(octets):
            if unit_octets == 2:
                if octets[end - 2] & 0xFC == 0xD8:  # a high surrogate: its pair goes to the next part
                    end -= 2
            elif default_alphabet is _GSM7 and octets[end - 1] == _ESCAPE_OCTET:
                end -= 1
        parts.append(octets[start:end])
        start = end
    return Encoded(data_coding, tuple(parts))


# What a character takes on the air. GSM-7 and IA5 are sent as septets; Latin-1 is counted in octets, which is what fits
# wherever the carrier does not convert it.
_UNIT_BITS: Final[Mapping[Alphabet, int]] = {Alphabet.GSM7: 7, Alphabet.ASCII: 7, Alphabet.LATIN1: 8}


def _encode_default(text: str, alphabet: Alphabet) -> bytes | None:
    if alphabet is _GSM7:
        return _GSM.encode(text)
    if alphabet not in _UNIT_BITS:
        return None
    try:
        return text.encode("ascii" if alphabet is Alphabet.ASCII else "latin-1")
    except UnicodeEncodeError:
        return None


def _encode_utf16(text: str) -> bytes:
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        # JSON's "\ud83d\ude00" may arrive as two halves: through the octets they become one character again.
        joined = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
        return joined.encode("utf-16-be")


# -- decoding --------------------------------------------------------------------------------------------------------


def decode_text(octets: bytes, data_coding: int, default_alphabet: Alphabet = _GSM7) -> str | None:
    """Decode user data, without its header; for a long message, that of all its parts joined.

    Args:
        octets: User data.
        data_coding: As received, 0 … 255 (SMPP v3.4 §5.2.19).
        default_alphabet: What data_coding 0 means on the link.

    Returns:
        The text. Octets that the alphabet does not know are U+FFFD: the rest can still be read (a STOP must be), and
        the damage shows. None: not text (8-bit data, an unknown or reserved coding, UCS-2 of an odd length); keep the
        raw octets.
    """
    alphabet = _ALPHABETS.get(data_coding, _BINARY) if data_coding else default_alphabet
    if alphabet is _GSM7:
        if not octets.translate(None, _IDENTICAL):
            return octets.decode("ascii")
        return _GSM.decode(octets)
    if alphabet is Alphabet.UCS2:
        return None if len(octets) & 1 else octets.decode("utf-16-be", "replace")
    if alphabet is Alphabet.LATIN1:
        return octets.decode("latin-1")
    if alphabet is Alphabet.ASCII:
        return octets.decode("ascii", "replace")
    return None
