"""The words of old messages are forgotten; the evidence of a forgotten customer, once it is old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from bridge import inputs
from bridge.cli import main
from bridge.events import Asked
from bridge.hooks import Dead, Hook, hook_key, pack, unpack_dead
from bridge.retention import PAGE
from bridge.rules import Request
from bridge.store.lmdb import LmdbStore
from tests.pipeline import CONTACT, START, Bridge, accepted, check, link, rules, text
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
