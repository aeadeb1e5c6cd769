"""The command run: what stops it from starting, in one line each; and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import lmdb
import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.store.lmdb import LmdbStore, service_running
from tests.pipeline import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """What the service does to the collector of its process ends with the test."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def port() -> Iterator[int]:
    """A port of loopback on which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def file(tmp_path: Path, port: int) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    file = tmp_path / "bridge.toml"
    file.write_text(f"""\
[bridge]
data_dir = "var"
rules = ["rules.toml"]
[store]
max_size = "64MiB"
[http]
listen = "127.0.0.1:0"
[[link]]
name = "a"
port = {port}
password = "x"
""")
    return file


def run(file: Path) -> Result:
    return CliRunner().invoke(main, ["run", "-c", str(file)])


def one_line(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def replace(file: Path, old: str, new: str) -> None:
    content = file.read_text()
    assert old in content
    file.write_text(content.replace(old, new))


def test_an_unknown_key_is_one_line_with_the_nearest(file: Path) -> None:
    replace(file, "data_dir", "data_dri")
    line = one_line(run(file))
    assert line.startswith(f"{file}:2: ")
    assert "data_dri" in line
    assert "data_dir" in line


def test_a_bad_pattern_is_one_line_with_its_place(file: Path) -> None:
    replace(file.parent / "rules.toml", "(?is)^echo", "(?is)^echo(")
    line = one_line(run(file))
    assert line.startswith(f"{file.parent / 'rules.toml'}:")
    assert "RE2" in line


def test_without_a_link_there_is_nothing_to_run(file: Path) -> None:
    file.write_text(file.read_text().split("[[link]]")[0])
    assert one_line(run(file)) == f"{file}: link: there is no link to run; add a [[link]] table"


def test_a_store_in_use_is_one_line(file: Path) -> None:
    store = LmdbStore(file.parent / "var", max_size=64 << 20, sync=True)
    line = one_line(run(file))
    store.close()
    assert line == (
        f"{file.parent / 'var'}: in use by another running service; stop it first, or set another [bridge] data_dir"
    )


def test_a_store_of_a_newer_version_is_one_line(file: Path) -> None:
    LmdbStore(file.parent / "var", max_size=64 << 20, sync=True).close()
    with lmdb.open(str(file.parent / "var"), max_dbs=20, map_size=64 << 20) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"format", b"9", db=meta)
    assert one_line(run(file)) == "the store has format 9, this version knows 1: upgrade smppbridge"


def test_an_http_port_in_use_is_one_line(file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        replace(file, '"127.0.0.1:0"', f'"127.0.0.1:{port}"')
        line = one_line(run(file))
    assert f"http.listen: 127.0.0.1:{port} cannot be listened on" in line
    assert line.endswith("; set another port")
    assert not service_running(file.parent / "var")


def test_a_certificate_that_is_none_is_one_line(file: Path) -> None:
    (file.parent / "ca.pem").write_text("nonsense")
    file.write_text(file.read_text() + 'tls = { ca = "ca.pem" }\n')
    line = one_line(run(file))
    assert line.endswith(f"link[1].tls.ca: {file.parent / 'ca.pem'} holds no certificates in PEM form")


def test_the_service_manager_hears_of_the_start_the_reload_the_turns_and_the_end(file: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(file.parent / "notify"))
        manager.settimeout(20.0)

        def heard(*wanted: str) -> list[str]:
            """What is heard until each of these words was."""
            said: list[str] = []
            while not all(any(line.startswith(word) for line in said) for word in wanted):
                said += manager.recv(4096).decode().splitlines()
            return said

        command = [sys.executable, "-c", "from bridge.cli import main; main()", "run", "-c", str(file)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(file.parent / "notify"), "WATCHDOG_USEC": "3000000"}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
            assert heard("READY=1", "WATCHDOG=1")[0] == "READY=1"
            assert "STATUS=link a: no session" in heard("WATCHDOG=1", "STATUS")
            process.send_signal(signal.SIGHUP)
            heard("RELOADING=1", "MONOTONIC_USEC=")
            assert "RELOADING=1" not in heard("READY=1")
            process.send_signal(signal.SIGTERM)
            heard("STOPPING=1")
    assert process.returncode == 0


def test_a_fault_of_the_service_is_one_line_without_what_it_says(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: object) -> None:
        raise ValueError("a customer's\nwords")

    monkeypatch.setattr("bridge.cli.run._run", fail)
    result = run(file)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "CRITICAL smppbridge: a fault of the service ends it: ValueError in " in line
    assert "words" not in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(file: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", "from bridge.cli import main; main()", "run", "-c", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # Nobody listens: the first attempt fails at once, and says so.
        line = process.stderr.readline()
        assert "link a/1: " in line
        assert "next attempt in" in line
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert "stopping: waiting for what is in the air" in rest


def test_whatever_the_service_writes_is_for_its_user_alone(file: Path) -> None:
    examples = [f"where is parcel {n} now" for n in range(10)], [f"are you open on day {n}" for n in range(10)]
    (file.parent / "rules.toml").write_text(
        RULES + "".join(f'[intent.i{n}]\nreply = "hours"\nexamples = {given}\n' for n, given in enumerate(examples))
    )
    file.write_text(file.read_text() + "trace = true\n")
    command = [sys.executable, "-c", "from bridge.cli import main; main()", "run", "-c", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, umask=0) as process:
        assert process.stderr is not None
        assert "next attempt in" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    folder = file.parent / "var"
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert {"data.mdb", "lock", "trace-a.log", "models"} <= modes.keys()
    assert {mode for path, mode in modes.items() if (folder / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not (folder / path).is_dir()} == {0o600}
