"""What the simulated SMSC makes of messages: ids, receipts, query_sm, cancel_sm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from smppcore import constants as c
from smppcore.pdu import (
    BindReceiver,
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
)
from smppcore.receipt import parse_receipt
from smppcore.testbed.config import Account, Receipts, SimulatorConfig
from smppcore.testbed.delays import Uniform
from tests.esme import Esme

if TYPE_CHECKING:
    from trio.testing import MockClock

from tests.simulators import SERVICE, SUBSCRIBER, VERSION_50, submit, submit_parts, world

# -- messages to subscribers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "response_id", "receipt_id"),
    [
        (SimulatorConfig(first_message_id=255), b"255", "255"),
        (SimulatorConfig(first_message_id=255, message_id="hex", message_id_width=8), b"000000ff", "000000ff"),
        (SimulatorConfig(first_message_id=255, receipts=Receipts(dialect=("hex_id",))), b"255", "ff"),
        (
            SimulatorConfig(first_message_id=255, message_id="hex", receipts=Receipts(dialect=("decimal_id",))),
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


@pytest.mark.parametrize(("dialect", "text", "tlvs"), [("text_only", True, False), ("tlvs_only", False, True)])
async def test_receipts_have_text_or_tlvs_or_both(
    autojump_clock: MockClock, dialect: str, text: bool, tlvs: bool
) -> None:
    async with world(SimulatorConfig(receipts=Receipts(dialect=(dialect,)))) as w:
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
        receipts = Receipts(outcomes={"delivered": 0.7, "undeliverable": 0.2, "none": 0.1}, delay=Uniform(0.1, 1.1))
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
