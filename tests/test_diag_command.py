"""`smppbridge diag`: what people see, JSON, and exit statuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from bridge.cli import diag, main
from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.probe.capacity import Findings, Result, Rung, Trial
from tests.threads import simulator

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from click.testing import Result as Outcome


def run(*arguments: str) -> Outcome:
    return CliRunner().invoke(main, ["diag", *arguments])


def test_bind_prints_a_table_of_verdicts(tmp_path: Path) -> None:
    with simulator() as port:
        result = run("bind", "--port", str(port), "--json", str(tmp_path / "bind.json"))
        refused = run("bind", "--port", str(port), "--password", "wrong")
        only_json = run("bind", "--port", str(port), "--to", "12025550100", "--json", "-")
    assert result.exit_code == 0, result.output
    assert "we speak 3.4, they speak 3.4" in result.stdout
    assert json.loads((tmp_path / "bind.json").read_text())["good"]
    assert refused.exit_code == 1
    assert "wrong" not in refused.output
    assert "→ ask for the password again" in refused.stdout
    assert json.loads(only_json.stdout)["bind_status"] == 0


def test_bind_without_an_smsc_is_one_line_at_the_end() -> None:
    result = run("bind", "--port", "1")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_send_is_delivered(tmp_path: Path) -> None:
    with simulator() as port:
        result = run("send", "--port", str(port), "--text", "hello", "--json", str(tmp_path / "send.json"))
        quiet = run("send", "--port", str(port), "--json", "-")
    assert result.exit_code == 0, result.output
    for part in ("→ submit_sm 2", "“hello”", "receipt      DELIVERED", "password=******"):
        assert part in result.stdout
    assert json.loads((tmp_path / "send.json").read_text())["outcome"] == "delivered"
    assert "secret" not in quiet.stdout
    assert json.loads(quiet.stdout)["pdus"][0]["command"] == "bind_transceiver"


def test_send_that_is_not_delivered_is_exit_status_1() -> None:
    with simulator(SimulatorConfig(receipts=Receipts(outcomes={"rejected": 1.0}, delay=0.01))) as port:
        result = run("send", "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: not delivered: rejected; last: receipt REJECTED for ")


def test_throughput_prints_the_curve_and_the_two_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rungs = [
        Rung(Trial(20, 100, rate, 5.0), Result(100, 90, throttled, p50_ms=1.0, p99_ms=30.0), answered)
        for rate, answered, throttled in ((10.0, 10.0, 0), (900.0, 500.0, 10), (490.0, 490.0, 0))
    ]
    found = Findings(window=20, rate=490.0, window_limit=20, rate_limit=500.0, confirmed=True, rates=rungs)
    found.bursts = [Rung(Trial(50, 50), Result(50, 20, 30), 0.0)]

    async def measure(*_args: object, **_kwargs: object) -> Findings:
        return found

    monkeypatch.setattr(diag, "measure", measure)
    files = ("--plot", str(tmp_path / "c.png"), "--json", str(tmp_path / "c.json"))
    result = run("throughput", *files, "--max-messages", "5000")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("At most 5,000 messages to 127.0.0.1:2775 for 12025550100 to 12025550199")
    assert result.stdout.endswith("\nwindow = 20\nrate = 490\n")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "c.json").read_text())["rate_limit_per_s"] == 500.0
    found.problem = "the peer refuses"
    assert run("throughput", "--json", "-").exit_code == 1


def test_throughput_is_bounded_in_time() -> None:
    with simulator() as port:
        result = run("throughput", "--port", str(port), "--max-time", "200ms")
    assert result.exit_code == 1
    assert "not finished within 0.2 s" in result.stderr
