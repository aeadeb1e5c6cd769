"""The console in Chromium, where an agent answers a text that came over SMPP; and the API under schemathesis."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.conftest import missing
from tests.interop.programs import PATIENCE, SMPPBRIDGE, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

TOKEN = "ann's token"
HOSTILE = "agent <script>alert(1)</script><img src=x onerror=alert(2)>"
RULES = """\
version = "1"
[brand.acme]
numbers = ["60606"]
name = "Acme"
country = "US"
timezone = "Europe/London"
help_contact = "+14155550100"
[queue.care]
sla = { first = "15m" }
[csat]
ask = "rate"
thanks = "thanks"
delay = "1s"
[[keyword]]
words = ["agent"]
match = "first"
escalate = { queue = "care" }
[template.rate]
en = "How did we do? Reply 1 to 5."
[template.thanks]
en = "Thank you."
"""


@pytest.fixture
def tools() -> tuple[str, str]:
    """The Python that has playwright and schemathesis, and Chromium."""
    python = os.environ.get("SMPPBRIDGE_WEB", "")
    if not python or not Path(python).exists():
        missing("playwright and schemathesis", "PyPI, in an environment whose Python SMPPBRIDGE_WEB names")
    chromium = shutil.which("chromium")
    if chromium is None:
        missing("chromium", "Debian chromium")
    return python, str(chromium)


def answering(port: int) -> None:
    """Wait until somebody listens on a port of loopback."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < until, f"nobody listens on {port}"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A service bound to the simulator, in which somebody texts, waits for an answer and rates it."""
    smpp, http = free_port(), free_port()
    (tmp_path / "rules.toml").write_text(RULES)
    tokens = [("ann", "agent", TOKEN), ("root", "operator", "root")]
    lines = [f"{name} {role} {hashlib.sha256(token.encode()).hexdigest()}\n" for name, role, token in tokens]
    (tmp_path / "tokens").write_text("".join(lines))
    (tmp_path / "bridge.toml").write_text(
        f'[bridge]\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:{http}"\ntoken_file = "tokens"\n'
        f'[[link]]\nname = "carrier-a"\nport = {smpp}\nsystem_id = "esme"\npassword = "secret"\n'
        'reconnect = { initial = "100ms", max = "200ms" }\n'
    )
    texts = json.dumps([HOSTILE, "still there?", "5"])
    (tmp_path / "sim.toml").write_text(
        f'[[conversation]]\nat = "1s"\nsubscriber = "12025550103"\nservice = "60606"\ntexts = {texts}\nwait = "100s"\n'
    )
    simulator = [SMPPBRIDGE, "sim", str(tmp_path / "sim.toml"), "--port", str(smpp), "--seconds", "250s"]
    service = [SMPPBRIDGE, "run", "-c", str(tmp_path / "bridge.toml")]
    with (
        subprocess.Popen(simulator, stdout=subprocess.DEVNULL) as carrier,
        subprocess.Popen(service) as bridge,
    ):
        try:
            answering(http)
            yield f"http://127.0.0.1:{http}/", tmp_path
        finally:
            bridge.terminate()
            carrier.terminate()


def test_an_agent_answers_in_a_browser_and_is_rated(
    served: tuple[str, Path], tools: tuple[str, str], tmp_path: Path
) -> None:
    url, folder = served
    script = Path(__file__).parent / "web" / "console_script.py"
    command = [tools[0], str(script), url, TOKEN, tools[1], str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=200)
    assert done.returncode == 0
    seen = json.loads(done.stdout)
    assert seen["faults"] == []
    assert "bound" in seen["links"]
    assert seen["texts"][0] == HOSTILE
    assert seen["scripts"] == 0
    assert "5.00 of 5" in seen["satisfaction"]
    assert "escalated: layer keyword" in seen["why"]
    assert seen["widths"] == dict.fromkeys(seen["widths"], 360)
    assert (folder / "inbox.png").stat().st_size > 10_000
    lines = [json.loads(line) for line in (folder / "var" / "audit.jsonl").read_text().splitlines()]
    assert [(line["who"], line["path"].rpartition("/")[2], line["status"]) for line in lines] == [
        ("ann", "take", 200),
        ("ann", "reply", 200),
        ("ann", "close", 200),
    ]


def test_no_request_that_the_document_allows_is_a_fault_of_the_server(
    served: tuple[str, Path], tools: tuple[str, str]
) -> None:
    url, _ = served
    command = [
        str(Path(tools[0]).with_name("schemathesis")),
        "run",
        f"{url}api/v1/openapi.json",
        "--header=Authorization: Bearer root",
        "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--max-examples=15",
        "--rate-limit=40/s",
        "--seed=1",
        "--no-color",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=200)
    assert done.returncode == 0, done.stdout.decode()[-4000:]
