"""Templates: compiling, rendering, and what is refused."""

from __future__ import annotations

import json
import random

import pytest

from bridge.records import Conversation
from bridge.rules import Inbound
from bridge.rules.templates import MissingVariable, TemplateError, Text, compile_text, render, unsendable
from tests.rules_helpers import BRAND, CONTACT, compiled, say

KNOWN = {"brand": "Acme", "url": "a.example", "empty": ""}
MESSAGE = Inbound(" Where is IT ", "15550001234", "60606", "link-a")


def rendered(source: str, **captures: str) -> str:
    return render(compile_text(source, KNOWN, {"order", "name"}), captures, MESSAGE)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{brand}: {url}", "Acme: a.example"),
        ("{brand|other}", "Acme"),
        ("{empty|x}", "x"),
        ("{order}!", "AC1!"),
        ("{order|none}", "AC1"),
        ("Hi{name| there}.", "Hi there."),
        ("{name|}", ""),
        ("{contact} {number}", "15550001234 60606"),
        ("<{text}>", "<Where is IT>"),
        ("{word1}-{word3}-{word4|?}", "Where-IT-?"),
        ("{{brand}} {{{brand}}}", "{brand} {Acme}"),
        ("{nickname_of_customer|friend}", "friend"),
    ],
)
def test_variables_are_filled_in(source: str, text: str) -> None:
    assert rendered(source, order="AC1") == text


def test_what_is_the_same_for_every_message_is_filled_in_once() -> None:
    assert compile_text("{brand} {url|x}", KNOWN, ()) == Text("Acme a.example")


def test_a_value_is_never_read_as_a_template() -> None:
    assert rendered("{order}", order="{brand}") == "{brand}"


@pytest.mark.parametrize("source", ["{order}", "{brand} {word9}"])
def test_a_missing_value_without_default_is_raised(source: str) -> None:
    with pytest.raises(MissingVariable) as caught:
        rendered(source)
    assert caught.value.name == source.split("{")[-1].rstrip("}")


def test_an_empty_value_is_a_missing_one() -> None:
    with pytest.raises(MissingVariable):
        rendered("{order}", order="")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a { b", "`{` without its partner; a brace in the text is written twice"),
        ("a } b", "`}` without its partner; a brace in the text is written twice"),
        ("{}", "`{}` does not name a variable"),
        ("{a b}", "`{a b}` does not name a variable"),
        ("{ordr}", "unknown variable `ordr`; did you mean `order`?"),
        ("{ordr|x}", "unknown variable `ordr`; did you mean `order`?"),
        ("{contct}", "unknown variable `contct`; did you mean `contact`?"),
        ("{quite_other}", "unknown variable `quite_other`"),
        ("{empty}", "the variable `empty` has no value"),
    ],
)
def test_a_bad_template_is_refused(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_text(source, KNOWN, {"order"})
    assert str(caught.value) == message


def test_the_shortest_text_leaves_out_what_has_no_default() -> None:
    assert compile_text("{brand} {order} {name|you}.", KNOWN, {"order", "name"}).shortest() == "Acme  you."


def test_what_no_message_can_have_is_said() -> None:
    for fine in (
        "",
        "a\r\nb",
        "\u05e9\u05dc\u05d5\u05dd \u2066Acme\u2069",
        "\u202bacme\u202c",
        "\U0001f600 \u200d",
        "x" * 153 * 255,
    ):
        assert unsendable(fine) == "", fine
    for odd, why in (
        ("a\tb", "has U+0009 in it (a control character): take it out"),
        ("\u202dx", "has U+202D in it (left-to-right override): take it out"),
        ("x" * (153 * 255 + 1), "takes 256 SMS, and no message has more than 255"),
    ):
        assert unsendable(odd) == why


def test_no_profile_however_odd_is_sent_with_a_hole() -> None:
    source = (
        BRAND
        + """\
[profile]
name = "text"
plan = "text"
[[keyword]]
words = ["who"]
match = "first"
reply = "who"
[[pattern]]
name = "code"
regex = 'code (?P<code>\\\\w*)'
reply = "code"
[template.who]
en = "Hi {name|there}, {plan|basic}: {code|none yet} {word2|-}"
[template.code]
en = "{code} for {name}"
"""
    )
    rules = compiled(source)
    rng = random.Random(4)
    odd = ["", " ", "None", "{name}", "{", "}}", "null", "\u202e", "Ann", "\n", "a|b", "%s", "{0}", "Zoë", "\0"]
    sent = 0
    for _ in range(10_000):
        profile = {name: rng.choice(odd) for name in ("name", "plan") if rng.random() < 0.7}
        known = Conversation(CONTACT, "acme", profile=profile)
        decision = say(rules, rng.choice(("who", "who knows", "who " + rng.choice(odd), "code X1", "code ")), known)
        for reply in decision.replies:
            sent += 1
            text = reply.text
            for value in sorted(filter(None, odd), key=len, reverse=True):
                text = text.replace(value, "")  # what the customer is called is the customer's
            assert reply.text.strip()
            assert "None" not in text
            assert not set("{}").intersection(text)
        assert decision.replies or decision.outcome == "escalated"
    assert sent > 5000


def test_a_thousand_customers_of_many_languages_are_each_answered_in_their_own() -> None:
    languages = ("en", "fr", "de", "es", "it", "pl")
    source = BRAND + f"languages = {json.dumps(languages)}\n"
    for language in languages[2:]:
        source += f"""\
[optout.reply.{language}]
stop = "{{brand}}: no more, keine weiteren, no recibir, non riceverai, nie otrzymasz"
start = "{{brand}}: freq frec. Rates may apply, tarifas. Stop."
help = "{{brand}}: {{help_contact}}, freq frec. Rates may apply, tarifas. Stop."
"""
    source += '[[keyword]]\nwords = ["who"]\nreply = "who"\n'
    source += "[[keyword]]\n" + "".join(f'words.{one} = ["in {one}"]\n' for one in languages) + 'reply = "who"\n'
    source += "[template.who]\n" + "".join(f'{language} = "this is {language}"\n' for language in languages)
    rules = compiled(source)
    rng = random.Random(9)
    states: dict[int, Conversation] = {}
    spoken: dict[int, str] = {}
    for _ in range(5000):
        who, text = rng.randrange(1000), "who"
        if rng.random() < 0.3:
            spoken[who] = rng.choice(languages)
            text = f"in {spoken[who]}"
        decision = say(rules, text, states.get(who))
        assert [reply.text for reply in decision.replies] == [f"this is {spoken.get(who, 'en')}"]
        states[who] = decision.state
    assert len(set(spoken.values())) == len(languages)
