"""Long messages coming in: their parts until they are whole, and for a while after that.

The key is (link group, source, destination, reference, width of the reference, number of parts). A part that came
before is dropped, whether the message has been read since or not; a different one under the same number is of another
message. What comes after the message was taken without it still belongs to it. Pure: the turn stores what changes.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING, Literal

import msgspec

from smppcore.text import UserData  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

AssemblyKey = tuple[str, str, str, int, int, int]
"""(group, source, destination, reference, reference_bits, total)."""

MOST = 100_000
"""Messages that are kept here at once; beyond it the one that has waited longest is over before its time."""


class Assembly(msgspec.Struct, array_like=True):
    """One long message."""

    mo: int
    """Id of its row, whose outcome is pending while this is open."""
    link: str
    """The link that brought its first part."""
    since: float
    """When the first part came; once it was read, when that was."""
    state: Literal["open", "partial", "whole"] = "open"
    """partial: it was read without all of its parts; whole: with them."""
    parts: dict[int, UserData] = msgspec.field(default_factory=dict)
    """By number, from 1; of a whole message there are only digests in place of the octets."""

    def holds(self, number: int, part: UserData) -> bool | None:
        """Return whether this is the part under its number; None if none has come yet."""
        held = self.parts.get(number)
        return None if held is None else held == (_digest(part) if self.state == "whole" else part)

    def ordered(self) -> list[UserData]:
        """Return the parts there are, in their order."""
        return [self.parts[number] for number in sorted(self.parts)]

    def read(self, now: float, total: int) -> None:
        """Note that the message was taken as it is."""
        self.since = now
        self.state = "partial"
        self.complete(total)

    def complete(self, total: int) -> None:
        """Keep only digests once every part is there: enough to know them again."""
        if len(self.parts) == total:
            self.state = "whole"
            self.parts = {number: _digest(part) for number, part in self.parts.items()}

    def pack(self) -> bytes:
        """Return the octets to store."""
        return _pack(self)


def _digest(part: UserData) -> UserData:
    return part._replace(octets=blake2b(part.octets, digest_size=8).digest())


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Assembly).decode
_unpack_key = msgspec.msgpack.Decoder(AssemblyKey).decode


def unpack_assembly(data: bytes) -> Assembly:
    """Return the Assembly from its octets.

    Raises:
        msgspec.DecodeError: They are none.
    """
    return _unpack(data)


def pack_key(key: AssemblyKey) -> bytes:
    """Return the key's octets in the store."""
    return _pack(key)


def unpack_key(data: bytes) -> AssemblyKey:
    """Return the key from its octets."""
    key: AssemblyKey = _unpack_key(data)
    return key


class Assemblies:
    """All long messages that are open, or were read not long ago.

    Args:
        timeouts: Seconds for which each link's messages wait, and are known afterwards; what belongs to no link that is
            configured waits until it is again.
    """

    def __init__(self, timeouts: Mapping[str, float]) -> None:
        self._timeouts = timeouts
        self._held: dict[AssemblyKey, Assembly] = {}
        self._order: list[tuple[float, int, AssemblyKey, Assembly]] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._held)

    def load(self, rows: Iterable[tuple[bytes, bytes]], now: float) -> None:
        """Have those of the store, and no others."""
        self._held.clear()
        self._order.clear()
        for key, value in rows:
            assembly = unpack_assembly(value)
            assembly.since = min(assembly.since, now)  # the clock may have been set back
            self.put(unpack_key(key), assembly)

    def get(self, key: AssemblyKey) -> Assembly | None:
        """Return one, None if it is not known."""
        return self._held.get(key)

    def put(self, key: AssemblyKey, assembly: Assembly) -> None:
        """Take in a new one, or one whose `since` has changed."""
        self._held[key] = assembly
        heapq.heappush(self._order, (self._due(assembly), assembly.mo, key, assembly))

    def of(self, mos: Collection[int]) -> list[AssemblyKey]:
        """Return those of these messages."""
        return [key for key, assembly in self._held.items() if assembly.mo in mos] if mos else []

    def drop(self, key: AssemblyKey) -> None:
        """Forget one."""
        del self._held[key]

    def next_due(self) -> float:
        """Return when the first is due, in seconds since the epoch; inf if there is none."""
        while self._order:
            due, _, key, assembly = self._order[0]
            if self._held.get(key) is assembly and self._due(assembly) == due:
                return due
            heapq.heappop(self._order)
        return inf

    def take_overdue(self, now: float) -> list[tuple[AssemblyKey, Assembly]]:
        """Take out those whose time is over, and the oldest of too many."""
        found: list[tuple[AssemblyKey, Assembly]] = []
        while (due := self.next_due()) <= now or (len(self._held) > MOST and due < inf):
            _, _, key, assembly = heapq.heappop(self._order)
            del self._held[key]
            found.append((key, assembly))
        return found

    def _due(self, assembly: Assembly) -> float:
        return assembly.since + self._timeouts.get(assembly.link, inf)
