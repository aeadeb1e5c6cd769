"""Records come back from their octets as they were, and octets of another version are refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records import (
    OUTCOMES,
    Conversation,
    Mo,
    Mt,
    RecordVersionError,
    pack,
    pack_all,
    unpack_conversation,
    unpack_mo,
    unpack_mt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Text may be anything that decoding yields: no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
IDS = st.integers(0, 2**63)
COUNTS = st.integers(0, 2**31)
TIMES = st.floats(0, 4e9)
OCTET = st.integers(0, 255)
OCTETS = st.binary(max_size=20)

CONVERSATIONS = st.builds(
    Conversation, TEXT, TEXT, IDS, TIMES, TIMES, COUNTS, COUNTS, TIMES, TEXT, COUNTS, TIMES, st.dictionaries(TEXT, TEXT)
)
MOS = st.builds(
    Mo,
    IDS,
    TIMES,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.sampled_from(OUTCOMES),
    TEXT,
    TEXT,
    TEXT,
    IDS,
    TEXT,
    OCTET,
    OCTET,
    OCTETS,
    st.lists(OCTETS, max_size=3).map(tuple),
    COUNTS,
)
MTS = st.builds(
    Mt,
    IDS,
    IDS,
    IDS,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TIMES,
    st.booleans(),
    COUNTS,
    OCTETS,
    TEXT,
    COUNTS,
    TIMES,
    TIMES,
    TIMES,
    TIMES,
    st.booleans(),
    TEXT,
    st.lists(st.none() | TEXT, max_size=4).map(tuple),
    st.lists(st.integers(-1, 9), max_size=4).map(tuple),
)


@given(CONVERSATIONS)
def test_a_conversation_comes_back(conversation: Conversation) -> None:
    packed = pack(conversation)
    assert unpack_conversation(packed) == conversation


@given(MOS)
def test_an_mo_comes_back(mo: Mo) -> None:
    assert unpack_mo(pack(mo)) == mo


@given(MTS)
def test_an_mt_comes_back(mt: Mt) -> None:
    packed = pack(mt)
    assert unpack_mt(packed) == mt
    assert pack(unpack_mt(packed)) == packed


def test_a_row_that_lacks_later_fields_has_their_defaults() -> None:
    octets = b"\x01" + msgpack.packb((1, 2.0, "a", "1", "2", "hi", "replied"))
    assert unpack_mo(octets) == Mo(1, 2.0, "a", "1", "2", "hi", "replied")


@pytest.mark.parametrize("unpack", [unpack_mo, unpack_mt, unpack_conversation])
@given(st.binary(max_size=60))
def test_octets_that_are_no_record_raise_what_is_documented(unpack: Callable[[bytes], object], octets: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        assert pack(unpack(b"\x01" + octets))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "unpack",
    [unpack_mo, unpack_mt, unpack_conversation],
    ids=["mo", "mt", "conversation"],
)
@pytest.mark.parametrize(("octets", "version"), [(b"\x02\x90", "2"), (b"", "missing")])
def test_another_version_is_refused(unpack: Callable[[bytes], object], octets: bytes, version: str) -> None:
    with pytest.raises(RecordVersionError, match=f"version {version} is not known; upgrade smppbridge"):
        unpack(octets)


@given(st.lists(st.one_of(CONVERSATIONS, MOS), max_size=4))
def test_many_are_packed_as_each_is(records: list[Conversation | Mo]) -> None:
    assert pack_all(records) == [pack(record) for record in records]
