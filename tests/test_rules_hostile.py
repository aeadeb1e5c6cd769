"""Rules files and texts that somebody made to do harm, or an editor did: a clear answer, soon, and no traceback."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bridge.records import OUTCOMES, Conversation, Session
from bridge.rules.answers import Setting, compile_answer
from bridge.rules.flows.tables import WaitTable
from bridge.rules.load import load
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

if TYPE_CHECKING:
    from pathlib import Path

LINE = BRAND.count("\n") + 1
TEMPLATE = '[template.t]\nen = "x"\n'
FLOW = '[flow.f]\nstart = "a"\n'
WAIT = 'wait = { slot = "x", type = "text", timeout = "10ms" }\n'
PATTERN = '[[pattern]]\nname = "a"\nreply = "t"\nregex = '
ROUND = f"{LINE + 2}: flow.f.step.a: goes round for ever without an answer: "
DEEP = f"{LINE + 4}: flow.f.step.a.next[1]: the condition is nested too deep"


def flow(*steps: str) -> str:
    return FLOW + "".join(steps) + TEMPLATE


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, f"{LINE}: cannot be read: too many brackets inside brackets"),
        ("x = " + "{a=" * 5000 + "1" + "}" * 5000, f"{LINE}: cannot be read: too many brackets inside brackets"),
        ("\n\nx = 1" + "0" * 9000, f"{LINE + 2}: cannot be read: a number with too many digits"),
        ("x" + ".x" * 2000 + " = 1", f"{LINE}: brand.acme.x: unknown key"),
        (
            '[template.t]\nen = "a\\u0000"',
            f"{LINE + 1}: template.t.en: has U+0000 in it (a control character): take it out",
        ),
        (
            '[template.t]\nen = "\\u001b[31m"',
            f"{LINE + 1}: template.t.en: has U+001B in it (a control character): take it",
        ),
        ('[template.t]\nen = "a\\u202eb"', f"{LINE + 1}: template.t.en: has U+202E in it (right-to-left override)"),
        (
            '[optout.reply.en]\nstop = "{brand}: no more\\u0007"',
            f"{LINE + 1}: optout.reply.en.stop: has U+0007 in it (a control character): take it out",
        ),
        (
            f'[template.t]\nen = "{"x" * 1_000_000}"',
            f"{LINE + 1}: template.t.en: takes 6536 SMS, and no message",
        ),
        (f'[template.t]\nen = "{"{x|" * 5000}"', f"{LINE + 1}: template.t.en: `{{` without its partner"),
        (f'{PATTERN}"(a{{1000}}){{1000}}"\n{TEMPLATE}', f"{LINE + 3}: pattern[1].regex: RE2 does not take it"),
        (f"{PATTERN}'(a|b)\\1'\n{TEMPLATE}", f"{LINE + 3}: pattern[1].regex: RE2 does not take it"),
        (flow('[flow.f.step.a]\nsay = "t"\nnext = "a"\n'), f"{ROUND}a → a"),
        (
            flow('[flow.f.step.a]\nsay = "t"\nnext = "b"\n', '[flow.f.step.b]\nsay = "t"\nnext = "a"\n'),
            f"{ROUND}a → b → a",
        ),
        (flow('[flow.f.step.a]\ncall = "x.y"\non_error = { then = "a" }\nnext = "end"\n'), f"{ROUND}a → a"),
        (flow(f'[flow.f.step.a]\nsay = "t"\n{WAIT}on_timeout = {{ then = "a" }}\nnext = "end"\n'), f"{ROUND}a → a"),
        (
            flow(
                f'[flow.f.step.a]\nsay = "t"\n{WAIT}on_timeout = {{ then = "b" }}\nnext = "end"\n',
                '[flow.f.step.b]\nsay = "t"\nnext = "a"\n',
            ),
            f"{ROUND}a → b → a",
        ),
        (flow(f'[flow.f.step.a]\nskip_if = "x"\nsay = "t"\n{WAIT}next = "a"\n'), f"{ROUND}a → a"),
        (flow(f'[flow.f.step.a]\nsay = "t"\nnext = [{{ when = "{"(" * 9000}x{")" * 9000}", go = "end" }}]\n'), DEEP),
        (flow(f'[flow.f.step.a]\nsay = "t"\nnext = [{{ when = "{"not " * 9000}x", go = "end" }}]\n'), DEEP),
    ],
    ids=lambda value: str(value)[:30] if len(str(value)) < 200 else "long",
)
def test_a_rules_file_that_does_harm_is_refused_with_its_line(source: str, said: str) -> None:
    found = [problem for problem in problems(BRAND + source) if problem.startswith(said)]
    assert found, problems(BRAND + source)
    assert len(found[0]) < 300


def test_a_huge_file_loads() -> None:
    many = "".join(f'[[keyword]]\nwords = ["w{n} x"]\nreply = "t"\n' for n in range(5000))
    steps = "".join(f'[flow.f.step.s{n}]\nsay = "t"\nnext = "s{n + 1}"\n' for n in range(1000))
    rules = compiled(
        BRAND
        + many
        + '[[keyword]]\nwords = ["go"]\nflow = "f"\n'
        + FLOW.replace('"a"', '"s0"')
        + steps
        + '[flow.f.step.s1000]\nsay = "t"\n'
        + TEMPLATE
    )
    assert say(rules, "w4999 x").rule == "keyword.w4999 x"
    # More texts in one go than anybody wants; the flow is handed to people.
    decision = say(rules, "go")
    assert (decision.outcome, len(decision.replies)) == ("escalated", 50)


def test_the_mark_that_windows_puts_before_a_text_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("\ufeff" + BRAND.replace("\n", "\r\n"), encoding="utf-8")
    assert load([tmp_path / "rules.toml"]).version == "1"


# ---------------------------------------------------------------- texts

TEXTS = {
    "control characters": "".join(map(chr, range(32))),
    "NUL": "\0STOP\0",
    "bidi": "\u202eSTOP\u202c",
    "isolates": "\u2066stop\u2069",
    "ten thousand letters": "a" * 10_000,
    "a word two thousand times": "stop " * 2000,
    "backtracking": "a" * 5000 + "!",
    "digits": "1" * 10_000,
    "codes": "CD" * 5000,
    "marks": "s" + "\u0301" * 5000 + "top",
    "lone surrogates": "\ud83d\ud83d STOP\ud83d",
    "nothing to be seen": "\u200b" * 3000,
    "emoji": "\U0001f600" * 3000,
    "brackets": "(" * 9000,
    "amounts": "1," * 4000,
    "dates": "1/" * 4000,
    "numbers": "+1 " * 3000,
    "addresses": "a@" * 4000,
    "one letter that is eighteen": "\ufdfa" * 500,
}
STOPS = {"NUL", "lone surrogates", "bidi", "isolates", "marks"}
RULES = compiled(
    BRAND
    + PATTERN
    + "'(?P<c>(CD)+)$'\n"
    + PATTERN.replace('"a"', '"b"')
    + '\'(a+)+$\'\n[[keyword]]\nwords = ["parcel"]\nreply = "t"\n'
    + TEMPLATE
)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_does_harm_is_decided_at_once(name: str) -> None:
    text = TEXTS[name]
    began = time.process_time()
    decision = say(RULES, text)
    assert time.process_time() - began < 0.2  # some hundred times what it takes
    assert decision.outcome in OUTCOMES
    assert bool(decision.state.opted_out) == (name in STOPS)


@pytest.mark.parametrize("type_", ["text", "choice", "number", "amount", "date", "time", "email", "phone", "regex"])
def test_no_answer_is_too_odd_to_be_read(type_: str) -> None:
    more = {"choices": {"a": ("yes", "1")}} if type_ == "choice" else {"regex": "(a+)+$"} if type_ == "regex" else {}
    answer = compile_answer(WaitTable("x", type_, **more))  # type: ignore[arg-type]
    answer.read("5", Setting(NOW, "UTC", "en", "US"))
    began = time.process_time()
    for text in TEXTS.values():
        values = answer.read(text, Setting(NOW, "UTC", "en", "US"))
        assert values is None or "x" in values
    assert time.process_time() - began < 2.0


def test_a_session_of_a_flow_that_is_gone_is_over() -> None:
    state = Conversation(CONTACT, "acme", 1, NOW, NOW, 1, session=Session("gone", "1", "nowhere", NOW))
    decision = say(RULES, "parcel", state)
    assert (decision.rule, decision.state.session) == ("keyword.parcel", None)
