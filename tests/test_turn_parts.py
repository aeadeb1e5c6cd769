"""Turns: long texts, whose parts come in any order, again, or not at all."""

from __future__ import annotations

from itertools import permutations

import pytest

from smppcore import constants as c
from tests.pipeline import (
    START,
    Bridge,
    check,
    part,
    run_dry,
    text,
)


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
def test_parts_may_come_in_any_order(order: tuple[int, ...]) -> None:
    bridge = Bridge()
    bodies = {1: b"echo a", 2: b"b", 3: b"c"}
    for number in order[:2]:
        bridge.deliver(part(number, 3, bodies[number]))
        assert bridge.mo().outcome == "pending"
        check(bridge)
    bridge.deliver(part(order[2], 3, bodies[order[2]]))
    assert (bridge.mo().outcome, bridge.mo().text) == ("replied", "echo abc")
    assert len(bridge.mo().bodies) == 3
    assert bridge.wire.statuses() == [0, 0, 0]
    assert bridge.count("parts") == 3
    assert run_dry(bridge) == [b"abc"]
    check(bridge)


def test_all_parts_in_one_read_make_one_text() -> None:
    bridge = Bridge()
    bridge.deliver(part(2, 2, b"b"), part(1, 2, b"echo a"), text("echo c"))
    assert run_dry(bridge) == [b"ab", b"c"]
    check(bridge)


def test_parts_are_joined_by_sar_tlvs_too() -> None:
    bridge = Bridge()
    for number, body in ((1, b"echo a"), (2, b"b")):
        pdu = text(body)
        pdu.tlvs = (
            (c.TAG_SAR_MSG_REF_NUM, b"\x01\x00"),
            (c.TAG_SAR_TOTAL_SEGMENTS, b"\x02"),
            (c.TAG_SAR_SEGMENT_SEQNUM, bytes((number,))),
        )
        bridge.deliver(pdu)
    assert run_dry(bridge) == [b"ab"]


def test_a_character_split_between_parts_is_whole() -> None:
    bridge = Bridge()
    octets = "echo 👋".encode("utf-16-be")
    for number, body in ((1, octets[:-2]), (2, octets[-2:])):
        pdu = part(number, 2, body)
        pdu.data_coding = 8
        bridge.deliver(pdu)
    assert bridge.mo().text == "echo 👋"


def test_a_part_that_comes_twice_counts_once() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(2, 2, b"b"))
    assert run_dry(bridge) == [b"ab"]
    assert bridge.wire.statuses() == [0, 0, 0]
    assert len(bridge.mos()) == 1


def test_another_text_under_the_same_reference_begins_a_new_message() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.deliver(part(1, 2, b"echo z"))
    bridge.deliver(part(2, 2, b"b"))
    assert [(mo.text, mo.detail) for mo in bridge.mos()] == [("echo a", "partial"), ("echo zb", "")]
    assert run_dry(bridge) == [b"a", b"zb"]
    check(bridge)


@pytest.mark.parametrize("other", [{"reference": 8}, {"source": b"2"}])
def test_messages_are_told_apart_by_sender_and_reference(other: dict[str, object]) -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"), part(1, 2, b"echo x", **other))  # type: ignore[arg-type]
    bridge.deliver(part(2, 2, b"b"), part(2, 2, b"y", **other))  # type: ignore[arg-type]
    assert sorted(run_dry(bridge)) == [b"ab", b"xy"]


def test_what_there_is_of_a_long_text_is_read_when_the_rest_does_not_come() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 3, b"echo a"), part(3, 3, b"c"))
    due = bridge.engine.next_due(bridge.now)
    assert due == START + 300
    bridge.now = due - 1
    bridge.turn()
    assert bridge.mo().outcome == "pending"
    bridge.now = due
    bridge.turn()
    assert (bridge.mo().outcome, bridge.mo().detail) == ("replied", "partial")
    assert run_dry(bridge) == [b"ac"]
    assert bridge.engine.next_due(due) > due
    assert bridge.count("mo.partial") == 1
    check(bridge)


def test_parts_survive_a_kill() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.begin()
    bridge.turn(*bridge.rebind())
    bridge.deliver(part(2, 2, b"b"))
    assert bridge.mo().text == "echo ab"
    assert run_dry(bridge) == [b"ab"]
    check(bridge)


@pytest.mark.parametrize("order", [(3, 2), (2, 3)])
def test_the_last_part_and_one_that_comes_again_in_one_read(order: tuple[int, int]) -> None:
    bridge = Bridge()
    bodies = {1: b"echo a", 2: b"b", 3: b"c"}
    bridge.deliver(part(1, 3, bodies[1]), part(2, 3, bodies[2]))
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(*(part(number, 3, bodies[number]) for number in order))
    assert (bridge.mo().outcome, bridge.mo().text, bridge.mo().redelivered) == ("replied", "echo abc", 1)
    check(bridge)


def test_parts_that_all_come_again_are_absorbed() -> None:
    bridge = Bridge()
    pdus = [part(1, 2, b"echo a"), part(2, 2, b"b")]
    bridge.deliver(*pdus)
    bridge.turn(*bridge.lose_session(), *bridge.rebind())
    bridge.deliver(*pdus)
    assert bridge.mo().redelivered == 2
    assert len(bridge.mts()) == 1
    check(bridge)


def test_a_header_that_is_no_concatenation_makes_no_part() -> None:
    bridge = Bridge()
    bridge.deliver(text(b"\x03\x24\x01\x01hours", esm_class=0x40), text(b"\x7f", source=b"2", esm_class=0x40))
    first, second = bridge.mos()
    assert (first.text, first.outcome) == ("hours", "replied")
    assert second.outcome in {"replied", "silent"}
    assert bridge.count("parts") == 0
