"""The last of a turn's upkeep: what is old is forgotten, as `[privacy] retain_text` and `[store] retain` say.

The first has the words of messages forgotten. That there was a message, when, and what it led to stays. Ids ascend with
time, so a mark for each time that the rules name walks over the messages, a page at a time, at that distance.

The second lets go of messages as a whole, with their message_ids, what the log says of their time, and what jobs made
them; without it the store grows for ever. It stops at the first message that is not settled, so that nothing is kept
behind a gap. Counts, figures, profiles, and the evidence of consent stay.
"""

from __future__ import annotations

import struct
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from bridge.assembly import pack_key
from bridge.delivery import is_open
from bridge.desk import Stage
from bridge.erasing import blank
from bridge.hooks import unpack_dead
from bridge.records import FINAL_STATES, Mo, Mt
from bridge.scheduling import later_key
from bridge.settlement import id_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.desk import Desk
    from bridge.settlement import Settlement

PAGE = 500
"""Ids that one turn looks at."""
PAUSE = 600.0
"""Seconds, at most, between two walks."""
LATE = 2.0
"""Seconds by which this may be put off while the turns have other work."""
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
        self.log_until = desk.state.position.log_until

    def run(self, *, busy: bool) -> None:
        """Forget a page of each kind of what is old enough.

        Args:
            busy: The turn has events: this can wait a little.
        """
        calendar, at = self.state.calendar, self.now - LATE if busy else self.now
        if calendar.retention > at:
            return
        times = {brand.name: brand.retain_text for brand in self.state.rules.numbers.values() if brand.retain_text}
        walks: dict[str, Callable[[], float]] = {
            f"{seconds:g}": partial(self._walk, seconds, times) for seconds in sorted(set(times.values()))
        }
        if times:
            walks["dead"] = partial(self._dead, times)
        if self.state.retain:
            walks |= {"messages": self._let_go, "log": self._let_go_of_log, "jobs": self._jobs}
        if walks:
            walks["inputs"] = partial(self._inputs, times)
        due = calendar.walks
        for name, walk in walks.items():
            if due.get(name, 0.0) <= at:
                due[name] = walk()
        calendar.retention = min((due[name] for name in walks), default=inf)

    def _walk(self, seconds: float, times: Mapping[str, float]) -> float:
        """Move one mark over a page; return when to go on."""
        name = f"{seconds:g}"
        start = self.marks.get(name, 1)
        end = min(start + PAGE, self.desk.first_id)
        for row, time in self._page(start, end):
            if self.now - time < seconds:
                self.marks[name] = row.id
                return max(time + seconds, self.now + 1.0)
            if isinstance(row, Mt) and times.get(row.brand) == seconds and self._may_leave(row):
                self.marks[name] = row.id
                return self.now + PAUSE  # its words are needed
            self._forget(row, seconds, times)
        self.marks[name] = end
        return self.now if end < self.desk.first_id else self.now + PAUSE

    def _page(self, start: int, end: int) -> Iterator[tuple[Mo | Mt, float]]:
        """Yield the messages of some ids, each with its time."""
        numbers = range(start, end)
        for mo, mt in zip(self.store.mos(numbers), self.store.mts(numbers), strict=True):
            if mo is not None:
                yield mo, mo.time
            elif mt is not None:
                row = self._settlement.row(mt.id, mt) or mt
                yield row, row.created

    def _may_leave(self, mt: Mt) -> bool:
        """Whether a message is on its way, or waits to be; what waits for a link that is gone does not count."""
        return bool(mt.claim) or (is_open(mt) and mt.link in self.outbox.links)

    def _forget(self, row: Mo | Mt, seconds: float, times: Mapping[str, float]) -> None:
        if isinstance(row, Mt):
            if times.get(row.brand) == seconds and row.text:
                blank(row)
                self.changes.mts[row.id] = row
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

    def _let_go(self) -> float:
        """Let go of a page of messages, up to the first that is too young or not settled; return when to go on."""
        end = min(self.kept_from + PAGE, self.desk.first_id)
        at = self.now if end < self.desk.first_id else self.now + PAUSE
        for row, time in self._page(self.kept_from, end):
            if self.now - time < self.state.retain:
                end, at = row.id, max(time + self.state.retain, self.now + 1.0)
            elif not self._is_settled(row):
                end, at = row.id, self.now + PAUSE
            else:
                self.changes.let_go.append(row.id)
                if isinstance(row, Mt):
                    self._let_go_of_names(row)
                continue
            break
        self.kept_from = end
        # Those of links that are gone would wait for ever for the message that they belong to.
        for name in self.state.assemblies.of(self.changes.let_go):
            self.state.assemblies.drop(name)
            self.changes.assemblies[pack_key(name)] = None
        return at

    def _is_settled(self, row: Mo | Mt) -> bool:
        """Whether nothing more is to become of a message; of a link that is gone nothing will."""
        queue = self.outbox.links.get(row.link)
        if isinstance(row, Mo):
            return row.outcome != "pending" or queue is None
        if queue is None:
            return not row.claim
        if row.state == "accepted":
            return bool(row.done) or not queue.config.registered_delivery
        return row.state == "unknown" or row.state in FINAL_STATES

    def _let_go_of_names(self, mt: Mt) -> None:
        queue = self.outbox.links.get(mt.link)
        if queue is None:
            self.changes.unqueued.append(mt)
            self.changes.rows["later", later_key(mt)] = None
            return
        names = [id_key(queue.config, name) for name in mt.message_ids if name]
        places = zip(names, self.store.correlate(names), strict=True)
        # The carrier may have called a later message so.
        self.changes.unnamed += [name for name, place in places if place is not None and place[0] == mt.id]

    def _let_go_of_log(self) -> float:
        """Let go of a page of the log; return when to go on."""
        until = self.store.log_before(self.now - self.state.retain, LOG_PAGE)
        if not until:
            return self.now + PAUSE
        self.changes.log_until = self.log_until = until
        return self.now

    def _jobs(self) -> float:
        """Forget of a page of what jobs have made what is kept no longer."""
        calendar = self.state.calendar
        page = self.store.page("job", calendar.jobs_after, PAGE)
        for key, value in page:
            if _id.unpack(value)[0] < self.kept_from:
                self.changes.rows["job", key] = None
        calendar.jobs_after = page[-1][0] + b"\0" if len(page) == PAGE else b""
        return self.now if len(page) == PAGE else self.now + PAUSE
