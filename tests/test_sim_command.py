"""`smppbridge sim`: its scripts, its options, and a run."""

from __future__ import annotations

import io
import json
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from click.testing import CliRunner
from rich.console import Console

from bridge.cli import CliProblem, main, scenario
from bridge.cli import sim as command
from bridge.cli.scenario import Scenario
from smppcore.events import SessionConfig
from smppcore.link import Link
from smppcore.pdu import BindTransceiver, DeliverSM, SubmitSM
from smppcore.session import Role, Session
from smppcore.testbed.config import Account, Conversation, Script, ScriptedText, SimulatorConfig, Traffic
from smppcore.testbed.simulator import Simulator
from tests.esme import Esme

if TYPE_CHECKING:
    from trio.testing import MockClock

HELLO = Path(__file__).parent.parent / "conf" / "sim" / "hello.toml"


def write(folder: Path, text: str, name: str = "script.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# -- scripts -----------------------------------------------------------------------------------------------------------


def test_the_shipped_script_is_a_good_example() -> None:
    hello = scenario.load(HELLO)
    assert hello.text[0] == ScriptedText(0.0, "12025550101", "60606", "HELP")
    assert hello.conversation[0].at == 0.5
    assert hello.conversation[0].texts[-1] == "AC12345678"


def test_a_script_may_bring_its_accounts(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[[account]]\nsystem_id = "a"\npassword = "b"\n[[text]]\nsubscriber = "1"\ntext = "x"\naccount = "a"\n',
    )
    loaded = scenario.load(path).with_account(Account("esme", "secret"))
    assert loaded.account == (Account("a", "b"),)


def test_a_script_without_accounts_gets_that_of_the_command_line() -> None:
    assert Scenario().with_account(Account("x", "y")).account == (Account("x", "y"),)


def test_a_text_for_an_account_that_is_not_there_is_a_problem() -> None:
    with pytest.raises(CliProblem, match="the account 'other'"):
        Scenario(text=(ScriptedText(account="other"),)).with_account(Account())


def test_a_plain_script_has_a_text_a_line(tmp_path: Path) -> None:
    path = write(
        tmp_path, "# delays count from the line before\n\n1s 255 60606 HELP me\n500ms 256 60606 STOP\n", "s.txt"
    )
    assert scenario.load(path).text == (
        ScriptedText(1.0, "255", "60606", "HELP me"),
        ScriptedText(1.5, "256", "60606", "STOP"),
    )


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("s.toml", "[[text]]\nsubscribr = 1", ["did you mean `subscriber`", "needs `subscriber`", "needs `text`"]),
        ("s.toml", '[[conversation]]\nsubscriber = "1"\nat = "soon"', ["text[1].at", "needs `texts`"][1:]),
        ("s.toml", "text = 5", ["must be a list"]),
        ("s.toml", "[[", ["not valid TOML"]),
        ("s.txt", "1s 255 60606\nsoon 255 60606 HELP\n", ["s.txt:1: must be DELAY FROM TO TEXT", "s.txt:2: "]),
    ],
)
def test_every_mistake_in_a_script_is_named(tmp_path: Path, name: str, text: str, problems: list[str]) -> None:
    with pytest.raises(CliProblem) as caught:
        scenario.load(write(tmp_path, text, name))
    for problem in problems:
        assert problem in str(caught.value)


def test_a_script_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(CliProblem, match="cannot read"):
        scenario.load(tmp_path / "none.toml")
    (tmp_path / "latin.txt").write_bytes(b"1s 255 60606 caf\xe9")
    with pytest.raises(CliProblem, match="not UTF-8"):
        scenario.load(tmp_path / "latin.txt")


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--receipts", "eaten=1"], "`eaten` is not one of delivered"),
        (["--receipts", "delivered=much"], "'much' is not a number"),
        (["--receipts", "delivered=0"], "one of the weights must be more than 0"),
        (["--receipts", "delivered=-1,expired=1"], "must be 0 or more"),
        (["--delay", "50"], "has no unit"),
        (["--error-status", "zero"], "is not the name of a status"),
        (["--error-status", "0xz"], "is not a number such as 0x58"),
        (["--error-status", "0"], "from 1 to 0xFFFFFFFF"),
    ],
)
def test_a_bad_option_is_wrong_usage(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["sim", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["sim", "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr == f"Error: port {port} on 127.0.0.1 is in use; choose another with --port\n"


def test_an_address_of_somebody_else_is_one_line() -> None:
    result = CliRunner().invoke(main, ["sim", "--host", "192.0.2.1", "--port", "0"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: cannot listen on 192.0.2.1:0: ")
    assert result.stderr.count("\n") == 1


def test_a_run_ends_with_a_report() -> None:
    result = CliRunner().invoke(main, ["sim", "--port", "0", "--seconds", "10ms", "--receipts", "none"])
    assert result.exit_code == 0
    assert "texts     0 sent" in result.stdout
    result = CliRunner().invoke(main, ["sim", "--port", "0", "--seconds", "10ms", "--json", "--seed", "1"])
    assert json.loads(result.stdout)["mo_unique"] == 0
    assert result.stderr.startswith("SMSC on 127.0.0.1:")


# -- a run -------------------------------------------------------------------------------------------------------------


class Answering(Esme):
    """Replies to every text but STOP."""

    def __init__(self) -> None:
        super().__init__(self.reply)

    def reply(self, pdu: DeliverSM) -> int:
        if not pdu.esm_class and pdu.short_message != b"STOP":
            answer = b"you said " + pdu.short_message
            self.send(
                SubmitSM(source_addr=pdu.destination_addr, destination_addr=pdu.source_addr, short_message=answer)
            )
        return 0


@pytest.mark.parametrize("terminal", [False, True])
async def test_scripts_and_traffic_are_played_to_whoever_binds(terminal: bool, autojump_clock: MockClock) -> None:
    script = Script(
        (ScriptedText(2.0, "1", "60606", "second"), ScriptedText(1.0, "1", "60606", "first")),
        (Conversation(0.0, "2", "60606", ("hello", "STOP", "after"), 5.0),),
        traffic=(Traffic(count=1, text="crowd"),),
    )
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=200, highlight=False)
    esme = Answering()
    ours, theirs = trio.testing.memory_stream_pair()

    async def bind() -> None:
        link = Link(ours, Session(Role.ESME, SessionConfig(enquire_link_interval=0.0), trio.current_time()), esme)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            nursery.start_soon(simulator.serve_stream, theirs)
            await link.request(BindTransceiver(b"esme", b"secret"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bind)
        report = await command._run(simulator, "127.0.0.1", 0, script, random.Random(1), 30.0, console)
        nursery.cancel_scope.cancel()
    assert sorted(esme.texts) == sorted([b"crowd", b"hello", b"STOP", b"first", b"second", b"after"])
    assert esme.texts.index(b"first") < esme.texts.index(b"second") < esme.texts.index(b"after")
    assert (report.figures.mo_acked, report.figures.replies) == (6, 5)
    assert esme.closed == "unbound by the peer"
    assert ("6 texts, 6 acknowledged" in screen.getvalue()) == terminal
