"""The command store check: a store that is right, and one row wrong at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import lmdb
import msgpack
import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.records import pack, unpack_mo, unpack_mt
from bridge.store.lmdb import LmdbStore
from tests.stores import fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.records import Mo, Mt


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return fill(tmp_path)


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["store", "check", "-c", str(file), *arguments])


def key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def put(file: Path, table: str, name: bytes, value: bytes | None) -> None:
    """Write over a row behind the store's back; None deletes it."""
    with lmdb.open(str(file.parent / "var"), max_dbs=20, map_size=16 << 20) as env:
        db = env.open_db(table.encode())
        with env.begin(write=True) as txn:
            if value is None:
                assert txn.delete(name, db=db)
            else:
                txn.put(name, value, db=db)


def get(file: Path, table: str, name: bytes) -> bytes:
    with lmdb.open(str(file.parent / "var"), max_dbs=20, map_size=16 << 20) as env:
        db = env.open_db(table.encode())
        with env.begin() as txn:
            found = txn.get(name, db=db)
    assert found is not None
    return bytes(found)


def change_mo(file: Path, number: int, change: Callable[[Mo], None]) -> None:
    row = unpack_mo(get(file, "mo", key(number)))
    change(row)
    put(file, "mo", key(number), pack(row))


def change_mt(file: Path, number: int, change: Callable[[Mt], None]) -> None:
    row = unpack_mt(get(file, "mt", key(number)))
    change(row)
    put(file, "mt", key(number), pack(row))


def problems(file: Path) -> list[str]:
    result = run(file)
    assert result.exit_code == 1, result.output
    assert "nothing wrong found" not in result.stdout
    found = result.stderr.splitlines()
    row = json.loads(run(file, "--json").stdout)
    assert (row["ok"], row["problems"], row["more_problems"]) == (False, found, 0)
    return found


def test_a_store_that_is_right_is_said_to_be(file: Path) -> None:
    result = run(file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == f"{file.parent / 'var'}: nothing wrong found"
    assert [line.split() for line in result.stdout.splitlines()[:5]] == [
        ["table", "rows"],
        ["mo", "8"],
        ["queue", "2"],
        ["later", "0"],
        ["mt", "5"],
    ]
    row = json.loads(run(file, "--json").stdout)
    assert (row["ok"], row["rows"]["mo"], row["problems"]) == (True, 8, [])


def test_a_running_service_is_not_checked(file: Path) -> None:
    store = LmdbStore(file.parent / "var", max_size=16 << 20, sync=True)
    result = run(file)
    store.close()
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {file.parent / 'var'}: in use by a running service; stop it first\n",
    )


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("mo", key(1)),
        ("mt", key(2)),
        ("conversation", b"acme\x0015550001234"),
        ("ids", b"a\x000A1"),
        ("parked", b"a\0nobody's"),
        ("unmatched", key(4) + bytes(4)),
        ("link", b"a"),
        ("log", key(4)),
    ],
)
@pytest.mark.parametrize("value", [b"", b"\x01\xc1", b"\x07anything", b"\x01\x00"])
def test_a_row_that_cannot_be_read_is_named(file: Path, table: str, name: bytes, value: bytes) -> None:
    put(file, table, name, value)
    words = {"ids": "message_id '0A1'"}.get(table, table)
    assert any(line.startswith(words) and "cannot be read" in line for line in problems(file))


def test_an_assembly_or_counter_that_cannot_be_read_is_named(file: Path) -> None:
    put(file, "assembly", b"\xc1", b"\xc1")
    put(file, "counter", b"\0\0\0\1nothing", b"\xc1")
    found = problems(file)
    assert found[0].startswith("assembly c1: cannot be read")
    assert found[1].startswith("counter ")


def test_a_reply_to_nothing_is_found(file: Path) -> None:
    put(file, "mo", key(1), None)
    found = problems(file)
    assert "mt 2: answers inbound message 1, which is not there" in found
    assert "conversation 1: the message that opened it is not there" in found
    assert any(line.endswith("names message 1, which is not there") for line in found)
    assert "counter a mo.replied: says 4, there are 3" in found


def test_an_answered_text_without_its_reply_is_found(file: Path) -> None:
    put(file, "mt", key(2), None)
    found = problems(file)
    assert "mo 1: its outcome is replied, but it has no reply" in found
    assert "message_id '0A1': belongs to message 2, which is not there" in found
    assert "counter a mt: says 5, there are 4" in found


def test_an_outcome_or_state_that_is_none_is_found(file: Path) -> None:
    change_mo(file, 12, lambda row: setattr(row, "outcome", "lost"))
    change_mt(file, 2, lambda row: setattr(row, "state", "lost"))
    found = problems(file)
    assert "mo 12: outcome 'lost' is none" in found
    assert "mt 2: state 'lost' is none" in found


def test_ids_that_are_wrong_are_found(file: Path) -> None:
    row = unpack_mo(get(file, "mo", key(12)))
    put(file, "mo", key(99), pack(row))
    put(file, "mt", key(98), get(file, "mt", key(2)))
    put(file, "mt", key(12), get(file, "mt", key(2)))
    found = problems(file)
    assert "mo 99: the row says id 12" in found
    assert "mo 99: above the last id given out (13)" in found
    assert "mt 98: above the last id given out (13)" in found
    assert "mt 12: an inbound message has the same id" in found
    assert "mt 12: the row says id 2" in found


def test_message_ids_that_lead_elsewhere_are_found(file: Path) -> None:
    put(file, "ids", b"a\x000A1", key(10) + b"\0\0")
    put(file, "ids", b"a\x000A9", key(4) + b"\0\7")
    assert problems(file) == [
        "message_id '0A1': part 1 of message 10 has another one",
        "message_id '0A9': part 8 of message 4 has another one",
    ]


def test_the_id_of_an_earlier_attempt_is_no_problem(file: Path) -> None:
    put(file, "ids", b"a\0late", key(7) + b"\0\0")
    assert run(file).exit_code == 0


def test_a_queue_that_disagrees_with_its_messages_is_found(file: Path) -> None:
    put(file, "queue", b"a\0\x01" + key(8), None)
    put(file, "queue", b"a\0\x01" + key(2), b"")
    put(file, "queue", b"a\0\x01" + key(77), b"")
    put(file, "queue", b"b\0\x00" + key(7), b"")
    put(file, "queue", b"short", b"")
    found = problems(file)
    assert "mt 8: waits, but is not in the queue" in found
    assert "mt 2: is delivered, and in the queue" in found
    assert "queue: message 77 is not there" in found
    assert "queue: message 0 is not there" in found
    assert "queue: message 7 is queued for another link or class than its row says" in found


def test_claims_that_no_restart_would_find_are_found(file: Path) -> None:
    change_mt(file, 10, lambda row: setattr(row, "claim", 5.0))
    change_mt(file, 2, lambda row: setattr(row, "claim", 5.0))
    put(file, "queue", b"a\0\x01" + key(7), None)
    change_mt(file, 7, lambda row: setattr(row, "in_doubt", False))
    found = problems(file)
    assert "mt 7: is neither claimed nor in the queue" in found
    assert "mt 10: is claimed, but a restart would not find it" in found
    assert "mt 2: is delivered, and claimed" in found


def test_a_wrong_number_of_parts_is_found(file: Path) -> None:
    change_mt(file, 4, lambda row: setattr(row, "message_ids", ("0A2",)))
    assert "mt 4: has 2 parts, but not so many message_ids or receipts" in problems(file)


def test_a_long_text_without_its_parts_is_found_and_parts_without_it(file: Path) -> None:
    change_mo(file, 13, lambda row: setattr(row, "outcome", "silent"))
    assert "assembly: message 13 is not there, or disagrees whether it waits for parts" in problems(file)
    change_mo(file, 12, lambda row: setattr(row, "outcome", "pending"))
    assert "mo 12: waits for parts, but those that came are not there" in problems(file)


def test_a_time_to_look_at_no_message_is_found(file: Path) -> None:
    put(file, "due", key(1000) + key(1), b"")
    put(file, "due", b"odd", b"")
    assert problems(file) == [
        "due 00000000000003e80000000000000001: names a message that is not there",
        "due 6f6464: names a message that is not there",
    ]


def test_messages_that_became_unknown_are_counted(file: Path) -> None:
    change_mt(file, 2, lambda row: setattr(row, "state", "unknown"))
    assert "counter a mt.unknown: says 0, there are 1" in problems(file)


def test_counters_that_say_something_else_are_found(file: Path) -> None:
    put(file, "counter", b"\0\0\0\1a\0mt.delivered", msgpack.packb(5))
    assert problems(file) == ["counter a mt.delivered: says 6, there are 1"]


def test_a_log_out_of_order_is_found(file: Path) -> None:
    put(file, "log", key(500), get(file, "log", key(4)))
    (line,) = problems(file)
    assert line.startswith("log 500: follows commit ")


def test_many_problems_are_cut(file: Path) -> None:
    for number in range(100, 260):
        put(file, "queue", b"a\0\x01" + key(number), b"")
    result = run(file)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 101
    assert result.stderr.splitlines()[-1] == "… and 60 more"
    assert json.loads(run(file, "--json").stdout)["more_problems"] == 60
