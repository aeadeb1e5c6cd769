"""The national language tables, and how their headers are written and read (3GPP TS 23.038 Annex A)."""

from __future__ import annotations

import pytest
from gsmcodecs.charmaps import GSMCHARMAPS
from hypothesis import given
from hypothesis import strategies as st

from smppcore.text import LANGUAGES, Alphabet, TextProfile, UserData, encode_message, read_message, user_data
from smppcore.text.gsm import tables
from smppcore.text.national import LOCKING_SHIFT, SINGLE_SHIFT, VOID

# Where the gsmcodecs package differs from the standard: two typing errors, and an apostrophe for the comma of every
# table with Indic letters.
THEIR_SLIPS = {(7, 0x24): "\u0caa", **{(language, 0x2C): "'" for language in range(4, 14)}}
THEIR_GAPS = {(12, 0x65)}


@pytest.mark.parametrize("language", range(14))
def test_the_tables_agree_with_the_gsmcodecs_package_on_every_septet(language: int) -> None:
    theirs = GSMCHARMAPS[language]
    if language == 2:
        assert "locking" not in theirs
        assert language not in LOCKING_SHIFT
    else:
        for septet, character in enumerate(LOCKING_SHIFT[language]):
            if septet != 0x1B:
                other = chr(theirs["locking"]["decode"].get(septet, ord(VOID)))
                assert THEIR_SLIPS.get((language, septet), character) == other
    for septet in set(range(128)) - {0x1B}:
        other = theirs["singleShift"]["decode"].get(septet)
        if (language, septet) not in THEIR_GAPS:
            assert SINGLE_SHIFT[language].get(septet) == (None if other is None else chr(other))


@pytest.mark.parametrize("locking", range(14))
@pytest.mark.parametrize("single", range(14))
def test_every_character_of_a_pair_of_tables_comes_back(locking: int, single: int) -> None:
    pair = tables(locking, single)
    basic = LOCKING_SHIFT.get(locking, LOCKING_SHIFT[0])
    characters = {*basic, *SINGLE_SHIFT[single].values()} - {VOID, "\x1b"}
    for character in characters:
        octets = pair.encode(character)
        assert octets is not None
        assert len(octets) == (1 if character in basic else 2)
        assert pair.decode(octets) == character


def test_septets_without_a_character_are_visibly_damaged() -> None:
    assert tables(11, 11).decode(b"\x00a\x09") == f"{VOID}a{VOID}"
    assert tables(11, 11).decode(b"\x1b\x0d\x1b\x1b\x1b") == "\r  "


def test_an_unknown_language_is_the_default() -> None:
    assert tables(14, 99).decode(b"\x00\x1be") == "@€"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        # 3GPP TS 23.040 §9.2.3.24.15 and .16: single shift 0x24, locking shift 0x25.
        (b"\x03\x24\x01\x01i\x1bi\x1bS", "iıŞ"),
        (b"\x03\x25\x01\x01\x07\x1c\x40", "ışŞİ"[0] + "Şİ"),
        (b"\x06\x24\x01\x03\x25\x01\x03\x1bk", "k"),
        (b"\x06\x25\x01\x03\x24\x01\x03\x7b\x1b\x15", "ãΩ"),
        (b"\x03\x24\x01\x02Ma\x7dana", "Mañana"),
        (b"\x03\x24\x01\x63\x1be", "€"),
        (b"\x04\x24\x02\x01\x01\x1be", "€"),
    ],
)
def test_a_header_says_which_tables_its_text_is_in(octets: bytes, text: str) -> None:
    assert read_message([UserData(octets, 0, has_header=True)]) == text


def test_parts_of_different_languages_are_read_each_by_its_own() -> None:
    turkish = UserData(b"\x08\x00\x03\x01\x03\x01\x25\x01\x01\x07\x1b", 0, has_header=True)
    again = UserData(b"\x08\x00\x03\x01\x03\x02\x25\x01\x01e", 0, has_header=True)
    plain = UserData(b"\x05\x00\x03\x01\x03\x03\x07", 0, has_header=True)
    assert read_message([turkish, again, plain]) == "ı€ì"


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("ığş", b""),
        ("ığş ok", b"\x25\x01\x01"),
        ("ığş Ğİ", b"\x25\x01\x01"),
        ("Teşekkürler: è ì ò", b"\x24\x01\x01"),
        ("ığşığşığş", b"\x25\x01\x01"),
        ("plain", b""),
        ("Olé", b""),
        ("ção \u221e ou não", b"\x25\x01\x03"),
        ("√", b""),
        ("Ωê^ ok: ª", b"\x25\x01\x03\x24\x01\x03"),
    ],
)
def test_the_cheapest_table_is_used(text: str, elements: bytes) -> None:
    encoded = encode_message(text, TextProfile(languages=("turkish", "portuguese")))
    assert (encoded.framing.elements if encoded.framing else b"") == elements


def test_a_language_saves_parts() -> None:
    text = "Şişli'de buluşalım, ığdır güzel. " * 4
    assert len(encode_message(text).parts) == 2
    encoded = encode_message(text, TextProfile(languages=("turkish",)))
    assert len(encoded.parts) == 1
    flags, octets, tlvs = user_data(encoded, 0, 1)
    assert (flags, octets[:4], tlvs) == (0x40, b"\x03\x25\x01\x01", ())
    assert read_message([UserData(octets, 0, has_header=True)]) == text


@pytest.mark.parametrize("form", ["sar", "payload"])
def test_a_language_is_not_used_where_the_smsc_makes_the_headers_of_the_parts(form: str) -> None:
    profile = TextProfile(languages=("turkish",), long_form=form)  # type: ignore[arg-type]
    assert encode_message("ığş" * 30, profile).data_coding == 0
    assert encode_message("ığş" * 60, profile).data_coding == 8


@given(
    st.sampled_from(sorted(LANGUAGES)),
    st.data(),
    st.sampled_from(["udh8", "udh16"]),
    st.sampled_from([Alphabet.GSM7, Alphabet.GSM7_PACKED]),
)
def test_texts_in_every_language_come_back(language: str, data: st.DataObject, form: str, alphabet: Alphabet) -> None:
    number = LANGUAGES[language]
    letters = {*LOCKING_SHIFT.get(number, ""), *SINGLE_SHIFT[number].values()} - {VOID, "\x1b"}
    text = data.draw(st.text(st.sampled_from(sorted(letters)), max_size=500)) + "!"
    profile = TextProfile(alphabet, languages=(language,), long_form=form)  # type: ignore[arg-type]
    encoded = encode_message(text, profile)
    assert len(encoded.parts) <= len(encode_message(text, TextProfile(alphabet)).parts)
    parts = [user_data(encoded, part, 300) for part in range(len(encoded.parts))]
    for flags, octets, _ in parts:
        has_header = bool(flags)
        on_air = len(octets)
        if encoded.data_coding == 0 and alphabet is Alphabet.GSM7:
            head = octets[0] + 1 if has_header else 0
            on_air = head + -(-((len(octets) - head) * 7) // 8)
        assert on_air <= 140
    received = [UserData(octets, encoded.data_coding, has_header=bool(flags)) for flags, octets, _ in parts]
    assert read_message(received, alphabet) == text
