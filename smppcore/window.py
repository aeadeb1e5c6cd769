"""The requests that we have sent and the peer has not answered.

Rules:

1. A request is recorded here before its octets exist, so a response can never beat its record.
2. Sequence numbers run 1 … 0x7FFFFFFF, then 1 again; a number still remembered is skipped (SMPP v5.0 §4.7.24). A
   window belongs to one session: no response is ever matched to a request of another.
3. Every request waits equally long, so the order of insertion is the order of deadlines: the next deadline and the
   expired requests stand at the front of the dict, and neither ever needs a search.
4. An expired request is kept for as long again, in a bounded late window, so that a late response still finds it.
5. What the session asks on its own behalf (binds, enquire_link, unbind) is extra: recorded like the rest, taking no
   slot.

No clock, no PDU layouts and no bytes here; `now` is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from smppcore.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_SEQUENCE_NUMBER = 0x7FFFFFFF
"""The highest sequence number of a request (SMPP v3.4 §3.2)."""


class Numbered(Protocol):
    """What a window needs of a request: a place for its number."""

    sequence_number: int


Request = TypeVar("Request", bound=Numbered)


class Window(Generic[Request]):
    """Outstanding requests by sequence number.

    Args:
        size: How many requests may be un-answered at once, the extra ones not counted.
        response_timeout: How long a response is waited for, in seconds; a late one is known for as long again.
    """

    __slots__ = ("_extra", "_late", "_open", "_timeout", "get", "next_sequence", "size")

    def __init__(self, size: int, response_timeout: float) -> None:
        self.size = size
        self.next_sequence = 1
        self._timeout = response_timeout
        # Each with the time at which it was recorded:
        self._open: dict[int, tuple[Request, float]] = {}
        self._late: dict[int, tuple[Request, float]] = {}
        self._extra: set[int] = set()
        # The dict's own method: a wrapper would cost each response more than the look-up does.
        self.get: Callable[[int], tuple[Request, float] | None] = self._open.get
        """The un-answered request of that number and the time at which it was recorded, or None."""

    def __len__(self) -> int:
        """How many requests are un-answered, the extra ones included."""
        return len(self._open)

    @property
    def outstanding(self) -> int:
        """How many slots are taken."""
        return len(self._open) - len(self._extra)

    @property
    def room(self) -> int:
        """How many requests may be reserved now."""
        return self.size - len(self._open) + len(self._extra)

    def reserve(self, requests: Sequence[Request], now: float) -> None:
        """Give each request its sequence number and a slot.

        Raises:
            LocalProtocolError: There is no room for all of them; none was recorded.
        """
        if len(requests) > self.room:
            raise LocalProtocolError(f"{len(requests)} requests for a window with {self.room} free of {self.size}")
        entries = self._open
        late = self._late
        sequence = self.next_sequence
        for request in requests:
            if sequence in entries or sequence in late or sequence > MAX_SEQUENCE_NUMBER:
                sequence = self._next_free(sequence)
            request.sequence_number = sequence
            entries[sequence] = (request, now)
            sequence += 1
        self.next_sequence = sequence

    def reserve_extra(self, request: Request, now: float) -> None:
        """Give the session's own request its sequence number; it takes no slot."""
        self.number(request)
        self._open[request.sequence_number] = (request, now)
        self._extra.add(request.sequence_number)

    def number(self, request: Request) -> None:
        """Give a request to which there is no response its sequence number; it is not recorded."""
        request.sequence_number = self._next_free(self.next_sequence)
        self.next_sequence = request.sequence_number + 1

    def _next_free(self, sequence: int) -> int:
        while sequence in self._open or sequence in self._late or sequence > MAX_SEQUENCE_NUMBER:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE_NUMBER else 1
        return sequence

    def release(self, sequence_number: int) -> bool:
        """Forget an un-answered request, because it has its answer or was never sent.

        Returns:
            Whether it was an extra one.
        """
        del self._open[sequence_number]
        if sequence_number in self._extra:
            self._extra.remove(sequence_number)
            return True
        return False

    def get_late(self, sequence_number: int, now: float) -> tuple[Request, float] | None:
        """The expired request of that number and the time at which it was recorded; None if it is not remembered."""
        entry = self._late.get(sequence_number)
        return None if entry is None or entry[1] + 2 * self._timeout <= now else entry

    def release_late(self, sequence_number: int) -> None:
        """Forget an expired request, because it has its late answer."""
        del self._late[sequence_number]

    def next_deadline(self) -> float:
        """When the oldest un-answered request expires; math.inf when there is none."""
        for _, recorded in self._open.values():
            return recorded + self._timeout
        return math.inf

    def expire(self, now: float) -> list[Request]:
        """Take out, oldest first, every request whose deadline has come, and remember it in the late window."""
        late = self._late
        for sequence in [number for number, (_, recorded) in late.items() if recorded + 2 * self._timeout <= now]:
            del late[sequence]
        expired = []
        for sequence, (_, recorded) in self._open.items():
            if recorded + self._timeout > now:
                break
            expired.append(sequence)
        requests = []
        for sequence in expired:
            entry = late[sequence] = self._open.pop(sequence)
            self._extra.discard(sequence)
            requests.append(entry[0])
        # Bounded by count as well as by time: a peer that answers nothing must not grow us.
        for sequence in list(late)[: max(0, len(late) - 2 * self.size)]:
            del late[sequence]
        return requests

    def drain(self) -> list[Request]:
        """Take out every un-answered request, oldest first; nothing is remembered."""
        requests = [request for request, _ in self._open.values()]
        self._open.clear()
        self._late.clear()
        self._extra.clear()
        return requests
