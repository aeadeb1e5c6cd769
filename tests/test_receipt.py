from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.pdu import DataSM, DeliverSM, decode, encode
from smppcore.receipt import (
    STATE_OUTCOME,
    STATE_WORDS,
    Receipt,
    format_receipt,
    looks_like_receipt,
    normalise_id,
    parse_receipt,
    receipt_tlvs,
)
from tests.receipts import MADE_UP, SEEN, build

SHAPES = SEEN + MADE_UP
NOTHING = Receipt("", 7, "", final=False, error="", submit_date="", done_date="", text="")
TAG_RECEIPTED_MESSAGE_ID, TAG_MESSAGE_STATE, TAG_MESSAGE_PAYLOAD = 0x001E, 0x0427, 0x0424
SUBMITTED = 1732353000.0  # 2024-11-23 09:10:00 UTC


def read(short_message: bytes) -> Receipt:
    receipt = parse_receipt(DeliverSM(esm_class=0x04, short_message=short_message))
    assert receipt is not None
    return receipt


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["source"])
def test_carriers_receipts_are_read(shape: dict[str, Any]) -> None:
    receipt = parse_receipt(build(shape))
    assert receipt is not None
    assert asdict(receipt) == asdict(NOTHING) | shape["expect"]


def test_at_least_sixty_shapes_were_seen_in_the_world_each_with_its_source() -> None:
    assert len({shape["source"] for shape in SEEN}) == len(SEEN) >= 60
    assert len({repr(build(shape)) for shape in SHAPES}) == len(SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["source"])
def test_receipts_survive_the_wire(shape: dict[str, Any]) -> None:
    pdu = build(shape)
    received = decode(encode(pdu))
    assert isinstance(received, DeliverSM | DataSM)
    assert parse_receipt(received) == parse_receipt(pdu)


@pytest.mark.parametrize("esm_class", [0x00, 0x03, 0x08, 0x10, 0x18, 0x40, 0x80, 0x48, 0x0C, 0x24, 0x3C])
def test_what_is_no_receipt_by_esm_class_is_none_whatever_its_text(esm_class: int) -> None:
    text = b"id:1 sub:001 dlvrd:001 submit date:2411230900 done date:2411230901 stat:DELIVRD err:000 text:"
    assert parse_receipt(DeliverSM(esm_class=esm_class, short_message=text, tlvs=receipt_tlvs("1", 2))) is None
    assert parse_receipt(DataSM(esm_class=esm_class, tlvs=receipt_tlvs("1", 2))) is None


@pytest.mark.parametrize(
    ("word", "state", "final"),
    [
        ("ENROUTE", 1, False),
        ("DELIVRD", 2, True),
        ("DELIVERED", 2, True),
        ("DELIVERD", 2, True),
        ("EXPIRED", 3, True),
        ("DELETED", 4, True),
        ("UNDELIV", 5, True),
        ("UNDELIVERABLE", 5, True),
        ("UNDELIVERED", 5, True),
        ("FAILED", 5, True),
        ("ACCEPTD", 6, False),
        ("ACCEPTED", 6, False),
        ("UNKNOWN", 7, False),
        ("REJECTD", 8, True),
        ("REJECTED", 8, True),
        ("SCHEDLD", 0, False),
        ("SCHEDULED", 0, False),
        ("SKIPPED", 9, True),
        ("ACKED", 1, False),
        ("BUFFRED", 1, False),
        ("BUFFERD", 1, False),
        ("BUFFERED", 1, False),
        ("Delivrd", 2, True),
        ("XYZ", 7, False),
    ],
)
def test_each_word_has_its_state(word: str, state: int, final: bool) -> None:
    expected = (state, word, final)
    text = f"id:1 sub:001 dlvrd:001 submit date:2411230900 done date:2411230901 stat:{word} err:000 text:hi"
    receipt = read(text.encode())
    assert (receipt.state, receipt.state_word, receipt.final) == expected
    receipt = read(f"stat:{word} id:1".encode())
    assert (receipt.state, receipt.state_word, receipt.final) == expected


@pytest.mark.parametrize("octet", range(256))
def test_each_message_state_is_taken_or_unknown(octet: int) -> None:
    receipt = parse_receipt(DeliverSM(esm_class=0x04, tlvs=((TAG_MESSAGE_STATE, bytes((octet,))),)))
    assert receipt is not None
    assert receipt.state == (octet if octet <= 9 else 7)
    assert receipt.raw_state == (octet if octet <= 9 else f"0x{octet:02X}")
    assert receipt.state_word == ("" if octet <= 9 else f"0x{octet:02X}")
    assert receipt.final == (octet in (2, 3, 4, 5, 8, 9))


def test_outcomes_are_the_final_states() -> None:
    assert {state: outcome for state, outcome in STATE_OUTCOME.items() if outcome} == {
        2: "delivered",
        3: "expired",
        4: "deleted",
        5: "undeliverable",
        8: "rejected",
        9: "undeliverable",
    }
    assert set(STATE_OUTCOME) == set(STATE_WORDS) == set(range(10))


@pytest.mark.parametrize(
    ("text", "tlvs", "is_one"),
    [
        (b"id:7 sub:001 dlvrd:001 submit date:2411230900 done date:2411230901 stat:DELIVRD err:000 text:", (), True),
        (b"id:7 stat:delivrd", (), True),
        (b"stat : EXPIRED id : 7", (), True),
        ("id:7 stat:DELIVRD".encode("utf-16-be"), (), True),
        (b"", receipt_tlvs("7", 2), True),
        (b"", receipt_tlvs("7", 2)[:1], True),
        (b"", ((TAG_MESSAGE_STATE, b"\x02"),), False),
        (b"", ((0x0424, b"id:7 stat:UNDELIV"),), True),
        (b"order id:7 failed", (), False),
        (b"id:7 stat:what?", (), False),
        (b"stat:DELIVRD", (), False),
        (b"hello", (), False),
        (b"", (), False),
    ],
)
def test_a_receipt_sent_as_a_text_shows_by_its_id_and_state(
    text: bytes, tlvs: tuple[tuple[int, bytes], ...], *, is_one: bool
) -> None:
    receipt = looks_like_receipt(DeliverSM(short_message=text, tlvs=tlvs))
    assert (receipt is not None) == is_one
    if receipt is not None:
        assert (receipt.message_id, receipt.intermediate) == ("7", False)
    for esm_class in (0x04, 0x08, 0x10, 0x20):
        assert looks_like_receipt(DeliverSM(esm_class=esm_class, short_message=text, tlvs=tlvs)) is None
    assert (looks_like_receipt(DeliverSM(esm_class=0x03, short_message=text, tlvs=tlvs)) is not None) == is_one


FIELDS = {
    "id": "1054BC63",
    "sub": "001",
    "dlvrd": "000",
    "submit date": "2411230900",
    "done date": "2411230901",
    "stat": "EXPIRED",
    "err": "017",
}


@given(
    st.permutations(list(FIELDS)), st.sets(st.sampled_from(list(FIELDS))), st.sampled_from(["lower", "upper", "title"])
)
def test_fields_are_read_in_any_order_any_case_and_missing(order: list[str], missing: set[str], case: str) -> None:
    present = [key for key in order if key not in missing]
    body = " ".join(f"{getattr(key, case)()}:{FIELDS[key]}" for key in present) + " text:id:7 stat:DELIVRD"
    expected = {key: FIELDS[key] if key in present else "" for key in FIELDS}
    if "id" in missing:
        expected["id"] = "7"  # nothing else could be the id
    if "stat" in missing:
        expected["stat"] = "DELIVRD"
    receipt = read(body.encode())
    assert (receipt.message_id, receipt.state_word) == (expected["id"], expected["stat"])
    assert (receipt.submit_date, receipt.done_date) == (expected["submit date"], expected["done date"])
    assert receipt.error == expected["err"]
    if not missing & {"id", "stat"}:
        assert receipt.text == "id:7 stat:DELIVRD"


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=255)
    | st.lists(st.sampled_from([b"id:", b"STAT:", b"text:", b"submit date:", b" ", b"\0", b"9", b"\xff"])).map(
        b"".join
    ),
    st.lists(st.tuples(st.sampled_from([0x001E, 0x0427, 0x0424, 0x0423, 0x1400]), st.binary(max_size=80))),
)
def test_reading_never_raises(esm_class: int, data_coding: int, body: bytes, tlvs: list[tuple[int, bytes]]) -> None:
    for pdu in (
        DeliverSM(esm_class=esm_class, data_coding=data_coding, short_message=body, tlvs=tlvs),
        DataSM(esm_class=esm_class, data_coding=data_coding, tlvs=tlvs),
    ):
        receipt = parse_receipt(pdu)
        assert (receipt is not None) == (esm_class & 0x3C in (0x04, 0x20))
        if receipt is not None:
            assert receipt.state in STATE_OUTCOME
            assert not (receipt.final and receipt.intermediate)
            assert receipt.raw_state == receipt.state or (receipt.state == 7 and receipt.raw_state)
        if not esm_class & 0x3C:
            looks_like_receipt(pdu)


@given(st.sampled_from(SHAPES), st.data())
def test_a_spoilt_receipt_is_still_read(shape: dict[str, Any], data: st.DataObject) -> None:
    pdu = build(shape)
    field = "short_message" if isinstance(pdu, DeliverSM) and pdu.short_message else None
    octets = bytearray(getattr(pdu, field) if field else b"")
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    if field:
        setattr(pdu, field, bytes(octets))
    pdu.tlvs = [(tag, data.draw(st.just(value) | st.binary(max_size=9))) for tag, value in pdu.tlvs]
    receipt = parse_receipt(pdu)
    assert receipt is not None
    assert receipt.state in STATE_OUTCOME
    assert not (receipt.final and receipt.intermediate)


@pytest.mark.parametrize(
    ("values", "reference"),
    [((), None), ((b"\x01\x02",), 0x102), ((b"\0\0", b"\0\x07"), 0), ((b"\x07",), None), ((b"\x07", b"\0\x07"), 7)],
)
def test_the_reference_that_the_smsc_repeats_is_read(values: tuple[bytes, ...], reference: int | None) -> None:
    receipt = parse_receipt(DeliverSM(esm_class=4, tlvs=[(0x0204, value) for value in values]))
    assert receipt is not None
    assert receipt.reference == reference


def test_sixty_thousand_octets_made_to_be_slow_to_read_are_read() -> None:
    for hostile in (
        b"id:" * 20_000,
        b"id " * 20_000,
        b"submit date" * 6_000,
        b"stat" + b" " * 60_000,
        b"id:" + b"\xff" * 60_000,
    ):
        pdu = DataSM(esm_class=4, tlvs=((TAG_MESSAGE_PAYLOAD, hostile),))
        assert parse_receipt(pdu) is not None
        pdu.esm_class = 0
        looks_like_receipt(pdu)


# -- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message_id", "caseless", "hexadecimal", "decimal"),
    [
        ("0000ABCD", "0000abcd", "43981", "0000ABCD"),
        ("abcd", "abcd", "43981", "abcd"),
        ("43981", "43981", "276865", "43981"),
        ("0043981", "0043981", "276865", "43981"),
        ("0xABCD", "0xabcd", "43981", "0xABCD"),
        ("0", "0", "0", "0"),
        ("000", "000", "0", "0"),
        ("", "", "", ""),
        ("xyz", "xyz", "xyz", "xyz"),
        ("-12", "-12", "-12", "-12"),
        ("1_2", "1_2", "1_2", "1_2"),
        ("٣", "٣", "٣", "٣"),
        ("74e02ee1-4e2f-4a6e-a78b-4b247d756a22",) * 4,
        (
            "74E02EE1-4E2F-4A6E-A78B-4B247D756A22",
            "74e02ee1-4e2f-4a6e-a78b-4b247d756a22",
            *("74E02EE1-4E2F-4A6E-A78B-4B247D756A22",) * 2,
        ),
        ("f" * 5000,) * 4,  # beyond what Python converts to a decimal string
    ],
)
def test_ids_are_compared_by_the_links_rule(message_id: str, caseless: str, hexadecimal: str, decimal: str) -> None:
    assert normalise_id(message_id, "text") == message_id
    assert normalise_id(message_id, "caseless") == caseless
    assert normalise_id(message_id, "hex") == hexadecimal
    assert normalise_id(message_id, "decimal") == decimal


@given(st.integers(0, 2**64 - 1), st.integers(0, 4))
def test_a_hexadecimal_answer_meets_its_decimal_receipt(number: int, zeros: int) -> None:
    for answer in (f"{number:x}", f"{number:X}", f"{number:016x}"):
        assert normalise_id(answer, "hex") == normalise_id("0" * zeros + str(number), "decimal")


@given(st.text(), st.sampled_from(["text", "caseless", "hex", "decimal"]))
def test_comparing_never_raises_and_text_is_opaque(message_id: str, kind: str) -> None:
    normalised = normalise_id(message_id, kind)
    if kind == "text":
        assert normalised == message_id


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_receipt_is_written_as_appendix_b_prints_it() -> None:
    assert format_receipt(
        "0123456789", 2, submitted=SUBMITTED, done=SUBMITTED + 119, text=b"A text of more than twenty"
    ) == (
        b"id:0123456789 sub:001 dlvrd:001 submit date:2411230910 done date:2411230911 stat:DELIVRD err:000"
        b" text:A text of more than "
    )
    assert format_receipt("x", 5, submitted=SUBMITTED, done=SUBMITTED, error="011") == (
        b"id:x sub:001 dlvrd:000 submit date:2411230910 done date:2411230910 stat:UNDELIV err:011 text:"
    )
    assert b" stat:UNKNOWN " in format_receipt("x", 99, submitted=SUBMITTED, done=SUBMITTED)


def test_receipt_tlvs_hold_a_c_octet_string_and_one_octet() -> None:
    assert receipt_tlvs("38601fa", 2) == ((TAG_RECEIPTED_MESSAGE_ID, b"38601fa\0"), (TAG_MESSAGE_STATE, b"\x02"))


@given(
    st.from_regex(r"[!-~]{1,64}", fullmatch=True),
    st.sampled_from(sorted(STATE_WORDS)),
    st.from_regex(r"[0-9A-Za-z]{1,8}", fullmatch=True),
    st.binary(max_size=30),
    st.integers(0, 4_000_000_000),
)
def test_what_we_write_we_read(message_id: str, state: int, error: str, text: bytes, submitted: int) -> None:
    body = format_receipt(message_id, state, submitted=submitted, done=submitted + 60, error=error, text=text)
    receipt = read(body)
    assert receipt.message_id == message_id
    assert (receipt.state, receipt.state_word) == (state, STATE_WORDS[state])
    assert receipt.final == (STATE_OUTCOME[state] is not None)
    assert receipt.error == error
    assert receipt.text == text[:20].decode("latin-1").rstrip("\0")
    by_tlvs = parse_receipt(DeliverSM(esm_class=0x04, short_message=body, tlvs=receipt_tlvs(message_id, state)))
    assert by_tlvs == receipt
