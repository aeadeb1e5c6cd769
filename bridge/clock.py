"""The service's time: seconds since the epoch that no step of the system's clock moves, and that follow it slowly.

A step forth would make everything that waits too old at once, and one back would have it wait for as long again: NTP
makes them, and people do. So the service counts on from its start, and where the system's clock says something else,
goes faster or slower by `SLEW` until both agree. It never goes backwards.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import trio

log = logging.getLogger("smppbridge")

SLEW: Final = 0.01
"""An hour takes four days; more would be felt in rates, which are counted by this clock."""
_STEP: Final = 10.0
"""Seconds of difference that are worth a line."""
_AHEAD: Final = 60.0
"""Seconds in which a small difference shall be gone."""


class SteadyClock:
    """Call it for the time; call follow() every few seconds."""

    def __init__(self) -> None:
        self._base = time.time()
        self._since = trio.current_time()
        self._rate = 1.0
        self._stepped = False
        """It was said that the system's clock has been set."""

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return self._base + (trio.current_time() - self._since) * self._rate

    def follow(self) -> None:
        """Look at the system's clock, and go a little faster or slower from now on if it says something else."""
        self._base, self._since = self(), trio.current_time()
        off = time.time() - self._base
        self._rate = 1.0 + max(-SLEW, min(SLEW, off / _AHEAD))
        if (abs(off) >= _STEP) != self._stepped:
            self._stepped = not self._stepped
            if self._stepped:
                log.warning(
                    "the system's clock was set %s by %d s; ours follows it by %g s a minute",
                    "forth" if off > 0 else "back",
                    abs(off),
                    SLEW * 60,
                )
            else:
                log.info("our clock agrees with the system's again")
