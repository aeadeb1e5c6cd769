"""The command export: rows as JSON lines and CSV, to a file, a pipe or a terminal."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from bridge.cli import export, main
from bridge.export import COLUMNS, iso
from bridge.store.lmdb import LmdbStore
from tests.pipeline import text
from tests.stores import configured, fill, open_bridge

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.export import Row


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return fill(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *(str(argument) for argument in arguments)])


def rows(result: Result) -> list[Row]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# -- messages


def test_each_message_is_a_row_in_the_order_of_ids(file: Path) -> None:
    found = rows(run("messages", "-c", file))
    assert [row["id"] for row in found] == list(range(1, 14))
    assert Counter(row["kind"] for row in found) == {"mo": 8, "mt": 5}


def test_a_row_of_an_inbound_message_has_the_fields_of_the_contract(file: Path) -> None:
    row = rows(run("messages", "-c", file))[0]
    assert {"kind", "id", "link", "from", "to", "text", "time", "outcome", "redelivered"} <= row.keys()
    assert (row["from"], row["to"], row["text"], row["time"], row["outcome"]) == (
        "15550001234",
        "60606",
        "hours",
        "2027-01-15T08:00:00.000Z",
        "replied",
    )


def test_a_row_of_a_reply_has_the_fields_of_the_contract(file: Path) -> None:
    row = rows(run("messages", "-c", file))[3]
    assert row == {
        "kind": "mt",
        "id": 4,
        "mo": 3,
        "conversation": 3,
        "link": "a",
        "from": "60606",
        "to": "2",
        "text": "x" * 200,
        "parts": 2,
        "message_ids": ["0A2", None],
        "receipts": [],
        "state": "failed",
        "attempts": 1,
        "in_doubt": False,
        "error": "ESME_RINVDSTADR",
        "template": "echo",
        "rules_version": "3",
        "by": None,
        "topic": None,
        "data_coding": 0,
        "device": None,
        "times": {
            "asked": "2027-01-15T08:00:00.000Z",
            "created": "2027-01-15T08:00:00.000Z",
            "claimed": None,
            "next_try": None,
            "accepted": None,
            "done": "2027-01-15T08:00:00.000Z",
        },
    }


def test_texts_are_exported_as_they_are(file: Path) -> None:
    assert rows(run("messages", "-c", file))[4]["text"] == 'echo \u009b31m,"red"\n'
    table = run("messages", "-c", file, "--format", "csv").stdout
    assert list(csv.DictReader(io.StringIO(table, newline="")))[4]["text"] == 'echo \u009b31m,"red"\n'


def test_csv_has_the_columns_lists_and_times_as_promised(file: Path) -> None:
    result = run("messages", "-c", file, "--format", "csv")
    assert result.stdout.split("\n", 1)[0] == ",".join(COLUMNS)
    found = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert len(found) == 13
    mo, mt = found[0], found[3]
    assert (mo["state"], mo["in_doubt"], mo["times"], mo["redelivered"]) == ("", "", "", "0")
    assert (mt["message_ids"], mt["in_doubt"], mt["outcome"]) == ("0A2 ", "false", "")
    assert found[6]["in_doubt"] == "true"
    assert json.loads(mt["times"])["done"] == "2027-01-15T08:00:00.000Z"


def test_every_field_of_a_row_has_its_column(file: Path) -> None:
    for row in rows(run("messages", "-c", file)):
        assert row.keys() <= set(COLUMNS)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_file_gets_what_a_pipe_would(file: Path, form: str) -> None:
    target = file.parent / "out"
    result = run("messages", "-c", file, "--format", form, "-o", target)
    assert (result.exit_code, result.output) == (0, "")
    assert target.read_bytes() == run("messages", "-c", file, "--format", form).stdout_bytes


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "var", max_size=16 << 20, sync=True).close()
    assert rows(run("messages", "-c", configured(tmp_path))) == []
    assert run("messages", "-c", configured(tmp_path), "--format", "csv").stdout == ",".join(COLUMNS) + "\n"


def test_a_spreadsheet_computes_no_text_of_a_customer(tmp_path: Path) -> None:
    path = configured(tmp_path)
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(text("=HYPERLINK(1)"), text("1=1", source=b"2"))
    store.close()
    found = list(csv.DictReader(io.StringIO(run("messages", "-c", path, "--format", "csv").stdout)))
    assert [row["text"] for row in found if row["kind"] == "mo"] == ["'=HYPERLINK(1)", "1=1"]
    assert rows(run("messages", "-c", path))[0]["text"] == "=HYPERLINK(1)"


# -- events


def test_events_begin_with_a_snapshot_and_go_on_in_order(file: Path) -> None:
    first, *rest = rows(run("events", "-c", file))
    assert first == {"kind": "snapshot", "commit": 0, "complete": True, "conversations": []}
    commits = [row["commit"] for row in rest]
    assert commits == sorted(commits)  # type: ignore[type-var]
    assert Counter(row["kind"] for row in rest) == {"link": 1, "mo": 7, "submit": 5, "receipt": 1, "part": 1}


def test_an_event_has_what_it_led_to(file: Path) -> None:
    found = rows(run("events", "-c", file))
    texts = {row["id"]: row for row in found if row["kind"] == "mo"}
    assert texts[1]["replies"] == [{"id": 2, "template": "hours", "text": "8-18", "control": False}]
    assert (texts[12]["outcome"], texts[12]["replies"]) == ("silent", [])
    answers = [row for row in found if row["kind"] == "submit"]
    assert [(row["id"], row["part"], row["command_status"], row["message_id"]) for row in answers] == [
        (2, 0, 0, "0A1"),
        (4, 0, 0, "0A2"),
        (4, 1, 11, ""),
        (7, 0, None, "no_response"),
        (10, 0, 0, "0A3"),
    ]


def test_events_of_every_kind_have_names_for_their_fields(tmp_path: Path) -> None:
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(text("hours"))
    bridge.turn(*bridge.lose_session())
    bridge.turn(*bridge.rebind())
    store.close()
    bridge, store = open_bridge(tmp_path)
    bridge.turn(*bridge.rebind())
    bridge.deliver(text("hours"))
    store.close()
    kinds = [(row["kind"], row.get("id")) for row in rows(run("events", "-c", configured(tmp_path)))[1:]]
    assert kinds == [("mo", 1), ("withdrawn", 2), ("in doubt", 2), ("again", 1)]


# -- to whom


def test_a_file_that_cannot_be_written_is_one_line(file: Path) -> None:
    target = file.parent / "none" / "out"
    result = run("events", "-c", file, "-o", target)
    assert (result.exit_code, result.stderr) == (1, f"Error: cannot write {target}: No such file or directory\n")


def test_a_reader_that_goes_away_is_no_problem(tmp_path: Path) -> None:
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(*(text("echo " + "x" * 150, source=b"%d" % n) for n in range(1000)))
    store.close()
    script = "from bridge.cli import main; main()"
    command = [sys.executable, "-c", script, "export", "messages", "-c", str(configured(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_nothing_that_it_would_obey() -> None:
    screen = Terminal()
    export._write_jsonl([{"text": "\u009b31m\u202e"}], screen)
    assert screen.getvalue() == '{"text":"\\u009b31m\\u202e"}\n'


def test_a_long_export_says_on_the_terminal_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    now = iter(range(0, 10_000, 2))
    monkeypatch.setattr("bridge.cli.export.time.monotonic", lambda: float(next(now)))
    target = io.StringIO()
    export._write_jsonl([{"id": n} for n in range(2500)], target)
    assert target.getvalue().count("\n") == 2500
    assert screen.getvalue() == "\r1,000 rows\r2,000 rows\r2,500 rows\n"


def test_a_short_one_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    export._write_jsonl([{"id": 1}], io.StringIO())
    export._write_jsonl([{"id": 1}], Terminal())
    assert screen.getvalue() == ""


def test_times_are_utc_to_the_millisecond() -> None:
    assert iso(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"
    assert iso(0.0) is None
