"""The dialects of delivery receipts, read again by the module that reads receipts."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from smppcore.pdu import DataSM, DeliverSM, decode, encode
from smppcore.receipt import parse_receipt
from smppcore.testbed.dialects import DIALECTS, Dialect, Facts, write

SUBMITTED = 1_767_323_045.0  # 2026-01-02 03:04:05 UTC
SOURCE, DESTINATION = (0, 1, b"60606"), (1, 1, b"12025550101")


def facts(state: int = c.STATE_DELIVERED, text: bytes = b"hello, this is a long text") -> Facts:
    return Facts("0a1b2c", state, SOURCE, DESTINATION, SUBMITTED, SUBMITTED + 60, text)


def body(pdu: DeliverSM | DataSM) -> bytes:
    return getattr(pdu, "short_message", b"") or pdu.tlv(c.TAG_MESSAGE_PAYLOAD) or b""


@pytest.mark.parametrize("state", [c.STATE_DELIVERED, c.STATE_UNDELIVERABLE, c.STATE_EXPIRED, c.STATE_REJECTED])
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_understood(name: str, state: int) -> None:
    pdu = write(DIALECTS[name], facts(state))
    received = decode(encode(pdu))
    assert isinstance(received, DeliverSM | DataSM)
    receipt = parse_receipt(received)
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.final) == ("0a1b2c", state, True)
    assert (pdu.source_addr, pdu.destination_addr) == (DESTINATION[2], SOURCE[2])


def test_appendix_b_to_the_letter() -> None:
    assert body(write(Dialect(), facts())) == (
        b"id:0a1b2c sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 "
        b"text:hello, this is a lon"
    )
    assert b" dlvrd:000 " in body(write(Dialect(), facts(c.STATE_EXPIRED)))
    assert b"stat:UNKNOWN err:042" in body(write(Dialect(), facts(99)))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("seconds", b"submit date:260102030405 done date:260102030505"),
        ("long_dates", b"submit date:20260102030405"),
        ("smpp_dates", b"submit date:260102030405000+"),
        ("lower_case", b"stat:delivrd"),
        ("long_words", b"stat:DELIVERED"),
        ("upper_text", b" Text:hello"),
        ("short", b"id:0a1b2c stat:DELIVRD"),
        ("padded", b"a lon" + bytes(12)),
        ("ucs2", "id:0a1b2c sub".encode("utf-16-be")),
    ],
)
def test_dialects_differ_where_they_say(name: str, part: bytes) -> None:
    assert part in body(write(DIALECTS[name], facts()))


def test_what_is_not_text_is_elsewhere() -> None:
    assert write(DIALECTS["ucs2"], facts()).data_coding == c.DATA_CODING_UCS2
    assert write(DIALECTS["tlvs_only"], facts()).tlvs[1] == (c.TAG_MESSAGE_STATE, b"\2")
    assert write(DIALECTS["bare_id_tlv"], facts()).tlvs[0] == (c.TAG_RECEIPTED_MESSAGE_ID, b"0a1b2c")
    assert (c.TAG_NETWORK_ERROR_CODE, b"\3\0\0") in write(DIALECTS["network_error"], facts()).tlvs
    assert (c.TAG_NETWORK_ERROR_CODE, b"\3\0\x1b") in write(DIALECTS["network_error"], facts(c.STATE_EXPIRED)).tlvs
    data_sm = write(DIALECTS["data_sm"], facts())
    assert isinstance(data_sm, DataSM)
    assert isinstance(write(DIALECTS["payload"], facts()), DeliverSM)
    bare = write(Dialect(pdu="data_sm", text="", ucs2=True), facts())
    assert (bare.data_coding, bare.tlv(c.TAG_MESSAGE_PAYLOAD)) == (c.DATA_CODING_UCS2, None)


def test_an_intermediate_notification_is_not_final() -> None:
    pdu = write(Dialect(esm_class=0x84), facts(c.STATE_ENROUTE), intermediate=True)
    assert pdu.esm_class == 0xA0
    receipt = parse_receipt(pdu)
    assert receipt is not None
    assert (receipt.intermediate, receipt.final, receipt.state_word) == (True, False, "ENROUTE")
