"""The simulated SMSC when it fails on demand."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import pytest
import trio
import trio.testing

from smppcore import constants as c
from smppcore.errors import LinkClosed
from smppcore.events import SessionConfig
from smppcore.pdu import BindTransceiver, encode
from smppcore.receipt import parse_receipt
from smppcore.testbed.config import Account, Mo, Receipts, SimulatorConfig
from smppcore.testbed.faults import (
    Coalesce,
    Cut,
    Duplicate,
    Error,
    Garbage,
    HalfOpen,
    Late,
    Lose,
    PduFault,
    ReceiptFirst,
    Reorder,
    ResetMidPdu,
    SlowRead,
    Split,
    Throttle,
    Unbinding,
)
from smppcore.testbed.triggers import Plan
from tests.esme import Esme

if TYPE_CHECKING:
    from trio.testing import MockClock

from tests.simulators import SERVICE, SUBSCRIBER, found, submit, world

# -- faults ------------------------------------------------------------------------------------------------------------


async def test_every_so_many_th_submission_is_throttled_or_fails(autojump_clock: MockClock) -> None:
    faults = (Throttle(every=3), Error(every=4, status=c.ESME_RSUBMITFAIL))
    async with world(SimulatorConfig(faults=faults)) as w:
        link, _ = await w.bind(Esme())
        statuses = [(await link.request(submit())).command_status for _ in range(6)]
        ok, throttled, failed = c.ESME_ROK, c.ESME_RTHROTTLED, c.ESME_RSUBMITFAIL
        assert statuses == [ok, ok, throttled, failed, ok, throttled]
        figures = w.simulator.report().figures
        assert figures.submit_status == {"ESME_RTHROTTLED": 2, "ESME_RSUBMITFAIL": 1}
        assert (figures.submits, figures.submits_accepted) == (6, 3)


async def test_a_rate_above_the_limit_is_throttled(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=(Throttle(above=5.0),))) as w:
        link, _ = await w.bind(Esme())
        statuses = [(await link.request(submit())).command_status for _ in range(7)]
        assert statuses == [c.ESME_ROK] * 5 + [c.ESME_RTHROTTLED] * 2
        await trio.sleep(1.0)
        assert (await link.request(submit())).command_status == c.ESME_ROK


async def test_responses_are_late_on_demand(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(response=2.0)) as w:
        link, _ = await w.bind(Esme())
        started = trio.current_time()
        await link.request(submit())
        assert trio.current_time() - started == pytest.approx(2.0)


async def test_a_response_to_a_session_that_has_gone_is_dropped(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(delay=5.0), response=2.0)) as w:
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
    async with world(SimulatorConfig(faults=(Cut(at=10.0, again=10.0, times=2),))) as w:
        for _ in range(2):
            esme = Esme()
            await w.bind(esme)
            await esme.until(lambda: esme.closed)  # noqa: B023 - awaited in the loop
        last = Esme()
        await w.bind(last)
        await trio.sleep(100.0)
        assert (last.closed, w.simulator.report().figures.drops) == ("", 2)


async def test_a_cut_at_a_submission_leaves_it_accepted_and_unanswered(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=(Cut(numbers=(2,)),))) as w:
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


async def test_a_receipt_may_come_before_its_response(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(receipts=Receipts(delay=0.0), faults=(ReceiptFirst(),))) as w:
        esme = Esme()
        await w.bind(esme)
        esme.send(submit())
        await esme.until(lambda: esme.outcomes)
        assert esme.order == ["receipt", "response"]


# -- what happens to octets --------------------------------------------------------------------------------------------


async def test_a_half_open_connection_says_nothing_and_stays(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=(HalfOpen(at=5.0, for_=60.0),))) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        await link.request(submit())
        await trio.sleep(5.0)
        esme.send(submit())
        await trio.sleep(50.0)
        assert (esme.outcomes, esme.closed) == ([], "")
        # A new connection is taken, and as silent
        ours, theirs = trio.testing.memory_stream_pair()
        w.nursery.start_soon(w.simulator.serve_stream, theirs)
        await ours.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        with trio.move_on_after(5.0) as scope:
            await ours.receive_some()
        assert scope.cancelled_caught
        assert found(w) == {}


async def test_a_silent_stream_stays_open_when_its_session_has_ended(autojump_clock: MockClock) -> None:
    session = SessionConfig(session_init_timeout=5.0)
    async with world(SimulatorConfig(faults=(HalfOpen(for_=60.0),), session=session)) as w:
        stream = await trio.open_tcp_stream("127.0.0.1", w.port)
        with trio.move_on_after(50.0) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        with trio.fail_after(20.0):
            assert await stream.receive_some() == b""
        await stream.aclose()


async def test_pieces_and_lumps_are_the_same_stream(autojump_clock: MockClock) -> None:
    faults = (Split(octets=3, pause=0.01, for_=20.0), Coalesce(hold=2.0, at=20.0))
    async with world(SimulatorConfig(faults=faults)) as w:
        link, _ = await w.bind(Esme())
        started = trio.current_time()
        assert (await link.request(submit())).command_status == c.ESME_ROK
        assert trio.current_time() - started > 0.05
        await trio.sleep(21.0)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(link.request, submit())
        assert trio.current_time() - started == pytest.approx(2.0)
        assert found(w) == {}


async def test_a_slow_reader_takes_its_time(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(faults=(SlowRead(octets=10, pause=0.5),))) as w:
        started = trio.current_time()
        link, _ = await w.bind(Esme())
        bind_octets = len(encode(BindTransceiver(b"esme", b"secret")))
        assert trio.current_time() - started == pytest.approx(0.5 * -(-bind_octets // 10))
        await link.request(submit())
    stream_faults = SimulatorConfig(faults=(SlowRead(octets=4096, pause=0.1, buffer=2048),))
    async with world(stream_faults) as w:
        stream = await trio.open_tcp_stream("127.0.0.1", w.port)
        await stream.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        assert await stream.receive_some()
        await stream.aclose()


@pytest.mark.parametrize("fault", [ResetMidPdu(), Garbage(hex="00000001" * 5)])
async def test_a_stream_that_is_broken_ends_the_session(autojump_clock: MockClock, fault: PduFault) -> None:
    async with world(SimulatorConfig(faults=(fault,))) as w:
        esme = Esme()
        await w.bind(esme)
        esme.send(submit(), submit())
        await esme.until(lambda: esme.closed)
        await trio.testing.wait_all_tasks_blocked()
        assert found(w) == {}
        again, _ = await w.bind(Esme())
        assert again.can_send


async def test_responses_are_lost_late_doubled_and_overtaken(autojump_clock: MockClock) -> None:
    faults = (
        Lose(numbers=(1,)),
        Late(numbers=(1,), delay=3.0),  # the first that is not lost
        Duplicate(numbers=(2,)),
        Reorder(numbers=(2,), behind=1),
    )
    async with world(SimulatorConfig(faults=faults)) as w:
        esme = Esme()
        link, _ = await w.bind(esme, response_timeout=10.0)
        esme.send(*(submit() for _ in range(5)))
        await trio.sleep(20.0)
        assert [outcome.request.sequence_number for outcome in esme.outcomes if outcome.response] == [4, 6, 5, 3]
        assert [outcome.request.sequence_number for outcome in esme.outcomes if outcome.error] == [2]
        assert link.session.counters.unknown_responses == 1
        assert found(w) == {}


async def test_receipts_are_lost_late_and_doubled(autojump_clock: MockClock) -> None:
    faults = (
        Lose(pdu="receipt", numbers=(1,)),
        Late(pdu="receipt", numbers=(1,), delay=30.0),
        Duplicate(pdu="receipt", numbers=(2,), delay=5.0),
        Duplicate(pdu="mo"),
    )
    async with world(SimulatorConfig(faults=faults)) as w:
        esme = Esme()
        link, _ = await w.bind(esme)
        for _ in range(3):
            await link.request(submit())
        w.simulator.inject(Mo(SUBSCRIBER, SERVICE, "HELP"))
        await w.simulator.settled()
        ids = [receipt.message_id for pdu in esme.receipts if (receipt := parse_receipt(pdu))]
        assert ids == ["3", "3", "2"]
        assert len({pdu.sequence_number for pdu in esme.received}) == 5
        assert esme.texts == [b"HELP"] * 2
        report = w.simulator.report()
        figures = report.figures
        assert (figures.receipts_made, figures.receipts_acked, figures.receipts_lost) == (3, 2, 1)
        assert (figures.extras, figures.mo_acked, report.receipts_unacked, report.never_acked) == (2, 1, 0, 0)


async def test_a_fault_may_be_for_one_account_and_for_some_numbers(autojump_clock: MockClock) -> None:
    accounts = (Account("one", "x"), Account("two", "x"))
    faults = (Error(account="two", to="2557*", status=c.ESME_RINVDSTADR),)
    async with world(SimulatorConfig(accounts=accounts, faults=faults)) as w:
        one, _ = await w.bind(Esme(), BindTransceiver(b"one", b"x"))
        two, _ = await w.bind(Esme(), BindTransceiver(b"two", b"x"))
        assert (await one.request(submit())).command_status == c.ESME_ROK
        assert (await two.request(submit())).command_status == c.ESME_RINVDSTADR
        assert (await two.request(submit(destination_addr=b"491"))).command_status == c.ESME_ROK


async def test_sessions_are_unbound_at_a_time_or_at_a_submission(autojump_clock: MockClock) -> None:
    for fault in (Unbinding(at=5.0), Unbinding(every=2)):
        async with world(SimulatorConfig(faults=(fault,))) as w:
            esme = Esme()
            link, _ = await w.bind(esme)
            await link.request(submit())
            if not fault.timed:
                await link.request(submit())
            await esme.until(lambda: esme.closed)  # noqa: B023 - awaited in the loop
            assert esme.closed == "unbound by the peer"
            assert found(w) == {}


async def test_a_window_and_a_rate_of_an_account_are_enforced(autojump_clock: MockClock) -> None:
    accounts = (Account(window=3, excess="queue_full"),)
    async with world(SimulatorConfig(accounts=accounts, response=1.0)) as w:
        esme = Esme()
        await w.bind(esme)
        esme.send(*(submit() for _ in range(5)))
        await esme.until(lambda: len(esme.outcomes) == 5)
        statuses = [outcome.response.command_status for outcome in esme.outcomes if outcome.response]
        assert sorted(statuses) == [0, 0, 0, c.ESME_RMSGQFUL, c.ESME_RMSGQFUL]
        assert found(w) == {"window_exceeded": 2}


async def test_nobody_is_judged_where_nobody_shall_be(autojump_clock: MockClock) -> None:
    async with world(SimulatorConfig(judged=False, accounts=(Account(rate=1.0),))) as w:
        link, _ = await w.bind(Esme())
        statuses = [(await link.request(submit())).command_status for _ in range(2)]
        assert statuses == [c.ESME_ROK, c.ESME_RTHROTTLED]
        assert w.simulator.report().verdicts == []


async def test_who_does_not_read_is_noted(autojump_clock: MockClock) -> None:
    async with world() as w:
        ours, theirs = trio.testing.lockstep_stream_pair()
        w.nursery.start_soon(w.simulator.serve_stream, theirs)
        await ours.send_all(encode(BindTransceiver(b"esme", b"secret", sequence_number=1)))
        await trio.sleep(5.0)
        await ours.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        assert found(w) == {"not_reading": 1}


@pytest.mark.parametrize(
    ("counting", "taken"),
    [("bucket", [5, 1, 4]), ("clock", [5, 5, 0]), ("sliding", [5, 0, 5])],
)
def test_carriers_count_a_second_in_three_ways(
    counting: Literal["bucket", "clock", "sliding"], taken: list[int]
) -> None:
    fault = Throttle(above=5.0, counting=counting)
    (trigger,) = Plan((fault,), random.Random(1)).picking(Throttle)
    assert [sum(not trigger.strikes(b"esme", now) for _ in range(6)) for now in (10.8, 11.01, 11.81)] == taken
