"""`smppbridge decode` as people and programs use it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from smppcore import constants as c
from smppcore.pdu import BindTransceiver, DeliverSM, EnquireLink, EnquireLinkResp, SubmitSM, SubmitSMResp, encode
from tests.test_dissect_capture import packets, pcap
from tests.wire import with_length

if TYPE_CHECKING:
    from pathlib import Path

BIND = encode(BindTransceiver(b"esme", b"s3cret", sequence_number=1))
SUBMIT = encode(
    SubmitSM(source_addr=b"60606", destination_addr=b"12025550102", short_message=b"Hello", sequence_number=2)
)
ANSWER = encode(SubmitSMResp(command_status=c.ESME_RTHROTTLED, sequence_number=2))


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["decode", *arguments], input=stdin)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.log"
    lines = [("out", BIND), ("out", SUBMIT), ("in", ANSWER)]
    path.write_text(
        "".join(f"2026-01-02T03:04:05.{n}00000Z {way} a/1 {octets.hex()}\n" for n, (way, octets) in enumerate(lines))
    )
    return path


def test_a_pdu_is_explained(trace: Path) -> None:
    result = run(str(trace))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "#1  2026-01-02T03:04:05.000000Z  out a/1  line 1"
    assert "bind_transceiver  sequence 1  33 octets" in lines
    assert '  password                   "******"' in lines
    assert "  interface_version          0x34  v3.4" in lines
    assert "  text, 5 characters         Hello" in lines
    assert any(
        line.startswith("submit_sm_resp  sequence 2  16 octets  ESME_RTHROTTLED: Throttling error")
        and line.endswith("answers #2 after 100.0 ms")
        for line in lines
    )
    assert lines[-2:] == ["-- no response in the recording: #1 bind_transceiver", "PDUs: 3"]


def test_an_object_a_line_with_the_fields_of_the_readme(trace: Path) -> None:
    rows = [json.loads(line) for line in run("--json", str(trace)).output.splitlines()]
    assert [row["kind"] for row in rows] == ["pdu", "pdu", "pdu", "unanswered"]
    assert rows[2] == {
        "kind": "pdu",
        "number": 3,
        "place": "line 3",
        "time": "2026-01-02T03:04:05.200000+00:00",
        "direction": "in a/1",
        "request": 2,
        "latency_ms": 100.0,
        "command": "submit_sm_resp",
        "command_id": 0x80000004,
        "command_status": 0x58,
        "status": rows[2]["status"],
        "sequence_number": 2,
        "length": 16,
        "octets": ANSWER.hex(),
        "fields": [],
        "tlvs": [],
        "udh": [],
        "text": None,
        "receipt": None,
        "findings": [],
    }
    assert rows[3] == {"kind": "unanswered", "number": 1, "command": "bind_transceiver"}


def test_the_summary_and_its_json(trace: Path) -> None:
    result = run("--summary", str(trace))
    assert result.exit_code == 0
    assert "submit_sm_resp ESME_RTHROTTLED" in result.output
    assert "Hello" not in result.output
    assert "1 requests without a response" in result.output
    row = json.loads(run("--summary", "--json", str(trace)).output)
    assert row["commands"] == {"bind_transceiver": 1, "submit_sm": 1, "submit_sm_resp": 1}


def test_passwords_texts_and_numbers_are_hidden(trace: Path) -> None:
    for options in ([], ["--json"]):
        shown = run(*options, str(trace)).output
        assert "s3cret" not in shown
        assert b"s3cret".hex() not in shown
        assert "s3cret" in run(*options, "--show-secrets", str(trace)).output
        masked = run(*options, "--mask", str(trace)).output
        assert "Hello" not in masked
        assert "5550102" not in masked
        assert "1202*******" in masked


def test_a_capture_a_pipe_and_text(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(pcap(packets()))
    result = run(str(capture))
    assert result.exit_code == 0
    assert "#4  2023-11-14 22:13:25.500000  10.0.0.1:5000 → 10.0.0.2:2775  packet 6" in result.output
    result = run(*SUBMIT.hex(" ").split())
    assert result.exit_code == 0
    assert "destination_addr" in result.output
    assert run("--charset", "latin1", SUBMIT.hex()).exit_code == 0


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, SUBMIT)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        monkeypatch.setattr("bridge.cli.decode.sys", type("sys", (), {"stdin": pipe}))
        result = run()
    assert result.exit_code == 0
    assert "submit_sm  sequence 2" in result.output


def test_what_cannot_be_decoded_is_exit_status_1_and_one_line(tmp_path: Path) -> None:
    bad = with_length(SUBMIT[:40])
    result = run(bad.hex())
    assert result.exit_code == 1
    assert "✗ error at octet" in result.output
    assert result.stderr.splitlines()[-1].startswith("Error: line 1: #1 cannot be decoded: protocol_id: the PDU ends")
    two = tmp_path / "two.log"
    two.write_text(f"{bad.hex()}\n{bad.hex()}\n")
    assert run(str(two)).stderr.strip().endswith("; 2 such in all")
    result = run("deadbeef" * 4)
    assert result.exit_code == 1
    assert result.stderr == "Error: line 1: 16 octets that hold no PDU\n"
    result = run("no-such-file.pcap")
    assert result.exit_code == 1
    assert result.stderr == "Error: 'no-such-file.pcap' (no such file, so it is taken as text): no PDU found\n"


def test_a_damaged_capture_and_a_folder_are_one_line(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(pcap(packets())[:20])
    result = run(str(capture))
    assert result.exit_code == 1
    assert result.stderr == "Error: the pcap file ends within its header\n"
    result = run(str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path}: cannot be read: Is a directory\n"


def test_nothing_in_a_text_acts_on_the_terminal() -> None:
    evil = "\x1b[2J\u202egnp.exe\u200f\x9b31m\r\n"
    octets = [
        encode(DeliverSM(data_coding=8, short_message=evil.encode("utf-16-be"), source_addr=b"\x1b]0;x\x07\x9b31m")),
        encode(DeliverSM(esm_class=4, short_message=b"id:\x1b[31m\x9b stat:\x1b]0;DELIVRD err:\x9b")),
    ]
    for options in ([], ["--json"], ["--summary"]):
        shown = run(*options, *(each.hex() for each in octets)).output.replace("\n", "")
        assert not [character for character in shown if not character.isprintable()]


def test_conversations_are_paired_over_files(tmp_path: Path) -> None:
    for name, pdu in (("1", EnquireLink(sequence_number=3)), ("2", EnquireLinkResp(sequence_number=3))):
        (tmp_path / name).write_bytes(encode(pdu))
    result = run(str(tmp_path / "1"), str(tmp_path / "2"))
    assert "answers #1" in result.output


def test_other_bytes_never_make_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    for octets in (bytes(range(256)) * 4, b"\xff" * 100, b"\x1f\x8b\x08broken", b"\n" * 50, b"\xa1\xb2\xc3\xd4" * 9):
        path.write_bytes(octets)
        result = run(str(path))
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert len(result.stderr.splitlines()) == 1
