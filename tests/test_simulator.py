"""The simulated SMSC, seen by an ESME on memory streams and, where TCP matters, on a loopback socket."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Literal

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from smppcore import constants as c
from smppcore import udh
from smppcore.errors import LocalProtocolError
from smppcore.pdu import (
    BindReceiver,
    BindRequest,
    BindTransceiver,
    BindTransmitter,
    decode,
    encode,
    response_to,
)
from smppcore.testbed.config import Account, Mo, SimulatorConfig, Traffic
from smppcore.testbed.faults import Cut, RefuseBind
from smppcore.testbed.simulator import Happening, Simulator
from smppcore.testbed.subscriber import NoReply
from smppcore.testbed.tally import MoRecord, ReceiptDone, Reply
from smppcore.text import encode_message
from tests.esme import Esme, accept

if TYPE_CHECKING:
    from trio.testing import MockClock

from tests.simulators import SERVICE, SUBSCRIBER, submit, submit_parts, world

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
    async with world(SimulatorConfig(faults=(RefuseBind(status=c.ESME_RBINDFAIL),))) as w:
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
async def test_connections_are_cut_as_told_and_refused_for_a_while(
    autojump_clock: MockClock, mode: Literal["rst", "fin"]
) -> None:
    async with world() as w:
        stream = await trio.open_tcp_stream("127.0.0.1", w.port)
        await stream.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        await stream.receive_some()
        w.simulator.cut(Cut(mode=mode, down_for=30.0))
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
