"""Old messages lose their words, and then go as a whole; the evidence of a forgotten customer goes once it is old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from bridge import inputs
from bridge.cli import main
from bridge.events import Asked, CapacityChanged
from bridge.export import event_rows
from bridge.hooks import Dead, Hook, hook_key, pack, unpack_dead
from bridge.retention import LATE, PAGE, PAUSE
from bridge.rules import Request
from bridge.store.check import Check
from bridge.store.lmdb import LmdbReader, LmdbStore
from tests.pipeline import CONTACT, START, Bridge, accepted, check, link, part, rules, text
from tests.rules_helpers import BRAND

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAY = 86400.0
SOURCE = (
    BRAND
    + """\
[brand.other]
help_contact = "x@other.example"
numbers = ["70707"]
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
[privacy]
retain_text = "30d"
retain_facts = "1y"
"""
)
KEY = CONTACT.decode(), "acme"


def texts(bridge: Bridge) -> list[str]:
    found = {**{mo.id: mo.text for mo in bridge.mos()}, **{mt.id: mt.text for mt in bridge.mts()}}
    return [found[number] for number in sorted(found)]


def settle(bridge: Bridge) -> None:
    for pdu in bridge.submits():
        bridge.turn(bridge.answers(accepted(pdu, b"%d" % bridge.engine.position.next_id)))


def test_words_are_forgotten_at_their_time_and_not_before() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    bridge.deliver(text("hours"))
    settle(bridge)
    bridge.turn(Asked(*KEY, Request("profile.set", "ann", {"name": "Ann"})))
    bridge.now = START + 20 * DAY
    bridge.deliver(text("hours"))
    settle(bridge)
    bridge.now = START + 30 * DAY - 1
    bridge.turn()
    assert texts(bridge) == ["hours", "8-18", "hours", "8-18"]
    bridge.now = START + 30 * DAY + 1
    bridge.turn()
    bridge.turn()
    assert texts(bridge) == ["", "", "hours", "8-18"]
    assert bridge.engine.next_due(bridge.now) > bridge.now
    bridge.now += 1000.0
    bridge.turn()
    assert not [key for table, key in bridge.memory.side if table == "input" and key.startswith(inputs.prefix(KEY))]
    bridge.begin()
    bridge.now = START + 51 * DAY
    bridge.turn()
    bridge.turn()
    assert texts(bridge) == ["", "", "", ""]
    assert [mo.outcome for mo in bridge.mos()] == ["replied", "replied"]
    check(bridge)


def test_what_waits_to_be_sent_keeps_its_words() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE), capacity=0)
    values = {
        "number": "60606",
        "link": "a",
        "text": "later",
        "at": str(START + 40 * DAY),
        "expires": str(START + 90 * DAY),
    }
    bridge.turn(Asked(*KEY, Request("send", "ann", values)))
    bridge.now = START + 31 * DAY
    bridge.turn()
    assert texts(bridge) == ["later"]


def test_without_a_time_nothing_is_forgotten() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE.replace('retain_text = "30d"\n', "")))
    bridge.deliver(text("hours"))
    bridge.now = START + 900 * DAY
    bridge.turn()
    assert texts(bridge)[0] == "hours"


def test_a_long_history_is_forgotten_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    bridge.deliver(*(text("hm", b"1555%07d" % n) for n in range(PAGE + 50)))
    for n in range(PAGE + 5):
        bridge.turn(Asked(f"1666{n:07}", "acme", Request("profile.set", "ann", {"name": "x"})))
    bridge.now = START + 31 * DAY
    for _ in range(8):
        bridge.turn()
    assert set(texts(bridge)) == {""}
    bridge.now += PAUSE
    for _ in range(3):
        bridge.turn()
    assert not [1 for table, _ in bridge.memory.side if table == "input"]


def test_old_dead_letters_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.retention.PAGE", 2)
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    old = [Hook(n, "received", START, "1", "acme", 1, {"text": "secret"}) for n in range(1, 4)]
    young = Hook(9, "received", START + 20 * DAY, "1", "acme", 1, {})
    for hook in (*old, young):
        bridge.memory.side["dead", hook_key("crm", hook)] = pack(Dead(hook, "500", hook.time))
    bridge.now = START + 31 * DAY
    for _ in range(6):
        bridge.turn()
    left = [unpack_dead(value).hook.id for (table, _), value in bridge.memory.side.items() if table == "dead"]
    assert left == [9]


def test_old_evidence_goes_with_its_customer() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    bridge.deliver(text("stop"))
    settle(bridge)
    erase = Asked(*KEY, Request("profile.erase", "ann", {}))
    bridge.turn(erase)
    assert [1 for table, _ in bridge.memory.side if table == "evidence"]
    bridge.now = START + 400 * DAY
    bridge.turn(erase)
    assert not [1 for table, _ in bridge.memory.side if table == "evidence"]
    assert bridge.send("hours") == []


def test_after_compacting_no_octet_is_left(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    (tmp_path / "rules.toml").write_text(SOURCE)
    path.write_text('[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\n')
    store = LmdbStore(tmp_path / "var", max_size=1 << 30, sync=False)
    bridge = Bridge(link(), store=store, ruleset=rules(SOURCE))
    bridge.deliver(text("my secret word"))
    bridge.turn(Asked(*KEY, Request("profile.erase", "ann", {})))
    store.close()

    def run(*words: str) -> str:
        result = CliRunner().invoke(main, ["store", *words, "-c", str(path)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "MiB now" in run("compact")
    assert b"secret" not in (tmp_path / "var" / "data.mdb").read_bytes()
    assert "nothing wrong found" in run("check")
    assert not (tmp_path / "var" / "compact").exists()
    assert oct((tmp_path / "var" / "data.mdb").stat().st_mode)[-3:] == "600"


# -- whole messages


def turns(bridge: Bridge, day: float) -> None:
    """Let the bridge do what is due on a day."""
    bridge.now = START + day * DAY
    for _ in range(6):
        bridge.turn()


def kept(bridge: Bridge) -> list[int]:
    return sorted([mo.id for mo in bridge.mos()] + [mt.id for mt in bridge.mts()])


def test_messages_are_let_go_at_their_time_with_what_names_them() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE.replace('retain_text = "30d"\n', "")), retain=30 * DAY)
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"X1")))
    bridge.turn(Asked(*KEY, Request("send", "ann", {"number": "60606", "link": "a", "text": "hi", "job": "j"})))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"X2")))
    first = kept(bridge)
    bridge.now = START + 20 * DAY
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"X3")))
    turns(bridge, 29.9)
    assert kept(bridge)[:3] == first
    counted = bridge.count("mo.replied"), bridge.count("mt")
    turns(bridge, 30.1)
    assert not set(first) & set(kept(bridge))
    assert len(kept(bridge)) == 2
    assert list(bridge.memory.ids) == [("a", "X3")]
    assert all(when > START + DAY for when, _ in bridge.memory.log.values())
    assert not [key for table, key in bridge.memory.side if table == "job"]
    assert (bridge.count("mo.replied"), bridge.count("mt")) == counted
    assert bridge.engine.next_due(bridge.now) > bridge.now
    assert bridge.send("hours")
    bridge.begin(bind=False)
    turns(bridge, 31)
    assert len(kept(bridge)) == 4


def test_what_is_not_settled_stays_and_so_does_what_comes_after_it() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=30 * DAY, capacity=1)
    bridge.deliver(text("hm", b"3"), text("hours"), text("hm", b"2"))
    turns(bridge, 90)
    assert kept(bridge) == [bridge.mt().id]
    assert bridge.engine.position.kept_from == bridge.mt().id


def test_what_waits_for_its_receipt_is_not_settled() -> None:
    slow = link("a", validity=0.0, receipt_grace=50 * DAY)
    bridge = Bridge(slow, ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text("hours"))
    settle(bridge)
    turns(bridge, 40)
    assert [mt.state for mt in bridge.mts()] == ["accepted"]
    turns(bridge, 51)
    turns(bridge, 52)
    assert bridge.count("mt.unknown") == 1
    assert kept(bridge) == []


def test_where_no_receipts_are_asked_for_acceptance_settles() -> None:
    bridge = Bridge(link("a", registered_delivery=False), ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text("hours"))
    settle(bridge)
    turns(bridge, 31)
    assert kept(bridge) == []


def test_a_bridge_that_answers_nothing_lets_go_too() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text(b"\x00\x01", data_coding=4))
    turns(bridge, 31)
    assert kept(bridge) == []


def test_a_scheduled_message_stays_with_its_words_until_it_has_left() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=40 * DAY)
    at = {"at": str(START + 50 * DAY), "expires": str(START + 90 * DAY)}
    bridge.turn(Asked(*KEY, Request("send", "ann", {"number": "60606", "link": "a", "text": "later"} | at)))
    turns(bridge, 49)
    assert texts(bridge) == ["later"]
    turns(bridge, 50.1)
    settle(bridge)
    turns(bridge, 60)
    turns(bridge, 61)
    assert kept(bridge) == []


def test_under_load_it_is_put_off_a_little_and_no_more() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text("hm"))
    turns(bridge, 29)
    old = kept(bridge)
    bridge.now = START + 30 * DAY + 1.0
    bridge.deliver(text("hm", b"2"))
    assert set(old) <= set(kept(bridge))
    bridge.now += LATE + 1.0
    bridge.deliver(text("hm", b"2"))
    assert not set(old) & set(kept(bridge))


def test_a_message_id_that_a_later_message_has_too_stays() -> None:
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=30 * DAY)
    for day in (0, 20):
        bridge.now = START + day * DAY
        (pdu,) = bridge.send("hours")
        bridge.turn(bridge.answers(accepted(pdu, b"X1")))
    turns(bridge, 40)
    assert list(bridge.memory.ids) == [("a", "X1")]
    assert len(kept(bridge)) == 2


def test_messages_of_a_link_that_is_gone_are_let_go_too() -> None:
    bridge = Bridge(link("a"), link("b"), ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text("hours"), name="b")
    (pdu,) = bridge.submits(name="b")
    bridge.turn(bridge.answers(accepted(pdu, b"X1"), name="b"), CapacityChanged("b", 0))
    bridge.deliver(text("hours"), name="b")
    assert bridge.memory.queue
    bridge.links = bridge.links[:1]
    bridge.begin()
    turns(bridge, 40)
    assert kept(bridge) == []
    assert not bridge.memory.queue


def test_a_long_text_that_lacks_parts_stays_until_it_is_read_or_its_link_is_gone() -> None:
    whole = link("a", assemble_timeout=100 * DAY)
    bridge = Bridge(whole, link("b"), ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(part(1, 2, b"half"))
    turns(bridge, 40)
    assert [mo.outcome for mo in bridge.mos()] == ["pending"]
    bridge.links = bridge.links[1:]
    bridge.begin()
    turns(bridge, 41)
    assert kept(bridge) == []
    assert not bridge.memory.assembly


def test_many_messages_and_much_log_go_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.retention.PAGE", 4)
    monkeypatch.setattr("bridge.retention.LOG_PAGE", 2)
    bridge = Bridge(link("a"), ruleset=rules(SOURCE), retain=30 * DAY)
    for n in range(9):
        bridge.turn(
            Asked(
                f"1666{n:07}", "acme", Request("send", "ann", {"number": "60606", "link": "a", "text": "x", "job": "j"})
            )
        )
    settle(bridge)
    bridge.now = START + 40 * DAY
    for _ in range(12):
        bridge.turn()
    assert kept(bridge) == []
    bridge.now += PAUSE
    for _ in range(6):
        bridge.turn()
    assert not [key for table, key in bridge.memory.side if table == "job"]
    assert all(when > START + DAY for when, _ in bridge.memory.log.values())


def test_a_store_without_its_oldest_messages_is_whole_and_can_be_exported(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "var", max_size=16 << 20, sync=False)
    bridge = Bridge(link("a"), store=store, ruleset=rules(SOURCE), retain=30 * DAY)
    bridge.deliver(text("hours"))
    settle(bridge)
    bridge.now = START + 20 * DAY
    bridge.deliver(text("hours"), text("hm", b"2"))
    settle(bridge)
    turns(bridge, 31)
    store.close()
    reader = LmdbReader(tmp_path / "var")
    assert reader.position.kept_from > 1
    assert list(Check(reader).problems()) == []
    rows = list(event_rows(reader))
    reader.close()
    assert rows[0] == {"kind": "snapshot", "commit": rows[0]["commit"], "complete": False, "conversations": []}
    assert [row["kind"] for row in rows].count("mo") == 2
