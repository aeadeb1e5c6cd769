"""What a strict server says of values: the field and the status, one case a rule."""

from __future__ import annotations

from typing import Any

import pytest

from smppcore import constants as c
from smppcore.pdu import (
    BindTransceiver,
    BroadcastSM,
    CancelSM,
    DataSM,
    DeliverSM,
    DistributionList,
    EnquireLink,
    Pdu,
    QuerySM,
    ReplaceSM,
    SmeAddress,
    SubmitMulti,
    SubmitSM,
)
from smppcore.tlvs import ALLOWED_TLVS, TLV_RULES
from smppcore.validation import is_time, time_at, validate

V34, V50 = c.VERSION_34, c.VERSION_50
UDH = b"\x05\x00\x03\x07\x02\x01"
PAYLOAD = (c.TAG_MESSAGE_PAYLOAD, b"text")
AREA = [
    (c.TAG_BROADCAST_AREA_IDENTIFIER, b"\x01here"),
    (c.TAG_BROADCAST_CONTENT_TYPE, b"\0\0\x33"),
    (c.TAG_BROADCAST_REP_NUM, b"\0\x01"),
    (c.TAG_BROADCAST_FREQUENCY_INTERVAL, b"\x08\0\x03"),
]


def submit(**fields: Any) -> SubmitSM:
    return SubmitSM(**({"destination_addr": b"447700900123", "short_message": b"hello"} | fields))


@pytest.mark.parametrize(
    "pdu",
    [
        submit(),
        submit(source_addr_ton=6, source_addr_npi=18, dest_addr_ton=6, dest_addr_npi=14),
        submit(esm_class=c.ESM_TYPE_USER_ACK | c.ESM_MODE_STORE_AND_FORWARD),
        submit(esm_class=c.ESM_UDHI, short_message=UDH + b"part"),
        submit(schedule_delivery_time=b"991231235959948-", validity_period=b"020610233429000R"),
        submit(registered_delivery=0x1E, priority_flag=3, replace_if_present_flag=1),
        submit(short_message=b"", sm_default_msg_id=254),
        submit(data_coding=0xF4),
        submit(short_message=b"", tlvs=[PAYLOAD]),
        submit(tlvs=[(0x1400, b""), (c.TAG_SOURCE_PORT, b"\0\x01"), (c.TAG_ALERT_ON_MESSAGE_DELIVERY, b"")]),
        DataSM(destination_addr=b"4477", tlvs=[PAYLOAD], esm_class=c.ESM_MODE_TRANSACTION),
        SubmitMulti(dest_address=[SmeAddress(1, 1, b"4477"), DistributionList(b"list")], short_message=b"hello"),
        ReplaceSM(b"id", short_message=b"hello"),
        QuerySM(b"id", 1, 1, b"12345"),
        CancelSM(message_id=b"id"),
        BroadcastSM(tlvs=AREA),
    ],
)
@pytest.mark.parametrize("version", [V34, V50])
def test_good_submissions_pass(pdu: Pdu, version: int) -> None:
    assert validate(pdu, version) is None


@pytest.mark.parametrize(
    "pdu",
    [DeliverSM(source_addr_ton=99, esm_class=0xFF, data_coding=0x99), BindTransceiver(addr_ton=99), EnquireLink()],
)
def test_what_is_no_submission_passes(pdu: Pdu) -> None:
    assert validate(pdu) is None


@pytest.mark.parametrize(
    ("pdu", "field", "status"),
    [
        (submit(source_addr_ton=7), "source_addr_ton", c.ESME_RINVSRCTON),
        (submit(source_addr_npi=2), "source_addr_npi", c.ESME_RINVSRCNPI),
        (submit(dest_addr_ton=7), "dest_addr_ton", c.ESME_RINVDSTTON),
        (submit(dest_addr_npi=5), "dest_addr_npi", c.ESME_RINVDSTNPI),
        (submit(destination_addr=b""), "destination_addr", c.ESME_RINVDSTADR),
        (DataSM(tlvs=[PAYLOAD]), "destination_addr", c.ESME_RINVDSTADR),
        (submit(esm_class=c.ESM_TYPE_RECEIPT), "esm_class", c.ESME_RINVESMCLASS),
        (submit(esm_class=0x24), "esm_class", c.ESME_RINVESMCLASS),
        (submit(esm_class=c.ESM_UDHI, short_message=b""), "esm_class", c.ESME_RINVESMCLASS),
        (submit(esm_class=c.ESM_UDHI, short_message=UDH[:5]), "esm_class", c.ESME_RINVESMCLASS),
        (submit(priority_flag=5), "priority_flag", c.ESME_RINVPRTFLG),
        (submit(schedule_delivery_time=b"tomorrow"), "schedule_delivery_time", c.ESME_RINVSCHED),
        (submit(validity_period=b"991331235959948-"), "validity_period", c.ESME_RINVEXPIRY),
        (submit(registered_delivery=0x20), "registered_delivery", c.ESME_RINVREGDLVFLG),
        (submit(replace_if_present_flag=2), "replace_if_present_flag", c.ESME_RINVREPFLAG),
        (submit(sm_default_msg_id=1), "sm_default_msg_id", c.ESME_RINVDFTMSGID),
        (submit(short_message=b"", tlvs=[PAYLOAD], sm_default_msg_id=1), "sm_default_msg_id", c.ESME_RINVDFTMSGID),
        (submit(tlvs=[(c.TAG_SOURCE_PORT, b"\x01")]), "source_port", c.ESME_RINVPARLEN),
        (submit(tlvs=[(c.TAG_DISPLAY_TIME, b"")]), "display_time", c.ESME_RINVPARLEN),
        (
            submit(esm_class=c.ESM_UDHI, short_message=UDH + b"x", tlvs=[(c.TAG_SAR_TOTAL_SEGMENTS, b"\x02")]),
            "sar_total_segments",
            c.ESME_ROPTPARNOTALLWD,
        ),
        (DataSM(destination_addr=b"4477"), "message_payload", c.ESME_RMISSINGOPTPARAM),
        (BroadcastSM(tlvs=AREA[1:]), "broadcast_area_identifier", c.ESME_RMISSINGOPTPARAM),
        (BroadcastSM(priority_flag=5, tlvs=AREA), "priority_flag", c.ESME_RINVPRTFLG),
        (SubmitMulti(dest_address=[SmeAddress(7, 1, b"4")]), "dest_addr_ton", c.ESME_RINVDSTTON),
        (SubmitMulti(dest_address=[SmeAddress(1, 2, b"4")]), "dest_addr_npi", c.ESME_RINVDSTNPI),
        (SubmitMulti(dest_address=[SmeAddress(1, 1, b"")]), "destination_addr", c.ESME_RINVDSTADR),
        (SubmitMulti(dest_address=[DistributionList(b"")]), "dl_name", c.ESME_RINVDLNAME),
        (ReplaceSM(b"id", validity_period=b"1"), "validity_period", c.ESME_RINVEXPIRY),
        (QuerySM(b"id", 7), "source_addr_ton", c.ESME_RINVSRCTON),
        (CancelSM(dest_addr_npi=2), "dest_addr_npi", c.ESME_RINVDSTNPI),
    ],
)
@pytest.mark.parametrize("version", [V34, V50])
def test_bad_value_is_named_with_its_status(pdu: Pdu, field: str, status: int, version: int) -> None:
    assert validate(pdu, version) == (field, status)


@pytest.mark.parametrize(
    ("pdu", "in_34", "in_50"),
    [
        (submit(short_message=bytes(255)), ("sm_length", c.ESME_RINVMSGLEN), None),
        (submit(priority_flag=4), ("priority_flag", c.ESME_RINVPRTFLG), None),
        (submit(registered_delivery=3), ("registered_delivery", c.ESME_RINVREGDLVFLG), None),
        (submit(short_message=b"", sm_default_msg_id=255), ("sm_default_msg_id", c.ESME_RINVDFTMSGID), None),
        (submit(esm_class=c.ESM_MODE_TRANSACTION), ("esm_class", c.ESME_RINVESMCLASS), None),
        (submit(tlvs=[PAYLOAD]), ("message_payload", c.ESME_ROPTPARNOTALLWD), None),
        (submit(data_coding=0x0B), ("data_coding", c.ESME_RSUBMITFAIL), ("data_coding", c.ESME_RINVDCS)),
        (SubmitMulti(dest_address=[DistributionList(b"x")] * 255), ("number_of_dests", c.ESME_RINVNUMDESTS), None),
    ],
)
def test_versions_differ(pdu: Pdu, in_34: tuple[str, int], in_50: tuple[str, int] | None) -> None:
    assert validate(pdu) == in_34
    assert validate(pdu, V50) == in_50


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (b"", True),
        (b"020610233429000R", True),  # SMPP v3.4 §7.1.1.2: 2 years, 6 months, 10 days, 23:34:29
        (b"999999999999000R", True),
        (b"020610233429001R", False),
        (b"240229120000000+", True),
        (b"230229120000000+", False),
        (b"380101000000048-", True),
        (b"380101000000049-", False),
        (b"000101240000000+", False),
        (b"000001000000000+", False),
        (b"240229120000000Z", False),
        (b"24022912000000x+", False),
        (b"240229120000", False),
    ],
)
def test_times(value: bytes, good: bool) -> None:
    assert is_time(value) is good


def test_every_defined_tlv_has_a_length() -> None:
    tags = {number for name, number in vars(c).items() if name.startswith("TAG_")}
    assert set(TLV_RULES) == tags
    assert all(0 <= rule.shortest <= rule.longest <= 0xFFFF for rule in TLV_RULES.values())


@pytest.mark.parametrize(
    "tlv",
    [(c.TAG_NUMBER_OF_MESSAGES, b"\x64"), (c.TAG_CALLBACK_NUM, b"\x02\x01\x011555")],
)
def test_an_invalid_value_of_a_tlv_is_a_fault_a_reserved_one_is_not(tlv: tuple[int, bytes]) -> None:
    assert validate(submit(tlvs=[tlv])) == (c.tag_name(tlv[0]), c.ESME_RINVOPTPARAMVAL)
    assert validate(submit(tlvs=[(c.TAG_PAYLOAD_TYPE, b"\xee")])) is None


def test_a_tlv_may_stand_where_a_specification_has_it() -> None:
    state = (c.TAG_MESSAGE_STATE, b"\x02")
    assert validate(submit(tlvs=[state])) == ("message_state", c.ESME_ROPTPARNOTALLWD)
    assert validate(QuerySM(b"id", tlvs=[PAYLOAD])) == ("message_payload", c.ESME_ROPTPARNOTALLWD)
    assert validate(DataSM(destination_addr=b"4477", tlvs=[PAYLOAD, state])) is None
    for allowed in ALLOWED_TLVS.values():
        assert allowed <= TLV_RULES.keys()


@pytest.mark.parametrize(
    "pdu",
    [
        submit(data_coding=0x0B),
        submit(tlvs=[PAYLOAD]),
        submit(tlvs=[(c.TAG_MESSAGE_STATE, b"\x02")]),
        submit(sm_default_msg_id=3),
        submit(esm_class=c.ESM_UDHI, short_message=UDH + b"part", tlvs=[(c.TAG_SOURCE_PORT, b"\0\x01")]),
    ],
)
def test_only_the_strict_refuse_what_harms_nobody(pdu: Pdu) -> None:
    assert validate(pdu) is not None
    assert validate(pdu, strict=False) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"260101000000000+", 1_767_225_600.0),
        (b"260101010000004+", 1_767_225_600.0),
        (b"251231230000004-", 1_767_225_600.0),
        (b"260101000000500+", 1_767_225_600.5),
        (b"020610233429000R", 1000.0 + (2 * 365 + 6 * 30 + 10) * 86400 + 23 * 3600 + 34 * 60 + 29),
    ],
)
def test_when_a_time_is(value: bytes, seconds: float) -> None:
    assert time_at(value, 1000.0) == seconds
