"""Every command line of the documents is run as it stands, document by document, each in a folder of its own.

Ports are other ones, so that nothing on this machine is in the way. A line that serves is started, awaited and ended by
Ctrl-C; one that ends with & stays until `kill`. A line that fails is tried again for a while: what it looks for may
still be on its way, as it is for people.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.guides import WRITTEN, Block, blocks, elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(sys.executable).parent
PATIENCE = 15.0
"""Seconds."""
ELSEWHERE = {
    "systemctl": "systemd",
    "journalctl": "systemd",
    "docker": "Docker",
    "make": "in the project's folder",
    ".ci/run": "in the project's folder",
    ".venv/bin/python": "minutes",
    "smppbridge": "a carrier's host",
}
"""What need not be run, by program, with one of the reasons for it."""
IN_THE_PROJECT = ("make demo", "make test", ". .venv/bin/activate")
"""What is run by whoever runs this."""
SERVES = re.compile(r"smppbridge (run|top|sim)\b(?!.*--seconds)")

pytestmark = pytest.mark.timeout(600)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Walk:
    """One document, one folder, one person at a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}", "COLUMNS": "120"}
        self.ports = {name: free_port() for name in ("2775", "2776", "8080")}
        self.jobs: dict[int, subprocess.Popen[str]] = {}
        self.growing = Path()

    def other_ports(self, text: str) -> str:
        return re.sub(r"\b(2775|2776|8080)\b", lambda found: str(self.ports[found[0]]), text)

    def configuration(self, text: str) -> str:
        """A file with the ports of this walk in place of the usual ones, the defaults too."""
        text = self.other_ports(re.sub(r'^# (listen = "127.0.0.1:8080")', r"\1", text, flags=re.MULTILINE))
        if "[[link]]" not in text:
            return text
        if not re.search(r"^port\b", text, re.MULTILINE):
            text = text.replace("[[link]]\n", f"[[link]]\nport = {self.ports['2775']}\n")
        return text if "[http]" in text else f'{text}\n[http]\nlisten = "127.0.0.1:{self.ports["8080"]}"\n'

    def command(self, line: str) -> str:
        line = self.other_ports(line)
        for words, unless in ((r"sim", "--port"), (r"(?:diag \w+|load mt)", "--port|-c ")):
            line = re.sub(rf"(smppbridge {words})\b(?!.*({unless}))", rf"\1 --port {self.ports['2775']}", line)
        return line

    def save(self, block: Block) -> None:
        if block.saved_as:
            self.growing = self.folder / block.saved_as
            self.growing.write_text(self.configuration(block.text), encoding="utf-8")
        elif self.growing.name == "guide.toml":
            with self.growing.open("a", encoding="utf-8") as file:
                file.write("\n" + block.text)

    def do(self, line: str) -> None:
        words = line.partition(" #")[0].rstrip()
        if words in IN_THE_PROJECT:
            return
        if words.startswith("kill %"):
            self.end(self.jobs.pop(int(words[6:])), signal.SIGTERM)
        elif words.startswith("export "):
            name, _, value = words[7:].partition("=")
            self.environment[name] = value
        elif words.endswith("&"):
            self.jobs[max(self.jobs, default=0) + 1] = self.start(words.rstrip("& "))
        elif SERVES.match(words):
            self.end(self.start(words), signal.SIGINT)
        else:
            self.run(words)
        if words.startswith("smppbridge init "):
            file = self.folder / words.split()[2] / "bridge.toml"
            file.write_text(self.configuration(file.read_text(encoding="utf-8")), encoding="utf-8")

    def run(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            done = subprocess.run(
                ["bash", "-c", self.command(words)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{words}\n{done.stdout}{done.stderr}"
            time.sleep(0.5)

    def start(self, words: str) -> subprocess.Popen[str]:
        command = self.command(words)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 2 * PATIENCE
        while not self.serves(command):
            assert process.poll() is None, f"{words}\n{process.communicate()[0]}"
            assert time.monotonic() < deadline, words
            time.sleep(0.1)
        return process

    def serves(self, command: str) -> bool:
        if " top " in command:
            time.sleep(1.5)
            return True
        port = re.search(r"--port (\d+)", command)
        if port is not None:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", int(port[1]))) == 0
        try:
            url = f"http://127.0.0.1:{self.ports['8080']}/readyz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @staticmethod
    def end(process: subprocess.Popen[str], by: signal.Signals) -> None:
        process.send_signal(by)
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    walk = Walk(tmp_path)
    yield walk
    for process in walk.jobs.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: path.name)
def test_every_command_line_of_a_document_does_what_it_is_there_for(document: Path, walk: Walk) -> None:
    for block in blocks(document):
        if block.language == "toml":
            walk.save(block)
        for line in block.text.splitlines() if block.language == "sh" else ():
            if line.strip() and not elsewhere(line):
                walk.do(line)


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: path.name)
def test_only_what_the_list_says_need_not_be_run(document: Path) -> None:
    for block in blocks(document):
        for line in block.text.splitlines() if block.language == "sh" else ():
            if elsewhere(line):
                assert line.split()[0] in ELSEWHERE, line
