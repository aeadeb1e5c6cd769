"""The codec: round trips, what is taken from peers, what is refused to our own side, and the generated code."""

from __future__ import annotations

import re
import subprocess
import sys
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smppcore import codegen
from smppcore import constants as c
from smppcore.errors import DecodeError, LocalProtocolError
from smppcore.pdu import (
    HEADER,
    PDU_CLASSES,
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    BroadcastSMResp,
    CancelSMResp,
    DataSMResp,
    DeliverSM,
    DeliverSMResp,
    DistributionList,
    EnquireLink,
    GenericNack,
    Outbind,
    Pdu,
    QuerySM,
    QuerySMResp,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSM,
    SubmitSMResp,
    UnsuccessSme,
    decode,
    encode,
    response_class,
    response_to,
)
from tests.strategies import any_pdus, error_responses, pdus
from tests.wire import MALFORMED, Malformed

REQUESTS = [cls for cls in PDU_CLASSES if not cls.command_id & c.RESPONSE_BIT]
RESPONSES = [cls for cls in PDU_CLASSES if cls.command_id & c.RESPONSE_BIT]
MESSAGE = SubmitSM(
    b"CMT", 1, 1, b"12345", 1, 1, b"447700900123", short_message=b"hello", sequence_number=7, tlvs=[(0x1400, b"v")]
)


def frame(command_id: int, body: bytes = b"", command_status: int = 0, sequence_number: int = 1) -> bytes:
    return HEADER.pack(16 + len(body), command_id, command_status, sequence_number) + body


# Round trips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu_class", PDU_CLASSES, ids=lambda cls: cls.name)
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_encoded_is_decoded(pdu_class: type[Pdu], data: st.DataObject) -> None:
    pdu = data.draw(pdus(pdu_class))
    before = deepcopy(pdu)
    octets = encode(pdu)
    assert decode(octets) == pdu
    assert encode(decode(octets)) == octets
    assert pdu == before
    assert int.from_bytes(octets[:4], "big") == len(octets)


@pytest.mark.parametrize("pdu_class", RESPONSES, ids=lambda cls: cls.name)
@settings(max_examples=20)
@given(data=st.data())
def test_error_responses_are_sixteen_octets(pdu_class: type[Pdu], data: st.DataObject) -> None:
    pdu = data.draw(error_responses(pdu_class))
    octets = encode(pdu)
    assert len(octets) == 16
    assert decode(octets) == pdu


@given(pdu=any_pdus(), before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_position_in_a_buffer_does_not_matter(pdu: Pdu, before: bytes, after: bytes) -> None:
    octets = encode(pdu)
    assert decode(before + octets + after, len(before), len(before) + len(octets)) == pdu


@given(octets=st.binary(max_size=80), command_id=st.sampled_from(PDU_CLASSES).map(lambda cls: cls.command_id))
def test_any_body_is_a_pdu_or_a_decode_error_of_that_pdu(octets: bytes, command_id: int) -> None:
    try:
        assert decode(frame(command_id, octets, 0, 99)).sequence_number == 99
    except DecodeError as error:
        found = error
    else:
        return
    assert (found.command_id, found.sequence_number) == (command_id, 99)
    assert found.command_status != 0


# What is taken from peers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu_class", RESPONSES, ids=lambda cls: cls.name)
@settings(max_examples=20)
@given(junk=st.binary(max_size=60), status=st.integers(1, 0xFFFFFFFF))
def test_error_response_with_any_body_is_taken(pdu_class: type[Pdu], junk: bytes, status: int) -> None:
    pdu = decode(frame(pdu_class.command_id, junk, status, 5))
    assert type(pdu) is pdu_class
    assert (pdu.command_status, pdu.sequence_number) == (status, 5)


def test_unreadable_body_of_an_error_response_leaves_defaults() -> None:
    assert decode(frame(c.QUERY_SM_RESP, b"id\0", 0x67)) == QuerySMResp(command_status=0x67, sequence_number=1)
    octets = frame(c.SUBMIT_MULTI_RESP, b"id\0\x05", 0x45)
    assert decode(octets) == SubmitMultiResp(command_status=0x45, sequence_number=1)


@pytest.mark.parametrize("pdu_class", [SubmitSMResp, DeliverSMResp, DataSMResp, BroadcastSMResp])
def test_message_id_of_a_response_may_be_anything(pdu_class: type[SubmitSMResp]) -> None:
    for body, message_id in ((b"", b""), (b"\0", b""), (b"abc", b"abc"), (b"x" * 100 + b"\0", b"x" * 100)):
        assert decode(frame(pdu_class.command_id, body)) == pdu_class(message_id, sequence_number=1)


def test_octets_after_a_responses_message_id_that_are_no_tlvs_are_ignored() -> None:
    assert decode(frame(c.SUBMIT_SM_RESP, b"id\0\x01\x02")) == SubmitSMResp(b"id", sequence_number=1)


def test_tlvs_are_kept_even_where_none_are_defined() -> None:
    assert decode(frame(c.CANCEL_SM_RESP, b"\x04\x28\0\x01\x50")) == CancelSMResp(
        sequence_number=1, tlvs=[(c.TAG_CONGESTION_STATE, b"\x50")]
    )


@pytest.mark.parametrize("pdu_class", [EnquireLink, Outbind, BindTransceiver, QuerySM])
def test_extra_octets_where_no_tlvs_are_defined_are_ignored(pdu_class: type[Pdu]) -> None:
    octets = encode(pdu_class(sequence_number=3)) + b"\xff\xff\xff"
    assert decode(len(octets).to_bytes(4, "big") + octets[4:]) == pdu_class(sequence_number=3)


def test_text_may_hold_nuls_and_255_octets() -> None:
    pdu = DeliverSM(short_message=b"\0" * 255, sequence_number=1)
    assert decode(encode(pdu)) == pdu


def test_request_keeps_a_command_status_that_it_should_not_have() -> None:
    assert decode(frame(c.ENQUIRE_LINK, b"", 0x58)).command_status == 0x58


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_decoded_fields_are_bytes_whatever_the_buffer(kind: type) -> None:
    pdu = decode(kind(encode(MESSAGE)))
    assert isinstance(pdu, SubmitSM)
    assert type(pdu.source_addr) is type(pdu.short_message) is type(pdu.tlvs[0][1]) is bytes


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_malformed_pdu_names_the_field_and_the_status(case: Malformed) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(case.octets)
    error = caught.value
    assert (error.field, error.command_status) == (case.field, case.command_status)
    if len(case.octets) >= 16:
        assert error.command_id == int.from_bytes(case.octets[4:8], "big")
        assert error.sequence_number == int.from_bytes(case.octets[12:16], "big")
    assert error.reason in str(error)


@pytest.mark.parametrize("end", range(17, 17 + 12))
def test_pdu_that_ends_early_names_the_first_missing_field(end: int) -> None:
    # service_type "", TON, NPI, "123", TON, NPI, "4", …
    octets = frame(c.SUBMIT_SM, b"\0\x01\x01123\0\x01\x014\0\0\0\0")[:end]
    expected = {
        17: "source_addr_ton", 18: "source_addr_npi", 19: "source_addr", 20: "source_addr", 21: "source_addr",
        22: "source_addr", 23: "dest_addr_ton", 24: "dest_addr_npi", 25: "destination_addr", 26: "destination_addr",
        27: "esm_class", 28: "protocol_id",
    }  # fmt: skip
    with pytest.raises(DecodeError) as caught:
        decode(end.to_bytes(4, "big") + octets[4:])
    assert caught.value.field == expected[end]


@given(octets=st.binary(max_size=15))
def test_less_than_a_header_is_a_decode_error(octets: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^command_length: ") as caught:
        decode(octets)
    assert caught.value.command_status == c.ESME_RINVCMDLEN


# What is refused to our own side --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdu", "field", "command_status"),
    [
        (SubmitSM(service_type=b"123456"), "service_type", c.ESME_RINVSERTYP),
        (SubmitSM(source_addr=b"1" * 21), "source_addr", c.ESME_RINVSRCADR),
        (SubmitSM(destination_addr=b"1\0"), "destination_addr", c.ESME_RINVDSTADR),
        (SubmitSM(destination_addr="447700900123"), "destination_addr", c.ESME_RINVDSTADR),  # type: ignore[arg-type]
        (SubmitSM(schedule_delivery_time=b"0" * 17), "schedule_delivery_time", c.ESME_RINVSCHED),
        (SubmitSM(validity_period=b"0" * 17), "validity_period", c.ESME_RINVEXPIRY),
        (SubmitSM(esm_class=256), "esm_class", c.ESME_RINVMSGLEN),
        (SubmitSM(data_coding=-1), "data_coding", c.ESME_RINVMSGLEN),
        (SubmitSM(priority_flag=None), "priority_flag", c.ESME_RINVMSGLEN),  # type: ignore[arg-type]
        (SubmitSM(short_message=bytes(256)), "short_message", c.ESME_RINVMSGLEN),
        (SubmitSM(short_message="hello"), "short_message", c.ESME_RINVMSGLEN),  # type: ignore[arg-type]
        (SubmitSM(tlvs=[(0x10000, b"")]), "tlvs", c.ESME_RINVOPTPARSTREAM),
        (SubmitSM(tlvs=[(0x0424, bytes(65536))]), "tlvs", c.ESME_RINVOPTPARSTREAM),
        (SubmitSM(tlvs=[(0x0424, "text")]), "tlvs", c.ESME_RINVOPTPARSTREAM),  # type: ignore[list-item]
        (SubmitSM(tlvs=[(0x0424,)]), "tlvs", c.ESME_RINVOPTPARSTREAM),  # type: ignore[list-item]
        (EnquireLink(sequence_number=-1), "sequence_number", c.ESME_RINVMSGLEN),
        (EnquireLink(command_status=1 << 32), "command_status", c.ESME_RINVMSGLEN),
        (BindTransceiver(system_id=b"s" * 16), "system_id", c.ESME_RINVSYSID),
        (BindTransceiver(password=b"p" * 9), "password", c.ESME_RINVPASWD),
        (BindTransceiver(system_type=b"t" * 13), "system_type", c.ESME_RINVSYSTYP),
        (BindTransceiver(address_range=b"a" * 41), "address_range", c.ESME_RBINDFAIL),
        (SubmitSMResp(b"x" * 65), "message_id", c.ESME_RINVMSGLEN),
        (QuerySM(b"x" * 65), "message_id", c.ESME_RINVMSGID),
        (SubmitMulti(), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[DistributionList(b"x")] * 256), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[DistributionList(b"x" * 21)]), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[SmeAddress(1, 1, b"4" * 21)]), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[SmeAddress(256, 1, b"4")]), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[SmeAddress(1, -1, b"4")]), "dest_address", c.ESME_RINVNUMDESTS),
        (SubmitMulti(dest_address=[b"4477"]), "dest_address", c.ESME_RINVNUMDESTS),  # type: ignore[list-item]
        (SubmitMulti(dest_address=None), "dest_address", c.ESME_RINVNUMDESTS),  # type: ignore[arg-type]
        (SubmitMulti(dest_address=[DistributionList(b"x")], esm_class=256), "esm_class", c.ESME_RINVMSGLEN),
        (SubmitMultiResp(unsuccess_sme=[UnsuccessSme()] * 256), "unsuccess_sme", c.ESME_RINVMSGLEN),
        (SubmitMultiResp(unsuccess_sme=[UnsuccessSme(1, 1, b"4", -1)]), "unsuccess_sme", c.ESME_RINVMSGLEN),
        (SubmitMultiResp(unsuccess_sme=[(1, 1, b"4", 0)]), "unsuccess_sme", c.ESME_RINVMSGLEN),  # type: ignore[list-item]
    ],
)
def test_value_that_does_not_fit_is_refused_by_name(pdu: Pdu, field: str, command_status: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{pdu.name}: {field}: ") as caught:
        encode(pdu)
    assert (caught.value.field, caught.value.command_status) == (field, command_status)


def test_longest_values_fit() -> None:
    pdu = SubmitMulti(
        b"s" * 5, 255, 255, b"1" * 20, [SmeAddress(255, 255, b"2" * 20), DistributionList(b"l" * 20)] * 127,
        255, 255, 255, b"3" * 16, b"4" * 16, 255, 255, 255, 255, b"5" * 255,
        command_status=0, sequence_number=0xFFFFFFFF, tlvs=[(0xFFFF, bytes(65535))],
    )  # fmt: skip
    assert decode(encode(pdu)) == pdu


def test_body_of_an_error_response_is_left_out() -> None:
    assert len(encode(SubmitSMResp(b"id", command_status=0x58, tlvs=[(0x0428, b"\x50")]))) == 16
    assert len(encode(BindTransceiverResp(b"SMSC", command_status=0x0E))) == 16


@pytest.mark.parametrize("pdu_class", [DataSMResp, BroadcastSMResp])
def test_error_response_keeps_tlvs_that_explain_it(pdu_class: type[DataSMResp]) -> None:
    pdu = pdu_class(b"id", command_status=0xFE, sequence_number=1, tlvs=[(c.TAG_DELIVERY_FAILURE_REASON, b"\x02")])
    assert decode(encode(pdu)) == pdu
    assert len(encode(pdu_class(b"id", command_status=0xFE))) == 16


# The classes ----------------------------------------------------------------------------------------------------------


def test_constructor_takes_the_fields_in_the_order_of_the_wire() -> None:
    assert MESSAGE.source_addr == b"12345"
    assert MESSAGE.destination_addr == b"447700900123"
    assert BindTransceiver(b"id", b"secret", b"", 0x50).interface_version == 0x50
    with pytest.raises(TypeError):
        EnquireLink(0)  # type: ignore[call-arg]


def test_tlv_returns_the_first_of_a_tag() -> None:
    pdu = DeliverSM(tlvs=[(1, b"a"), (2, b"b"), (1, b"c")])
    assert pdu.tlv(1) == b"a"
    assert pdu.tlv(2) == b"b"
    assert pdu.tlv(3) is None


def test_equality_is_of_class_and_wire_values() -> None:
    mine, yours = SubmitSM(tlvs=((1, b"a"),), context="mine"), SubmitSM(tlvs=[(1, b"a")], context="yours")
    assert mine == yours
    assert not mine != yours  # noqa: SIM202 - what != answers is a method of its own
    assert SubmitSM() != SubmitSM(sequence_number=1)
    assert SubmitSM() != SubmitSM(tlvs=[(1, b"a")])
    assert SubmitSM() != DeliverSM()
    assert SubmitSM() != b""


def test_pdus_have_slots_and_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(SubmitSM())
    with pytest.raises(AttributeError):
        SubmitSM().address = b""  # type: ignore[attr-defined]


def test_repr_hides_the_password() -> None:
    assert "secret" not in repr(BindTransceiver(b"id", b"secret"))
    assert "secret" not in repr(Outbind(b"id", b"secret"))


def test_names_are_those_of_the_constants_and_ids_differ() -> None:
    assert all(cls.name == c.command_name(cls.command_id) for cls in PDU_CLASSES)
    assert len({cls.command_id for cls in PDU_CLASSES}) == len(PDU_CLASSES) == 33


def test_responses_answer_their_requests() -> None:
    without = {cls for cls in REQUESTS if response_class(cls.command_id) is None}
    assert without == {Outbind, AlertNotification}
    for cls in REQUESTS:
        answer = response_to(cls(sequence_number=9), 0x58)
        assert (answer.command_status, answer.sequence_number) == (0x58, 9)
        assert answer.command_id == (c.GENERIC_NACK if cls in without else cls.command_id | c.RESPONSE_BIT)
    for cls in RESPONSES:
        assert response_class(cls.command_id) is None
        assert type(response_to(cls())) is GenericNack
    assert response_class(0) is None
    assert response_class(0x10200) is None


# The generated code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu_class", PDU_CLASSES, ids=lambda cls: cls.name)
def test_generated_source_compiles_and_names_every_field(pdu_class: type[Pdu]) -> None:
    for source in (codegen.decoder_source(pdu_class), codegen.encoder_source(pdu_class)):
        compile(source, pdu_class.name, "exec")
        assert all(re.search(rf"\b{name}\b", source) for name in codegen.layout(pdu_class))


def test_the_command_that_prints_generated_source_works() -> None:
    command = next(line.strip() for line in (codegen.__doc__ or "").splitlines() if "python -c" in line)
    script = command.split('"')[1]
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == codegen.decoder_source(DeliverSM).strip()
