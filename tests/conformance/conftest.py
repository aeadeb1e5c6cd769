"""What all conformance tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _turns_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock clock must not run on while a turn is in another thread."""

    async def run_sync(function: Callable[..., T], *arguments: object) -> T:
        await trio.lowlevel.checkpoint()
        return function(*arguments)

    monkeypatch.setattr("bridge.committer.trio.to_thread.run_sync", run_sync)
