"""How a link writes numbers, and vendors' TLVs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.export import mo_row
from bridge.outbound import Outbound
from bridge.wireform import KeptTlv, NumberRule, Rewriter, SentTlv, kept_tlvs, tlv_octets
from smppcore.pdu import DataSM, SubmitSM
from tests.pipeline import Bridge, link, part, receipt, text

NATIONAL = NumberRule(ton=2, strip="0", add="49", set_ton=1)
PLUS = NumberRule(of="both", match=r"(?:\+|00)(\d+)", to=r"\1", set_ton=1, set_npi=1)


@pytest.mark.parametrize(
    ("number", "ton", "expected"),
    [
        ("01701234567", 2, ("491701234567", 1, 0)),
        ("01701234567", 0, ("01701234567", 0, 0)),
        ("1701234567", 2, ("1701234567", 2, 0)),
        ("+491701234567", 0, ("491701234567", 1, 1)),
        ("00491701234567", 5, ("491701234567", 1, 1)),
        ("ACME", 5, ("ACME", 5, 0)),
        ("", 0, ("", 0, 0)),
    ],
)
def test_the_first_rule_that_fits_rewrites_a_number(number: str, ton: int, expected: tuple[str, int, int]) -> None:
    assert Rewriter([NATIONAL, PLUS]).number(number, ton, 0, contact=True) == expected


def test_a_rule_is_for_subscribers_for_the_service_or_for_both() -> None:
    rules = Rewriter([NumberRule(of="service", add="S"), NumberRule(add="C"), NumberRule(of="both", add="B")])
    assert rules.number("1", 0, 0, contact=True)[0] == "C1"
    assert rules.number("1", 0, 0, contact=False)[0] == "S1"
    assert Rewriter([NumberRule(of="both", add="B")]).number("1", 0, 0, contact=False)[0] == "B1"


def test_numbers_are_rewritten_in_texts_receipts_and_submits() -> None:
    rules = Rewriter([NumberRule(strip="+"), NumberRule(of="service", strip="49", add="0", set_ton=2)])
    for pdu in (
        text("hi", b"+15550001234", b"4960606"),
        receipt(b"7"),
        DataSM(source_addr=b"+1", destination_addr=b"49"),
    ):
        rules.delivered(pdu)
        assert not pdu.source_addr.startswith(b"+")
    delivered = text("hi", b"+15550001234", b"4960606")
    rules.delivered(delivered)
    assert (delivered.source_addr, delivered.destination_addr, delivered.dest_addr_ton) == (
        b"15550001234",
        b"060606",
        2,
    )
    out = Rewriter([NumberRule(add="+", set_ton=1), NumberRule(of="service", strip="0", add="49")])
    submitted = SubmitSM(source_addr=b"060606", destination_addr=b"15550001234")
    out.submitted(submitted)
    assert (submitted.source_addr, submitted.destination_addr, submitted.dest_addr_ton) == (
        b"4960606",
        b"+15550001234",
        1,
    )


def test_a_reply_goes_back_in_the_carriers_form_and_the_normal_one_is_stored() -> None:
    config = link(
        rewrite_out=(NumberRule(add="+"),),
        send_tlvs=(SentTlv(0x1403, "cstring", "acme"), SentTlv(0x1404, "int16", 258)),
    )
    bridge = Bridge(config)
    bridge.outbound = {"a": Outbound(config)}
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    assert pdu.destination_addr == b"+15550001234"
    assert pdu.tlvs == ((0x1403, b"acme\0"), (0x1404, b"\1\2"))
    assert bridge.mt().contact == "15550001234"


@pytest.mark.parametrize(
    ("sent", "octets"),
    [
        (SentTlv(0x1400, "string", "caf\u00e9"), b"caf\xe9"),
        (SentTlv(0x1400, "cstring", ""), b"\0"),
        (SentTlv(0x1400, "int8", 255), b"\xff"),
        (SentTlv(0x1400, "int32", 1), b"\0\0\0\1"),
        (SentTlv(0x1400, "hex", "0a1B"), b"\x0a\x1b"),
    ],
)
def test_values_become_octets(sent: SentTlv, octets: bytes) -> None:
    assert tlv_octets(sent) == octets


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (SentTlv(0x1400, "int8", 256), "a number from 0 to 255 for int8"),
        (SentTlv(0x1400, "int8", "1"), "a number from 0 to 255 for int8"),
        (SentTlv(0x1400, "string", 1), "a text in quotes for string"),
        (SentTlv(0x1400, "hex", "0g"), "hexadecimal octets"),
        (SentTlv(0x1400, "string", "\u20ac"), "Latin-1 text"),
    ],
)
def test_values_of_another_type_are_named(sent: SentTlv, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        tlv_octets(sent)


def test_tlvs_that_are_wanted_are_kept_by_name() -> None:
    wanted = [
        KeptTlv(0x1401, "mcc_mnc", "string"),
        KeptTlv(0x1402, "", "hex"),
        KeptTlv(0x1403, "cell", "int16"),
        KeptTlv(0x1404, "zone", "cstring"),
        KeptTlv(0x1405, "missing", "int8"),
    ]
    tlvs = [(0x1401, b"26201"), (0x1401, b"again"), (0x1402, b"\1\2"), (0x1403, b"\1\0"), (0x1404, b"x\0"), (5, b"")]
    assert kept_tlvs(wanted, tlvs) == {"mcc_mnc": "26201", "0x1402": "0102", "cell": 256, "zone": "x"}
    assert kept_tlvs([replace(wanted[2])], [(0x1403, b"\1")]) == {"cell": "01"}, "not two octets, so in hex"


def test_what_is_kept_is_stored_with_the_message_and_exported() -> None:
    bridge = Bridge(link(keep_tlvs=(KeptTlv(0x1401, "mcc_mnc", "string"),)))
    pdu = text("hours")
    pdu.tlvs = ((0x1401, b"26201"), (0x1402, b"x"))
    first = part(1, 2, b"echo ")
    first.tlvs = ((0x1401, b"26202"),)
    bridge.deliver(pdu, first, part(2, 2, b"on"))
    assert [mo.tlvs for mo in bridge.mos()] == [{"mcc_mnc": "26201"}, {"mcc_mnc": "26202"}]
    assert mo_row(bridge.mos()[0])["tlvs"] == {"mcc_mnc": "26201"}
    bridge.deliver(text("thanks"))
    assert mo_row(bridge.mos()[-1])["tlvs"] is None
