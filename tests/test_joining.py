"""Long messages coming in: duplicates, late parts, restarts, several links; and what is no text to answer."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from bridge.export import mo_row
from smppcore import constants as c
from tests.pipeline import START, Bridge, accepted, check, link, part, parts_of, run_dry, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.records import Mo
    from smppcore.pdu import DeliverSM
    from smppcore.text import LongForm

FORMS: list[LongForm] = ["udh8", "udh16", "sar", "payload"]


# -- what comes again, late, or elsewhere


@pytest.mark.parametrize("again", [1, 2])
def test_a_part_that_comes_again_after_the_message_was_read_is_dropped(again: int) -> None:
    bridge = Bridge()
    bodies = {1: b"echo a", 2: b"b"}
    for number in (2, 1):
        bridge.deliver(part(number, 2, bodies[number]))
    bridge.now += 60
    bridge.deliver(part(again, 2, bodies[again]))
    assert bridge.wire.statuses() == [0, 0, 0]
    assert (bridge.mo().text, bridge.mo().redelivered, len(bridge.mts())) == ("echo ab", 1, 1)
    check(bridge)


def test_it_is_dropped_after_a_kill_too() -> None:
    bridge = Bridge()
    for number, body in ((1, b"echo a"), (2, b"b")):
        bridge.deliver(part(number, 2, body))
    bridge.now += 200  # past the time for redelivered messages
    bridge.begin()
    bridge.deliver(part(1, 2, b"echo a"))
    assert (bridge.mo().redelivered, len(bridge.mts())) == (1, 1)
    check(bridge)


def test_after_its_time_the_reference_is_free_again() -> None:
    bridge = Bridge()
    for _ in range(2):
        for number, body in ((1, b"echo a"), (2, b"b")):
            bridge.deliver(part(number, 2, body))
        bridge.now = bridge.engine.assemblies.next_due()
        bridge.turn()
    assert [mo.text for mo in bridge.mos()] == ["echo ab", "echo ab"]
    assert not bridge.memory.assembly
    assert len(bridge.engine.assemblies) == 0
    check(bridge)


def test_another_message_under_the_reference_of_one_that_was_read_is_its_own() -> None:
    bridge = Bridge()
    for words in (b"echo a", b"echo x"):
        bridge.deliver(part(1, 2, words), part(2, 2, words[5:] * 2))
    assert [mo.text for mo in bridge.mos()] == ["echo aaa", "echo xxx"]
    assert run_dry(bridge) == [b"aaa", b"xxx"]
    check(bridge)


def test_a_part_that_comes_after_all_is_kept_with_its_message_and_not_answered() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 3, b"echo a"))
    bridge.now += 300
    bridge.turn()
    assert (bridge.mo().text, bridge.mo().flags) == ("echo a", ("partial",))
    bridge.deliver(part(3, 3, b"c"))
    assert (bridge.mo().text, bridge.mo().flags, bridge.mo().detail) == ("echo ac", ("partial", "late"), "partial")
    bridge.begin()
    bridge.turn(*bridge.rebind())
    bridge.deliver(part(2, 3, b"b"))
    bridge.deliver(part(2, 3, b"b"))
    mo = bridge.mo()
    assert (mo.text, mo.flags, mo.outcome) == ("echo abc", ("partial", "late"), "replied")
    assert len(mo.bodies) == 3
    assert run_dry(bridge) == [b"a"]
    check(bridge)


def test_what_is_left_without_a_readable_whole_keeps_the_text_it_had() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.now += 300
    bridge.turn()
    last = part(2, 2, b"\x01\x02")
    last.data_coding = 4
    bridge.deliver(last)
    assert (bridge.mo().text, len(bridge.mo().bodies)) == ("echo a", 2)


def test_parts_may_come_over_several_links_of_a_carrier_but_not_of_two() -> None:
    bridge = Bridge(link("a", group="x"), link("b", group="x"), link("c"))
    bridge.deliver(part(1, 2, b"echo a"), name="a")
    bridge.deliver(part(2, 2, b"zz"), name="c")
    bridge.deliver(part(2, 2, b"b"), name="b")
    assert [(mo.link, mo.text, mo.outcome) for mo in bridge.mos()] == [
        ("a", "echo ab", "replied"),
        ("c", "", "pending"),
    ]
    assert [pdu.short_message for pdu in bridge.submits(name="a")] == [b"ab"]
    check(bridge)


def test_a_message_of_a_link_that_is_gone_waits_for_it() -> None:
    bridge = Bridge()
    bridge.deliver(part(1, 2, b"echo a"))
    links = bridge.links
    bridge.links = (link("other"),)
    bridge.begin()
    bridge.now += 1000
    bridge.turn()
    assert bridge.mo().outcome == "pending"
    bridge.links = links
    bridge.begin()
    assert (bridge.mo().outcome, bridge.mo().flags) == ("replied", ("partial",))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_long_text_is_joined(form: LongForm) -> None:
    bridge = Bridge()
    words = "echo " + "жизнь 😀 " * 30
    for pdu in reversed(parts_of(words, 300, form)):
        bridge.deliver(pdu)
    assert (bridge.mo().text, bridge.mo().outcome, bridge.mo().flags) == (words, "replied", ())
    check(bridge)


def test_equal_parts_with_sar_tlvs_in_one_read_are_two() -> None:
    bridge = Bridge()
    pdus = parts_of("y" * 152 * 2, 300, "sar")
    bridge.deliver(*pdus, pdus[0])
    assert (bridge.mo().text, bridge.mo().redelivered) == ("y" * 304, 1)


def test_references_of_8_and_16_bits_do_not_mix() -> None:
    bridge = Bridge()
    for form in ("udh8", "udh16"):
        for pdu in parts_of("echo " + form * 60, 7, form)[:1]:
            bridge.deliver(pdu)
    assert [mo.outcome for mo in bridge.mos()] == ["pending", "pending"]


def test_parts_in_different_codings_are_read_each_in_its_own() -> None:
    bridge = Bridge()
    last = part(2, 2, "ж".encode("utf-16-be"))
    last.data_coding = 8
    bridge.deliver(part(1, 2, b"echo "), last)
    assert bridge.mo().text == "echo ж"


def test_a_message_of_one_part_is_never_taken_for_the_one_before() -> None:
    bridge = Bridge()
    for _ in range(2):
        bridge.deliver(part(1, 1, b"echo yes"))
        bridge.now += 1
    assert [mo.text for mo in bridge.mos()] == ["echo yes", "echo yes"]


def test_message_payload_supersedes_short_message() -> None:
    bridge = Bridge()
    pdu = text("echo short")
    pdu.tlvs = ((c.TAG_MESSAGE_PAYLOAD, b"echo long"),)
    bridge.deliver(pdu)
    assert bridge.mo().text == "echo long"


# -- what is no text to answer


def flagged(pdu: DeliverSM) -> tuple[Bridge, Mo]:
    bridge = Bridge()
    bridge.deliver(pdu)
    assert bridge.wire.statuses() == [0]
    check(bridge)
    return bridge, bridge.mo()


@pytest.mark.parametrize(
    ("octets", "data_coding", "esm_class", "flag"),
    [
        (b"\x00\xff\x01", 0x04, 0, "binary"),
        (b"\x00\xff\x01", 0xF5, 0, "binary"),
        (b"hours", 0xE8, 0, "binary"),
        (b"hou", 0x08, 0, "unreadable"),
    ],
)
def test_what_is_no_text_is_kept_whole_and_not_answered(
    octets: bytes, data_coding: int, esm_class: int, flag: str
) -> None:
    bridge, mo = flagged(text(octets, esm_class=esm_class, data_coding=data_coding))
    assert (mo.flags, mo.bodies, mo.outcome, mo.detail) == ((flag,), (octets,), "silent", "not a text")
    row = mo_row(mo)
    assert (row["flags"], row["octets"], row["data_coding"]) == ([flag], [octets.hex()], data_coding)
    assert not bridge.mts()


def test_a_text_with_a_header_that_does_not_fit_is_read_whole_and_flagged() -> None:
    _, mo = flagged(text(b"STOP", esm_class=0x40))
    assert (mo.text, mo.outcome, mo.flags, mo.bodies) == ("STOP", "control", ("header",), (b"STOP",))


def test_a_binary_message_of_several_parts_is_kept_whole() -> None:
    bridge = Bridge()
    for number, octets in ((2, b"\xfe\xff"), (1, b"\x00\x01")):
        pdu = part(number, 2, octets)
        pdu.data_coding = 0x04
        bridge.deliver(pdu)
    mo = bridge.mo()
    assert (mo.flags, mo.outcome) == (("binary",), "silent")
    assert [body[6:] for body in mo.bodies] == [b"\x00\x01", b"\xfe\xff"]


@pytest.mark.parametrize(("octets", "data_coding"), [(b"hours", 0xF0), ("hours".encode("utf-16-be"), 0x18)])
def test_a_flash_message_is_answered_and_flagged(octets: bytes, data_coding: int) -> None:
    _, mo = flagged(text(octets, data_coding=data_coding))
    assert (mo.flags, mo.text, mo.outcome) == (("flash",), "hours", "replied")


def test_a_flash_message_may_be_marked_by_a_tlv() -> None:
    pdu = text("hours")
    pdu.tlvs = ((c.TAG_DEST_ADDR_SUBUNIT, b"\x01"),)
    assert flagged(pdu)[1].flags == ("flash",)
    pdu.data_coding = 0xF0
    assert flagged(pdu)[1].flags == ("flash",)
    pdu.tlvs, pdu.data_coding = ((c.TAG_DEST_ADDR_SUBUNIT, b"\x02"),), 0
    assert flagged(pdu)[1].flags == ()


def ports_by_tlv() -> DeliverSM:
    pdu = text("hours")
    pdu.tlvs = ((c.TAG_SOURCE_PORT, b"\x23\xf0"), (c.TAG_DESTINATION_PORT, b"\x0b\x84"))
    return pdu


@pytest.mark.parametrize(
    "pdu", [text(b"\x06\x05\x04\x0b\x84\x23\xf0hours", esm_class=0x40), ports_by_tlv()], ids=["udh", "tlvs"]
)
def test_a_message_for_a_port_is_kept_whole_and_not_answered(pdu: DeliverSM) -> None:
    bridge, mo = flagged(pdu)
    assert (mo.text, mo.flags, mo.ports) == ("hours", ("ports",), (0x0B84, 0x23F0))
    assert (mo.outcome, mo.detail) == ("silent", "port-addressed")
    assert mo_row(mo)["ports"] == [0x0B84, 0x23F0]
    assert not bridge.mts()


def test_a_partial_message_for_a_port_says_both() -> None:
    bridge = Bridge()
    bridge.deliver(text(b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x01\x02\x01ab", esm_class=0x40, data_coding=4))
    bridge.now += 300
    bridge.turn()
    mo = bridge.mo()
    assert (mo.flags, mo.detail) == (("ports", "partial", "binary"), "partial: not a text")


def test_a_source_port_alone_addresses_nothing() -> None:
    pdu = text("hours")
    pdu.tlvs = ((c.TAG_SOURCE_PORT, b"\x23\xf0"),)
    assert flagged(pdu)[1].outcome == "replied"


# -- many at once


@dataclass(slots=True)
class Sent:
    words: str
    pdus: list[DeliverSM]
    lost: set[int]


def many(how_many: int, rng: random.Random) -> list[Sent]:
    """Texts of 1 to 10 parts in all forms, from 500 subscribers whose references count up; 2% of the parts get lost."""
    sent = []
    references: Counter[int] = Counter()
    for number in range(how_many):
        subscriber = number % 500
        references[subscriber] += 1
        total = rng.randint(1, 10)
        letters = "echo bcdefg" if rng.random() < 0.7 else "эхо бвгд😀"
        limit = 152 if letters[0] == "e" else 66
        head = f"echo {number:06d} "
        words = head + "".join(rng.choices(letters, k=max(limit * (total - 1) + limit // 2 - len(head), 1)))
        source = b"1555%07d" % subscriber
        pdus = parts_of(words, references[subscriber], rng.choice(FORMS), source)
        sent.append(Sent(words, pdus, {n for n in range(len(pdus)) if rng.random() < 0.02}))
    return sent


def test_ten_thousand_long_texts_over_two_binds_with_duplicates_and_losses() -> None:
    rng = random.Random(20261123)
    bridge = Bridge(link("a", group="x"), link("b", group="x"), capacity=10_000)
    texts = many(10_000, rng)
    wire = [(each, n) for each in texts for n in range(len(each.pdus)) if n not in each.lost]
    # A carrier shuffles over seconds, not over the day: references that are counted up do not meet again.
    # A text of one PDU that comes twice in a healthy session is two texts.
    wire += [place for place in wire if len(place[0].pdus) > 1 and rng.random() < 0.05]
    order = {id(each): number for number, each in enumerate(texts)}
    wire.sort(key=lambda place: order[id(place[0])] + rng.uniform(0, 3000))
    sequences: Iterator[int] = count(1)
    for start in range(0, len(wire), 500):
        batch = [each.pdus[n] for each, n in wire[start : start + 500]]
        bridge.now += 0.1
        bridge.turn(bridge.arrivals(*batch[::2], name="a"), bridge.arrivals(*batch[1::2], name="b"))
        for name in ("a", "b"):
            # Answered at once, so that the next text of the same subscriber is not held back.
            answer(bridge, name, sequences)
    bridge.now = START + 1000
    bridge.turn()
    for name in ("a", "b"):
        answer(bridge, name, sequences)
    mos = {mo.text[5:11]: mo for mo in bridge.mos() if mo.text.startswith("echo ")}
    complete = [each for each in texts if not each.lost]
    for each in complete:
        mo = mos[each.words[5:11]]
        assert (mo.text, mo.flags, mo.detail) == (each.words, (), "")
    assert 0.85 < len(complete) / len(texts) < 0.95
    broken = [each for each in texts if each.lost and len(each.lost) < len(each.pdus)]
    partial = [mo for mo in bridge.mos() if "partial" in mo.flags]
    assert len(partial) == len(broken)
    assert len(bridge.mos()) == len(complete) + len(broken)
    answered = Counter(mt.mo for mt in bridge.mts())
    assert set(answered.values()) == {1}
    whole = {mos[each.words[5:11]].id for each in complete}
    assert whole <= set(answered)
    assert set(answered) - whole <= {mo.id for mo in partial}
    assert set(bridge.wire.statuses()) == {0}
    check(bridge)


def answer(bridge: Bridge, name: str, sequences: Iterator[int]) -> None:
    while pdus := bridge.submits(10_000, name):
        outcomes = [accepted(pdu, b"%d" % next(sequences)) for pdu in pdus]
        bridge.turn(bridge.answers(*outcomes, name=name))
