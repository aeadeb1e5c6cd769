"""What the service tells the service manager: sd_notify(3), a datagram to the socket that systemd names.

Nothing is told where no socket is named, and a message that does not get through is no error: the manager notices what
it misses.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class Notifier:
    """The way to the service manager.

    Args:
        address: Path of its socket, "@" in front of an abstract one; "": there is none.
        watchdog: Seconds within which it wants to hear `beat()`; 0.0: it does not.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Return the way that the environment names, and take it out of there: it is not for our children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        pid, microseconds = environment.pop("WATCHDOG_PID", ""), environment.pop("WATCHDOG_USEC", "")
        ours = pid in ("", str(os.getpid())) and microseconds.isdigit()
        return cls(address, int(microseconds) / 1e6 if ours else 0.0)

    def ready(self) -> None:
        """Say that the service has started, or has taken its configuration anew."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being taken anew; ready() has to follow."""
        # systemd tells by it if a READY=1 that it reads came before.
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._tell("STOPPING=1")

    def beat(self, status: str) -> None:
        """Say that the service works.

        Args:
            status: How it is, one line for people.
        """
        self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def _tell(self, what: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)  # a manager that does not read must not hold up the links
            to.sendto(what.encode(), self._address)
