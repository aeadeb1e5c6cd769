"""The scenarios that come with the simulator, each played to an ESME on the mock clock."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bridge.cli import init, scenario
from smppcore import constants as c
from smppcore.errors import SmppError
from smppcore.events import SessionConfig
from smppcore.link import Link
from smppcore.pdu import BindTransceiver, DataSM, DeliverSM, SubmitSM, response_to
from smppcore.receipt import parse_receipt
from smppcore.session import Role, Session
from smppcore.testbed.config import Account
from smppcore.testbed.player import play
from smppcore.testbed.simulator import Simulator
from smppcore.text import UserData, read_message
from tests.esme import Esme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smppcore.events import Event
    from smppcore.receipt import Receipt
    from smppcore.testbed.tally import Report

FOLDER = Path(__file__).parent.parent / "conf" / "sim"
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))


class Customer(Esme):
    """Binds again whenever it has lost its session, and submits at a rate while it is bound."""

    def __init__(self, rate: float = 0.0, window: int = 10, version: int = c.VERSION_34, to: str = "120255501") -> None:
        super().__init__()
        self.rate = rate
        self.session = SessionConfig(window=window, enquire_link_interval=5.0, response_timeout=5.0)
        self.version = version
        self.to = to
        self.sent = 0
        self.sessions = 0
        self.data: list[DataSM] = []
        self.tasks: trio.Nursery | None = None

    def on_events(self, link: Link, events: list[Event]) -> None:
        link.respond([response_to(event) for event in events if isinstance(event, DataSM)])
        self.data += [event for event in events if isinstance(event, DataSM)]
        super().on_events(link, events)

    @property
    def read(self) -> list[Receipt]:
        """The receipts that it has had, by either operation."""
        pdus: list[DeliverSM | DataSM] = [*self.receipts, *self.data]
        return [receipt for pdu in pdus if (receipt := parse_receipt(pdu)) is not None]

    async def run(self, simulator: Simulator) -> None:
        async with trio.open_nursery() as self.tasks:
            self.tasks.start_soon(self.submit)
            while True:
                await self.connect(simulator)
                await trio.sleep(1.0)

    async def connect(self, simulator: Simulator) -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        session = Session(Role.ESME, self.session, trio.current_time())
        link = Link(ours, session, self)
        assert self.tasks is not None
        self.tasks.start_soon(simulator.serve_stream, theirs, "10.0.0.1:5000")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            try:
                response = await link.request(BindTransceiver(b"esme", b"secret", interface_version=self.version))
            except SmppError:
                return
            self.sessions += not response.command_status
            if response.command_status:
                link.start_unbind()

    async def submit(self) -> None:
        while True:
            await trio.sleep(0.1)
            if self.link is None or not self.link.can_send:
                continue
            for _ in range(int(self.rate / 10)):
                self.sent += 1
                number = b"%s%02d" % (self.to.encode(), self.sent % 100)
                self.send(
                    SubmitSM(
                        source_addr=b"60606", destination_addr=number, registered_delivery=1, short_message=b"hello"
                    )
                )


async def run(name: str, customers: Sequence[Customer], seconds: float, seed: int | None = None) -> Report:
    loaded = scenario.load(FOLDER / name).with_account(Account())
    rng = random.Random(loaded.seed if seed is None else seed)
    simulator = Simulator(loaded.config(), rng, lambda: 1_800_000_000.0 + trio.current_time())
    async with trio.open_nursery() as nursery:
        await nursery.start(simulator.serve, "127.0.0.1", 0)
        nursery.start_soon(play, simulator, loaded.script(), rng)
        for customer in customers:
            nursery.start_soon(customer.run, simulator)
        await trio.sleep(seconds)
        report = simulator.report()
        nursery.cancel_scope.cancel()
    return report


def same_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trio run its tasks in the same order each time, which is what a simulator's events depend on."""
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr("trio._core._run._r", random.Random(0))


def found(report: Report) -> dict[str, int]:
    return {one.name: one.count for verdict in report.verdicts for one in verdict.findings()}


def test_init_writes_them_all() -> None:
    assert [name.removeprefix("sim/") for name in sorted(init.FILES) if name.startswith("sim/")] == FILES


def test_there_is_a_test_for_each() -> None:
    assert FILES == [
        "dialects.toml",
        "flaky.toml",
        "hello.toml",
        "hostile.toml",
        "long.toml",
        "slow.toml",
        "throttling.toml",
    ]


async def test_hello_talks_to_whoever_binds(autojump_clock: MockClock) -> None:
    customer = Customer()
    report = await run("hello.toml", [customer], 60.0)
    assert report.figures.mo_acked == report.figures.mo_unique == 9
    assert found(report) == {}


async def test_the_throttling_carrier_keeps_to_its_contract(autojump_clock: MockClock) -> None:
    greedy = Customer(rate=300, window=50)
    report = await run("throttling.toml", [greedy], 20.0)
    assert 1900 <= report.figures.submits_accepted <= 2200
    assert report.figures.submit_status["ESME_RTHROTTLED"] > 500
    assert {"window_exceeded", "rate_exceeded", "ignored_throttling"} <= found(report).keys()
    modest = Customer(rate=50)
    report = await run("throttling.toml", [modest], 20.0)
    assert "ESME_RTHROTTLED" not in report.figures.submit_status
    assert found(report) == {}


async def test_the_throttling_carrier_allows_less_at_times_and_two_sessions_at_most(autojump_clock: MockClock) -> None:
    customers = [Customer(rate=30) for _ in range(3)]
    report = await run("throttling.toml", customers, 45.0)
    assert report.figures.binds == 2
    assert report.figures.binds_refused > 0
    assert report.figures.submit_status["ESME_RTHROTTLED"] > 100
    assert "rate_exceeded" not in found(report)


async def test_the_slow_carrier_makes_a_window_the_limit(autojump_clock: MockClock) -> None:
    customer = Customer(rate=1000, window=50)
    report = await run("slow.toml", [customer], 20.0)
    answered = [outcome for outcome in customer.outcomes if outcome.response is not None]
    elapsed = sorted(outcome.elapsed for outcome in answered)
    assert 0.15 <= elapsed[0] < elapsed[len(elapsed) // 2] < 0.25
    # 50 at a time, 0.23 s on average
    assert 3000 < len(answered) < 20.0 * 50 / 0.2
    assert found(report) == {}


def test_everything_breaks_on_the_flaky_link_and_the_same_seed_breaks_it_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []
    for seed in (7, 7, 8):
        same_schedule(monkeypatch)
        customer = Customer(rate=20)
        clock = MockClock(autojump_threshold=0)
        report = trio.run(run, "flaky.toml", [customer], 90.0, seed, clock=clock)
        assert customer.sessions >= 4
        assert any(outcome.response is None for outcome in customer.outcomes)
        assert (report.figures.drops, report.figures.extras > 0, report.figures.receipts_lost > 0) == (2, True, True)
        # Whatever broke was not the ESME's doing
        assert found(report).keys() <= {"bind_refused"}
        reports.append(report.to_dict())
    assert reports[0] == reports[1] != reports[2]


async def test_every_receipt_of_the_zoo_finds_its_message(autojump_clock: MockClock) -> None:
    customer = Customer(rate=20)
    report = await run("dialects.toml", [customer], 30.0)
    ids = {getattr(outcome.response, "message_id", b"").decode() for outcome in customer.outcomes}
    receipts = customer.read
    assert len(receipts) > 500
    assert {receipt.message_id for receipt in receipts} <= ids
    assert {receipt.state for receipt in receipts if receipt.final} == {2, 3, 5, 8}
    assert any(receipt.intermediate for receipt in receipts)
    assert found(report) == {}


async def test_a_destination_has_its_own_dialect(autojump_clock: MockClock) -> None:
    customer = Customer(rate=10, to="447700900")
    await run("dialects.toml", [customer], 5.0)
    ids = {str(int(getattr(outcome.response, "message_id", b"0"), 16)) for outcome in customer.outcomes}
    receipts = customer.read
    assert receipts
    assert {receipt.message_id for receipt in receipts} <= ids


async def test_long_texts_come_in_every_form(autojump_clock: MockClock) -> None:
    customer = Customer()
    report = await run("long.toml", [customer], 30.0)
    assert report.figures.mo_acked == report.figures.mo_unique == 8
    by_sender: dict[bytes, list[DeliverSM]] = {}
    for pdu in customer.received:
        by_sender.setdefault(pdu.source_addr, []).append(pdu)
    forms = {sender[-1:]: pdus for sender, pdus in by_sender.items()}
    assert [len(forms[b"%d" % number]) for number in range(1, 9)] == [3, 2, 4, 1, 2, 1, 1, 1]
    assert forms[b"2"][0].short_message[:4] == bytes((6, 8, 4, 0))
    assert forms[b"2"][0].short_message[6] == 2  # the last part first
    assert [pdu.tlv(c.TAG_SAR_SEGMENT_SEQNUM) for pdu in forms[b"3"]] == [b"\1", b"\2", b"\2", b"\3"]
    assert len(forms[b"4"][0].tlv(c.TAG_MESSAGE_PAYLOAD) or b"") > 200
    assert [pdu.short_message[5] for pdu in forms[b"5"]] == [1, 3]
    [turkish] = forms[b"6"]
    assert read_message([UserData(turkish.short_message, turkish.data_coding, True)]) == "Şimdi açık mı, değil mi?"
    assert forms[b"7"][0].data_coding == 16
    assert forms[b"8"][0].short_message[:7] == bytes((6, 5, 4, 0x0B, 0x84, 0, 0))
    assert found(report) == {}


async def test_a_hostile_carrier_ends_no_session_of_ours(autojump_clock: MockClock) -> None:
    customer = Customer(rate=50, version=c.VERSION_50)
    report = await run("hostile.toml", [customer], 60.0)
    assert customer.sessions == 1
    assert found(report) == {}
    statuses = {outcome.response.command_status for outcome in customer.outcomes if outcome.response}
    assert c.ESME_RSYSERR in statuses
    assert any(outcome.response and outcome.response.tlv(c.TAG_CONGESTION_STATE) for outcome in customer.outcomes)


@pytest.mark.parametrize("name", FILES)
def test_each_says_what_it_is_for(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8").startswith("# ")
