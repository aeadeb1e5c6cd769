"""The load generator against a small ESME on a loopback socket, and its books."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest
import trio

from smppcore import constants as c
from smppcore.pdu import (
    BindTransceiver,
    BindTransmitter,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    Pdu,
    SubmitSM,
    Unbind,
    decode,
    encode,
    response_to,
)
from smppcore.testbed.load.mo import run_mo_load
from smppcore.testbed.load.mo_books import MoLoad, MoReport

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = MoLoad(messages=300, window=20, settle=0.0, warmup=0.0, idle=30.0, subscribers=7)
# For runs that end because nothing more comes: longer than a busy machine stands still.
SILENT = replace(QUICK, idle=1.0)


def split(buffer: bytearray) -> list[Pdu]:
    """Take the whole PDUs off a buffer."""
    pdus = []
    while len(buffer) >= 4 and len(buffer) >= struct.unpack_from(">I", buffer)[0]:
        length = struct.unpack_from(">I", buffer)[0]
        pdus.append(decode(bytes(buffer[:length])))
        del buffer[:length]
    return pdus


def echo(mo: DeliverSM) -> list[Pdu]:
    """Acknowledge a deliver_sm, and answer it with its token if it is an MO."""
    answers: list[Pdu] = [response_to(mo)]
    token = re.search(rb"(?<!\d)\d{7}(?!\d)", mo.short_message)
    if not mo.esm_class & c.ESM_TYPE_MASK and token:
        answers.append(reply(mo, b"OK " + token[0]))
    return answers


def reply(mo: DeliverSM, text: bytes) -> SubmitSM:
    return SubmitSM(
        source_addr=mo.destination_addr,
        destination_addr=mo.source_addr,
        registered_delivery=1,
        short_message=text,
        sequence_number=mo.sequence_number + 1_000_000,
    )


class Esme:
    """Binds, and answers each deliver_sm with what `answer` makes of it."""

    def __init__(self, answer: Callable[[DeliverSM], list[Pdu]]) -> None:
        self.answer = answer
        self.seen: list[Pdu] = []
        self.probed = trio.Event()
        """An enquire_link was answered, so whatever came before it has come."""

    async def run(self, port: int, *first: Pdu) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"".join(map(encode, first or (BindTransceiver(sequence_number=1),))))
            buffer = bytearray()
            while chunk := await stream.receive_some():
                buffer += chunk
                answers: list[Pdu] = []
                for pdu in split(buffer):
                    self.seen.append(pdu)
                    if isinstance(pdu, EnquireLinkResp):
                        self.probed.set()
                    if isinstance(pdu, DeliverSM):
                        answers += self.answer(pdu)
                await stream.send_all(b"".join(map(encode, answers)))


async def measure(load: MoLoad, *esmes: Callable[[int], object]) -> MoReport:
    """Run the load against ESMEs, each started with the port."""
    reports = []

    async def run(*, task_status: trio.TaskStatus[int]) -> None:
        reports.append(await run_mo_load(load, task_status=task_status))
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        port = await nursery.start(run)
        for esme in esmes:
            nursery.start_soon(esme, port)  # type: ignore[arg-type]
    return reports[0]


async def test_every_mo_is_acknowledged_and_answered_once() -> None:
    report = await measure(QUICK, Esme(echo).run)
    assert report.end == "complete"
    assert (report.mo_unique, report.ack_ok, report.replied, report.matched_token) == (300, 300, 300, 300)
    assert (report.unreplied, report.never_acked, report.dup_replies, report.bad_pdus) == (0, 0, 0, 0)
    assert report.reply_ms["n"] == 300
    assert report.replies_per_s > 0
    assert json.loads(json.dumps(asdict(report)))["mo_sent"] == 300


async def test_each_accepted_reply_has_a_receipt() -> None:
    esme = Esme(echo)
    report = await measure(replace(QUICK, receipts=True), esme.run)
    assert (report.receipts_made, report.receipts_sent, report.receipts_acked) == (300, 300, 300)
    receipts = [pdu for pdu in esme.seen if isinstance(pdu, DeliverSM) and pdu.esm_class == c.ESM_TYPE_RECEIPT]
    ids = [str(pdu.short_message).split("id:")[1].split()[0] for pdu in receipts]
    assert len(set(ids)) == 300
    assert receipts[0].tlv(c.TAG_RECEIPTED_MESSAGE_ID) == ids[0].encode() + b"\0"


async def test_no_more_than_the_window_is_unanswered() -> None:
    esme = Esme(lambda mo: [])
    report = await measure(replace(SILENT, window=5), esme.run)
    assert (report.end, report.mo_sent) == ("stalled", 5)
    assert sum(isinstance(pdu, DeliverSM) for pdu in esme.seen) == 5


async def test_no_more_than_max_unreplied_is_without_a_reply() -> None:
    report = await measure(replace(SILENT, max_unreplied=8), Esme(lambda mo: [response_to(mo)]).run)
    assert (report.end, report.mo_sent, report.unreplied_acked) == ("stalled", 8, 8)


async def test_an_acknowledged_mo_without_a_reply_is_counted_as_lost() -> None:
    report = await measure(SILENT, Esme(lambda mo: echo(mo)[: 1 + (b"0000007" not in mo.short_message)]).run)
    assert (report.end, report.unreplied, report.unreplied_acked) == ("idle", 1, 1)


async def test_a_second_reply_is_a_duplicate() -> None:
    report = await measure(replace(QUICK, messages=10), Esme(lambda mo: [*echo(mo), *echo(mo)[1:]]).run)
    assert (report.replied, report.dup_replies, report.dup_not_resent) == (10, 10, 10)


async def test_a_reply_without_a_token_is_matched_to_the_subscribers_oldest_open_mo() -> None:
    report = await measure(QUICK, Esme(lambda mo: [response_to(mo), reply(mo, b"thank you")]).run)
    assert (report.end, report.matched_addr, report.replied) == ("complete", 300, 300)


async def test_a_reply_to_nobody_we_know_is_counted() -> None:
    def strange(mo: DeliverSM) -> list[Pdu]:
        wrong = reply(mo, b"OK 0000000")
        wrong.destination_addr = b"255799999999"
        unknown = reply(mo, b"no token")
        unknown.destination_addr = b"12"
        late = reply(mo, b"OK 9999999")
        return [*echo(mo), wrong, unknown, late]

    report = await measure(replace(QUICK, messages=3), Esme(strange).run)
    assert (report.wrong_addr, report.unmatched, report.replied) == (3, 6, 3)


async def test_a_temporary_error_brings_the_mo_again() -> None:
    refused: set[bytes] = set()

    def refuse_once(mo: DeliverSM) -> list[Pdu]:
        if mo.short_message in refused:
            return echo(mo)
        refused.add(mo.short_message)
        return [response_to(mo, c.ESME_RX_T_APPN)]

    report = await measure(replace(QUICK, messages=20), Esme(refuse_once).run)
    assert (report.end, report.ack_err, report.mo_resent, report.replied) == ("complete", 20, 20, 20)
    assert report.ack_status == {"ESME_RX_T_APPN": 20}


async def test_what_a_lost_connection_left_unanswered_comes_again() -> None:
    async def drop_then_answer(port: int) -> None:
        with trio.move_on_after(5):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(encode(BindTransceiver(sequence_number=1)))
                buffer = bytearray()
                while sum(isinstance(pdu, DeliverSM) for pdu in split(buffer)) == 0:
                    buffer += await stream.receive_some()
        await Esme(echo).run(port)

    report = await measure(QUICK, drop_then_answer)
    assert (report.end, report.replied, report.closed_by_peer) == ("complete", 300, 1)
    assert report.mo_resent >= 1


async def test_sending_begins_when_all_receiving_binds_are_there() -> None:
    first, second, transmitter = Esme(lambda mo: []), Esme(lambda mo: []), Esme(echo)

    async def bind_later(port: int) -> None:
        await first.probed.wait()
        assert not any(isinstance(pdu, DeliverSM) for pdu in first.seen)
        await second.run(port)

    report = await measure(
        replace(SILENT, binds=2, window=5),
        lambda port: first.run(port, BindTransceiver(sequence_number=1), EnquireLink(sequence_number=2)),
        lambda port: transmitter.run(port, BindTransmitter(sequence_number=1)),
        bind_later,
    )
    assert (report.end, report.mo_sent) == ("stalled", 10)
    for esme, sent in ((first, 5), (second, 5), (transmitter, 0)):
        assert sum(isinstance(pdu, DeliverSM) for pdu in esme.seen) == sent


async def test_an_open_loop_keeps_its_rate() -> None:
    load = replace(QUICK, messages=0, seconds=0.3, rate=500.0)
    report = await measure(load, Esme(echo).run)
    assert report.end == "complete"
    assert 100 <= report.mo_unique <= 150


async def test_other_requests_are_answered_and_unbind_ends_the_session() -> None:
    esme = Esme(echo)
    first = (BindTransceiver(sequence_number=1), EnquireLink(sequence_number=2), Unbind(sequence_number=3))
    report = await measure(replace(QUICK, messages=1), partial_run(esme, *first), Esme(echo).run)
    assert report.closed_by_peer == 0
    assert [pdu.command_id for pdu in esme.seen if pdu.sequence_number in (1, 2, 3) and pdu.command_id > 1 << 31] == [
        c.BIND_TRANSCEIVER_RESP,
        c.ENQUIRE_LINK_RESP,
        c.UNBIND_RESP,
    ]


def partial_run(esme: Esme, *first: Pdu) -> Callable[[int], object]:
    return lambda port: esme.run(port, *first)


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack(">IIII", 3, 0, 0, 0),
        struct.pack(">IIII", 20, c.SUBMIT_SM, 0, 1) + b"abcd",
        struct.pack(">IIII", 16, 0x7777, 0, 1),
        encode(DeliverSMResp(sequence_number=99)),
    ],
    ids=["bad length", "no fields", "unknown command", "response to nothing"],
)
async def test_garbage_is_counted_and_does_not_end_the_run(garbage: bytes) -> None:
    async def babble(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(garbage)
            await stream.receive_some()

    report = await measure(replace(QUICK, messages=50), babble, Esme(echo).run)
    assert report.replied == 50
    assert report.bad_pdus + report.bad_resp_seq == 1
