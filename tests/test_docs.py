"""What is written for people is true: help texts, the README, the shipped files."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import click
import pytest

from bridge.cli import main
from bridge.cli.init import FILES
from bridge.config import ErrorKind
from bridge.delivery import ERRORS
from bridge.records import FINAL_STATES, OUTCOMES
from bridge.rules.tables import RulesTables
from smppcore.constants import status_name
from smppcore.testbed.faults import KINDS

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
WORKING_README = (PROJECT / "conf" / "README.md").read_text(encoding="utf-8")


def commands(group: click.Group, *words: str) -> dict[tuple[str, ...], click.Command]:
    """Every command that does something, by its words after `smppbridge`."""
    found: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= commands(command, *words, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found[(*words, name)] = command
    return found


COMMANDS = commands(main)


def spoken(text: str) -> list[list[str]]:
    """The arguments of each `smppbridge …` in code blocks and in backquotes."""
    lines: list[str] = []
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines += block.splitlines()
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    parsed = []
    for line in lines:
        for command in re.split(r"&&|;", line.partition(" #")[0].rstrip(" &")):
            words = shlex.split(command)
            if words[:1] == ["smppbridge"]:
                parsed.append(["1" if word == "ID" else word for word in words[1:]])
    return parsed


def parses(arguments: list[str]) -> None:
    """Parse a command line as click would, without running it.

    Raises:
        click.UsageError: With what is wrong.
    """
    group: click.Group = main
    rest = arguments
    while True:
        context = group.make_context("smppbridge", list(rest), resilient_parsing=False)
        if group.invoke_without_command and not context._protected_args:
            return
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, name
        if not isinstance(command, click.Group):
            command.make_context(name, list(rest))
            return
        group = command


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_does_and_shows_an_example(words: tuple[str, ...]) -> None:
    help_text = COMMANDS[words].help or ""
    assert len(help_text.splitlines()[0]) > 10
    _, example, shown = help_text.partition("Example:\n")
    assert example
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert lines
    assert all(line.startswith(f"smppbridge {' '.join(words)}") for line in lines)
    for line in spoken("```\n" + "\n".join(lines) + "\n```\n"):
        parses(line)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_line_in_the_readme(words: tuple[str, ...]) -> None:
    assert re.search(rf"^\| `smppbridge {' '.join(words)}\b[^`]*` \| \w", README, re.MULTILINE)


def test_every_line_of_the_readme_is_a_command() -> None:
    listed = re.findall(r"^\| `smppbridge ([^`]+)`", README, re.MULTILINE)
    assert {tuple(re.findall(r"[a-z]+", line.split(" -c")[0])) for line in listed} == set(COMMANDS)


@pytest.mark.parametrize("text", [README, WORKING_README], ids=["README.md", "conf/README.md"])
def test_every_command_line_shown_parses(text: str) -> None:
    lines = spoken(text)
    assert len(lines) >= 5
    for line in lines:
        parses(line)


@pytest.mark.parametrize(
    "line", [["run", "--no-such-option"], ["show"], ["nonsense"], ["export", "messages", "--format", "xml"]]
)
def test_a_wrong_command_line_would_be_seen(line: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parses(line)


def test_the_readme_opens_with_the_two_commands() -> None:
    block = README.split("```")[1]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == ["make demo", "make test"]


def options_of(table: type, seen: set[type]) -> set[str]:
    """The names of a table's fields, and of those of the tables in it."""
    found = set()
    seen.add(table)
    hints = get_type_hints(table, include_extras=True)
    for field in fields(table):
        found.add(field.name)
        inner = [hints[field.name]]
        while inner:
            hint = inner.pop()
            inner += get_args(hint)
            if isinstance(hint, type) and is_dataclass(hint) and hint not in seen:
                found |= options_of(hint, seen)
    return found


def test_every_option_of_the_rules_is_in_the_shipped_ones() -> None:
    shown = (PROJECT / "conf/rules/acme.toml").read_text(encoding="utf-8")
    options = options_of(RulesTables, set())
    assert len(options) > 80
    # What is no key: the days of [hours] are, and what follows `mute_` in `then`.
    missing = {name for name in options if not re.search(rf"\b{name}\b", shown)}
    assert missing == {"week", "mute"}


@pytest.mark.parametrize("text", [README, WORKING_README], ids=["README.md", "conf/README.md"])
def test_every_file_that_is_named_is_there(text: str) -> None:
    named = set(re.findall(r"\]\(([^)#]+)\)", text)) | set(re.findall(r"\b(?:tools|conf)/[\w./]+\w", text))
    for name in named:
        assert (PROJECT / name).exists(), name


def test_every_file_of_a_working_folder_that_is_named_is_written() -> None:
    named = set(re.findall(r"\bwork/([\w/]+\.\w+)", README)) | set(
        re.findall(r"\b(?:rules|sim)/\w+\.toml", WORKING_README)
    )
    assert named
    assert named <= set(FILES)


def test_every_outcome_and_state_is_explained() -> None:
    tables = " ".join(re.findall(r"^\| (`\w.*?) \|", README, re.MULTILINE))
    for word in {*OUTCOMES, *FINAL_STATES, "queued", "held", "sent", "accepted", "unknown"}:
        assert f"`{word}`" in tables, word


def test_the_readme_says_what_each_status_means() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:ESME|none|every)[^|]*) \|", README, re.MULTILINE)
    assert {kind for kind, _ in rows} == set(get_args(ErrorKind))
    told = {
        int(number, 16): (name, kind)
        for kind, statuses in rows
        for name, number in re.findall(r"(ESME_\w+) \((0x\w+)\)", statuses)
    }
    assert told == {status: (status_name(status), kind) for status, kind in ERRORS.items()}


def test_every_kind_of_fault_and_every_scenario_is_in_the_readme() -> None:
    for name in (
        *(f"`{kind}`" for kind in KINDS),
        *(f"(conf/sim/{path.name})" for path in (PROJECT / "conf/sim").glob("*.toml")),
    ):
        assert name in README


def test_every_tool_for_people_is_in_the_readme() -> None:
    for tool in ("bench.py", "bench_core.py", "crash.py", "full_disk.py", "fuzz.py"):
        assert f"tools/{tool}" in README


def test_the_makefile_has_what_the_readme_names() -> None:
    targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE)) <= targets
