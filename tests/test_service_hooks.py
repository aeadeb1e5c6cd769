"""Webhooks and workflows of a running service, over loopback: a receiver that refuses, a restart, a call."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from click.testing import CliRunner

from bridge.cli import main
from bridge.config import WebhookConfig, WebhookRetry, WorkflowConfig
from bridge.control import ask
from bridge.events import HooksSettled
from bridge.hooks import listeners
from bridge.rules import load
from bridge.service import Service
from bridge.store.lmdb import LmdbStore
from tests.pipeline import Bridge, link, text
from tests.pipeline import rules as small
from tests.test_service import FLOW_RULES, carrier, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(30)


class Receiver:
    """A small HTTP server: keeps what is posted, answers with a status and a body."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: dict[str, str] = {}
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self._changed = trio.Event()

    async def serve(self, stream: trio.SocketStream) -> None:
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = await stream.receive_some()
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length"))
            while len(data) < length:
                data += await stream.receive_some()
            body, data = data[:length], data[length:]
            self.posted.append((lines[0].split()[1], json.loads(body)))
            answer = json.dumps(self.answer).encode()
            await stream.send_all(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (self.status, len(answer), answer))
            self._changed.set()
            self._changed = trio.Event()

    async def until(self, count: int) -> None:
        while len(self.posted) < count:
            await self._changed.wait()


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    made = Receiver()
    async with trio.open_nursery() as nursery:
        opened = await nursery.start(partial(trio.serve_tcp, made.serve, 0, host="127.0.0.1"))
        yield made, f"http://127.0.0.1:{opened[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_events_survive_a_refusal_and_a_restart_and_flows_call_endpoints(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(FLOW_RULES.format(version="1", hours="8-18"))
    async with carrier() as (smsc, port), receiver() as (other, url):
        settings = config(tmp_path, port)
        settings = replace(
            settings,
            bridge=replace(settings.bridge, rules=(tmp_path / "rules.toml",)),
            webhook=(WebhookConfig("crm", f"{url}/hooks", ("received",), retry=WebhookRetry(0.01, 0.05)),),
            workflow={"orders.status": WorkflowConfig(f"{url}/call")},
        )
        rules = load(settings.bridge.rules)
        other.status = 503
        service = Service(settings, rules)
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("track"))
            await other.until(3)
            service.stop()
            await service.stopped()
        tried = {event["id"] for _, event in other.posted}
        assert len(tried) == 1
        other.status, other.answer = 200, {"status": "lost"}
        other.posted.clear()
        service = Service(settings, rules)
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            await other.until(1)
            assert {event["id"] for _, event in other.posted} == tried
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("4711"))
            await smsc.until(lambda: len(smsc.submits) >= 2)
            assert smsc.submits[-1].short_message == b"4711 is lost"
            calls = [body for path, body in other.posted if path == "/call"]
            assert (calls[0]["order"], calls[0]["brand"]) == ("4711", "acme")
            revived = await trio.to_thread.run_sync(ask, settings.bridge.data_dir, {"do": "hooks", "webhook": "crm"})
            assert revived == "0"
            service.stop()
            await service.stopped()


def test_dead_letters_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text('[[webhook]]\nname = "crm"\nurl = "http://127.0.0.1:9/x"\nevents = ["received"]\n')

    def run(*words: str) -> str:
        return CliRunner().invoke(main, ["webhooks", *words, "-c", str(path)]).output

    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=small())
    bridge.engine.listening = listeners([WebhookConfig("crm", "http://x", ("received",))])
    bridge.deliver(text("hours"), text("hours", b"2"))
    with store.turn() as turn:
        rows = turn.page("hook", b"", 10)
    bridge.turn(HooksSettled([], [(key, "500") for key, _ in rows[:1]]))
    store.close()
    assert "crm" in run("list")
    (row,) = json.loads(run("list", "--json"))
    assert (row["waiting"], row["dead"], row["url"]) == (1, 1, "http://127.0.0.1:9/x")
    assert "500" in run("dead", "crm")
    assert json.loads(run("dead", "--json"))[0]["type"] == "received"
    assert "there is no webhook `cmr` in the configuration; did you mean `crm`?" in run("retry", "cmr")
    assert run("retry", "crm") == "1 events are told once more\n"
    assert run("dead") == "There are no dead letters.\n"
    assert run("drop", "crm") == "0 events are forgotten\n"
    checked = CliRunner().invoke(main, ["store", "check", "-c", str(path)])
    assert checked.exit_code == 0, checked.output
    path.write_text("[store]\n")
    assert "crm" in run("list")
