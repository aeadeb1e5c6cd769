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
from smppcore import constants as c
from smppcore.events import SessionConfig
from smppcore.link import Link
from smppcore.pdu import BindTransceiver, DeliverSM, SubmitSM, encode
from smppcore.session import Role, Session
from smppcore.testbed.config import Account, Conversation, Script, ScriptedText, SimulatorConfig, Traffic
from smppcore.testbed.delays import Uniform
from smppcore.testbed.faults import Cut, Error, Lose, ReceiptFirst, RefuseBind, Throttle
from smppcore.testbed.simulator import Simulator
from tests.esme import Esme

if TYPE_CHECKING:
    from trio.testing import MockClock

    from smppcore.testbed.tally import Report

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
    assert json.loads(result.stdout)["esmes"] == []
    assert result.stderr.startswith("SMSC on 127.0.0.1:")


def test_seconds_need_no_unit() -> None:
    result = CliRunner().invoke(main, ["sim", "--port", "0", "--seconds", "0.01"])
    assert result.exit_code == 0
    assert result.stdout.endswith("No ESME has bound.\n")


def simulated(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[SimulatorConfig, Script]:
    """What a command line makes of itself: the simulator's configuration and what is played."""
    seen: list[tuple[SimulatorConfig, Script]] = []

    def run(_function: object, simulator: Simulator, _host: str, _port: int, script: Script, *_rest: object) -> Report:
        seen.append((simulator.config, script))
        return simulator.tally.report(0.0, [])

    monkeypatch.setattr(trio, "run", run)
    result = CliRunner().invoke(main, ["sim", *arguments])
    assert result.exit_code == 0, result.output
    [only] = seen
    return only


def test_options_are_added_to_the_scenario_and_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(
        tmp_path,
        """
[smsc]
message_id = "hex"
response = "1s"
[receipts]
outcomes = { expired = 1 }
dialect = "short"
[[fault]]
kind = "lose"
[[text]]
subscriber = "1"
text = "x"
""",
    )
    config, script = simulated(monkeypatch, str(path))
    assert (config.message_id, config.response, config.receipts.dialect) == ("hex", 1.0, ("short",))
    assert config.accounts == (Account("esme", "secret"),)
    texts = write(tmp_path, "1s 255 60606 HELP\n", "s.txt")
    arguments = (
        f"{path} --script {texts} --system-id a --password b --message-id uuid --message-id-width 5 --delay 2s "
        "--receipts delivered --receipt-delay 3s --receipt-spread 1s --receipt-form tlvs --receipt-id hex "
        "--receipt-first --throttle-every 3 --throttle-rate 9 --error-every 4 --error-status ESME_RSUBMITFAIL "
        "--drop-after 5s --drop-after-submits 6 --drop-mode fin --down-for 7s --bind-status 0x0d --rate 5 --count 2"
    )
    config, script = simulated(monkeypatch, *arguments.split())
    assert config.accounts == (Account("a", "b"),)
    assert (config.message_id, config.message_id_width, config.response) == ("uuid", 5, 2.0)
    assert (config.receipts.outcomes, config.receipts.delay) == ({"delivered": 1.0}, Uniform(3.0, 4.0))
    assert config.receipts.dialect == ("options",)
    assert (config.dialects[-1].text, config.dialects[-1].tlvs, config.dialects[-1].id) == ("", True, "hex")
    assert config.faults == (
        Lose(),
        RefuseBind(status=0x0D),
        Throttle(every=3),
        Throttle(above=9.0),
        Error(every=4, status=c.ESME_RSUBMITFAIL),
        ReceiptFirst(),
        Cut(at=5.0, again=5.0, mode="fin", down_for=7.0),
        Cut(every=6, mode="fin", down_for=7.0),
    )
    assert [text.text for text in script.texts] == ["x", "HELP"]
    assert script.traffic == (Traffic(5.0, 2),)


def test_a_receipt_s_delay_may_be_said_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config, _ = simulated(monkeypatch, "--receipt-delay", "3s", "--receipt-form", "text")
    assert config.receipts.delay == 3.0
    assert (bool(config.dialects[0].text), config.dialects[0].tlvs) == (True, False)


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


@pytest.mark.parametrize("terminal", [False, True])
async def test_findings_are_shown_as_they_come_and_at_the_end(
    terminal: bool, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=200, highlight=False)

    async def misbehave() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(simulator.serve_stream, theirs, "10.0.0.1:5000")
            binds = [BindTransceiver(b"esme", b"secret", sequence_number=number) for number in (1, 2)]
            await ours.send_all(b"".join(map(encode, binds)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(misbehave)
        report = await command._run(simulator, "127.0.0.1", 0, Script(), random.Random(1), 3.0, console)
        nursery.cancel_scope.cancel()
    line = "esme: error second_bind × 1: sent a bind where there was one already (before the first was answered)"
    assert line in screen.getvalue()
    assert (screen.getvalue().count("second_bind") == 1) is not terminal
    command._print(report)
    words = capsys.readouterr().out.split()
    assert {"second_bind", "unbind_unanswered", "§4.1"} <= set(words)
    assert [one["finding"] for one in report.to_dict()["esmes"][0]["findings"]] == [  # type: ignore[index]
        "second_bind",
        "unbind_unanswered",
    ]
