"""A part of the second stage of a turn: long messages, joined from their parts.

Parts are acknowledged one by one, but make one message: it is read once, when its last part has come or its time is
over. What comes again or late is kept with it and never read, let alone answered, by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.assembly import Assembly, pack_key
from bridge.desk import Stage
from smppcore.text import read_message

if TYPE_CHECKING:
    from bridge.assembly import AssemblyKey
    from bridge.desk import Desk
    from bridge.outbox import LinkQueue
    from bridge.records import Mo
    from smppcore.text import UserData
    from smppcore.udh import Concatenation


class Joining(Stage):
    """The long messages that one turn touches.

    Args:
        desk: Of this turn.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.joined: list[tuple[Mo, LinkQueue, list[UserData]]] = []
        """To be read, each with all the parts there are, in their order."""
        self.pending: dict[int, Mo] = {}
        """Rows that were pending before this turn, or are after it."""
        self._loaded: dict[int, Mo] = {}

    def known(self, mo_id: int) -> Mo | None:
        """Return a row that this turn has in hand already."""
        return self.pending.get(mo_id) or self._loaded.get(mo_id)

    def take_up(self, mo: Mo) -> None:
        """Have this turn write a row that it has loaded."""
        self._loaded[mo.id] = mo
        self.changes.mos.append(mo)

    def part(self, queue: LinkQueue, place: Concatenation, part: UserData, row: Mo) -> Mo:
        """Take one part; the last one makes the message a text like any other.

        Args:
            queue: Of the link that brought it.
            place: Where it belongs.
            part: What it carries.
            row: For the message, if this is the first part of one: with the next id, which nobody has taken yet.

        Returns:
            The row of the message that the part belongs to.
        """
        name: AssemblyKey = (
            queue.config.group,
            row.source,
            row.destination,
            place.reference,
            place.reference_bits,
            place.total,
        )
        assembly = self.state.assemblies.get(name)
        holds = None if assembly is None else assembly.holds(place.sequence, part)
        if assembly is not None and holds:
            mo = self._row(assembly)
            mo.redelivered += 1
            self.changes.log.append(("again", mo.id))
            self.desk.count(queue.config.name, "mo.redelivered")
            return mo
        self.desk.count(queue.config.name, "parts")
        if assembly is not None and holds is None:
            mo = self._row(assembly)
        else:
            if assembly is not None and assembly.state == "open":
                self._take(name, assembly, queue)
            mo = row
            mo.outcome = "pending"
            self.desk.next_id = mo.id + 1
            self.changes.new_mos.append(mo)
            self.pending[mo.id] = mo
            assembly = Assembly(mo.id, queue.config.name, mo.time)
            self.state.assemblies.put(name, assembly)
        self.changes.log.append(("part", mo.id))
        assembly.parts[place.sequence] = part
        mo.bodies = tuple(part.octets for part in assembly.ordered())
        if assembly.state == "partial":
            self._late(name, assembly, queue, mo)
        elif len(assembly.parts) == place.total:
            self._take(name, assembly, queue)
        else:
            self.changes.assemblies[pack_key(name)] = assembly.pack()
        return mo

    def overdue(self) -> None:
        """Read what there is of messages whose missing parts did not come in time; forget those read long ago."""
        for name, assembly in self.state.assemblies.take_overdue(self.now):
            if assembly.state == "open":
                self.desk.count(assembly.link, "mo.partial")
                self._take(name, assembly, self.outbox.links[assembly.link])
            else:
                self.changes.assemblies[pack_key(name)] = None

    def _take(self, name: AssemblyKey, assembly: Assembly, queue: LinkQueue) -> None:
        """Read a message as it is."""
        mo = self._row(assembly)
        parts = assembly.ordered()
        assembly.read(self.now, name[5])
        if assembly.state == "partial":
            mo.detail = "partial"
            mo.flags = (*mo.flags, "partial")
        self.state.assemblies.put(name, assembly)
        self.changes.assemblies[pack_key(name)] = assembly.pack()
        mo.outcome = ""
        self.joined.append((mo, queue, parts))

    def _late(self, name: AssemblyKey, assembly: Assembly, queue: LinkQueue, mo: Mo) -> None:
        """Keep a part of a message that has been read without it: the row is made whole, the decision stands."""
        text = read_message(assembly.ordered(), queue.texts.default_alphabet)
        if "late" not in mo.flags:
            mo.flags = (*mo.flags, "late")
            mo.decided = mo.text
        if text is not None:
            mo.text = text
        assembly.complete(name[5])
        self.changes.assemblies[pack_key(name)] = assembly.pack()

    def _row(self, assembly: Assembly) -> Mo:
        """Return the row of a message; it is written with this turn."""
        mo = self.known(assembly.mo)
        if mo is None:
            mo = self.store.mos([assembly.mo])[0]
            if mo is None:
                raise RuntimeError(f"the store lacks the row {assembly.mo} of a long message")
            self.take_up(mo)
        if assembly.state == "open":
            self.pending[mo.id] = mo
        return mo
