"""Claims become submit_sm's when a session can write."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from bridge.delivery import Flight
from bridge.outbound import Outbound, relative_validity
from bridge.records import Mt
from smppcore.pdu import encode
from smppcore.text import encode_message
from smppcore.udh import parse
from tests.pipeline import Wire, link

if TYPE_CHECKING:
    from smppcore.link import Link


def flight(number: int = 1, text: str = "hello", *, contact: str = "15550001234", control: bool = False) -> Flight:
    encoded = encode_message(text)
    parts = len(encoded.parts)
    mt = Mt(number, 1, 1, "a", contact, "60606", "acme", text, "t", "v", 0.0, control, parts, b"\x03\x00\x01\x01")
    return Flight(mt, encoded, list(range(parts)), (1 << parts) - 1, parts, queued=False)


def session() -> Link:
    return cast("Link", Wire())


LONG = "x" * 400  # three parts


@pytest.mark.parametrize(
    ("seconds", "octets"),
    [
        (0.0, b""),
        (1.0, b"000000000001000R"),
        (59.9, b"000000000059000R"),
        (3600.0, b"000000010000000R"),
        (86400.0 + 61, b"000001000101000R"),
        (40 * 86400.0, b"000110000000000R"),
        (63 * 86400.0, b"000203000000000R"),
        (400 * 86400.0, b"000203000000000R"),
    ],
)
def test_validity_is_a_relative_time(seconds: float, octets: bytes) -> None:
    assert relative_validity(seconds) == octets


def test_a_claim_becomes_a_submit_sm() -> None:
    outbound = Outbound(link(service_type="WAP", validity=60.0))
    outbound.add([flight()])
    assert len(outbound) == 1
    (pdu,) = outbound.take(session(), 10)
    assert (pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) == (b"60606", 3, 0)
    assert (pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi) == (b"15550001234", 1, 1)
    assert (pdu.service_type, pdu.validity_period, pdu.registered_delivery) == (b"WAP", b"000000000100000R", 1)
    assert (pdu.esm_class, pdu.data_coding, pdu.short_message) == (0, 0, b"hello")
    assert encode(pdu)
    assert len(outbound) == 0


def test_receipts_are_asked_for_only_where_the_link_has_them() -> None:
    outbound = Outbound(link(registered_delivery=False))
    outbound.add([flight()])
    assert outbound.take(session(), 1)[0].registered_delivery == 0


def test_a_text_beyond_gsm_7_is_sent_as_ucs_2() -> None:
    outbound = Outbound(link())
    outbound.add([flight(text="\u4f60")])
    (pdu,) = outbound.take(session(), 1)
    assert (pdu.data_coding, pdu.short_message) == (8, b"\x4f\x60")


def test_parts_carry_a_header_and_go_as_the_window_allows_over_one_session() -> None:
    outbound = Outbound(link())
    outbound.add([flight(300, LONG)])
    outbound.add([flight(2, "next")])
    one, other = session(), session()
    (first,) = outbound.take(one, 1)
    (another,) = outbound.take(other, 1)
    assert another.short_message == b"next"
    assert len(outbound) == 1
    rest = outbound.take(one, 5)
    places = []
    for pdu in (first, *rest):
        assert pdu.esm_class == 0x40
        header = parse(pdu.short_message)
        assert header is not None
        place = header.concatenation()
        assert place is not None
        places.append((place.reference, place.total, place.sequence))
    assert places == [(300 & 0xFF, 3, n) for n in (1, 2, 3)]
    assert len(outbound) == 0


def test_only_the_parts_still_to_be_sent_go() -> None:
    outbound = Outbound(link())
    claim = flight(1, LONG)
    claim.todo = [1]
    outbound.add([claim])
    (pdu,) = outbound.take(session(), 5)
    assert pdu.short_message[5] == 2
    assert pdu.context == (claim, 1)


def test_taking_is_bounded_by_the_room() -> None:
    outbound = Outbound(link())
    for number in range(5):
        outbound.add([flight(number)])
    assert outbound.take(session(), 0) == []
    assert len(outbound.take(session(), 3)) == 3
    assert len(outbound.take(session(), 3)) == 2
    assert outbound.take(session(), 3) == []


def test_claims_for_who_opted_out_are_taken_back_but_not_control_replies() -> None:
    outbound = Outbound(link())
    begun, waiting, control, other = flight(1, LONG), flight(2), flight(3, control=True), flight(4, contact="2")
    outbound.add([begun])
    outbound.take(one := session(), 1)
    for claim in (waiting, control, other):
        outbound.add([claim])
    assert outbound.revoke({("15550001234", "acme")}) == [waiting]
    assert not waiting.sent
    assert [pdu.context for pdu in outbound.take(one, 9)] == [(begun, 1), (begun, 2), (control, 0), (other, 0)]
    assert outbound.revoke({("15550001234", "acme")}) == []
    outbound.add([waiting])
    assert outbound.revoke({("15550001234", "zeta")}) == []


def test_a_lost_session_gives_back_what_it_had_begun_and_the_last_one_everything() -> None:
    outbound = Outbound(link())
    begun, waiting = flight(1, LONG), flight(2)
    outbound.add([begun])
    outbound.add([waiting])
    one, other = session(), session()
    outbound.take(one, 1)
    assert outbound.session_lost(other, last=False) == []
    assert outbound.session_lost(one, last=False) == [begun]
    assert (begun.sent, begun.todo) == (True, [1, 2])
    assert outbound.session_lost(other, last=True) == [waiting]
    assert (waiting.sent, waiting.todo) == (False, [0])
    assert len(outbound) == 0
