"""Webhooks: what is told, in which order, how it is signed, and what becomes of what is not taken."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bridge.config import WebhookConfig, WebhookRetry, WorkflowConfig
from bridge.events import Asked, HooksRecalled, HooksRevived, HooksSettled
from bridge.hooks import MOST_HELD, Dead, Hook, hook_key, listeners, pack, read_key, rows, unpack_dead
from bridge.rules import Request
from bridge.webhooks import Courier, secret_octets, signed
from bridge.workflows import WorkflowError, workflows
from tests.pipeline import CONTACT, Bridge, accepted, link, receipt, rules, text
from tests.test_rules_people import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from bridge.events import Event

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CRM = WebhookConfig(
    "crm", "https://crm.example/hooks", secret=SECRET, retry=WebhookRetry(1.0, 8.0), give_up_after=100.0
)
EPOCH = 1_800_000_000.0


def hook(number: int, contact: str = "1", kind: str = "received") -> Hook:
    return Hook(number, kind, EPOCH, contact, "acme", 5, {"text": f"no {number}"})


def row(number: int, contact: str = "1", name: str = "crm") -> tuple[bytes, bytes]:
    event = hook(number, contact)
    return hook_key(name, event), pack(event)


class Receiver:
    """The other program: answers as told, and keeps what it was told."""

    def __init__(self, answer: Callable[[httpx.Request, int], httpx.Response | Exception | float]) -> None:
        self.told: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self._answer = answer
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._take))

    async def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(trio.current_time())
        answer = self._answer(request, len(self.requests))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await trio.sleep(answer)
            return httpx.Response(200)
        if answer.status_code < 300:
            self.told.append(json.loads(request.content))
        return answer

    def ids(self) -> list[str]:
        return [event["id"] for event in self.told]


class Desk:
    """A courier with what surrounds it."""

    def __init__(self, receiver: Receiver, *webhooks: WebhookConfig) -> None:
        self.events: list[Event] = []
        self.courier = Courier(
            webhooks or (CRM,),
            self.events.append,
            lambda: EPOCH + trio.current_time(),
            receiver.client,
            random.Random(1),
        )

    def done(self) -> list[bytes]:
        return [key for event in self.events if isinstance(event, HooksSettled) for key in event.done]

    def dead(self) -> list[tuple[bytes, str]]:
        return [(key, why) for e in self.events if isinstance(e, HooksSettled) for key, _, why in e.dead]


def taken(request: httpx.Request, number: int) -> httpx.Response:
    return httpx.Response(204)


async def test_what_is_told_is_signed_as_the_specification_says(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    receiver = Receiver(taken)
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    assert isinstance(desk.events[0], HooksRecalled)
    desk.courier.take([row(7)], recalled=True)
    await trio.sleep(1)
    (request,) = receiver.requests
    headers = {name: request.headers[name] for name in ("webhook-id", "webhook-signature")}
    headers["webhook-timestamp"] = request.headers["webhook-timestamp"]
    assert request.headers["webhook-id"] == "evt_7"
    body = request.content.decode()
    import datetime as dt
    from unittest import mock

    with mock.patch("standardwebhooks.webhooks.datetime", mock.Mock(wraps=dt.datetime)) as now:
        now.now = lambda tz: dt.datetime.fromtimestamp(EPOCH, tz)
        assert Webhook(SECRET).verify(body, headers)["data"]["text"] == "no 7"
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body + " ", headers)
    assert desk.done() == [row(7)[0]]


def test_secrets() -> None:
    assert secret_octets("plain") == b"plain"
    assert secret_octets("whsec_!") == b"whsec_!"
    assert secret_octets(SECRET) == Webhook(SECRET)._whsecret
    assert "webhook-signature" not in signed(b"", "evt_1", 1, "")


async def test_a_customers_events_come_in_order_and_others_do_not_wait(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    def answer(request: httpx.Request, number: int) -> httpx.Response:
        event = json.loads(request.content)
        bad = event["data"]["contact"] == "1" and trio.current_time() < 3.0
        return httpx.Response(500 if bad else 200)

    receiver = Receiver(answer)
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1), row(2), row(3, "2"), row(4)], recalled=True)
    desk.courier.take([row(5)], recalled=False)
    await trio.sleep(60)
    assert receiver.ids() == ["evt_3", "evt_1", "evt_2", "evt_4", "evt_5"]
    assert len(desk.done()) == 5
    assert receiver.times[-1] < 10.0


@pytest.mark.parametrize(
    "failure", [httpx.Response(302), httpx.Response(400), httpx.ConnectError("refused"), 1000.0], ids=str
)
async def test_what_is_not_taken_comes_again_and_is_given_up_in_the_end(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    failure: httpx.Response | Exception | float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answer(request: httpx.Request, number: int) -> httpx.Response | Exception | float:
        return failure if request.headers["webhook-id"] == "evt_1" else httpx.Response(200)

    receiver = Receiver(answer)
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1), row(2)], recalled=True)
    await trio.sleep(200)
    ((key, why),) = desk.dead()
    assert key == row(1)[0]
    assert why.split()[0] in {"302", "400", "ConnectError:", "no"}
    assert receiver.ids() == ["evt_2"]
    pauses = [b - a for a, b in zip(receiver.times, receiver.times[1:-1], strict=False)]
    assert max(pauses) <= 8.0 + 10.0
    assert len(receiver.requests) > 5
    assert len([r for r in caplog.records if "its events wait" in r.message]) == 1
    assert len([r for r in caplog.records if "takes events again" in r.message]) == 1


async def test_who_is_gone_gets_no_more(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx.Response(410))
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1), row(2, name="other")], recalled=True)
    await trio.sleep(1)
    assert sorted(why for _, why in desk.dead()) == ["410 Gone", "the webhook is not configured any more"]


async def test_a_url_that_a_rules_file_names_is_told_too(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(taken)
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1, name="https://sla.example/x")], recalled=True)
    await trio.sleep(1)
    assert str(receiver.requests[0].url) == "https://sla.example/x"
    assert "webhook-signature" not in receiver.requests[0].headers


async def test_what_does_not_fit_into_the_memory_waits_in_the_store(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    receiver = Receiver(taken)
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1)], recalled=False)  # before the oldest are known
    await trio.sleep(1)
    assert receiver.requests == []
    first = [row(n, str(n)) for n in range(1, MOST_HELD + 1)]
    desk.courier.take(first, recalled=True)
    desk.courier.take([row(MOST_HELD + 1)], recalled=False)
    await trio.sleep(60)
    assert len(receiver.told) == MOST_HELD
    assert [type(event) for event in desk.events].count(HooksRecalled) == 2
    desk.courier.take([row(MOST_HELD + 1)], recalled=True)
    desk.courier.take([row(MOST_HELD + 2)], recalled=False)
    await trio.sleep(60)
    assert receiver.ids()[-2:] == [f"evt_{MOST_HELD + 1}", f"evt_{MOST_HELD + 2}"]


async def test_a_long_answer_is_not_read_to_its_end(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx.Response(200, content=b"x" * 1_000_000))
    desk = Desk(receiver)
    await nursery.start(desk.courier.run)
    desk.courier.take([row(1)], recalled=True)
    await trio.sleep(1)
    assert desk.done() == [row(1)[0]]


# ---------------------------------------------------------------- what turns write


def told(bridge: Bridge) -> list[dict[str, Any]]:
    """Return the events in the store, in order."""
    from bridge.hooks import unpack

    found = [unpack(value) for (table, _), value in bridge.memory.side.items() if table == "hook"]
    return [event.body() for event in sorted(found, key=lambda event: event.id)]


def bridge_with(*kinds: str, source: str = SOURCE) -> Bridge:
    bridge = Bridge(link(), ruleset=rules(source))
    bridge.engine.listening = listeners([WebhookConfig("crm", "https://x", tuple(kinds))])  # type: ignore[arg-type]
    return bridge


def test_events_are_in_the_commit_of_what_they_tell_of() -> None:
    bridge = bridge_with()
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.deliver(receipt(b"1"))
    bridge.send("agent")
    events = told(bridge)
    assert [event["type"] for event in events] == ["received", "replied", "delivered", "received", "escalated"]
    received, replied, delivered = (event["data"] for event in events[:3])
    assert (received["text"], received["outcome"], received["contact"]) == ("hours", "replied", CONTACT.decode())
    assert (replied["text"], replied["answers"], delivered["state"]) == ("8-18", received["message"], "delivered")
    assert events[4]["data"]["queue"] == "care"


def test_only_what_is_wanted_is_written_and_nothing_without_a_webhook() -> None:
    bridge = bridge_with("escalated")
    bridge.send("hours")
    bridge.send("agent")
    assert [event["type"] for event in told(bridge)] == ["escalated"]
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    effects = bridge.deliver(text("agent"))
    assert (told(bridge), effects.hooks) == ([], [])


def test_a_late_answer_is_told_to_the_url_of_its_queue() -> None:
    source = SOURCE.replace('move_to = "supervisors"', 'move_to = "supervisors", notify = "https://sla.example/x"')
    bridge = Bridge(link(), ruleset=rules(source))
    bridge.send("agent")
    bridge.now += 901.0
    effects = bridge.turn()
    ((key, _),) = effects.hooks
    assert read_key(key) == ("https://sla.example/x", CONTACT.decode())


def test_what_is_personal_is_masked() -> None:
    bridge = bridge_with("received", source=SOURCE + '[privacy]\nredact = ["email"]\n')
    bridge.send("write to ann\0mail.example")
    assert told(bridge)[0]["data"]["text"] == "write to ***"


def test_settled_events_go_and_dead_letters_can_be_revived() -> None:
    bridge = bridge_with()
    bridge.send("hours")
    keys = [key for table, key in bridge.memory.side if table == "hook"]
    first, second = sorted(keys)
    event = next(iter(told(bridge)))
    effects = bridge.turn(HooksRecalled())
    assert effects.recalled is not None
    assert [key for key, _ in effects.recalled] == [first, second]
    gone = Hook(99, "received", 1.0, "1", "acme", 1, {})
    effects = bridge.turn(HooksSettled([first], [(second, gone, "500")]), HooksRecalled())
    assert effects.recalled == []
    (dead,) = [unpack_dead(value) for (table, _), value in bridge.memory.side.items() if table == "dead"]
    assert dead == Dead(gone, "500", bridge.now)
    assert (told(bridge), event["type"]) == ([], "received")
    counts: list[int] = []
    effects = bridge.turn(HooksRevived("crm", False, counts.append))
    assert [(n) for _, n in effects.revived] == [1]
    assert len(effects.hooks) == 1
    assert told(bridge)[0]["timestamp"] == bridge.now
    bridge.turn(HooksSettled([], [(second, gone, "500")]))
    effects = bridge.turn(HooksRevived("crm", True, counts.append))
    assert [n for _, n in effects.revived] == [1]
    assert not [1 for table, _ in bridge.memory.side if table in ("hook", "dead")]


def test_an_erased_customers_events_are_gone() -> None:
    bridge = bridge_with("received")
    bridge.send("agent: my secret")
    bridge.turn(Asked(CONTACT.decode(), "acme", Request("profile.erase", "ann", {})))
    assert "secret" not in repr([value for (table, _), value in bridge.memory.side.items() if table == "hook"])


def test_listeners_get_what_they_want() -> None:
    listening = listeners([WebhookConfig("all", "u"), WebhookConfig("some", "u", ("rated",))])
    assert [read_key(key)[0] for key in rows(listening, hook(1))] == ["all"]
    assert [read_key(key)[0] for key in rows(listening, hook(1, kind="rated"))] == ["all", "some"]


# ---------------------------------------------------------------- workflows


async def test_a_workflow_is_called_as_a_function(autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx.Response(200, json={"status": "lost", "days": 3}))
    call = workflows({"orders": WorkflowConfig("https://x.example/call", SECRET)}, receiver.client)["orders"]
    assert await call({"order": "1", "call_id": "7"}) == {"status": "lost", "days": 3}  # type: ignore[misc]
    (request,) = receiver.requests
    assert json.loads(request.content) == {"order": "1", "call_id": "7"}
    assert request.headers["webhook-id"] == "call_7"
    assert request.headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(500), "status 500"),
        (httpx.Response(200, content=b"x"), "no JSON"),
        (httpx.Response(200, json=[1]), "no flat JSON object"),
        (httpx.Response(200, json={"a": {}}), "no flat JSON object"),
    ],
)
async def test_an_answer_that_is_none(autojump_clock: MockClock, answer: httpx.Response, why: str) -> None:
    receiver = Receiver(lambda request, number: answer)
    call = workflows({"orders": WorkflowConfig("https://x.example/call")}, receiver.client)["orders"]
    with pytest.raises(WorkflowError, match=why):
        await call({})  # type: ignore[misc]


async def test_no_answer_is_an_empty_one(autojump_clock: MockClock) -> None:
    receiver = Receiver(taken)
    call = workflows({"orders": WorkflowConfig("https://x.example/call")}, receiver.client)["orders"]
    assert await call({}) == {}  # type: ignore[misc]
