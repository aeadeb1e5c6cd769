"""The built-in control words."""

from __future__ import annotations

import re

from bridge.rules.normalise import normalise
from bridge.rules.optout import Control, add_word, built_in

# 47 CFR 64.1200(a)(10), "revoke": the words that by themselves are a reasonable means.
CFR = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")


def test_every_word_of_the_regulation_is_a_stop_word() -> None:
    controls = built_in().controls
    assert {word for word in CFR if controls[word].kind != "stop"} == set()


def test_the_lists_are_complete_and_dated() -> None:
    shipped = built_in()
    by_kind: dict[str, set[str]] = {}
    for word, control in shipped.controls.items():
        by_kind.setdefault(control.kind, set()).add(word)
    assert by_kind == {
        "stop": {*CFR, "stopall", "stop all", "optout", "remove", "arret"},
        "start": {"start", "unstop", "yes"},
        "help": {"help", "info", "aide"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", shipped.date)
    assert [word for word, control in shipped.controls.items() if control.only_opted_out] == ["yes"]


def test_every_shipped_language_has_all_three_texts() -> None:
    replies = built_in().replies
    assert replies.keys() == {"en", "fr"}
    for texts in replies.values():
        assert texts.keys() == {"stop", "start", "help", "ask", "confirm"}
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
