"""The fuzz tool: a short run finds nothing, and it does find what is broken on purpose."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smppcore.errors import DecodeError
from smppcore.pdu import Pdu, encode
from smppcore.session import Session

if TYPE_CHECKING:
    from types import ModuleType

SEED = 20240229


@pytest.fixture
def fuzz() -> ModuleType:
    """The tool as a module; tools/ is no package."""
    spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).parent.parent / "tools" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_five_thousand_inputs_break_nothing(fuzz: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--count", "5000", "--seed", str(SEED)]) == 0
    assert "0 violations" in capsys.readouterr().out


def test_a_run_is_repeatable_by_its_seed(fuzz: ModuleType) -> None:
    assert fuzz.fuzz(300, SEED) == fuzz.fuzz(300, SEED)
    assert fuzz.fuzz(300, SEED) != fuzz.fuzz(300, SEED + 1)


@pytest.mark.parametrize(
    ("raised", "rule"),
    [
        (IndexError("index out of range"), "decode raised IndexError('index out of range')"),
        (DecodeError("", "?", command_status=1), "a DecodeError names a field, a reason and a status"),
        (DecodeError("x", "?", command_status=0), "a DecodeError names a field, a reason and a status"),
        (DecodeError("x", "?", command_status=1), "a DecodeError carries the header's command_id and sequence_number"),
    ],
)
def test_finds_a_decoder_that_raises_something_else(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, raised: Exception, rule: str
) -> None:
    def decode(_data: bytes) -> Pdu:
        raise raised

    monkeypatch.setattr(fuzz, "decode", decode)
    assert fuzz.check_decode(bytes(range(16))) == ("exception" if rule.startswith("decode") else "error", rule)


def test_finds_a_decoder_that_changes_a_field(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fuzz.decode

    def decode(data: bytes, start: int = 0, end: int | None = None) -> Pdu:
        pdu: Pdu = right(data, start, end)
        pdu.sequence_number ^= 1
        return pdu

    monkeypatch.setattr(fuzz, "decode", decode)
    rules = {violation.rule for violation in fuzz.fuzz(2000, SEED)[1]}
    assert "a decoded request is encoded to another one" in rules


def test_exit_status_tells_of_a_violation(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "check_decode", lambda _octets: ("error", "nothing is right"))
    assert fuzz.main(["--count", "30"]) == 1
    assert "VIOLATION: nothing is right" in capsys.readouterr().out


def sabotage(method: str, replacement: Any, fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Session, method, replacement)
    return " / ".join(violation.rule for violation in fuzz.fuzz(600, SEED)[1])


def test_finds_a_session_that_raises(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive_eof(_self: Session, _now: float) -> list[object]:
        raise KeyError("lost")

    assert "a session raised KeyError('lost')" in sabotage("receive_eof", receive_eof, fuzz, monkeypatch)


def test_finds_a_session_that_loses_an_outcome(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sabotage("receive_eof", lambda _self, _now: [], fuzz, monkeypatch)
    assert "ended in outcomes" in found


def test_finds_a_session_that_does_not_answer(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.respond

    def respond(self: Session, responses: list[Pdu], now: float) -> None:
        if responses[0].command_status == 0:
            right(self, responses, now)

    assert "was answered 0 times" in sabotage("respond", respond, fuzz, monkeypatch)


def test_finds_a_session_that_answers_twice(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.bytes_to_send
    assert "was answered 2 times" in sabotage("bytes_to_send", lambda self: right(self) * 2, fuzz, monkeypatch)


def test_finds_a_session_that_writes_half_a_pdu(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.bytes_to_send
    found = sabotage("bytes_to_send", lambda self: right(self)[:-1], fuzz, monkeypatch)
    assert "not whole, decodable PDUs" in found


def test_finds_a_session_that_answers_what_nobody_asked(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Session.bytes_to_send
    extra = encode(fuzz.BindTransceiverResp(sequence_number=0x7777))

    def bytes_to_send(self: Session) -> bytes:
        octets = right(self)
        return octets + extra if octets else b""

    found = sabotage("bytes_to_send", bytes_to_send, fuzz, monkeypatch)
    assert "answers to nothing that was asked" in found
