"""`smppbridge load`: options, results as text, JSON and pictures, and exit statuses."""

from __future__ import annotations

import io
import json
import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console

from bridge.cli import main, picture
from bridge.cli.load import _Ramp
from bridge.cli.loadview import Now, _panel, mo_lines, mt_lines, sparkline
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.load.mo_books import MoReport
from smppcore.testbed.load.mt_books import MtReport
from smppcore.testbed.load.pace import Stage
from tests.threads import esme, simulator

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def load(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["load", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mt", "--ramp", "100:200"], "is not FROM:TO:TIME"),
        (["mt", "--ramp", "a:200:3s"], "is not FROM:TO:TIME"),
        (["mt", "--ramp", "-1:200:3s"], "0 or more"),
        (["mt", "--ramp", "1:200:0s"], "takes time"),
        (["mt", "--ramp", "1:200:3parsecs"], "has the unit `parsecs`"),
        (["mt", "--text", "{x}"], "--text: {x} is none of"),
        (["mt", "--plot", "x.gif"], "neither .png nor .svg"),
        (["mt", "--plot", "/no/such/folder/x.png"], "there is no folder"),
        (["mt", "--link", "a"], "give that with -c"),
        (["mt", "--from", "x" * 21], "at most 20"),
        (["mo", "--text", "{line}"], "needs a file"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_sent(arguments: list[str], message: str) -> None:
    result = load(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_ramp_is_read() -> None:
    assert _Ramp().convert("100:2000:30s", None, None) == Stage(100, 2000, 30)
    assert _Ramp().convert("0:5:2m", None, None) == Stage(0, 5, 120)


def test_files_of_texts_must_be_texts(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for name, message in (("none", "cannot be read"), ("empty", "has no lines"), ("latin", "is not UTF-8")):
        result = load("mt", "--texts", str(tmp_path / name))
        assert result.exit_code == 1
        assert message in result.stderr


def test_mt_prints_its_figures_and_writes_json_and_a_picture(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("one\n\ntwo\n")
    with simulator() as port:
        result = load(
            *("mt", "--port", str(port), "--count", "200", "--receipts", "--texts", str(tmp_path / "lines")),
            *("--text", "{line} {n}", "--json", str(tmp_path / "r.json"), "--plot", str(tmp_path / "r.png")),
        )
    assert (result.exit_code, result.stderr) == (0, "")
    assert "200 submit_sm in" in result.stdout
    assert "200 delivered; 0 missing" in result.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["accepted"], report["lost"], report["receipts_by_state"]) == (200, 0, {"delivered": 200})
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_mt_prints_only_json_when_asked_to() -> None:
    with simulator() as port:
        result = load("mt", "--port", str(port), "--count", "5", "--json", "-")
    assert json.loads(result.stdout)["accepted"] == 5


def test_mt_takes_a_link_of_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    with simulator() as port:
        config.write_text(f'[[link]]\nname = "a"\nport = {port}\nsystem_id = "esme"\npassword = "secret"\n')
        assert load("mt", "-c", str(config), "--count", "5").exit_code == 0
        result = load("mt", "-c", str(config), "--count", "5", "--password", "wrong")
    assert result.exit_code == 1
    assert "ESME_RINVPASWD" in result.stderr
    assert load("mt", "-c", str(config), "--link", "b").stderr == f"Error: {config} has no link b: it has a\n"
    config.write_text(config.read_text() + '[[link]]\nname = "b"\npassword = "x"\n')
    assert "choose one with --link (a, b)" in load("mt", "-c", str(config)).stderr
    config.write_text("")
    assert "has no [[link]]" in load("mt", "-c", str(config)).stderr


def test_mt_without_an_smsc_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = load("mt", "--port", str(port), "--count", "5")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: cannot connect to 127.0.0.1:{port}: ")
    assert result.stderr.endswith("Connection refused\n")
    assert result.stderr.count("\n") == 1


def test_a_receipt_that_does_not_come_is_exit_status_1() -> None:
    with simulator(SimulatorConfig(receipts=Receipts(outcomes={"none": 1.0}))) as port:
        result = load("mt", "--port", str(port), "--count", "3", "--receipts", "--receipt-wait", "50ms")
    assert result.exit_code == 1
    assert result.stderr == "Error: 3 accepted messages without a receipt\n"


def test_mo_counts_what_an_esme_takes(tmp_path: Path) -> None:
    with esme() as port:
        result = load("mo", "--port", str(port), "--count", "100", "--plot", str(tmp_path / "r.svg"))
    assert result.exit_code == 0, result.stderr
    assert "100 texts in" in result.stdout
    assert "100 acknowledged, 0 replied" in result.stdout
    assert b"<svg" in (tmp_path / "r.svg").read_bytes()


def test_mo_without_replies_that_were_asked_for_is_exit_status_1() -> None:
    with esme() as port:
        result = load("mo", "--port", str(port), "--count", "3", "--replies", "--idle", "200ms", "--json", "-")
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: 3 texts without a reply\n")
    assert json.loads(result.stdout)["end"] == "idle"


def test_mo_without_an_esme_is_one_line() -> None:
    result = load("mo", "--port", "0", "--wait", "10ms")
    assert result.exit_code == 1
    assert "nobody bound within 0.01 s" in result.stderr


def test_mo_on_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = load("mo", "--port", str(port))
    assert result.stderr == f"Error: port {port} on 127.0.0.1 is in use; choose another with --port\n"


# -- what people see ---------------------------------------------------------------------------------------------------


def test_the_panel_has_rates_errors_and_latency() -> None:
    screen = io.StringIO()
    now = Now("500 answered/s", {"ESME_RTHROTTLED": 1234, "ESME_RSYSERR": 2}, "p50 1.0 ms", [0.0, 250.0, 500.0])
    Console(file=screen, width=100).print(_panel(now))
    assert "500 answered/s" in screen.getvalue()
    assert "1,234 ESME_RTHROTTLED, 2 ESME_RSYSERR" in screen.getvalue()
    assert " ▄█" in screen.getvalue()
    assert sparkline([0.0, 0.0]) == "  "


def test_everything_that_went_wrong_is_in_the_lines() -> None:
    latency = {"n": 1, "p50": 1.0, "p90": 1.0, "p99": 1.0, "p999": 1.0, "max": 1.0}
    mt = MtReport(
        end="stalled",
        refused=2,
        refused_status={"ESME_RTHROTTLED": 2},
        lost=3,
        not_sent=4,
        receipts_missing=5,
        receipts_unmatched=6,
        binds_lost=7,
        generator_util=0.95,
        latency_ms=latency,
        receipt_ms=latency,
    )
    text = "\n".join(mt_lines(mt))
    for part in (
        "2 ESME_RTHROTTLED",
        "3 lost",
        "4 that were due",
        "5 missing",
        "6 for nothing",
        "7 lost",
        "stalled",
        "95%",
    ):
        assert part in text
    mo = MoReport(
        end="idle",
        ack_err=2,
        mo_not_sent=4,
        dup_replies=5,
        replied=1,
        receipts_made=6,
        ack_ms=latency,
        reply_ms=latency,
    )
    text = "\n".join(mo_lines(mo))
    for part in ("sent again", "4 that were due", "5 repeated", "6 made", "idle", "until the reply"):
        assert part in text


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    result = load("mt", "--plot", "x.png")
    assert result.exit_code == 1
    assert "smppbridge[plot]" in result.stderr


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be written: Is a directory"):
        picture.write_file(tmp_path, b"")
