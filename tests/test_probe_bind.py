"""What a bind shows, what its answers mean, and one message followed to its receipt."""

from __future__ import annotations

import random
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
import trustme

from smppcore import constants as c
from smppcore.dial import DialConfig
from smppcore.errors import BindRefused
from smppcore.esme import EsmeConfig
from smppcore.pdu import BindTransceiver, BindTransceiverResp, EnquireLink, EnquireLinkResp
from smppcore.smsc import SmscConfig, SmscServer
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.faults import Error
from smppcore.testbed.load.texts import Texts
from smppcore.testbed.probe import verdicts
from smppcore.testbed.probe.bind import examine, forms
from smppcore.testbed.probe.follow import follow
from smppcore.testbed.simulator import Simulator
from tests.links import Peer, Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from smppcore.esme import Connect
    from smppcore.failover import Addresses, Endpoint
    from smppcore.testbed.probe.bind import Examination
    from smppcore.testbed.probe.follow import Journey

ESME = EsmeConfig("memory", system_id=b"esme", password=b"secret")
NOW = 1_800_000_000.0


def connector(nursery: trio.Nursery, serve: Callable[[trio.abc.HalfCloseableStream], Awaitable[object]]) -> Connect:
    async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(serve, theirs)
        return ours, "memory"

    return connect


async def examined(
    serve: Callable[[trio.abc.HalfCloseableStream], Awaitable[object]], to: str = "", config: EsmeConfig = ESME
) -> Examination:
    async with trio.open_nursery() as nursery:
        found = await examine(config, lambda: NOW, to=to, connect=connector(nursery, serve))
        nursery.cancel_scope.cancel()
    return found


def words(found: Examination) -> dict[str, str]:
    return {verdict.what: verdict.word for verdict in found.verdicts}


async def test_a_good_bind_is_good_and_nothing_is_sent_to_anybody(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    found = await examined(simulator.serve_stream)
    assert found.good
    assert (found.bind_status, found.peer_system_id, found.sc_interface_version) == (0, "simulator", 0x34)
    assert set(found.enquire_link_ms) == {"min", "median", "max"}
    assert set(words(found).values()) == {"good"}
    assert len(found.verdicts) == 3 + 2 + 9
    assert simulator.tally.figures.submits_accepted == 0


async def test_with_a_number_each_form_is_sent(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    found = await examined(simulator.serve_stream, "12025550100")
    assert [verdict.found for verdict in found.verdicts[5:]] == ["accepted"] * 9
    assert simulator.tally.figures.submits_accepted == 11
    assert simulator.tally.figures.replies == 9


async def test_what_is_refused_is_bad_and_has_advice(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(faults=(Error(status=c.ESME_RSUBMITFAIL),)), random.Random(1))
    found = await examined(simulator.serve_stream, "12025550100")
    assert not found.good
    assert {verdict.word for verdict in found.verdicts[5:]} == {"bad"}


async def test_a_receiver_tries_nothing_out(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    found = await examined(simulator.serve_stream, config=replace(ESME, bind="receiver"))
    assert list(words(found)) == ["bind", "version", "enquire_link"]


async def test_a_refused_bind_is_explained_and_shows_no_password(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    found = await examined(simulator.serve_stream, config=replace(ESME, password=b"topsecr"))
    assert found.bind_status == c.ESME_RINVPASWD
    assert words(found) == {"bind": "bad"}
    assert "topsecr" not in repr(found)


@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x14\x80\0\0\x09"])
async def test_a_peer_that_is_no_smsc_is_a_problem(autojump_clock: MockClock, garbage: bytes) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        await Peer(stream).expect(BindTransceiver)
        if garbage:
            await stream.send_all(garbage)
        await stream.aclose()

    found = await examined(serve)
    assert not found.good
    assert found.problem


async def test_a_peer_that_says_nothing_is_a_problem(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        await trio.sleep_forever()

    assert "no response" in (await examined(serve)).problem


async def test_no_connection_is_a_problem(autojump_clock: MockClock) -> None:
    async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        await trio.sleep_forever()
        raise AssertionError

    found = await examine(ESME, lambda: NOW, connect=connect)
    assert found.problem == "no connection to memory:2775 within 10 s"


async def test_what_the_peer_asks_meanwhile_is_answered(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        peer = Peer(stream)
        bind = await peer.expect(BindTransceiver)
        await stream.send_all(bytes.fromhex("00000014 80000009 00000000 00000063 41424344"))
        await peer.send(EnquireLink(sequence_number=7), BindTransceiverResp(sequence_number=bind.sequence_number))
        assert (await peer.expect(EnquireLinkResp)).sequence_number == 7
        await peer.expect(EnquireLink)
        await peer.close()

    found = await examined(serve)
    assert (found.bind_status, found.problem) == (0, "the peer closed the connection")
    assert words(found)["version"] == "note"


# -- over loopback -----------------------------------------------------------------------------------------------------


async def test_names_and_addresses_are_looked_at() -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        found = await examine(replace(ESME, host="127.0.0.1", port=port), lambda: NOW)
        nursery.cancel_scope.cancel()
    assert found.good
    assert found.addresses[0]["address"] == "127.0.0.1"
    assert words(found)["DNS"] == words(found)["TCP 127.0.0.1"] == "good"
    gone = await examine(replace(ESME, host="127.0.0.1", port=port), lambda: NOW)
    assert words(gone) == {"DNS": "good", "TCP 127.0.0.1": "bad"}
    assert gone.addresses[0]["connect_ms"] is None
    assert "Connection refused" in gone.problem


# -- verdicts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*c._STATUS_NAMES, 0x400, 0x12345])
def test_every_status_of_a_bind_is_explained_with_what_to_ask(status: int) -> None:
    verdict = verdicts.bind_answer(status)
    assert verdict.word == ("good" if status == 0 else "bad")
    assert bool(verdict.advice) == (status != 0)
    assert verdict.found


def test_versions_certificates_and_operations_are_judged() -> None:
    assert verdicts.versions(0x50, 0x34).found == "we speak 5.0, they speak 3.4"
    assert "no TLVs" in verdicts.versions(0x34, 0x33).advice
    assert [verdicts.certificate(days, "then").word for days in (90.0, 20.0, 3.0)] == ["good", "note", "bad"]
    statuses = (c.ESME_RINVCMDID, c.ESME_RQUERYFAIL, c.ESME_ROK, c.ESME_RSYSERR)
    found = [verdicts.operation("query_sm", status).found for status in statuses]
    assert [text.split(":")[0].split("(")[0].split(",")[0].strip() for text in found] == [
        "not offered",
        "offered",
        "offered",
        "answered with ESME_RSYSERR",
    ]
    to_nobody = [verdicts.submission("x", status, to_nobody=True).word for status in (0x0B, 0, 0x45)]
    assert to_nobody == ["good", "bad", "note"]
    assert [verdicts.submission("x", status, to_nobody=False).word for status in (0, 0x58, 0x45)] == [
        "good",
        "note",
        "bad",
    ]


def test_forms_are_all_that_links_differ_in() -> None:
    assert [len(pdus) for _, pdus in forms(b"ACME", b"1")] == [1, 1, 1, 1, 2, 2, 1, 1, 1]


# -- one message -------------------------------------------------------------------------------------------------------


async def followed(config: SimulatorConfig, text: str = "hello", esme: EsmeConfig = ESME) -> Journey:
    simulator = Simulator(config, random.Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        journey = await follow(
            esme,
            "12345",
            "12025550100",
            Texts(text).body(1),
            5.0,
            connect=connector(nursery, simulator.serve_stream),
        )
        nursery.cancel_scope.cancel()
    return journey


async def test_a_message_is_followed_to_its_receipt(autojump_clock: MockClock) -> None:
    journey = await followed(SimulatorConfig(receipts=Receipts(delay=2.0)))
    assert journey.outcome == "delivered"
    assert [step.what for step in journey.steps] == ["connected", "bound", "submitted", "accepted", "receipt"]
    assert journey.steps[-1].at_ms >= 2000


async def test_all_parts_must_be_delivered(autojump_clock: MockClock) -> None:
    journey = await followed(SimulatorConfig(), "long " * 70)
    assert journey.outcome == "delivered"
    assert len(journey.message_ids) == 3
    assert [step.what for step in journey.steps].count("receipt") == 3


async def test_what_is_not_delivered_is_said(autojump_clock: MockClock) -> None:
    expired = await followed(SimulatorConfig(receipts=Receipts(outcomes={"expired": 1.0})))
    assert expired.outcome == "expired"
    silent = await followed(SimulatorConfig(receipts=Receipts(outcomes={"none": 1.0})))
    assert silent.outcome == "no receipt"
    refused = await followed(SimulatorConfig(faults=(Error(status=11),)))
    assert (refused.outcome, refused.steps[-1].what) == ("refused", "refused")
    assert "ESME_RINVDSTADR" in refused.steps[-1].detail


async def test_a_refused_bind_of_a_message_is_an_error(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(BindRefused):
        await followed(SimulatorConfig(), esme=replace(ESME, password=b"wrong"))


async def test_a_lost_connection_while_waiting_is_a_step(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        with trio.move_on_after(1):
            await Simulator(SimulatorConfig(), random.Random(1)).serve_stream(stream)

    async with trio.open_nursery() as nursery:
        journey = await follow(ESME, "1", "2", Texts("x").body(0), 60.0, connect=connector(nursery, serve))
    assert (journey.outcome, journey.steps[-1].what) == ("no receipt", "closed")


async def test_tls_shows_whose_certificate_it_is_and_until_when() -> None:
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(theirs)
    ours = ssl.create_default_context()
    server = SmscServer(SmscConfig(tls=theirs), lambda bind, peer: c.ESME_ROK, Recorder())
    config = replace(ESME, host="localhost", bind="receiver", dial=DialConfig(tls=ours))
    async with trio.open_nursery() as nursery:
        config = replace(config, port=await nursery.start(server.serve, "localhost", 0))
        untrusted = await examine(config, time.time)
        authority.configure_trust(ours)
        found = await examine(config, time.time)
        nursery.cancel_scope.cancel()
    assert "TLS with localhost" in untrusted.problem
    assert untrusted.bind_status is None
    assert found.good, found
    assert found.tls is not None
    assert "trustme" in str(found.tls["issuer"])
    assert words(found)["certificate"] == "good"
