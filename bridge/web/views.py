"""Reading the store for HTTP, in a process of its own.

Why not in a thread: a report takes as long as it takes, and the links share one interpreter with every thread of the
service; and an LMDB environment must not be opened twice in one process. The process begins with the first request, is
niced, and ends with the service however that ends.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from bridge.store import StoreError
from bridge.store.lmdb import LmdbReader
from bridge.web.access import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PATIENCE: Final = 20.0
"""Seconds that one look may take."""
_AT_ONCE: Final = 16
_NICE: Final = 5


class Views:
    """Has functions of (reader, **arguments) called beside the service; what they return comes as JSON.

    Args:
        folder: data_dir.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool: ProcessPoolExecutor | None = None
        self._asked = 0

    async def get(self, view: Callable[..., object], **arguments: object) -> bytes:
        """Return what a view returns, as JSON.

        Args:
            view: A function of a module; its first argument is the reader.
            arguments: Of it.

        Raises:
            Problem: Too much is asked for, it took too long, or the store cannot be read; or what the view raised.
        """
        if self._asked >= _AT_ONCE:
            raise Problem(503, "too many requests at a time; try again", {"Retry-After": "1"})
        self._asked += 1
        try:
            pool = self._pool = self._pool or ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_begin
            )
            future: Future[bytes] = pool.submit(_look, self._folder, view, arguments)
            return await trio.to_thread.run_sync(future.result, PATIENCE, abandon_on_cancel=True)
        except TimeoutError:
            raise Problem(503, f"that took longer than {PATIENCE:g} s; ask for less") from None
        except BrokenProcessPool:
            self.close()
            raise Problem(503, "the store could not be read; try again") from None
        except StoreError as exc:
            raise Problem(503, str(exc)) from exc
        finally:
            self._asked -= 1

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _begin() -> None:
    """Get out of the links' way, and end when the service does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(0)

    Thread(target=watch, daemon=True).start()


def _look(folder: Path, view: Callable[..., object], arguments: Mapping[str, object]) -> bytes:
    reader = LmdbReader(folder)
    try:
        return msgspec.json.encode(view(reader, **arguments))
    finally:
        reader.close()
