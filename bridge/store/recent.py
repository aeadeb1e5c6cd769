"""Conversations that changed lately, on their way to their table.

The contacts of a batch are strewn over the whole table of conversations: written there, each costs the commit a page of
its own. So a commit writes the conversations it changed as one row, at the right edge of the table `recent`, and they
go to their own table later, thousands at a time and in the order of its keys, a slice with each commit. Until they are
there they are kept in memory too, and a store that is opened reads them from `recent`.

Two generations: what changes is the young one; once it is large, or has many copies of few conversations, and the old
one is gone, it becomes the old one and moves. Nothing here touches the store: the turn asks for a Step, writes it, and
reports it taken once it is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.records import pack_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bridge.records import Conversation
    from bridge.store import ContactKey

GENERATION = 40_000
"""Conversations at which the young generation begins to move; memory holds about twice as many, some 30 MB. The more
move at once, the more of them share a page of their table: with 100,000 customers, twice as many save a quarter of all
that is written to the disk."""
COPIES = 2 * GENERATION
"""Copies of conversations in the rows of the young generation at which it moves, however few conversations they are of:
some 16 MB that a store has to read when it is opened."""
SLICE = 500
"""Conversations moved with one commit, at least: about a millisecond. More if more change than that."""


def contact_key(key: ContactKey) -> bytes:
    """Return the key of a conversation's row in its table."""
    return f"{key[1]}\0{key[0]}".encode()


@dataclass(slots=True)
class Step:
    """What one commit has to write."""

    changed: dict[bytes, bytes]
    """The conversations that it changed, by the keys of their table: a row of `recent`."""
    moved: Sequence[tuple[bytes, bytes]]
    """Rows for the table of conversations, in its order."""
    over: int
    """Rows of `recent` up to this commit have been moved as a whole and can go; 0 for none."""


class Recent:
    """The conversations that are in `recent` and may not be in their table.

    Args:
        rows: (commit, conversations of that commit by the key of their table) of every row of `recent`, in order.
    """

    def __init__(self, rows: Iterable[tuple[int, Mapping[bytes, bytes]]] = ()) -> None:
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._moving: list[tuple[bytes, bytes]] = []
        """The old generation in the order of the table."""
        self._moved = 0
        """How many of those are there."""
        self._last = self._old_last = 0
        """The newest commit of each generation."""
        self._copies = 0
        """How many conversations the rows of the young one hold, the same ones again and again."""
        for commit, changed in rows:
            self._young.update(changed)
            self._copies += len(changed)
            self._last = commit

    def get(self, key: bytes) -> bytes | None:
        """Return the octets of the conversation with this key of the table, None if it did not change lately."""
        return self._young.get(key) or self._old.get(key)

    def step(self, conversations: Mapping[ContactKey, Conversation], erased: Collection[bytes] = ()) -> Step:
        """Return what a commit that changes these has to write.

        Args:
            conversations: By contact.
            erased: Keys of the table whose former octets are not to get there any more.
        """
        if erased:
            self._moving, self._moved = [row for row in self._moving[self._moved :] if row[0] not in erased], 0
        changed = dict(zip(map(contact_key, conversations), pack_all(conversations.values()), strict=True))
        end = self._moved + max(SLICE, 2 * len(changed))
        moved = self._moving[self._moved : end]
        return Step(changed, moved, self._old_last if moved and end >= len(self._moving) else 0)

    def taken(self, step: Step, commit: int) -> None:
        """Take over a step that is on the disk, as a part of this commit."""
        if step.changed:
            self._young.update(step.changed)
            self._copies += len(step.changed)
            self._last = commit
        self._moved += len(step.moved)
        if step.over:
            self._old, self._moving, self._moved = {}, [], 0
        if not self._moving and (len(self._young) >= GENERATION or self._copies >= COPIES):
            self._old, self._young, self._old_last, self._copies = self._young, {}, self._last, 0
            self._moving = sorted(self._old.items())
