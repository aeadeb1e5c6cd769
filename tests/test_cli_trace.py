"""`smppbridge trace`: what it asks the service, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "bridge.toml"
    path.write_text('[[link]]\nname = "a"\npassword = "secret"\n')
    return path


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What the service was asked."""
    asked: list[Mapping[str, object]] = []

    def ask(folder: Path, request: Mapping[str, object]) -> str:
        asked.append({"folder": folder.name, **request})
        return "link a: done\x1b[2J"

    monkeypatch.setattr("bridge.cli.trace.ask", ask)
    return asked


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["trace", "-c", str(config), *arguments])


def test_the_service_is_asked(config: Path, requests: list[Mapping[str, object]]) -> None:
    result = run(config, "a", "on", "--for", "90s", "--show-text")
    assert result.exit_code == 0
    assert result.output == "link a: done\\u001b[2J\n"
    result = run(config, "a", "off", "--json")
    assert json.loads(result.output) == {
        "link": "a",
        "on": False,
        "file": str(config.parent / "var" / "trace-a.log"),
        "said": "link a: done\x1b[2J",
    }
    assert requests == [
        {"folder": "var", "do": "trace", "link": "a", "on": True, "seconds": 90.0, "show_text": True},
        {"folder": "var", "do": "trace", "link": "a", "on": False, "seconds": 600.0, "show_text": False},
    ]


def test_without_a_service_it_is_one_line(config: Path) -> None:
    result = run(config, "a", "on")
    assert result.exit_code == 1
    assert (
        result.stderr == f"Error: {config.parent / 'var'}: no service is running here; start it with `smppbridge run`\n"
    )
    assert isinstance(result.exception, SystemExit)
    assert not isinstance(result.exception, ControlError)


def test_a_wrong_time_is_wrong_usage(config: Path) -> None:
    assert run(config, "a", "on", "--for", "soon").exit_code == 2
