"""Servers that nobody here wrote, with our bridge as their ESME: every text answered, every answer delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore.text import encode_message
from smppcore.udh import concat8
from tests.interop.programs import STORY, TALE, Peer, bridge, free_port, peer, whole_texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

SERVERS = ["node_server.js", "smpp34_server.py"]
SERVICE = "12345"
LONG = "ping 7777777 " + "and a long text, in several parts: [éàü] " * 9


def deliveries(subscriber: str, text: str, *, payload: bool = False) -> Iterator[dict[str, str | int]]:
    """Yield the commands for a text: one, or one for each part."""
    encoded = encode_message(text)
    common: dict[str, str | int] = {"from": subscriber, "to": SERVICE, "data_coding": encoded.data_coding}
    if payload:
        yield {**common, "octets": b"".join(encoded.parts).hex(), "esm_class": 0, "payload": 1}
        return
    total = len(encoded.parts)
    for number, part in enumerate(encoded.parts, 1):
        header = concat8(77, total, number) if total > 1 else b""
        yield {**common, "octets": (header + part).hex(), "esm_class": 0x40 if header else 0}


# What each subscriber says, and what it shall read
TALKS = {
    "15550000001": ("ping 1234567 please", "OK 1234567: Acme @ €5 [a]"),
    "15550000002": ("ping 2222222 – ünïcode ✓ 🙂", "OK 2222222: Acme @ €5 [a]"),
    "15550000003": (LONG, "OK 7777777: Acme @ €5 [a]"),
    "15550000004": ("story please", STORY),
    "15550000005": ("сказка", TALE),
}
BY_PAYLOAD = "15550000006"


@pytest.mark.parametrize("script", SERVERS, indirect=True)
async def test_the_bridge_answers_every_text_of_a_foreign_smsc(script: str, tmp_path: Path) -> None:
    async with peer(script, str(free_port())) as smsc:
        listening = await smsc.event("listening")
        port = listening["port"]
        assert isinstance(port, int)
        async with bridge(tmp_path, port, registered_delivery="true") as esme:
            bound = await smsc.event("bound")
            assert bound["system_id"] == "bridge"
            sent = 0
            for subscriber, (text, _) in TALKS.items():
                for command in deliveries(subscriber, text):
                    await smsc.do("deliver", **command)
                    sent += 1
            for command in deliveries(BY_PAYLOAD, LONG, payload=True):
                await smsc.do("deliver", **command)
                sent += 1
            for _ in range(sent):
                assert (await smsc.event("delivered"))["status"] == 0
            expected = {subscriber: reply for subscriber, (_, reply) in TALKS.items()}
            expected[BY_PAYLOAD] = "OK 7777777: Acme @ €5 [a]"
            await smsc.program.until("whole replies to all", lambda: replies(smsc).keys() == expected.keys())
            assert replies(smsc) == expected
            submits = smsc.events("submit")
            for _ in submits:
                assert (await smsc.event("receipted"))["status"] == 0
            rows = await esme.stop()
            assert (await smsc.event("unbound")) is not None

    assert not smsc.events("error")
    mos = [row for row in rows if row["kind"] == "mo"]
    mts = [row for row in rows if row["kind"] == "mt"]
    assert {str(row["from"]): row["text"] for row in mos} == {
        **{subscriber: text for subscriber, (text, _) in TALKS.items()},
        BY_PAYLOAD: LONG,
    }
    assert [row["outcome"] for row in mos] == ["replied"] * len(expected)
    assert {str(row["to"]): row["text"] for row in mts} == expected
    assert [row["state"] for row in mts] == ["delivered"] * len(expected)
    ids = [message_id for row in mts for message_id in as_list(row["message_ids"])]
    assert sorted(map(str, ids)) == sorted(str(event["message_id"]) for event in submits)


def as_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize("script", SERVERS, indirect=True)
async def test_the_bridge_comes_back_after_an_unbind_of_a_foreign_smsc(script: str, tmp_path: Path) -> None:
    async with peer(script, str(free_port())) as smsc:
        port = (await smsc.event("listening"))["port"]
        assert isinstance(port, int)
        async with bridge(tmp_path, port, enquire_link='"0.2s"') as esme:
            for number in range(2):
                await smsc.event("bound")
                for command in deliveries(f"1555000010{number}", f"ping {number}"):
                    await smsc.do("deliver", **command)
                assert (await smsc.event("receipted"))["status"] == 0
                if script == "node_server.js":
                    await smsc.do("enquire_link")
                    assert (await smsc.event("enquired"))["status"] == 0
                    await smsc.event("enquire_link")
                await smsc.do("unbind")
                await smsc.event("unbound")
            await smsc.event("bound")
            rows = await esme.stop()
    assert not smsc.events("error")
    assert [row["state"] for row in rows if row["kind"] == "mt"] == ["delivered"] * 2


@pytest.mark.parametrize("script", ["node_server.js"], indirect=True)
async def test_the_bridge_says_why_it_is_refused(script: str, tmp_path: Path) -> None:
    async with peer(script) as smsc:
        port = (await smsc.event("listening"))["port"]
        assert isinstance(port, int)
        async with bridge(tmp_path, port, password='"wrong"') as esme:
            await esme.program.line("ESME_RINVPASWD")
            assert await esme.stop() == []
    assert not smsc.events("bound")


def replies(smsc: Peer) -> dict[str, str]:
    """Return the whole replies that a server has had, by subscriber."""
    submits = smsc.events("submit")
    assert {event["from"] for event in submits} <= {SERVICE}
    return whole_texts(submits, "to")
