"""Trying the rules out leaves a store as it is, to the octet."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from click.testing import CliRunner

from bridge.cli import main
from bridge.store.lmdb import LmdbStore
from tests.pipeline import Bridge, link, rules, text
from tests.test_rules_people import SOURCE

if TYPE_CHECKING:
    from pathlib import Path


def octets(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "lock.mdb"
    }


def test_a_simulation_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(SOURCE)
    path = tmp_path / "bridge.toml"
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    Bridge(link(), store=store, ruleset=rules(SOURCE)).deliver(text("agent"))
    store.close()
    before = octets(tmp_path)
    for words, said in (
        (["check"], ""),
        (["explain", "agent"], ""),
        (["chat"], "agent\nstop\n/timeout\n/state\n/quit\n"),
        (["inbox", "list"], ""),
        (["thread", "15550001234"], ""),
        (["find", "agent"], ""),
        (["report"], ""),
        (["status"], ""),
        (["export", "events"], ""),
    ):
        result = CliRunner().invoke(main, [*words, "-c", str(path)], input=said)
        assert result.exit_code == 0, result.output
    assert octets(tmp_path) == before
