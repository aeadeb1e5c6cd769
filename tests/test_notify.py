"""Words to the service manager, over a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from bridge.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The manager's socket, and its address as it stands in NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = str(tmp_path / "notify") if request.param == "path" else f"@smppbridge-test-{os.getpid()}"
        listening.bind(name.replace("@", "\0"))
        listening.setblocking(False)
        yield listening, name


def test_each_word_is_a_datagram(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier(address)
    notifier.ready()
    notifier.reloading()
    notifier.beat("link a: no session")
    notifier.stopping()
    ready, reloading, beat, stopping = (listening.recv(4096).decode() for _ in range(4))
    assert (ready, stopping) == ("READY=1", "STOPPING=1")
    assert beat.splitlines() == ["WATCHDOG=1", "STATUS=link a: no session"]
    word, _, moment = reloading.partition("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1"
    assert 0 <= time.monotonic_ns() // 1000 - int(moment) < 60_000_000


def test_the_environment_names_the_socket_and_children_do_not_see_it(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    notifier = Notifier.from_environment(environment)
    notifier.ready()
    assert listening.recv(100) == b"READY=1"
    assert notifier.watchdog == 30.0
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize("pid", ["1", "x"])
def test_a_watchdog_of_another_process_is_none_of_ours(pid: str) -> None:
    assert Notifier.from_environment({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid}).watchdog == 0.0


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    assert Notifier.from_environment({}).watchdog == 0.0
    Notifier().ready()
    Notifier(str(tmp_path / "nobody")).ready()


def test_a_manager_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        notifier = Notifier(str(tmp_path / "notify"))
        began = time.monotonic()
        for _ in range(1000):
            notifier.beat("x" * 1000)
        assert time.monotonic() - began < 5.0
