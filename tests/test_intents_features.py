from __future__ import annotations

from bridge.rules.intents.features import MAX_LETTERS, MAX_WORDS, grams_of, model_words, pairs_of, words_of


def test_a_word_counts_once_in_the_order_of_the_text() -> None:
    assert words_of("Where is my, is my PARCEL?") == ["where", "is", "my", "parcel"]


def test_no_text_is_longer_than_the_model_takes() -> None:
    words = model_words([f"{number}{'x' * 200}" for number in range(500)])
    assert len(words) == MAX_WORDS
    assert {len(word) for word in words} == {MAX_LETTERS}


def test_scripts_without_spaces_are_taken_apart() -> None:
    assert words_of("我的包裹在哪里 AC1") == ["我", "的", "包", "裹", "在", "哪", "里", "ac1"]
    assert words_of("où est mon colis") == ["ou", "est", "mon", "colis"]


def test_pairs_are_words_in_a_row() -> None:
    assert pairs_of(["a", "b", "c"]) == ["a b", "b c"]
    assert pairs_of(["a"]) == []


def test_grams_know_where_a_word_begins_and_ends() -> None:
    assert grams_of("ab") == ["<a", "ab", "b>", "<ab", "ab>", "<ab>"]


def test_numbers_of_one_length_are_alike() -> None:
    assert grams_of("12345") == grams_of("98765") != grams_of("1234")
