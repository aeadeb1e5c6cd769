"""`smppbridge inbox`, on a store of a stopped service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.store.lmdb import LmdbStore
from tests.pipeline import CONTACT, Bridge, link, rules, text
from tests.rules_helpers import BRAND
from tests.test_rules_people import SOURCE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(SOURCE)
    path = tmp_path / "bridge.toml"
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(SOURCE))
    bridge.deliver(text(b"calm", b"2"))
    bridge.deliver(text(b"agent"))
    store.close()
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["inbox", arguments[0], "-c", str(config), *arguments[1:]])


def listed(config: Path, *options: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run(config, "list", "--json", *options).output)
    return found


def test_the_most_urgent_is_first(config: Path) -> None:
    assert [(row["id"], row["queue"], row["priority"]) for row in listed(config)] == [
        (2, "care", "high"),
        (1, "last", "normal"),
    ]
    assert [row["id"] for row in listed(config, "--queue", "last")] == [1]
    assert listed(config, "--agent", "ann") == []
    shown = run(config, "list").output
    assert len(shown.splitlines()) == 3
    assert CONTACT.decode() in shown


def test_a_case_is_worked_on_and_closed(config: Path) -> None:
    assert run(config, "take", "2", "--by", "ann").output == "case 2: done\n"
    refused = run(config, "take", "2", "--by", "bob")
    assert (refused.exit_code, refused.output) == (1, "Error: case 2: ann has it\n")
    assert run(config, "take", "2", "--by", "bob", "--force").exit_code == 0
    assert run(config, "note", "2", "called", "--by", "ann").exit_code == 0
    assert run(config, "tag", "2", "lost").exit_code == 0
    assert run(config, "reply", "2", "We have found it.", "--by", "bob").exit_code == 0
    assert run(config, "transfer", "2", "--queue", "supervisors").exit_code == 0
    shown = run(config, "show", "2").output
    for words in ("case 2, supervisors, high", "tags vip, lost", "ann: called", "→", "We have found it.", "agent"):
        assert words in shown
    row = json.loads(run(config, "show", "2", "--json").output)
    assert row["messages"][0]["text"] == "We have found it."
    assert row["notes"][1]["by"] == "ann"
    assert run(config, "close", "2", "--unresolved").exit_code == 0
    assert [row["id"] for row in listed(config)] == [1]
    gone = run(config, "close", "2")
    assert (gone.exit_code, "there is no open case 2" in gone.output) == (1, True)
    assert run(config, "close", "1").exit_code == 0
    assert run(config, "list").output == "No case is open.\n"
    checked = CliRunner().invoke(main, ["store", "check", "-c", str(config)])
    assert checked.exit_code == 0, checked.output


def test_rules_without_a_queue_are_why_nothing_is_there(config: Path) -> None:
    for number in ("1", "2"):
        run(config, "close", number)
    assert run(config, "list", "--json").output == "[]\n"
    (config.parent / "rules.toml").write_text(BRAND + '[[keyword]]\nwords = ["agent"]\nescalate = true\n')
    assert run(config, "list").output == (
        "No case is open.\n"
        "The rules have no [queue.NAME]: what they hand over to people is recorded, but opens no case.\n"
    )
    (config.parent / "rules.toml").write_text("[")
    assert run(config, "list").output == "No case is open.\n"
