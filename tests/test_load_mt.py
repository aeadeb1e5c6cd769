"""The MT load against the simulator in memory, on a mock clock, and its books."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from smppcore import constants as c
from smppcore.errors import BindRefused, ConnectFailed, LinkClosed, ResponseTimeout
from smppcore.esme import EsmeConfig
from smppcore.pdu import (
    BindTransceiver,
    DeliverSM,
    DeliverSMResp,
    GenericNack,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
)
from smppcore.testbed.config import Account, Mo, Receipts, SimulatorConfig
from smppcore.testbed.faults import ReceiptFirst, Throttle
from smppcore.testbed.load.mt import MtGenerator
from smppcore.testbed.load.mt_books import MtBooks, MtLoad
from smppcore.testbed.load.pace import Stage
from smppcore.testbed.simulator import Simulator
from tests.links import Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trio.testing import MockClock

    from smppcore.failover import Addresses, Endpoint
    from smppcore.receipt import Receipt
    from smppcore.testbed.load.mt_books import MtReport

ESME = EsmeConfig("memory", system_id=b"esme", password=b"secret")
LOAD = MtLoad(messages=100, window=10, warmup=0.0)


@asynccontextmanager
async def generator(
    load: MtLoad, serve: Callable[[trio.abc.HalfCloseableStream], Awaitable[object]], config: EsmeConfig = ESME
) -> AsyncIterator[MtGenerator]:
    """A generator whose connections go to `serve`; bound."""
    async with trio.open_nursery() as nursery:

        async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(serve, theirs)
            return ours, "memory"

        made = MtGenerator(config, load, connect)
        await nursery.start(made.hold)
        yield made
        made.close()
        await trio.sleep(3)
        nursery.cancel_scope.cancel()


async def against_simulator(
    load: MtLoad, config: SimulatorConfig | None = None, esme: EsmeConfig = ESME
) -> tuple[MtReport, Simulator]:
    """Run a load against a simulator."""
    simulator = Simulator(config or SimulatorConfig(), random.Random(1))

    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        async with generator(load, simulator.serve_stream, esme) as made:
            report = await made.run()
        nursery.cancel_scope.cancel()
    return report, simulator


async def test_every_message_is_answered_once(autojump_clock: MockClock) -> None:
    report, simulator = await against_simulator(LOAD)
    assert (report.end, report.messages, report.sent, report.accepted) == ("complete", 100, 100, 100)
    assert (report.lost, report.refused, report.late, report.binds, report.binds_lost) == (0, 0, 0, 1, 0)
    assert simulator.tally.figures.submits == 100


async def test_many_binds_share_the_load(autojump_clock: MockClock) -> None:
    delayed = SimulatorConfig(response=0.1)
    report, simulator = await against_simulator(LOAD, delayed, replace(ESME, binds=5))
    assert (report.binds, report.accepted) == (5, 100)
    assert simulator.tally.figures.binds == 5
    assert report.seconds == pytest.approx(0.2, abs=0.05)


async def test_the_window_is_what_may_be_unanswered(autojump_clock: MockClock) -> None:
    report, _ = await against_simulator(replace(LOAD, messages=0, seconds=10.0), SimulatorConfig(response=0.1))
    assert report.answered_per_s == pytest.approx(100, rel=0.05)
    assert report.latency_ms["p50"] == pytest.approx(100, rel=0.05)


async def test_latency_counts_from_when_a_message_was_due(autojump_clock: MockClock) -> None:
    # 10 in flight for 0.1 s each are 100/s; 200/s are due: after 5 s the last one is 2.5 s late.
    report, _ = await against_simulator(
        replace(LOAD, messages=0, seconds=5.0, rate=200.0), SimulatorConfig(response=0.1)
    )
    assert report.accepted + report.not_sent == 1000
    assert 2000 < report.latency_ms["max"] < 2700
    assert report.not_sent == pytest.approx(500, abs=30)


async def test_a_ramp_shows_in_the_series(autojump_clock: MockClock) -> None:
    report, _ = await against_simulator(replace(LOAD, messages=0, seconds=4.0, ramp=(Stage(0, 100, 4.0),)))
    sent = [row["sent"] for row in report.series[:4]]
    assert sent == pytest.approx([12.5, 37.5, 62.5, 87.5], abs=2)
    assert report.not_sent == 0


async def test_errors_are_counted_by_name(autojump_clock: MockClock) -> None:
    report, _ = await against_simulator(LOAD, SimulatorConfig(faults=(Throttle(every=4),)))
    assert (report.accepted, report.refused, report.refused_status) == (75, 25, {"ESME_RTHROTTLED": 25})


@pytest.mark.parametrize("first", [False, True])
async def test_receipts_are_awaited_and_told_by_state(autojump_clock: MockClock, first: bool) -> None:
    receipts = Receipts(outcomes={"delivered": 0.5, "expired": 0.5}, delay=1.0)
    config = SimulatorConfig(receipts=receipts, faults=(ReceiptFirst(),) if first else ())
    report, _ = await against_simulator(replace(LOAD, receipts=True), config)
    assert (report.end, report.receipts, report.receipts_missing, report.receipts_unmatched) == ("complete", 100, 0, 0)
    assert set(report.receipts_by_state) == {"delivered", "expired"}
    assert sum(report.receipts_by_state.values()) == 100
    assert report.receipt_ms["p50"] > 900


async def test_receipts_that_never_come_are_missing(autojump_clock: MockClock) -> None:
    receipts = Receipts(outcomes={"delivered": 0.5, "none": 0.5})
    report, _ = await against_simulator(
        replace(LOAD, receipts=True, receipt_wait=7.0), SimulatorConfig(receipts=receipts)
    )
    assert report.receipts + report.receipts_missing == 100
    assert report.receipts_missing > 20
    assert 7.0 <= report.seconds < 8.0


async def test_long_texts_go_in_parts_and_are_joined(autojump_clock: MockClock) -> None:
    load = replace(LOAD, messages=10, text="part {n} " * 30, subscribers=3)
    report, simulator = await against_simulator(load)
    assert (report.messages, report.sent, report.accepted) == (10, 30, 30)
    assert simulator.tally.figures.replies == 10


async def test_texts_from_subscribers_are_acknowledged_meanwhile(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        async with generator(replace(LOAD, messages=0, rate=10.0), simulator.serve_stream) as made:
            simulator.inject(Mo("255", "12345", "hello"))
            report = await made.run()
        nursery.cancel_scope.cancel()
    assert report.mo_received == 1
    assert simulator.tally.figures.mo_acked == 1


async def test_loads_follow_each_other_on_one_bind(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        async with generator(LOAD, simulator.serve_stream) as made:
            first = await made.run()
            second = await made.run(replace(LOAD, messages=7, source="ACME"))
        nursery.cancel_scope.cancel()
    assert (first.accepted, second.accepted, second.binds) == (100, 7, 1)
    assert simulator.tally.figures.binds == 1


async def test_stopping_gives_the_result_so_far(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        async with generator(replace(LOAD, messages=0, seconds=1000.0, rate=10.0), simulator.serve_stream) as made:

            async def stop() -> None:
                await trio.sleep(5)
                made.stop()

            nursery.start_soon(stop)
            report = await made.run()
        nursery.cancel_scope.cancel()
    assert (report.end, report.lost) == ("interrupted", 0)
    assert report.accepted == pytest.approx(51, abs=2)


# -- binds that fail ---------------------------------------------------------------------------------------------------


async def test_a_refused_bind_is_told() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(BindRefused, match="ESME_RINVPASWD"), flatten_subgroups=True):
        await against_simulator(LOAD, esme=replace(ESME, password=b"wrong"))


async def test_a_connection_that_cannot_be_made_is_told() -> None:
    async def connect(_host: Endpoint, _addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        raise ConnectFailed("refused", "nobody there")

    with pytest.RaisesGroup(pytest.RaisesExc(ConnectFailed, match="nobody there"), flatten_subgroups=True):
        await MtGenerator(ESME, LOAD, connect).hold()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_bind_without_an_answer_is_told(autojump_clock: MockClock, hangs: bool) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        peer = Peer(stream)
        await peer.expect(BindTransceiver)
        await trio.sleep(1000 if hangs else 1)
        await peer.close()

    error = ResponseTimeout if hangs else LinkClosed
    with pytest.RaisesGroup(error, flatten_subgroups=True):
        async with generator(LOAD, serve):
            pass


async def test_some_binds_are_enough(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(accounts=(Account(),)), random.Random(1))
    served = 0

    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        nonlocal served
        served += 1
        if served > 1:
            await stream.aclose()
        else:
            await simulator.serve_stream(stream)

    async with generator(LOAD, serve, replace(ESME, binds=3)) as made:
        report = await made.run()
    assert (report.binds, report.binds_refused, report.accepted) == (1, 2, 100)


# -- peers that fail ---------------------------------------------------------------------------------------------------


async def answer(peer: Peer, count: int) -> None:
    for _ in range(count):
        request = await peer.expect(SubmitSM)
        await peer.send(SubmitSMResp(b"id", sequence_number=request.sequence_number))


async def test_what_has_no_response_in_time_is_lost_and_frees_its_slot(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        peer = Peer(stream)
        await peer.answer(BindTransceiver)
        deaf = await peer.expect(SubmitSM)
        await answer(peer, 19)
        await trio.sleep(20)
        await peer.send(SubmitSMResp(b"late", sequence_number=deaf.sequence_number))
        await peer.answer(Unbind)

    load = replace(LOAD, messages=20, window=2, response_timeout=5.0)
    async with generator(load, serve) as made:
        report = await made.run()
        assert (report.end, report.accepted, report.lost) == ("complete", 19, 1)
        await trio.sleep(30)
        assert made.books.report.late == 1


async def test_a_cut_loses_what_was_unanswered_and_the_load_goes_on(autojump_clock: MockClock) -> None:
    connections = 0

    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        nonlocal connections
        connections += 1
        peer = Peer(stream)
        await peer.answer(BindTransceiver)
        if connections == 1:
            await answer(peer, 5)
            await peer.close()
        else:
            await answer(peer, 13)
            assert await peer.answer(Unbind)

    async with generator(replace(LOAD, messages=20, window=2), serve) as made:
        report = await made.run()
    assert (report.accepted, report.lost, report.binds, report.binds_lost) == (18, 2, 2, 1)


async def test_a_peer_that_goes_silent_ends_the_load(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        peer = Peer(stream)
        await peer.answer(BindTransceiver)
        await trio.sleep_forever()

    async with generator(replace(LOAD, response_timeout=5.0), serve) as made:
        report = await made.run()
    assert (report.end, report.accepted) == ("stalled", 0)
    assert report.lost == report.sent


async def test_nacks_receipts_for_nothing_and_garbage_are_counted(autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        peer = Peer(stream)
        await peer.answer(BindTransceiver)
        request = await peer.expect(SubmitSM)
        await stream.send_all(bytes.fromhex("00000014 00000005 00000000 00000009 ffffffff"))
        nack = await peer.read()
        assert nack is not None
        assert nack.command_status
        receipt = DeliverSM(esm_class=c.ESM_TYPE_RECEIPT, short_message=b"id:other stat:DELIVRD", sequence_number=7)
        enroute = DeliverSM(esm_class=c.ESM_TYPE_RECEIPT, short_message=b"id:id stat:ENROUTE", sequence_number=8)
        await peer.send(receipt, enroute, GenericNack(command_status=3, sequence_number=request.sequence_number))
        await peer.expect(DeliverSMResp)
        await peer.expect(DeliverSMResp)
        await peer.send(Unbind(sequence_number=9))
        await peer.expect(UnbindResp)

    async with generator(replace(LOAD, messages=1, receipts=True), serve) as made:
        report = await made.run()
        await trio.sleep(0.5)
        assert made.books.report.bad_pdus == 1
    assert (report.refused_status, report.receipts_unmatched, report.receipts_intermediate) == (
        {"ESME_RINVCMDID": 1},
        1,
        1,
    )


async def test_a_quiet_session_is_kept_alive(autojump_clock: MockClock) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    async with generator(replace(LOAD, messages=2, rate=0.01), simulator.serve_stream) as made:
        report = await made.run()
        counters = simulator.links[b"esme"][0].session.counters
        assert counters.enquire_links_in >= 3
    assert (report.end, report.accepted) == ("complete", 2)


def test_receipts_before_their_responses_are_bounded(make_receipt: Callable[[str], Receipt]) -> None:
    books = MtBooks(replace(LOAD, receipts=True))
    books.begin(0.0)
    books.in_flight = 1
    for number in range(10_001):
        books.receipt(make_receipt(str(number)), 1.0)
    assert books.report.receipts_unmatched == 1
    books.named(b"5", 0.5)
    assert (books.report.receipts, books.waiting) == (1, 0)


@pytest.fixture
def make_receipt() -> Callable[[str], Receipt]:
    from smppcore.receipt import parse_receipt

    def make(message_id: str) -> Receipt:
        text = f"id:{message_id} stat:DELIVRD".encode()
        receipt = parse_receipt(DeliverSM(esm_class=c.ESM_TYPE_RECEIPT, short_message=text))
        assert receipt is not None
        return receipt

    return make
