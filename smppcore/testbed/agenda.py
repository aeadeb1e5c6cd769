"""What is due later, in one task: thousands of responses and receipts cost a heap entry each, not a task.

Must not be here: what is due.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Agenda:
    """Actions and their times; two of one time come in the order in which they were entered.

    Args:
        idle: Called when everything that was due has been done.
    """

    def __init__(self, idle: Callable[[], None]) -> None:
        self._idle = idle
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._changed = trio.Event()

    def __len__(self) -> int:
        """How many actions are due later."""
        return len(self._entries)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self._entries, (trio.current_time() + seconds, next(self._order), action))
        self._changed.set()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._changed = trio.Event()
            now = trio.current_time()
            while self._entries and self._entries[0][0] <= now:
                heapq.heappop(self._entries)[2]()
            self._idle()
            with trio.move_on_at(self._entries[0][0] if self._entries else math.inf):
                await self._changed.wait()
