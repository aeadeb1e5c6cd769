"""The built-in control words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from bridge.records import Conversation
from bridge.rules.normalise import normalise
from bridge.rules.optout import Control, add_word, built_in
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, say

if TYPE_CHECKING:
    from collections.abc import Callable

# 47 CFR 64.1200(a)(10), "revoke": the words that by themselves are a reasonable means.
CFR = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")


def test_every_word_of_the_regulation_is_a_stop_word() -> None:
    controls = built_in().controls
    assert {word for word in CFR if controls[word].kind != "stop"} == set()


def test_the_lists_are_complete_and_dated() -> None:
    shipped = built_in()
    by_kind: dict[str, set[str]] = {}
    for word, control in shipped.controls.items():
        if not {"en", "fr"}.intersection(control.languages):
            continue
        by_kind.setdefault(control.kind, set()).add(word)
    assert by_kind == {
        "stop": {*CFR, "stopall", "stop all", "optout", "remove", "td", "arret"},
        "start": {"start", "unstop", "yes"},
        "help": {"help", "info", "aide"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", shipped.date)
    assert [word for word, control in shipped.controls.items() if control.only_opted_out] == ["yes"]


def test_every_shipped_language_has_all_three_texts() -> None:
    replies = built_in().replies
    assert replies.keys() == {"en", "fr"}
    for texts in replies.values():
        assert texts.keys() == {"stop", "start", "help", "ask", "confirm", "topic"}
        assert all("{brand}" in text for text in texts.values())


def test_every_shipped_word_is_found_after_normalisation() -> None:
    assert all(" ".join(normalise(word)) == word for word in built_in().controls)


def test_a_word_of_two_languages_has_both() -> None:
    controls: dict[str, Control] = {}
    assert add_word(controls, "Stop!", "stop", "en") is None
    assert add_word(controls, "stop", "stop", "fr") is None
    assert add_word(controls, "stop", "stop", "fr") is None
    assert controls == {"stop": Control("stop", ("en", "fr"))}


def test_a_word_cannot_mean_two_things() -> None:
    controls = {"stop": Control("stop", ("en",))}
    assert add_word(controls, "STOP", "help", "en") == Control("stop", ("en",))
    assert controls == {"stop": Control("stop", ("en",))}


# ---------------------------------------------------------------- every word in every form

FORMS: tuple[Callable[[str], str], ...] = (
    lambda word: word,
    str.upper,
    str.title,
    lambda word: f"  {word}",
    lambda word: f"{word} \n",
    lambda word: f"\u00a0{word}\u00a0",
    lambda word: f"{word}.",
    lambda word: f"{word}!!!",
    lambda word: f"{word}?",
    lambda word: f'"{word}"',
    lambda word: f"'{word}'",
    lambda word: f"\u201c{word}\u201d",
    lambda word: f"{word},",
    lambda word: f"{word} \U0001f44d",
    lambda word: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word),
    lambda word: "\u200b".join(word),
    lambda word: f"\ufeff{word}\u200d",
    lambda word: f"*{word}*",
    lambda word: word.replace("a", "a\u0301").replace("e", "\u00e9"),
    lambda word: f"({word})",
)
LANGUAGES = ("en", "fr", "de", "es", "it", "nl", "pt", "pl", "sv", "tr")
CONTROLS = built_in().controls
GONE = "no more, keine weiteren, dado de baja, non riceverai, nao recebera, uitgeschreven, wypisan, abonelikten cikt"
MORE = "Freq. Frec. Rates may apply, tarifas. Stop."
TEXTS = "".join(
    f"""
[optout.reply.{language}]
stop = "{{brand}}: {GONE}"
start = "{{brand}}: start. {MORE}"
help = "{{brand}}: {{help_contact}}. {MORE}"
"""
    for language in LANGUAGES[2:]
)
EVERY = compiled(BRAND + f"languages = {json.dumps(LANGUAGES)}\n" + TEXTS)


@pytest.mark.parametrize("word", sorted(CONTROLS))
def test_every_word_works_in_every_form(word: str) -> None:
    control = CONTROLS[word]
    known = Conversation(CONTACT, "acme", opted_out=NOW if control.kind == "start" else 0.0)
    for form in FORMS:
        decision = say(EVERY, form(word), known, number="60606")
        assert (decision.control, decision.outcome) == (control.kind, "control"), form(word)
    wrong = say(EVERY, f"{word} the quarterly report", known)
    assert wrong.layer != "control"


def test_words_of_a_language_are_in_force_where_it_is_spoken() -> None:
    assert say(compiled(BRAND), "abmelden").layer != "control"
    assert say(EVERY, "abmelden").control == "stop"
    assert say(compiled(BRAND), "arret").control == "stop"
