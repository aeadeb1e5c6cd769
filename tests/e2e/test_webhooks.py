"""Webhooks of the real program over real HTTP: errors, silence and a kill lose nothing and put nothing out of order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from standardwebhooks.webhooks import Webhook
from trio.testing import wait_all_tasks_blocked

from tests.pipeline import RULES, text
from tests.test_service import carrier

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

SMPPBRIDGE = Path(sys.executable).with_name("smppbridge")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONFIG = """\
[bridge]
rules = ["rules.toml"]
[http]
listen = "127.0.0.1:0"
[[link]]
name = "a"
port = {smpp}
password = "secret"
reconnect = {{ initial = "50ms", max = "100ms" }}
redelivery_window = "0s"
[[webhook]]
name = "crm"
url = "http://127.0.0.1:{http}/hooks"
events = ["received", "replied"]
secret = "{secret}"
timeout = "200ms"
retry = {{ initial = "50ms", max = "100ms" }}
"""
CUSTOMERS = 6
FIRST, MORE = 60, 12


class Receiver:
    """Another program: it refuses every third event once, is silent about every seventh once, and takes the rest."""

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()
        self.taken: list[tuple[str, str, str]] = []
        """(customer, event, text) in the order in which they were taken."""
        self._changed = trio.Event()

    async def app(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        body, more = b"", True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body += message["body"]
            more = message["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        event = Webhook(SECRET).verify(body.decode(), headers)
        number = int(event["id"].removeprefix("evt_"))
        self.tries[event["id"]] += 1
        first = self.tries[event["id"]] == 1
        if first and number % 7 == 0:
            await trio.sleep_forever()  # until the other side has had enough
        status = 503 if first and number % 3 == 0 else 204
        if status == 204:
            self.taken.append((event["data"]["contact"], event["id"], event["data"]["text"]))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            await self._changed.wait()

    def texts(self) -> set[str]:
        return {words for _, _, words in self.taken}


def command(folder: Path, *words: str) -> str:
    line = [str(SMPPBRIDGE), *words, "-c", str(folder / "bridge.toml")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(90)
async def test_each_event_is_told_and_each_customers_in_order_through_errors_silence_and_a_kill(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    listener, *_ = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    settings = Config()
    settings.bind = [f"fd://{listener.socket.detach()}"]
    settings.errorlog = None
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            processes.append(subprocess.Popen([SMPPBRIDGE, "run", "-c", tmp_path / "bridge.toml"], stderr=log))
        return processes[-1]

    (tmp_path / "rules.toml").write_text(RULES)
    try:
        async with carrier() as (smsc, smpp), trio.open_nursery() as nursery:
            (tmp_path / "bridge.toml").write_text(CONFIG.format(smpp=smpp, http=port, secret=SECRET))
            app = partial(serve, receiver.app, settings, shutdown_trigger=trio.sleep_forever)
            await nursery.start(app)
            bridge = start()
            await smsc.until(lambda: smsc.links)
            said = [f"echo {n}" for n in range(FIRST + MORE)]
            for n in range(FIRST):
                smsc.deliver(text(said[n], str(n % CUSTOMERS).encode()))
            await smsc.until(lambda: len(smsc.submits) >= FIRST)
            await receiver.until(lambda: len(receiver.taken) >= 10)
            bridge.kill()
            await trio.to_thread.run_sync(bridge.wait)
            await smsc.until(lambda: not smsc.links)
            await wait_all_tasks_blocked(0.05)  # what it had posted is taken now
            before = len(receiver.taken)
            assert before < FIRST, "the kill came too late to mean anything"
            bridge = start()
            await smsc.until(lambda: smsc.links)
            for n in range(FIRST, FIRST + MORE):
                smsc.deliver(text(said[n], str(n % CUSTOMERS).encode()))
            wanted = {*said, *(words.removeprefix("echo ") for words in said)}
            await receiver.until(lambda: receiver.texts() >= wanted)
            bridge.terminate()
            assert await trio.to_thread.run_sync(bridge.wait) == 0
            nursery.cancel_scope.cancel()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert receiver.texts() == wanted
    for told in (receiver.taken[:before], receiver.taken[before:]):
        # The first of the second run may have been told by the first one, which was killed before it knew.
        by_customer: dict[str, list[int]] = defaultdict(list)
        for customer, event, _ in told:
            by_customer[customer].append(int(event.removeprefix("evt_")))
        assert all(numbers == sorted(numbers) for numbers in by_customer.values())
    assert max(receiver.tries.values()) > 1, "nothing was refused"
    assert [row["waiting"] for row in json.loads(command(tmp_path, "webhooks", "list", "--json"))] == [0]
    assert "There are no dead letters." in command(tmp_path, "webhooks", "dead")
    command(tmp_path, "store", "check")
