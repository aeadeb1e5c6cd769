"""Notes on texts: what is unwise, and not refused."""

from __future__ import annotations

import re

from bridge.rules.lint import domains, markers
from tests.rules_helpers import BRAND, compiled

HELP = '[optout.reply.en]\nhelp = "{brand}: {help_contact}"\n'


def notes(text: str) -> list[str]:
    return [str(note).removeprefix("rules.toml:") for note in compiled(text).files[0].notes]


def test_outside_the_us_what_help_lacks_is_a_note() -> None:
    british = BRAND.replace('"US"', '"GB"')
    assert notes(british + HELP) == [
        "7: optout.reply.en.help: does not say how often messages come",
        "7: optout.reply.en.help: does not say that rates may apply",
        "7: optout.reply.en.help: does not say how to stop",
    ]


def test_a_language_without_markers_is_not_judged() -> None:
    swedish = BRAND.replace('"US"', '"SE"') + 'languages = ["sv"]\n[optout.reply.sv]\n'
    texts = 'stop = "{brand}: slut."\nstart = "{brand}: igen."\nhelp = "{brand}: {help_contact}"\n'
    assert notes(swedish + texts) == []


def test_links_to_what_is_known_are_fine() -> None:
    source = (
        BRAND
        + 'vars = { url = "acme.example/t" }\n[optout.reply.en]\nstop = "{brand}: no more. {url} help@acme.example"\n'
    )
    assert notes(source) == []


def test_several_domains_are_noted() -> None:
    source = BRAND + '[template.a]\nen = "see acme.example/x"\n[template.b]\nen = "see https://other.example now"\n'
    assert notes(source) == [
        "2: brand.acme: its texts link to 2 domains (acme.example, other.example); carriers want one"
    ]


def test_the_character_that_costs_an_sms_is_named() -> None:
    text = "We\u2019ll be there " + "x" * 80
    assert notes(BRAND + f'[template.t]\nen = "{text}"\n') == [
        "7: template.t.en: takes 2 SMS for `\u2019` (U+2019), without 1"
    ]
    assert notes(BRAND + '[template.t]\nen = "short \u2019"\n') == []


def test_stop_words_that_a_flow_takes_are_noted() -> None:
    assert notes(BRAND + '[optout]\nanswer_first = ["cancel"]\n') == [
        "7: optout.answer_first: `cancel` of whoever answers a flow no longer opts out: "
        "in the US it revokes consent by itself"
    ]


def test_a_template_says_when_it_was_reviewed() -> None:
    source = BRAND + '[template.t]\nreviewed = "2024-01-31"\nen = "x"\n'
    assert compiled(source).files[0].reviewed == {"t": "2024-01-31"}


def test_domains() -> None:
    assert domains("see acme.example/t, https://Bit.ly/x or www.a-b.co.uk.") == [
        "acme.example",
        "bit.ly",
        "www.a-b.co.uk",
    ]
    assert domains("Mon-Fri 8.30-18.00, write to help@acme.example, e.g. now... ok.thanks") == []


def test_the_lists_are_dated() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", markers().date)
    assert "bit.ly" in markers().shorteners


def test_a_sender_that_cannot_be_answered_says_how_else() -> None:
    source = BRAND.replace('["60606"]', '["60606", "ACME"]')
    texts = '[template.a]\nen = "hello"\n[template.b]\nen = "hello, see {help_contact}"\n'
    assert notes(source + texts) == [
        "7: template.a.en: comes from ACME too, which cannot be answered: it must name help@acme.example"
    ]
