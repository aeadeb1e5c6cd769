"""Hypothesis strategies for PDUs, made from the field table: whatever a class declares, its strategy generates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from smppcore.codegen import layout
from smppcore.constants import RESPONSE_BIT
from smppcore.fields import COctets, Entries, Integer, Kind, Octets, Tlv
from smppcore.pdu import PDU_CLASSES, DistributionList, Pdu, SmeAddress, UnsuccessSme

if TYPE_CHECKING:
    from collections.abc import Sequence

OCTETS = st.integers(0, 0xFF)
WORDS = st.integers(0, 0xFFFFFFFF)
SEQUENCE_NUMBERS = st.one_of(st.integers(1, 0x7FFFFFFF), WORDS)
TLVS: st.SearchStrategy[Sequence[Tlv]] = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4)


def c_octets(size: int) -> st.SearchStrategy[bytes]:
    """C-octet strings that take at most `size` octets with their NUL."""
    return st.binary(max_size=size - 1).map(lambda octets: octets.replace(b"\0", b"\x01"))


DESTINATIONS = st.lists(
    st.one_of(st.builds(SmeAddress, OCTETS, OCTETS, c_octets(21)), st.builds(DistributionList, c_octets(21))),
    min_size=1,
    max_size=5,
)
UNSUCCESSFUL = st.lists(st.builds(UnsuccessSme, OCTETS, OCTETS, c_octets(21), WORDS), max_size=3)


def values(name: str, kind: Kind) -> st.SearchStrategy[object]:
    """What a field can hold."""
    match kind:
        case Integer():
            return OCTETS
        case COctets(size=size):
            return c_octets(size)
        case Octets():
            return st.binary(max_size=255)
        case Entries():
            return {"dest_address": DESTINATIONS, "unsuccess_sme": UNSUCCESSFUL}[name]


def pdus(pdu_class: type[Pdu], tlvs: st.SearchStrategy[Sequence[Tlv]] = TLVS) -> st.SearchStrategy[Pdu]:
    """Whole PDUs of a class: requests with any status, responses that succeed."""
    fields = {name: values(name, kind) for name, kind in layout(pdu_class).items()}
    status = st.just(0) if pdu_class.command_id & RESPONSE_BIT and fields else WORDS
    return st.builds(pdu_class, **fields, command_status=status, sequence_number=SEQUENCE_NUMBERS, tlvs=tlvs)


def error_responses(pdu_class: type[Pdu]) -> st.SearchStrategy[Pdu]:
    """Responses with an error status, and so without a body."""
    return st.builds(pdu_class, command_status=st.integers(1, 0xFFFFFFFF), sequence_number=SEQUENCE_NUMBERS)


def any_pdus() -> st.SearchStrategy[Pdu]:
    """PDUs of every class."""
    return st.sampled_from(PDU_CLASSES).flatmap(pdus)
