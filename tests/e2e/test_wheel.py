"""The wheel, installed in an empty environment, used from a folder that has nothing to do with the project."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# Neither the project nor its environment may help.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


class Installed:
    """The environment, and a folder to work in."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        self.scripts = scripts
        self.folder = folder

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.scripts / program, *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.scripts / "smppbridge", *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(root / "dist")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = (root / "dist").glob("*.whl")
    venv.create(root / "environment", with_pip=True)
    scripts = root / "environment" / "bin"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run([scripts / "python", *install], cwd=root, env=ENVIRONMENT, check=True)
    folder = root / "elsewhere"
    folder.mkdir()
    return Installed(scripts, folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    status = 0
    while status != 200:
        assert time.monotonic() < deadline, f"not ready, the last status was {status}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            status = connection.getresponse().status
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()


def test_the_demo_runs_from_any_folder(installed: Installed) -> None:
    done = installed.run("smppbridge", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the carrier's books and the store's agree" in done.stdout


def test_the_package_is_run_as_a_module_too(installed: Installed) -> None:
    done = installed.run("python", "-m", "bridge", "--version")
    assert (done.returncode, done.stdout) == (0, installed.run("smppbridge", "--version").stdout)


def test_the_guides_are_in_it(installed: Installed) -> None:
    script = (
        "from importlib.resources import files\n"
        "print(*sorted(file.name for file in (files('bridge') / 'guides').iterdir()))"
    )
    done = installed.run("python", "-c", script)
    assert done.stdout.split() == sorted(file.name for file in (PROJECT / "bridge" / "guides").glob("*.md")), (
        done.stderr
    )


def test_type_checkers_may_read_both_packages(installed: Installed) -> None:
    script = (
        "import bridge, smppcore; from importlib.resources import files\n"
        "assert all((files(package) / 'py.typed').is_file() for package in (bridge, smppcore))\n"
        "print(bridge.__file__)"
    )
    done = installed.run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed.scripts.parent)


def test_a_folder_from_init_runs_against_the_simulator(installed: Installed) -> None:
    folder = installed.folder / "work"
    assert installed.run("smppbridge", "init", "work").returncode == 0
    smpp, web = free_port(), free_port()
    config = folder / "bridge.toml"
    text = config.read_text(encoding="utf-8")
    for old, new in (
        ("port = 2775", f"port = {smpp}"),
        ('# listen = "127.0.0.1:8080"', f'listen = "127.0.0.1:{web}"'),
    ):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")
    checked = installed.run("smppbridge", "check", "-c", "work/bridge.toml")
    assert checked.returncode == 0, checked.stderr

    simulator = installed.start(
        "sim", "--port", str(smpp), "--script", "work/sim/hello.toml", "--seconds", "9s", "--json"
    )
    bridge = installed.start("run", "-c", "work/bridge.toml")
    try:
        wait_until_ready(web)
        report = json.loads(simulator.communicate(timeout=30)[0])
        bridge.send_signal(signal.SIGTERM)
        said = bridge.communicate(timeout=30)[1]
    finally:
        simulator.kill()
        bridge.kill()
    assert bridge.returncode == 0, said

    exported = installed.run("smppbridge", "export", "messages", "-c", "work/bridge.toml", "--format", "jsonl")
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    texts = [row for row in rows if row["kind"] == "mo"]
    replies = [row for row in rows if row["kind"] == "mt"]
    assert len(texts) == report["mo_acked"] == 9
    assert replies
    assert {row["state"] for row in replies} == {"delivered"}
    checked = installed.run("smppbridge", "store", "check", "-c", "work/bridge.toml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
