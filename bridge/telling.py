"""The stage of a turn for the events that webhooks are told of: what became of them, and what is still to be told."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.desk import Stage
from bridge.events import HooksRecalled, HooksSettled
from bridge.hooks import MOST_DEAD, PAGE, Dead, id_of, pack, unpack, unpack_dead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.events import HooksRevived


class Telling(Stage):
    """What one turn does of it."""

    def settle(self, event: HooksRecalled | HooksSettled | HooksRevived) -> None:
        """Settle events, give a page of them out, or revive dead letters."""
        if isinstance(event, HooksSettled):
            self._settled(event)
        elif isinstance(event, HooksRecalled):
            self._recalled(event)
        else:
            self._revived(event)
        self.effects.backlog = self.store.count("hook"), self.store.count("dead")

    def _settled(self, event: HooksSettled) -> None:
        rows = self.changes.rows
        rows.update((("hook", key), None) for key in event.done)
        dead = 0
        for (key, why), row in zip(event.dead, self.store.rows("hook", [key for key, _ in event.dead]), strict=True):
            if row is not None:  # the customer was not forgotten meanwhile
                rows["hook", key] = None
                rows["dead", key] = pack(Dead(unpack(row), why, self.now))
                dead += 1
        self.desk.count("", "hook.taken", len(event.done))
        self.desk.count("", "hook.dead", dead)
        if dead and self.store.count("dead") >= MOST_DEAD:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Make room for dead letters: a tenth at a time, for to find the oldest all of them have to be looked at."""
        rows = self.changes.rows
        oldest = nsmallest(max(MOST_DEAD // 10, 1), self._dead_keys(), key=id_of)
        rows.update((("dead", key), None) for key in oldest)
        self.desk.count("", "hook.dropped", len(oldest))
        self.effects.incidents.append(
            f"webhooks: more than {MOST_DEAD:,} dead letters; the oldest {len(oldest):,} are dropped"
        )

    def _dead_keys(self) -> Iterator[bytes]:
        """Yield the keys of the dead letters that this turn leaves as they are."""
        start = b""
        while page := self.store.page("dead", start, PAGE):
            yield from (key for key, _ in page if ("dead", key) not in self.changes.rows)
            start = page[-1][0] + b"\0"

    def _recalled(self, event: HooksRecalled) -> None:
        gone = {key for (table, key), value in self.changes.rows.items() if table == "hook" and value is None}
        begin = f"{event.webhook}\0".encode() if event.webhook else b""
        page = [row for row in self.store.page("hook", event.start, PAGE) if row[0].startswith(begin)]
        more = page[-1][0] + b"\0" if len(page) == PAGE else b""
        self.effects.recalled.append((event, [row for row in page if row[0] not in gone], more))

    def _revived(self, event: HooksRevived) -> None:
        begin = f"{event.webhook}\0".encode()
        page = [row for row in self.store.page("dead", begin, PAGE) if row[0].startswith(begin)]
        for key, value in page:
            self.changes.rows["dead", key] = None
            if not event.drop:
                again = pack(replace(unpack_dead(value).hook, since=self.now))
                self.changes.rows["hook", key] = again
                self.effects.hooks.append((key, again))
        self.effects.revived.append((event.answer, len(page)))
