"""The socket between a command line and a running service."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from bridge.control import ControlError, ask, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.timeout(30)


async def handle(request: Mapping[str, object]) -> str:
    if request.get("do") == "fail":
        raise ControlError("no such link")
    return f"did {request.get('do')}"


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Path]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, folder, handle)
        yield folder
        nursery.cancel_scope.cancel()


async def asked(folder: Path, request: Mapping[str, object]) -> str:
    return await trio.to_thread.run_sync(ask, folder, request)


async def test_what_is_asked_is_done_and_answered(tmp_path: Path) -> None:
    async with serving(tmp_path):
        assert await asked(tmp_path, {"do": "this"}) == "did this"
        with pytest.raises(ControlError, match="no such link"):
            await asked(tmp_path, {"do": "fail"})
        assert await asked(tmp_path, {"do": "that"}) == "did that"
    assert not (tmp_path / "control").exists()


async def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    async with serving(tmp_path):
        assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600


async def test_a_dead_service_s_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    with pytest.raises(ControlError, match="no service is running here"):
        ask(tmp_path, {"do": "this"})
    async with serving(tmp_path):
        assert await asked(tmp_path, {"do": "this"}) == "did this"


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    async with serving(folder):
        assert await asked(folder, {"do": "this"}) == "did this"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"nonsense\n", "not a line of JSON"),
        (b"[" * 60_000 + b"\n", "not a line of JSON"),
        (b"[1]\n", "not an object"),
        (b"x" * 70_000, "not a line of JSON"),
    ],
)
async def test_what_is_no_request_is_refused(tmp_path: Path, line: bytes, problem: str) -> None:
    async with serving(tmp_path), await trio.open_unix_socket(tmp_path / "control") as stream:
        await stream.send_all(line)
        assert json.loads(await stream.receive_some()) == {"problem": problem}


async def test_who_hangs_up_harms_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path):
        for _ in range(20):
            stream = await trio.open_unix_socket(tmp_path / "control")
            await stream.send_all(b'{"do": "this"}\n')
            await trio.aclose_forcefully(stream)
        assert await asked(tmp_path, {"do": "this"}) == "did this"


async def test_a_service_without_a_socket_still_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, tmp_path / "missing", handle)
    assert "no commands can be taken while running" in caplog.text


def test_no_service_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ControlError, match="no service is running here; start it with `smppbridge run`"):
            ask(folder, {"do": "this"})


def test_a_service_that_says_nothing_is_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "control"))
        listening.listen(1)
        listening.settimeout(10)

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ControlError, match="the service does not answer"):
            ask(tmp_path, {"do": "this"})
        thread.join()
