"""Long messages coming in: their parts until they are whole.

The key is (link group, source, destination, reference, width of the reference, number of parts); a part that came
before is dropped, a different one under the same number starts the message anew. Pure: the turn stores what this
returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgpack

AssemblyKey = tuple[str, str, str, int, int, int]
"""(group, source, destination, reference, reference_bits, total)."""


@dataclass(slots=True)
class Assembly:
    """One long message that lacks parts."""

    mo: int
    """Id of its row, whose outcome is pending."""
    link: str
    started: float
    esm_class: int
    data_coding: int
    addressing: bytes
    parts: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """Number of the part, from 1 → (its user data without UDH, its octets as received)."""

    def pack(self) -> bytes:
        """Return the octets to store."""
        return bytes(
            msgpack.packb(
                (self.mo, self.link, self.started, self.esm_class, self.data_coding, self.addressing, self.parts)
            )
        )


def unpack_assembly(data: bytes) -> Assembly:
    """Return the Assembly from its octets."""
    mo, link, started, esm_class, data_coding, addressing, parts = msgpack.unpackb(data, strict_map_key=False)
    held = {n: (body, raw) for n, (body, raw) in parts.items()}
    return Assembly(mo, link, started, esm_class, data_coding, addressing, held)


def pack_key(key: AssemblyKey) -> bytes:
    """Return the key's octets in the store."""
    return bytes(msgpack.packb(key))


def unpack_key(data: bytes) -> AssemblyKey:
    """Return the key from its octets."""
    return tuple(msgpack.unpackb(data))


def add_part(assembly: Assembly, number: int, body: bytes, raw: bytes) -> bool:
    """Put one part in its place.

    Returns:
        False if the place holds another text: the parts belong to two messages.
    """
    held = assembly.parts.get(number)
    if held is not None:
        return held[1] == raw
    assembly.parts[number] = (body, raw)
    return True


def joined(assembly: Assembly) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the user data of all parts there are, in order, and the parts as received."""
    ordered = [assembly.parts[n] for n in sorted(assembly.parts)]
    return b"".join(body for body, _ in ordered), tuple(raw for _, raw in ordered)
