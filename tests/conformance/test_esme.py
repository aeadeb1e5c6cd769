"""Every trap that an ESME can fall into, played against ours; and that each case fails when the behaviour is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore.testbed.conformance.esme import CASES
from smppcore.testbed.conformance.wire import Mismatch
from tests.conformance.bridge_cases import CASES as BRIDGE_CASES
from tests.conformance.bridge_cases import Ours
from tests.conformance.esme_switches import BEHIND, ON_THE_WIRE
from tests.conformance.ours import OPTIONS, our_esme

if TYPE_CHECKING:
    from trio.testing import MockClock

    from smppcore.testbed.conformance.case import Case, Esme


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_our_esme(case: Case[Esme], autojump_clock: MockClock) -> None:
    async with our_esme(**OPTIONS[case.setting]) as (esme, _):
        await case.script(esme)


@pytest.mark.parametrize("case", BRIDGE_CASES, ids=lambda case: case.name)
async def test_our_bridge(case: Case[Ours], autojump_clock: MockClock) -> None:
    async with our_esme(**OPTIONS[case.setting]) as (esme, bridge):
        await case.script(Ours(esme, bridge))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_case_fails_without_the_behaviour(
    case: Case[Esme], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ON_THE_WIRE[case.name](monkeypatch)
    async with our_esme(**OPTIONS[case.setting]) as (esme, _):
        with pytest.raises(Mismatch):
            await case.script(esme)


@pytest.mark.parametrize("case", BRIDGE_CASES, ids=lambda case: case.name)
async def test_the_case_of_our_bridge_fails_without_the_behaviour(
    case: Case[Ours], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    BEHIND[case.name](monkeypatch)
    async with our_esme(**OPTIONS[case.setting]) as (esme, bridge):
        with pytest.raises(Mismatch):
            await case.script(Ours(esme, bridge))


def test_names_are_unique_and_each_switch_is_of_a_case() -> None:
    for cases, switches in ((CASES, ON_THE_WIRE), (BRIDGE_CASES, BEHIND)):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names)
        assert switches.keys() == set(names)
