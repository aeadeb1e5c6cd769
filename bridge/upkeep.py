"""The last stage of a turn, for what is due by time alone: receipts that do not come, and messages too old to be sent.

A message without a final receipt becomes `unknown` when its link's `validity` and `receipt_grace` have passed since it
was accepted; a receipt that comes later still replaces that. Nothing is written per message for it. Ids ascend with
time, so a mark walks over the stored messages, a page at a time, at the distance of the shortest wait of any link; what
has its final state by then, as nearly all have, costs one look. What has not yet waited long enough (it was accepted
after retries, its link waits longer, the clock was set back) gets an entry in the table `due`. The mark is a part of
the store's position, so a restart goes on where the last commit was.

Pages are read when the turn has nothing else to do, or when they are `LATE` behind.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from bridge.config import LinkConfig
from bridge.delivery import finish
from bridge.desk import Stage
from bridge.dispatch import too_old_at
from bridge.outbox import class_of
from bridge.receipts import MOST_KEPT
from bridge.records import FINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.desk import Desk
    from bridge.receipts import Receipts
    from bridge.records import Mt
    from bridge.settlement import Settlement

PAGE = 1000
"""Rows that one turn looks at in each table: some milliseconds."""
QUEUE_PAGE = 100
"""The same, of each class of each link's queue."""
LATE = 30.0
"""Seconds by which upkeep may be put off while the turns have other work."""
PAUSE = 60.0
"""Seconds, at most, between two walks: what has become due meanwhile goes in one."""
PARKED_TTL = 3600.0
"""Seconds for which a receipt without a message is kept: its submit_sm_resp cannot be on the way any longer."""
PARKED_LAP = 60.0
"""Seconds between two walks over them."""

_UNCONFIGURED = LinkConfig()
"""Stands for a link that is not configured any more."""


def patience(link: LinkConfig) -> float:
    """Return how many seconds after its acceptance a message may be without a final receipt."""
    return link.validity + link.receipt_grace


class Upkeep(Stage):
    """What one turn does of it.

    Args:
        desk: Of this turn.
        settlement: Of this turn, done.
        receipts: Of this turn, done.
    """

    def __init__(self, desk: Desk, settlement: Settlement, receipts: Receipts) -> None:
        super().__init__(desk)
        self._settlement = settlement
        self._receipts = receipts
        self._calendar = desk.state.calendar
        self.mark = desk.state.position.watched_below
        """Of no message with a smaller id a receipt is missed, unless it is in the table `due`."""
        links = [queue.config for queue in self.outbox.links.values()] or [_UNCONFIGURED]
        self._shortest = min(patience(link) for link in links)
        self._longest = max(patience(link) + link.max_age for link in links)
        self._pause = min(self._shortest / 100, PAUSE)

    def run(self, *, busy: bool) -> None:
        """Do what is due, a page of each kind.

        Args:
            busy: The turn has events, so that upkeep can wait a little.
        """
        calendar, at = self._calendar, self.now - LATE if busy else self.now
        if calendar.due <= at:
            self._look_again()
        if calendar.walk <= at:
            self._walk()
        if calendar.parked <= at:
            self._parked()
        if calendar.queue <= at:
            self._too_old()

    def expect(self) -> None:
        """Note what this turn has left for later ones, and make room for the receipts that it keeps."""
        calendar, changes = self._calendar, self.changes
        if changes.unmatched:
            changes.forgotten = max(0, self.store.unmatched_count() + len(changes.unmatched) - MOST_KEPT)
        if changes.new_mts:
            calendar.walk = min(calendar.walk, self.now + self._shortest)
        if changes.queued:
            max_age = min((queue.max_age for queue in self.outbox.links.values()), default=inf)
            first = min(too_old_at(mt, max_age) for mt in changes.queued)
            calendar.queue = min(calendar.queue, max(first, self.now + 1.0))
        if changes.parked:
            calendar.parked = min(calendar.parked, self.now + PARKED_TTL)

    # -- receipts that do not come

    def _walk(self) -> None:
        """Move the mark over one page, or to the first message that is too young to be missed."""
        rows = self.store.mts_from(self.mark, PAGE)
        self._calendar.walk = self.now if len(rows) == PAGE else inf
        for row in rows:
            at = row.created + self._shortest
            if self.now < at and row.created <= self.now:
                self._calendar.walk = max(at, self.now + self._pause)
                return
            self._look(row)
            self.mark = row.id + 1

    def _look_again(self) -> None:
        entries = self.store.due(PAGE)
        self._calendar.due = self.now if len(entries) == PAGE else inf
        # Nothing is put off for longer than any link waits: what is, was so by a clock that has been set back.
        now = [entry for entry in entries if not self.now < entry[0] <= self.now + self._longest + 1.0]
        if len(now) < len(entries):
            self._calendar.due = max(min(at for at, _ in entries if at > self.now), self.now + self._pause)
        self.changes.undue += now
        for (at, _), row in zip(now, self.store.mts([number for _, number in now]), strict=True):
            if row is not None:
                self._look(row, waited=at <= self.now)

    def _look(self, stored: Mt, *, waited: bool = False) -> None:
        """Judge a message whose receipt may be overdue: it is, it will be, or there is nothing to wait for."""
        row = self._settlement.row(stored.id, stored) or stored
        at = self._overdue_at(row)
        if at is None:
            return
        if self.now < at and not (waited and row.accepted > self.now):
            self._put_off(row, min(at, self.now + self._longest))
        elif row.state == "accepted" or self._is_held(row):
            self._unknown(row)
        else:
            self._put_off(row, self.now + self._shortest)

    def _overdue_at(self, row: Mt) -> float | None:
        """Return when a message is to become unknown if no receipt comes; None if it is settled, or none was asked for.

        One that is not accepted may still be sent while it is young enough.
        """
        if row.state in FINAL_STATES or row.state == "unknown" or row.done:
            return None
        queue = self.outbox.links.get(row.link)
        link = _UNCONFIGURED if queue is None else queue.config
        if row.state == "accepted":
            return row.accepted + patience(link) if link.registered_delivery else None
        return too_old_at(row, link.max_age) + patience(link)

    def _is_held(self, row: Mt) -> bool:
        """Return whether a message in doubt is neither on its way nor to be sent again."""
        if not row.in_doubt or row.claim or row.id in self._settlement.again:
            return False
        if any(mt is row for mt in self.changes.queued):
            return False
        return all(mt.id != row.id for mt in self.store.queued(row.link, class_of(row), row.id - 1, 1))

    def _put_off(self, row: Mt, at: float) -> None:
        self.changes.due.append((at, row.id))
        self._calendar.due = min(self._calendar.due, at)

    def _unknown(self, row: Mt) -> None:
        row.state = "unknown"
        self.changes.mts[row.id] = row
        self.changes.log.append(("unknown", row.id))
        self.desk.count(row.link, "mt.unknown")
        self.desk.count(row.link, "receipt.overdue")

    # -- receipts without a message

    def _parked(self) -> None:
        """Give up, on one page, receipts whose message has not come; begin anew after a pause."""
        calendar = self._calendar
        rows = self.store.parked_page(calendar.parked_after, PAGE)
        for parked in rows:
            if not self.now - PARKED_TTL <= parked.received <= self.now:
                self._receipts.give_up_parked(parked)
        if len(rows) == PAGE:
            calendar.parked, calendar.parked_after = self.now, (rows[-1].group, rows[-1].message_id)
        else:
            empty = not rows and calendar.parked_after is None
            calendar.parked, calendar.parked_after = inf if empty else self.now + PARKED_LAP, None

    # -- messages that cannot leave

    def _too_old(self) -> None:
        """Fail what has become too old while its link was down or busy, the oldest of each class first."""
        self._calendar.queue = inf
        for name, queue in self.outbox.links.items():
            for kind in range(3):
                self._fail_old(self.store.queued(name, kind, 0, QUEUE_PAGE), queue.max_age)

    def _fail_old(self, rows: Sequence[Mt], max_age: float) -> None:
        gone = {mt.id for mt in self.changes.unqueued}
        for stored in rows:
            row = self._settlement.row(stored.id, stored) or stored
            if row.claim or row.id in gone:
                continue
            at = too_old_at(row, max_age)
            if self.now <= at:
                self._calendar.queue = min(self._calendar.queue, max(at, self.now + 1.0))
                if not row.expires:
                    return
                continue
            self.changes.mts[row.id] = row
            finish(row, "failed", self.now, "too_old")
            self.desk.final(row)
            self.changes.unqueued.append(row)
            self.outbox.settle(row, self.now)
        if len(rows) == QUEUE_PAGE:
            self._calendar.queue = min(self._calendar.queue, self.now + 1.0)
