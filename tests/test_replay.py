"""A recorded day decided once more."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from bridge import deciding, replay
from bridge.events import Asked, Returned
from bridge.export import event_rows
from bridge.records import Conversation, Session
from bridge.replay import Replay
from bridge.rules import Called, Request, Ruleset, decide
from bridge.rules.message import CALLING
from bridge.store.lmdb import LmdbReader, LmdbStore
from smppcore import constants as c
from tests.pipeline import Bridge, link, part, parts_of, refused, rules, text
from tests.rules_helpers import BRAND
from tests.test_deciding import KEY, Script

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.rules import Decision, Inbound

TEXTS = ("hours", "echo hello", "what?", "STOP", "start", "help", "thanks", "", "boom", "HOURS!", "echo Größe €")


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(
        link("a", errors={c.ESME_RINVDSTADR: "opted_out"}), store=LmdbStore(tmp_path, max_size=1 << 26, sync=False)
    )


def recorded(bridge: Bridge, folder: Path) -> list[dict[str, Any]]:
    """Return the rows as another program would read them."""
    bridge.store.close()
    reader = LmdbReader(folder)
    rows = [json.loads(json.dumps(row)) for row in event_rows(reader)]
    reader.close()
    return rows


def differences(rows: list[dict[str, Any]], ruleset: Ruleset | None = None) -> tuple[Replay, list[int]]:
    again = Replay(ruleset or rules())
    found = [again.apply(row) for row in rows]
    return again, [difference.id for difference in found if difference is not None]


def failing(message: Inbound, state: Conversation | None, ruleset: Ruleset, now: float, mo_id: int) -> Decision:
    if message.text == "boom":
        raise ZeroDivisionError("by a rule")
    return decide(message, state, ruleset, now, mo_id)


def test_a_day_comes_out_as_it_was(bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "decide", failing)
    monkeypatch.setattr(replay, "decide", failing)
    dice = random.Random(3)
    for _ in range(60):
        batch = [
            parts_of(dice.choice(TEXTS), 1, source=b"1555000%d" % dice.randrange(8))[0]
            for _ in range(dice.randrange(1, 6))
        ]
        bridge.deliver(*batch)
        sent = bridge.submits()
        for pdu in sent[:1]:
            bridge.turn(bridge.answers(refused(pdu, c.ESME_RINVDSTADR if dice.random() < 0.3 else c.ESME_RSYSERR)))
        bridge.now += dice.choice((0.5, 700.0, 4000.0))
    count = len(bridge.mos())
    rows = recorded(bridge, tmp_path)
    assert {row["kind"] for row in rows} >= {"snapshot", "mo", "opted out"}
    again, different = differences(rows)
    assert (again.decisions, different, again.other_rules) == (count, [], 0)
    assert count > 120


def test_parts_that_come_late_change_no_decision(bridge: Bridge, tmp_path: Path) -> None:
    bridge.deliver(part(1, 2, b"echo a"))
    bridge.now += 4000
    bridge.turn()
    bridge.deliver(part(2, 2, b"b"))
    assert bridge.mo().text == "echo ab"
    again, different = differences(recorded(bridge, tmp_path))
    assert (again.decisions, different) == (1, [])


def test_texts_that_the_rules_are_not_asked_about_are_not_compared(bridge: Bridge, tmp_path: Path) -> None:
    bridge.deliver(text(b"\x00\x01", data_coding=4))
    again, different = differences(recorded(bridge, tmp_path))
    assert (again.decisions, different) == (0, [])


def test_a_log_without_its_beginning_cannot_be_replayed() -> None:
    with pytest.raises(ValueError, match="lacks its beginning"):
        Replay(rules()).apply({"kind": "snapshot", "commit": 7, "complete": False, "conversations": []})


def test_what_came_out_otherwise_is_shown(bridge: Bridge, tmp_path: Path) -> None:
    bridge.deliver(text("hours"), text("thanks", b"2"))
    rows = recorded(bridge, tmp_path)
    for row in rows:
        if row["kind"] == "mo" and row["id"] == 1:
            row["replies"][0]["text"] = "9-19"
    again = Replay(rules())
    (difference,) = [found for row in rows if (found := again.apply(row))]
    assert difference.id == 1
    assert '"text":"9-19"' in difference.recorded
    assert '"text":"8-18"' in difference.decided


def test_rules_of_another_version_are_counted(bridge: Bridge, tmp_path: Path) -> None:
    bridge.deliver(text("hours"))
    again, different = differences(recorded(bridge, tmp_path), Ruleset(version="4"))
    assert (again.decisions, again.other_rules, different) == (0, 1, [])


def test_other_events_are_decided_again_too(bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch)
    monkeypatch.setattr(replay, "decide", script.decide)
    monkeypatch.setattr(replay, "react", script.react)
    (call,) = bridge.deliver(text("call")).calls
    bridge.turn(Returned(Called(call.id, {"status": "lost"})))
    bridge.deliver(text("wait"))
    bridge.now += 10
    bridge.turn()
    bridge.turn(Asked(*KEY, Request("case.take", "ann", {"note": "hm"})))
    seen, script.seen = script.seen, []
    again, different = differences(recorded(bridge, tmp_path))
    assert different == []
    assert script.seen == seen
    assert again.decisions == 5


def test_what_stop_was_an_answer_to_is_known_again(tmp_path: Path) -> None:
    topics = '[optout]\nscope = "topic"\n[optout.topics]\noffers = { en = "offers" }\n'
    ruleset = rules(BRAND + topics)
    bridge = Bridge(link("a"), store=LmdbStore(tmp_path, max_size=1 << 26, sync=False), ruleset=ruleset)
    send = Request("send", "ann", {"number": "60606", "link": "a", "text": "x", "topic": "offers"})
    for steps in (("STOP", "1"), ("STOP", "yes"), ("hours", "STOP", "1")):
        contact = f"1555000000{len(steps)}{steps[-1]}".encode()
        bridge.turn(Asked(contact.decode(), "acme", send))
        for words in steps:
            bridge.now += 1.0
            bridge.deliver(text(words, contact))
    assert [mo.rule for mo in bridge.mos()].count("optout.topic") == 1
    again, different = differences(recorded(bridge, tmp_path), ruleset)
    assert (again.decisions, different) == (10, [])


def test_a_call_has_its_number_again(bridge: Bridge, tmp_path: Path) -> None:
    row = {"kind": "call", "brand": "acme", "contact": "1", "id": 9}
    again = Replay(rules())
    assert again.apply(row) is None
    again._states["1", "acme"] = Conversation("1", "acme", session=Session("f", "3", "s", 0.0, call=CALLING))
    again.apply(row)
    session = again._states["1", "acme"].session
    assert session is not None
    assert session.call == 9
