"""Rules files: what is taken, and each mistake with its file, line and fix."""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.records import Conversation, Session
from bridge.rules import Problem, RulesError, Ruleset, load
from bridge.rules.load import compile_rules
from bridge.rules.optout import built_in
from bridge.rules.ruleset import RulesFile
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

ACME = Path(__file__).parent.parent / "conf" / "rules" / "acme.toml"
# BRAND has five lines: what a test adds begins in line 6.
TEMPLATE = '[template.hello]\nen = "hello"\n'


def test_the_shipped_rules_load_and_their_tests_pass() -> None:
    rules = load([ACME])
    assert rules.files == (RulesFile(str(ACME), rules.version, ("acme",), 5, 1, 6, 6),)
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


def test_queues_of_people_are_known_by_name_once_each() -> None:
    other = BRAND.replace("acme", "zeta").replace("60606", "70707") + "[queue.care]\n[queue.sales]\n"
    rules = compile_rules([("a.toml", BRAND + "[queue.care]\n"), ("b.toml", other)], built_in())
    assert rules.queues() == ("care", "sales")
    assert compiled(BRAND).queues() == ()


def test_texts_of_the_file_replace_the_built_in_ones_one_by_one() -> None:
    rules = compiled(BRAND + '[optout.reply.en]\nstop = "{brand}: no more from {number}"\n')
    assert say(rules, "stop").replies[0].text == "acme: no more from 60606"
    assert say(rules, "start").replies[0].text.startswith("acme: you are subscribed again.")


def test_words_of_the_file_add_to_the_built_in_ones() -> None:
    rules = compiled(BRAND + '[optout]\nkeywords = { en = ["stop", "basta"] }\n')
    assert say(rules, "Basta!").control == "stop"
    assert say(rules, "quit").control == "stop"


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
    assert problems("version = \n") == [
        '1: not valid TOML: Invalid value; a text stands in straight quotes, as name = "text"'
    ]


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
    poorer = replace(shipped, replies={"en": {"stop": "{brand}", "help": "{brand} {help_contact}"}})
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


def everything_shipped() -> Ruleset:
    """The shipped rules with all that they comment out."""
    source = (Path(__file__).parent.parent / "conf" / "rules" / "acme.toml").read_text(encoding="utf-8")
    before, mark, rest = source.partition("# ---------------------------------------------------------------- more")
    shown, tests, _ = rest.partition("# ---------------------------------------------------------------- tests")
    assert mark
    assert tests  # those of the file hold without what is commented out
    plain = re.sub(r"^# ?", "", shown.partition("\n")[2], flags=re.MULTILINE)
    options = "reopen_window|max_auto_replies|optout_by|phrases|free_text|double_opt_in|answer_first"
    before = re.sub(rf"^# ({options}) ", r"\1 ", before, flags=re.MULTILINE)
    return compiled(before + plain)


def test_control_words_are_control_at_every_step_of_every_shipped_flow() -> None:
    rules = everything_shipped()
    brand = rules.numbers["60606"]
    waits = [(flow, step) for flow in brand.flows.values() for step in flow.steps.values() if step.answer or step.call]
    assert len(waits) >= 2
    for flow, step in waits:
        for word, control in brand.controls.items():
            session = Session(flow.name, rules.version, step.name, NOW, NOW + 900.0, call=0 if step.answer else 7)
            state = Conversation(CONTACT, brand.name, 1, NOW, NOW, 1, number="60606", session=session)
            decision = say(rules, word, state, now=NOW + 1.0)
            if control.only_opted_out:
                assert decision.outcome != "control", word
                continue
            assert (decision.outcome, decision.control) == ("control", control.kind), word
            assert decision.state.session == (None if control.kind == "stop" else session), word


def test_what_the_shipped_rules_comment_out_is_right() -> None:
    brand = everything_shipped().numbers["60606"]
    assert brand.hours is not None
    assert brand.csat is not None
    assert brand.queues.keys() == {"care", "supervisors"}
    assert brand.understanding is not None
