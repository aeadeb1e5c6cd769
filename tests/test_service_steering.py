"""Pause, resume, drain and rebind of one link while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from bridge.control import ControlError, ask
from bridge.lookup import link_rows
from bridge.store.lmdb import LmdbReader
from tests.pipeline import text
from tests.test_service import carrier, config, running

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.service import Service

pytestmark = pytest.mark.timeout(30)


async def ready(service: Service) -> None:
    """Wait until our side knows of the bind too."""
    while service.not_ready():  # noqa: ASYNC110
        await trio.sleep(0.01)


async def test_a_paused_link_takes_texts_and_sends_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port, drain=1.0)
        async with running(settings) as service:
            await ready(service)
            assert await service.steer("a", "pause") == "link a: nothing more is sent; texts still come in"
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.outcomes)  # acknowledged
            await trio.sleep(0.2)
            assert smsc.submits == []
            assert await service.steer("a", "resume") == "link a: sends again"
            await smsc.until(lambda: smsc.submits)
    reader = LmdbReader(tmp_path / "var")
    (row,) = link_rows(reader, settings.link, running=False)
    reader.close()
    assert row["detail"] == ""


async def test_a_drain_waits_for_what_is_in_the_air_and_no_longer_than_the_link_says(tmp_path: Path) -> None:
    async with carrier() as (smsc, port), running(config(tmp_path, port, drain=0.3)) as service:
        await ready(service)
        assert await service.steer("a", "drain") == "link a: paused, nothing is in the air"
        await service.steer("a", "resume")
        smsc.answers = False
        smsc.deliver(text("hours"))
        await smsc.until(lambda: smsc.submits)
        assert await service.steer("a", "drain") == "link a: paused, 1 still in the air after 0.3 s"


async def test_a_rebind_makes_the_bind_anew_and_loses_nothing(tmp_path: Path) -> None:
    async with carrier() as (smsc, port), running(config(tmp_path, port, drain=1.0)) as service:
        await ready(service)
        assert await service.steer("a", "rebind") == "link a: unbound, and bound anew"
        await smsc.until(lambda: smsc.binds == 2 and smsc.reasons and smsc.links)
        smsc.deliver(text("hours"))
        await smsc.until(lambda: smsc.submits)


async def test_the_command_line_says_what_cannot_be_done(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)

        async def asked(link: str, what: str) -> str:
            request = {"do": "link", "link": link, "what": what}
            return await trio.to_thread.run_sync(ask, settings.bridge.data_dir, request)

        async with running(settings):
            await smsc.until(lambda: smsc.links)
            assert "nothing more is sent" in await asked("a", "pause")
            with pytest.raises(ControlError, match="there is no link `b` in this service"):
                await asked("b", "pause")
            with pytest.raises(ControlError, match="`dance` is nothing to do with a link"):
                await asked("a", "dance")
