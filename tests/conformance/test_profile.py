"""The profile of an ESME, the audit of an SMSC, and what the command line says of them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import trio
import trio.testing
from click.testing import CliRunner

from bridge.cli import main
from smppcore import constants as c
from smppcore.testbed.config import Mo, SimulatorConfig
from smppcore.testbed.conformance import esme as esme_cases
from smppcore.testbed.conformance import smsc as smsc_cases
from smppcore.testbed.conformance.case import Case, Esme, Result
from smppcore.testbed.conformance.octets import Draft
from smppcore.testbed.conformance.profile import Listener, TcpSmsc, audit_smsc, profile_esme
from smppcore.testbed.conformance.wire import Mismatch
from smppcore.testbed.simulator import Simulator
from tests.conformance.ours import our_esme

if TYPE_CHECKING:
    import pytest
    from trio.testing import MockClock


async def test_our_bridge_passes_its_profile_in_one_session_as_far_as_possible(autojump_clock: MockClock) -> None:
    async with our_esme() as (esme, _):
        results = await profile_esme(esme_cases.CASES, esme)
    assert [result for result in results if result.verdict in ("fail", "differs")] == []
    assert {result.seen for result in results if result.verdict == "not shown"} == {
        "needs an ESME set up for it: fallback",
        "needs an ESME set up for it: transmitter",
    }
    assert [result.trap for result in results] == sorted(case.trap for case in esme_cases.CASES)


async def test_a_case_that_fails_does_not_spoil_the_next(autojump_clock: MockClock) -> None:
    async def leaves_things_behind(esme: Esme) -> None:
        wire = await esme.session()
        wire.answering = False
        await wire.send(Draft(0x55), esme.text())
        raise Mismatch("something was seen")

    async def ends_it(esme: Esme) -> None:
        await (await esme.session()).send(Draft(c.UNBIND))
        raise Mismatch("it went away")

    async def wants_a_clean_session(esme: Esme) -> None:
        await (await esme.session()).alive()

    cases = (
        Case(1, "a", "", leaves_things_behind),
        Case(2, "b", "", wants_a_clean_session),
        Case(3, "c", "", ends_it, policy=True),
        Case(4, "d", "", wants_a_clean_session),
    )
    async with our_esme() as (esme, _):
        results = await profile_esme(cases, esme)
    assert [(result.verdict, result.seen) for result in results] == [
        ("fail", "something was seen"),
        ("pass", ""),
        ("differs", "it went away"),
        ("pass", ""),
    ]


async def test_an_esme_that_stays_away_is_not_waited_for_again(autojump_clock: MockClock) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        began = trio.current_time()
        results = await profile_esme(esme_cases.CASES[:5], Esme(Listener(listener, 60.0)))
        assert {result.verdict for result in results} == {"not shown"}
        assert trio.current_time() - began == 60.0 + 4 * 2.0


async def test_an_audit_over_tcp_shows_what_it_can() -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))

    async def deliver(text: bytes) -> None:
        simulator.inject(Mo("15550004242", "60606", text.decode()))

    by_name = {case.name: case for case in smsc_cases.CASES}
    names = ("03-unknown-command-id", "09-requests-of-its-own", "25-bind-of-a-type-that-is-not-offered")
    cases = [by_name[name] for name in names]
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(simulator.serve, "127.0.0.1", 0)
        found = await audit_smsc(cases, TcpSmsc("127.0.0.1", port, deliver))
        assert [result.verdict for result in found] == ["pass", "pass", "not shown"]
        (silent,) = await audit_smsc(cases[1:2], TcpSmsc("127.0.0.1", port))
        assert (silent.verdict, silent.seen) == ("not shown", "nothing makes it deliver a text")
        nursery.cancel_scope.cancel()
    (nobody,) = await audit_smsc(cases[:1], TcpSmsc("127.0.0.1", port))
    assert nobody.verdict == "not shown"


def test_the_command_prints_a_row_for_each_case_and_fails_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        Result(1, "command_length below 16", "the end", False, "pass", ""),
        Result(4, "unknown response", "nothing is sent", True, "differs", "generic_nack 0x03 #1 (16 octets) came"),
        Result(9, "requests of its own", "command_status 0", False, "not shown", "it sent no message"),
    ]

    async def profile(*_: object) -> list[Result]:
        return results

    monkeypatch.setattr("bridge.cli.conformance._profile", profile)
    shown = CliRunner().invoke(main, ["sim", "--conformance"])
    assert shown.exit_code == 0
    assert "4     (P)  unknown response         differs" in shown.output
    assert shown.output.endswith("1 pass, 0 fail, 1 differs, 1 not shown\n")
    results.append(Result(75, "alert_notification", "nothing is sent", False, "fail", "generic_nack came"))
    shown = CliRunner().invoke(main, ["sim", "--conformance", "--json"])
    assert shown.exit_code == 1
    table = json.loads(shown.stdout)
    assert (table["pass"], table["fail"], table["differs"], table["not_shown"]) == (1, 1, 1, 1)
    assert table["cases"][0]["title"] == "command_length below 16"
