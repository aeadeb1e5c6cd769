"""What is written for people is true: help texts, the README, the guides, the shipped files.

Whether the command lines do what they are there for is in tests/e2e/test_guides.py.
"""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import tomllib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, get_args, get_type_hints

import click
import pytest

from bridge import config, rules
from bridge.cli import main, scenario
from bridge.cli.init import FILES
from bridge.config import EVENTS, ErrorKind
from bridge.delivery import ERRORS
from bridge.records import FINAL_STATES, OUTCOMES
from bridge.rules.tables import RulesTables
from smppcore.constants import status_name
from smppcore.testbed.faults import KINDS
from tests.guides import DOCUMENTS, GUIDES, PROJECT, WRITTEN, anchors, blocks, lines

if TYPE_CHECKING:
    from pathlib import Path

README = (PROJECT / "README.md").read_text(encoding="utf-8")
OPERATIONS, RULES, TESTING, DEVELOPING, REFERENCE = (
    (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    for name in ("operations", "rules", "testing", "developing", "reference")
)
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


def spoken(shown: list[str]) -> list[list[str]]:
    """The arguments of each `smppbridge …` in command lines."""
    parsed = []
    for line in shown:
        for command in re.split(r"&&|;", line.partition(" #")[0].rstrip(" &")):
            words = shlex.split(command)
            if words[:1] == ["smppbridge"]:
                parsed.append(["1" if word == "ID" else word for word in words[1:]])
    return parsed


def quoted(text: str) -> list[str]:
    """The command lines in backquotes, outside of blocks."""
    text = re.sub(r"^```.*?^```$|`` .*? ``", "", text, flags=re.MULTILINE | re.DOTALL)
    return [words for words in re.findall(r"`([^`\n]+)`", text) if words.startswith("smppbridge ")]


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
    examples = [line.strip() for line in shown.splitlines() if line.strip()]
    assert examples
    assert all(line.startswith(f"smppbridge {' '.join(words)}") for line in examples)
    for line in spoken(examples):
        parses(line)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_line_in_the_readme(words: tuple[str, ...]) -> None:
    assert re.search(rf"^\| `smppbridge {' '.join(words)}\b[^`]*` \| \w", README, re.MULTILINE)


def test_every_line_of_the_readme_is_a_command() -> None:
    listed = re.findall(r"^\| `smppbridge ([^`]+)`", README, re.MULTILINE)
    assert {tuple(re.findall(r"[a-z]+", line.split(" -c")[0])) for line in listed} == set(COMMANDS)


@pytest.mark.parametrize("path", [*WRITTEN, PROJECT / "conf" / "README.md"], ids=lambda path: path.name)
def test_every_command_line_shown_parses(path: Path) -> None:
    for line in spoken([*lines(path), *quoted(path.read_text(encoding="utf-8"))]):
        try:
            parses(line)
        except click.BadParameter as exc:
            if "does not exist" not in exc.message:  # as a file does that another line makes
                raise


def test_command_lines_are_seen() -> None:
    assert len(spoken(lines(GUIDES / "operations.md"))) > 40
    assert spoken(quoted(WORKING_README))


@pytest.mark.parametrize(
    "line", [["run", "--no-such-option"], ["show"], ["nonsense"], ["export", "messages", "--format", "xml"]]
)
def test_a_wrong_command_line_would_be_seen(line: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parses(line)


def test_the_readme_opens_with_the_two_commands() -> None:
    (block, *_) = blocks(PROJECT / "README.md")
    assert [line.split("#")[0].strip() for line in block.text.splitlines()] == ["make demo", "make test"]


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


@pytest.mark.parametrize("path", [*DOCUMENTS, PROJECT / "conf" / "README.md"], ids=lambda path: path.name)
def test_every_file_and_heading_that_is_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", text):
        file = path if not target else path.parent / target
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"
    for name in set(re.findall(r"(?<![\w/])(?:tools|conf|bridge|smppcore|tests)/[\w./]*\w", text)):
        assert (PROJECT / name).exists() or "NAME" in name, name


def test_every_file_of_a_working_folder_that_is_named_is_written() -> None:
    named = set(re.findall(r"\b(?:rules|sim)/\w+\.toml", WORKING_README))
    for path in WRITTEN:
        saved = {block.saved_as for block in blocks(path)}
        text = path.read_text(encoding="utf-8")
        named |= {name.removeprefix("work/") for name in set(re.findall(r"\bwork/[\w/]+\.toml", text)) - saved}
    assert len(named) > 3
    assert named <= set(FILES)


def pieces(path: Path) -> list[str]:
    """The blocks of TOML in a document that are neither files nor parts of one."""
    return [block.text for block in blocks(path) if block.language == "toml" and not block.saved_as]


@pytest.mark.parametrize("piece", pieces(GUIDES / "operations.md"))
def test_every_piece_of_a_configuration_loads(piece: str, tmp_path: Path) -> None:
    for name in re.findall(r'"([\w.-]+\.secret)"', piece):
        (tmp_path / name).write_text("s3cret", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "bridge.toml"
    file.write_text(piece, encoding="utf-8")
    assert config.load(file) != config.Config()


@pytest.mark.parametrize("piece", pieces(GUIDES / "testing.md"))
def test_every_piece_of_a_scenario_loads(piece: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(piece, encoding="utf-8")
    assert scenario.load(file).fault


def test_the_blocks_of_the_guide_to_the_rules_are_one_file_that_passes_its_tests(tmp_path: Path) -> None:
    files = {block.saved_as: block.text for block in blocks(GUIDES / "rules.md") if block.saved_as}
    file = tmp_path / "guide.toml"
    file.write_text("\n".join([files["work/rules/guide.toml"], *pieces(GUIDES / "rules.md")]), encoding="utf-8")
    assert file.read_text(encoding="utf-8").count("[[test]]") > 6
    assert rules.load((file,)).numbers["60606"].name == "acme"  # one that fails would be an error


def test_the_files_of_the_readme_load(tmp_path: Path) -> None:
    files = {block.saved_as: block.text for block in blocks(PROJECT / "README.md") if block.saved_as}
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (link,) = config.load(tmp_path / "work/shop.toml").link
    assert link.port == 2776
    assert rules.load(config.load(tmp_path / "work/shop.toml").bridge.rules).version == "1"
    assert scenario.load(tmp_path / "work/sim/shop.toml").conversation


def test_every_outcome_and_state_is_explained() -> None:
    tables = " ".join(re.findall(r"^\| (`\w.*?) \|", OPERATIONS, re.MULTILINE))
    for word in {*OUTCOMES, *FINAL_STATES, "queued", "held", "sent", "accepted", "unknown"}:
        assert f"`{word}`" in tables, word


def test_operations_says_what_each_status_means() -> None:
    section = OPERATIONS.partition("## Refused and in doubt")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ((?:ESME|none|every)[^|]*) \|", section, re.MULTILINE)
    assert {kind for kind, _ in rows} == set(get_args(ErrorKind))
    told = {
        int(number, 16): (name, kind)
        for kind, statuses in rows
        for name, number in re.findall(r"(ESME_\w+) \((0x\w+)\)", statuses)
    }
    assert told == {status: (status_name(status), kind) for status, kind in ERRORS.items()}


def test_every_kind_of_fault_and_every_scenario_is_explained() -> None:
    for name in (
        *(f"`{kind}`" for kind in KINDS),
        *(f"(../../conf/sim/{path.name})" for path in (PROJECT / "conf/sim").glob("*.toml")),
    ):
        assert name in TESTING


def test_every_tool_for_people_is_explained() -> None:
    for tool in ("bench.py", "bench_core.py", "crash.py", "full_disk.py", "fuzz.py", "operations.py"):
        assert f"tools/{tool}" in DEVELOPING


def test_the_makefile_has_what_the_documents_name() -> None:
    targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in WRITTEN:
        assert set(re.findall(r"(?:^|`)make (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)) <= targets


def test_the_reference_is_what_the_code_says() -> None:
    tool = runpy.run_path(str(PROJECT / "tools/reference.py"))
    assert set(tool["EVENT_TEXTS"]) == set(EVENTS)
    assert tool["document"]() == REFERENCE, "run python tools/reference.py"


def test_the_drawing_has_the_layers_that_are_kept() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = {contract["containers"][0]: contract["layers"] for contract in contracts if "containers" in contract}
    (drawing, *_) = (block.text for block in blocks(GUIDES / "developing.md"))
    drawn = [re.split(r" {3}|│$", line[2:])[0].strip() for line in drawing.splitlines() if line.startswith("│ ")]
    assert [row for row in drawn if row] == layers["bridge"] + layers["smppcore"]


# ---------------------------------------------------------------- what the program says

RAISED = {
    "StoreError", "ControlError", "FunctionError", "TrainingError", "RecordVersionError", "WorkflowError",
    "ConnectFailed",
}  # fmt: skip
"""Errors whose text is a line for operations staff; those of commands and files carry their mend."""


def said(node: ast.expr) -> str:
    """The text of an expression, with … for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"%(?:,?\.?\d*)?[sdgf]", "…", text)
        case ast.JoinedStr(values=values):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in values)
            return re.sub("…+", "…", text)
        case ast.IfExp(body=one, orelse=other):
            return f"{said(one)}\0{said(other)}"
    return "…"


def texts_of_the_code() -> tuple[set[str], set[str]]:
    """Every text in the code, and those that it says to operations staff."""
    every, told = set(), set()
    for file in (*PROJECT.glob("bridge/**/*.py"), *PROJECT.glob("smppcore/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                every.add(said(node))
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = ast.unparse(node.func)
            if re.fullmatch(r"log\.(debug|info|warning|error|critical|log)", called):
                told.update(said(node.args[1 if called == "log.log" else 0]).split("\0"))
            elif called.endswith("incidents.append"):
                told.update(said(node.args[0]).split("\0"))
            elif called in RAISED:
                told.add(said(node.args[-1]))
            elif called == "self.abort" and file.parent.name == "smppcore":
                told.add(said(node.args[0]))
            elif called == "self._move" and ast.unparse(node.args[0]) in ("_UNBOUND", "_CLOSED"):
                told.add(said(node.args[1]))
    return every, {text for text in told if text.strip("…") and "\n" not in text}


def test_every_line_of_the_service_has_its_mend_and_no_other_has() -> None:
    table = OPERATIONS.partition("## What it says, and the mend")[2]
    explained = {row[0] or row[1] for row in re.findall(r"^\| (?:`` (.+?) ``|`([^`]+)`) \|", table, re.MULTILINE)}
    every, told = texts_of_the_code()
    assert len(told) > 50
    assert told - explained == set()
    assert explained - every == set()
