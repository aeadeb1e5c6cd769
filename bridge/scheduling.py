"""Messages that may not leave yet: scheduled ones, and those that a quiet hour holds back.

They wait in the table `later`, by the time of their turn, and not in the queue: there they would fill the memory, and
stand before others that may leave. When their time has come they join the queue, and are judged anew as they leave it.
"""

from __future__ import annotations

import struct
from math import ceil, inf
from typing import TYPE_CHECKING

from bridge.delivery import is_open
from bridge.desk import Stage

if TYPE_CHECKING:
    from bridge.records import Mt

PAGE = 500
"""Messages that join the queue in one turn."""
_key = struct.Struct(">QQ")


def later_key(mt: Mt) -> bytes:
    """Return the key of a message in the table `later`."""
    return _key.pack(ceil(mt.next_try * 1000), mt.id)


def read_later_key(key: bytes) -> tuple[float, int]:
    """Return (when, id) of a key of the table `later`."""
    milliseconds, number = _key.unpack(key)
    return milliseconds / 1000, number


class Scheduling(Stage):
    """What one turn does of it."""

    def put_off(self, mt: Mt, until: float) -> None:
        """Keep a message until its time has come.

        Args:
            mt: In no queue; its row is written by the caller.
            until: Seconds since the epoch.
        """
        mt.next_try = until
        self.changes.rows["later", later_key(mt)] = b""
        self.state.calendar.later = min(self.state.calendar.later, until)

    def begin(self) -> None:
        """Have the messages whose time has come join the queue, a page of them."""
        calendar = self.state.calendar
        if calendar.later > self.now:
            return
        rows = [(key, *read_later_key(key)) for key, _ in self.store.page("later", b"", PAGE)]
        due = [(key, number) for key, at, number in rows if at <= self.now]
        for (key, _), mt in zip(due, self.store.mts([number for _, number in due]), strict=True):
            self.changes.rows["later", key] = None
            if mt is None or not is_open(mt):
                continue
            if mt.link not in self.outbox.links:
                self.changes.queued.append(mt)  # until its link is configured again
                continue
            mt.next_try = 0.0
            self.changes.mts[mt.id] = mt
            self.changes.queued.append(mt)
            self.outbox.join(mt, self.now)
        waiting = [at for _, at, _ in rows if at > self.now]
        calendar.later = waiting[0] if waiting else self.now if len(rows) == PAGE else inf
