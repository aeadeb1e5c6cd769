"""PDUs in words, and what is wrong with them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore import constants as c
from smppcore.dissect import meanings
from smppcore.dissect.explain import Options, explain
from smppcore.dissect.judge import SECTIONS
from smppcore.pdu import (
    BindTransceiver,
    DataSM,
    DeliverSM,
    EnquireLink,
    GenericNack,
    Pdu,
    SubmitMultiResp,
    SubmitSM,
    SubmitSMResp,
    UnsuccessSme,
    encode,
)
from smppcore.text import Alphabet
from tests.strategies import any_pdus
from tests.wire import MALFORMED, with_length

TEXT = b"The number is 12025550102"


def submit(**fields: object) -> SubmitSM:
    plain: dict[str, object] = {
        "sequence_number": 1, "source_addr": b"60606", "destination_addr": b"12025550102", "short_message": b"Hello"
    }  # fmt: skip
    return SubmitSM(**{**plain, **fields})  # type: ignore[arg-type]


def deliver(**fields: object) -> DeliverSM:
    return DeliverSM(**{"sequence_number": 1, "source_addr": b"1", "destination_addr": b"2", **fields})  # type: ignore[arg-type]


def found(pdu: Pdu | bytes, charset: Alphabet = Alphabet.GSM7) -> list[tuple[str, str]]:
    octets = pdu if isinstance(pdu, bytes) else encode(pdu)
    return [(finding.level, finding.field) for finding in explain(octets, Options(charset=charset)).findings]


def test_a_submission_in_words() -> None:
    octets = encode(submit(esm_class=0x43, registered_delivery=1, validity_period=b"000001020304000R",
                           short_message=bytes.fromhex("050003a70201") + b"Gr\x7e\x1ee \x1be5"))  # fmt: skip
    row = explain(octets).row()
    words = {value["name"]: value["meaning"] for value in row["fields"]}  # type: ignore[attr-defined]
    assert words["esm_class"] == "store and forward mode, UDHI: a user data header"
    assert words["registered_delivery"] == "receipt wanted"
    assert words["validity_period"] == "relative: in 1 d 2 h 3 min 4 s"
    assert words["schedule_delivery_time"] == "at once"
    assert row["udh"] == [
        {"name": "0x00", "offset": octets.index(b"\x05\x00\x03") + 1, "value": "a70201",
         "meaning": "concatenation: part 1 of 2, reference 167 (8 bits)"}
    ]  # fmt: skip
    assert row["text"] == "Grüße €5"
    assert row["findings"] == []
    assert (row["command"], row["length"], row["octets"]) == ("submit_sm", len(octets), octets.hex())


def test_a_receipt_in_words() -> None:
    body = b"id:7 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:Hi"
    tlvs = [(c.TAG_MESSAGE_STATE, b"\x02"), (c.TAG_NETWORK_ERROR_CODE, b"\x03\x00\x05")]
    row = explain(encode(deliver(esm_class=4, short_message=body, tlvs=tlvs))).row()
    receipt = row["receipt"]
    assert isinstance(receipt, dict)
    assert (receipt["message_id"], receipt["state"], receipt["final"]) == ("7", "DELIVERED", True)
    assert (receipt["error"], receipt["done_date"], receipt["text"]) == ("3:5", "2601020305", "Hi")
    assert [tlv["meaning"] for tlv in row["tlvs"]] == ["2, DELIVERED", "network 3 (GSM), error 5"]  # type: ignore[attr-defined]


def test_the_charset_says_what_data_coding_0_is() -> None:
    octets = encode(submit(short_message="é".encode("latin-1")))
    assert explain(octets, Options(charset=Alphabet.LATIN1)).text == "é"
    assert explain(octets).text == "\ufffd"


def test_a_national_language_and_packed_septets_are_read() -> None:
    turkish = bytes.fromhex("03240101") + b"\x1bs"
    explained = explain(encode(submit(esm_class=0x40, short_message=turkish)))
    assert explained.text == "ş"
    assert [element.meaning for element in explained.udh] == ["national language single shift table 1"]
    packed = encode(submit(short_message=bytes.fromhex("e8329bfd06")))
    assert explain(packed, Options(charset=Alphabet.GSM7_PACKED)).text == "hello"
    assert explain(packed, Options(charset=Alphabet.GSM7_PACKED)).findings == []


def test_statuses_of_lists_are_explained() -> None:
    entry = UnsuccessSme(1, 1, b"12025550102", c.ESME_RTHROTTLED)
    row = explain(encode(SubmitMultiResp(b"7", (entry,), sequence_number=1))).row()
    assert "ESME_RTHROTTLED" in json.dumps(row["fields"])


@pytest.mark.parametrize(
    ("pdu", "level", "field"),
    [
        (submit(source_addr_ton=7), "violation", "source_addr_ton"),
        (submit(dest_addr_npi=2), "violation", "dest_addr_npi"),
        (submit(validity_period=b"991399000000000+"), "violation", "validity_period"),
        (submit(command_status=8), "violation", "command_status"),
        (submit(sequence_number=0), "violation", "sequence_number"),
        (submit(short_message=b"x" * 255), "violation", "sm_length"),
        (submit(esm_class=0x40, short_message=b"\x30ab"), "violation", "esm_class"),
        (submit(tlvs=[(c.TAG_SOURCE_PORT, b"\1")]), "violation", "source_port"),
        (deliver(short_message=b"x", tlvs=[(c.TAG_MESSAGE_PAYLOAD, b"y")]), "violation", "message_payload"),
        (DataSM(destination_addr=b"1", sequence_number=1), "violation", "message_payload"),
        (submit(short_message="привет".encode("utf-16-be")), "suspicious", "data_coding"),
        (submit(short_message="hello".encode("utf-16-be")), "suspicious", "data_coding"),
        (submit(short_message="é€".encode()), "suspicious", "data_coding"),
        (submit(short_message=b"\xe9"), "suspicious", "short_message"),
        (submit(data_coding=8, short_message=b"abc"), "suspicious", "short_message"),
        (submit(data_coding=8, short_message=b"\xd8\x3d\x00a"), "suspicious", "short_message"),
        (deliver(data_coding=0x0F), "suspicious", "data_coding"),
        (submit(short_message=bytes.fromhex("050003a70201") + b"x"), "suspicious", "esm_class"),
        (submit(esm_class=0x40, short_message=bytes.fromhex("050003a70003") + b"x"), "suspicious", "short_message"),
        (submit(esm_class=0x40, short_message=b"\x02\x00\x09x"), "suspicious", "short_message"),
        (submit(tlvs=[(0x1400, b"x")]), "suspicious", "0x1400"),
        (submit(tlvs=[(0x0001, b"x")]), "suspicious", "0x0001"),
        (submit(tlvs=[(c.TAG_SOURCE_PORT, b"\0\1")] * 2), "suspicious", "source_port"),
        (submit(tlvs=[(c.TAG_SAR_TOTAL_SEGMENTS, b"\2")]), "suspicious", "sar_total_segments"),
        (submit(dest_addr_ton=1, destination_addr=b"+12025550102"), "suspicious", "destination_addr"),
        (submit(dest_addr_ton=1, destination_addr=b"0012025550102"), "suspicious", "destination_addr"),
        (submit(dest_addr_ton=1, destination_addr=b"Acme"), "suspicious", "destination_addr"),
        (submit(source_addr=b"1\n2"), "suspicious", "source_addr"),
        (submit(source_addr_ton=5, source_addr=b"TwelveLetters"), "suspicious", "source_addr"),
        (SubmitSMResp(sequence_number=1), "suspicious", "message_id"),
        (GenericNack(sequence_number=1), "suspicious", "command_status"),
        (deliver(esm_class=4, short_message=TEXT), "suspicious", "short_message"),
        (deliver(short_message=b"id:7 stat:DELIVRD"), "suspicious", "esm_class"),
        (deliver(esm_class=4, registered_delivery=1, short_message=b"id:7 stat:DELIVRD"), "suspicious",
         "registered_delivery"),
        (deliver(esm_class=4, short_message=b"id:7 stat:DELIVRD", tlvs=[(c.TAG_MESSAGE_STATE, b"\5")]), "suspicious",
         "message_state"),
        (with_length(encode(EnquireLink(sequence_number=1)) + b"\0"), "suspicious", ""),
        (bytes.fromhex("00000011800000040000000800000001") + b"\0", "suspicious", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(pdu: Pdu | bytes, level: str, field: str) -> None:
    assert (level, field) in found(pdu)


@pytest.mark.parametrize(
    "pdu",
    [
        submit(),
        submit(short_message=b"ab\x00\x00cd"),
        submit(data_coding=8, short_message="привет 🙂".encode("utf-16-be")),
        submit(data_coding=8, short_message="\ufffd".encode("utf-16-be")),
        submit(data_coding=4, short_message=bytes(range(200))),
        submit(dest_addr_ton=1, dest_addr_npi=1),
        deliver(short_message=b"hello"),
        BindTransceiver(b"esme", b"secret", sequence_number=1),
        GenericNack(command_status=3),
        SubmitSMResp(b"7", sequence_number=1),
    ],
)
def test_what_is_right_is_let_alone(pdu: Pdu) -> None:
    assert found(pdu) == []


def test_ucs2_is_not_suspicious_where_the_link_means_it() -> None:
    assert found(submit(short_message="привет".encode("utf-16-be")), Alphabet.UCS2) == []


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda malformed: malformed.name)
def test_what_cannot_be_decoded_has_an_offset_a_field_and_a_section(malformed: object) -> None:
    explained = explain(malformed.octets)  # type: ignore[attr-defined]
    assert not explained.decoded
    error = explained.findings[0]
    assert (error.level, error.field) == ("error", malformed.field)  # type: ignore[attr-defined]
    assert error.offset is not None
    assert error.section == SECTIONS.get(error.field, "")


@given(st.one_of(any_pdus().map(encode), st.binary(max_size=200)), st.sampled_from(Alphabet), st.booleans())
def test_anything_is_explained(octets: bytes, charset: Alphabet, masked: bool) -> None:
    row = explain(octets, Options(charset, masked=masked)).row()
    assert json.loads(json.dumps(row)) == row


def test_what_is_hidden_is_nowhere() -> None:
    octets = encode(submit(short_message=TEXT + b"\xff", source_addr=b"12025550102", tlvs=[(0x1400, b"12025550102")]))
    shown = json.dumps(explain(octets, Options(masked=True)).row())
    assert "5550102" not in shown
    assert TEXT.hex() not in shown
    assert b"5550102".hex() not in shown
    assert "no character for" in shown


def test_passwords_are_shown_only_when_asked_for() -> None:
    octets = encode(BindTransceiver(b"esme", b"s3cret", sequence_number=1))
    assert "s3cret" not in json.dumps(explain(octets).row())
    assert b"s3cret".hex() not in json.dumps(explain(octets).row())
    assert "s3cret" in json.dumps(explain(octets, Options(secrets=True)).row())


@pytest.mark.parametrize(
    ("coding", "words"),
    [
        (0xC8, "GSM message waiting, voicemail active, discard"),
        (0xD1, "GSM message waiting, fax inactive, store"),
        (0xF0, "GSM 7-bit, class 0 (flash)"),
        (0xF5, "GSM 8-bit data, class 1 (handset)"),
        (0x0F, "reserved"),
        (0xE8, "reserved"),
    ],
)
def test_data_codings_of_gsm(coding: int, words: str) -> None:
    assert meanings.data_coding(coding) == words


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (b"261123223000104+", "2026-11-23 22:30:00.1 +01:00"),
        (b"390101000000000-", "1939-01-01 00:00:00.0 -00:00"),
        (b"000000000000000R", "relative: in 0 s"),
        (b"tomorrow", "not a time"),
        (b"", ""),
    ],
)
def test_times(time: bytes, words: str) -> None:
    assert meanings.time(time) == words


@given(st.integers(0, 0xFFFF), st.binary(max_size=20), st.integers(0, 255))
def test_every_value_has_words(tag: int, value: bytes, number: int) -> None:
    meanings.tlv(tag, value)
    meanings.element(number, value)
    meanings.time(value)
    for name in ("protocol_id", "esm_class", "registered_delivery", "data_coding", "interface_version", "addr_npi"):
        meanings.field(name, number)
