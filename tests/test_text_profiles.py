"""What a link allows decides how a text is sent: ways, transliteration, packing, and the four forms of a long text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smppcore.constants import TAG_MESSAGE_PAYLOAD
from smppcore.errors import LocalProtocolError
from smppcore.text import (
    USUAL,
    Alphabet,
    LongForm,
    TextProfile,
    UserData,
    alphabet_of,
    count_segments,
    encode_message,
    message_class,
    read_message,
    user_data,
    waiting_indication,
)
from smppcore.text.gsm import pack, unpack
from smppcore.udh import concat8, concat16, concatenation_from_sar

FORMS: list[LongForm] = ["udh8", "udh16", "sar", "payload"]
PACKED = TextProfile(Alphabet.GSM7_PACKED)


# -- the choice of a way


@pytest.mark.parametrize(
    ("ways", "text", "data_coding", "octets"),
    [
        (("default", "ucs2"), "ê", 8, b"\x00\xea"),
        (("default", "latin1", "ucs2"), "ê", 3, b"\xea"),
        (("default", "latin1", "ucs2"), "e", 0, b"e"),
        (("default", "latin1", "ucs2"), "[[[[[", 3, b"[[[[["),
        (("default", "ascii", "ucs2"), "[[[[[", 1, b"[[[[["),
        (("ascii", "default", "ucs2"), "e", 1, b"e"),
        (("default", "latin1", "ucs2"), "ж", 8, b"\x04\x36"),
        (("ucs2",), "e", 8, b"\x00e"),
        (("ucs2", "default"), "e", 0, b"e"),
        (("latin1",), "é", 3, b"\xe9"),
    ],
)
def test_the_cheapest_of_the_ways_is_taken(ways: tuple[str, ...], text: str, data_coding: int, octets: bytes) -> None:
    encoded = encode_message(text, TextProfile(ways=ways))  # type: ignore[arg-type]
    assert (encoded.data_coding, encoded.parts, encoded.framing) == (data_coding, (octets,), None)


def test_fewer_parts_come_before_fewer_octets() -> None:
    text = "[" * 81
    assert len(encode_message(text).parts) == 2
    with_ascii = encode_message(text, TextProfile(ways=("default", "ascii", "ucs2")))
    assert (with_ascii.data_coding, len(with_ascii.parts)) == (1, 1)


def test_a_link_without_ucs2_gets_what_it_can_read() -> None:
    profile = TextProfile(ways=("default",))
    assert encode_message("“Łódź” – 5 €, Привет 😀", profile).parts == (
        b'"L\x08dz" - 5 \x1be, ?????? ?'.replace(b"\x08", b"o"),
    )
    assert encode_message("ж" * 161, profile).parts == (b"?" * 153, b"?" * 8)
    assert encode_message("é", TextProfile(ways=("ascii",))).parts == (b"e",)


@pytest.mark.parametrize("alphabet", [Alphabet.UCS2, Alphabet.BINARY])
def test_where_data_coding_0_is_not_to_be_trusted_texts_go_as_8(alphabet: Alphabet) -> None:
    encoded = encode_message("é", TextProfile(alphabet, ways=("default",)))
    assert (encoded.data_coding, encoded.parts) == (8, (b"\x00\xe9",))


# -- transliteration


SAVING = TextProfile(transliterate=True)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("“Don’t” – wait… " * 6, '"Don\'t" - wait... ' * 6),
        ("Zażółć gęślą jaźń. " * 5, "Zazolc gesla jazn. " * 5),
        ("e\u0301te\u0301 \u00a0" * 20, "été  " * 20),
        ("soft\u00adhyphen\u200b " * 8, "softhyphen " * 8),
        ("ﬁn №5 ½ " * 12, "fin No5 1/2 " * 12),
    ],
)
def test_likeness_saves_parts(text: str, sent: str) -> None:
    assert len(encode_message(text).parts) > 1
    encoded = encode_message(text, SAVING)
    assert encoded.data_coding == 0
    assert encoded.parts == encode_message(sent).parts
    assert count_segments(text, SAVING) == len(encoded.parts)


@pytest.mark.parametrize(
    "text",
    [
        "“short”",  # no part is saved
        "Привет, это длинное сообщение для проверки. " * 4,  # nothing like it
        "“" * 150 + "😀",  # one character needs UCS-2 anyway
        "x" * 161,
    ],
)
def test_where_it_saves_nothing_the_text_stays_as_it_is(text: str) -> None:
    assert encode_message(text, SAVING) == encode_message(text)


def test_nothing_is_transliterated_unless_asked() -> None:
    text = "“Don’t” – wait… " * 6
    assert read_message([UserData(part, 8, has_header=False) for part in encode_message(text).parts]) == text


def test_there_is_nothing_to_transliterate_to_in_ucs2() -> None:
    text = "“" * 100
    profile = TextProfile(ways=("ucs2",), transliterate=True)
    assert encode_message(text, profile) == encode_message(text, TextProfile(ways=("ucs2",)))


# -- packing


@pytest.mark.parametrize(
    ("septets", "header_octets", "octets"),
    [
        (b"hellohello", 0, "e8329bfd4697d9ec37"),
        (b"", 0, ""),
        (b"a", 0, "61"),
        (b"a", 6, "c2"),
        # "1234567" leaves seven bits, which are a carriage return (3GPP TS 23.038 §6.1.2.3.1).
        (b"1234567", 0, "31d98c56b3dd1a"),
        (b"12345678", 0, "31d98c56b3dd70"),
        (b"Hi", 7, "c834"),
    ],
)
def test_septets_are_packed_low_bits_first(septets: bytes, header_octets: int, octets: str) -> None:
    assert pack(septets, header_octets).hex() == octets
    assert unpack(bytes.fromhex(octets), header_octets) == septets


def test_a_full_part_that_ends_in_an_at_sign_keeps_it() -> None:
    assert unpack(pack(b"x" * 159 + b"\0")) == b"x" * 159 + b"\0"
    assert unpack(pack(b"x" * 152 + b"\0", 6), 6) == b"x" * 152 + b"\0"
    assert unpack(pack(b"x" * 152, 6), 6) == b"x" * 152


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("character", ["@", "\r", "€"])
def test_a_packed_part_does_not_end_in_what_looks_like_padding(form: LongForm, character: str) -> None:
    for length in range(148, 154):
        text = "x" * length + character * 9 + "y" * 150
        encoded = encode_message(text, TextProfile(Alphabet.GSM7_PACKED, long_form=form))
        sent = [user_data(encoded, part, 9) for part in range(len(encoded.parts))]
        received = [UserData(octets or tlvs[0][1], 0, has_header=bool(flags)) for flags, octets, tlvs in sent]
        assert read_message(received, Alphabet.GSM7_PACKED) == text


def test_seven_zero_bits_at_the_end_are_no_character() -> None:
    assert unpack(bytes.fromhex("31d98c56b3dd00")) == b"1234567"


@given(st.binary(max_size=170).map(lambda data: bytes(octet & 0x7F for octet in data)), st.integers(0, 12))
def test_packed_septets_come_back(septets: bytes, header_octets: int) -> None:
    packed = pack(septets, header_octets)
    assert len(packed) <= (-header_octets * 8 % 7 + len(septets) * 7 + 7) // 8
    found = unpack(packed, header_octets)
    if (-header_octets * 8 % 7 + len(septets) * 7) % 8 == 0 and septets and septets[-1] in b"\0\r":
        full = header_octets + len(packed) == 140
        assert found == (septets if full and septets[-1] == 0 else septets[:-1])
    else:
        assert found == septets


def test_a_packed_link_packs_after_the_header() -> None:
    encoded = encode_message("x" * 161, PACKED)
    flags, octets, tlvs = user_data(encoded, 0, 7)
    assert (flags, octets[:6], len(octets), tlvs) == (0x40, concat8(7, 2, 1), 140, ())
    flags, octets, _ = user_data(encode_message("x" * 160, PACKED), 0, 7)
    assert (flags, len(octets)) == (0, 140)


# -- the four forms of a long text


@pytest.mark.parametrize("form", FORMS)
def test_a_short_text_needs_no_form(form: LongForm) -> None:
    encoded = encode_message("Olé", TextProfile(long_form=form))
    assert user_data(encoded, 0, 300) == (0, b"Ol\x05", ())


def test_parts_are_marked_as_the_link_wants_it() -> None:
    text = "x" * 153 + "y" * 10
    encoded = encode_message(text, TextProfile(long_form="udh8"))
    assert user_data(encoded, 1, 0x1234) == (0x40, concat8(0x34, 2, 2) + b"y" * 10, ())
    encoded = encode_message(text, TextProfile(long_form="udh16"))
    assert user_data(encoded, 1, 0x51234) == (0x40, concat16(0x1234, 2, 2) + b"x" + b"y" * 10, ())
    encoded = encode_message(text, TextProfile(long_form="sar"))
    flags, octets, tlvs = user_data(encoded, 1, 0x51234)
    assert (flags, octets) == (0, b"x" + b"y" * 10)
    place = concatenation_from_sar(tlvs)
    assert place is not None
    assert (place.reference, place.total, place.sequence) == (0x1234, 2, 2)
    encoded = encode_message(text, TextProfile(long_form="payload"))
    assert user_data(encoded, 0, 7) == (0, b"", ((TAG_MESSAGE_PAYLOAD, text.encode()),))


@given(
    st.text(st.sampled_from("ab€[é“жш😀@\r"), max_size=400),
    st.sampled_from(FORMS),
    st.sampled_from([Alphabet.GSM7, Alphabet.GSM7_PACKED, Alphabet.LATIN1, Alphabet.ASCII, Alphabet.UCS2]),
    st.sampled_from([("default", "ucs2"), ("default", "latin1", "ucs2"), ("ucs2",), ("latin1", "ascii", "ucs2")]),
)
def test_what_is_sent_is_read_as_it_was_and_counted_as_it_is(
    text: str, form: LongForm, alphabet: Alphabet, ways: tuple[str, ...]
) -> None:
    text += "."  # packed, an "@" or a carriage return at the end may be taken for padding
    profile = TextProfile(alphabet, ways, long_form=form)  # type: ignore[arg-type]
    encoded = encode_message(text, profile)
    received = []
    for part in range(len(encoded.parts)):
        flags, octets, tlvs = user_data(encoded, part, 77)
        octets = octets or dict(tlvs).get(TAG_MESSAGE_PAYLOAD, b"")
        received.append(UserData(octets, encoded.data_coding, has_header=bool(flags)))
    assert read_message(received, alphabet) == text
    if form == "payload":
        assert len(encoded.parts) == 1
    else:
        assert len(encoded.parts) == count_segments(text, profile)


def test_a_text_of_too_many_segments_is_refused_in_every_form() -> None:
    for form in FORMS:
        with pytest.raises(LocalProtocolError, match="at most 3 are allowed"):
            encode_message("x" * 600, TextProfile(long_form=form), max_parts=3)


# -- reading


def test_a_character_that_was_cut_in_two_is_whole() -> None:
    octets = "a😀".encode("utf-16-be")
    halves = [
        UserData(concat8(1, 2, 1) + octets[:4], 8, has_header=True),
        UserData(concat8(1, 2, 2) + octets[4:], 8, has_header=True),
    ]
    assert read_message(halves) == "a😀"


def test_parts_of_different_codings_are_read_each_in_its_own() -> None:
    parts = [UserData(b"Ol\x05 ", 0, has_header=False), UserData("ж".encode("utf-16-be"), 8, has_header=False)]
    assert read_message(parts) == "Olé ж"


@pytest.mark.parametrize(
    "part",
    [
        UserData(b"STOP", 4, has_header=False),
        UserData(b"abc", 8, has_header=False),
    ],
)
def test_what_is_no_text_makes_the_whole_none(part: UserData) -> None:
    assert read_message([part]) is None
    assert read_message([UserData(b"hello", 0, has_header=False), part]) is None


@pytest.mark.parametrize("octets", [b"STOP", b"", b"\x05\x00"])
def test_a_header_that_does_not_fit_is_read_as_text(octets: bytes) -> None:
    with_flag = UserData(octets, 0, has_header=True)
    assert read_message([with_flag]) == read_message([with_flag._replace(has_header=False)])


def test_in_a_packed_link_gsm_groups_are_packed_too() -> None:
    octets = pack(b"hello")
    for data_coding in (0x00, 0xC8, 0xF0):
        assert read_message([UserData(octets, data_coding, has_header=False)], Alphabet.GSM7_PACKED) == "hello"
    assert alphabet_of(0x01, Alphabet.GSM7_PACKED) is Alphabet.ASCII
    assert alphabet_of(0xF0, Alphabet.LATIN1) is Alphabet.GSM7


# -- data_coding groups


@pytest.mark.parametrize(
    ("data_coding", "expected"),
    [(0x00, None), (0x08, None), (0x10, None), (0x18, 0), (0xC0, None), (0xF0, 0), (0xF1, 1), (0xF4, 0), (0xF7, 3)],
)
def test_message_class(data_coding: int, expected: int | None) -> None:
    assert message_class(data_coding) == expected


@pytest.mark.parametrize(
    ("data_coding", "expected"),
    [
        (0xC8, ("voicemail", True)),
        (0xC0, ("voicemail", False)),
        (0xD9, ("fax", True)),
        (0xDA, ("email", True)),
        (0xDF, ("other", True)),
        (0xE8, None),
        (0x00, None),
        (0xF0, None),
    ],
)
def test_message_waiting(data_coding: int, expected: tuple[str, bool] | None) -> None:
    assert waiting_indication(data_coding) == expected


def test_the_usual_profile_is_gsm_and_ucs2_with_short_references() -> None:
    assert TextProfile(Alphabet.GSM7, ("default", "ucs2"), (), "udh8", transliterate=False) == USUAL
    assert USUAL.plain
    assert not TextProfile(ways=("ucs2",)).plain
    assert not PACKED.plain
