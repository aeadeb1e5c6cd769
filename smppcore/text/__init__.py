"""Message text: between `str` and the octets of user data, and how many parts a text takes.

The only crossing between bytes (the wire) and str (the rules), receipts' ASCII fields apart.

    alphabets        what data_coding says
    gsm, national    the GSM 7-bit tables, and septets packed into octets
    encoding         a text → the user data of its parts, in the cheapest way that its link allows
    transliteration  characters that an alphabet lacks → those that it has
    decoding         the user data of a message's parts → its text

Must not be here: PDUs, buffers for parts that are missing.
"""

from __future__ import annotations

from smppcore.text.alphabets import WAITING_KINDS, Alphabet, alphabet_of, message_class, waiting_indication
from smppcore.text.decoding import UserData, decode_text, read_message
from smppcore.text.encoding import (
    USUAL,
    Encoded,
    Framing,
    LongForm,
    TextProfile,
    Way,
    count_segments,
    encode_message,
    user_data,
)
from smppcore.text.national import LANGUAGES

__all__ = [
    "LANGUAGES",
    "USUAL",
    "WAITING_KINDS",
    "Alphabet",
    "Encoded",
    "Framing",
    "LongForm",
    "TextProfile",
    "UserData",
    "Way",
    "alphabet_of",
    "count_segments",
    "decode_text",
    "encode_message",
    "message_class",
    "read_message",
    "user_data",
    "waiting_indication",
]
