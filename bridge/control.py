"""The way from a command line to the service that runs beside it: a socket in data_dir, for its owner alone.

One line of JSON there, one back: `{"do": "trace", "link": "carrier-a", …}` → `{"said": "…"}` or `{"problem": "…"}`.

Why a socket and not a table of the store that the service polls: whoever asks hears what became of it (no such link, no
room on the disk), at once; nothing that was meant for a service that has stopped acts on the next one; and no second
process takes the store's one write lock, in which it could be stopped with the whole service waiting. What changes
state is still an event in the committer's queue, and is answered when it is committed. Where no service runs, a command
that may do so takes the store's lock and does it itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("smppbridge.control")

_NAME: Final = "control"
_LONGEST: Final = 65536
_PATIENCE: Final = 30.0
_LONGEST_WORK: Final = 3600.0
"""Seconds that anything may take which somebody waits for."""
_LONGEST_PATH: Final = 100
"""Octets: the kernel allows 107 (unix(7))."""

Handler = Callable[[Mapping[str, object]], Awaitable[str]]
"""Does what a request asks and returns a line for people. Raises ControlError with why it does not."""


class ControlError(Exception):
    """A request was not carried out; the text is one line."""


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Return the socket's path, by way of an open folder where it would be too long."""
    path = str(folder / _NAME)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_NAME}"
    finally:
        os.close(descriptor)


def _listen(folder: Path) -> socket.socket:
    """Open the socket; the caller holds the store's lock, so that what is there is a dead service's.

    Raises:
        OSError: No room, or the file system has no sockets.
    """
    (folder / _NAME).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(folder) as address:
            listening.bind(address)
        (folder / _NAME).chmod(0o600)  # before anybody can connect
        listening.listen(16)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


async def serve(
    folder: Path, handler: Handler, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer requests until cancelled. A socket that cannot be opened is a warning: links matter more.

    Args:
        folder: data_dir; the caller holds the store's lock.
        handler: Does what is asked.
        task_status: Told when it listens.
    """

    async def answer(stream: trio.SocketStream) -> None:
        with trio.move_on_after(_LONGEST_WORK), contextlib.suppress(trio.BrokenResourceError):
            with trio.move_on_after(_PATIENCE) as scope:
                line = await _line(stream)
            if scope.cancelled_caught:
                return
            await stream.send_all(json.dumps(await _reply(line, handler)).encode() + b"\n")

    try:
        listening = _listen(folder)
    except OSError as exc:
        log.warning("no commands can be taken while running: %s: %s", folder / _NAME, exc.strerror or exc)
        task_status.started()
        return
    try:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        await trio.serve_listeners(answer, [listener], task_status=_Started(task_status))
    finally:
        (folder / _NAME).unlink(missing_ok=True)


class _Started:
    """Tells that serving has begun, without the listeners that trio tells of."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status = task_status

    def started(self, _listeners: object = None) -> None:
        self._task_status.started()


async def _line(stream: trio.SocketStream) -> bytes:
    received = bytearray()
    while b"\n" not in received and len(received) <= _LONGEST:
        data = await stream.receive_some(4096)
        if not data:
            break
        received += data
    return bytes(received.partition(b"\n")[0])


async def _reply(line: bytes, handler: Handler) -> dict[str, str]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"problem": "not a line of JSON"}
    if not isinstance(request, dict):
        return {"problem": "not an object"}
    try:
        return {"said": await handler(request)}
    except ControlError as exc:
        return {"problem": str(exc)}


def ask(folder: Path, request: Mapping[str, object], patience: float = 0.0) -> str:
    """Ask the service that runs on a data_dir; blocks for at most some seconds, and `patience` more.

    Returns:
        What it says, a line for people.

    Raises:
        ControlError: There is none, it does not answer, or it says why it will not.
    """
    try:
        with _address(folder) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(_PATIENCE + patience)
            stream.connect(address)
            stream.sendall(json.dumps(request).encode() + b"\n")
            with stream.makefile("rb") as answers:
                reply = json.loads(answers.readline(_LONGEST))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as exc:
        raise ControlError(f"{folder}: no service is running here; start it with `smppbridge run`") from exc
    except (OSError, ValueError) as exc:
        raise ControlError(f"{folder}: the service does not answer: {exc}") from exc
    if "problem" in reply:
        raise ControlError(str(reply["problem"]))
    return str(reply.get("said", ""))
