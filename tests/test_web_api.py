"""The HTTP API on a small store: who may do what, what is refused, what is done once, pages, the audit log."""

from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx2
import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge import config as configuration
from bridge.cli.asking import asker
from bridge.control import ControlError
from bridge.rules import load
from bridge.store.lmdb import LmdbReader, LmdbStore
from bridge.tokens import ROLES, Token
from bridge.web import stream
from bridge.web.access import BURST, Problem
from bridge.web.app import MOST_OCTETS, application
from bridge.web.audit import Audit
from bridge.web.memory import KEPT_FOR, MOST, Memory
from bridge.web.openapi import document
from bridge.web.operations import OPERATIONS
from bridge.web.stream import Live
from tests.pipeline import CONTACT, Bridge, link, rules, text
from tests.test_rules_people import SOURCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bridge.rules import Request
    from bridge.service import Service
    from bridge.web.operations import Operation
    from bridge.web.views import Views

WHO = CONTACT.decode()
HOSTILE = "agent <script>alert(1)</script> \u202e\u0007"
TOKENS = tuple(Token(role, role, hashlib.sha256(role.encode()).digest()) for role in ROLES)
TEMPLATES = '[template.news]\ngiven = ["name"]\nen = "News for {name|you}."\n'


class Reading:
    """Views in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def get(self, view: Callable[..., object], **arguments: object) -> bytes:
        reader = LmdbReader(self.folder)
        try:
            return msgspec.json.encode(view(reader, **arguments))
        finally:
            reader.close()


class Stopped:
    """What the API asks of a service, done on the store of one that does not run."""

    def __init__(self, file: Path) -> None:
        self.config = configuration.load(file)
        self.rules = load(self.config.bridge.rules)
        self.asked: list[Request] = []

    def not_ready(self) -> list[str]:
        return []

    def metrics_text(self, _survey: object = None) -> bytes:
        return b""

    def moved(self) -> dict[str, dict[str, int]]:
        return {"a": {"in": 1, "out": 2, "receipts": 0, "throttled": 0}}

    async def ask(self, contact: str, brand: str, request: Request) -> str:
        self.asked.append(request)
        await trio.lowlevel.checkpoint()
        with asker(self.config) as ask:
            return ask(contact, brand, request)

    async def steer(self, name: str, what: str) -> str:
        await trio.lowlevel.checkpoint()
        if name != "a":
            raise ControlError(f"there is no link `{name}`")
        return f"link {name}: {what}"

    async def reload(self) -> str:
        await trio.lowlevel.checkpoint()
        return "nothing has changed"


@pytest.fixture
def service(tmp_path: Path) -> Stopped:
    (tmp_path / "rules.toml").write_text(SOURCE + TEMPLATES)
    file = tmp_path / "bridge.toml"
    file.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(SOURCE + TEMPLATES))
    bridge.deliver(text(b"calm", b"2"))
    bridge.deliver(text(HOSTILE.encode("utf-16-be"), data_coding=8))
    bridge.deliver(text(b"hours", b"3"))
    bridge.deliver(text(b"STOP", b"4"))
    store.close()
    return Stopped(file)


@asynccontextmanager
async def asking(service: Stopped, role: str = "", *, tokens: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    views = cast("Views", Reading(service.config.bridge.data_dir))
    known = cast("Service", service)
    app = application(
        known, TOKENS if tokens else None, views, Live(known, views), Audit(service.config.bridge.data_dir)
    )
    headers = {"authorization": f"Bearer {role}"} if role else {}
    transport = httpx2.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8080/api/v1", headers=headers
    ) as client:
        yield client


def example(op: Operation) -> tuple[str, dict[str, object] | None]:
    """Return a path and a body that fit an operation."""
    path = op.path
    for name, value in {"id": "2", "number": WHO, "brand": "acme", "name": "a", "what": "pause"}.items():
        path = path.replace(f"{{{name}}}", value)
    bodies: dict[str, dict[str, object]] = {
        "Message": {"to": WHO, "text": "hello"},
        "Profile": {"brand": "acme", "values": {"language": "en"}},
        "Consent": {"brand": "acme", "wants": "none"},
        "Said": {"text": "hello"},
        "Tags": {"tags": ["vip"]},
        "Transfer": {"queue": "last"},
        "Question": {"text": "agent"},
    }
    return path, None if op.body is None else bodies.get(op.body.__name__, {})


async def call(client: httpx2.AsyncClient, op: Operation) -> httpx2.Response:
    path, body = example(op)
    if op.method in ("POST", "PATCH"):
        return await client.request(op.method, path.removeprefix("/"), json=body if body is not None else {})
    return await client.request(op.method, path.removeprefix("/"))


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
async def test_each_operation_is_for_its_role_and_those_above(op: Operation, service: Stopped) -> None:
    async with asking(service) as client:
        answer = await call(client, op)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    for role in ROLES:
        async with asking(service, role) as client:
            answer = await call(client, op)
        if ROLES.index(role) < ROLES.index(op.role):
            assert answer.status_code == 403, answer.text
            assert op.role in answer.json()["problem"]
        else:
            # Twice the same may be refused by the rules; never by the door.
            assert answer.status_code in (200, 404, 409), answer.text
    assert answer.status_code == 200 or role != op.role


async def test_messages_come_in_pages_of_which_none_is_missed(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        seen: list[int] = []
        before = 0
        while True:
            page = (await client.get("messages", params={"limit": 2, "before": before})).json()
            seen += [row["id"] for row in page["items"]]
            if page["next"] is None:
                break
            before = page["next"]
        everything = (await client.get("messages", params={"limit": 200})).json()["items"]
    assert seen == [row["id"] for row in everything]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) >= 6


async def test_customers_come_in_pages_in_the_order_of_their_numbers(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        seen: list[str] = []
        after = ""
        while True:
            page = (await client.get("contacts", params={"limit": 1, "after": after})).json()
            seen += [row["number"] for row in page["items"]]
            after = page["next"]
            if after is None:
                break
        states = (await client.get("conversations", params={"state": "people"})).json()["items"]
        assert (await client.get("contacts", params={"after": "é"})).status_code == 400
        assert (await client.get("contacts", params={"after": "a" * 696})).status_code == 400
    assert seen == sorted([WHO, "2", "3", "4"])
    assert {row["number"] for row in states} == {WHO, "2"}


async def test_a_case_is_taken_answered_and_closed(service: Stopped) -> None:
    async with asking(service, "agent") as client:
        rows = (await client.get("cases")).json()["items"]
        assert [(row["contact"], row["text"]) for row in rows] == [(WHO, HOSTILE), ("2", "calm")]
        case = rows[0]["id"]
        for path, body in (
            ("take", {}),
            ("note", {"text": "called"}),
            ("tag", {"tags": ["lost"]}),
            ("reply", {"text": "We have found it."}),
        ):
            assert (await client.post(f"cases/{case}/{path}", json=body)).status_code == 200
        shown = (await client.get(f"cases/{case}")).json()
        assert (shown["agent"], shown["notes"][-1]["text"], shown["tags"]) == ("agent", "called", ["lost"])
        assert shown["messages"][0]["text"] == "We have found it."
        assert (await client.post(f"cases/{case}/close", json={"resolved": True})).status_code == 200
        assert (await client.get(f"cases/{case}")).status_code == 404
        refused = await client.post(f"cases/{case}/take", json={})
    assert (refused.status_code, refused.json()["problem"]) == (404, f"there is no open case {case}")
    lines = (service.config.bridge.data_dir / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200, 200, 200, 200, 200, 404]
    assert all("found it" not in line for line in lines)
    assert (service.config.bridge.data_dir / "audit.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_refusal_of_the_rules_is_a_conflict(service: Stopped) -> None:
    async with asking(service, "operator") as client:
        answer = await client.post("messages", json={"to": "4", "text": "hello"})
        assert (answer.status_code, answer.json()) == (409, {"problem": "opted_out"})
        for body, status in (
            ({"to": "5", "text": "x", "template": "news"}, 400),
            ({"to": "5", "template": "nope"}, 409),
            ({"to": "5", "text": "x", "link": "nope"}, 409),
            ({"to": "5", "text": "x", "sender": "1"}, 409),
            ({"to": "letters", "text": "x"}, 400),
            ({"to": "5"}, 400),
        ):
            answer = await client.post("messages", json=body)
            assert (answer.status_code, list(answer.json())) == (status, ["problem"])


async def test_the_same_key_does_a_thing_once(service: Stopped) -> None:
    body = {"to": "+1 415 555 0123", "template": "news", "variables": {"name": "Ann"}}
    async with asking(service, "operator") as client:
        answers = [await client.post("messages", json=body, headers={"idempotency-key": "k1"}) for _ in range(2)]
        assert [answer.json() for answer in answers] == [
            {"to": "14155550123", "brand": "acme", "taken_before": False}
        ] * 2
        other = await client.post("messages", json={**body, "to": "5"}, headers={"idempotency-key": "k1"})
        assert other.status_code == 422
        refused = [
            await client.post("messages", json={"to": "4", "text": "x"}, headers={"idempotency-key": "k2"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in refused] == [409, 409]
        assert (await client.post("messages", json=body, headers={"idempotency-key": "k" * 129})).status_code == 400
    # A service that has been started anew has forgotten the answer, but not the message.
    async with asking(service, "operator") as client:
        again = await client.post("messages", json=body, headers={"idempotency-key": "k1"})
        assert again.json()["taken_before"] is True
        thread = (await client.get("contacts/14155550123/messages")).json()["items"]
    assert [row["text"] for row in thread] == ["News for Ann."]


async def test_a_link_is_steered(service: Stopped) -> None:
    async with asking(service, "operator") as client:
        assert (await client.post("links/a/drain", json={})).json() == {"said": "link a: drain"}
        assert (await client.post("links/b/drain", json={})).status_code == 404
        assert (await client.post("links/a/dance", json={})).status_code == 400


async def test_a_contact_is_known_set_opted_out_and_forgotten(service: Stopped) -> None:
    async with asking(service, "operator") as client:
        assert (await client.patch(f"contacts/{WHO}", json={"brand": "nope", "values": {"a": "b"}})).status_code == 404
        agreed = {"brand": "acme", "wants": "agreed", "source": "web", "evidence": "form v7"}
        assert (await client.post(f"consent/{WHO}", json=agreed)).status_code == 200
        consent = {"brand": "acme", "wants": "none", "source": "email", "evidence": "ticket 1"}
        assert (await client.post(f"consent/{WHO}", json=consent)).status_code == 200
        assert (await client.post(f"consent/{WHO}", json={**consent, "source": "guess"})).status_code == 400
        shown = (await client.get(f"consent/{WHO}")).json()
        assert (shown[0]["state"], shown[0]["chain"]) == ("opted_out", "whole")
        assert [event["text"] for event in shown[0]["events"]] == ["form v7", "ticket 1"]
        assert (await client.post(f"consent/{WHO}", json=agreed)).status_code == 409
        listed = (await client.get("consent")).json()["items"]
        assert {row["contact"] for row in listed} == {WHO, "4"}
        assert (await client.get("consent/99")).status_code == 404
        assert (await client.delete("contacts/99")).status_code == 404
        known = (await client.get("conversations/acme/3")).json()
        assert known["messages"]["items"]
        assert (await client.get("conversations/acme/99")).status_code == 404


async def test_the_rules_are_shown_and_asked(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        assert (await client.get("rules")).json()["brands"][0]["queues"] == ["care", "supervisors", "last"]
        said = (await client.post("rules/explain", json={"text": "hours"})).json()
        assert (said["outcome"], said["layer"], said["replies"]) == ("replied", "keyword", ["8-18"])
        assert said["why"][0].startswith("replied: layer keyword")
        assert (await client.post("rules/explain", json={"text": "x", "number": "1"})).status_code == 409
    assert not (service.config.bridge.data_dir / "audit.jsonl").exists()


async def test_a_report_is_of_what_is_asked_for(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        made = (await client.get("reports", params={"sections": "volume,topics"})).json()
        assert {"volume", "topics"} <= set(made)
        assert "quota" not in made
        for query in (
            {"sections": "nope"},
            {"brand": "nope"},
            {"since": "yesterday"},
            {"since": "0001-01-01"},
            {"until": "9999-12-31"},
            {"since": "1980-01-01"},
            {"since": "2026-02-02", "until": "2026-02-01"},
            {"days": "401"},
            {"days": "x"},
            {"unknown": "1"},
        ):
            answer = await client.get("reports", params=query)
            assert (answer.status_code, list(answer.json())) == (400, ["problem"]), query


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text": 1}', b'{"text": "a", "more": 1}', b'{"text": "\xff"}'])
async def test_a_body_that_is_none_is_refused(body: bytes, service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        answer = await client.post("rules/explain", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, list(answer.json())) == (400, ["problem"])


async def test_a_foreign_page_can_change_nothing(service: Stopped) -> None:
    async with asking(service, tokens=False) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = await client.post("cases/2/take", content=b"{}", headers={"content-type": kind})
            assert answer.status_code == 415
        assert (await client.get("me", headers={"host": "evil.example"})).status_code == 421
        assert (await client.get("me")).json() == {"name": "local", "role": "operator"}
    assert service.asked == []


@pytest.mark.filterwarnings("ignore:.*httpx2._content.ByteStream")  # the client's own, which is not read to its end
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_too_much_and_too_often_is_refused(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        long = await client.post(
            "rules/explain", content=b" " * (MOST_OCTETS + 1), headers={"content-type": "application/json"}
        )
        assert long.status_code == 413
        answers = [(await client.get("me")).status_code for _ in range(int(BURST) + 20)]
        assert answers.count(429) >= 1
        assert answers[0] == 200


async def test_what_is_not_there_is_said(service: Stopped) -> None:
    async with asking(service, "operator") as client:
        assert (await client.get("nope")).json() == {"problem": "/api/v1/nope is not here"}
        answer = await client.put("me")
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
        assert (await client.head("me")).status_code == 200
        assert (await client.get("messages/99")).status_code == 404


async def test_a_fault_of_ours_tells_nothing_of_itself(service: Stopped, caplog: pytest.LogCaptureFixture) -> None:
    service.rules = cast("Any", None)
    async with asking(service, "viewer") as client:
        answer = await client.get("rules")
    assert (answer.status_code, answer.json()) == (
        500,
        {"problem": "that is a fault of the service; its log says more"},
    )
    assert "GET /api/v1/rules failed" in caplog.text


async def test_the_document_has_every_operation(service: Stopped) -> None:
    async with asking(service, "viewer") as client:
        shown = (await client.get("openapi.json")).json()
    assert shown == json.loads(msgspec.json.encode(document(OPERATIONS)))
    assert sum(len(methods) for methods in shown["paths"].values()) == len(OPERATIONS)
    names = [about["operationId"] for methods in shown["paths"].values() for about in methods.values()]
    assert len(set(names)) == len(OPERATIONS)
    assert shown["paths"]["/messages/{id}"]["get"]["parameters"][0]["in"] == "path"


# ---------------------------------------------------------------- the memory of keys


def test_a_request_that_is_still_being_done_is_not_begun_again() -> None:
    memory = Memory()
    assert memory.begin("ann", "k", b"x", 0.0) is None
    with pytest.raises(Problem, match="still being done"):
        memory.begin("ann", "k", b"x", 1.0)
    assert memory.begin("bob", "k", b"y", 1.0) is None
    memory.end("ann", "k", (200, b"{}"))
    assert memory.begin("ann", "k", b"x", 2.0) == (200, b"{}")
    with pytest.raises(Problem, match="another request"):
        memory.begin("ann", "k", b"z", 2.0)
    memory.end("bob", "k", None)
    assert memory.begin("bob", "k", b"other", 3.0) is None
    memory.end("nobody", "k", None)


def test_the_oldest_answers_are_forgotten() -> None:
    memory = Memory()
    memory.begin("ann", "k", b"x", 0.0)
    memory.end("ann", "k", (200, b"{}"))
    assert memory.begin("ann", "k", b"other", KEPT_FOR) is None
    for number in range(MOST):
        memory.begin("ann", str(number), b"x", KEPT_FOR)
    assert memory.begin("ann", "k", b"x", KEPT_FOR) is None


# ---------------------------------------------------------------- the stream


async def test_lookers_are_told_what_goes_on_until_they_go(
    service: Stopped, nursery: trio.Nursery, autojump_clock: object
) -> None:
    views = cast("Views", Reading(service.config.bridge.data_dir))
    live = Live(cast("Service", service), views)
    nursery.start_soon(live.run)
    sent: list[bytes] = []
    leaving = trio.Event()

    async def receive() -> dict[str, object]:
        await leaving.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        await trio.lowlevel.checkpoint()
        if len(sent) == 4:
            leaving.set()

    await live.serve(cast("Any", receive), cast("Any", send))
    state = json.loads(sent[1].removeprefix(b"event: state\ndata: "))
    assert (state["running"], len(state["cases"]), state["moved"]["a"]["out"]) == (True, 2, 2)
    assert [row["name"] for row in state["links"]] == ["a"]
    await trio.sleep(3)
    await wait_all_tasks_blocked()
    seen = len(sent)
    await trio.sleep(60)
    assert len(sent) == seen
    nursery.cancel_scope.cancel()


async def test_not_everybody_can_look_at_a_time(service: Stopped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST", 0)
    async with asking(service, "viewer") as client:
        answer = await client.get("live")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    async with asking(service) as client:
        assert (await client.get("live")).status_code == 401
