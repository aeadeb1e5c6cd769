"""The values that came with an entry of the log: what an operator asked for, what a call returned.

They stand in a table of their own, by customer, so that they can be forgotten with everything else of a customer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_id = struct.Struct(">Q")
_unpack = msgspec.msgpack.Decoder(dict[str, str]).decode


def prefix(key: tuple[str, str]) -> bytes:
    """Return how the keys of one customer begin, who is (number, brand)."""
    return f"{key[0]}\0{key[1]}\0".encode()[:500]


def row(key: tuple[str, str], number: int, values: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Return the row of the table `input`.

    Args:
        key: The customer.
        number: That the entry of the log names.
        values: To be kept.
    """
    return prefix(key) + _id.pack(number), msgspec.msgpack.encode(dict(values))


def read(octets: bytes | None) -> dict[str, str]:
    """Return the values of a row, none if it was forgotten.

    Raises:
        msgspec.DecodeError: It is no such row.
    """
    return {} if octets is None else _unpack(octets)
