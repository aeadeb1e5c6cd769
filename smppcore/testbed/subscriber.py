"""A subscriber with a script: sends texts to a service and waits for the replies, as a person would.

Must not be here: how texts travel.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from smppcore.errors import SmppError
from smppcore.testbed.config import Mo

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.testbed.tally import MoRecord, Reply


class NoReply(SmppError):
    """A subscriber waited for a reply in vain.

    Args:
        number: The subscriber's.
        seconds: How long it waited.
        text: What it had sent last, "" if nothing.
    """

    def __init__(self, number: str, seconds: float, text: str) -> None:
        super().__init__(f"{number} had no reply within {seconds:g} s after {text!r}")
        self.number = number
        self.seconds = seconds
        self.text = text


class Subscriber:
    """One number that talks to one service; made by `Simulator.subscriber`.

    Args:
        number: The subscriber's.
        service: The service's.
        account: The system_id that its texts go to, "" is the first account.
        inject: Takes a text to be sent.
    """

    def __init__(self, number: str, service: str, account: str, inject: Callable[[Mo], MoRecord]) -> None:
        self.number = number
        self.service = service
        self._account = account
        self._inject = inject
        self._replies: deque[Reply] = deque()
        self._arrived = trio.Event()
        self._last_text = ""

    def send(self, text: str) -> MoRecord:
        """Send a text; it goes out as soon as an ESME is bound for it."""
        self._last_text = text
        return self._inject(Mo(self.number, self.service, text, self._account))

    async def receive(self, within: float = 30.0) -> Reply:
        """Wait for the next reply that has not been received yet.

        Raises:
            NoReply: None came within `within` seconds.
        """
        with trio.move_on_after(within):
            while not self._replies:
                self._arrived = trio.Event()
                await self._arrived.wait()
        if not self._replies:
            raise NoReply(self.number, within, self._last_text)
        return self._replies.popleft()

    async def ask(self, text: str, within: float = 30.0) -> str:
        """Send a text and return the next reply's.

        Raises:
            NoReply: None came within `within` seconds.
        """
        self.send(text)
        return (await self.receive(within)).text

    def deliver(self, reply: Reply) -> None:
        """Take a reply; called by the simulator."""
        self._replies.append(reply)
        self._arrived.set()
