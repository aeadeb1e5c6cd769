"""Characters that a carrier's alphabet lacks, written with those that it has.

Only what a reader hardly notices: typographic quotes, dashes and spaces, ligatures, and accents that are left off. A
table of our own instead of a library (anyascii, Unidecode): those spell out emoji and romanise whole scripts, which
would send a Russian text in Latin letters because it is shorter.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAIN: Final[Mapping[str, str]] = {
    **dict.fromkeys("‘’‚‛′ʹʻʼˈ`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‹", "<"),
    **dict.fromkeys("›", ">"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("•‣·∙", "*"),
    **dict.fromkeys(
        "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\t", " "
    ),
    **dict.fromkeys("\u200b\u2060\ufeff\u00ad", ""),
    **dict.fromkeys("\u2028\u2029\u0085", "\n"),
    "…": "...",
    "⁄": "/",
    "×": "x",
    "÷": ":",
    "©": "(c)",
    "®": "(r)",
    "™": "TM",
    "Ł": "L",
    "ł": "l",
    "Đ": "D",
    "đ": "d",
    "ı": "i",
    "Œ": "OE",
    "œ": "oe",
    "ẞ": "SS",
}


def transliterate(text: str, carries: Callable[[str], bool]) -> str:
    """Replace what an alphabet lacks where a like character is in it; leave the rest.

    Args:
        text: Any str.
        carries: Whether the alphabet has every character of a str.
    """
    if carries(text):
        return text
    # One character may come as a letter and an accent of its own: é in two code points is in GSM's alphabet as one.
    composed = unicodedata.normalize("NFC", text)
    replaced = {character: _replace(character, carries) for character in set(composed)}
    return composed.translate({ord(character): other for character, other in replaced.items()})


def _replace(character: str, carries: Callable[[str], bool]) -> str:
    if carries(character):
        return character
    letters = (letter for letter in unicodedata.normalize("NFKD", character) if not unicodedata.combining(letter))
    plain = _PLAIN.get(character, "".join(_PLAIN.get(letter, letter) for letter in letters))
    return plain if carries(plain) else character
