"""The commands `check` and `init`, as a newcomer meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bridge
from bridge.cli import main
from bridge.cli.conf import conf_dir
from bridge.cli.init import FILES

CONF = Path(__file__).parent.parent / "conf"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run("init", tmp_path / "work").exit_code == 0
    return tmp_path / "work"


def test_init_writes_what_is_shipped(folder: Path) -> None:
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == set(FILES)
    for name in FILES:
        assert (folder / name).read_bytes() == (CONF / name).read_bytes()


def test_the_readme_has_ten_lines_at_most(folder: Path) -> None:
    assert len((folder / "README.md").read_text().splitlines()) <= 10


def test_init_overwrites_nothing(folder: Path) -> None:
    (folder / "bridge.toml").unlink()
    (folder / "README.md").unlink()
    result = run("init", folder)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {folder / 'rules/acme.toml'} exists already; choose another folder\n"
    assert not (folder / "bridge.toml").exists()


def test_init_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("init", tmp_path / "file" / "work")
    assert result.exit_code == 1
    assert result.stderr == f"Error: cannot write to {tmp_path / 'file' / 'work'}: Not a directory\n"


def test_texts_that_take_more_sms_on_a_link_are_named(folder: Path) -> None:
    file = folder / "bridge.toml"
    assert json.loads(run("check", "-c", file, "--json").stdout)["longer_texts"] == []
    with file.open("a") as out:
        out.write('\n[[link]]\nname = "wide"\npassword = "p"\nencodings = ["ucs2"]\n')
    found = json.loads(run("check", "-c", file, "--json").stdout)["longer_texts"]
    assert {text["link"] for text in found} == {"wide"}
    assert all(text["segments"] > text["usual"] for text in found)
    shown = run("check", "-c", file).stdout
    first = found[0]
    assert (
        f"link wide: the text {first['text']} ({first['language']}) takes {first['segments']} SMS, usually 1" in shown
    )


def test_what_init_wrote_passes_check(folder: Path) -> None:
    result = run("check", "-c", folder / "bridge.toml")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "127.0.0.1:2775" in result.stdout
    assert "rules/acme.toml" in result.stdout
    assert f"{folder / 'bridge.toml'}: no mistakes found; 6 of 6 rule tests passed" in result.stdout
    assert "Note" not in result.stdout


def test_check_names_calls_that_nobody_answers_and_endpoints_without_tls(folder: Path) -> None:
    path = folder / "bridge.toml"
    function = '"orders.status" = "plugins/orders.py:status"\n'
    text = path.read_text()
    assert function in text
    text = text.replace(function, "")
    path.write_text(text)
    assert "Note: no function answers `orders.status`" in run("check", "-c", path).stdout
    path.write_text(
        text + '[workflow."orders.status"]\nurl = "http://crm.example/status"\n'
        '[[webhook]]\nname = "local"\nurl = "http://127.0.0.1:1/x"\n[[webhook]]\nname = "safe"\nurl = "https://x.example"\n'
    )
    notes = [line for line in run("check", "-c", path).stdout.splitlines() if line.startswith("Note")]
    assert len(notes) == 1
    assert notes[0].startswith("Note: workflow orders.status: what goes to http://crm.example/status can be read")


def test_check_prints_json(folder: Path) -> None:
    result = run("check", "-c", folder / "bridge.toml", "--json")
    report = json.loads(result.stdout)
    assert (report["ok"], report["problems"]) == (True, [])
    assert report["links"] == [
        {"name": "carrier-a", "group": "carrier-a", "peer": "127.0.0.1:2775", "bind": "transceiver", "binds": 1}
    ]
    assert report["rules"][0]["tests"] == 6
    assert report["numbers"] == {"60606": "acme"}


def test_check_says_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("")
    result = run("check", "-c", tmp_path / "b.toml")
    assert result.exit_code == 0
    assert "There is no [[link]] yet" in result.stdout
    assert "There are no rules yet" in result.stdout


def test_check_shows_a_rate_and_tls(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text('[[link]]\nname = "a"\npassword = ""\nrate = 2.5\ntls = true\n')
    result = run("check", "-c", tmp_path / "b.toml")
    assert "127.0.0.1:2775 (TLS)" in result.stdout
    assert "2.5/s" in result.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("bridge.toml", "[store]", "[stroe]", "stroe: unknown key; did you mean `store`?"),
        ("bridge.toml", "rules/acme", "rules/acne", "cannot read the rules: No such file or directory"),
        ("rules/acme.toml", r"AC\d{8})\b", r"AC\d{8}\b", "pattern[1].regex: RE2 does not take it: missing ):"),
        ("rules/acme.toml", 'expect = ["which"', 'expect = ["hours"', 'test[2]: "hello?" gets which, expected hours'),
    ],
)
def test_a_mistake_is_one_line_with_exit_status_1(folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    result = run("check", "-c", folder / "bridge.toml")
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert message in line
    report = run("check", "-c", folder / "bridge.toml", "--json")
    assert report.exit_code == 1
    assert json.loads(report.stdout) == {"ok": False, "problems": [line]}


def test_the_shipped_files_are_found_in_a_wheel_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert conf_dir() == CONF
    shutil.copytree(CONF, tmp_path / "bridge" / "conf")
    monkeypatch.setattr(bridge, "__file__", str(tmp_path / "bridge" / "__init__.py"))
    assert conf_dir() == tmp_path / "bridge" / "conf"
