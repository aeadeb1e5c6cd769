"""The simulator's scripts: which subscribers send what, and when.

A file that ends in .toml has accounts, texts and conversations; conf/sim/hello.toml is an example. Any other file has a
text a line, `DELAY FROM TO TEXT`, the delay counted from the line before; empty lines and lines that begin with # are
read over.

Must not be here: the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.cli import CliProblem
from bridge.options import At, BadValue, Seconds, duration, fill, parse
from smppcore.testbed.config import Account  # noqa: TC001 - `fill` looks annotations up

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScriptedText:
    """One text."""

    at: Seconds = 0.0
    """When, from the first bind that takes texts."""
    subscriber: str = ""
    """The number that it comes from."""
    service: str = "60606"
    """The number that it goes to."""
    text: str = ""
    """What it says."""
    account: str = ""
    """The system_id that it goes to; "" is the first account."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Texts of which each is sent when the one before has had its reply."""

    at: Seconds = 0.0
    """When the first is sent, from the first bind that takes texts."""
    subscriber: str = ""
    """The number that they come from."""
    service: str = "60606"
    """The number that they go to."""
    texts: tuple[str, ...] = ()
    """What they say."""
    wait: Seconds = 10.0
    """How long each reply is waited for; the conversation goes on without it."""
    account: str = ""
    """The system_id that they go to; "" is the first account."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script."""

    account: tuple[Account, ...] = ()
    """Who may bind, in place of the command line's account."""
    text: tuple[ScriptedText, ...] = ()
    """Single texts."""
    conversation: tuple[Conversation, ...] = ()
    """Conversations."""


def load(path: Path) -> Scenario:
    """Read a script.

    Raises:
        CliProblem: The file cannot be read, or something in it is wrong: a line for each thing.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise CliProblem(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CliProblem(f"{path} is not UTF-8 text") from exc
    if path.suffix != ".toml":
        return Scenario(text=_lines(content, path))
    tables, at = parse(content, str(path), path.parent)
    scenario = fill(Scenario(), tables, at)
    for number, text in enumerate(scenario.text):
        _check(text, "text", text.text, at.child("text").child(number))
    for number, conversation in enumerate(scenario.conversation):
        _check(conversation, "texts", conversation.texts, at.child("conversation").child(number))
    if at.problems:
        raise CliProblem("\n".join(map(str, at.problems)))
    return scenario


def _check(entry: ScriptedText | Conversation, name: str, said: object, at: At) -> None:
    if not entry.subscriber or not entry.service:
        at.problem("needs `subscriber` and `service`, the numbers that it goes between")
    if not said:
        at.problem(f"needs `{name}`")


def _lines(content: str, path: Path) -> tuple[ScriptedText, ...]:
    texts: list[ScriptedText] = []
    problems: list[str] = []
    at = 0.0
    read = duration()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(maxsplit=3)
        try:
            if len(words) < 4:
                raise BadValue('must be DELAY FROM TO TEXT, as in "500ms 12025550101 60606 HELP"')
            at += read(words[0], At(str(path), path.parent, {}, []))
        except BadValue as exc:
            problems.append(f"{path}:{number}: {exc}")
        else:
            texts.append(ScriptedText(at, words[1], words[2], words[3]))
    if problems:
        raise CliProblem("\n".join(problems))
    return tuple(texts)


def with_account(scenario: Scenario, account: Account) -> Scenario:
    """Return the script with this account, if it has none of its own.

    Raises:
        CliProblem: A text is for an account that there is not.
    """
    accounts = scenario.account or (account,)
    known = ("", *(one.system_id for one in accounts))
    entries: list[ScriptedText | Conversation] = [*scenario.text, *scenario.conversation]
    for entry in entries:
        if entry.account not in known:
            raise CliProblem(f"the script has texts for the account {entry.account!r}, but no [[account]] of that name")
    return replace(scenario, account=accounts)
