"""The commands status, links, queue and show on a real store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import look, main
from bridge.config import LimitsConfig, MessageIdConfig, NumberLimits
from bridge.events import LinkChanged
from bridge.store import LinkRow
from bridge.store.lmdb import LmdbStore
from smppcore.adaptive import Verdict
from smppcore.pdu import DataSM
from smppcore.receipt import receipt_tlvs
from tests.pipeline import START, accepted, link, receipt, text
from tests.stores import configured, fill, open_bridge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("bridge.cli.look.time.time", lambda: START + 90)
    return fill(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout
    return [" ".join(line.split()) for line in result.stdout.splitlines() if line]


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# -- status


def test_status_shows_totals_the_queue_and_the_links(file: Path) -> None:
    shown = lines(run("status", "-c", file))
    assert shown[0].startswith(f"{file.parent / 'var'}: stopped, last commit 90 s ago (#")
    assert shown[1:] == [
        "messages in 8 messages out 5",
        "replied 4 queued 2",
        "control 1 delivered 1",
        "silent 1 failed 1",
        "suppressed 1 accepted or on the way 1",
        "pending 1 in doubt at some time 1",
        "receipts 2",
        "receipts waiting for a message 1",
        "queue: 2 waiting, the oldest from 90 s ago",
        "link state since sessions in out receipts peer",
        "a stopped 90 s ago 0 8 5 2 127.0.0.1:2775 (smsc)",
    ]


def test_status_as_json(file: Path) -> None:
    row = data(run("status", "-c", file, "--json"))
    assert row["running"] is False
    assert row["last_commit"] == "2027-01-15T08:00:00.000Z"
    assert row["mo"]["replied"] == 4
    assert sum(row["mo"].values()) == 8
    assert row["mt"] == {
        "total": 5,
        "queued": 2,
        "sent": 1,
        "deleted": 0,
        "delivered": 1,
        "expired": 0,
        "failed": 1,
        "rejected": 0,
        "suppressed": 0,
        "undeliverable": 0,
        "unknown": 0,
    }
    assert (row["receipts"], row["receipts_parked"], row["hints"]) == (2, 1, [])
    assert row["queue"] == {"length": 2, "oldest": "2027-01-15T08:00:00.000Z", "scheduled": 0}


def test_a_running_service_is_said_to_run(tmp_path: Path) -> None:
    file = fill(tmp_path)
    lock = (tmp_path / "var" / "lock").open("r+")
    fcntl = pytest.importorskip("fcntl")
    fcntl.flock(lock, fcntl.LOCK_EX)
    row = data(run("status", "-c", file, "--json"))
    assert row["running"] is True
    assert (row["links"][0]["state"], row["links"][0]["sessions"]) == ("bound", 1)
    lock.close()


def test_status_of_a_store_where_nothing_happened(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "var", max_size=16 << 20, sync=True).close()
    shown = lines(run("status", "-c", configured(tmp_path)))
    assert shown[0].startswith(f"{tmp_path / 'var'}: stopped, nothing committed yet, ")
    assert "queue: empty" in shown
    assert shown[-1].startswith("a never started")


# -- receipts


def test_receipts_that_fit_nothing_are_listed(file: Path) -> None:
    assert lines(run("receipts", "-c", file))[1:] == [
        "90 s ago a nobody's DELIVERED 000 15550001234 waits id:nobody's sub:001 dlvrd:001 submit date:2701150800 done"
        " date:2701150800 stat:D"
    ]
    (row,) = data(run("receipts", "-c", file, "--json"))
    assert (row["received"], row["waiting"], row["to"]) == ("2027-01-15T08:00:00.000Z", True, "60606")
    assert bytes.fromhex(row["pdu"]).endswith(row["body"].encode())
    assert data(run("receipts", "-c", file, "--json", "--id", "nobody's")) == [row]
    assert lines(run("receipts", "-c", file, "--id", "x")) == ["There is none of this message_id."]


def test_receipts_that_were_given_up_or_cannot_be_read_stay_findable(tmp_path: Path) -> None:
    bridge, store = open_bridge(tmp_path, link(message_id=MessageIdConfig("hex", "decimal")))
    bridge.deliver(receipt(b"0000662316", error="042"), text(b"\x9b31m no receipt", esm_class=4))
    bridge.now += 4000
    bridge.turn()
    bridge.deliver(DataSM(esm_class=4, tlvs=receipt_tlvs("662317", 5)))
    store.close()
    file = configured(tmp_path)
    rows = data(run("receipts", "-c", file, "--json"))
    assert [(row["message_id"], row["state"], row["error"], row["waiting"]) for row in rows] == [
        ("", "UNKNOWN", "", False),
        ("0000662316", "DELIVERED", "042", False),
        ("662317", "UNDELIVERABLE", "", True),
    ]
    assert data(run("receipts", "-c", file, "--json", "--limit", "1")) == rows[2:]
    assert data(run("receipts", "-c", file, "--json", "--id", "662316")) == rows[1:2]
    assert data(run("receipts", "-c", file, "--json", "--id", "0000662316")) == rows[1:2]
    assert len(lines(run("receipts", "-c", file))) == 4
    status = data(run("status", "-c", file, "--json"))
    assert (status["receipts_unmatched"], status["receipts_unreadable"], status["receipts_parked"]) == (1, 1, 1)


def test_it_says_when_there_is_none(tmp_path: Path) -> None:
    _, store = open_bridge(tmp_path)
    store.close()
    assert lines(run("receipts", "-c", configured(tmp_path))) == ["Every receipt has found its message."]


# -- hints


@pytest.mark.parametrize(
    ("response", "in_receipt", "setting"),
    [
        (b"0A1B2C", b"662316", ("hex", "decimal")),
        (b"a1b2c", b"0000662316", ("hex", "decimal")),
        (b"662316", b"A1B2C", ("decimal", "hex")),
        (b"77", b"0000000077", ("decimal", "decimal")),
        (b"00AB", b"ab", ("hex", "hex")),
    ],
)
def test_receipts_that_fit_nothing_get_the_setting_that_mends_it(
    tmp_path: Path, response: bytes, in_receipt: bytes, setting: tuple[str, str]
) -> None:
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, response)))
    bridge.deliver(receipt(in_receipt))
    store.close()
    (hint,) = data(run("status", "-c", configured(tmp_path), "--json"))["hints"]
    assert f'message_id = {{ response = "{setting[0]}", receipt = "{setting[1]}" }}' in hint
    # and it does mend it
    (tmp_path / "second").mkdir()
    bridge, store = open_bridge(tmp_path / "second", link(message_id=MessageIdConfig(*setting)))  # type: ignore[arg-type]
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, response)))
    bridge.deliver(receipt(in_receipt))
    assert bridge.mt().state == "delivered"
    store.close()


@pytest.mark.parametrize("in_receipt", [b"nothing-like-it", b"ZZ9", b"999"])
def test_where_no_setting_would_mend_it_the_hint_is_general(tmp_path: Path, in_receipt: bytes) -> None:
    bridge, store = open_bridge(tmp_path)
    bridge.deliver(receipt(in_receipt))
    store.close()
    shown = lines(run("status", "-c", configured(tmp_path)))
    assert shown[-1].startswith("Hint: link a: no receipt fits a message; if the carrier writes ids in hex")


# -- links


def test_links_say_how_they_were_and_why(tmp_path: Path) -> None:
    bridge, store = open_bridge(tmp_path, link("a"), link("old"))
    bridge.turn(
        LinkChanged(LinkRow("a", "refused", START, 0, "bind refused with \x1b[31mESME_RINVPASWD", "h:1")),
        LinkChanged(LinkRow("old", "bound", START, 1, "", "h:2")),
    )
    store.close()
    file = configured(tmp_path, '[[link]]\nname = "new"\npassword = "x"\nhost = "smsc.example"\n')
    shown = lines(run("links", "-c", file))
    assert [line.split()[0] for line in shown[1:4]] == ["a", "new", "old"]
    assert "a: bind refused with \\u001b[31mESME_RINVPASWD" in shown
    assert "old: not configured any more" in shown
    rows = data(run("links", "-c", file, "--json"))
    assert [row["state"] for row in rows] == ["stopped", "never started", "stopped"]
    assert (rows[1]["peer"], rows[1]["since"]) == ("smsc.example:2775", None)


def test_links_say_how_fast_they_may_send_and_what_of_the_day_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = LimitsConfig(per_day=10, numbers={"*": NumberLimits(per_day=5)})
    bridge, store = open_bridge(tmp_path, link("a", limits=limits), link("b", rate=7.0), link("c"))
    bridge.deliver(text("echo 1"), text("echo 2", source=b"2"))
    for name, verdict in (("a", Verdict.LIMITED), ("c", Verdict.SPORADIC)):
        carrier = bridge.engine.outbox.links[name].limits.carrier
        carrier.answered(200, 200, 0, START)
        carrier.congestion, carrier.verdict = 85, verdict
        if verdict is Verdict.SPORADIC:
            carrier.bucket = None
    bridge.turn()
    store.close()
    limits_text = 'limits = { per_day = 10, numbers = { "*" = { per_day = 5 } } }\n'
    more = '[[link]]\nname = "b"\npassword = "x"\nrate = 7\n[[link]]\nname = "c"\npassword = "x"\n'
    file = configured(tmp_path, limits_text + more)
    monkeypatch.setattr("bridge.cli.look.service_running", lambda _: True)
    shown = lines(run("links", "-c", file))
    day = data(run("links", "-c", file, "--json"))[0]["flow"]["days"][0]["since"]
    assert [line for line in shown if line[1:2] == ":"] == [
        "a: at most 0.5 submit_sm per second, found from the carrier's answers",
        "a: congestion_state 85 of 100",
        f"a: 2 of the 10 messages of the day are used (since {day})",
        f"a: number 60606: 2 of the 5 messages of the day are used (since {day})",
        "b: at most 7.0 submit_sm per second",
        "c: any number of submit_sm per second; the carrier throttles some messages at whatever rate",
        "c: congestion_state 85 of 100",
    ]
    monkeypatch.setattr("bridge.cli.look.service_running", lambda _: False)
    assert data(run("links", "-c", file, "--json"))[0]["flow"]["carrier"] == "open"


def test_without_a_link_that_is_said(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "var", max_size=16 << 20, sync=True).close()
    (tmp_path / "bridge.toml").write_text('[bridge]\ndata_dir = "var"\n')
    assert lines(run("links", "-c", tmp_path / "bridge.toml")) == [
        "There is no [[link]] in the configuration, and none was ever used."
    ]


# -- queue


def test_the_queue_is_listed_in_the_order_of_sending(file: Path) -> None:
    assert lines(run("queue", "-c", file)) == [
        "link class waiting oldest",
        "a reply 2 90 s ago",
        "id link class to state attempts created next try last error",
        "7 a reply 3 sent, in doubt 1 90 s ago 85 s ago no_response",
        "8 a reply 3 queued 0 90 s ago",
    ]


def test_a_long_queue_is_cut(file: Path) -> None:
    assert lines(run("queue", "-c", file, "--limit", "1"))[-1] == "… the first 1 of 2; --limit 0 lists all"
    row = data(run("queue", "-c", file, "--json", "--limit", "0"))
    assert (row["length"], [mt["id"] for mt in row["messages"]]) == (2, [7, 8])
    assert row["classes"] == [{"link": "a", "class": "reply", "length": 2, "oldest": "2027-01-15T08:00:00.000Z"}]
    assert row["messages"][0]["times"]["next_try"] == "2027-01-15T08:00:05.000Z"


def test_an_empty_queue_is_said(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "var", max_size=16 << 20, sync=True).close()
    assert lines(run("queue", "-c", configured(tmp_path))) == ["Nothing is waiting."]


# -- show


def test_show_tells_the_story_of_an_inbound_message(file: Path) -> None:
    shown = lines(run("show", "1", "-c", file))
    assert shown[0] == "Inbound message 1"
    assert "text hours" in shown
    assert "Reply 2" in shown
    assert "state delivered" in shown
    assert [line.split(" ", 2)[2] for line in shown[shown.index("History") + 2 :]] == [
        "1 decided; replies: 2",
        "2 part 1: submit_sm_resp ESME_ROK, message_id 0A1",
        "2 part 1: receipt DELIVERED",
    ]


def test_show_of_a_reply_includes_what_it_answers(file: Path) -> None:
    row = data(run("show", "4", "-c", file, "--json"))
    assert (row["mo"]["id"], [mt["id"] for mt in row["mt"]]) == (3, [4])
    assert row["mt"][0]["message_ids"] == ["0A2", None]
    assert [entry["what"] for entry in row["history"]] == [
        "decided; replies: 4",
        "part 1: submit_sm_resp ESME_ROK, message_id 0A2",
        "part 2: submit_sm_resp ESME_RINVDSTADR",
    ]
    assert "message_ids 0A2, -" in lines(run("show", "4", "-c", file))


def test_what_a_terminal_would_obey_is_shown_harmless(file: Path) -> None:
    shown = lines(run("show", "5", "-c", file))
    assert 'text echo \\u009b31m,"red"\\u000a' in shown


def test_a_long_text_that_lacks_parts_is_shown_with_those_that_came(file: Path) -> None:
    shown = lines(run("show", "13", "-c", file))
    assert "outcome pending" in shown
    assert shown[-1].endswith("13 a part of the long message came")


def test_a_message_that_is_not_there_is_one_line(file: Path) -> None:
    result = run("show", "99", "-c", file)
    assert (result.exit_code, result.stderr) == (1, "Error: there is no message 99 in this store\n")


def test_an_id_is_a_number(file: Path) -> None:
    assert run("show", "none", "-c", file).exit_code == 2


# -- what can be wrong


@pytest.mark.parametrize("command", [["status"], ["links"], ["queue"], ["show", "1"], ["store", "check"]])
def test_without_a_store_each_says_so_in_one_line(tmp_path: Path, command: list[str]) -> None:
    result = run(*command, "-c", configured(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {tmp_path / 'var'}: no store here; run the service once")
    assert result.stderr.count("\n") == 1


def test_a_bad_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text('[bridge]\ndata_dri = "var"\n')
    result = run("status", "-c", tmp_path / "bridge.toml")
    assert result.exit_code == 1
    assert "data_dri" in result.stderr
    assert "data_dir" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s ago"),
        (119, "119 s ago"),
        (180, "3 min ago"),
        (7300, "2 h ago"),
        (200_000, "2 d ago"),
        (-30, "in 30 s"),
    ],
)
def test_ages_are_in_one_unit(monkeypatch: pytest.MonkeyPatch, seconds: float, words: str) -> None:
    monkeypatch.setattr("bridge.cli.look.time.time", lambda: START + seconds)
    assert look._age("2027-01-15T08:00:00.000Z") == words
    assert look._age(None) == ""


@pytest.mark.parametrize(
    ("octets", "words"), [(512, "512 octets"), (114688, "112.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")]
)
def test_sizes_are_in_one_unit(octets: int, words: str) -> None:
    assert look._octets(octets) == words
