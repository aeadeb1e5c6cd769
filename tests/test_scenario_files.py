"""Scenario files: what they say becomes the simulator's configuration, and every mistake is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.cli import CliProblem, scenario
from bridge.cli.readers import READERS, parse_outcomes
from bridge.options import At, BadValue
from smppcore import constants as c
from smppcore.testbed.config import Account, Answer, Dial, ScriptedText
from smppcore.testbed.delays import Lognormal, Normal, Percentiles, Uniform
from smppcore.testbed.faults import KINDS, Cut, Distort, Fault, Late, Picking, Throttle

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, text: str) -> scenario.Scenario:
    path = folder / "s.toml"
    path.write_text(text, encoding="utf-8")
    return scenario.load(path)


def test_everything_that_can_be_said_is_understood(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
seed = 5
[smsc]
system_id = "carrier"
version = "5.0"
bind_error_style = "50"
strict = false
message_id = "hex"
response = "20ms"
enquire_link = "10s"
inactivity = "5m"
[[account]]
system_id = "a"
password = "b"
binds = ["receiver"]
addresses = ["10.0.0.0/8", "::1"]
rate = 10
window = 5
excess = "note"
[receipts]
outcomes = { delivered = 0.9, expired = 0.1 }
dialect = "own"
[[dialect]]
name = "own"
text = "{id} {stat}"
[[destination]]
to = "49*"
dialect = ["short", "own"]
[[fault]]
kind = "throttle"
above = 5
at = "10s"
for = "5s"
[[fault]]
kind = "cut"
every = 100
[[text]]
subscriber = "1"
hex = "00 ff"
port = 2948
long_messages = "sar"
[[answer]]
when = "*?"
account = "a"
[[outbind]]
port = 5000
""",
    )
    config = loaded.config()
    assert loaded.seed == 5
    assert config.accounts == (
        Account("a", "b", ("receiver",), addresses=("10.0.0.0/8", "::1"), rate=10, window=5, excess="note"),
    )
    assert config.session.system_id == b"carrier"
    assert (config.session.interface_version, config.session.strict) == (c.VERSION_50, False)
    assert (config.session.enquire_link_interval, config.session.inactivity_timeout) == (10.0, 300.0)
    assert (config.bind_error_style, config.message_id, config.response) == ("50", "hex", 0.02)
    assert config.receipts.outcomes == {"delivered": 0.9, "expired": 0.1}
    assert (config.receipts.dialect, config.destinations[0].dialect) == (("own",), ("short", "own"))
    assert config.dialects[0].text == "{id} {stat}"
    assert config.faults == (Throttle(above=5, at=10.0, for_=5.0), Cut(every=100))
    script = loaded.script()
    mo = script.texts[0].mo()
    assert (mo.data, mo.port, mo.profile.long_form) == (b"\x00\xff", 2948, "sar")
    assert script.answers == (Answer(when="*?", account="a"),)
    assert script.dials == (Dial(port=5000),)


def test_nothing_said_is_the_simulator_s_default(tmp_path: Path) -> None:
    config = load(tmp_path, "").with_account(Account()).config()
    assert config.accounts == (Account(),)
    assert config.session.strict
    assert config.faults == ()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_has_its_name(tmp_path: Path, kind: str) -> None:
    [fault] = load(tmp_path, f'[[fault]]\nkind = "{kind}"\nat = "1s"\n').fault
    assert type(fault) is KINDS[kind]
    assert fault.at == 1.0
    assert isinstance(fault, Picking) or type(fault).__mro__[1] is Fault


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ('"1500ms"', 1.5),
        ('{ uniform = ["1s", "2s"] }', Uniform(1.0, 2.0)),
        ('{ normal = ["1s", "200ms"] }', Normal(1.0, 0.2)),
        ('{ lognormal = ["1s", "5s"] }', Lognormal(1.0, 5.0)),
        ('{ p0 = "1s", p50 = "2s", p100 = "9s" }', Percentiles(((0.0, 1.0), (0.5, 2.0), (1.0, 9.0)))),
        ('{ p50 = "2s", p99 = "3s" }', Percentiles(((0.0, 2.0), (0.5, 2.0), (0.99, 3.0), (1.0, 3.0)))),
    ],
)
def test_times_and_their_distributions(tmp_path: Path, value: str, delay: object) -> None:
    [fault] = load(tmp_path, f'[[fault]]\nkind = "late"\ndelay = {value}\n').fault
    assert isinstance(fault, Late)
    assert fault.delay == delay


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[smcs]\n", "s.toml:1: smcs: unknown key; did you mean `smsc`?"),
        ('[smsc]\nverzion = "5.0"', "s.toml:2: smsc.verzion: unknown key; did you mean `version`?"),
        ("[[fault]]\nevery = 5", "s.toml:1: fault[1]: needs `kind`: throttle, error"),
        ("[fault]\nevery = 5", "must be a list"),
        ("fault = [5]", "stands in double brackets: [[fault]]"),
        ('[[fault]]\nkind = "throtle"', "s.toml:2: fault[1].kind: must be one of throttle"),
        ('[[fault]]\nkind = "throtle"', "did you mean `throttle`?"),
        ('[[fault]]\nkind = "half_open"\nevery = 5', "fault[1].every: unknown key"),
        ('[[fault]]\nkind = "split"\npdu = "any"', "fault[1].pdu: unknown key"),
        ('[[fault]]\nkind = "lose"\npdu = "submit_sm_rsp"', "did you mean `submit_sm_resp`?"),
        ('[[fault]]\nkind = "lose"\nshare = 2', "must be from 0.0 to 1.0, not 2"),
        ('[[fault]]\nkind = "error"\nstatus = "ESME_RTHROTLED"', "did you mean `ESME_RTHROTTLED`?"),
        ('[[fault]]\nkind = "error"\nstatus = 0', "0 is no error"),
        ('[[fault]]\nkind = "late"\ndelay = { unifrm = ["1s", "2s"] }', "did you mean `uniform`?"),
        ('[[fault]]\nkind = "late"\ndelay = { uniform = ["1s"] }', "must be a list of two durations"),
        ('[[fault]]\nkind = "late"\ndelay = { uniform = ["2s", "1s"] }', "must not be more than the second"),
        ('[[fault]]\nkind = "late"\ndelay = { lognormal = ["0s", "1s"] }', "must be more than 0"),
        ('[[fault]]\nkind = "late"\ndelay = { p50 = "2s", p90 = "1s" }', "must not be less than a lower one"),
        ('[[fault]]\nkind = "late"\ndelay = { p101 = "2s" }', "from p0 to p100"),
        ('[[fault]]\nkind = "late"\ndelay = {}', "must be one of uniform, normal, lognormal"),
        ('[[fault]]\nkind = "garbage"\nhex = "zz"', "must be octets in hex"),
        ('[[account]]\naddresses = ["10.0.0.300"]', "must be an address or a network"),
        ('[[account]]\nsystem_id = "a"\n[[account]]\nsystem_id = "a"', "there is an account 'a' already"),
        ("[receipts]\noutcomes = { deliverd = 1 }", "did you mean `delivered`?"),
        ("[receipts]\noutcomes = { delivered = 0 }", "one of the weights must be more than 0"),
        ("[receipts]\noutcomes = 5", "must be a table such as"),
        ('[receipts]\ndialect = "appendix"', "did you mean 'appendix_b'?".replace("'", "`")),
        ("[receipts]\ndialect = []", "must have a name at least"),
        ('[[destination]]\ndialect = "shrt"', "destination[1].dialect: no dialect is called 'shrt'"),
        ('[[dialect]]\ntext = "{idd}"', "needs `name`"),
        ('[[dialect]]\nname = "x"\ntext = "{idd}"', "{idd} is not one of id, dlvrd"),
        ('[[dialect]]\nname = "x"\ntext = "{id"', "dialect[1].text: expected '}'"),
        ('[[text]]\nsubscriber = "1"\ntext = "x"\nlanguages = ["turkisch"]', "did you mean `turkish`?"),
        ("[[text]]\nsubscriber = 1", "must be a text in quotes"),
        ('[[conversation]]\nsubscriber = "1"', "needs `texts`"),
    ],
)
def test_every_mistake_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(CliProblem) as caught:
        load(tmp_path, text)
    assert problem in str(caught.value)


def test_an_account_that_is_not_there_is_a_problem() -> None:
    for one in (
        scenario.Scenario(text=(ScriptedText(account="other"),)),
        scenario.Scenario(fault=(Distort(account="other"),)),
    ):
        with pytest.raises(CliProblem, match="the account 'other'"):
            one.with_account(Account())


def test_numbers_and_names_of_statuses() -> None:
    at = At("", None, {}, [])  # type: ignore[arg-type]
    read = READERS["status"]
    assert [read(value, at) for value in (0x58, "0x58", "88", "ESME_RTHROTTLED")] == [0x58] * 4
    with pytest.raises(BadValue, match="is not a number"):
        read("0xz", at)


def test_outcomes_of_the_command_line() -> None:
    assert parse_outcomes("delivered=0.9,expired") == {"delivered": 0.9, "expired": 1.0}
    for text in ("delivered=nan", "delivered=x"):
        with pytest.raises(BadValue, match="is not a number"):
            parse_outcomes(text)
