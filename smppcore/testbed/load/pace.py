"""When each message of a load is due: at once (a closed loop), or at its place in a schedule (an open loop).

In an open loop a message is due at the same time however slow the peer is; whoever counts latency from that time is not
misled by a peer that holds the generator up ("coordinated omission"). The schedule is a function, not a list: message n
of a million costs no memory.

Must not be here: clocks, sockets; `now` is passed in, in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_NOW = -math.inf
"""What `Pace.take` returns when no message is due."""


_LATE_SECONDS = 0.02
"""How long after the end what was due before it may still be taken: whoever asks has no finer clock."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a schedule: the rate goes evenly from `start` to `end`."""

    start: float
    """Messages per second at the beginning."""
    end: float
    """Messages per second at the end."""
    seconds: float
    """How long it takes; math.inf: for ever."""

    @property
    def messages(self) -> float:
        """How many messages it has."""
        return (self.start + self.end) / 2 * self.seconds if self.start + self.end else 0.0

    def when(self, messages: float) -> float:
        """How long after its beginning so many messages are reached, in seconds; 0.0 <= messages < its own."""
        # start·t + growth·t²/2 = messages, solved in the form that neither cancels nor divides by a growth of 0
        growth = (self.end - self.start) / self.seconds
        root = math.sqrt(max(0.0, self.start * self.start + 2 * growth * messages))
        return 2 * messages / (self.start + root) if messages else 0.0


class Pace:
    """The messages of one load, in order.

    Args:
        stages: The schedule, whose last rate goes on; none is a closed loop.
        messages: How many messages there are at most, 0: no limit.
        seconds: For how long messages become due, math.inf: no limit.
    """

    def __init__(self, stages: Sequence[Stage] = (), *, messages: int = 0, seconds: float = math.inf) -> None:
        self.taken = 0
        """How many messages have been taken."""
        self.began = math.inf
        self.ends = math.inf
        """When the last message can be due, once begun; earlier if all have been taken."""
        self._messages = messages or math.inf
        self._seconds = seconds
        self.open = bool(stages)
        """Whether messages have their times."""
        last = stages[-1].end if stages else 0.0
        self._stages = [*stages, Stage(last, last, math.inf)] if stages else []
        self._stage = 0
        self._before = 0.0  # messages of the stages before
        self._offset = 0.0  # seconds of the stages before
        self._due = math.inf

    def begin(self, now: float) -> None:
        """Start the clock."""
        self.began = now
        self.ends = now + self._seconds
        if self.open:
            self._due = now + self._next()

    def over(self, now: float) -> bool:
        """Whether no message will be due any more."""
        return now >= self.ends

    def due_at(self) -> float:
        """When the next message is due: -math.inf in a closed loop, math.inf if there is none."""
        if self.open:
            return self._due if self._due < self.ends else math.inf
        return -math.inf

    def take(self, now: float) -> float:
        """Take the next message if it is due; return when it was, or NOT_NOW."""
        due = now
        if self.open:
            due = self._due
            if due > now or due >= self.ends or now >= self.ends + _LATE_SECONDS:
                return NOT_NOW
        elif now >= self.ends or now < self.began:
            return NOT_NOW
        self.taken += 1
        if self.taken >= self._messages:
            self.ends, self._due = now, math.inf
        elif self.open:
            self._due = self.began + self._next()
        return due

    def missed(self, now: float) -> int:
        """Take what was due before the end and was not taken; return how many messages that is."""
        before = self.taken
        while self.take(min(now, self.ends)) != NOT_NOW:
            pass
        return self.taken - before if self.open else 0

    def _next(self) -> float:
        """When the next message is due, in seconds since the beginning."""
        for stage in self._stages[self._stage :]:
            within = self.taken - self._before
            if within < stage.messages:
                return self._offset + stage.when(within)
            if stage.seconds < math.inf:
                self._before += stage.messages
                self._offset += stage.seconds
                self._stage += 1
        return math.inf
