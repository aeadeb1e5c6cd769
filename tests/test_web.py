"""HTTP: health for whoever asks, metrics for those with a token, nothing else; and the server around it."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import trio
import trio.testing

from bridge.config import Address, Config, HttpConfig
from bridge.rules import Ruleset, load
from bridge.service import Service
from bridge.tokens import Token
from bridge.web import serve
from bridge.web.access import Problem
from bridge.web.app import application
from bridge.web.audit import Audit
from bridge.web.stream import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

    from bridge.metrics import Gauges
    from bridge.web.views import Views

TOKENS = (Token("prometheus", "viewer", hashlib.sha256(b"s3cret").digest()),)
METRICS = b"smppbridge_mo_total 1\n"


@dataclass
class FakeService:
    """What the application asks of a service."""

    problems: list[str] = field(default_factory=list)
    surveys: list[Gauges | None] = field(default_factory=list)
    config: Config = field(default_factory=Config)
    rules: Ruleset = field(default_factory=Ruleset)
    silent: float = 0.0

    def stalled(self) -> float:
        return self.silent

    def not_ready(self) -> list[str]:
        return self.problems

    def metrics_text(self, survey: Gauges | None = None) -> bytes:
        self.surveys.append(survey)
        return METRICS


@dataclass
class FakeViews:
    """A store in which a look finds this, or nothing in time, or a problem."""

    found: bytes | Problem | None = b"{}"

    async def get(self, _view: Callable[..., object], **_arguments: object) -> bytes:
        if isinstance(self.found, Problem):
            raise self.found
        if self.found is None:
            await trio.sleep_forever()
            raise AssertionError
        await trio.lowlevel.checkpoint()
        return self.found


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


def made(
    service: FakeService, tokens: tuple[Token, ...] | None = None, found: bytes | Problem | None = b"{}"
) -> ASGIFramework:
    views = cast("Views", FakeViews(found))
    known = cast("Service", service)
    return application(known, tokens, views, Live(known, views), Audit(Path()))


async def ask(
    path: str,
    *,
    service: FakeService | None = None,
    tokens: tuple[Token, ...] | None = None,
    method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    found: bytes | Problem | None = b"{}",
) -> Answer:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    named = headers if any(name == b"host" for name, _ in headers) else ((b"host", b"127.0.0.1:8080"), *headers)
    scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": b""}
    app = made(service or FakeService(), tokens, found)
    await app(cast("Scope", scope), cast("ASGIReceiveCallable", receive), cast("ASGISendCallable", send))
    start, body, *_ = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    return Answer(
        cast("int", start["status"]),
        dict(cast("list[tuple[bytes, bytes]]", start["headers"])),
        cast("bytes", body["body"]),
    )


async def test_health_is_open_and_ok_whatever_the_links_do() -> None:
    for tokens in (None, TOKENS):
        answer = await ask("/healthz", tokens=tokens, service=FakeService(["link a: no session"]))
        assert (answer.status, answer.body) == (200, b"ok\n")


async def test_a_service_that_commits_nothing_is_not_healthy() -> None:
    answer = await ask("/healthz", service=FakeService(silent=42.3))
    assert (answer.status, answer.body) == (503, b"nothing has been committed for 42 s\n")


async def test_readiness_is_open_and_names_what_is_missing() -> None:
    answer = await ask("/readyz", tokens=TOKENS)
    assert (answer.status, answer.body) == (200, b"ready\n")
    answer = await ask("/readyz", tokens=TOKENS, service=FakeService(["link a: no session", "link b: no session"]))
    assert (answer.status, answer.body) == (503, b"link a: no session\nlink b: no session\n")


async def test_metrics_are_open_without_a_token_file() -> None:
    answer = await ask("/metrics")
    assert (answer.status, answer.body) == (200, METRICS)
    assert answer.headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_want_one_of_the_tokens_when_there_are_any() -> None:
    answer = await ask("/metrics", tokens=TOKENS, headers=((b"host", b"x"), (b"authorization", b"Bearer s3cret")))
    assert (answer.status, answer.body) == (200, METRICS)


@pytest.mark.parametrize(
    "headers", [(), ((b"authorization", b"Bearer wrong"),), ((b"authorization", b"Basic s3cret"),)]
)
async def test_metrics_are_shown_to_nobody_else(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    answer = await ask("/metrics", tokens=TOKENS, headers=headers)
    assert (answer.status, answer.headers[b"www-authenticate"]) == (401, b"Bearer")
    assert METRICS not in answer.body


async def test_metrics_have_what_only_the_store_knows() -> None:
    service = FakeService()
    await ask("/metrics", service=service, found=b'{"queue_messages": [[["a", "reply"], 3.0]]}')
    assert service.surveys == [{"queue_messages": [(("a", "reply"), 3.0)]}]


@pytest.mark.parametrize("found", [None, Problem(503, "no store here")])
async def test_metrics_come_without_it_if_it_cannot_be_had_in_time(
    found: Problem | None, autojump_clock: trio.testing.MockClock
) -> None:
    service = FakeService()
    answer = await ask("/metrics", service=service, found=found)
    assert (answer.status, answer.body, service.surveys) == (200, METRICS, [None])
    assert trio.current_time() < 5.0


async def test_what_is_not_there_and_what_is_not_served_are_said() -> None:
    assert (await ask("/nothing")).status == 404
    assert (await ask("/metrics", method="POST")).status == 405


async def test_nothing_may_be_stored_on_the_way() -> None:
    assert (await ask("/readyz")).headers[b"cache-control"] == b"no-store"


async def test_the_server_learns_that_the_application_starts_and_stops() -> None:
    sent: list[str] = []
    come = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, object]:
        return {"type": next(come)}

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    scope = {"type": "lifespan", "state": {}}
    app = made(FakeService())
    await app(cast("Scope", scope), cast("ASGIReceiveCallable", receive), cast("ASGISendCallable", send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_without_tokens_only_this_machine_is_served() -> None:
    for host in (b"127.0.0.1", b"localhost:8080", b"[::1]:8080", b"[::1]"):
        assert (await ask("/metrics", headers=((b"host", host),))).status == 200
    for host in (b"evil.example", b"127.0.0.1.evil.example:8080", b""):
        assert (await ask("/metrics", headers=((b"host", host),))).status == 421


async def test_the_console_may_load_nothing_from_elsewhere() -> None:
    for path, kind in (("/", b"text/html"), ("/console.js", b"text/javascript"), ("/console.css", b"text/css")):
        answer = await ask(path, tokens=TOKENS)
        assert answer.status == 200
        assert answer.headers[b"content-type"].startswith(kind)
        policy = answer.headers[b"content-security-policy"]
        assert b"default-src 'none'" in policy
        assert b"unsafe" not in policy
        assert b"://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"innerHTML" not in answer.body


# ---------------------------------------------------------------- over TCP


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def service_on(port: int, token_file: Path | None = None) -> Service:
    return Service(replace(Config(), http=HttpConfig(Address("127.0.0.1", port), token_file)), load(()))


async def request(port: int, path: str, *lines: str, method: str = "GET") -> bytes:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""])
        await stream.send_all(head.encode())
        return b"".join([chunk async for chunk in stream])


async def test_the_server_asks_for_the_tokens_of_the_file(tmp_path: Path, nursery: trio.Nursery) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"prometheus viewer {TOKENS[0].sha256.hex()}\n")
    port = free_port()
    await nursery.start(serve, service_on(port, file))
    assert (await request(port, "/healthz")).startswith(b"HTTP/1.1 200")
    assert (await request(port, "/readyz")).startswith(b"HTTP/1.1 503")
    assert (await request(port, "/metrics")).startswith(b"HTTP/1.1 401")
    shown = await request(port, "/metrics", "Authorization: Bearer s3cret")
    assert shown.startswith(b"HTTP/1.1 200")
    assert b"# TYPE smppbridge" in shown
    head = await request(port, "/metrics", "Authorization: Bearer s3cret", method="HEAD")
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_one_line_with_the_fix() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"http.listen: 127.0.0.1:{port} cannot be listened on .*; set another port"):
            await serve(service_on(port))
