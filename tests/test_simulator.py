"""The simulated SMSC, seen by an ESME on memory streams and, where TCP matters, on a loopback socket."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from smppcore import constants as c
from smppcore import udh
from smppcore.errors import LinkClosed, LocalProtocolError
from smppcore.events import SessionConfig
from smppcore.link import Link
from smppcore.pdu import (
    BindReceiver,
    BindRequest,
    BindResponse,
    BindTransceiver,
    BindTransmitter,
    CancelBroadcastSM,
    CancelSM,
    DataSM,
    DistributionList,
    Pdu,
    QuerySM,
    QuerySMResp,
    ReplaceSM,
    SmeAddress,
    SubmitMulti,
    SubmitSM,
    SubmitSMResp,
    decode,
    encode,
    response_to,
)
from smppcore.receipt import parse_receipt
from smppcore.session import Role, Session
from smppcore.testbed.config import Account, Faults, Mo, Receipts, SimulatorConfig, Traffic
from smppcore.testbed.simulator import Happening, Simulator
from smppcore.testbed.subscriber import NoReply
from smppcore.testbed.tally import MoRecord, ReceiptDone, Reply
from smppcore.text import encode_message
from tests.esme import Esme, accept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

NOW = 1_800_000_000.0
PLAIN = SimulatorConfig()
VERSION_50 = SessionConfig(system_id=b"simulator", interface_version=c.VERSION_50)
SUBSCRIBER, SERVICE = "255700000001", "12345"


class World:
    """A simulator that runs, and ESMEs on memory streams to it."""

    def __init__(self, simulator: Simulator, nursery: trio.Nursery, port: int) -> None:
        self.simulator = simulator
        self.nursery = nursery
        self.port = port

    async def bind(self, esme: Esme, bind: BindRequest | None = None, **session: float) -> tuple[Link, BindResponse]:
        ours, theirs = trio.testing.memory_stream_pair()
        config = replace(SessionConfig(response_timeout=300.0, enquire_link_interval=0.0), **session)  # type: ignore[arg-type]
        link = Link(ours, Session(Role.ESME, config, trio.current_time()), esme)
        self.nursery.start_soon(self.simulator.serve_stream, theirs)
        self.nursery.start_soon(link.run)
        response = await link.request(bind or BindTransceiver(b"esme", b"secret"))
        assert isinstance(response, BindResponse)
        return link, response

    async def bind_50(self, esme: Esme) -> Link:
        bind = BindTransceiver(b"esme", b"secret", interface_version=c.VERSION_50)
        link, _ = await self.bind(esme, bind, interface_version=c.VERSION_50)
        return link


@asynccontextmanager
async def world(config: SimulatorConfig = PLAIN, seed: int = 1) -> AsyncIterator[World]:
    simulator = Simulator(config, random.Random(seed), wall=lambda: NOW)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        yield World(simulator, nursery, port)
        nursery.cancel_scope.cancel()


def submit(text: str = "hello", **fields: object) -> SubmitSM:
    defaults = {
        "source_addr": SERVICE.encode(),
        "destination_addr": SUBSCRIBER.encode(),
        "registered_delivery": 1,
        "short_message": text.encode(),
    }
    return SubmitSM(**{**defaults, **fields})  # type: ignore[arg-type]


def submit_parts(text: str, reference: int = 7) -> list[SubmitSM]:
    parts = encode_message(text).parts
    return [
        submit(esm_class=c.ESM_UDHI, short_message=udh.concat8(reference, len(parts), number) + part)
        for number, part in enumerate(parts, 1)
    ]


# -- binds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BindTransceiver, BindReceiver, BindTransmitter])
async def test_an_account_may_bind_in_any_way(autojump_clock: MockClock, kind: type[BindRequest]) -> None:
    async with world() as w:
        _, response = await w.bind(Esme(), kind(b"esme", b"secret"))
        assert (response.command_status, response.system_id) == (c.ESME_ROK, b"simulator")
        assert w.simulator.report().figures.binds == 1


@pytest.mark.parametrize(
    ("bind", "status"),
    [
        (BindTransceiver(b"esme", b"wrong"), c.ESME_RINVPASWD),
        (BindTransceiver(b"nobody", b"secret"), c.ESME_RINVSYSID),
    ],
)
async def test_a_stranger_may_not_bind(autojump_clock: MockClock, bind: BindRequest, status: int) -> None:
    async with world() as w:
        _, response = await w.bind(Esme(), bind)
        assert response.command_status == status
        assert w.simulator.report().figures.binds_refused == 1


async def test_binds_are_refused_on_demand(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=Faults(bind_status=c.ESME_RBINDFAIL))) as w:
        _, response = await w.bind(Esme())
        assert response.command_status == c.ESME_RBINDFAIL


# -- texts from subscribers --------------------------------------------------------------------------------------------


async def test_a_text_waits_for_a_receiving_session(autojump_clock: MockClock) -> None:
    async with world() as w:
        record = w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        transmitter, receiver = Esme(), Esme()
        await w.bind(transmitter, BindTransmitter(b"esme", b"secret"))
        await trio.testing.wait_all_tasks_blocked()
        assert (record.acked_parts, transmitter.received) == (0, [])
        await w.bind(receiver, BindReceiver(b"esme", b"secret"))
        await w.simulator.settled()
        [mo] = receiver.received
        assert (mo.source_addr, mo.destination_addr, mo.short_message) == (b"255700000001", b"12345", b"HELP")
        assert (mo.source_addr_ton, mo.source_addr_npi, mo.dest_addr_ton) == (c.TON_INTERNATIONAL, c.NPI_ISDN, 0)
        assert record.acked_parts == 1


async def test_texts_go_to_their_account_only(autojump_clock: MockClock) -> None:
    accounts = (Account("one", "a"), Account("two", "b"))
    async with world(SimulatorConfig(accounts=accounts)) as w:
        one, two = Esme(), Esme()
        await w.bind(one, BindTransceiver(b"one", b"a"))
        await w.bind(two, BindTransceiver(b"two", b"b"))
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "first"))
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "second", account="two"))
        await w.simulator.settled()
        assert (one.texts, two.texts) == ([b"first"], [b"second"])


async def test_a_long_text_comes_in_parts_with_one_reference(autojump_clock: MockClock) -> None:
    text = "ä€ " * 100
    async with world() as w:
        esme = Esme()
        await w.bind(esme)
        record = w.simulator.inject(Mo("Acme", SERVICE, text))
        await w.simulator.settled()
        assert (record.parts, record.acked_parts) == (len(esme.received), len(esme.received))
        places = []
        joined = b""
        for pdu in esme.received:
            assert pdu.esm_class == c.ESM_UDHI
            header = udh.parse(pdu.short_message)
            assert header is not None
            places.append(header.concatenation())
            joined += pdu.short_message[header.length :]
        assert [(place.total, place.sequence) for place in places if place] == [(3, 1), (3, 2), (3, 3)]
        assert len({place.reference for place in places if place}) == 1
        assert joined == b"".join(encode_message(text).parts)
        assert esme.received[0].source_addr_ton == c.TON_ALPHANUMERIC


async def test_a_text_too_long_for_any_message_is_refused_at_once(autojump_clock: MockClock) -> None:
    async with world() as w:
        with pytest.raises(LocalProtocolError):
            w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "x" * 153 * 256))
        assert w.simulator.report().figures.mo_unique == 0


async def test_a_text_from_an_impossible_number_is_refused_and_harms_no_other(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        await w.bind(esme)
        impossible = w.simulator.inject(Mo("1" * 30, SERVICE, "HELP"))
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await w.simulator.settled()
        assert (impossible.refused, len(esme.texts)) == (True, 1)


async def test_a_receipt_that_is_refused_for_good_is_counted(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme(lambda _pdu: c.ESME_RX_R_APPN)
        link, _ = await w.bind(esme)
        await link.request(submit())
        await w.simulator.settled()
        report = w.simulator.report()
        assert (report.figures.receipts_refused, report.figures.receipts_acked, report.receipts_unacked) == (1, 0, 0)


@pytest.mark.parametrize("status", [c.ESME_RX_T_APPN, c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED])
async def test_a_temporary_error_brings_the_text_again_later(autojump_clock: MockClock, status: int) -> None:
    async with world(SimulatorConfig(redelivery_delay=3.0)) as w:
        answers = [status, c.ESME_ROK]
        esme = Esme(lambda _pdu: answers.pop(0))
        await w.bind(esme)
        started = trio.current_time()
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await w.simulator.settled()
        assert trio.current_time() - started == pytest.approx(3.0)
        assert esme.texts == [b"HELP", b"HELP"]
        report = w.simulator.report()
        assert (report.figures.mo_resent, report.figures.mo_acked, report.never_acked) == (1, 1, 0)
        assert report.figures.ack_status == {c.status_name(status): 1}


@pytest.mark.parametrize("status", [c.ESME_RX_P_APPN, c.ESME_RX_R_APPN, c.ESME_RINVDSTADR])
async def test_a_final_error_drops_the_text(autojump_clock: MockClock, status: int) -> None:
    async with world() as w:
        esme = Esme(lambda _pdu: status)
        await w.bind(esme)
        record = w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "x" * 200))
        await w.simulator.settled()
        figures = w.simulator.report().figures
        assert (len(esme.texts), record.refused, figures.mo_refused, figures.mo_acked) == (2, True, 1, 0)


async def test_an_unanswered_text_comes_again_and_a_late_answer_settles_it(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme(lambda _pdu: None)
        link, _ = await w.bind(esme)
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await esme.until(lambda: len(esme.received) == 2)
        esme.judge = accept
        link.respond([response_to(esme.received[0])])
        await trio.testing.wait_all_tasks_blocked()
        figures = w.simulator.report().figures
        assert (figures.mo_acked, figures.mo_resent) == (1, 1)
        link.respond([response_to(esme.received[1])])
        await w.simulator.settled()
        assert w.simulator.report().figures.mo_acked == 1


async def test_a_late_answer_settles_a_text_that_was_about_to_come_again(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(redelivery_delay=50.0)) as w:
        esme = Esme(lambda _pdu: None)
        link, _ = await w.bind(esme)
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await trio.sleep(15)
        link.respond([response_to(esme.received[0])])
        await w.simulator.settled()
        assert (len(esme.received), w.simulator.report().figures.mo_acked) == (1, 1)


async def test_a_late_temporary_error_does_not_bring_the_text_twice(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(redelivery_delay=50.0)) as w:
        esme = Esme(lambda _pdu: None)
        link, _ = await w.bind(esme)
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await trio.sleep(15)
        esme.judge = accept
        link.respond([response_to(esme.received[0], c.ESME_RX_T_APPN)])
        await w.simulator.settled()
        assert len(esme.received) == 2


async def test_what_a_lost_session_had_not_answered_comes_again_in_order(autojump_clock: MockClock) -> None:
    async with world() as w:
        deaf, esme = Esme(lambda _pdu: None), Esme()
        link, _ = await w.bind(deaf)
        for number in range(5):
            w.simulator.inject(Mo(SUBSCRIBER, SERVICE, str(number)))
        await deaf.until(lambda: len(deaf.received) == 5)
        link.abort("the test says so")
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "last"))
        await w.bind(esme)
        await w.simulator.settled()
        assert esme.texts == [b"0", b"1", b"2", b"3", b"4", b"last"]


async def test_a_second_session_takes_over_when_the_first_is_lost(autojump_clock: MockClock) -> None:
    async with world() as w:
        deaf, esme = Esme(lambda _pdu: None), Esme()
        link, _ = await w.bind(deaf)
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await deaf.until(lambda: deaf.received)
        await w.bind(esme)
        link.abort("the test says so")
        await w.simulator.settled()
        assert esme.texts == [b"HELP"]


async def test_texts_come_at_a_rate(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        await w.bind(esme)
        started = trio.current_time()
        await w.simulator.generate(Traffic(rate=10, count=21, text="T {n} {from}", subscribers=2))
        assert trio.current_time() - started == pytest.approx(2.0, abs=0.1)
        await w.simulator.settled()
        assert esme.texts[:3] == [b"T 0000000 12025550000", b"T 0000001 12025550001", b"T 0000002 12025550000"]
        assert len(esme.texts) == 21


async def test_without_a_rate_all_texts_come_at_once(autojump_clock: MockClock) -> None:
    async with world() as w:
        started = trio.current_time()
        await w.simulator.generate(Traffic(count=100))
        assert (trio.current_time(), w.simulator.report().never_acked) == (started, 100)


# -- messages to subscribers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "response_id", "receipt_id"),
    [
        (SimulatorConfig(first_message_id=255), b"255", "255"),
        (SimulatorConfig(first_message_id=255, message_id="hex", message_id_width=8), b"000000ff", "000000ff"),
        (SimulatorConfig(first_message_id=255, receipts=Receipts(message_id="hex")), b"255", "ff"),
        (
            SimulatorConfig(first_message_id=255, message_id="hex", receipts=Receipts(message_id="decimal")),
            b"ff",
            "255",
        ),
    ],
)
async def test_ids_take_the_chosen_forms(
    autojump_clock: MockClock, config: SimulatorConfig, response_id: bytes, receipt_id: str
) -> None:
    async with world(config) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        response = await link.request(submit())
        assert isinstance(response, SubmitSMResp)
        assert response.message_id == response_id
        await w.simulator.settled()
        receipt = parse_receipt(esme.receipts[0])
        assert receipt is not None
        assert receipt.message_id == receipt_id


async def test_uuids_are_drawn_from_the_seed(autojump_clock: MockClock) -> None:
    drawn = []
    for seed in (1, 1, 2):
        async with world(SimulatorConfig(message_id="uuid"), seed) as w:
            link, _ = await w.bind(Esme())
            response = await link.request(submit())
            assert isinstance(response, SubmitSMResp)
            drawn.append(response.message_id)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 36


async def test_a_receipt_follows_to_any_receiving_session(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(delay=2.0))) as w:
        transmitter, receiver = Esme(), Esme()
        link, _ = await w.bind(transmitter, BindTransmitter(b"esme", b"secret"))
        await w.bind(receiver, BindReceiver(b"esme", b"secret"))
        started = trio.current_time()
        await link.request(submit("hello"))
        await w.simulator.settled()
        assert trio.current_time() - started == pytest.approx(2.0)
        [pdu] = receiver.receipts
        receipt = parse_receipt(pdu)
        assert receipt is not None
        assert (receipt.message_id, receipt.state, receipt.final, receipt.text) == (
            "1",
            c.STATE_DELIVERED,
            True,
            "hello",
        )
        assert (pdu.source_addr, pdu.destination_addr) == (SUBSCRIBER.encode(), SERVICE.encode())
        figures = w.simulator.report().figures
        assert (figures.receipts_made, figures.receipts_sent, figures.receipts_acked) == (1, 1, 1)


@pytest.mark.parametrize(("text", "tlvs"), [(True, False), (False, True)])
async def test_receipts_have_text_or_tlvs_or_both(autojump_clock: MockClock, text: bool, tlvs: bool) -> None:
    async with world(SimulatorConfig(receipts=Receipts(text=text, tlvs=tlvs))) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        await link.request(submit())
        await w.simulator.settled()
        [receipt] = esme.receipts
        assert (bool(receipt.short_message), bool(receipt.tlvs)) == (text, tlvs)


@pytest.mark.parametrize(
    ("request_", "excerpt"),
    [
        (submit("hello, this is a longer text"), b"hello, this is a lon"),
        (submit_parts("x" * 161)[1], b"x" * 8),
        (submit(data_coding=8, short_message="Привет".encode("utf-16-be")), b""),
        (submit(short_message=b"", tlvs=((c.TAG_MESSAGE_PAYLOAD, b"hello"),)), b"hello"),
    ],
)
async def test_a_receipt_repeats_characters_and_neither_headers_nor_other_alphabets(
    autojump_clock: MockClock, request_: SubmitSM, excerpt: bytes
) -> None:
    async with world() as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        await link.request(request_)
        await w.simulator.settled()
        [receipt] = esme.receipts
        assert receipt.short_message.endswith(b" text:" + excerpt)


@pytest.mark.parametrize(
    ("registered", "outcome", "expected"),
    [
        (0, "delivered", 0),
        (1, "delivered", 1),
        (1, "rejected", 1),
        (2, "delivered", 0),
        (2, "expired", 1),
        (3, "delivered", 1),
        (3, "undeliverable", 0),
        (1, "none", 0),
    ],
)
async def test_receipts_come_when_they_were_asked_for(
    autojump_clock: MockClock, registered: int, outcome: str, expected: int
) -> None:
    # registered_delivery 3 is of v5.0, and reserved before it
    config = SimulatorConfig(receipts=Receipts(outcomes={outcome: 1.0}, delay=0.0), session=VERSION_50)
    async with world(config) as w:
        esme = Esme()
        link = await w.bind_50(esme)
        await link.request(submit(registered_delivery=registered))
        await w.simulator.settled()
        assert len(esme.receipts) == expected


async def test_outcomes_follow_their_weights_and_the_seed(autojump_clock: MockClock) -> None:
    runs = []
    for seed in (5, 5, 6):
        receipts = Receipts(outcomes={"delivered": 0.7, "undeliverable": 0.2, "none": 0.1}, spread=1.0)
        async with world(SimulatorConfig(receipts=receipts), seed) as w:
            esme = Esme()
            await w.bind(esme)
            esme.send(*(submit() for _ in range(300)))
            await esme.until(lambda: len(esme.outcomes) == 300)  # noqa: B023 - awaited in the loop
            await w.simulator.settled()
            runs.append([(parsed.message_id, parsed.state) for r in esme.receipts if (parsed := parse_receipt(r))])
            counts = w.simulator.report().figures.receipts
            assert 180 <= counts["DELIVERED"] <= 240
            assert 35 <= counts["UNDELIVERABLE"] <= 85
            assert sum(counts.values()) < 300
    assert runs[0] == runs[1] != runs[2]


async def test_a_receipt_may_come_before_its_response(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(before_response=True, delay=0.0))) as w:
        esme = Esme()
        await w.bind(esme)
        esme.send(submit())
        await esme.until(lambda: esme.outcomes)
        assert esme.order == ["receipt", "response"]


async def test_a_message_to_several_has_one_id_and_a_receipt_each(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        to = [SmeAddress(1, 1, b"255700000001"), SmeAddress(1, 1, b"255700000002")]
        response = await link.request(
            SubmitMulti(source_addr=b"12345", dest_address=to, registered_delivery=1, short_message=b"x")
        )
        await w.simulator.settled()
        assert response.command_status == c.ESME_ROK
        assert [receipt.source_addr for receipt in esme.receipts] == [b"255700000001", b"255700000002"]
        assert w.simulator.report().figures.replies == 2
        lists = SubmitMulti(source_addr=b"12345", dest_address=[DistributionList(b"all")], short_message=b"x")
        assert (await link.request(lists)).command_status == c.ESME_RCNTSUBDL


async def test_data_sm_is_a_message_too(autojump_clock: MockClock) -> None:
    async with world() as w:
        link, _ = await w.bind(Esme())
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        response = await link.request(
            DataSM(
                source_addr=SERVICE.encode(),
                destination_addr=SUBSCRIBER.encode(),
                tlvs=((c.TAG_MESSAGE_PAYLOAD, b"by data sm"),),
            )
        )
        assert response.command_status == c.ESME_ROK
        assert (await subscriber.receive()).text == "by data sm"


async def test_bad_values_are_refused(autojump_clock: MockClock) -> None:
    async with world() as w:
        link, _ = await w.bind(Esme())
        assert (await link.request(submit(destination_addr=b""))).command_status == c.ESME_RINVDSTADR
        assert w.simulator.report().figures.submits_accepted == 0


async def test_query_tells_the_state_to_the_owner_of_the_message(autojump_clock: MockClock) -> None:
    accounts = (Account("esme", "secret"), Account("other", "secret"))
    async with world(SimulatorConfig(accounts=accounts, receipts=Receipts(delay=5.0))) as w:
        link, _ = await w.bind(Esme())
        other, _ = await w.bind(Esme(), BindTransceiver(b"other", b"secret"))
        await link.request(submit())
        response = await link.request(QuerySM(b"1", source_addr=SERVICE.encode()))
        assert isinstance(response, QuerySMResp)
        assert (response.message_state, response.final_date) == (c.STATE_ENROUTE, b"")
        await w.simulator.settled()
        response = await link.request(QuerySM(b"1", source_addr=SERVICE.encode()))
        assert isinstance(response, QuerySMResp)
        assert (response.message_state, response.final_date) == (c.STATE_DELIVERED, b"270115080000000+")
        for stranger, request in (
            (other, QuerySM(b"1", source_addr=SERVICE.encode())),
            (link, QuerySM(b"1", source_addr=b"999")),
            (link, QuerySM(b"77", source_addr=SERVICE.encode())),
        ):
            assert (await stranger.request(request)).command_status == c.ESME_RQUERYFAIL


async def test_cancel_ends_what_is_not_final(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(delay=5.0))) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        for _ in range(3):
            await link.request(submit())
        one = CancelSM(message_id=b"1", source_addr=SERVICE.encode(), destination_addr=SUBSCRIBER.encode())
        assert (await link.request(one)).command_status == c.ESME_ROK
        assert (await link.request(replace(one))).command_status == c.ESME_RCANCELFAIL
        group = CancelSM(source_addr=SERVICE.encode(), destination_addr=SUBSCRIBER.encode())
        assert (await link.request(group)).command_status == c.ESME_ROK
        await w.simulator.settled()
        assert w.simulator.report().figures.receipts == {"DELETED": 3}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ReplaceSM(message_id=b"1", source_addr=b"12345"), c.ESME_RREPLACEFAIL),
        (CancelBroadcastSM(message_id=b"1", source_addr=b"12345"), c.ESME_RBCASTCANCELFAIL),
    ],
)
async def test_what_is_not_offered_is_answered(autojump_clock: MockClock, request_: Pdu, status: int) -> None:
    async with world(SimulatorConfig(session=VERSION_50)) as w:
        link = await w.bind_50(Esme())
        assert (await link.request(request_)).command_status == status


# -- conversations -----------------------------------------------------------------------------------------------------


async def test_a_subscriber_gets_the_reply_to_its_text(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        link, _ = await w.bind(esme)

        async def answer() -> None:
            await esme.until(lambda: esme.texts)
            await link.request(submit("your balance is 5"))

        w.nursery.start_soon(answer)
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        assert await subscriber.ask("BALANCE") == "your balance is 5"
        report = w.simulator.report()
        assert (report.figures.replies, report.figures.replied, report.unreplied_acked) == (1, 1, 0)
        assert report.reply_ms["n"] == 1


async def test_a_subscriber_does_not_wait_for_ever(autojump_clock: MockClock) -> None:
    async with world() as w:
        await w.bind(Esme())
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        with pytest.raises(NoReply, match="255700000001 had no reply within 5 s after 'HELP'") as caught:
            await subscriber.ask("HELP", within=5.0)
        assert (caught.value.number, caught.value.seconds, caught.value.text) == (SUBSCRIBER, 5.0, "HELP")
        assert w.simulator.report().unreplied_acked == 1


async def test_a_reply_in_parts_is_one_reply_when_the_last_has_come(autojump_clock: MockClock) -> None:
    text = "long " * 60
    async with world() as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        record = subscriber.send("MORE")
        first, second = submit_parts(text)
        await link.request(second)
        assert w.simulator.report().figures.replies == 0
        await link.request(first)
        reply = await subscriber.receive()
        assert (reply.text, reply.message_ids, reply.mo) == (text, ("2", "1"), record)


async def test_a_reply_by_sar_tlvs_is_joined_too(autojump_clock: MockClock) -> None:
    async with world() as w:
        link, _ = await w.bind(Esme())
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        for sequence, text in ((1, "one "), (2, "two")):
            place = udh.Concatenation(300, 16, 2, sequence)
            await link.request(submit(text, tlvs=udh.sar_tlvs(place)))
        assert (await subscriber.receive()).text == "one two"


async def test_replies_beyond_the_texts_are_counted_and_repetitions_named(autojump_clock: MockClock) -> None:
    async with world() as w:
        link, _ = await w.bind(Esme())
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        subscriber.send("HELP")
        for text in ("here is help", "here is help", "more"):
            await link.request(submit(text))
        figures = w.simulator.report().figures
        assert (figures.replied, figures.unmatched, figures.dup_replies) == (1, 2, 1)


async def test_data_that_is_no_text_shows_as_hex(autojump_clock: MockClock) -> None:
    async with world() as w:
        link, _ = await w.bind(Esme())
        subscriber = w.simulator.subscriber(SUBSCRIBER, SERVICE)
        await link.request(submit(data_coding=c.DATA_CODING_BINARY, short_message=b"\x01\xff"))
        assert (await subscriber.receive()).text == "01ff"


async def test_observers_are_told_in_order(autojump_clock: MockClock) -> None:
    seen: list[Happening] = []
    async with world() as w:
        w.simulator.observers.append(seen.append)
        esme = Esme()
        link, _ = await w.bind(esme)
        record = w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await esme.until(lambda: esme.texts)
        await link.request(submit("help is here"))
        await w.simulator.settled()
    assert [type(one) for one in seen] == [MoRecord, Reply, ReceiptDone]
    assert seen[0] is record
    assert seen[2] == ReceiptDone("1", c.STATE_DELIVERED)


# -- faults ------------------------------------------------------------------------------------------------------------


async def test_every_so_many_th_submission_is_throttled_or_fails(autojump_clock: MockClock) -> None:
    faults = Faults(throttle_every=3, error_every=4, error_status=c.ESME_RSUBMITFAIL)
    async with world(SimulatorConfig(faults=faults)) as w:
        link, _ = await w.bind(Esme())
        statuses = [(await link.request(submit())).command_status for _ in range(6)]
        ok, throttled, failed = c.ESME_ROK, c.ESME_RTHROTTLED, c.ESME_RSUBMITFAIL
        assert statuses == [ok, ok, throttled, failed, ok, throttled]
        figures = w.simulator.report().figures
        assert figures.submit_status == {"ESME_RTHROTTLED": 2, "ESME_RSUBMITFAIL": 1}
        assert (figures.submits, figures.submits_accepted) == (6, 3)


async def test_a_rate_above_the_limit_is_throttled(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=Faults(throttle_rate=5.0))) as w:
        link, _ = await w.bind(Esme())
        statuses = [(await link.request(submit())).command_status for _ in range(7)]
        assert statuses == [c.ESME_ROK] * 5 + [c.ESME_RTHROTTLED] * 2
        await trio.sleep(1.0)
        assert (await link.request(submit())).command_status == c.ESME_ROK


async def test_responses_are_late_on_demand(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=Faults(response_delay=2.0))) as w:
        link, _ = await w.bind(Esme())
        started = trio.current_time()
        await link.request(submit())
        assert trio.current_time() - started == pytest.approx(2.0)


async def test_a_response_to_a_session_that_has_gone_is_dropped(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(delay=5.0), faults=Faults(response_delay=2.0))) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        esme.send(submit())
        await trio.sleep(1.0)
        link.abort("the test says so")
        await trio.sleep(2.0)
        other = Esme()
        await w.bind(other)
        await other.until(lambda: other.receipts)


async def test_connections_are_cut_again_and_again(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=Faults(drop_after=10.0, drop_count=2))) as w:
        for _ in range(2):
            esme = Esme()
            await w.bind(esme)
            await esme.until(lambda: esme.closed)  # noqa: B023 - awaited in the loop
        last = Esme()
        await w.bind(last)
        await trio.sleep(100.0)
        assert (last.closed, w.simulator.report().figures.drops) == ("", 2)


async def test_a_cut_at_a_submission_leaves_it_accepted_and_unanswered(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=Faults(drop_after_submits=2, drop_count=1))) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        await link.request(submit())
        with pytest.raises(LinkClosed):
            await link.request(submit())
        again, _ = await w.bind(Esme())
        assert (await again.request(submit())).command_status == c.ESME_ROK
        assert (await again.request(submit())).command_status == c.ESME_ROK
        assert w.simulator.report().figures.submits_accepted == 4


async def test_stop_unbinds(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        await w.bind(esme)
        await w.simulator.stop()
        await esme.until(lambda: esme.closed)
        assert esme.closed == "unbound by the peer"


# -- garbage -----------------------------------------------------------------------------------------------------------


async def test_an_esme_that_answers_nothing_and_asks_nonsense_harms_nobody(autojump_clock: MockClock) -> None:
    rng = random.Random(3)
    async with world() as w:
        ours, theirs = trio.testing.memory_stream_pair()
        w.nursery.start_soon(w.simulator.serve_stream, theirs)
        await ours.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        for number in range(200):
            body = rng.randbytes(rng.randrange(60))
            command = rng.choice((c.SUBMIT_SM, c.DELIVER_SM_RESP, c.SUBMIT_MULTI, c.QUERY_SM, c.DATA_SM, 0x7F, 0))
            header = (16 + len(body)).to_bytes(4) + command.to_bytes(4) + bytes(4) + number.to_bytes(4)
            await ours.send_all(header + body)
        await trio.testing.wait_all_tasks_blocked()
        await ours.send_all(b"\x00\x00\x00\x01garbage garbage")
        await trio.testing.wait_all_tasks_blocked()
        link, _ = await w.bind(Esme())
        assert (await link.request(submit())).command_status == c.ESME_ROK


async def test_a_response_with_a_number_of_nothing_is_ignored(autojump_clock: MockClock) -> None:
    async with world() as w:
        ours, theirs = trio.testing.memory_stream_pair()
        w.nursery.start_soon(w.simulator.serve_stream, theirs)
        await ours.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        data = b""
        while len(data) < 40:
            data += await ours.receive_some()
        mo = decode(data, int.from_bytes(data[:4]))
        await ours.send_all(encode(response_to(replace(mo, sequence_number=999))))
        await ours.send_all(encode(response_to(mo)))
        await w.simulator.settled()
        assert w.simulator.report().figures.mo_acked == 1


# -- TCP ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["rst", "fin"])
async def test_connections_are_cut_as_told_and_refused_for_a_while(autojump_clock: MockClock, mode: str) -> None:
    faults = Faults(drop_mode=mode, down_for=30.0)  # type: ignore[arg-type]
    async with world(SimulatorConfig(faults=faults)) as w:
        stream = await trio.open_tcp_stream("127.0.0.1", w.port)
        await stream.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        await stream.receive_some()
        w.simulator.cut()
        if mode == "rst":
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
        else:
            assert await stream.receive_some() == b""
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match=r"refused|failed"):
            await trio.open_tcp_stream("127.0.0.1", w.port)
        await trio.sleep(31.0)
        await (await trio.open_tcp_stream("127.0.0.1", w.port)).aclose()


async def test_a_port_in_use_is_an_error_of_the_system(autojump_clock: MockClock) -> None:
    async with world() as w:
        with pytest.raises(OSError, match="in use"):
            await Simulator(SimulatorConfig(), random.Random(1)).serve("127.0.0.1", w.port)


# -- the report --------------------------------------------------------------------------------------------------------


async def test_the_report_is_for_people_and_for_programs(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await esme.until(lambda: esme.texts)
        await link.request(submit())
        await w.simulator.settled()
        report = w.simulator.report()
        table = json.loads(report.to_json())
        assert (table["mo_acked"], table["replied"], table["receipts_acked"], table["never_acked"]) == (1, 1, 1, 0)
        text = "\n".join(report.lines())
        assert "1 sent, 1 acknowledged" in text
        assert "1 DELIVERED" in text
        assert "reply     p50" in text


async def test_an_idle_report_has_no_percentiles(autojump_clock: MockClock) -> None:
    async with world() as w:
        assert not any("p50" in line for line in w.simulator.report().lines())
