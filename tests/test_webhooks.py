"""Webhooks: what is told, in which order, how it is signed, and what becomes of what is not taken."""

from __future__ import annotations

import datetime as dt
import json
import random
import ssl
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any
from unittest import mock

import httpx2
import pytest
import trio
import trio.lowlevel
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bridge.config import WebhookConfig, WebhookRetry
from bridge.hooks import Hook, hook_key, pack, unpack_dead
from bridge.webhooks import GRACE, MOST_HELD, MOST_OF_ONE, MUCH, Courier, poster, secret_octets, signed
from tests.pipeline import Bridge, link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from trio.testing import MockClock

    from bridge.events import Event

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CRM = WebhookConfig(
    "crm", "https://crm.example/hooks", secret=SECRET, retry=WebhookRetry(1.0, 8.0), give_up_after=100.0
)
EPOCH = 1_800_000_000.0


def hook(number: int, contact: str = "1", kind: str = "received") -> Hook:
    return Hook(number, kind, EPOCH, contact, "acme", 5, {"text": f"no {number}"})


Row = tuple[bytes, bytes]


def row(number: int, contact: str = "1", name: str = "crm") -> Row:
    event = hook(number, contact)
    return hook_key(name, event), pack(event)


class Octets(httpx2.AsyncByteStream):
    """An answer as it comes from a socket."""

    def __init__(self, octets: bytes, times: float = 1) -> None:
        self._octets = octets
        self._times = times

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._times > 0:
            self._times -= 1
            await trio.lowlevel.checkpoint()
            yield self._octets


class Receiver:
    """The other program: answers as told, and keeps what it was told."""

    def __init__(self, answer: Callable[[httpx2.Request, int], httpx2.Response | Exception | float]) -> None:
        self.told: list[dict[str, Any]] = []
        self.requests: list[httpx2.Request] = []
        self.times: list[float] = []
        self._answer = answer
        self.client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._take))

    async def _take(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.times.append(trio.current_time())
        answer = self._answer(request, len(self.requests))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await trio.sleep(answer)
            return httpx2.Response(200, stream=Octets(b""))
        if answer.status_code < 300:
            self.told.append(json.loads(request.content))
        if isinstance(answer.stream, Octets):
            return answer
        return httpx2.Response(answer.status_code, stream=Octets(answer.content))

    def ids(self) -> list[str]:
        return [event["id"] for event in self.told]


class Desk:
    """A courier on a store, with turns that do what it asks for."""

    def __init__(self, receiver: Receiver, *webhooks: WebhookConfig, stored: Sequence[Row] = ()) -> None:
        self.bridge = Bridge(link())
        self.side = self.bridge.memory.side
        self.side.update((("hook", key), value) for key, value in stored)
        self.turns = 0
        self._events: list[Event] = []
        self._put = trio.Event()
        self.courier = Courier(
            webhooks or (CRM,), self.put, lambda: EPOCH + trio.current_time(), receiver.client, random.Random(1)
        )

    def put(self, event: Event) -> None:
        self._events.append(event)
        self._put.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.courier.run)
            task_status.started()
            while True:
                await self._put.wait()
                await trio.sleep(0.001)
                self._put = trio.Event()
                events, self._events = self._events, []
                self.bridge.now = EPOCH + trio.current_time()
                effects = self.bridge.turn(*events)
                self.turns += 1
                for page in effects.recalled:
                    self.courier.recalled(*page)
                self.courier.take(effects.hooks)

    def happens(self, *rows: Row) -> None:
        """Events of a turn, committed."""
        self.side.update((("hook", key), value) for key, value in rows)
        self.courier.take(rows)

    def waiting(self) -> list[bytes]:
        return sorted(key for table, key in self.side if table == "hook")

    def dead(self) -> list[tuple[bytes, str]]:
        return [(key, unpack_dead(value).why) for (table, key), value in self.side.items() if table == "dead"]


def taken(request: httpx2.Request, number: int) -> httpx2.Response:
    return httpx2.Response(204)


async def test_what_is_told_is_signed_as_the_specification_says(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    receiver = Receiver(taken)
    desk = Desk(receiver, stored=[row(7)])
    await nursery.start(desk.run)
    await trio.sleep(1)
    (request,) = receiver.requests
    names = ("webhook-id", "webhook-signature", "webhook-timestamp")
    headers = {name: request.headers[name] for name in names}
    assert request.headers["webhook-id"] == "evt_7"
    body = request.content.decode()
    with mock.patch("standardwebhooks.webhooks.datetime", mock.Mock(wraps=dt.datetime)) as now:
        now.now = lambda tz: dt.datetime.fromtimestamp(EPOCH, tz)
        assert Webhook(SECRET).verify(body, headers)["data"]["text"] == "no 7"
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body + " ", headers)
    assert desk.waiting() == []


def test_secrets() -> None:
    assert secret_octets("plain") == b"plain"
    assert secret_octets("whsec_!") == b"whsec_!"
    assert secret_octets(SECRET) == Webhook(SECRET)._whsecret
    assert "webhook-signature" not in signed(b"", "evt_1", 1, "")


async def test_only_our_own_time_limits_hold_and_certificates_are_verified() -> None:
    async with poster() as client:
        assert client.timeout == httpx2.Timeout(None)
        assert not client.follow_redirects
        pool = client._transport._pool  # type: ignore[attr-defined]
        assert pool._ssl_context.verify_mode == ssl.CERT_REQUIRED


async def test_a_customers_events_come_in_order_and_others_do_not_wait(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        event = json.loads(request.content)
        bad = event["data"]["contact"] == "1" and trio.current_time() < 3.0
        return httpx2.Response(500 if bad else 200)

    receiver = Receiver(answer)
    desk = Desk(receiver, stored=[row(1), row(2), row(3, "2"), row(4)])
    await nursery.start(desk.run)
    await trio.sleep(0.5)
    desk.happens(row(5))
    await trio.sleep(60)
    assert receiver.ids() == ["evt_3", "evt_1", "evt_2", "evt_4", "evt_5"]
    assert desk.waiting() == []
    assert receiver.times[-1] < 10.0


async def test_one_who_refuses_everything_holds_nobody_else_back_however_much_waits(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A webhook that is down, and a customer whose events nobody takes, with more of both than is held in memory."""

    def answer(request: httpx2.Request, number: int) -> httpx2.Response:
        down = request.url.host == "a.example" or json.loads(request.content)["data"]["contact"] == "1"
        return httpx2.Response(500 if down else 200)

    webhooks = [
        WebhookConfig("a", "https://a.example/", retry=WebhookRetry(10.0, 60.0)),
        WebhookConfig("crm", "https://crm.example/", retry=WebhookRetry(10.0, 60.0)),
    ]
    stored = [row(n, str(n), "a") for n in range(MOST_HELD + 100)]
    stored += [row(n) for n in range(3000)]
    receiver = Receiver(answer)
    desk = Desk(receiver, *webhooks, stored=[*stored, row(1, "2"), row(2, "2")])
    await nursery.start(desk.run)
    await trio.sleep(5)
    desk.happens(row(3, "2"), row(4, "3"))
    await trio.sleep(5)
    assert sorted(receiver.ids()) == ["evt_1", "evt_2", "evt_3", "evt_4"]
    assert len(desk.waiting()) == len(stored)
    assert desk.turns < 100


async def test_all_are_told_in_order_when_a_webhook_comes_back_and_more_happens_meanwhile(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    receiver = Receiver(lambda request, number: httpx2.Response(200 if trio.current_time() > 5.0 else 503))
    contacts = [str(n) for n in range(250)]
    stored = [row(n, contacts[n % 250]) for n in range(6 * MOST_OF_ONE * 100)]
    desk = Desk(receiver, stored=stored)
    await nursery.start(desk.run)
    number = len(stored)
    for _ in range(100):
        await trio.sleep(0.1)
        desk.happens(*(row(number + n, contacts[(7 * n) % 250]) for n in range(20)))
        number += 20
    await trio.sleep(60)
    assert desk.waiting() == []
    told: dict[str, list[int]] = {}
    for event in receiver.told:
        told.setdefault(event["data"]["contact"], []).append(int(event["id"].removeprefix("evt_")))
    assert all(numbers == sorted(set(numbers)) for numbers in told.values())
    assert sum(map(len, told.values())) == number


@pytest.mark.parametrize(
    "failure", [httpx2.Response(302), httpx2.Response(400), httpx2.ConnectError("refused"), 1000.0], ids=str
)
async def test_what_is_not_taken_comes_again_and_is_given_up_in_the_end(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    failure: httpx2.Response | Exception | float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answer(request: httpx2.Request, number: int) -> httpx2.Response | Exception | float:
        bad = request.headers["webhook-id"] == "evt_1" or trio.current_time() < 1.0
        return failure if bad else httpx2.Response(200)

    receiver = Receiver(answer)
    desk = Desk(receiver, stored=[row(1), row(2), row(3, "2")])
    await nursery.start(desk.run)
    await trio.sleep(200)
    ((key, why),) = desk.dead()
    assert key == row(1)[0]
    assert why.split()[0] in {"302", "400", "ConnectError:", "no"}
    assert receiver.ids() == ["evt_3", "evt_2"]
    tries = [at for at, one in zip(receiver.times, receiver.requests, strict=True) if b'"evt_1"' in one.content]
    assert len(tries) > 5
    assert max(b - a for a, b in pairwise(tries)) <= 8.0 + 10.0
    assert len([r for r in caplog.records if "what it is to be told waits" in r.message]) == 2
    assert len([r for r in caplog.records if "takes events again" in r.message]) == 1
    assert len([r for r in caplog.records if "gives up events" in r.message]) == 1


async def test_at_a_stop_what_is_on_its_way_is_waited_for_and_nothing_more_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    receiver = Receiver(lambda request, number: 0.5 if b'"1"' in request.content else 60.0)
    desk = Desk(receiver, stored=[row(1), row(2), row(3, "2")])
    await nursery.start(desk.run)
    await trio.sleep(0.2)
    began = trio.current_time()
    await desk.courier.close()
    assert trio.current_time() - began == GRACE
    await trio.sleep(60.0)
    assert desk.waiting() == [row(2)[0], row(3, "2")[0]]
    assert len(receiver.requests) == 2


async def test_who_is_gone_gets_no_more(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx2.Response(410))
    desk = Desk(receiver, stored=[row(1), row(2, name="other")])
    await nursery.start(desk.run)
    await trio.sleep(1)
    assert sorted(why for _, why in desk.dead()) == ["410 Gone", "the webhook is not configured any more"]


async def test_a_url_that_a_rules_file_names_is_told_too(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(taken)
    desk = Desk(receiver, stored=[row(1, name="https://sla.example/x")])
    await nursery.start(desk.run)
    await trio.sleep(1)
    desk.happens(row(2, name="https://sla.example/y"))
    await trio.sleep(1)
    assert [request.url.path for request in receiver.requests] == ["/x", "/y"]
    assert "webhook-signature" not in receiver.requests[0].headers


async def test_a_long_answer_is_not_read_to_its_end(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx2.Response(200, stream=Octets(bytes(1000), inf)))
    desk = Desk(receiver, stored=[row(1)])
    await nursery.start(desk.run)
    await trio.sleep(1)
    assert desk.waiting() == []
    assert receiver.requests[0].headers["accept-encoding"] == "identity"


async def test_a_customer_who_is_forgotten_is_told_of_no_more(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: httpx2.Response(500 if trio.current_time() < 20.0 else 200))
    desk = Desk(receiver, stored=[row(1), row(2), row(3, "2")])
    await nursery.start(desk.run)
    await trio.sleep(5)
    for name in [name for name in desk.side if name[0] == "hook" and b"\x001\0" in name[1]]:
        del desk.side[name]
    desk.courier.forget(("1", "acme"))
    desk.happens(row(9))
    await trio.sleep(200)
    assert sorted(receiver.ids()) == ["evt_3", "evt_9"]
    assert (desk.waiting(), desk.dead()) == ([], [])


def test_a_backlog_is_warned_of_at_each_tenfold(caplog: pytest.LogCaptureFixture) -> None:
    courier = Desk(Receiver(taken)).courier
    for waiting in (1, MUCH, MUCH + 1, 10 * MUCH, 5, MUCH):
        courier.backlog(waiting, 0)
    courier.backlog(0, MUCH)
    said = [record.message.split(";")[0] for record in caplog.records]
    assert said == [
        "10000 events wait to be told to webhooks",
        "100000 events wait to be told to webhooks",
        "10000 events wait to be told to webhooks",
        "10000 events were given up: dead letters",
    ]
