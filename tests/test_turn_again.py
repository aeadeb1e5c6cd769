"""Turns: texts that come again (invariant 9)."""

from __future__ import annotations

import pytest

from bridge.events import LinkChanged
from bridge.store import LinkRow
from tests.pipeline import (
    Bridge,
    check,
    link,
    text,
)


def test_an_equal_text_in_one_turn_is_absorbed_while_the_first_is_not_answered() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"), text("hours"))
    assert bridge.mo().redelivered == 1
    assert bridge.wire.statuses() == [0, 0]
    assert len(bridge.mts()) == 1
    assert bridge.count("mo.redelivered") == 1


@pytest.mark.parametrize(
    "other",
    [
        text("hours", source=b"2"),
        text("hours", number=b"70707"),
        text("Hours"),
        text("hours", data_coding=1),
        text("hours", esm_class=1),
    ],
)
def test_what_differs_in_any_of_the_key_is_another_text(other: object) -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"), other)  # type: ignore[arg-type]
    assert len(bridge.mos()) == 2


def test_two_identical_texts_in_a_healthy_session_are_two_messages() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == len(bridge.mts()) == 2


def test_after_a_reconnect_an_equal_text_is_absorbed_once() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.wire.statuses()
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    assert bridge.wire.statuses() == [0]
    bridge.deliver(text("hours"))
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]
    check(bridge)


def test_each_of_two_equal_texts_absorbs_one() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    for _ in range(3):
        bridge.deliver(text("hours"))
    assert sorted(mo.redelivered for mo in bridge.mos()) == [0, 1, 1]


def test_a_text_taken_by_the_turn_that_learns_of_the_loss_is_expected_again() -> None:
    bridge = Bridge()
    bridge.turn(bridge.arrivals(text("hours")), *bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1


def test_what_came_long_before_the_loss_is_not_expected_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.now += 31
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_after_the_redelivery_window_an_equal_text_is_new() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.now += 301
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_after_a_kill_an_equal_text_is_absorbed_once() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.now += 3600
    bridge.begin()
    bridge.turn(*bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_what_was_not_answered_when_the_link_was_lost_is_expected_across_kills() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session())
    for _ in range(2):
        bridge.now += 3600
        bridge.turn(LinkChanged(LinkRow("a", "connecting", bridge.now, 0, "refused", "")))
        bridge.begin(bind=False)
    bridge.turn(*bridge.rebind())
    bridge.deliver(text("hours"))
    assert bridge.mo().redelivered == 1
    bridge.now += 301
    bridge.turn()
    assert bridge.memory.position.expected == {}


def test_a_text_whose_second_answer_is_lost_too_is_absorbed_again() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    for times in (1, 2):
        bridge.turn(*bridge.lose_session())
        bridge.now += 60
        bridge.turn(*bridge.rebind())
        bridge.deliver(text("hours"))
        assert bridge.mo().redelivered == times
    bridge.deliver(text("hours"))
    assert len(bridge.mos()) == 2


def test_a_text_that_two_losses_made_expected_absorbs_one() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    for _ in range(2):
        bridge.now += 1
        bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(text("hours"))
    bridge.deliver(text("hours"))
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]


def test_a_text_may_come_again_on_another_link_of_its_carrier_but_of_no_other() -> None:
    bridge = Bridge(link("a", group="g"), link("b", group="g"), link("c"))
    bridge.deliver(text("hours"), name="a")
    bridge.turn(*bridge.lose_session("a"), *bridge.rebind("b"))
    bridge.deliver(text("hours"), name="c")
    assert len(bridge.mos()) == 2
    bridge.deliver(text("hours"), name="b")
    assert [mo.redelivered for mo in bridge.mos()] == [1, 0]
