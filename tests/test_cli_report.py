"""`smppbridge report`, on a store of a stopped service."""

from __future__ import annotations

import csv
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.page import page
from bridge.reporting import SECTIONS
from bridge.store.lmdb import LmdbStore
from tests.pipeline import Bridge, accepted, link, receipt, refused, rules, text
from tests.test_rules_intents import RULES as WITH_INTENTS

if TYPE_CHECKING:
    from pathlib import Path

MORE = """\
[[keyword]]
words = ["opening"]
reply = "opening"
[template.opening]
en = "8-18"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    source = (
        WITH_INTENTS.replace("[intents]", MORE + "[intents]", 1) if "[intents]" in WITH_INTENTS else WITH_INTENTS + MORE
    )
    (tmp_path / "rules.toml").write_text(source)
    path = tmp_path / "bridge.toml"
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\nrate = 10.0\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(source), now=time.time())
    for number, words in enumerate(
        ("opening", "opening", "my refund 123456789", "refund 987654321 my", "pls where is my parcel")
    ):
        bridge.deliver(text(words, b"1212555%04d" % number))
        for pdu in bridge.submits():
            outcome = refused(pdu, 0x45) if number == 1 else accepted(pdu, b"%d" % number)
            bridge.turn(bridge.answers(outcome))
            if number != 1:
                bridge.deliver(receipt(b"%d" % number))
    store.close()
    return path


def run(config: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["report", *arguments, "-c", str(config)])
    assert not isinstance(result.exception, (KeyError, TypeError, ValueError)), result.exception
    return result


def made(config: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(config, "--json", *arguments).output)
    return found


def test_all_of_it(config: Path) -> None:
    report = made(config)
    assert report["volume"]["total"] == 5
    assert report["response"]["automated"]["count"] >= 2
    assert report["resolution"]["inquiries"] == 5
    assert report["failures"]["failed"] == 1
    assert report["quota"]["a"]["limit"] == 10.0
    assert ["my refund #########", "refund ######### my"] in [
        sorted(group["samples"]) for group in report["unmatched"]["clusters"]
    ]
    exact = made(config, "--exact", "--section", "response")
    assert exact["response"]["automated"]["count"] == report["response"]["automated"]["count"]
    assert abs(exact["response"]["automated"]["mean_s"] - report["response"]["automated"]["mean_s"]) < 0.001
    assert "volume" not in exact


def test_on_the_terminal(config: Path) -> None:
    shown = run(config).output
    for words in (
        "── volume",
        "5 texts",
        "Mon",
        "first answer",
        "inquiries",
        "ratings",
        "keyword.opening",
        "◄",
        "headroom",
    ):
        assert (words in shown) is (words != "◄"), words
    assert "123456789" not in shown
    empty = run(config, "--since", "2020-01-01", "--until", "2020-01-02").output
    assert "0 texts" in empty
    assert "Every text was known." in empty


def test_as_csv(config: Path, tmp_path: Path) -> None:
    result = run(config, "--csv", str(tmp_path / "out"))
    assert len(result.output.splitlines()) == 8
    with (tmp_path / "out" / "volume.csv").open(newline="") as file:
        assert ["total", "5"] in list(csv.reader(file))
    (tmp_path / "file").write_text("")
    assert "cannot write to" in run(config, "--csv", str(tmp_path / "file" / "x")).output


def test_a_page_has_every_section_and_no_markup_of_a_customer(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert run(config, "--html", str(file)).output == f"wrote {file}\n"
    shown = file.read_text()
    for section in SECTIONS:
        assert f"<h2>{section.capitalize()}</h2>" in shown
    assert "<script" not in shown
    assert "://" not in shown
    made = {"clusters": [{"count": 2, "samples": ["<img src=x onerror=alert(1)> \u202egnp"]}]}
    base = {"brand": "<b>", "since": "", "until": "", "zone": ""}
    hostile = page({**base, "unmatched": made})
    assert "<img" not in hostile
    assert "<b>" not in hostile
    assert "\u202e" not in hostile
    assert "&lt;img src=x onerror=alert(1)&gt; \\u202egnp" in hostile


def test_what_is_wrong_is_one_line(config: Path) -> None:
    assert "there is no brand `nope`" in run(config, "--brand", "nope").output
    assert "since: 'x' is no day" in run(config, "--since", "x").output
    assert "since must be before until" in run(config, "--since", "2026-01-02", "--until", "2026-01-01").output
    assert made(config, "--brand", "acme")["brand"] == "acme"


def test_what_the_rules_could_learn(config: Path) -> None:
    shown = CliRunner().invoke(main, ["report", "suggest", "-c", str(config)]).output
    assert "my refund #########" in shown
    assert "least sure of parcel" in shown
    found = json.loads(CliRunner().invoke(main, ["report", "suggest", "--json", "-c", str(config)]).output)
    assert found["clusters"][0]["count"] == 2
    pasted = CliRunner().invoke(main, ["report", "suggest", "--cluster", "1", "-c", str(config)]).output
    assert pasted.splitlines()[1] == 'examples = ["refund ######### my", "my refund #########"]'
    none = CliRunner().invoke(main, ["report", "suggest", "--cluster", "9", "-c", str(config)])
    assert (none.exit_code, none.output) == (1, "Error: there are 1 groups\n")
