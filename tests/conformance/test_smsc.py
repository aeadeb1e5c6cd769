"""Every trap that an SMSC can fall into, played against ours; and that each case fails when the behaviour is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore.testbed.conformance.smsc import CASES
from smppcore.testbed.conformance.wire import Mismatch
from tests.conformance.ours import our_smsc
from tests.conformance.smsc_switches import SWITCHES

if TYPE_CHECKING:
    from trio.testing import MockClock

    from smppcore.testbed.conformance.case import Case, Smsc


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_our_smsc(case: Case[Smsc], autojump_clock: MockClock) -> None:
    async with our_smsc(case.setting) as smsc:
        await case.script(smsc)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_case_fails_without_the_behaviour(
    case: Case[Smsc], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    SWITCHES[case.name](monkeypatch)
    async with our_smsc(case.setting) as smsc:
        with pytest.raises(Mismatch):
            await case.script(smsc)


def test_names_are_unique_and_each_switch_is_of_a_case() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert SWITCHES.keys() == set(names)
