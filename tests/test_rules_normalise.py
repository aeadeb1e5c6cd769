"""Texts to words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.rules.normalise import normalise


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\r\n", []),
        ("Hello, World!", ["hello", "world"]),
        ("don't", ["dont"]),
        ("don’t", ["dont"]),
        ("rock`n`roll", ["rocknroll"]),
        ("opt-out", ["opt", "out"]),
        ("a_b/c", ["a", "b", "c"]),
        ("AC12345678", ["ac12345678"]),
        ("Ça va, où?", ["ca", "va", "ou"]),
        ("ARRÊT", ["arret"]),
        ("ｓｔｏｐ！", ["stop"]),
        ("𝐒𝐓𝐎𝐏", ["stop"]),
        ("ﬁn", ["fin"]),
        ("straße", ["strasse"]),
        ("İstanbul", ["istanbul"]),
        ("s\u200bt\u200do\u2060p", ["stop"]),
        ("\u202estop\u202c", ["stop"]),
        ("stop\u00a0all", ["stop", "all"]),
        ("stop❤️", ["stop"]),
        ("1️⃣", ["1"]),
        ("no😀space", ["no", "space"]),
        ("日本", ["日本"]),
        ("か", ["か"]),
        ("が", ["か\u3099"]),
        ("हिन्दी", ["हिन्दी"]),
        ("привет", ["привет"]),
        ("?", ["?"]),
        ("! !", ["!!"]),
        ("👍", ["👍"]),
        ("\x00\x1bhi", ["hi"]),
        ("'", ["'"]),
    ],
)
def test_a_text_becomes_its_words(text: str, words: list[str]) -> None:
    assert normalise(text) == words


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_gives_what_the_long_one_does(text: str) -> None:
    # "é" is folded to "e": the text is not ASCII and takes the long way.
    assert normalise(text + " x") == normalise(text + " x\u0301")


@given(st.text())
def test_words_stay_as_they_are_when_normalised_again(text: str) -> None:
    words = normalise(text)
    assert normalise(" ".join(words)) == words or not any(word.isalnum() for word in words)


@given(st.text(min_size=1))
def test_only_a_blank_text_has_no_words(text: str) -> None:
    assert bool(normalise(text)) == bool(text.split())
