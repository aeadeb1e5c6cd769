"""smpplib and our codec read each other's octets alike, for every PDU and TLV that both know.

What smpplib cannot do is listed, not skipped: a PDU that it learns fails `test_smpplib_knows_these_pdus`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import consts
from smpplib.exceptions import UnknownCommandError
from smpplib.ptypes import ostr
from smpplib.smpp import make_pdu, parse_pdu

from smppcore.codegen import layout
from smppcore.constants import RESPONSE_BIT
from smppcore.fields import COctets, Integer, Kind
from smppcore.pdu import (
    PDU_CLASSES,
    BroadcastSM,
    BroadcastSMResp,
    CancelBroadcastSM,
    CancelBroadcastSMResp,
    CancelSM,
    CancelSMResp,
    Outbind,
    Pdu,
    QueryBroadcastSM,
    QueryBroadcastSMResp,
    ReplaceSM,
    ReplaceSMResp,
    SubmitMulti,
    SubmitMultiResp,
    decode,
    encode,
)
from tests.strategies import pdus

UNKNOWN_TO_SMPPLIB = {
    Outbind, SubmitMulti, SubmitMultiResp, CancelSM, CancelSMResp, ReplaceSM, ReplaceSMResp, BroadcastSM,
    BroadcastSMResp, QueryBroadcastSM, QueryBroadcastSMResp, CancelBroadcastSM, CancelBroadcastSMResp,
}  # fmt: skip
KNOWN = [cls for cls in PDU_CLASSES if cls not in UNKNOWN_TO_SMPPLIB]
TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=4)


def tlv_parameters() -> list[tuple[type[Pdu], str]]:
    """Every TLV of every PDU that smpplib declares."""
    return [
        (cls, name)
        for cls in KNOWN
        for name in make_pdu(cls.name, sequence=1).params
        if name in consts.OPTIONAL_PARAMS and name not in layout(cls)
    ]


def theirs(pdu_class: type[Pdu], **values: object) -> Any:
    """Make smpplib's object of a PDU."""
    pdu = make_pdu(pdu_class.name, sequence=1)
    for name, value in values.items():
        setattr(pdu, name, value)
    return pdu


def parse(octets: bytes) -> Any:
    return parse_pdu(octets, sequence=1, allow_unknown_opt_params=True)


def sendable(kind: Kind) -> st.SearchStrategy[object]:
    """What smpplib can send in a field: str for C-octet strings, and no address above 20 characters even in data_sm."""
    if isinstance(kind, Integer):
        return st.integers(0, 255)
    return TEXT if isinstance(kind, COctets) else st.binary(max_size=255)


def test_smpplib_knows_these_pdus() -> None:
    for cls in PDU_CLASSES:
        if cls in UNKNOWN_TO_SMPPLIB:
            with pytest.raises(UnknownCommandError):
                make_pdu(cls.name, sequence=1)
        else:
            assert set(layout(cls)) <= set(make_pdu(cls.name, sequence=1).params)


@pytest.mark.parametrize("pdu_class", KNOWN, ids=lambda cls: cls.name)
@settings(max_examples=40)
@given(data=st.data())
def test_smpplib_reads_what_we_write(pdu_class: type[Pdu], data: st.DataObject) -> None:
    pdu = data.draw(pdus(pdu_class, st.just(())))
    read = parse(encode(pdu))
    assert (read.command, read.status, read.sequence) == (pdu.name, pdu.command_status, pdu.sequence_number)
    for name in layout(pdu_class):
        expected = getattr(pdu, name)
        if name == "short_message" and not expected:
            expected = None  # smpplib stops where the PDU ends, and leaves what it has not come to unset
        assert getattr(read, name) == expected, name


@pytest.mark.parametrize("pdu_class", KNOWN, ids=lambda cls: cls.name)
@settings(max_examples=40)
@given(data=st.data())
def test_we_read_what_smpplib_writes(pdu_class: type[Pdu], data: st.DataObject) -> None:
    values = {name: data.draw(sendable(kind)) for name, kind in layout(pdu_class).items()}
    if pdu_class.name == "query_sm":
        values["message_id"] = "m" + str(values["message_id"])  # smpplib refuses an empty one
    status = data.draw(st.integers(0, 0xFF)) if not pdu_class.command_id & RESPONSE_BIT else 0
    sequence = data.draw(st.integers(0, 0x7FFFFFFF))
    written = theirs(pdu_class, **values)
    written.status, written.sequence = status, sequence
    expected = {name: value.encode() if isinstance(value, str) else value for name, value in values.items()}
    arguments: dict[str, Any] = expected
    assert decode(written.generate()) == pdu_class(**arguments, command_status=status, sequence_number=sequence)


@pytest.mark.parametrize(("pdu_class", "name"), tlv_parameters(), ids=lambda each: getattr(each, "name", each))
def test_both_read_a_tlv_alike(pdu_class: type[Pdu], name: str) -> None:
    parameter = theirs(pdu_class).params[name]
    value: object
    if parameter.type is int:
        value, octets = 1, (1).to_bytes(parameter.size, "big")
    elif parameter.type is ostr:
        value = octets = b"\x01\x02\x03\x04"[: getattr(parameter, "size", 4)]
    elif parameter.type is str:
        value, octets = "ab", b"ab\0"
    else:
        assert name == "alert_on_message_delivery"  # a flag: smpplib reads it but keeps and sends nothing
        value, octets = None, b""
    tag = consts.OPTIONAL_PARAMS[name]

    mine = pdu_class(tlvs=[(tag, octets), (0x1400, b"vendor")])
    read = parse(encode(mine))
    assert getattr(read, name) == (value.encode() if isinstance(value, str) else value)

    tlvs = decode(theirs(pdu_class, message_id="1", **{name: value}).generate()).tlvs
    assert list(tlvs) == ([] if value is None else [(tag, octets)])
