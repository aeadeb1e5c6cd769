"""`smppbridge optout`, `evidence` and `thread`: without a service, and by way of one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.control import ControlError
from bridge.events import Asked
from bridge.records import Conversation
from bridge.rules import Request
from bridge.store import Changes
from bridge.store.lmdb import LmdbReader, LmdbStore
from tests.pipeline import CONTACT, START, Bridge, link, rules, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NUMBER = CONTACT.decode()
RULES = """\
version = "3"
[brand.acme]
name = "Acme"
help_contact = "help@acme.example"
numbers = ["60606"]
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    path = tmp_path / "bridge.toml"
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    return path


@pytest.fixture
def filled(config: Path) -> Path:
    """A store with a customer who asked for the hours and then wrote in his own words."""
    store = LmdbStore(config.parent / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(RULES))
    bridge.deliver(text(b"hours"))
    bridge.now += 5.0
    bridge.deliver(text(b"please stop texting me"))
    store.close()
    return config


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_an_opt_out_of_an_operator_is_kept_and_shown(config: Path) -> None:
    done = run("optout", "add", "+1 (415) 555-0123", "-c", str(config), "--source", "email", "--evidence", "ticket 7")
    assert (done.exit_code, done.output) == (0, "opted out: 1; refused: 0\n")
    (row,) = json.loads(run("optout", "list", "-c", str(config), "--json").output)
    assert (row["contact"], row["brand"], row["how"], row["text"]) == ("14155550123", "acme", "email", "ticket 7")
    again = run("optout", "add", "14155550123", "-c", str(config))
    assert again.exit_code == 1
    assert "14155550123, acme: has opted out already" in again.output
    back = run("optout", "remove", "14155550123", "-c", str(config), "--source", "phone", "--evidence", "call 8")
    assert (back.exit_code, back.output) == (0, "opted in again: 1; refused: 0\n")
    assert run("optout", "list", "-c", str(config)).output == "Nobody has opted out.\n"
    (shown,) = json.loads(run("evidence", "14155550123", "-c", str(config), "--json").output)
    assert (shown["state"], shown["chain"]) == ("subscribed", "whole")
    assert [(event["what"], event["text"]) for event in shown["events"]] == [
        ("opted_out", "ticket 7"),
        ("opted_in", "call 8"),
    ]


def test_consent_is_recorded_as_evidence_and_nothing_is_sent(config: Path) -> None:
    given = ("contacts", "consent", "14155550123", "-c", str(config), "--source", "web")
    bare = run(*given)
    assert (bare.exit_code, "consent needs evidence" in bare.output) == (1, True)
    done = run(*given, "--evidence", "form v7")
    assert (done.exit_code, done.output) == (0, "recorded: 1; refused: 0\n")
    (shown,) = json.loads(run("evidence", "14155550123", "-c", str(config), "--json").output)
    assert (shown["state"], shown["chain"], shown["messages"]) == ("subscribed", "whole", [])
    assert [(event["what"], event["how"], event["text"]) for event in shown["events"]] == [
        ("opted_in", "web", "form v7")
    ]
    run("optout", "add", "14155550123", "-c", str(config))
    refused = run(*given, "--evidence", "form v8")
    assert (refused.exit_code, "`smppbridge optout remove` takes that back" in refused.output) == (1, True)


def test_a_topic_that_was_stopped_alone_is_shown_as_such(config: Path) -> None:
    topics = '[optout]\nscope = "topic"\n[optout.topics]\noffers = { en = "offers" }\n'
    store = LmdbStore(config.parent / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(RULES + topics))
    values = {"number": "60606", "link": "a", "text": "x", "topic": "offers"}
    bridge.turn(Asked(NUMBER, "acme", Request("send", "ann", values)))
    bridge.deliver(text(b"STOP"), text(b"1"))
    store.close()
    (row,) = json.loads(run("optout", "list", "-c", str(config), "--json").output)
    assert (row["contact"], row["of"], row["how"], row["text"]) == (NUMBER, "offers", "word", "STOP")
    assert row["since"]
    assert "may be written to, not about offers" in run("contacts", "show", NUMBER, "-c", str(config)).output
    (shown,) = json.loads(run("evidence", NUMBER, "-c", str(config), "--json").output)
    assert (shown["state"], shown["stopped"], shown["events"][1]["except"]) == ("subscribed", ["offers"], "offers")
    printed = run("evidence", NUMBER, "-c", str(config)).output.splitlines()
    assert printed[1].split() == ["time", "what", "except", "how", "text"]
    assert printed[3].split()[1:] == ["opted_in", "offers", "topic", "1"]
    merged = run("contacts", "merge", "777", NUMBER, "--brand", "acme", "-c", str(config))
    assert merged.exit_code == 0, merged.output
    rows = json.loads(run("optout", "list", "-c", str(config), "--json").output)
    assert {(row["contact"], row["of"]) for row in rows} == {(NUMBER, "offers"), ("777", "offers")}


def test_a_file_of_numbers(config: Path, tmp_path: Path) -> None:
    (tmp_path / "numbers").write_text("".join(f"+1415555{n:04d}\n" for n in range(30)) + "\n")
    done = run("optout", "add", "--file", str(tmp_path / "numbers"), "-c", str(config), "--brand", "acme")
    assert done.exit_code == 0
    assert "opted out: 30; refused: 0" in done.output
    rows = json.loads(run("optout", "list", "-c", str(config), "--json", "--brand", "acme").output)
    assert len(rows) == 30
    assert json.loads(run("optout", "list", "-c", str(config), "--json", "--brand", "zeta").output) == []


def test_what_is_wrong_is_one_line(config: Path) -> None:
    for arguments, said in (
        (("add",), "name a number, or a --file of numbers"),
        (("add", "ACME"), "'ACME' is no number"),
        (("add", "1415", "--brand", "zeta"), "there is no brand `zeta`; there are: acme"),
    ):
        result = run("optout", *arguments, "-c", str(config))
        assert result.exit_code == 1
        assert said in result.output
    wrong = config.parent / "numbers"
    for octets, said in (
        (b"\xef\xbb\xbf1415\r\nbob\r\n", f"{wrong}:2: 'bob' is no number"),
        (b"caf\xe9\n", f"{wrong}: is not UTF-8 text"),
        (b"\n", "name a number, or a --file of numbers"),
    ):
        wrong.write_bytes(octets)
        for command in (("optout", "add"), ("contacts", "deactivate")):
            result = run(*command, "--file", str(wrong), "-c", str(config))
            assert (result.exit_code, said in result.output) == (1, True), result.output
    run("optout", "add", "1", "-c", str(config))
    assert "nothing is known of 7" in run("evidence", "7", "-c", str(config)).output


def test_review_lists_those_who_said_it_in_their_own_words(filled: Path) -> None:
    run("optout", "add", "1", "-c", str(filled))
    shown = run("optout", "list", "--review", "-c", str(filled))
    assert shown.exit_code == 0
    assert NUMBER in shown.output
    assert "please stop texting me" in shown.output
    assert len(shown.output.splitlines()) == 2


def test_evidence_has_every_message_and_a_file(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "evidence.json"
    done = run("evidence", NUMBER, "-c", str(filled), "--out", str(out))
    assert (done.exit_code, done.output) == (0, f"{out}: written; the chain is whole\n")
    (row,) = json.loads(out.read_text())
    assert [message["text"] for message in row["messages"]][1:] == ["please stop texting me", "8-18", "hours"]
    assert row["events"][0]["text"] == "please stop texting me"
    shown = run("evidence", NUMBER, "-c", str(filled))
    assert f"{NUMBER}, acme: opted_out; chain whole" in shown.output
    assert "4 messages; --json or --out has them all" in shown.output


def test_a_chain_that_is_cut_off_shows(filled: Path) -> None:
    reader = LmdbReader(filled.parent / "var")
    position = replace(reader.position, commit=reader.position.commit + 1)
    reader.close()
    store = LmdbStore(filled.parent / "var", max_size=1 << 30, sync=False)
    with store.turn() as turn:
        ((key, _),) = turn.page("evidence", b"", 5)
        turn.commit(Changes(position=position, rows={("evidence", key): None}))
    store.close()
    result = run("evidence", NUMBER, "-c", str(filled))
    assert result.exit_code == 1
    assert "chain 0 links are there of 1" in result.output


def test_a_thread_is_newest_first(filled: Path) -> None:
    rows = json.loads(run("thread", NUMBER, "-c", str(filled), "--json").output)
    assert [row["id"] for row in rows] == [4, 3, 2, 1]
    assert [row["kind"] for row in rows] == ["mt", "mo", "mt", "mo"]
    shown = run("thread", NUMBER, "-c", str(filled), "--limit", "2")
    assert len(shown.output.splitlines()) == 3
    assert "← " in shown.output
    assert run("thread", "99", "-c", str(filled)).output == "There are no messages of this number.\n"


def test_a_running_service_is_asked(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, object]] = []

    def ask(folder: Path, request: Mapping[str, object]) -> str:
        asked.append({"folder": folder.name, **request})
        item = cast("list[Mapping[str, object]]", request["items"])[0]
        if item["contact"] == "3":
            raise ControlError("the service does not answer")
        return json.dumps(["has opted out already" if item["contact"] == "2" else ""])

    monkeypatch.setattr("bridge.cli.asking.service_running", lambda _: True)
    monkeypatch.setattr("bridge.cli.asking.ask_service", ask)
    done = run("optout", "add", "1", "2", "3", "-c", str(config), "--by", "ann")
    assert done.exit_code == 0
    assert "2, acme: has opted out already" in done.output
    assert "3, acme: the service does not answer" in done.output
    assert asked[0] == {
        "folder": "var",
        "do": "ask",
        "items": [
            {
                "contact": "1",
                "brand": "acme",
                "kind": "optout.add",
                "by": "ann",
                "values": {"source": "other", "evidence": ""},
            }
        ],
    }


def test_the_threads_of_two_brands_are_one_history(config: Path) -> None:
    store = LmdbStore(config.parent / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(RULES))
    bridge.deliver(text(b"hours"))
    bridge.deliver(text(b"to nobody", number=b"99999"))
    bridge.deliver(text(b"hours"))
    with store.turn() as turn:
        assert turn.conversations([(NUMBER, "")]) != [None]
    store.close()
    rows = json.loads(run("thread", NUMBER, "-c", str(config), "--json").output)
    assert [row["id"] for row in rows] == [5, 4, 3, 2, 1]
    reader = LmdbReader(config.parent / "var")
    assert {state.brand for state in reader.conversations()} == {"acme", ""}
    assert isinstance(next(reader.conversations(NUMBER)), Conversation)
    reader.close()
    assert START
