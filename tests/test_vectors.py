"""PDUs from the wire (see `wire.py`): decoded, encoded, cut and embedded."""

from __future__ import annotations

import pytest

from smppcore.errors import DecodeError
from smppcore.pdu import PDU_CLASSES, Pdu, decode, encode
from tests.wire import MALFORMED, VECTORS, Vector, with_length

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@each_vector
def test_decodes_to_the_expected_fields(vector: Vector) -> None:
    assert decode(vector.octets) == vector.pdu


@each_vector
def test_encodes_to_the_expected_octets(vector: Vector) -> None:
    assert encode(vector.pdu) == vector.encoded


@each_vector
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decodes_the_same_inside_other_octets(vector: Vector, kind: type) -> None:
    before, after = b"\x00\x01\xff", b"\x00\x04\x24\x00"
    data = kind(before + vector.octets + after)
    assert decode(data, len(before), len(before) + len(vector.octets)) == vector.pdu


@each_vector
def test_a_decoded_pdu_keeps_nothing_of_the_buffer(vector: Vector) -> None:
    data = bytearray(vector.octets)
    decoded = decode(data)
    data[:] = bytes(len(data))
    assert decoded == vector.pdu


def attempt(octets: bytes) -> Pdu | DecodeError:
    """Decode; anything but a PDU or the documented error fails the test."""
    try:
        return decode(octets)
    except DecodeError as error:
        return error


@each_vector
def test_every_truncation_is_an_error_or_a_pdu(vector: Vector) -> None:
    for end in range(len(vector.octets)):
        with pytest.raises(DecodeError) as caught:
            decode(vector.octets, 0, end)
        assert caught.value.field == "command_length"
        result = attempt(with_length(vector.octets[:end]))
        if isinstance(result, Pdu):
            assert type(result) is type(vector.pdu)
        elif end >= 16:
            assert result.command_id == vector.pdu.command_id
            assert result.sequence_number == vector.pdu.sequence_number


@each_vector
def test_octets_after_the_pdu_are_tlvs_an_error_or_ignored(vector: Vector) -> None:
    result = attempt(with_length(vector.octets + b"\x00\x00\x01"))
    if isinstance(result, Pdu):
        assert type(result) is type(vector.pdu)
    else:
        assert (result.field, result.command_status) == ("tlvs", 0xC0)
        assert vector.pdu.tlvs_defined


def test_every_class_has_a_vector_and_every_vector_a_source() -> None:
    assert {type(vector.pdu) for vector in VECTORS} == set(PDU_CLASSES)
    assert all(vector.source for vector in VECTORS)
    assert all(case.source for case in MALFORMED)
