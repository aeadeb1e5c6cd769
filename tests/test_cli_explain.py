"""`smppbridge explain` and `smppbridge chat`."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.explaining import LAYERS
from tests.test_rules_intents import RULES, UNSURE

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ["text", "control", "layer", "rule", "intent", "confidence", "outcome", "replies"]


def run(*arguments: object, text: str | bytes = "") -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=text)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "bridge.toml").write_text('[bridge]\nrules = ["rules.toml"]\n')
    return tmp_path / "bridge.toml"


def test_a_line_of_json_for_each_line_of_input(config: Path) -> None:
    result = run("explain", "-c", config, "--json", text=b"where is my parcel\nSTOP\n\nhours\r\n" + b"caf\xe9")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(row) for row in rows] == [FIELDS] * 5
    assert [row["text"] for row in rows] == ["where is my parcel", "STOP", "", "hours", "caf\ufffd"]
    assert [row["layer"] for row in rows] == ["intent", "control", "escalate", "keyword", "escalate"]
    parcel, stop, empty, hours, _ = rows
    assert (parcel["intent"], parcel["rule"], parcel["replies"]) == ("parcel", "intent.parcel", ["parcel"])
    assert 0.5 < parcel["confidence"] <= 1.0
    assert (stop["control"], stop["intent"], stop["confidence"]) == ("stop", None, None)
    assert (empty["outcome"], empty["replies"]) == ("escalated", [])
    assert hours["control"] is None


def test_the_words_that_count_are_named(config: Path) -> None:
    result = run("explain", "-c", config, "wheres my prcel")
    assert result.exit_code == 0
    assert "parcel ." in result.stdout
    assert "wheres +" in result.stdout
    assert "runner-up" in result.stdout


def test_a_long_text_is_shown_with_its_length(config: Path) -> None:
    shown = run("explain", "-c", config, "x" * 10_000).stdout
    assert "… (10,000 characters)" in shown.splitlines()[0]
    assert len(shown) < 1000


def test_octets_that_are_no_text_and_control_characters_are_explained(config: Path) -> None:
    octets = b"a\0b\n\xff\xfe STOP\n\xe2\x80\xaeSTOP\n\x1b]0;x\x07\n"
    for command in ("explain", "chat"):
        result = CliRunner().invoke(main, [command, "-c", str(config)], input=octets)
        assert result.exit_code == 0, result.output
        assert not any(unicodedata.category(c) in ("Cc", "Cf") and c != "\n" for c in result.stdout)
        assert "optout.stop" in result.stdout or "unsubscribed" in result.stdout


def test_every_layer_is_put_into_words(config: Path) -> None:
    shown = run("explain", "-c", config, "hours").stdout.splitlines()
    assert shown[1:3] == ["  replied: layer keyword by keyword.opening hours", "  that is: a keyword of the rules"]
    contract = "control optout optedout loop human context flow keyword pattern typo intent ask escalate silent"
    assert LAYERS.keys() == {*contract.split(), "rating"}


def test_explaining_writes_nothing(config: Path) -> None:
    run("explain", "-c", config, "where is my parcel")
    run("chat", "-c", config, text="where is my parcel\n")
    assert sorted(path.name for path in config.parent.iterdir()) == ["bridge.toml", "rules.toml"]


def test_a_number_of_no_brand_is_refused(config: Path) -> None:
    result = run("explain", "-c", config, "--number", "999", "hi")
    assert result.exit_code == 1
    assert result.stderr == "Error: no brand has the number 999\n"
    assert run("explain", "-c", config, "--number", "60606", "--lang", "en", "hours").exit_code == 0


def test_rules_are_needed(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text("[bridge]\n")
    result = run("explain", "-c", tmp_path / "bridge.toml", "hi")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: there are no rules")


def test_a_chat_is_one_conversation(config: Path) -> None:
    (config.parent / "rules.toml").write_text(UNSURE)
    said = "parcel arrived, wrong address\n/why\n2\nSTOP\nhours\n/new\nhours\n/quit\nhours\n"
    lines = run("chat", "-c", config, text=said).stdout.splitlines()
    assert lines[0].startswith("< 1) ")
    assert lines[1] == "replied: layer ask by ask.which"
    assert lines[-3:] == ["(suppressed: opted out)", "a new customer", "< hours"]


def test_commands_of_a_chat(config: Path) -> None:
    said = "/why\n/state\n/timeout\n/lang xx\n/lang en\n/state\n/help\nhours\n/lang en\n"
    result = run("chat", "-c", config, text=said)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "nothing was said yet",
        "there is no conversation yet",
        "nothing is due by time alone",
        "the brand speaks en",
        "answered in en from now on",
    ]
    shown = lines[lines.index("{") : lines.index("}") + 1]
    assert json.loads("".join(shown)) == {"contact": "15550001234", "brand": "acme", "language": "en"}
    assert any(line.startswith("/timeout") for line in lines)
    assert "< hours" in lines


FLOW = """\
version = "1"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
[[keyword]]
words = ["go"]
flow = "f"
[flow.f]
start = "look"
[flow.f.step.look]
call = "orders.status"
next = "tell"
[flow.f.step.tell]
say = "t"
[template.t]
en = "it is {status|somewhere}"
"""


def test_a_chat_says_what_calls_return(config: Path) -> None:
    (config.parent / "rules.toml").write_text(FLOW)
    said = "/call a=b\ngo\n/call status=lost\ngo\n/call\n"
    assert run("chat", "-c", config, text=said).stdout.splitlines() == [
        "no call is open",
        "(calls orders.status; /call says what it returns)",
        "(flow)",
        "< it is lost",
        "(calls orders.status; /call says what it returns)",
        "(flow)",
        "(escalated: orders.status: it failed; queue=default priority=normal)",
    ]
