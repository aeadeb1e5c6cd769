"""Reading the store in a process of its own."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from bridge.store import StoreError
from bridge.web import pages
from bridge.web.access import Problem
from bridge.web.views import Views
from tests.stores import fill

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.store.lmdb import LmdbReader

pytestmark = pytest.mark.timeout(60)


def who(reader: LmdbReader) -> tuple[int, int]:
    return os.getpid(), os.getppid()


async def test_views_are_made_elsewhere_and_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path)
    views = Views(tmp_path / "var")
    try:
        page = msgspec.json.decode(await views.get(pages.messages, words="", state="", limit=3, before=0))
        assert len(page["items"]) == 3
        pid, parent = msgspec.json.decode(await views.get(who))
        assert (pid != os.getpid(), parent) == (True, os.getpid())
        with pytest.raises(Problem, match="there is no message 99999") as refused:
            await views.get(pages.message, number=99999)
        assert refused.value.status == 404
        os.kill(pid, signal.SIGKILL)

        async def until_it_is_known() -> None:
            for _ in range(3):
                await views.get(who)

        with pytest.raises(Problem, match="try again"):
            await until_it_is_known()
        again, _ = msgspec.json.decode(await views.get(who))
        assert again != pid
    finally:
        views.close()


async def test_a_store_that_is_not_there_is_no_fault_of_ours(tmp_path: Path) -> None:
    views = Views(tmp_path)
    try:
        with pytest.raises(Problem, match="no store here") as refused:
            await views.get(who)
        assert refused.value.status == 503
        assert isinstance(refused.value.__cause__, StoreError)
    finally:
        views.close()
