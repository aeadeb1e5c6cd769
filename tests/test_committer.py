"""The committer's task: batches, failed commits, due times, draining; on the mock clock, turns in the event loop."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest
import trio
import trio.testing

from bridge.committer import Committer
from bridge.events import CapacityChanged, LinkChanged, LinkConfigured
from bridge.intake import PATIENCE
from bridge.rules import Request
from bridge.store import LinkRow, StoreError, StoreFull
from smppcore import constants as c
from tests.pipeline import START, Bridge, accepted, check, link, receipt, refused, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from bridge.events import Effects, Event

T = TypeVar("T")


class Desk:
    """A committer on an engine in memory; what it hands out is done at once and remembered."""

    def __init__(self) -> None:
        self.bridge = Bridge()
        self.effects: deque[Effects] = deque()
        self.batches: list[int] = []
        began = trio.current_time()
        self.committer = Committer(self.bridge.engine, self.hand_out, lambda: START + trio.current_time() - began)
        turn = self.bridge.engine.turn

        def counted(events: list[Event], now: float) -> Effects:
            self.batches.append(len(events))
            self.bridge.now = now
            return turn(events, now)

        self.bridge.engine.turn = counted  # type: ignore[method-assign, assignment]

    def hand_out(self, effects: Effects) -> None:
        self.effects.append(effects)
        self.bridge.take_over(effects)

    @property
    def incidents(self) -> list[str]:
        return [line for effects in self.effects for line in effects.incidents]


@pytest.fixture
def turns_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_sync(function: Callable[..., T], *arguments: object) -> T:
        await trio.lowlevel.checkpoint()
        return function(*arguments)

    monkeypatch.setattr("bridge.committer.trio.to_thread.run_sync", run_sync)


@pytest.fixture
async def desk(
    turns_in_the_loop: None,
    nursery: trio.Nursery,
) -> Desk:
    made = Desk()
    nursery.start_soon(made.committer.run)
    return made


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_what_waits_is_one_turn_and_its_answers_are_handed_out(desk: Desk, autojump_clock: MockClock) -> None:
    bridge = desk.bridge
    desk.committer.put(bridge.arrivals(text("echo 1")))
    desk.committer.put(bridge.arrivals(text("echo 2", source=b"2")))
    await settle()
    assert desk.batches == [2]
    assert bridge.wire.statuses() == [0, 0]
    assert bridge.reply_texts() == [b"1", b"2"]
    assert desk.effects[0].seconds == 0.0


async def test_what_arrives_during_a_turn_is_the_next_one(desk: Desk, autojump_clock: MockClock) -> None:
    bridge = desk.bridge
    desk.committer.put(bridge.arrivals(text("echo 1")))
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()
    desk.committer.put(bridge.arrivals(text("echo 2", source=b"2")))
    desk.committer.put(bridge.arrivals(text("echo 3", source=b"3")))
    await settle()
    assert sum(desk.batches) == 3
    assert len(bridge.mts()) == 3


async def test_texts_for_whose_answers_there_is_no_room_cost_no_turn_of_their_own(
    desk: Desk, autojump_clock: MockClock
) -> None:
    bridge = desk.bridge
    desk.committer.put(CapacityChanged("a", 1))
    desk.committer.put(bridge.arrivals(text("echo 1")))
    await settle()
    (pdu,) = bridge.submits()
    turns = len(desk.batches)
    for n in range(3):
        desk.committer.put(bridge.arrivals(text(f"echo {n}", source=b"2")))
        await settle()
    assert (len(desk.batches), len(bridge.mos())) == (turns, 1)
    desk.committer.put(bridge.answers(accepted(pdu, b"7")))
    await settle()
    assert (desk.batches[turns:], len(bridge.mos())) == ([2], 2)
    await trio.sleep(PATIENCE)
    await settle()
    assert len(bridge.mos()) == 4


async def test_a_failed_commit_refuses_texts_and_receipts_and_keeps_the_rest(
    desk: Desk, autojump_clock: MockClock
) -> None:
    bridge = desk.bridge
    desk.committer.put(bridge.arrivals(text("hours")))
    await settle()
    (pdu,) = bridge.submits()
    bridge.wire.statuses()
    bridge.memory.failures.append(StoreFull("no room"))
    desk.committer.put(bridge.answers(accepted(pdu, b"7")))
    desk.committer.put(bridge.arrivals(text("echo 1"), receipt(b"7")))
    desk.committer.put(CapacityChanged("a", 1))
    for state in ("connecting", "bound"):
        desk.committer.put(LinkChanged(LinkRow("a", state, START, 1, "", "")))
    await trio.sleep(0.5)
    assert bridge.wire.statuses() == [c.ESME_RX_T_APPN] * 2
    assert bridge.mt().state == "sent"
    assert desk.effects[-1].tally == {("a", "mo.refused"): 2}
    assert desk.effects[-1].full
    await trio.sleep(0.6)
    assert bridge.mt().state == "accepted"
    assert bridge.memory.link["a"].state == "bound"
    assert desk.batches[-1] == 3
    assert bridge.engine.outbox.links["a"].capacity == 1
    check(bridge)


async def test_the_failure_is_said_once_and_so_is_its_end(desk: Desk, autojump_clock: MockClock) -> None:
    bridge = desk.bridge
    bridge.memory.failures += [StoreError("the disk is gone")] * 3
    for _ in range(5):
        desk.committer.put(bridge.arrivals(text("hours")))
        await settle()
    assert desk.incidents == ["the disk is gone; texts are refused until it works again", "the store works again"]
    assert bridge.wire.statuses() == [c.ESME_RX_T_APPN] * 3 + [0] * 2


async def test_a_store_that_is_nearly_full_is_said_so_once(desk: Desk, autojump_clock: MockClock) -> None:
    bridge = desk.bridge
    for share in (0.5, 0.96, 0.97, 0.5):
        bridge.memory.share = share
        desk.committer.put(bridge.arrivals(text("hours")))
        await settle()
    assert [line.split(":")[0] for line in desk.incidents] == [
        "the store is nearly full",
        "the store is no longer nearly full",
    ]


async def test_a_retry_is_tried_at_its_time_without_any_event(desk: Desk, autojump_clock: MockClock) -> None:
    bridge = desk.bridge
    desk.committer.put(bridge.arrivals(text("hours")))
    await settle()
    (pdu,) = bridge.submits()
    desk.committer.put(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    await trio.sleep(4.9)
    assert bridge.submits() == []
    await trio.sleep(0.2)
    assert bridge.reply_texts() == [b"8-18"]
    assert len(desk.batches) == 3


async def test_an_idle_committer_makes_no_turns(desk: Desk, autojump_clock: MockClock) -> None:
    await trio.sleep(86400)
    assert desk.batches == []


async def test_draining_waits_for_the_last_outcome(
    desk: Desk, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    bridge = desk.bridge
    desk.committer.put(bridge.arrivals(text("hours")))
    drained = trio.Event()

    async def drain() -> None:
        await desk.committer.drained()
        drained.set()

    nursery.start_soon(drain)
    await trio.sleep(1)
    assert not drained.is_set()
    (pdu,) = bridge.submits()
    bridge.memory.failures.append(StoreFull("no room"))
    desk.committer.put(bridge.answers(accepted(pdu, b"7")))
    await trio.sleep(0.5)
    assert not drained.is_set()
    await trio.sleep(1)
    assert drained.is_set()
    await desk.committer.drained()


async def test_a_link_is_settled_when_its_events_are_committed_and_its_claims_answered(
    desk: Desk, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    bridge, seen = desk.bridge, list[tuple[str, bool]]()
    desk.committer.put(bridge.arrivals(text("hours")))
    await settle()

    async def settled(link: str, *, texts: bool) -> None:
        await desk.committer.settled(link, texts=texts)
        seen.append((link, texts))

    nursery.start_soon(partial(settled, "b", texts=True))
    nursery.start_soon(partial(settled, "a", texts=False))
    await trio.sleep(1)
    assert seen == [("b", True)]
    assert desk.committer.in_the_air("a") == 1
    (pdu,) = bridge.submits()
    bridge.memory.failures.append(StoreFull("no room"))
    desk.committer.put(bridge.answers(accepted(pdu, b"7")))
    await trio.sleep(0.5)
    assert len(seen) == 1
    await trio.sleep(1)
    assert seen[1:] == [("a", False)]
    desk.committer.put(bridge.arrivals(text("echo 2")))
    nursery.start_soon(partial(settled, "a", texts=True))
    await trio.lowlevel.checkpoint()
    assert len(seen) == 2


async def test_a_link_that_is_configured_anew_is_so_even_if_the_first_turn_fails(
    desk: Desk, autojump_clock: MockClock
) -> None:
    bridge, done = desk.bridge, trio.Event()
    desk.committer.put(bridge.arrivals(*(text(f"echo {n}", source=b"%d" % n) for n in range(60))))
    await settle()
    bridge.memory.failures.append(StoreFull("no room"))
    desk.committer.put(LinkConfigured("a", link(window=7, response_timeout=3.0), done.set))
    await trio.sleep(0.5)
    assert [event.link for effects in desk.effects for event in effects.configured] == []
    await trio.sleep(0.6)
    assert [event.link for effects in desk.effects for event in effects.configured] == ["a"]
    await trio.sleep(1.1)
    queue = bridge.engine.outbox.links["a"]
    assert (queue.config.window, queue.capacity, queue.in_air, queue.loaded) == (7, 50, 50, 10)
    check(bridge)
    sent = bridge.submits()
    desk.committer.put(bridge.answers(*(accepted(pdu, b"%d" % n) for n, pdu in enumerate(sent))))
    await settle()
    assert len(bridge.submits()) == 10
    check(bridge)


async def test_a_turn_is_done_when_one_is_asked_for(desk: Desk, autojump_clock: MockClock) -> None:
    await desk.committer.turn()
    assert desk.batches == [0]


async def test_a_bug_in_a_turn_ends_the_task_loudly(turns_in_the_loop: None, autojump_clock: MockClock) -> None:
    desk = Desk()

    def broken(events: list[Event], now: float) -> Effects:
        raise KeyError(len(events), now)

    desk.bridge.engine.turn = broken  # type: ignore[method-assign, assignment]
    desk.committer.put(CapacityChanged("a", 1))
    with pytest.raises(KeyError):
        await desk.committer.run()


async def test_a_turn_in_its_thread_is_finished_though_the_task_is_cancelled() -> None:
    desk = Desk()
    async with trio.open_nursery() as nursery:
        desk.committer.put(desk.bridge.arrivals(text("hours")))
        nursery.start_soon(desk.committer.run)
        while not desk.batches:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert desk.bridge.wire.statuses() == [0]


async def test_who_asks_hears_of_it_after_the_commit(desk: Desk, autojump_clock: MockClock) -> None:
    assert await desk.committer.ask("1", "acme", Request("dance", "ann")) == "there is no request `dance`"


async def test_who_asks_hears_that_the_store_failed(desk: Desk, autojump_clock: MockClock) -> None:
    await settle()
    desk.bridge.memory.failures.append(StoreError("the disk is on fire"))
    assert await desk.committer.ask("1", "acme", Request("dance", "ann")) == "the disk is on fire"


async def test_who_gave_up_asking_is_not_answered(desk: Desk, autojump_clock: MockClock) -> None:
    with trio.move_on_after(0):
        await desk.committer.ask("1", "acme", Request("dance", "ann"))
    await settle()
    assert desk.effects[-1].answers
