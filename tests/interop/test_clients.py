"""Clients that nobody here wrote, at our server: binds, texts of every form, receipts, refusals, the end."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from smppcore import constants as c
from smppcore.testbed.config import Mo, Receipts, SimulatorConfig
from smppcore.testbed.faults import Throttle
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.tally import ReceiptDone, Reply
from tests.interop.programs import PATIENCE, Peer, peer, text_of, until, whole_texts
from tests.interop.relay import Relay

if TYPE_CHECKING:
    from tests.interop.dissector import Dissect

pytestmark = pytest.mark.timeout(60)

CLIENTS = ["smpplib_client.py", "node_client.js", "smpp34_client.py"]
ENQUIRE_LINK_RESP = c.ENQUIRE_LINK | c.RESPONSE_BIT
BIND_TRANSCEIVER_RESP = c.BIND_TRANSCEIVER | c.RESPONSE_BIT
SERVICE = "12345"
PASSWORD = "secret"
SUBSCRIBER = "15550000001"
TEXTS = {
    "gsm": "Price: €5 [net] @ Ångström ~ {x}",
    "ucs2": "Привет ✓ 🙂",
    "long": "A long text of several parts, without characters of the extension. " * 5,
    "payload": "A text in message_payload, which takes much more than 254 octets. " * 6,
}
MOS = ["ping 1", "ünïcode ✓ 🙂", "A long inbound text [with €] in parts. " * 8, "Длинный текст 🙂 " * 10]


class Server:
    """A simulator behind a relay, and what its ESMEs did."""

    def __init__(self, simulator: Simulator, relay: Relay) -> None:
        self.simulator = simulator
        self.relay = relay
        self.replies: list[Reply] = []
        self.receipts: list[ReceiptDone] = []
        simulator.observers.append(self._observe)

    def _observe(self, happening: object) -> None:
        if isinstance(happening, Reply):
            self.replies.append(happening)
        elif isinstance(happening, ReceiptDone):
            self.receipts.append(happening)

    async def reply(self, number: int) -> Reply:
        """Wait for the reply of that number, counted from 0."""
        with trio.fail_after(PATIENCE):
            await self.relay.until(lambda: len(self.replies) > number)
        return self.replies[number]


async def serve(nursery: trio.Nursery, config: SimulatorConfig) -> Server:
    simulator = Simulator(config, random.Random(1))
    relay = Relay(await nursery.start(simulator.serve, "127.0.0.1", 0))
    await nursery.start(relay.serve)
    return Server(simulator, relay)


async def bind(client: Peer, kind: str, password: str = PASSWORD, status: int = 0) -> None:
    await client.do("bind", **{"as": kind}, system_id="esme", password=password)
    assert (await client.event("bound"))["status"] == status


async def submit_all_forms(client: Peer, server: Server) -> list[str]:
    """Submit a text of each form; return all message ids, once the server has had the same texts."""
    ids: list[str] = []
    for number, (form, text) in enumerate(TEXTS.items()):
        await client.do("submit", form=form, text=text, to=SUBSCRIBER)
        reply = await server.reply(number)
        assert reply.text == text
        for message_id in reply.message_ids:
            assert await client.event("submitted") == {"event": "submitted", "status": 0, "message_id": message_id}
        ids += reply.message_ids
    return ids


async def send_all_forms(server: Server, client: Peer) -> None:
    """Send texts to the subscriber's service and check that the client reads them and acknowledges."""
    records = [server.simulator.inject(Mo(f"1555000001{n}", SERVICE, text)) for n, text in enumerate(MOS)]
    expected = {record.mo.source: record.mo.text for record in records}

    def texts() -> dict[str, str]:
        return whole_texts([event for event in client.events("deliver") if event["esm_class"] in (0, 0x40)], "from")

    await client.program.until("all texts", lambda: texts().keys() == expected.keys())
    assert texts() == expected
    await server.simulator.settled()
    assert all(record.acked_at for record in records)


def receipts(client: Peer) -> dict[str, object]:
    """Return the receipts that a client has had: message_state by message id."""
    events = [event for event in client.events("deliver") if event["esm_class"] == c.ESM_TYPE_RECEIPT]
    for event in events:
        assert (event["from"], event["to"]) == (SUBSCRIBER, SERVICE)
        assert f"id:{event['message_id']} " in text_of(event)
    return {str(event["message_id"]): event["state"] for event in events}


QUICK = SimulatorConfig(receipts=Receipts(delay=0.0))
PROBING = replace(QUICK, session=replace(QUICK.session, enquire_link_interval=0.2))


@pytest.mark.parametrize("script", CLIENTS, indirect=True)
async def test_a_transceiver_does_all_there_is(script: str, dissect: Dissect, nursery: trio.Nursery) -> None:
    server = await serve(nursery, PROBING)
    async with peer(script, str(server.relay.port)) as client:
        await bind(client, "transceiver")
        ids = await submit_all_forms(client, server)
        await client.program.until("all receipts", lambda: receipts(client).keys() == set(ids))
        assert set(receipts(client).values()) == {c.STATE_DELIVERED}
        await send_all_forms(server, client)
        if script != "smpp34_client.py":  # it sends enquire_link by itself only
            await client.do("enquire_link")
            assert (await client.event("enquired"))["status"] == 0
        with trio.fail_after(PATIENCE):
            await server.relay.until(lambda: server.relay.count(ENQUIRE_LINK_RESP, from_client=True) >= 2)
        await client.do("unbind")
        assert (await client.event("unbound"))["status"] == 0
        await until(lambda: not server.simulator.links)
    assert not client.events("error")
    figures = server.simulator.tally.figures
    assert figures.receipts_acked == len(ids)
    assert figures.mo_acked == len(MOS)
    names = await dissect(server.relay)
    assert not [name for name in names if name.endswith("!")]


@pytest.mark.parametrize("script", CLIENTS, indirect=True)
async def test_receipts_and_texts_come_by_the_receiver_of_a_pair(
    script: str, dissect: Dissect, nursery: trio.Nursery
) -> None:
    server = await serve(nursery, QUICK)
    port = str(server.relay.port)
    async with peer(script, port) as transmitter, peer(script, port) as receiver:
        await bind(transmitter, "transmitter")
        ids = await submit_all_forms(transmitter, server)
        await bind(receiver, "receiver")
        await receiver.program.until("all receipts", lambda: receipts(receiver).keys() == set(ids))
        await send_all_forms(server, receiver)
        for client in (transmitter, receiver):
            await client.do("unbind")
            assert (await client.event("unbound"))["status"] == 0
        assert not transmitter.events("deliver")
    await dissect(server.relay)


@pytest.mark.parametrize("script", CLIENTS, indirect=True)
async def test_a_wrong_password_is_refused(script: str, dissect: Dissect, nursery: trio.Nursery) -> None:
    server = await serve(nursery, QUICK)
    async with peer(script, str(server.relay.port)) as client:
        if script == "smpp34_client.py":  # it keeps the refusal to itself
            await client.do("bind", **{"as": "transceiver"}, system_id="esme", password="wrong")
            with trio.fail_after(PATIENCE):
                await server.relay.until(lambda: server.relay.count(BIND_TRANSCEIVER_RESP, from_client=False) > 0)
        else:
            await bind(client, "transceiver", "wrong", c.ESME_RINVPASWD)
    assert server.simulator.tally.figures.binds_refused > 0
    assert not server.simulator.tally.figures.binds
    assert (await dissect(server.relay)).keys() <= {"bind_transceiver", "bind_transceiver_resp!"}


@pytest.mark.parametrize("script", CLIENTS, indirect=True)
async def test_a_refused_text_has_a_status_and_the_next_an_id(
    script: str, dissect: Dissect, nursery: trio.Nursery
) -> None:
    server = await serve(nursery, replace(QUICK, faults=(Throttle(every=2),)))
    async with peer(script, str(server.relay.port)) as client:
        await bind(client, "transceiver")
        statuses = []
        for _ in range(4):
            await client.do("submit", form="gsm", text="Hello", to=SUBSCRIBER)
            submitted = await client.event("submitted")
            assert bool(submitted["message_id"]) is (submitted["status"] == 0)
            statuses.append(submitted["status"])
        assert statuses == [0, c.ESME_RTHROTTLED] * 2
    names = await dissect(server.relay)
    assert names["submit_sm_resp"] == names["submit_sm_resp!"] == 2
