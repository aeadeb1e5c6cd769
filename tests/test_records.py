"""Records come back from their octets as they were, and octets of another version are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records import (
    OUTCOMES,
    Conversation,
    Mo,
    Mt,
    RecordVersionError,
    pack_conversation,
    pack_mo,
    pack_mt,
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
    packed = pack_conversation(conversation)
    assert unpack_conversation(conversation.contact, conversation.brand, packed) == conversation


@given(MOS)
def test_an_mo_comes_back(mo: Mo) -> None:
    assert unpack_mo(pack_mo(mo)) == mo


@given(MTS)
def test_an_mt_comes_back(mt: Mt) -> None:
    packed = pack_mt(mt)
    assert unpack_mt(packed) == mt
    assert pack_mt(unpack_mt(packed)) == packed


@given(MTS)
def test_the_fate_of_an_mt_is_packed_again_and_its_fixed_part_is_not(mt: Mt) -> None:
    pack_mt(mt)
    fixed = mt.fixed
    mt.state, mt.attempts, mt.done = "delivered", mt.attempts + 1, 1.0
    again = unpack_mt(pack_mt(mt))
    assert again == mt
    assert mt.fixed is fixed


@pytest.mark.parametrize(
    "unpack",
    [unpack_mo, unpack_mt, lambda data: unpack_conversation("1", "acme", data)],
    ids=["mo", "mt", "conversation"],
)
@pytest.mark.parametrize(("octets", "version"), [(b"\x02\x90", "2"), (b"", "missing")])
def test_another_version_is_refused(unpack: Callable[[bytes], object], octets: bytes, version: str) -> None:
    with pytest.raises(RecordVersionError, match=f"version {version} is not known; upgrade smppbridge"):
        unpack(octets)
