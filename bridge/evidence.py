"""The evidence of consent: a chain of what was agreed to and taken back, by customer and brand, that only grows.

Each link holds the SHA-256 of the one before it, and the conversation holds the number and the hash of the last: a link
that is changed, taken out or cut off shows. The profile may be erased, these stay (`[privacy] retain_facts`).
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import msgspec

from bridge.inputs import prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records import Conversation
    from bridge.rules.message import Fact

KINDS = frozenset({"opted_out", "opted_in"})
"""The facts that are evidence."""
_ordinal = struct.Struct(">Q")


class Link(msgspec.Struct, array_like=True, gc=False):
    """One link of a chain."""

    before: bytes
    """SHA-256 of the link before it, empty for the first."""
    time: float
    contact: str
    brand: str
    kind: str
    """One of KINDS."""
    mo: int
    """The id of the text that it was said with, 0 if it was said in another way."""
    replies: tuple[int, ...]
    """The ids of the messages that confirmed it."""
    rules_version: str
    values: dict[str, str | int | float]
    """How it was said (word, words, typo, phrase, carrier, or a source), the text, by whom."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Link).decode


def add(
    fact: Fact, after: Conversation, mo: int, replies: Iterable[int], version: str, now: float
) -> tuple[bytes, bytes]:
    """Lengthen a customer's chain; return the row.

    Args:
        fact: What was said.
        after: The conversation; its end of the chain is changed.
        mo: The id of the text, 0 = none.
        replies: The ids of what confirms it.
        version: Of the rules.
        now: Seconds since the epoch.
    """
    count, head = after.evidence
    link = Link(head, now, after.contact, after.brand, fact.kind, mo, tuple(replies), version, fact.values)
    row = _pack(link)
    after.evidence = count + 1, hashlib.sha256(row).digest()
    return prefix((after.contact, after.brand)) + _ordinal.pack(count), row


def read(row: bytes) -> Link:
    """Return a link from its octets.

    Raises:
        msgspec.DecodeError: They are none.
    """
    return _unpack(row)


def verify(rows: Iterable[bytes], end: tuple[int, bytes]) -> str:
    """Return what is wrong with a chain, "" if nothing is.

    Args:
        rows: Its links, in order.
        end: What the conversation says of it: how many, and the hash of the last.
    """
    head, number = b"", 0
    for number, row in enumerate(rows, 1):
        try:
            link = read(row)
        except msgspec.DecodeError:
            return f"link {number} cannot be read"
        if link.before != head:
            return f"link {number} does not follow from the one before it"
        head = hashlib.sha256(row).digest()
    if number != end[0]:
        return f"{number} links are there of {end[0]}"
    return "" if head == end[1] else "the last link is not the one that was written"
