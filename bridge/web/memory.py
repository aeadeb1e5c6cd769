"""What was answered to an Idempotency-Key, so that a request that is sent again is not done again.

In memory: after a restart the keys of messages are still known, for they are jobs in the store, others are not.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bridge.web.access import Problem

KEPT_FOR: Final = 86400.0
"""Seconds."""
MOST: Final = 10_000
"""Answers kept; the oldest goes first."""

Answer = tuple[int, bytes]
"""(status, body)."""


class Memory:
    """The answers of the last day by caller and key."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], tuple[float, bytes, Answer | None]] = OrderedDict()

    def begin(self, caller: str, key: str, request: bytes, now: float) -> Answer | None:
        """Return what was answered before; None = it is to be done now.

        Args:
            caller: By name.
            key: Of the request.
            request: Everything that says what is asked for.
            now: Seconds that never go back.

        Raises:
            Problem: The key was used for something else, or the first request is still being done.
        """
        while self._answers:
            oldest = next(iter(self._answers))
            if len(self._answers) < MOST and now - self._answers[oldest][0] < KEPT_FOR:
                break
            del self._answers[oldest]
        known = self._answers.get((caller, key))
        if known is None:
            self._answers[caller, key] = now, request, None
            return None
        if known[1] != request:
            raise Problem(422, "that Idempotency-Key was used for another request")
        if known[2] is None:
            raise Problem(409, "the first request with that Idempotency-Key is still being done")
        return known[2]

    def end(self, caller: str, key: str, answer: Answer | None) -> None:
        """Keep an answer; None forgets the key, as nothing was done."""
        known = self._answers.get((caller, key))
        if known is not None and answer is None:
            del self._answers[caller, key]
        elif known is not None:
            self._answers[caller, key] = known[0], known[1], answer
