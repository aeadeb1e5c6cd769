"""From a text to the user data of the parts it takes.

Rules:

* A text goes out in the cheapest of the ways that its link allows: fewest parts, then fewest octets, then the simplest.
  Nothing is dropped or truncated; what is replaced, and when, `TextProfile` says.
* A part is 140 octets on the air (3GPP TS 23.040 §9.2.3.16), whatever SMPP's sm_length would allow. GSM-7 travels in
  SMPP one septet to an octet, but is counted in septets.
* An escape pair or a surrogate pair is never split (3GPP TS 23.040 §9.2.3.24.1).

Must not be here: PDUs, what of a message has been sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from smppcore.constants import (
    DATA_CODING_ASCII,
    DATA_CODING_DEFAULT,
    DATA_CODING_LATIN1,
    DATA_CODING_UCS2,
    ESM_UDHI,
    ESME_RINVMSGLEN,
    TAG_MESSAGE_PAYLOAD,
)
from smppcore.errors import LocalProtocolError
from smppcore.text.alphabets import Alphabet
from smppcore.text.gsm import GSM, IDENTICAL, PADDING, GsmTables, pack, tables
from smppcore.text.national import LANGUAGES, LOCKING_SHIFT
from smppcore.text.transliteration import transliterate
from smppcore.udh import (
    IE_LOCKING_SHIFT,
    IE_SINGLE_SHIFT,
    Concatenation,
    concatenation_element,
    header,
    sar_tlvs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LongForm = Literal["udh8", "udh16", "sar", "payload"]
"""How a text of several parts is sent: a user data header with a reference of 8 or 16 bits, the sar_* TLVs (SMPP v3.4
§5.3.2.22 … 24), or whole in message_payload (§5.3.2.32) for the SMSC to divide."""
Way = Literal["default", "ascii", "latin1", "ucs2"]
"""data_coding 0, 1, 3, 8."""

# Bound once: in Python 3.11 an Enum's member costs three times a module's global, on every message.
_GSM7: Final = Alphabet.GSM7
_GSM7_PACKED: Final = Alphabet.GSM7_PACKED
_IDENTICAL: Final = IDENTICAL

_PART_OCTETS: Final = 140
_ESCAPE_OCTET: Final = 0x1B
# With SAR TLVs or message_payload the header is made by the SMSC: its reference may have 16 bits.
_CONCATENATION_OCTETS: Final[Mapping[LongForm, int]] = {"udh8": 5, "udh16": 6, "sar": 6, "payload": 6}
_WAYS: Final[Mapping[Way, tuple[int, Alphabet]]] = {
    "ascii": (DATA_CODING_ASCII, Alphabet.ASCII),
    "latin1": (DATA_CODING_LATIN1, Alphabet.LATIN1),
    "ucs2": (DATA_CODING_UCS2, Alphabet.UCS2),
}
# What a character takes on the air. GSM-7 and IA5 are sent as septets; Latin-1 is counted in octets, which is what fits
# wherever the carrier does not convert it.
_UNIT_BITS: Final[Mapping[Alphabet, int]] = {
    Alphabet.GSM7: 7,
    Alphabet.GSM7_PACKED: 7,
    Alphabet.ASCII: 7,
    Alphabet.LATIN1: 8,
    Alphabet.UCS2: 16,
}


@dataclass(frozen=True, slots=True)
class TextProfile:
    """What one link may be sent."""

    default_alphabet: Alphabet = _GSM7
    """What data_coding 0 means; where that is UCS-2, or unknown (BINARY), texts go as data_coding 8 instead."""
    ways: tuple[Way, ...] = ("default", "ucs2")
    """What data_coding may say; at the same cost the first. Without ucs2, what no other way carries is transliterated,
    and what even that leaves becomes "?"."""
    languages: tuple[str, ...] = ()
    """National languages whose shift tables may be used with the GSM alphabet: keys of LANGUAGES."""
    long_form: LongForm = "udh8"
    transliterate: bool = False
    """Whether characters are replaced by plainer ones (`transliteration`) where that saves parts."""
    plain: bool = field(init=False)
    """Whether a text of up to 160 characters that ASCII and GSM-7 share goes as it is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", self.default_alphabet is _GSM7 and self.ways[0] == "default")


USUAL: Final = TextProfile()


@dataclass(frozen=True, slots=True)
class Framing:
    """What goes around the parts."""

    long_form: LongForm | None
    """How the parts are marked as belonging together; None if there is one."""
    elements: bytes = b""
    """Information elements of every part's header, such as the language's."""
    packed: bool = False
    """Whether the septets are to be packed."""


class Encoded(msgspec.Struct, gc=False):
    """A text as characters of an alphabet, in its parts."""

    data_coding: int
    """For the PDU's field of that name."""
    parts: tuple[bytes, ...]
    """The characters of each part, one for each PDU."""
    framing: Framing | None = None
    """None: the only part is the short_message as it is. Otherwise `user_data` says what each PDU carries."""


def encode_message(text: str, profile: TextProfile = USUAL, *, max_parts: int = 255) -> Encoded:
    """Encode a text in the cheapest way that carries all of it.

    Args:
        text: Any str. Halves of a surrogate pair are joined, lone surrogates become U+FFFD.
        profile: What the link allows.
        max_parts: The most segments that are acceptable; 255 is the most that a concatenation can number.

    Returns:
        As many parts as PDUs are to be sent: one for a long text that goes in message_payload.

    Raises:
        LocalProtocolError: The text takes more than max_parts segments.
    """
    # Most replies are short and made of characters that GSM-7 and ASCII share: no table is needed to see it.
    if profile.plain and len(text) <= 160 and text.isascii():
        octets = text.encode()
        if not octets.translate(None, _IDENTICAL):
            return Encoded(0, (octets,))
    found = _cheapest(text, profile)
    total = len(found.segments)
    if total > max_parts:
        raise LocalProtocolError(
            f"the text takes {total} parts, at most {max_parts} are allowed",
            field="short_message",
            command_status=ESME_RINVMSGLEN,
        )
    packed = found.alphabet is _GSM7_PACKED
    if total == 1 and not found.elements and not packed:
        return Encoded(found.data_coding, found.segments)
    framing = Framing(profile.long_form if total > 1 else None, found.elements, packed)
    whole = framing.long_form == "payload"
    return Encoded(found.data_coding, (b"".join(found.segments),) if whole else found.segments, framing)


def count_segments(text: str, profile: TextProfile = USUAL) -> int:
    """Count the segments that a text takes on the air, without limit: what a carrier bills.

    They are the parts of `encode_message`; of a text that goes in message_payload, those that the SMSC must make of it.
    """
    return len(_cheapest(text, profile).segments)


def user_data(encoded: Encoded, part: int, reference: int) -> tuple[int, bytes, tuple[tuple[int, bytes], ...]]:
    """Return what the PDU of one part carries.

    Args:
        encoded: The whole text.
        part: Which of its parts, from 0.
        reference: The same number for all parts of a text, another one for the next; its low bits are used.

    Returns:
        Flags for esm_class, short_message, and TLVs.
    """
    framing, body = encoded.framing, encoded.parts[part]
    if framing is None:
        return 0, body, ()
    tlvs: tuple[tuple[int, bytes], ...] = ()
    elements = framing.elements
    if framing.long_form in ("udh8", "udh16", "sar"):
        bits = 8 if framing.long_form == "udh8" else 16
        place = Concatenation(reference & (1 << bits) - 1, bits, len(encoded.parts), part + 1)
        if framing.long_form == "sar":
            tlvs = sar_tlvs(place)
        else:
            elements = concatenation_element(place) + elements
    head = header(elements) if elements else b""
    octets = head + (pack(body, len(head)) if framing.packed else body)
    if framing.long_form == "payload":
        # SMPP v3.4 §5.3.2.32: sm_length is then 0.
        return 0, b"", ((TAG_MESSAGE_PAYLOAD, octets),)
    return ESM_UDHI if head else 0, octets, tlvs


# -- the choice ------------------------------------------------------------------------------------------------------


class _Candidate(NamedTuple):
    """One way to send a text."""

    data_coding: int
    alphabet: Alphabet
    elements: bytes
    segments: tuple[bytes, ...]
    head: int
    """Octets of each segment's header."""

    def cost(self) -> tuple[int, int, int]:
        bits = min(_UNIT_BITS[self.alphabet], 8)
        on_air = sum(-(-len(segment) * bits // 8) + self.head for segment in self.segments)
        return len(self.segments), on_air, len(self.elements)


def _cheapest(text: str, profile: TextProfile) -> _Candidate:
    candidates = list(_candidates(text, profile))
    if not candidates:
        # Only a link without UCS-2 gets here: better a "?" than no message.
        carries = _carries(_first_alphabet(profile))
        plainer = transliterate(text, carries)
        replaced = "".join(character if carries(character) else "?" for character in plainer)
        candidates = list(_candidates(replaced, profile))
    cheapest = candidates[0] if len(candidates) == 1 else min(candidates, key=_Candidate.cost)
    if profile.transliterate and len(cheapest.segments) > 1:
        plainer = transliterate(text, _carries(_first_alphabet(profile)))
        other = min(_candidates(plainer, profile), key=_Candidate.cost, default=cheapest)
        if len(other.segments) < len(cheapest.segments):
            return other
    return cheapest


def _way(way: Way, profile: TextProfile) -> tuple[int, Alphabet]:
    if way == "default" and profile.default_alphabet not in (Alphabet.UCS2, Alphabet.BINARY):
        return DATA_CODING_DEFAULT, profile.default_alphabet
    return _WAYS.get(way, _WAYS["ucs2"])


def _first_alphabet(profile: TextProfile) -> Alphabet:
    """Return the alphabet that texts are transliterated to: the first that is not UCS-2, if there is one."""
    alphabets = [_way(way, profile)[1] for way in profile.ways]
    return next((alphabet for alphabet in alphabets if alphabet is not Alphabet.UCS2), Alphabet.UCS2)


def _carries(alphabet: Alphabet) -> Callable[[str], bool]:
    return lambda text: _encode(text, alphabet) is not None


def _candidates(text: str, profile: TextProfile) -> Iterator[_Candidate]:
    septets = False
    for way in profile.ways:
        data_coding, alphabet = _way(way, profile)
        if alphabet is Alphabet.UCS2 and septets:
            continue  # where every character is a septet or two, 16 bits for each are never cheaper
        octets = _encode(text, alphabet)
        if octets is not None:
            septets |= _UNIT_BITS[alphabet] == 7
            yield _candidate(data_coding, alphabet, b"", octets, profile.long_form)
        if alphabet in (_GSM7, _GSM7_PACKED):
            for elements, national in _national(profile.languages):
                octets = national.encode(text)
                if octets is None:
                    continue
                candidate = _candidate(data_coding, alphabet, elements, octets, profile.long_form)
                # A header of ours does not go with the SAR TLVs, and an SMSC that divides a text cannot be trusted to
                # repeat it.
                if profile.long_form in ("udh8", "udh16") or len(candidate.segments) == 1:
                    yield candidate


def _national(languages: tuple[str, ...]) -> Iterator[tuple[bytes, GsmTables]]:
    """Return the information elements and the tables of each language's shifts: single, locking, and both."""
    for language in languages:
        identifier = LANGUAGES[language]
        single = bytes((IE_SINGLE_SHIFT, 1, identifier))
        yield single, tables(0, identifier)
        if identifier in LOCKING_SHIFT:
            locking = bytes((IE_LOCKING_SHIFT, 1, identifier))
            yield locking, tables(identifier, 0)
            yield locking + single, tables(identifier, identifier)


def _candidate(data_coding: int, alphabet: Alphabet, elements: bytes, octets: bytes, long_form: LongForm) -> _Candidate:
    bits = _UNIT_BITS[alphabet]
    head = len(elements) + 1 if elements else 0
    segments: tuple[bytes, ...] = (octets,)
    if len(octets) > _room(head, bits):
        head = 1 + len(elements) + _CONCATENATION_OCTETS[long_form]
        segments = tuple(_split(octets, alphabet, _room(head, bits)))
    return _Candidate(data_coding, alphabet, elements, segments, head)


def _room(head: int, bits: int) -> int:
    """Return how many octets of characters a part holds beside its header."""
    return (_PART_OCTETS - head) * 8 // bits * (2 if bits == 16 else 1)


def _split(octets: bytes, alphabet: Alphabet, limit: int) -> Iterator[bytes]:
    start = 0
    while start < len(octets):
        end = start + limit
        if end < len(octets):
            if alphabet is Alphabet.UCS2:
                if octets[end - 2] & 0xFC == 0xD8:  # a high surrogate: its pair goes to the next part
                    end -= 2
            else:
                if alphabet is _GSM7_PACKED and octets[end - 1] in PADDING:
                    end -= 1
                if alphabet in (_GSM7, _GSM7_PACKED) and octets[end - 1] == _ESCAPE_OCTET:
                    end -= 1
        yield octets[start:end]
        start = end


def _encode(text: str, alphabet: Alphabet) -> bytes | None:
    """Return the characters as octets, None if the alphabet lacks one."""
    if alphabet in (_GSM7, _GSM7_PACKED):
        return GSM.encode(text)
    if alphabet is Alphabet.UCS2:
        return _encode_utf16(text)
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
