"""From the user data of a message's parts to its text.

Decoding never raises: what no table knows becomes U+FFFD, so that the rest can still be read (a STOP must be) and the
damage shows; what is not text at all is None, and its octets are to be kept.

Must not be here: PDUs, buffers for parts that are missing.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from smppcore.text.alphabets import Alphabet, alphabet_of
from smppcore.text.gsm import GSM, IDENTICAL, tables, unpack
from smppcore.udh import IE_LOCKING_SHIFT, IE_SINGLE_SHIFT, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bound once: in Python 3.11 an Enum's member costs three times a module's global, on every message.
_GSM7: Final = Alphabet.GSM7
_GSM7_PACKED: Final = Alphabet.GSM7_PACKED
_IDENTICAL: Final = IDENTICAL


class UserData(NamedTuple):
    """What one PDU of a message carries."""

    octets: bytes
    """Of short_message or message_payload, as received."""
    data_coding: int
    has_header: bool
    """The UDHI flag of esm_class."""


class _Run(NamedTuple):
    """How octets are to be read; neighbours of the same kind are read as one."""

    alphabet: Alphabet
    locking: int
    single: int


def decode_text(octets: bytes, data_coding: int, default_alphabet: Alphabet = _GSM7) -> str | None:
    """Decode user data that has no header.

    Args:
        octets: User data.
        data_coding: As received, 0 … 255 (SMPP v3.4 §5.2.19).
        default_alphabet: What data_coding 0 means on the link.

    Returns:
        The text; None: not text (8-bit data, an unknown or reserved coding, UCS-2 of an odd length).
    """
    alphabet = alphabet_of(data_coding, default_alphabet) if data_coding else default_alphabet
    if alphabet is _GSM7:
        if not octets.translate(None, _IDENTICAL):
            return octets.decode("ascii")
        return GSM.decode(octets)
    if alphabet is _GSM7_PACKED:
        return GSM.decode(unpack(octets))
    return _decode(octets, alphabet)


def read_message(parts: Iterable[UserData], default_alphabet: Alphabet = _GSM7) -> str | None:
    """Read a message of one part or several, with their headers.

    Each part is read as its own header and data_coding say; where they agree, as one, so that a character or an escape
    that a sender cut in two is whole again.

    Args:
        parts: In their order.
        default_alphabet: What data_coding 0 means on the link.

    Returns:
        The text; None if any part is not text.
    """
    pieces: list[tuple[_Run, bytes]] = []
    for part in parts:
        alphabet = alphabet_of(part.data_coding, default_alphabet)
        locking = single = header_octets = 0
        if part.has_header:
            header = parse(part.octets)
            # One that does not fit is none: a sender that sets the flag for nothing may still say STOP.
            if header is not None:
                header_octets = header.length
                locking = _language(header.element(IE_LOCKING_SHIFT))
                single = _language(header.element(IE_SINGLE_SHIFT))
        octets = part.octets[header_octets:]
        if alphabet is _GSM7_PACKED:
            alphabet, octets = _GSM7, unpack(octets, header_octets)
        pieces.append((_Run(alphabet, locking, single), octets))
    texts = []
    for run, group in groupby(pieces, key=lambda piece: piece[0]):
        octets = b"".join(octets for _, octets in group)
        if run.alphabet is _GSM7:
            texts.append(tables(run.locking, run.single).decode(octets))
            continue
        text = _decode(octets, run.alphabet)
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def _language(element: bytes | None) -> int:
    """Return the identifier of a national language; 0, the default, for one that is not given or malformed."""
    return element[0] if element is not None and len(element) == 1 else 0


def _decode(octets: bytes, alphabet: Alphabet) -> str | None:
    if alphabet is Alphabet.UCS2:
        return None if len(octets) & 1 else octets.decode("utf-16-be", "replace")
    if alphabet is Alphabet.LATIN1:
        return octets.decode("latin-1")
    if alphabet is Alphabet.ASCII:
        return octets.decode("ascii", "replace")
    return None
