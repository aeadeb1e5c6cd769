"""The simulated SMSC when it fails on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from smppcore import constants as c
from smppcore.errors import LinkClosed
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.faults import Cut, Error, ReceiptFirst, Throttle
from tests.esme import Esme

if TYPE_CHECKING:
    from trio.testing import MockClock

from tests.simulators import submit, world

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
