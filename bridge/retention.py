"""The last of a turn's upkeep: the words of old messages are forgotten, as `[privacy] retain_text` says.

That there was a message, when, and what it led to stays: the figures go on being true. Ids ascend with time, so a mark
for each time that the rules name walks over the messages, a page at a time, at that distance.
"""

from __future__ import annotations

import struct
from math import inf
from typing import TYPE_CHECKING

from bridge.desk import Stage
from bridge.erasing import blank
from bridge.hooks import unpack_dead
from bridge.records import Mt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.desk import Desk
    from bridge.records import Mo
    from bridge.settlement import Settlement

PAGE = 500
"""Ids that one turn looks at."""
PAUSE = 600.0
"""Seconds, at most, between two walks."""
_id = struct.Struct(">Q")


class Retention(Stage):
    """What one turn does of it.

    Args:
        desk: Of this turn.
        settlement: Of this turn, done.
    """

    def __init__(self, desk: Desk, settlement: Settlement) -> None:
        super().__init__(desk)
        self._settlement = settlement
        self.marks = dict(desk.state.position.forgotten)
        """By seconds, as a word: messages with a smaller id have been looked at."""

    def run(self, *, busy: bool) -> None:
        """Forget a page of what is old enough.

        Args:
            busy: The turn has events: this can wait.
        """
        calendar = self.state.calendar
        if calendar.retention > self.now:
            return
        times = {brand.name: brand.retain_text for brand in self.state.rules.numbers.values() if brand.retain_text}
        if not times:
            calendar.retention = inf
            return
        if busy:
            return
        nexts = [self._walk(seconds, times) for seconds in sorted(set(times.values()))]
        nexts += [self._inputs(times), self._dead(times)]
        calendar.retention = min(nexts)

    def _walk(self, seconds: float, times: Mapping[str, float]) -> float:
        """Move one mark over a page; return when to go on."""
        name = f"{seconds:g}"
        mark = self.marks.get(name, 1)
        end = min(mark + PAGE, self.desk.first_id)
        rows: list[Mo | Mt] = []
        for mo, mt in zip(self.store.mos(range(mark, end)), self.store.mts(range(mark, end)), strict=True):
            row = mo if mo is not None else mt
            if row is not None:
                rows.append(row)
        for row in rows:
            time = row.created if isinstance(row, Mt) else row.time
            if self.now - time < seconds:
                self.marks[name] = row.id
                return max(time + seconds, self.now + 1.0)
            self._forget(row, seconds, times)
        self.marks[name] = end
        return self.now if end < self.desk.first_id else self.now + PAUSE

    def _forget(self, row: Mo | Mt, seconds: float, times: Mapping[str, float]) -> None:
        if isinstance(row, Mt):
            if times.get(row.brand) != seconds or not row.text:
                return
            mt = self._settlement.row(row.id, row) or row
            if not mt.claim and mt.state != "queued":
                blank(mt)
                self.changes.mts[mt.id] = mt
        elif times.get(self.state.rules.brand_of(row.destination)) == seconds and (row.text or row.bodies):
            blank(row)
            self.changes.mos.append(row)

    def _inputs(self, times: Mapping[str, float]) -> float:
        """Let go of a page of what operators said and calls returned, where the messages of that time are forgotten."""
        calendar = self.state.calendar
        page = self.store.page("input", calendar.inputs_after, PAGE)
        for key, _ in page:
            brand = key[:-8].decode(errors="replace").split("\0")[1]
            if _id.unpack(key[-8:])[0] < self.marks.get(f"{times.get(brand, 0.0):g}", 0):
                self.changes.rows["input", key] = None
        calendar.inputs_after = page[-1][0] + b"\0" if len(page) == PAGE else b""
        return self.now if len(page) == PAGE else self.now + PAUSE

    def _dead(self, times: Mapping[str, float]) -> float:
        """Let go of a page of dead letters that are as old."""
        calendar = self.state.calendar
        page = self.store.page("dead", calendar.dead_after, PAGE)
        for key, value in page:
            hook = unpack_dead(value).hook
            if (seconds := times.get(hook.brand)) and self.now - hook.time >= seconds:
                self.changes.rows["dead", key] = None
        calendar.dead_after = page[-1][0] + b"\0" if len(page) == PAGE else b""
        return self.now if len(page) == PAGE else self.now + PAUSE
