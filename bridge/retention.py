"""The last of a turn's upkeep: what is old is forgotten, as `[privacy] retain_text` and `[store] retain` say.

The first has the words of messages forgotten. That there was a message, when, and what it led to stays. Ids ascend with
time, so a mark for each time that the rules name walks over the messages, a page at a time, at that distance.

The second lets go of messages as a whole, with their message_ids, what the log says of their time, and what jobs made
them; without it the store grows for ever. What is not settled stays, and so do counts, figures, profiles, and the
evidence of consent.
"""

from __future__ import annotations

import struct
from math import inf
from typing import TYPE_CHECKING

from bridge.desk import Stage
from bridge.erasing import blank
from bridge.hooks import unpack_dead
from bridge.records import Mt
from bridge.settlement import id_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.desk import Desk
    from bridge.records import Mo
    from bridge.settlement import Settlement

PAGE = 500
"""Ids that one turn looks at."""
PAUSE = 600.0
"""Seconds, at most, between two walks."""
LOG_PAGE = 100
"""Commits that one turn looks at."""
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
        self.kept_from = desk.state.position.kept_from

    def run(self, *, busy: bool) -> None:
        """Forget a page of what is old enough.

        Args:
            busy: The turn has events: this can wait.
        """
        calendar = self.state.calendar
        if calendar.retention > self.now:
            return
        times = {brand.name: brand.retain_text for brand in self.state.rules.numbers.values() if brand.retain_text}
        if not times and not self.state.retain:
            calendar.retention = inf
            return
        if busy:
            return
        nexts = [self._walk(seconds, times) for seconds in sorted(set(times.values()))]
        if times:
            nexts.append(self._dead(times))
        if self.state.retain:
            nexts += [self._let_go_of_messages(), self._let_go_of_log(), self._jobs()]
        calendar.retention = min(*nexts, self._inputs(times))

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
            if _id.unpack(key[-8:])[0] < max(self.marks.get(f"{times.get(brand, 0.0):g}", 0), self.kept_from):
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

    def _let_go_of_messages(self) -> float:
        """Let go of a page of messages; return when to go on."""
        position = self.state.position
        start = self.kept_from
        end = max(min(start + PAGE, position.settled_below, position.watched_below), start)
        numbers = range(start, end)
        for mo, mt in zip(self.store.mos(numbers), self.store.mts(numbers), strict=True):
            row = mo if mo is not None else mt
            if row is None:
                continue
            time = row.created if isinstance(row, Mt) else row.time
            if self.now - time < self.state.retain:
                self.kept_from = row.id
                return max(time + self.state.retain, self.now + 1.0)
            if isinstance(row, Mt):
                self._let_go_of(self._settlement.row(row.id, row) or row)
            elif row.outcome != "pending":
                self.changes.let_go.append(row.id)
        self.kept_from = end
        return self.now if end == start + PAGE else self.now + PAUSE

    def _let_go_of(self, mt: Mt) -> None:
        if mt.claim or mt.state in {"queued", "sent"}:
            return
        self.changes.let_go.append(mt.id)
        queue = self.outbox.links.get(mt.link)
        if queue is None:
            return
        names = [id_key(queue.config, name) for name in mt.message_ids if name]
        places = zip(names, self.store.correlate(names), strict=True)
        # The carrier may have called a later message so.
        self.changes.unnamed += [name for name, place in places if place is not None and place[0] == mt.id]

    def _let_go_of_log(self) -> float:
        """Let go of a page of the log; return when to go on."""
        until = self.store.log_before(self.now - self.state.retain, LOG_PAGE)
        self.changes.log_until = until
        return self.now if until else self.now + PAUSE

    def _jobs(self) -> float:
        """Forget of a page of what jobs have made what is kept no longer."""
        calendar = self.state.calendar
        page = self.store.page("job", calendar.jobs_after, PAGE)
        for key, value in page:
            if _id.unpack(value)[0] < self.kept_from:
                self.changes.rows["job", key] = None
        calendar.jobs_after = page[-1][0] + b"\0" if len(page) == PAGE else b""
        return self.now if len(page) == PAGE else self.now + PAUSE
