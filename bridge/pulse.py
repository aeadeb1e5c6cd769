"""Proof that the service works: every few seconds a turn is done to its end, the commit on the disk included.

Where nothing is to be done, an empty turn is. A disk that hangs, or a committer that no longer turns, is so noticed
within `STALLED` seconds even when no text comes; a turn that fails because the store takes nothing is one that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.clock import SteadyClock
    from bridge.committer import Committer
    from bridge.notify import Notifier

INTERVAL: Final = 5.0
"""Seconds between two beats, at most a third of what the service manager wants."""
STALLED: Final = 30.0
"""Seconds without a beat from which on the service is not well."""


class Pulse:
    """The beats.

    Args:
        committer: Does the turns.
        clock: Is to follow the system's.
        notifier: Told of each beat.
        status: How the service is, one line for people.
    """

    def __init__(self, committer: Committer, clock: SteadyClock, notifier: Notifier, status: Callable[[], str]) -> None:
        self._committer = committer
        self._clock = clock
        self._notifier = notifier
        self._status = status
        self._interval = min(INTERVAL, notifier.watchdog / 3 or INTERVAL)
        self._last = trio.current_time()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._committer.turn()
            self._last = trio.current_time()
            self._notifier.beat(self._status())
            self._clock.follow()
            await trio.sleep(self._interval)

    @property
    def stalled(self) -> float:
        """For how many seconds no turn has come to its end; 0.0 while that is nothing to worry about."""
        silent = trio.current_time() - self._last
        return silent if silent >= STALLED else 0.0
