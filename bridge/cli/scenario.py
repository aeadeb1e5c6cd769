"""The simulator's scenarios: TOML tables, or a plain list of texts.

A file that ends in .toml has everything; conf/sim has examples. Any other file has a text a line, `DELAY FROM TO TEXT`,
the delay counted from the line before; empty lines and lines that begin with # are read over.

Must not be here: the simulator.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from bridge.cli import CliProblem
from bridge.cli.readers import READERS
from bridge.options import At, BadValue, duration, fill, nearest, parse
from smppcore import constants as c
from smppcore.events import SessionConfig
from smppcore.testbed.config import (
    Account,
    Answer,
    Conversation,
    Destination,
    Dial,
    IdForm,
    Receipts,
    Script,
    ScriptedText,
    SimulatorConfig,
    Traffic,
    VersionName,
)
from smppcore.testbed.dialects import DIALECTS, FIELDS, Dialect
from smppcore.testbed.faults import KINDS, Duration, Fault, Seconds

if TYPE_CHECKING:
    from pathlib import Path

_VERSIONS = {"3.3": 0x33, "3.4": c.VERSION_34, "5.0": c.VERSION_50}


@dataclass(frozen=True, slots=True)
class Smsc:
    """What kind of SMSC it is."""

    system_id: Annotated[str, "system_id"] = "simulator"
    """Its name in bind_resp."""
    version: VersionName = "3.4"
    """The highest that it speaks."""
    bind_error_style: Literal["34", "50"] = "34"
    """A wrong system_id or password: ESME_RINVSYSID and ESME_RINVPASWD, or ESME_RBINDFAIL as v5.0 §4.7.6 has it."""
    strict: bool = True
    """Refuse what the specification forbids where peers are known to do it and harm nobody."""
    message_id: IdForm = "decimal"
    """The form of message ids in responses."""
    message_id_width: Annotated[int, "count"] = 0
    """Zeros in front up to so many characters."""
    response: Duration = 0.0
    """From a submission to its response."""
    window: Annotated[int, "count"] = 50
    """How many deliver_sm a session may have un-answered."""
    response_timeout: Seconds = 10.0
    """How long an answer to deliver_sm is waited for before it is sent again."""
    redelivery_delay: Seconds = 1.0
    """When a text comes again after a temporary error or no answer; after a lost session it comes at once."""
    session_init: Seconds = 10.0
    """How long a connection may stay without a bind."""
    enquire_link: Seconds = 30.0
    """After how long without an octet the ESME is asked whether it is there; 0 is never."""
    inactivity: Seconds = 0.0
    """After how long without an operation the session is unbound; 0 is never."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file."""

    seed: int | None = None
    """Makes ids, outcomes, delays and faults repeatable."""
    smsc: Smsc = field(default_factory=Smsc)
    """What kind of SMSC it is."""
    account: tuple[Account, ...] = ()
    """Who may bind, in place of the command line's account."""
    receipts: Receipts = field(default_factory=Receipts)
    """What becomes of messages."""
    destination: tuple[Destination, ...] = ()
    """What becomes of messages to some numbers."""
    dialect: tuple[Dialect, ...] = ()
    """Dialects of receipts besides the known ones."""
    fault: tuple[Annotated[Fault, "fault"], ...] = ()
    """What goes wrong."""
    text: tuple[ScriptedText, ...] = ()
    """Single texts."""
    conversation: tuple[Conversation, ...] = ()
    """Conversations."""
    answer: tuple[Answer, ...] = ()
    """Subscribers who answer what they get."""
    traffic: tuple[Traffic, ...] = ()
    """Texts from many subscribers."""
    outbind: tuple[Dial, ...] = ()
    """ESMEs that are called."""

    def config(self) -> SimulatorConfig:
        """Return it as the simulator takes it."""
        smsc = self.smsc
        return SimulatorConfig(
            accounts=self.account,
            bind_error_style=smsc.bind_error_style,
            message_id=smsc.message_id,
            message_id_width=smsc.message_id_width,
            response=smsc.response,
            receipts=self.receipts,
            destinations=self.destination,
            dialects=self.dialect,
            faults=self.fault,
            redelivery_delay=smsc.redelivery_delay,
            session=SessionConfig(
                system_id=smsc.system_id.encode(),
                interface_version=_VERSIONS[smsc.version],
                strict=smsc.strict,
                window=smsc.window,
                response_timeout=smsc.response_timeout,
                session_init_timeout=smsc.session_init,
                enquire_link_interval=smsc.enquire_link,
                inactivity_timeout=smsc.inactivity,
            ),
        )

    def with_account(self, account: Account) -> Scenario:
        """Return it with this account, if it has none of its own.

        Raises:
            CliProblem: Something is for an account that there is not.
        """
        whole = self if self.account else replace(self, account=(account,))
        known = ("", *(one.system_id for one in whole.account))
        for name in whole.account_names():
            if name not in known:
                raise CliProblem(f"the scenario names the account {name!r}, but there is no [[account]] of that name")
        return whole

    def account_names(self) -> list[str]:
        """Return every account that something is for."""
        tables = (self.fault, self.text, self.conversation, self.answer, self.traffic)
        return [entry.account for table in tables for entry in table]

    def script(self) -> Script:
        """Return what its subscribers do."""
        return Script(self.text, self.conversation, self.answer, self.traffic, self.outbind)


def load(path: Path) -> Scenario:
    """Read a scenario.

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
    at = replace(at, readers={**READERS, "fault": _fault})
    scenario = fill(Scenario(), tables, at)
    _check(scenario, at)
    if at.problems:
        raise CliProblem("\n".join(map(str, at.problems)))
    return scenario


def _fault(value: object, at: At) -> Fault:
    """One [[fault]]: its `kind` says which other keys it may have."""
    if not isinstance(value, dict):
        raise BadValue("stands in double brackets: [[fault]]")
    kind = value.get("kind")
    if kind is None:
        raise BadValue(f"needs `kind`: {', '.join(KINDS)}")
    if kind not in KINDS:
        at.child("kind").problem(f"must be one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}")
        return Fault()
    return fill(KINDS[kind](), {key: one for key, one in value.items() if key != "kind"}, at)


def _check(scenario: Scenario, at: At) -> None:
    """Note what no single field is to blame for."""
    systems = [account.system_id for account in scenario.account]
    for number, name in enumerate(systems):
        if name in systems[:number]:
            at.child("account").child(number).problem(f"there is an account {name!r} already")
    for number, text in enumerate(scenario.text):
        _check_numbers(text, "text", text.text or text.hex, at.child("text").child(number))
    for number, conversation in enumerate(scenario.conversation):
        _check_numbers(conversation, "texts", conversation.texts, at.child("conversation").child(number))
    known = [*DIALECTS, *(dialect.name for dialect in scenario.dialect)]
    for receipts, place in (
        (scenario.receipts, at.child("receipts")),
        *((one, at.child("destination").child(number)) for number, one in enumerate(scenario.destination)),
    ):
        for name in receipts.dialect:
            if name not in known:
                place.child("dialect").problem(f"no dialect is called {name!r}{nearest(name, known)}")
    for number, dialect in enumerate(scenario.dialect):
        _check_dialect(dialect, at.child("dialect").child(number))


def _check_numbers(entry: ScriptedText | Conversation, name: str, said: object, at: At) -> None:
    if not entry.subscriber or not entry.service:
        at.problem("needs `subscriber` and `service`, the numbers that it goes between")
    if not said:
        at.problem(f"needs `{name}`")


def _check_dialect(dialect: Dialect, at: At) -> None:
    if not dialect.name:
        at.problem("needs `name`")
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(dialect.text) if name is not None]
    except ValueError as exc:
        at.child("text").problem(str(exc))
        return
    for name in fields:
        if name not in FIELDS:
            at.child("text").problem(f"{{{name}}} is not one of {', '.join(FIELDS)}{nearest(name, FIELDS)}")


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
