"""`smppbridge send`, `contacts` and `find`, on a store of a stopped service."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.store.lmdb import LmdbStore
from tests.pipeline import Bridge, link, rules, text
from tests.rules_helpers import BRAND

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = (
    BRAND.replace('["60606"]', '["60606"]\nlanguages = ["en", "fr"]\ntimezone = "Europe/London"')
    + """\
[profile]
name = "text"
mail = { type = "email", personal = true }
[[keyword]]
words = ["hours"]
reply = "hours"
[flow.confirm]
start = "ask"
[flow.confirm.step.ask]
say = "notice"
wait = { slot = "ok", type = "choice", choices = { yes = ["yes"] } }
[template.hours]
en = "8-18"
fr = "8h-18h"
[template.notice]
given = ["order"]
en = "Order {order} comes today, {name|friend}."
fr = "La commande {order} arrive."
[privacy]
redact = ["email"]
"""
)
ANN, BOB = "12125550100", "12125550101"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(SOURCE)
    path = tmp_path / "bridge.toml"
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(SOURCE))
    bridge.deliver(text(b"hours", ANN.encode()))
    bridge.deliver(text(b"order AC12345678, write to ann\0mail.example", ANN.encode()))
    store.close()
    return path


def run(config: Path, *arguments: str, **more: str) -> Result:
    words = arguments if "-c" in arguments else (*arguments, "-c", str(config))
    return CliRunner().invoke(main, list(words), **more)  # type: ignore[arg-type]


def rows(config: Path, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run(config, *arguments, "--json").output)
    return found


def sent(config: Path) -> list[tuple[object, object]]:
    out = run(config, "export", "messages").output
    return [
        (row["to"], row["text"]) for row in map(json.loads, out.splitlines()) if row["kind"] == "mt" and not row["mo"]
    ]


def checked(config: Path) -> None:
    result = run(config, "store", "check")
    assert result.exit_code == 0, result.output


# ---------------------------------------------------------------- send


def test_one_message(config: Path) -> None:
    result = run(config, "send", "+" + ANN, "--text", "Hello")
    assert (result.exit_code, result.output) == (0, "taken: 1\n")
    assert sent(config) == [(ANN, "Hello")]
    checked(config)


def test_a_file_is_sent_once(config: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"number,order\n+{ANN},1\n{BOB},2\n{ANN},3\nx,4\n+44,5\n442079460000,6\n")
    words = ("send", "--file", str(people), "--template", "notice", "--flow", "confirm", "--at", "2099-01-01 09:00")
    result = run(config, *words)
    assert result.exit_code == 0
    assert "taken: 2, refused: 4" in result.output or "refused: 4, taken: 2" in result.output
    for line in (
        "line 4, 12125550100: came before",
        "line 5, x: is no number",
        "line 7, 442079460000: is a fixed line",
    ):
        assert line in result.output
    assert sent(config) == [(ANN, "Order 1 comes today, friend."), (BOB, "Order 2 comes today, friend.")]
    again = json.loads(run(config, *words, "--json").stdout)
    assert (again["taken"], again["taken_before"], again["refused"]) == (0, 2, 4)
    assert len(sent(config)) == 2
    assert "2 scheduled" in run(config, "queue").output
    checked(config)


def test_many_are_sent_in_batches(config: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("".join(f"1212556{n:04}\n" for n in range(230)) + "\n12125560000\n")
    result = json.loads(run(config, "send", "--file", str(people), "--text", "Hi", "--json").stdout)
    assert (result["taken"], result["refused"], result["problems"][0]["line"]) == (230, 1, 232)
    bad = tmp_path / "bad.txt"
    bad.write_text("".join(f"{n}\n" for n in range(30)))
    many = run(config, "send", "--file", str(bad), "--text", "Hi")
    assert (many.exit_code, "… and 10 more" in many.output) == (1, True)


def test_a_dry_run_sends_nothing(config: Path) -> None:
    result = run(config, "send", ANN, "12", "--template", "notice", "--dry-run")
    assert "en: 1 SMS: Order  comes today, friend." in result.output
    assert "would be refused: 1; nothing was sent" in result.output
    assert "text: 1 SMS: Hi" in run(config, "send", ANN, "--text", "Hi", "--dry-run").output
    assert sent(config) == []


def test_who_has_opted_out_gets_none(config: Path) -> None:
    assert run(config, "optout", "add", ANN).exit_code == 0
    result = run(config, "send", ANN, "--text", "Hi")
    assert (result.exit_code, "opted out: 1" in result.output) == (1, True)
    named = run(config, "send", BOB, "--text", "Hi", "--job", "j")
    assert "job j: run it again" in named.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((ANN,), "give one of --template and --text"),
        ((ANN, "--template", "notices"), "there is no template `notices`; there are: hours, notice"),
        ((ANN, "--text", "x", "--flow", "f"), "there is no flow `f`; there are: confirm"),
        (("--text", "x"), "name a number, or a --file of numbers"),
        ((ANN, "--text", "x", "--from", "99"), "no brand has the number 99"),
        ((ANN, "--text", "x", "--link", "b"), "there is no link `b`; there are: a"),
        ((ANN, "--text", "x", "--at", "soon"), "--at: 'soon' is no date and time"),
    ],
)
def test_what_is_wrong_is_one_line(config: Path, words: tuple[str, ...], problem: str) -> None:
    result = run(config, "send", *words)
    assert (result.exit_code, problem in result.output) == (1, True), result.output


def test_a_file_that_is_none(config: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    for content, problem in (
        (b"name,order\na,b\n", "has no column `number`"),
        (b"number\xff,x\n", "is no CSV in UTF-8"),
    ):
        people.write_bytes(content)
        assert problem in run(config, "send", "--file", str(people), "--text", "x").output
    people.write_text("1\n")
    people.chmod(0)
    (tmp_path / "rules.toml").write_text('version = "1"\n')
    (config).write_text("[bridge]\n")
    assert "there are no rules" in run(config, "send", ANN, "--text", "x").output


# ---------------------------------------------------------------- contacts


def test_a_profile_is_set_shown_and_used(config: Path) -> None:
    result = run(config, "contacts", "set", ANN, "name=Ann", "mail=ann@mail.example.com", "language=fr")
    assert (result.exit_code, result.output) == (0, "done for acme\n")
    shown = run(config, "contacts", "show", "+" + ANN).output
    for words in ("US", "America/New_York", "may be written to", "name=Ann, mail=***"):
        assert words in shown
    (brand,) = json.loads(run(config, "contacts", "show", ANN, "--json", "--unmasked").output)["brands"]
    assert brand["profile"] == {"name": "Ann", "mail": "ann@mail.example.com"}
    assert run(config, "send", ANN, "--template", "hours").exit_code == 0
    assert sent(config) == [(ANN, "8h-18h")]
    assert "there is no field `nme`" in run(config, "contacts", "set", ANN, "nme=x").output
    assert "is no field and value" in run(config, "contacts", "set", ANN, "name").output
    assert "is not known; name the --brand" in run(config, "contacts", "set", BOB, "name=x").output
    assert run(config, "contacts", "set", BOB, "name=Bob", "--brand", "acme").exit_code == 0
    nobody = run(config, "contacts", "show", "999").output
    assert nobody.startswith("999: region not known, ")


def test_profiles_come_from_a_file_and_go_to_one(config: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"number,name,mail\n{ANN},Ann,ann@mail.example.com\n{BOB},=Bob,\nx,y,z\n12125550102,Carl,carl\n")
    dry = run(config, "contacts", "import", str(people), "--dry-run")
    assert dry.output.splitlines()[-1] == "would be set: 3; refused: 1"
    result = run(config, "contacts", "import", str(people))
    assert result.output.splitlines()[-1] == "set: 2; refused: 2"
    assert f"{people}:5: 12125550102: mail: 'carl' is no email" in result.output
    out = run(config, "contacts", "export", "--brand", "acme").output
    table = {row["number"]: row for row in csv.DictReader(io.StringIO(out))}
    assert (table[ANN]["mail"], table[BOB]["name"]) == ("***", "'=Bob")
    plain = run(config, "contacts", "export", "--unmasked").output
    assert "ann@mail.example.com" in plain
    assert [row["number"] for row in rows(config, "contacts", "list", "--where", "name=Ann")] == [ANN]
    assert "name=Ann" in run(config, "contacts", "list").output
    assert run(config, "contacts", "list", "--brand", "other").output == "There is no such customer.\n"
    people.write_text("1\n" * 25)
    nothing = run(config, "contacts", "import", str(people), "--brand", "acme")
    assert (nothing.exit_code, "… and 5 more" in nothing.output) == (1, True)


def test_two_numbers_of_one_customer(config: Path) -> None:
    run(config, "contacts", "set", BOB, "name=Bob", "--brand", "acme")
    assert run(config, "optout", "add", ANN).exit_code == 0
    assert run(config, "contacts", "merge", BOB, ANN).exit_code == 0
    both = json.loads(run(config, "contacts", "show", BOB, "--json").output)["brands"][0]
    assert (both["also"], bool(both["opted_out"])) == ([ANN], True)
    assert json.loads(run(config, "contacts", "show", ANN, "--json").output)["brands"][0]["profile"] == {"name": "Bob"}
    assert "hours" in run(config, "thread", BOB).output
    assert "a number is merged with another one" in run(config, "contacts", "merge", ANN, ANN).output
    checked(config)


def test_an_erased_customer_leaves_no_text(config: Path) -> None:
    asked = run(config, "contacts", "erase", ANN, input="n\n")
    assert asked.exit_code == 1
    assert run(config, "contacts", "erase", ANN, "--yes").output == "done for acme\n"
    run(config, "send", BOB, "--text", "our secret", "--at", "2099-01-01 09:00")
    assert run(config, "contacts", "erase", BOB, "--yes").exit_code == 0
    assert sent(config) == [(BOB, "")]
    assert "secret" not in run(config, "export", "events").output
    checked(config)


def test_a_number_that_was_given_back_begins_anew(config: Path, tmp_path: Path) -> None:
    run(config, "optout", "add", ANN, "--evidence", "ticket 7")
    run(config, "optout", "remove", ANN, "--evidence", "ticket 8")
    run(config, "contacts", "set", ANN, "name=Ann")
    run(config, "send", ANN, "--text", "for Ann", "--at", "2099-01-01 09:00")
    assert "name a number" in run(config, "contacts", "deactivate").output
    (tmp_path / "gone").write_text(f"+{ANN}\n\n+{ANN}\n{BOB}\n")
    gone = run(config, "contacts", "deactivate", "--file", str(tmp_path / "gone"), "--evidence", "list of May")
    assert gone.output == "ended: 1; refused: 0; not known: 1\n"
    fresh, kept = sorted(rows(config, "contacts", "list"), key=lambda row: len(str(row["number"])))
    assert (fresh["number"], fresh["profile"], bool(fresh["opted_out"])) == (ANN, {}, True)
    assert kept["profile"] == {"name": "Ann"}
    former = str(kept["number"])
    assert former.startswith(ANN)
    assert len(former) > 15
    assert "hours" not in run(config, "thread", ANN).output
    assert "hours" in run(config, "thread", former).output
    for number, events in ((ANN, [("opted_out", "list of May")]), (former, ["ticket 7", "ticket 8"])):
        (shown,) = rows(config, "evidence", number)
        assert shown["chain"] == "whole"
        said = [(event["what"], event["text"]) for event in shown["events"]]  # type: ignore[attr-defined]
        assert said == events or [words for _, words in said] == events
    assert "opted_out" in run(config, "send", ANN, "--text", "again").output
    assert "is no number" in run(config, "send", former, "--text", "again").output
    assert "cannot be read" in run(config, "contacts", "deactivate", "--file", str(tmp_path / "none")).output
    again = run(config, "contacts", "deactivate", ANN, BOB)
    assert "has opted out, and nothing else is known of it" in again.output
    assert "ended: 0; refused: 1; not known: 1" in again.output
    assert run(config, "contacts", "erase", former, "--yes").exit_code == 0
    assert "Ann" not in run(config, "export", "events").output
    checked(config)


# ---------------------------------------------------------------- find, and masks


def test_messages_are_found_by_what_is_in_them(config: Path) -> None:
    assert [row["text"] for row in rows(config, "find", "AC12345678")] == ["order AC12345678, write to ***"]
    assert [row["kind"] for row in rows(config, "find", "8-18")] == ["mt"]
    assert len(rows(config, "find", ANN)) == 3
    assert [row["kind"] for row in rows(config, "find", ANN, "--limit", "1")] == ["mo"]
    assert len(rows(config, "find", ANN, "--state", "replied")) == 1
    assert "ORDER AC" in run(config, "find", "ORDER").output.upper()
    assert run(config, "find", "nowhere", "--all").output == "No message has that.\n"


def test_a_search_that_does_not_look_at_everything_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cli.find._NEWEST", 1)
    assert "--all looks at every one" in run(config, "find", "8-18").output


def test_what_is_personal_is_masked_unless_asked_for(config: Path) -> None:
    assert "ann@mail" not in run(config, "export", "messages").output
    assert "ann@mail" in run(config, "export", "messages", "--unmasked").output
    assert "ann@mail" not in run(config, "thread", ANN).output
    assert "ann@mail" in run(config, "export", "events").output
