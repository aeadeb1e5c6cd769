"""The audit log: who changed what over HTTP, a line of JSON each in `audit.jsonl` beside the store."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Final

import trio

from bridge.export import iso

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("smppbridge")

NAME: Final = "audit.jsonl"


class Audit:
    """Writes the log.

    Args:
        folder: data_dir.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._lock = trio.Lock()

    async def note(self, time: float, who: str, role: str, method: str, path: str, status: int) -> None:
        """Add a line; one that cannot be written is a warning, for what it tells of is done.

        Args:
            time: Seconds since the epoch.
            who: By the name of the token.
            role: Of that.
            method: Of the request.
            path: Of the request; what is in its body is not kept.
            status: Of the answer.
        """
        row = {"time": iso(time), "who": who, "role": role, "method": method, "path": path, "status": status}
        async with self._lock:
            try:
                await trio.to_thread.run_sync(self._append, json.dumps(row).encode() + b"\n")
            except OSError as exc:
                log.warning("%s cannot be written: %s", self._file, exc.strerror)

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
