"""Prometheus scrapes a bridge and a simulator that run: what the dashboard asks is answered, and faults fire alerts."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import trio

from bridge.store import Changes
from bridge.store.lmdb import LmdbStore
from tests.interop.programs import PATIENCE, SMPPBRIDGE, free_port, listening, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.interop.programs import Program

pytestmark = pytest.mark.timeout(60)

HERE = Path(__file__).parent
CONF = HERE.parent.parent / "conf"
ALERTS = CONF / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((CONF / "grafana" / "smppbridge.json").read_text(encoding="utf-8"))
MAX_SIZE = 16 << 20
TOKEN = "s3cret"
AUTHORIZATION = {"authorization": f"Bearer {TOKEN}"}
MAY_BE_EMPTY = re.compile(r'reconnects_total|congestion_state|by="human"|> 0$')
"""What this traffic has nothing of."""

RULES = """\
version = "7"
[brand.acme]
name = "Acme"
country = "US"
languages = ["en"]
numbers = ["60606"]
help_contact = "help@acme.example"
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
[queue.care]
"""
HEALTHY = """\
[[traffic]]
rate = 20
text = "hours"
[receipts]
delay = "20ms"
"""
THROTTLING = """\
[[traffic]]
rate = 200
text = "hours"
[[fault]]
kind = "throttle"
above = 5
"""


async def run(*command: str | Path, stdin: bytes = b"") -> tuple[int, str]:
    """Run a program to its end: the exit status, and all that it wrote."""
    done = await trio.run_process(list(command), stdin=stdin, capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def configure(folder: Path, smpp: int, http: int) -> Path:
    """Write a bridge's configuration, with a token for Prometheus."""
    (folder / "rules.toml").write_text(RULES, encoding="utf-8")
    (folder / "tokens").write_text(f"prometheus viewer {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    config = folder / "bridge.toml"
    config.write_text(
        '[bridge]\ndata_dir = "var"\nrules = ["rules.toml"]\n[store]\nmax_size = "16MiB"\n'
        f'[http]\nlisten = "127.0.0.1:{http}"\ntoken_file = "tokens"\n'
        f'[[link]]\nname = "carrier-a"\nport = {smpp}\nsystem_id = "esme"\npassword = "secret"\ndrain = "0.5s"\n'
        'reconnect = { initial = "0.1s", max = "0.3s" }\n',
        encoding="utf-8",
    )
    return config


def hasten(folder: Path, http: int) -> Path:
    """Write Prometheus's configuration: the shipped one, and the shipped alerts, with times for a test."""
    (folder / "smppbridge.token").write_text(TOKEN)
    alerts = ALERTS.read_text(encoding="utf-8")
    hastened = re.sub(r"for: \w+", "for: 1s", alerts).replace("> 60\n", "> 3\n")
    assert hastened.count("for: 1s") >= 12
    assert "> 3\n" in hastened
    (folder / "alerts.yml").write_text(hastened, encoding="utf-8")
    scrape = (CONF / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    config = folder / "prometheus.yml"
    config.write_text(scrape.replace("15s", "500ms").replace("127.0.0.1:8080", f"127.0.0.1:{http}"), encoding="utf-8")
    return config


class Asking:
    """The HTTP API of a Prometheus."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def query(self, expr: str) -> list[dict[str, list[str]]]:
        """Return the series of an expression as of now."""
        answer = (await self._client.get("/api/v1/query", params={"query": expr})).json()
        assert answer["status"] == "success", (expr, answer)
        found: list[dict[str, list[str]]] = answer["data"]["result"]
        return found

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        answer = (await self._client.get("/api/v1/alerts")).json()
        return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}

    async def some(self, expr: str) -> None:
        """Wait until an expression has a series."""
        with trio.fail_after(PATIENCE):
            while not await self.query(expr):  # noqa: ASYNC110
                await trio.sleep(0.1)

    async def until(self, condition: Callable[[set[str]], bool]) -> None:
        """Wait until the alerts that fire fulfil a condition."""
        firing: set[str] = set()
        with trio.move_on_after(PATIENCE):
            while not condition(firing := await self.firing()):  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert condition(firing), firing


def panel_queries() -> list[str]:
    """Return every query of the dashboard as Grafana would send it."""
    annotations = [one["expr"] for one in DASHBOARD["annotations"]["list"] if "expr" in one]
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return [
        query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$link", "carrier-a")
        for query in (*targets, *annotations)
    ]


async def test_the_alerts_are_valid_and_fire_where_their_tests_say(prometheus: tuple[str, str], tmp_path: Path) -> None:
    _, promtool = prometheus
    for command in (("check", "rules", ALERTS), ("test", "rules", HERE / "alerts_test.yml")):
        status, said = await run(promtool, *command)
        assert status == 0, said
        assert "SUCCESS" in said
    for file in ("alerts.yml", "prometheus.yml"):
        shutil.copy(CONF / "prometheus" / file, tmp_path)
    (tmp_path / "smppbridge.token").write_text(TOKEN)
    status, said = await run(promtool, "check", "config", tmp_path / "prometheus.yml")
    assert status == 0, said


@dataclass
class Watched:
    """A bridge that runs, and a Prometheus that scrapes it."""

    bridge: Program
    prometheus: Asking
    smpp: int
    metrics: Callable[[dict[str, str]], Awaitable[httpx2.Response]]


@asynccontextmanager
async def watched(server: str, folder: Path) -> AsyncIterator[Watched]:
    smpp, http, web = free_port(), free_port(), free_port()
    config = configure(folder, smpp, http)
    watch = (
        server,
        f"--config.file={hasten(folder, http)}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{web}",
    )
    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{web}", trust_env=False, timeout=PATIENCE) as client,
        program((SMPPBRIDGE, "run", "-c", config)) as bridge,
    ):

        async def metrics(headers: dict[str, str]) -> httpx2.Response:
            return await client.get(f"http://127.0.0.1:{http}/metrics", headers=headers)

        await listening(http)
        # The first look into the store starts the process for it, which takes longer than these scrapes may.
        with trio.fail_after(PATIENCE):
            while b"smppbridge_survey_success 1.0" not in (await metrics(AUTHORIZATION)).content:
                pass
        async with program(watch) as prometheus:
            await prometheus.line("Server is ready to receive web requests")
            yield Watched(bridge, Asking(client), smpp, metrics)


def sim(folder: Path, port: int, scenario: str) -> AbstractAsyncContextManager[Program]:
    """Run a simulator with a scenario."""
    file = folder / "scenario.toml"
    file.write_text(scenario, encoding="utf-8")
    return program((SMPPBRIDGE, "sim", file, "--port", str(port)))


async def test_the_dashboard_is_answered_and_faults_fire_alerts(prometheus: tuple[str, str], tmp_path: Path) -> None:
    server, promtool = prometheus
    async with watched(server, tmp_path) as found:
        asking = found.prometheus
        async with sim(tmp_path, found.smpp, HEALTHY):
            await asking.some('increase(smppbridge_mt_total{state="delivered"}[1m]) > 20')
            for query in panel_queries():
                assert await asking.query(query) or MAY_BE_EMPTY.search(query), query
            (slowest,) = await asking.query(
                'histogram_quantile(1, sum by (le) (rate(smppbridge_response_seconds_bucket{by="automated"}[1m])))'
            )
            assert 0.0 < float(slowest["value"][1]) < 5.0
            assert (await found.metrics({})).status_code == 401
            exposition = (await found.metrics(AUTHORIZATION)).content
            assert await run(promtool, "check", "metrics", stdin=exposition) == (0, "")
            assert await asking.firing() == set()
        await asking.until(lambda firing: firing == {"SmppbridgeLinkDown"})
        async with sim(tmp_path, found.smpp, THROTTLING):
            await asking.until(
                lambda firing: (
                    firing >= {"SmppbridgeThrottled", "SmppbridgeOldestReplyTooOld"}
                    and "SmppbridgeLinkDown" not in firing
                )
            )
            assert await found.bridge.terminate() == 0, found.bridge.output
            await asking.until(lambda firing: "SmppbridgeDown" in firing)


async def test_a_store_without_room_fires_an_alert(prometheus: tuple[str, str], tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "var", max_size=MAX_SIZE, sync=False)
    with store.turn() as turn:
        size = int(0.96 * MAX_SIZE) >> 4
        turn.commit(Changes(rows={("job", b"%d" % number): bytes(size) for number in range(16)}))
    store.close()
    async with watched(prometheus[0], tmp_path) as found, sim(tmp_path, found.smpp, HEALTHY):
        await found.prometheus.until(lambda firing: firing == {"SmppbridgeStoreFull", "SmppbridgeStoreNearlyFull"})
        assert await found.prometheus.query("smppbridge_mo_refused_total > 0")
