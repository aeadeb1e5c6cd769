"""Taking PDUs apart, and hiding what is in them: whatever the octets, nothing raises and nothing moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore import constants as c
from smppcore.codegen import layout
from smppcore.dissect.anatomy import take_apart
from smppcore.dissect.masking import mask, mask_number, mask_passwords
from smppcore.errors import DecodeError
from smppcore.fields import Entries
from smppcore.pdu import BindTransceiver, DeliverSM, Outbind, Pdu, SubmitMulti, SubmitSM, decode, encode
from tests.strategies import any_pdus
from tests.wire import MALFORMED, VECTORS, with_length


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A PDU that was cut, lengthened or changed somewhere, with a command_length that fits."""
    octets = bytearray(encode(draw(any_pdus())))
    for _ in range(draw(st.integers(0, 3))):
        if len(octets) > 16:
            octets[draw(st.integers(16, len(octets) - 1))] = draw(st.integers(0, 255))
    octets = octets[: draw(st.integers(16, len(octets)))] + draw(st.binary(max_size=5))
    return with_length(bytes(octets))


def decodes(octets: bytes) -> str:
    """The field at fault, "" if it decodes."""
    try:
        decode(octets)
    except DecodeError as error:
        return error.field
    return ""


@given(any_pdus())
def test_what_decodes_is_taken_apart_into_the_same_values(pdu: Pdu) -> None:
    octets = encode(pdu)
    anatomy = take_apart(octets)
    whole = decode(octets)
    assert anatomy.error is None
    for name, kind in layout(type(whole)).items():
        if not isinstance(kind, Entries) and len(octets) > 16:
            assert anatomy.value(name) == getattr(whole, name)
    if anatomy.end == len(octets) and type(whole).tlvs_defined:
        assert [(tlv.tag, tlv.value) for tlv in anatomy.tlvs] == list(whole.tlvs)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_spans_follow_each_other_without_a_hole(vector: object) -> None:
    anatomy = take_apart(vector.octets)  # type: ignore[attr-defined]
    position = 0
    for span in anatomy.spans:
        assert span.start == position
        position = span.end


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda malformed: malformed.name)
def test_a_fault_has_its_field_and_a_place_in_the_pdu(malformed: object) -> None:
    anatomy = take_apart(malformed.octets)  # type: ignore[attr-defined]
    assert anatomy.error is not None
    assert anatomy.error.field == malformed.field  # type: ignore[attr-defined]
    assert 0 <= anatomy.end <= len(anatomy.octets)


@pytest.mark.parametrize(
    ("cut", "end"),
    [(40, 30), (20, 19), (17, 17)],
    ids=["within destination_addr", "within source_addr", "before source_addr_ton"],
)
def test_what_comes_before_a_fault_is_still_seen(cut: int, end: int) -> None:
    octets = encode(SubmitSM(source_addr=b"12345678", destination_addr=b"15551234567", short_message=b"hi"))
    anatomy = take_apart(with_length(octets[:cut]))
    assert anatomy.end == end
    assert anatomy.error is not None
    assert anatomy.value("service_type") == b""


def test_the_lists_of_submit_multi_are_named_by_their_place() -> None:
    octets = bytes.fromhex("00000000000000210000000000000001000000000201010133340002414200" + "00" * 10)
    anatomy = take_apart(with_length(octets))
    assert anatomy.error is None
    assert isinstance(anatomy.pdu, SubmitMulti)
    assert anatomy.value("number_of_dests") == 2
    assert anatomy.value("dest_address[0].destination_addr") == b"34"
    assert anatomy.value("dest_address[1].dl_name") == b"AB"


@given(st.one_of(st.binary(max_size=80), broken()))
def test_anything_is_taken_apart_and_hidden_without_moving(octets: bytes) -> None:
    anatomy = take_apart(octets)
    hidden = mask(octets)
    assert len(hidden) == len(mask_passwords(octets)) == len(octets)
    assert mask(hidden) == hidden
    assert decodes(hidden) == decodes(octets)
    assert [(span.name, span.start) for span in take_apart(hidden).spans] == [
        (span.name, span.start) for span in anatomy.spans
    ]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (b"12025550102", b"1202*******"),
        (b"+12025550102", b"+1202*******"),
        (b"60606", b"60606"),
        (b"AcmeParcels", b"AcmeParcels"),
        (b"", b""),
    ],
)
def test_numbers_of_people_are_cut_after_their_network(number: bytes, shown: bytes) -> None:
    assert mask_number(number) == shown


def texts(pdu: Pdu) -> bytes:
    shown = decode(mask(encode(pdu)))
    assert isinstance(shown, SubmitSM | DeliverSM)
    return shown.short_message or shown.tlv(c.TAG_MESSAGE_PAYLOAD) or b""


def test_texts_are_hidden_in_their_own_alphabet() -> None:
    assert texts(SubmitSM(destination_addr=b"1", short_message=b"secret")) == b"******"
    ucs2 = "тайна".encode("utf-16-be")
    assert texts(SubmitSM(data_coding=8, short_message=ucs2)).decode("utf-16-be") == "*****"
    assert texts(SubmitSM(data_coding=8, short_message=ucs2 + b"x"))[-1:] == b"*"
    assert texts(DeliverSM(tlvs=[(c.TAG_MESSAGE_PAYLOAD, b"secret")])) == b"******"
    header = bytes.fromhex("050003a70201")
    assert texts(DeliverSM(esm_class=0x40, short_message=header + b"secret")) == header + b"******"


def test_a_receipt_keeps_what_it_is_for() -> None:
    body = b"id:7 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:Dear Ann"
    assert texts(DeliverSM(esm_class=4, short_message=body)) == body.replace(b"Dear Ann", b"********")
    assert texts(DeliverSM(esm_class=4, short_message=b"Dear Ann")) == b"********"


def test_what_only_a_vendor_knows_is_hidden() -> None:
    tlvs = [(0x1400, b"12025550102"), (c.TAG_CALLBACK_NUM, b"\x01\x01\x0112025550102"), (c.TAG_SOURCE_PORT, b"\0\x07")]
    shown = decode(mask(encode(SubmitSM(tlvs=tlvs))))
    assert list(shown.tlvs) == [(0x1400, b"*" * 11), (tlvs[1][0], b"\x01\x01\x011202*******"), tlvs[2]]


@pytest.mark.parametrize(
    "octets",
    [
        encode(BindTransceiver(b"esme", b"s3cret", b"type")),
        encode(Outbind(b"smsc", b"s3cret")),
        with_length(encode(BindTransceiver(b"esme", b"s3cret"))[:26]),
        with_length(encode(BindTransceiver(b"esme"))[:21] + b"s3crets3crets3cret\0"),
        with_length(encode(BindTransceiver())[:16] + b"a-system-id-too-long\0s3cret\0"),
        encode(BindTransceiver(b"esme", b"s3cret")) + b"more",
    ],
    ids=["bind", "outbind", "cut within", "too long", "after a bad system_id", "bad command_length"],
)
def test_a_password_is_never_shown(octets: bytes) -> None:
    for hidden in (mask_passwords(octets), mask(octets)):
        assert b"s3c" not in hidden
        assert len(hidden) == len(octets)
