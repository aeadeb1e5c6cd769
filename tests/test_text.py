from __future__ import annotations

import os
from pathlib import Path

import gsm0338
import pytest
import smpplib.gsm
from hypothesis import example, given
from hypothesis import strategies as st

from smppcore.constants import TAG_MESSAGE_PAYLOAD
from smppcore.errors import LocalProtocolError
from smppcore.text import (
    Alphabet,
    Encoded,
    LongForm,
    TextProfile,
    UserData,
    count_segments,
    decode_text,
    encode_message,
    read_message,
    user_data,
)

# 3GPP TS 23.038 §6.2.1, read off an independent implementation so that a slip in ours shows.
OTHER_CODEC = gsm0338.Codec()
BMP = [chr(code) for code in range(0x10000) if not 0xD800 <= code <= 0xDFFF]
DATA = Path(os.environ.get("SMPPBRIDGE_TEXTS", Path(__file__).parents[2] / "shared" / "data"))

GSM_CHARACTERS = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)

# What people write: plain, GSM with escapes, anything at all.
TEXTS = st.one_of(
    st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=700),
    st.text(st.sampled_from(GSM_CHARACTERS + "€[]{}" * 10), max_size=700),
    st.text(st.sampled_from("a😀é€\U0010ffff"), max_size=300),
    st.text(max_size=300),
)


def other_gsm(character: str) -> bytes | None:
    """What the gsm0338 package makes of a character; it lets a bare escape pass, which is no character."""
    try:
        return bytes(OTHER_CODEC.encode(character)[0]) if character != "\x1b" else None
    except (KeyError, UnicodeError):
        return None


# -- the GSM tables --------------------------------------------------------------------------------------------------


def test_gsm_encoding_agrees_with_the_gsm0338_package_on_every_character() -> None:
    for character in BMP:
        expected = other_gsm(character)
        encoded = encode_message(character)
        if expected is None:
            assert encoded == Encoded(8, (character.encode("utf-16-be"),))
        else:
            assert encoded == Encoded(0, (expected,))
            assert decode_text(expected, 0) == character


def test_gsm_encoding_agrees_with_smpplib_on_every_character_it_knows() -> None:
    # smpplib fills the gaps of its table with "`" and takes the escape for a character.
    known = set(smpplib.gsm.GSM_CHARACTER_TABLE) - set("`\x1b")
    for character in known:
        assert encode_message(character) == Encoded(0, (smpplib.gsm.gsm_encode(character),))
    assert set(GSM_CHARACTERS) - known == {"§", "\f"}


def test_gsm_decoding_agrees_with_the_gsm0338_package_on_every_octet_and_escape() -> None:
    for septet in set(range(128)) - {0x1B}:
        assert decode_text(bytes((septet,)), 0) == OTHER_CODEC.decode(bytes((septet,)))[0]
        pair = bytes((0x1B, septet))
        try:
            expected = OTHER_CODEC.decode(pair)[0]
        except UnicodeDecodeError:
            expected = OTHER_CODEC.decode(bytes((septet,)))[0]  # 3GPP TS 23.038 §6.2.1.1
        assert decode_text(pair, 0) == expected


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"a\x1b", "a "),
        (b"\x1b\x1ba", " a"),
        (b"\x1b\x1b\x1be", " €"),
        (b"\x1bA", "A"),
        (b"\x1b\x0a", "\f"),
        (b"", ""),
        (b"\x00", "@"),
    ],
)
def test_escapes_that_mean_nothing_are_shown_as_the_standard_says(octets: bytes, text: str) -> None:
    assert decode_text(octets, 0) == text


def test_octets_that_gsm_does_not_have_are_visibly_damaged_and_the_rest_is_read() -> None:
    assert decode_text(b"STOP \xe9\xff", 0) == "STOP \ufffd\ufffd"
    assert decode_text(b"\x1b\xe9", 0) == "\ufffd"


# -- data_coding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        (b"Ol\x05", 0x00, "Olé"),
        (b"a@b", 0x01, "a@b"),
        (b"a\xe9", 0x01, "a\ufffd"),
        (b"Ol\xe9", 0x03, "Olé"),
        ("Привет 😀".encode("utf-16-be"), 0x08, "Привет 😀"),
        ("Привет".encode("utf-16-be"), 0x18, "Привет"),
        (b"\xd8\x3d\x00a", 0x08, "\ufffda"),
        (b"", 0x08, ""),
        (b"\x00", 0xC0, "@"),
        (b"\x00", 0xDF, "@"),
        (b"\x00", 0xF0, "@"),
        (b"\x00", 0xF3, "@"),
        (b"\x00", 0xFB, "@"),
    ],
)
def test_data_coding_says_how_octets_are_read(octets: bytes, data_coding: int, text: str) -> None:
    assert decode_text(octets, data_coding) == text


@pytest.mark.parametrize(
    "data_coding", [0x02, 0x04, 0x05, 0x0E, 0x10, 0x3F, 0x80, 0xBF, 0xE0, 0xEF, 0xF4, 0xF7, 0xFF, 256]
)
def test_data_and_reserved_codings_are_no_text(data_coding: int) -> None:
    assert decode_text(b"STOP", data_coding) is None


def test_ucs2_of_an_odd_length_is_no_text() -> None:
    assert decode_text("STOP".encode("utf-16-be") + b"\0", 0x08) is None
    assert decode_text("STOP".encode("utf-16-be")[1:], 0x18) is None


@pytest.mark.parametrize(
    ("alphabet", "octets", "text"),
    [
        (Alphabet.GSM7, b"\x00\x24", "@¤"),
        (Alphabet.LATIN1, b"\x00\xe9$", "\x00é$"),
        (Alphabet.ASCII, b"$[", "$["),
        (Alphabet.UCS2, b"\x04\x1f", "П"),
        (Alphabet.BINARY, b"STOP", None),
    ],
)
def test_data_coding_0_is_the_links_default_alphabet(alphabet: Alphabet, octets: bytes, text: str | None) -> None:
    assert decode_text(octets, 0, alphabet) == text


@given(st.binary(max_size=300), st.integers(0, 255), st.sampled_from(Alphabet))
def test_decoding_never_raises(octets: bytes, data_coding: int, alphabet: Alphabet) -> None:
    text = decode_text(octets, data_coding, alphabet)
    assert text is None or len(text) <= len(octets) * 8 // 7


# -- encoding and parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data_coding", "lengths"),
    [
        ("", 0, [0]),
        ("x" * 160, 0, [160]),
        ("x" * 161, 0, [153, 8]),
        ("x" * 306, 0, [153, 153]),
        ("x" * 307, 0, [153, 153, 1]),
        ("@" * 161, 0, [153, 8]),
        ("€" * 80, 0, [160]),
        ("€" * 81, 0, [152, 10]),
        ("x" + "€" * 80, 0, [153, 8]),
        ("я" * 70, 8, [140]),
        ("я" * 71, 8, [134, 8]),
        ("я" * 134, 8, [134, 134]),
        ("😀" * 35, 8, [140]),
        ("😀" * 36, 8, [132, 12]),
        ("я" + "😀" * 35, 8, [134, 8]),
    ],
)
def test_parts_hold_what_the_air_interface_allows(text: str, data_coding: int, lengths: list[int]) -> None:
    encoded = encode_message(text)
    assert encoded.data_coding == data_coding
    assert [len(part) for part in encoded.parts] == lengths


@pytest.mark.parametrize("character", ["\U00010000", "\U00050000", "\U00090000", "\U0010ffff"])
def test_every_surrogate_pair_goes_to_the_next_part_whole(character: str) -> None:
    encoded = encode_message("я" * 66 + character + "я" * 10)
    assert [part.decode("utf-16-be") for part in encoded.parts] == ["я" * 66, character + "я" * 10]
    encoded = encode_message("я" * 65 + character + "я" * 10)
    assert [part.decode("utf-16-be") for part in encoded.parts] == ["я" * 65 + character, "я" * 10]
    encoded = encode_message("я" * 67 + character + "я" * 10)
    assert [part.decode("utf-16-be") for part in encoded.parts] == ["я" * 67, character + "я" * 10]


@pytest.mark.parametrize(("character", "limit"), [("x", 152), ("я", 132)])
def test_a_sixteen_bit_reference_leaves_one_octet_less(character: str, limit: int) -> None:
    assert [len(part) for part in encode_message(character * 1000, TextProfile(long_form="udh16")).parts][:-1] == [
        limit
    ] * (len((character * 1000).encode("utf-16-be" if character == "я" else "ascii")) // limit)


@pytest.mark.parametrize(
    ("alphabet", "text", "data_coding", "lengths"),
    [
        (Alphabet.ASCII, "[" * 160, 0, [160]),
        (Alphabet.ASCII, "[" * 161, 0, [153, 8]),
        (Alphabet.ASCII, "é", 8, [2]),
        (Alphabet.LATIN1, "ç" * 140, 0, [140]),
        (Alphabet.LATIN1, "ç" * 141, 0, [134, 7]),
        (Alphabet.LATIN1, "\x1b" * 141, 0, [134, 7]),
        (Alphabet.LATIN1, "€", 8, [2]),
        (Alphabet.UCS2, "a", 8, [2]),
        (Alphabet.BINARY, "a", 8, [2]),
    ],
)
def test_the_links_default_alphabet_decides_what_is_cheapest(
    alphabet: Alphabet, text: str, data_coding: int, lengths: list[int]
) -> None:
    encoded = encode_message(text, TextProfile(alphabet))
    assert encoded.data_coding == data_coding
    assert [len(part) for part in encoded.parts] == lengths
    assert decode_text(b"".join(encoded.parts), encoded.data_coding, alphabet) == text


def test_surrogate_halves_are_joined_and_lone_ones_replaced() -> None:
    assert encode_message("\ud83d\ude00") == encode_message("😀")
    assert encode_message("a\ud83d") == Encoded(8, ("a\ufffd".encode("utf-16-be"),))
    assert encode_message("\ude00\ud83d") == Encoded(8, ("\ufffd\ufffd".encode("utf-16-be"),))


def test_a_text_of_too_many_parts_is_refused_whole() -> None:
    assert len(encode_message("x" * 153 * 255).parts) == 255
    with pytest.raises(LocalProtocolError, match="256 parts, at most 255") as caught:
        encode_message("x" * (153 * 255 + 1))
    assert (caught.value.field, caught.value.command_status) == ("short_message", 0x01)
    with pytest.raises(LocalProtocolError):
        encode_message("x" * 161, max_parts=1)
    assert count_segments("x" * (153 * 255 + 1)) == 256


@given(
    TEXTS,
    st.sampled_from(["udh8", "udh16", "sar"]),
    st.sampled_from([Alphabet.GSM7, Alphabet.LATIN1, Alphabet.ASCII, Alphabet.UCS2]),
)
@example("€" * 500, "udh8", Alphabet.GSM7)
@example("x" + "😀" * 200, "udh16", Alphabet.GSM7)
def test_parts_join_to_the_text_and_stay_within_their_limits(text: str, form: LongForm, alphabet: Alphabet) -> None:
    profile = TextProfile(alphabet, long_form=form)
    encoded = encode_message(text, profile)
    header_octets = {"udh8": 6, "udh16": 7, "sar": 7}[form] if len(encoded.parts) > 1 else 0
    for part in encoded.parts:
        septets = encoded.data_coding == 0 and alphabet is not Alphabet.LATIN1
        on_air_octets = -(-len(part) * 7 // 8) if septets else len(part)
        assert header_octets + on_air_octets <= 140
        # A part that can be read alone has no half of a pair at either end.
        if encoded.data_coding == 8:
            part.decode("utf-16-be")
        elif alphabet is Alphabet.GSM7:
            assert not part.endswith(b"\x1b")
    assert decode_text(b"".join(encoded.parts), encoded.data_coding, alphabet) == text
    readable = [decode_text(part, encoded.data_coding, alphabet) or "" for part in encoded.parts]
    assert "".join(readable) == text
    assert count_segments(text, profile) == len(encoded.parts)


@given(st.text(st.characters(max_codepoint=0x7E), max_size=320))
def test_the_short_cut_for_plain_texts_changes_nothing(text: str) -> None:
    """encode_message looks at ASCII texts without a table; an added € takes the long way."""
    long_way = encode_message(text + "€")
    short_way = encode_message(text)
    assert long_way.data_coding == short_way.data_coding
    suffix = b"\x1be" if short_way.data_coding == 0 else "€".encode("utf-16-be")
    assert b"".join(long_way.parts) == b"".join(short_way.parts) + suffix


@given(TEXTS)
def test_gsm_is_used_exactly_when_every_character_is_in_its_tables(text: str) -> None:
    assert (encode_message(text).data_coding == 0) == all(character in GSM_CHARACTERS for character in text)


def real_texts() -> list[str]:
    """All texts beside the checkout, alone and, as few people write long ones, run together by the dozen."""
    files = sorted(DATA.glob("*.tsv"))
    if not files:
        pytest.skip(f"there are no texts (*.tsv) in {DATA}; SMPPBRIDGE_TEXTS can name another folder")
    texts = [row.rpartition("\t")[2] for file in files for row in file.read_text(encoding="utf-8").splitlines()]
    return texts + [" ".join(texts[n : n + 12]) for n in range(0, len(texts), 12)]


@pytest.mark.parametrize("form", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("alphabet", [Alphabet.GSM7, Alphabet.GSM7_PACKED, Alphabet.LATIN1, Alphabet.UCS2])
def test_real_texts_survive_and_take_the_segments_that_are_counted(form: LongForm, alphabet: Alphabet) -> None:
    profile = TextProfile(alphabet, long_form=form)
    for text in real_texts():
        encoded = encode_message(text, profile)
        sent = [user_data(encoded, part, 9) for part in range(len(encoded.parts))]
        payload = b"".join(value for _, _, tlvs in sent for tag, value in tlvs if tag == TAG_MESSAGE_PAYLOAD)
        received = [
            UserData(octets or payload, encoded.data_coding, has_header=bool(flags)) for flags, octets, _ in sent
        ]
        assert read_message(received, alphabet) == text
        counted = count_segments(text, profile)
        assert len(sent) == (1 if payload else counted)
        assert (counted > 1) == (len(sent) > 1 or bool(payload))
