"""The command group: lazy commands, and what an expected problem looks like."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bridge import cli
from bridge.cli import CliProblem, main, problem_of
from smppcore.errors import LinkClosed


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """A command `boom` that raises the first exception of the list."""
    errors: list[Exception] = []

    @click.command()
    def boom() -> None:
        raise errors[0]

    monkeypatch.setitem(main.commands, "boom", boom)
    monkeypatch.setitem(cli.COMMANDS, "boom", ("tests.nowhere:boom", "Fail."))
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: self.commands.get(name))
    return errors


def test_help_lists_every_command_without_importing_one() -> None:
    script = (
        "import sys; from bridge.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'trio' not in sys.modules and 'lmdb' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, (_, text) in cli.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert text.split()[0] in done.stdout


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.output


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("main, version ") or "version" in result.output


def test_an_expected_problem_is_one_line_and_exit_status_1(raising: list[Exception]) -> None:
    raising.append(CliProblem("port 2775 is in use; choose another with --port"))
    result = CliRunner().invoke(main, ["boom"])
    assert result.exit_code == 1
    assert result.stderr == "Error: port 2775 is in use; choose another with --port\n"
    assert result.stdout == ""


def test_a_group_of_expected_problems_says_each_once(raising: list[Exception]) -> None:
    raising.append(ExceptionGroup("", [CliProblem("a"), ExceptionGroup("", [CliProblem("b"), CliProblem("a")])]))
    result = CliRunner().invoke(main, ["boom"])
    assert (result.exit_code, result.stderr) == (1, "Error: a\nb\n")


def test_a_bug_is_not_hidden(raising: list[Exception]) -> None:
    raising.append(KeyError("x"))
    result = CliRunner().invoke(main, ["boom"])
    assert isinstance(result.exception, KeyError)


def test_usage_errors_keep_exit_status_2(raising: list[Exception]) -> None:
    raising.append(click.UsageError("no"))
    assert CliRunner().invoke(main, ["boom"]).exit_code == 2


def test_a_group_with_one_bug_inside_is_a_bug() -> None:
    assert problem_of(ExceptionGroup("", [CliProblem("a"), ValueError()])) is None


def test_errors_of_the_protocol_engine_are_expected() -> None:
    assert problem_of(LinkClosed("the peer has gone")) == "the peer has gone"
