from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore import udh
from smppcore.errors import LocalProtocolError
from smppcore.udh import Concatenation, Udh

SAR_REFERENCE, SAR_TOTAL, SAR_SEQUENCE = 0x020C, 0x020E, 0x020F


def test_eight_bit_concatenation_is_read() -> None:
    header = udh.parse(bytes.fromhex("050003a70201") + b"hello")
    assert header == Udh(((0x00, b"\xa7\x02\x01"),), 6)
    assert header.concatenation() == Concatenation(reference=0xA7, reference_bits=8, total=2, sequence=1)


def test_sixteen_bit_concatenation_is_read() -> None:
    header = udh.parse(bytes.fromhex("060804a7b80302") + b"hello")
    assert header == Udh(((0x08, b"\xa7\xb8\x03\x02"),), 7)
    assert header.concatenation() == Concatenation(reference=0xA7B8, reference_bits=16, total=3, sequence=2)


def test_ports_and_unknown_elements_are_kept_in_order() -> None:
    """An OTA or WAP push header: 16-bit ports, then a concatenation, then an element of no data."""
    header = udh.parse(bytes.fromhex("0d 05 04 0b84 23f0 00 03 a7 02 01 70 00") + b"x")
    assert header is not None
    assert header.elements == ((0x05, b"\x0b\x84\x23\xf0"), (0x00, b"\xa7\x02\x01"), (0x70, b""))
    assert header.length == 14
    assert header.element(udh.IE_PORTS_16) == b"\x0b\x84\x23\xf0"
    assert header.element(udh.IE_PORTS_8) is None
    assert header.concatenation() == Concatenation(0xA7, 8, 2, 1)


def test_the_last_of_repeated_elements_counts() -> None:
    header = Udh(((0x04, b"\x01\x02"), (0x04, b"\x03\x04")), 9)
    assert header.element(udh.IE_PORTS_8) == b"\x03\x04"


def test_a_header_without_text_behind_it_is_whole() -> None:
    assert udh.parse(bytes.fromhex("050003a70201")) == Udh(((0x00, b"\xa7\x02\x01"),), 6)


def test_an_empty_header_is_one_octet_long() -> None:
    assert udh.parse(b"\x00text") == Udh((), 1)


@pytest.mark.parametrize("octets", ["", "05", "050003a702", "ff" + "00" * 100, "01"])
def test_a_header_beyond_the_user_data_is_none(octets: str) -> None:
    assert udh.parse(bytes.fromhex(octets)) is None


@pytest.mark.parametrize(
    "octets",
    [
        "0500 04 a70201",  # the element is longer than the header
        "0600 03 a70201 00",  # an identifier without a length at the end
        "0100",  # an identifier only
    ],
)
def test_elements_that_do_not_fill_the_header_are_all_ignored_but_the_text_keeps_its_place(octets: str) -> None:
    data = bytes.fromhex(octets)
    assert udh.parse(data + b"text") == Udh((), len(data))
    assert udh.parse(data) == Udh((), len(data))


@pytest.mark.parametrize(
    "element",
    [
        (0x00, b"\xa7\x00\x01"),
        (0x00, b"\xa7\x02\x00"),
        (0x00, b"\xa7\x02\x03"),
        (0x00, b"\xa7\x02"),
        (0x00, b"\xa7\x02\x01\x01"),
        (0x08, b"\x00\xa7\x00\x00"),
        (0x08, b"\xa7\x02\x01"),
    ],
)
def test_a_concatenation_that_cannot_be_true_is_ignored(element: tuple[int, bytes]) -> None:
    assert Udh((element,), 6).concatenation() is None
    assert Udh(((0x00, b"\x05\x02\x02"), element), 11).concatenation() == Concatenation(5, 8, 2, 2)


def test_of_two_concatenations_the_last_counts() -> None:
    assert Udh(((0x00, b"\x05\x02\x02"), (0x08, b"\x00\x06\x03\x01")), 12).concatenation() == Concatenation(6, 16, 3, 1)


@pytest.mark.parametrize(
    ("elements", "ports"),
    [
        ("0504 0b84 23f0", (0x0B84, 0x23F0)),
        ("0402 f5 01", (0xF5, 0x01)),
        ("0402 f5 01 0003a70201", (0xF5, 0x01)),
        ("0402 f5 01 0504 0b84 23f0", (0x0B84, 0x23F0)),
        ("0403 f5 01 02", None),
        ("0502 0b84", None),
        ("0003a70201", None),
    ],
)
def test_application_ports_are_destination_and_source(elements: str, ports: tuple[int, int] | None) -> None:
    header = udh.parse(udh.header(bytes.fromhex(elements)))
    assert header is not None
    assert header.ports() == ports


def test_a_header_holds_at_most_255_octets() -> None:
    assert udh.header(b"x" * 255) == b"\xff" + b"x" * 255
    with pytest.raises(LocalProtocolError, match="at most 255 octets, not 256"):
        udh.header(b"x" * 256)


def test_headers_are_built_as_the_specification_prints_them() -> None:
    assert udh.concat8(0xA7, 2, 1) == bytes.fromhex("050003a70201")
    assert udh.concat16(0xA7B8, 3, 2) == bytes.fromhex("060804a7b80302")


@given(st.integers(0, 255), st.integers(1, 255), st.data())
def test_eight_bit_headers_round_trip(reference: int, total: int, data: st.DataObject) -> None:
    sequence = data.draw(st.integers(1, total))
    header = udh.parse(udh.concat8(reference, total, sequence) + b"text")
    assert header is not None
    assert header.length == 6
    assert header.concatenation() == Concatenation(reference, 8, total, sequence)


@given(st.integers(0, 65535), st.integers(1, 255), st.data())
def test_sixteen_bit_headers_and_sar_tlvs_round_trip(reference: int, total: int, data: st.DataObject) -> None:
    sequence = data.draw(st.integers(1, total))
    expected = Concatenation(reference, 16, total, sequence)
    header = udh.parse(udh.concat16(reference, total, sequence))
    assert header is not None
    assert header.length == 7
    assert header.concatenation() == expected
    assert udh.concatenation_from_sar(udh.sar_tlvs(expected)) == expected


@pytest.mark.parametrize(
    ("reference", "total", "sequence"), [(256, 2, 1), (-1, 2, 1), (1, 256, 1), (1, 2, 0), (1, 2, 3)]
)
def test_numbers_out_of_range_are_refused(reference: int, total: int, sequence: int) -> None:
    with pytest.raises(LocalProtocolError):
        udh.concat8(reference, total, sequence)
    with pytest.raises(LocalProtocolError):
        udh.concat16(reference if reference < 0 else reference << 8, total, sequence)
    with pytest.raises(LocalProtocolError):
        udh.sar_tlvs(Concatenation(reference, 8, total, sequence))


def test_sar_tlvs_of_an_eight_bit_reference_use_the_low_octet() -> None:
    assert udh.sar_tlvs(Concatenation(0xA7, 8, 2, 1)) == (
        (SAR_REFERENCE, b"\x00\xa7"),
        (SAR_TOTAL, b"\x02"),
        (SAR_SEQUENCE, b"\x01"),
    )


def test_sar_tlvs_are_read_in_any_order_among_others() -> None:
    tlvs = [(SAR_SEQUENCE, b"\x02"), (0x0424, b"payload"), (SAR_TOTAL, b"\x03"), (SAR_REFERENCE, b"\x12\x34")]
    assert udh.concatenation_from_sar(tlvs) == Concatenation(0x1234, 16, 3, 2)


def test_the_first_of_repeated_sar_tlvs_counts() -> None:
    tlvs = [(SAR_REFERENCE, b"\x00\x01"), (SAR_TOTAL, b"\x02"), (SAR_SEQUENCE, b"\x01")]
    again = [(SAR_REFERENCE, b"\x00\x09"), (SAR_TOTAL, b"\x09"), (SAR_SEQUENCE, b"\x09")]
    assert udh.concatenation_from_sar(tlvs + again) == Concatenation(1, 16, 2, 1)


@pytest.mark.parametrize(
    ("reference", "total", "sequence"),
    [
        (None, b"\x02", b"\x01"),
        (b"\x00\x01", None, b"\x01"),
        (b"\x00\x01", b"\x02", None),
        (b"\x01", b"\x02", b"\x01"),
        (b"\x00\x01", b"\x00\x02", b"\x01"),
        (b"\x00\x01", b"\x02", b"\x00\x01"),
        (b"\x00\x01", b"\x00", b"\x01"),
        (b"\x00\x01", b"\x02", b"\x00"),
        (b"\x00\x01", b"\x02", b"\x03"),
    ],
)
def test_sar_tlvs_are_ignored_as_a_set(reference: bytes | None, total: bytes | None, sequence: bytes | None) -> None:
    values = ((SAR_REFERENCE, reference), (SAR_TOTAL, total), (SAR_SEQUENCE, sequence))
    assert udh.concatenation_from_sar([(tag, value) for tag, value in values if value is not None]) is None


@given(st.binary(max_size=300))
def test_any_octets_give_a_header_that_fits_or_none(octets: bytes) -> None:
    header = udh.parse(octets)
    if header is None:
        assert not octets or octets[0] + 1 > len(octets)
        return
    assert 1 <= header.length == octets[0] + 1 <= len(octets)
    header.concatenation()
    if header.elements:
        rebuilt = b"".join(bytes((identifier, len(data))) + data for identifier, data in header.elements)
        assert rebuilt == octets[1 : header.length]
