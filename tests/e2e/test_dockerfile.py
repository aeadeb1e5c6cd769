"""The Dockerfile without an engine: its own steps in an empty folder, then what they install, as an unprivileged user.

Every COPY and RUN is carried out as it is written, with the image's folders below a temporary one and with the Python
of a fresh environment in place of the image's. Left out is what only an image has: its base and its user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
NOBODY = 65534
FOLDERS = ("/wheels", "/var/lib/smppbridge", "/etc/smppbridge")

pytestmark = pytest.mark.timeout(600)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with what follows them, comments and line ends taken out."""
    text = re.sub(r"^#.*\n", "", (PROJECT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def of(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


@dataclass
class Image:
    """What the steps have made."""

    root: Path
    scripts: Path = field(init=False)
    """Of the Python in the last stage."""

    def moved(self, text: str) -> str:
        """A step's text with the image's folders below the root."""
        for folder in FOLDERS:
            text = re.sub(rf"(?<![\w/.]){re.escape(folder)}\b", f"{self.root}{folder}", text)
        return text

    def build(self) -> None:
        python, folder = self.root, self.root
        for number, (word, rest) in enumerate(instructions()):
            match word:
                case "FROM":
                    assert rest.startswith("python:3.11-slim")
                    python = self.root / f"python-{number}"
                    venv.create(python, with_pip=True)
                    self.scripts = python / "bin"
                case "WORKDIR":
                    folder = Path(f"{self.root}{rest}")
                    folder.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    *sources, target = rest.split()
                    for source in sources:
                        self.copy(PROJECT / source, folder / target)
                case "RUN" if "useradd" not in rest:
                    self.run(re.sub(r"^(--mount=\S+ )+", "", rest), folder, last="--no-index" in rest)

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    def run(self, command: str, folder: Path, *, last: bool) -> None:
        environment = {**os.environ, "PATH": f"{self.scripts}:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        for name in ("PYTHONPATH", "VIRTUAL_ENV", *(("PIP_FIND_LINKS",) if last else ())):
            environment.pop(name, None)
        if last:
            environment["PIP_CONFIG_FILE"] = os.devnull  # nothing but the wheels may be installed
        done = subprocess.run(
            ["/bin/sh", "-c", self.moved(command)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def command(self, text: str, port: int) -> list[str]:
        """A command in the form of JSON, as it runs here."""
        program, *arguments = json.loads(text)
        return [str(self.scripts / program), *(self.moved(a).replace("8080", str(port)) for a in arguments)]


def unprivileged() -> list[str]:
    """What makes a command run as nobody, if we are somebody."""
    if os.geteuid():
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not in pytest's folder, where nobody else may look.
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        made = Image(Path(name))
        made.root.chmod(0o755)
        made.build()
        yield made


def test_it_installs_what_is_pinned_and_nothing_of_the_workshop(image: Image) -> None:
    listed = subprocess.run(
        [image.scripts / "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    installed = dict(line.split("==") for line in listed.stdout.splitlines())
    pinned = dict(
        line.split(";")[0].strip().split("==")
        for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    for tool in ("pip", "setuptools", "wheel"):
        installed.pop(tool, None)
    assert installed.pop("smppbridge")
    assert {name.lower().replace("_", "-"): v for name, v in installed.items()} == {
        name.lower().replace("_", "-"): v for name, v in pinned.items()
    }


def test_it_is_not_root_and_carries_no_wheels() -> None:
    (user,) = of("USER")
    assert int(user) > 0
    assert any(f"--uid {user} " in step for step in of("RUN"))
    words = [word for word, _ in instructions()]
    last_stage = " ".join(words).rpartition("FROM ")[2].split()
    assert "RUN" in last_stage
    assert "COPY" not in last_stage


def test_what_it_installs_runs_as_nobody_with_a_fresh_data_folder(image: Image) -> None:
    with socket.socket() as smpp, socket.socket() as http:
        for probe in (smpp, http):
            probe.bind(("127.0.0.1", 0))
        carrier, port = smpp.getsockname()[1], http.getsockname()[1]
    settings, data = Path(image.moved("/etc/smppbridge")), Path(image.moved("/var/lib/smppbridge"))
    run = unprivileged()
    subprocess.run([image.scripts / "smppbridge", "init", settings], check=True, capture_output=True)
    config = settings / "bridge.toml"
    text = config.read_text(encoding="utf-8").replace('data_dir = "var"', f'data_dir = "{data}"')
    text = text.replace("port = 2775", f"port = {carrier}").replace(
        '# listen = "127.0.0.1:8080"', f'listen = "127.0.0.1:{port}"'
    )
    config.write_text(text, encoding="utf-8")
    data.mkdir(parents=True, exist_ok=True)
    if run:
        os.chown(data, NOBODY, NOBODY)
    data.chmod(0o700)
    (start,) = of("CMD")
    check = of("HEALTHCHECK")[0].partition("CMD ")[2]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(data)}
    simulator = [str(image.scripts / "smppbridge"), "sim", "--port", str(carrier), "--rate", "20", "--seconds", "3s"]
    with (
        subprocess.Popen(
            [*run, *simulator, "--text", "hours {n}"], env=environment, cwd=data, stdout=subprocess.PIPE
        ) as smsc,
        subprocess.Popen(
            [*run, *image.command(start, port)], env=environment, cwd=data, stderr=subprocess.PIPE, text=True
        ) as bridge,
    ):
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(
                image.command(check, port), env=environment, capture_output=True, check=False
            ).returncode:
                assert bridge.poll() is None, bridge.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.2)
            smsc.communicate(timeout=60)
            owner = Path(f"/proc/{bridge.pid}").stat().st_uid
            bridge.send_signal(signal.SIGTERM)
            said = bridge.communicate(timeout=30)[1]
        finally:
            smsc.kill()
            bridge.kill()
    assert bridge.returncode == 0, said
    assert owner == (NOBODY if run else os.geteuid())
    exported = subprocess.run(
        [*run, image.scripts / "smppbridge", "export", "messages", "-c", config, "--format", "jsonl"],
        env=environment,
        cwd=data,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    assert {row["kind"] for row in rows} == {"mo", "mt"}
    assert sys.prefix not in said
