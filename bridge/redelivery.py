"""Which inbound messages the carrier may deliver a second time, and which of them it did.

A connection that ends leaves the SMSC not knowing what we took. Candidates are the MOs of the carrier (the link group)
that came within `response_timeout` before the end; each absorbs one equal MO until `redelivery_window` after the next
bind. Beyond that, two identical texts are two messages. In a healthy session the turn itself absorbs an equal MO while
the first is un-answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.records import Mo

MoKey = tuple[str, str, int, int, bytes]
"""(source, destination, esm_class, data_coding, octets of the body) within one group."""


def keys_of(mo: Mo) -> list[MoKey]:
    """Return the key of each deliver_sm that a stored MO was made of."""
    bodies = mo.bodies or (mo.text.encode("ascii"),)
    return [(mo.source, mo.destination, mo.esm_class, mo.data_coding, body) for body in bodies]


@dataclass(slots=True)
class _Cut:
    """One connection that ended, and what may come again because of it."""

    which: tuple[str, float]
    expected: dict[int, list[int]]
    """Hash of a key → ids of the MOs; a hit is verified against the stored row."""
    since: float
    """No MO among them came earlier."""
    expires: float = inf


@dataclass(slots=True)
class Redelivery:
    """The candidates of one link group."""

    window: float
    """Seconds after the rebind in which a candidate absorbs."""
    _cuts: list[_Cut] = field(default_factory=list)
    _expires: float = inf
    """When the first of them does."""
    _absorbed: list[tuple[float, MoKey, Mo]] = field(default_factory=list)
    """What came again, and when: its new answer may be lost with the new connection."""

    def __bool__(self) -> bool:
        """Return whether anything may come again."""
        return any(cut.expected for cut in self._cuts)

    def connection_ended(self, which: tuple[str, float], since: float, mos: Iterable[Mo]) -> None:
        """Note what may come again after a connection ended (or the process was started anew).

        Args:
            which: Tells connections apart; a second call for the same one changes nothing.
            since: response_timeout before its end, in seconds since the epoch.
            mos: What came from then on.
        """
        if any(cut.which == which for cut in self._cuts):
            return
        cut = _Cut(which, {}, since)
        self._cuts.append(cut)
        self.also(which, mos)
        self._absorbed = [entry for entry in self._absorbed if entry[0] >= since]
        for _, key, mo in self._absorbed:
            cut.expected.setdefault(hash(key), []).append(mo.id)
            cut.since = min(cut.since, mo.time)

    def since(self, now: float) -> float:
        """Return the time from which on MOs are still expected again, inf if none is; a new process must know it."""
        return min((cut.since for cut in self._cuts if cut.expires > now), default=inf)

    def also(self, which: tuple[str, float], mos: Iterable[Mo]) -> None:
        """Add what the connection brought last: texts that are taken by the very turn that learns of its end.

        Args:
            which: As for connection_ended().
            mos: Those that may be known already are not added twice.
        """
        for cut in self._cuts:
            if cut.which == which:
                for mo in mos:
                    for key in keys_of(mo):
                        ids = cut.expected.setdefault(hash(key), [])
                        if mo.id not in ids:
                            ids.append(mo.id)

    def bound(self, now: float) -> None:
        """Start the window: the carrier has a session again."""
        for cut in self._cuts:
            cut.expires = min(cut.expires, now + self.window)
            self._expires = min(self._expires, cut.expires)

    def candidates(self, key: MoKey, now: float) -> list[int]:
        """Return the ids of MOs that this one may be, oldest connection first."""
        if now >= self._expires:
            self._cuts = [cut for cut in self._cuts if cut.expires > now]
            self._expires = min((cut.expires for cut in self._cuts), default=inf)
        h = hash(key)
        ids: list[int] = []
        for cut in self._cuts:
            if h in cut.expected:
                ids += cut.expected[h]
        return ids

    def absorbed(self, key: MoKey, mo: Mo, now: float) -> None:
        """Note that the MO came again: it absorbs no other until its connection ends too."""
        h = hash(key)
        for cut in self._cuts:
            ids = cut.expected.get(h)
            if ids and mo.id in ids:
                ids.remove(mo.id)
        self._absorbed.append((now, key, mo))

    def not_absorbed(self, key: MoKey, mo: Mo) -> None:
        """Take absorbed() back: the turn was not committed, so the MO will come once more."""
        self._absorbed = [entry for entry in self._absorbed if entry[2] is not mo]
        if self._cuts:
            self._cuts[0].expected.setdefault(hash(key), []).append(mo.id)
