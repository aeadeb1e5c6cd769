"""The service's log: lines that nobody can forge, nothing personal in them, and no flood."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bridge.cli.logs import PLAIN, WINDOW, Handler, logging_to
from bridge.config import LogConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = [
    "x\n2026-01-01T00:00:00.000Z INFO smppbridge: forged",
    "x\r\x1b[2J\x1b]0;title\x07",
    "\u202eevil\u2066 \u200f \u2028 \u0085",
    "\x00\x9b31m\ud800",
]


class Log:
    """A log into memory, with a clock that is set."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.now = 0.0
        self.handler: Handler
        self.logger = logging.getLogger("smppbridge.test")

    def lines(self) -> list[str]:
        written = self.stream.getvalue()
        assert written == "" or written.endswith("\n")
        self.stream.seek(0)
        self.stream.truncate()
        return written.split("\n")[:-1]

    def line(self) -> str:
        (line,) = self.lines()
        return line


@contextmanager
def logging_as(*, verbose: bool = False, **settings: object) -> Iterator[Log]:
    log = Log()
    before = logging.getLogger().level, logging.getLogger().handlers[:], logging.raiseExceptions
    with logging_to(log.stream, LogConfig(**settings), lambda: log.now, verbose=verbose) as log.handler:  # type: ignore[arg-type]
        yield log
    assert (logging.getLogger().level, logging.getLogger().handlers, logging.raiseExceptions) == before


def test_a_line_for_people_has_time_level_logger_and_event() -> None:
    with logging_as() as log:
        log.logger.info("link %s: bound to %s", "a", "10.0.0.1:2775")
    time, _, rest = log.line().partition(" ")
    assert rest == "INFO smppbridge.test: link a: bound to 10.0.0.1:2775"
    assert len(time) == len("2026-11-30T22:17:21.351Z")
    assert time.endswith("Z")


def test_a_line_of_json_has_what_it_is_about_as_keys() -> None:
    with logging_as(format="json") as log:
        log.logger.warning("link %s: %s", "a/1-tx", "refused", extra={"host": "h:1", "reason": "bind_refused"})
        log.logger.warning("webhook crm: takes events again", extra={"n": 3})
        first, second = map(json.loads, log.lines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning",
        "logger": "smppbridge.test",
        "event": "link a/1-tx: refused",
        "link": "a",
        "host": "h:1",
        "reason": "bind_refused",
    }
    assert (second["webhook"], second["n"]) == ("crm", 3)


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_text_forges_a_line_or_reaches_the_terminal_raw(hostile: str, form: str) -> None:
    with logging_as(format=form, show_text=True) as log:
        try:
            raise ValueError(hostile)
        except ValueError:
            log.logger.exception("link a: %s", hostile, extra={"reason": hostile})
        line = log.line()
    assert line.isprintable()
    if form == "json":
        row = json.loads(line)
        assert row["reason"] == hostile
        assert row["event"].startswith(f"link a: {hostile}: ValueError: {hostile} in test_cli_logs.py:")


def test_phone_numbers_are_masked_and_ids_and_counts_are_not() -> None:
    said = (
        "GET /api/v1/threads/+14155550123 failed; 491701234567 and 00491701234567; message 12345678, "
        "conversation 7654321, rules 20261130 are in force, after 20261129; 10,000,000 of them; 127.0.0.1:41181; "
        "number 60606; a1234567890"
    )
    with logging_as() as log:
        log.logger.info(said)
        shown = log.line()
    assert shown.partition("test: ")[2] == said.replace("+14155550123", "+1415*******").replace(
        " 491701234567", " 4917********"
    ).replace("00491701234567", "0049**********")
    with logging_as(format="json") as log:
        log.logger.info("x", extra={"contact": "491701234567"})
        assert json.loads(log.line())["contact"] == "4917********"
    with logging_as(show_text=True) as log:
        log.logger.info(said)
        assert log.line().endswith(said)


def test_of_an_exception_only_its_kind_and_place_are_shown_for_its_words_may_be_a_customers() -> None:
    def fail() -> None:
        raise KeyError("my secret")

    def wrap() -> None:
        try:
            fail()
        except KeyError as exc:
            raise ExceptionGroup("my other secret", [RuntimeError("and this")]) from exc

    with logging_as() as log:
        try:
            wrap()
        except ExceptionGroup:
            log.logger.exception("it failed")
        line = log.line()
        assert "secret" not in line
        assert "and this" not in line
        assert "ExceptionGroup in test_cli_logs.py:" in line
        assert " wrap; from RuntimeError" in line
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            log.logger.exception("it failed")
        assert "OSError: [Errno 28] No space left on device in test_cli_logs.py" in log.line()


def test_a_flood_of_one_incident_is_one_line_and_a_count() -> None:
    with logging_as() as log:
        for number in range(1000, 2000):
            log.logger.warning("message %d: the rules failed: KeyError", number)
        assert log.line().endswith("message 1000: the rules failed: KeyError")
        log.logger.warning("another incident")
        assert log.line().endswith("another incident")
        log.now = WINDOW
        log.handler.sweep()
        assert log.line().endswith("message 1999: the rules failed: KeyError (the last of 999 more within 10 s)")
        log.handler.sweep()
        assert log.lines() == []
        log.logger.warning("message 5000: the rules failed: KeyError")
        assert len(log.lines()) == 1


def test_what_comes_and_goes_is_said_some_times_in_its_order() -> None:
    with logging_as() as log:
        for _ in range(PLAIN + 3):
            log.logger.info("bound")
            log.logger.info("ended")
        assert [line.rpartition(" ")[2] for line in log.lines()] == ["bound", "ended"] * PLAIN
        log.now = WINDOW
        log.handler.sweep()
        assert [line.partition("test: ")[2] for line in log.lines()] == [
            f"{word} (the last of 3 more within 10 s)" for word in ("bound", "ended")
        ]


def test_what_is_left_to_be_said_is_said_at_the_end() -> None:
    with logging_as(format="json") as log:
        log.logger.warning("again")
        log.logger.warning("again")
    assert [json.loads(line).get("times") for line in log.lines()] == [None, 1]


def test_different_incidents_are_no_flood() -> None:
    with logging_as() as log:
        for number in range(1, 5):
            log.logger.info("link a: bound to 10.0.0.%d:2775 (%d of 4)", number, number)
        log.logger.error("link a: bound to 10.0.0.1:2775 (1 of 4)")
        assert len(log.lines()) == 5


def test_the_level_says_what_is_left_out_and_verbose_leaves_out_nothing() -> None:
    with logging_as(level="warning") as log:
        log.logger.info("x")
        log.logger.warning("y")
        assert log.line().endswith("y")
    with logging_as(level="warning", verbose=True) as log:
        log.logger.debug("x")
        assert log.line().endswith("x")


def test_a_record_that_cannot_be_made_a_line_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as() as log:
        log.handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("a customer's words",), "levelno": 20}))
        log.logger.info("and on")
        assert log.line().endswith("and on")
    assert "customer" not in capsys.readouterr().err
