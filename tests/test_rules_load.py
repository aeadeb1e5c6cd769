"""Rules files: what is taken, and each mistake with its file, line and fix."""

from __future__ import annotations

import tomllib
import zoneinfo
from pathlib import Path

import pytest

from bridge.rules import Problem, RulesError, load
from bridge.rules.load import compile_rules
from bridge.rules.optout import BuiltIn, built_in
from bridge.rules.ruleset import RulesFile
from tests.rules_helpers import BRAND, compiled, problems, say

ACME = Path(__file__).parent.parent / "conf" / "rules" / "acme.toml"
# BRAND has five lines: what a test adds begins in line 6.
TEMPLATE = '[template.hello]\nen = "hello"\n'


def test_the_shipped_rules_load_and_their_tests_pass() -> None:
    rules = load([ACME])
    assert rules.files == (RulesFile(str(ACME), rules.version, ("acme",), 4, 1, 5, 4),)
    assert rules.brand_of("60606") == "acme"


def test_the_smallest_file_has_a_version_a_brand_a_number_and_a_contact() -> None:
    rules = compiled(BRAND)
    assert (rules.version, rules.brand_of("60606")) == ("1", "acme")
    assert say(rules, "help").replies[0].text.startswith("acme. Help: help@acme.example.")


def test_no_files_are_no_rules() -> None:
    rules = load([])
    assert (rules.version, rules.brand_of("60606"), rules.files) == ("", "", ())


def test_several_files_answer_for_their_own_brands() -> None:
    other = BRAND.replace("acme", "zeta").replace("60606", "70707").replace('"1"', '"2"')
    other += '[[keyword]]\nwords = ["hello"]\nreply = "hello"\n' + TEMPLATE
    rules = compile_rules([("a.toml", BRAND), ("b.toml", other)], built_in())
    assert rules.version == "1+2"
    assert say(rules, "hello", number="60606").outcome == "escalated"
    assert say(rules, "hello", number="70707").outcome == "replied"


def test_texts_of_the_file_replace_the_built_in_ones_one_by_one() -> None:
    rules = compiled(BRAND + '[optout.reply.en]\nstop = "{brand}: bye from {number}"\n')
    assert say(rules, "stop").replies[0].text == "acme: bye from 60606"
    assert say(rules, "start").replies[0].text.startswith("acme: you are subscribed again.")


def test_words_of_the_file_add_to_the_built_in_ones() -> None:
    rules = compiled(BRAND + '[optout]\nkeywords = { en = ["stop", "basta"] }\n')
    assert say(rules, "Basta!").control == "stop"
    assert say(rules, "quit").control == "stop"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # the file
        ("speling = 1\n" + BRAND, "1: speling: unknown key"),
        ("[brnd.x]\n", "6: brnd: unknown key; did you mean `brand`?"),
        # brands
        ('[brand.b]\nnumbers = ["1"]\n', "6: brand.b.help_contact: is missing: the HELP text must name a contact"),
        (
            '[brand.b]\nhelp_contact = "x"\n',
            "6: brand.b.numbers: is missing: without a number the brand answers nobody",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["60606"]\n',
            "8: brand.b.numbers: number 60606 belongs to brand acme already",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7", "+7"]\n',
            "8: brand.b.numbers: number 7 twice",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\nlanguages = []\n',
            "9: brand.b.languages: is empty",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\nlanguages = ["english"]\n',
            '9: brand.b.languages[1]: must be a language code, as "en" or "pt-BR"',
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\ncountry = "usa"\n',
            '9: brand.b.country: must be a country code of two capitals, as "US"',
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\ntimezone = "Europe/Pariss"\n',
            "9: brand.b.timezone: there is no time zone `Europe/Pariss`; did you mean `Europe/Paris`?",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\nvars = { word1 = "x" }\n',
            "9: brand.b.vars.word1: is the name of a built-in variable",
        ),
        (
            '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\nvars = { brand = "x" }\n',
            "9: brand.b.vars.brand: is the name of a built-in variable",
        ),
        # opt-out
        ('[optout]\nscope = "number"\n', "7: optout.scope: must be one of brand"),
        ('[optout]\nphrase = ["x"]\n', "7: optout.phrase: unknown key; did you mean `phrases`?"),
        ('[optout]\nkeyword = { en = ["x"] }\n', "7: optout.keyword: unknown key; did you mean `keywords`?"),
        ('[optout]\nkeywords = ["x"]\n', '7: optout.keywords: must say the language of the words, as { en = ["…"] }'),
        (
            '[optout]\nkeywords = { en = "x" }\n',
            '7: optout.keywords.en: must be a list of texts, as ["track", "parcel"]',
        ),
        ("[optout]\nkeywords = { en = [] }\n", "7: optout.keywords.en: is empty"),
        ('[optout]\nkeywords = { en = [" "] }\n', "7: optout.keywords.en: holds an empty word"),
        (
            '[optout]\nkeywords = { english = ["x"] }\n',
            '7: optout.keywords.english: must be a language code, as "en" or "pt-BR"',
        ),
        ('[optout]\nhelp = { en = ["Stop!"] }\n', "7: optout.help.en: `Stop!` is a STOP word already"),
        ('[optout]\nstart = { en = ["info"] }\n', "7: optout.start.en: `info` is a HELP word already"),
        (
            '[optout.reply.en]\nstop = "You are out."\n',
            "7: optout.reply.en.stop: must contain {brand}: carriers demand it of every STOP text",
        ),
        (
            '[optout.reply.en]\nhelp = "{brand}: ask."\n',
            "7: optout.reply.en.help: must contain {help_contact}: carriers demand it of every HELP text",
        ),
        (
            '[optout.reply.en]\nstop = "{brand}: bye {text}"\n',
            "7: optout.reply.en.stop: `{text}` needs a default here, as {text|…}",
        ),
        (
            '[optout.reply.en]\nstop = "{brand}: bye {"\n',
            "7: optout.reply.en.stop: `{` without its partner; a brace in the text is written twice",
        ),
        (
            f'[optout.reply.en]\nstop = "{{brand}}: {"x" * 160}"\n',
            "7: optout.reply.en.stop: takes 2 SMS for acme; the STOP text must fit one",
        ),
        ('[optout.reply.fr]\nstop = "{brand}"\n', "6: optout.reply.fr: no brand has the language `fr`"),
        # keywords
        ('[[keyword]]\nreply = "none"\n', "6: keyword[1].words: is missing"),
        (
            '[[keyword]]\nwords = "x"\nreply = "none"\n',
            '7: keyword[1].words: must be a list of texts, as ["track", "parcel"]',
        ),
        ('[[keyword]]\nwords = ["x"]\n', "6: keyword[1]: does nothing: give it a `reply`, a `flow` or `escalate`"),
        (
            '[[keyword]]\nwords = ["x"]\nreply = "helo"\n' + TEMPLATE,
            "8: keyword[1].reply: there is no template `helo`; did you mean `hello`?",
        ),
        (
            '[[keyword]]\nwords = ["x"]\nmatch = "frist"\nreply = "none"\n',
            "8: keyword[1].match: must be one of only, first, phrase; did you mean `first`?",
        ),
        (
            '[[keyword]]\nwords = ["Stop"]\nmatch = "first"\nreply = "none"\n',
            "7: keyword[1].words: `Stop` is a STOP word, which always comes first; choose another, or a [[pattern]]",
        ),
        (
            '[[keyword]]\nwords = ["a b"]\nmatch = "first"\nreply = "none"\n',
            '7: keyword[1].words: `a b` is more than one word; use match = "phrase"',
        ),
        ('[[keyword]]\nwords = ["ok", " "]\nreply = "none"\n', "7: keyword[1].words: holds an empty word"),
        (
            '[[keyword]]\nwords = ["ok"]\nreply = "none"\n[[keyword]]\nwords = ["a", "OK!"]\nreply = "none"\n',
            "10: keyword[2].words: `OK!` is a keyword already, in line 6",
        ),
        (
            '[[keyword]]\nwords = ["x"]\nescalate = "care"\n',
            "8: keyword[1].escalate: must be true, false or a table of queue, priority, tags, note",
        ),
        (
            '[[keyword]]\nwords = ["x"]\nescalate = { prio = 1 }\n',
            "8: keyword[1].escalate.prio: unknown key; did you mean `priority`?",
        ),
        (
            '[[keyword]]\nwords = ["x"]\nescalate = false\n',
            "6: keyword[1]: does nothing: give it a `reply`, a `flow` or `escalate`",
        ),
        (
            '[[keyword]]\nwords = ["x"]\nflow = "track"\nreply = "none"\n',
            "8: keyword[1].flow: there is no flow `track`",
        ),
        # patterns
        ('[[pattern]]\nregex = "a"\nreply = "none"\n', "6: pattern[1]: `name` is missing"),
        ('[[pattern]]\nname = "p"\nreply = "none"\n', "6: pattern[1]: `regex` is missing"),
        (
            '[[pattern]]\nname = "p"\nregex = "(a"\nreply = "none"\n',
            "8: pattern[1].regex: RE2 does not take it: missing ): (a",
        ),
        (
            "[[pattern]]\nname = 'p'\nregex = '(a)\\1'\nreply = 'none'\n",
            "8: pattern[1].regex: RE2 does not take it: invalid escape sequence: \\1",
        ),
        (
            '[[pattern]]\nname = "p"\nregex = "a*"\nreply = "none"\n',
            "8: pattern[1].regex: matches the empty text, so it would match every message",
        ),
        (
            '[[pattern]]\nname = "p"\nregex = "(?P<text>a)"\nreply = "none"\n',
            "8: pattern[1].regex: the group `text` has the name of a built-in variable",
        ),
        (
            '[[pattern]]\nname = "p"\nregex = "a"\nreply = "none"\n'
            '[[pattern]]\nname = "p"\nregex = "b"\nreply = "none"\n',
            "11: pattern[2].name: there is already a pattern `p`",
        ),
        # templates
        (
            '[template.t]\nenglish = "x"\nen = "y"\n',
            "7: template.t.english: is neither a language code nor `max_segments` nor `given`",
        ),
        (
            '[template.t]\nen = "y"\nmax_segmnts = 1\n',
            "8: template.t.max_segmnts: is neither a language code nor `max_segments` nor `given`; "
            "did you mean `max_segments`?",
        ),
        ('[template.t]\nen = "y"\nmax_segments = 0\n', "8: template.t.max_segments: must be from 1 to 255, not 0"),
        ("[template.t]\nen = 1\n", "7: template.t.en: must be a text in quotes, not a number"),
        ('[template]\nt = "x"\n', '7: template.t: must be a table of texts by language, as en = "…"'),
        ('[template.t]\nen = " "\n', "7: template.t.en: is empty"),
        ('[template.t]\nen = "x"\nfr = "y"\n', "8: template.t.fr: no brand has the language `fr`"),
        ('[template.t]\nen = "{quux}"\n', "7: template.t.en: unknown variable `quux`"),
        (
            '[template.t]\nen = "a } b"\n',
            "7: template.t.en: `}` without its partner; a brace in the text is written twice",
        ),
        (
            f'[template.t]\nen = "{"x" * 161}"\nmax_segments = 1\n',
            "7: template.t.en: takes 2 SMS for acme, max_segments is 1",
        ),
        (
            '[template.t]\nen = "ŷ%s"\nmax_segments = 1\n' % ("x" * 70),
            "7: template.t.en: takes 2 SMS for acme, max_segments is 1",
        ),
        ('[template.silent]\nen = "x"\n', "6: template.silent: this name has a meaning of its own; choose another"),
        (
            '[template."optout.stop"]\nen = "x"\n',
            "6: template.optout.stop: this name has a meaning of its own; choose another",
        ),
        # the rest
        (
            '[conversation]\nunmatched = { first = "escalat" }\n',
            "7: conversation.unmatched.first: there is no template `escalat`; did you mean `escalate`?",
        ),
        (
            '[conversation]\nunmatched = { third = "silent" }\n',
            "7: conversation.unmatched.third: unknown key",
        ),
        ('[conversation]\nidle_close = "0s"\n', "7: conversation.idle_close: must be 0.001s or more"),
        ("[queues.care]\n", "6: queues: unknown key; did you mean `queue`?"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, problem: str) -> None:
    source = text if text.endswith(BRAND) else BRAND + text
    known = [line for line in problems(source) if line != problem]
    assert problem in problems(source)
    # A mistake may have consequences, but not many.
    assert len(known) <= 1, known


def test_a_version_and_a_brand_are_needed() -> None:
    assert problems("") == [
        ' version: is missing; any text will do, as version = "2026-11-23.1"',
        " brand: there is no [brand.NAME] table",
    ]


def test_a_template_must_have_every_language_of_every_brand() -> None:
    text = BRAND + 'languages = ["en", "fr"]\n[template.t]\nen = "x"\n'
    assert problems(text) == ["7: template.t: has no text in `fr`"]


def test_a_language_without_built_in_texts_needs_its_own() -> None:
    found = problems(
        BRAND
        + 'languages = ["en", "de"]\n[optout.reply.de]\nstop = "{brand}: Ende."\nhelp = "{brand} {help_contact}"\n'
    )
    assert found == ["7: optout.reply.de.start: is missing, and there is no built-in text in `de`"]


def test_a_variable_of_one_brand_must_be_in_every_brand() -> None:
    other = '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\nvars = { url = "u" }\n[template.t]\nen = "{url}"\n'
    assert problems(BRAND + other) == ["11: template.t.en: unknown variable `url`"]


def test_a_variable_cannot_be_a_group_as_well() -> None:
    text = BRAND + 'vars = { order = "x" }\n[[pattern]]\nname = "p"\nregex = "(?P<order>a)"\nreply = "none"\n'
    assert problems(text) == ["6: brand.acme.vars.order: is the name of a pattern's group too"]


def test_a_number_and_a_brand_belong_to_one_file() -> None:
    with pytest.raises(RulesError) as caught:
        compile_rules([("a.toml", BRAND), ("b.toml", BRAND)], built_in())
    assert [str(problem) for problem in caught.value.problems] == [
        "b.toml:2: brand.acme: brand acme twice",
        "b.toml:5: brand.acme.numbers: number 60606 twice",
    ]


def test_a_syntax_error_is_the_only_problem_of_its_file() -> None:
    assert problems("version = \n") == ["1: not valid TOML: Invalid value"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    (tmp_path / "good.toml").write_text("x = 1\n")
    with pytest.raises(RulesError) as caught:
        load([tmp_path / "none.toml", tmp_path / "good.toml", tmp_path / "bad.toml"])
    messages = [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert messages[:2] == [
        "none.toml: cannot read the rules: No such file or directory",
        "bad.toml: is not UTF-8 text",
    ]
    assert "good.toml:1: x: unknown key" in messages
    assert str(caught.value).count("\n") == len(messages) - 1
    assert caught.value.problems[0] == Problem(
        str(tmp_path / "none.toml"), 0, "", "cannot read the rules: No such file or directory"
    )


def test_a_system_without_time_zones_knows_none_to_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert compiled(BRAND + 'timezone = "Europe/Pariss"\n').version == "1"


def test_a_shipped_language_that_lacks_a_text_is_found() -> None:
    shipped = built_in()
    poorer = BuiltIn(
        shipped.date, shipped.controls, {"en": {"stop": "{brand}", "help": "{brand} {help_contact}"}}, shipped.requests
    )
    with pytest.raises(RulesError) as caught:
        compile_rules([("r.toml", BRAND)], poorer)
    assert [problem.key for problem in caught.value.problems] == ["optout.reply.en.start"]


# ---------------------------------------------------------------- the tests in a file

RULES_TO_TEST = (
    BRAND
    + '[brand.b]\nhelp_contact = "x"\nnumbers = ["7"]\n'
    + TEMPLATE
    + '[[keyword]]\nwords = ["hi"]\nreply = "hello"\n[[keyword]]\nwords = ["ok"]\nreply = "none"\n'
    + '[[keyword]]\nwords = ["agent"]\nescalate = true\n'
)
LINE = RULES_TO_TEST.count("\n") + 1


@pytest.mark.parametrize(
    "test",
    [
        'say = ["hi", "ok", "agent", "agent", "stop", "hi", "help"]\n'
        'expect = ["hello", "", "escalated", "", "optout.stop", "", "optout.help"]\nthen = { state = "opted_out" }',
        'say = ["hi"]\nexpect = ["hello"]\nnumber = "7"\nlang = "en"\nthen = { state = "subscribed" }',
    ],
)
def test_a_passing_test_is_no_problem(test: str) -> None:
    assert compiled(f"{RULES_TO_TEST}[[test]]\n{test}\n").files[0].tests == 1


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ('say = ["hi"]\nexpect = [""]', '"hi" gets hello, expected no answer (keyword.hi, replied)'),
        (
            'say = ["ok"]\nexpect = ["hello"]',
            '"ok" gets no answer, expected hello (keyword.ok, silent: known, deliberately not answered)',
        ),
        (
            'say = ["stop", "hi"]\nexpect = ["optout.stop", "hello"]',
            '"hi" gets no answer, expected hello (suppressed: opted out)',
        ),
        (
            'say = ["agent"]\nexpect = ["hello"]',
            '"agent" gets escalated, expected hello (keyword.agent, escalated: queue=default priority=normal)',
        ),
        ('say = ["hi"]\nexpect = []', "`say` has 1 texts and `expect` 0; each text needs its answer"),
        ("say = []\nexpect = []", "`say` has 0 texts and `expect` 0; each text needs its answer"),
    ],
)
def test_a_failing_test_says_what_happened_and_why(test: str, problem: str) -> None:
    assert problems(f"{RULES_TO_TEST}[[test]]\n{test}\n") == [f"{LINE}: test[1]: {problem}"]


def test_a_test_names_a_known_number_and_the_state_at_the_end() -> None:
    text = RULES_TO_TEST + '[[test]]\nsay = ["hi"]\nexpect = ["hello"]\nnumber = "9"\n'
    text += '[[test]]\nsay = ["hi"]\nexpect = ["hello"]\nthen = { state = "opted_out" }\n'
    assert problems(text) == [
        f"{LINE + 3}: test[1].number: no brand has the number 9",
        f"{LINE + 7}: test[2].then: the customer is subscribed at the end, expected opted_out",
    ]


def test_tests_do_not_run_over_rules_with_mistakes() -> None:
    text = RULES_TO_TEST + '[[test]]\nsay = ["hi"]\nexpect = [""]\n[template.u]\nen = "{"\n'
    assert len(problems(text)) == 1


def test_the_documented_texts_of_the_shipped_rules_fit_one_sms() -> None:
    raw = tomllib.loads(ACME.read_text(encoding="utf-8"))
    assert raw["template"]["order_status"]["max_segments"] == 1
