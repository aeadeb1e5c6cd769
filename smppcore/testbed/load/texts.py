"""What the messages of a load say: a template with counters, random numbers and the lines of a file.

Text number n is the same whenever it is asked for, so that a message that goes again says the same again, and two loads
with one seed are equal.

Must not be here: PDUs, files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from smppcore.text import USUAL, TextProfile, encode_message, user_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Encoding = Literal["auto", "gsm7", "ascii", "latin1", "ucs2"]
"""How texts travel; what an encoding cannot carry goes as UCS-2."""

_PROFILES: Final[dict[Encoding, TextProfile]] = {
    "auto": USUAL,
    "gsm7": USUAL,
    "ascii": TextProfile(ways=("ascii", "ucs2")),
    "latin1": TextProfile(ways=("latin1", "ucs2")),
    "ucs2": TextProfile(ways=("ucs2",)),
}
_FIELD = re.compile(r"\{(n|line|random:(\d+):(\d+))\}")
_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(slots=True)
class Body:
    """A text as the fields of its PDUs."""

    esm_class: int
    """UDHI where there are several parts."""
    data_coding: int
    parts: tuple[bytes, ...]
    """short_message of each PDU, its header included."""


class Texts:
    """The texts of a load, by number.

    Args:
        template: {n} is the text's number in seven digits or more, {random:10:99} a number from that range with both
            ends, {line} the next of `lines`, after the last the first again.
        lines: For {line}.
        encoding: How they travel.
        seed: Of the random numbers.

    Raises:
        ValueError: The template names something else, a range is empty, or there are no lines for {line}.
    """

    def __init__(self, template: str, lines: Sequence[str] = (), *, encoding: Encoding = "auto", seed: int = 0) -> None:
        for braces in _BRACES.finditer(template):
            if not _FIELD.fullmatch(braces[0]):
                raise ValueError(f"{braces[0]} is none of {{n}}, {{line}} and {{random:LOW:HIGH}}")
        self.numbered = "{n}" in template
        """Whether each text shows its number."""
        self._profile = _PROFILES[encoding]
        self._lines = lines
        self._seed = seed
        self._fields: list[Callable[[int], str]] = []
        self._template = ""
        end = 0
        for place, field in enumerate(_FIELD.finditer(template)):
            self._template += template[end : field.start()].replace("%", "%%") + "%s"
            self._fields.append(self._field(field, place))
            end = field.end()
        self._template += template[end:].replace("%", "%%")
        self._constant = None if self._fields else self._encode(self.text(0), 0)
        self._counting = self._counter(template)

    def text(self, number: int) -> str:
        """Return text `number`, from 0."""
        return self._template % tuple([field(number) for field in self._fields])

    def body(self, number: int) -> Body:
        """Return text `number`, encoded."""
        constant = self._constant
        if constant is not None and len(constant.parts) == 1:
            return constant
        if self._counting:
            return Body(0, 0, (self._counting % number,))
        return self._encode(self.text(number), number)

    def _counter(self, template: str) -> bytes:
        """Return a short text of plain characters whose only field is one {n} as a %-format; b"" for any other.

        Most loads have such a text, and a generator must cost less than what it measures.
        """
        before, field, behind = template.partition("{n}")
        body = self._encode(before + behind, 0)
        if not field or len(self._fields) > 1 or len(body.parts) > 1 or len(body.parts[0]) > 140 - 20:
            return b""
        if body.data_coding or body.parts[0] != (before + behind).encode("ascii", "replace"):
            return b""
        return before.replace("%", "%%").encode() + b"%07d" + behind.replace("%", "%%").encode()

    def _field(self, field: re.Match[str], place: int) -> Callable[[int], str]:
        if field[1] == "n":
            return "{:07d}".format
        if field[1] == "line":
            lines = self._lines
            if not lines:
                raise ValueError("{line} needs a file with lines")
            return lambda number: lines[number % len(lines)]
        low, high = int(field[2]), int(field[3])
        if low > high:
            raise ValueError(f"{field[0]} is an empty range")
        salt = self._seed * 64 + place
        return lambda number: str(low + _scatter(number, salt) % (high - low + 1))

    def _encode(self, text: str, number: int) -> Body:
        encoded = encode_message(text, self._profile)
        if encoded.framing is None:
            return Body(0, encoded.data_coding, encoded.parts)
        carried = [user_data(encoded, part, number) for part in range(len(encoded.parts))]
        return Body(carried[0][0], encoded.data_coding, tuple(octets for _, octets, _ in carried))


def _scatter(number: int, salt: int) -> int:
    """Return 64 bits that look random and follow from the arguments (the finalizer of splitmix64)."""
    bits = (number * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03 + 1) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return bits ^ bits >> 31
