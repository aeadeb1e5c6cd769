"""`smppbridge store backup|restore`, `top` and `link`: what a person sees and what is kept."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.export import message_rows
from bridge.store.lmdb import LmdbReader, LmdbStore
from tests.pipeline import text
from tests.stores import fill, open_bridge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.export import Row


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "-c", str(config)])


def rows(folder: Path) -> list[Row]:
    reader = LmdbReader(folder)
    try:
        return list(message_rows(reader))
    finally:
        reader.close()


def test_a_backup_is_the_store_as_of_one_commit_and_can_be_put_back(tmp_path: Path) -> None:
    config = fill(tmp_path)
    var, copy = tmp_path / "var", tmp_path / "copies" / "monday"
    before = rows(var)
    made = run(config, "store", "backup", str(copy), "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["to"] == str(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert stat.S_IMODE((copy / "data.mdb").stat().st_mode) == 0o600
    assert rows(copy) == before
    (copy / "lock.mdb").unlink()
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(text("hours", b"77"))
    store.close()
    assert len(rows(var)) > len(before)
    restored = run(config, "store", "restore", str(copy))
    assert restored.exit_code == 0, restored.output
    assert "data.mdb.before-restore" in restored.output
    assert rows(var) == before
    assert run(config, "store", "check").exit_code == 0
    assert sorted(file.name for file in tmp_path.joinpath("copies").iterdir()) == ["monday"]


def test_a_backup_is_made_while_the_store_is_written(tmp_path: Path) -> None:
    config = fill(tmp_path)
    # Another process holds it in life; one process must not open it twice, so the copy is asked of a child.
    import subprocess
    import sys

    _, store = open_bridge(tmp_path)
    try:
        command = [sys.executable, "-m", "bridge", "store", "backup", str(tmp_path / "copy"), "-c", str(config)]
        assert subprocess.run(command, check=False).returncode == 0
        restored = [sys.executable, "-m", "bridge", "store", "restore", str(tmp_path / "copy"), "-c", str(config)]
        refused = subprocess.run(restored, check=False, capture_output=True, text=True)
        assert (refused.returncode, "in use by a running service" in refused.stderr) == (1, True)
    finally:
        store.close()


@pytest.mark.parametrize("what", ["there already", "no store", "no copy"])
def test_what_cannot_be_copied_is_one_line_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    config = fill(tmp_path)
    if what == "there already":
        (tmp_path / "copy").mkdir()
        result = run(config, "store", "backup", str(tmp_path / "copy"))
        assert "is there already" in result.output
    elif what == "no store":
        (tmp_path / "var" / "data.mdb").unlink()
        result = run(config, "store", "backup", str(tmp_path / "copy"))
        assert "no store here" in result.output
        assert not (tmp_path / "copy").exists()
    else:
        result = run(config, "store", "restore", str(tmp_path / "nothing"))
        assert "no store here" in result.output
    assert result.exit_code == 1
    assert not list(tmp_path.glob(".*unfinished"))


def test_the_first_store_of_a_machine_can_come_from_a_copy(tmp_path: Path) -> None:
    config = fill(tmp_path)
    assert run(config, "store", "backup", str(tmp_path / "copy")).exit_code == 0
    (tmp_path / "new").mkdir()
    other = tmp_path / "new" / "bridge.toml"
    other.write_text(config.read_text())
    restored = run(other, "store", "restore", str(tmp_path / "copy"))
    assert (restored.exit_code, "before-restore" in restored.output) == (0, False)
    store = LmdbStore(tmp_path / "new" / "var", max_size=1 << 30, sync=False)
    store.close()


def test_top_shows_links_and_cases_without_anything_that_acts_on_the_terminal(tmp_path: Path) -> None:
    config = fill(tmp_path)
    shown = run(config, "top", "--count", "1", "--every", "10ms")
    assert shown.exit_code == 0, shown.output
    for words in ("link", "in/s", "waiting", "cases are open", "no service is running", "stopped"):
        assert words in shown.output
    assert "\x1b" not in shown.output
    row = json.loads(run(config, "top", "--json").stdout)
    assert (row["running"], row["links"][0]["name"]) == (False, "a")
    assert row["links"][0]["queue"]["reply"]["length"] >= 1


def test_ctrl_c_is_how_top_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.cli.top.time.sleep", interrupted)
    shown = run(fill(tmp_path), "top")
    assert (shown.exit_code, "Aborted" in shown.output) == (0, False)


def test_a_link_is_steered_through_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, object, float]] = []

    def ask(_folder: Path, request: Mapping[str, object], patience: float = 0.0) -> str:
        asked.append((request["link"], request["what"], patience))
        return "link a: done\x1b[2J"

    monkeypatch.setattr("bridge.cli.link.ask", ask)
    config = fill(tmp_path)
    for what in ("pause", "resume", "drain", "rebind"):
        assert run(config, "link", what, "a").output == "link a: done\\u001b[2J\n"
    assert [what for _, what, _ in asked] == ["pause", "resume", "drain", "rebind"]
    assert asked[0][2] > 0
