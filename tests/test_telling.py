"""What turns write for webhooks, and what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import deciding, telling
from bridge import rules as rules_package
from bridge.config import EVENTS, WebhookConfig
from bridge.events import Asked, HooksRecalled, HooksRevived, HooksSettled
from bridge.hooks import Dead, Hook, listeners, pack, read_key, rows, unpack, unpack_dead
from bridge.rules import Request
from tests.pipeline import CONTACT, Bridge, accepted, link, receipt, rules, text
from tests.test_rules_people import SOURCE
from tests.test_rules_rating import SOURCE as RATED

if TYPE_CHECKING:
    import pytest


def told(bridge: Bridge) -> list[dict[str, Any]]:
    """Return the events in the store, in order."""
    found = [unpack(value) for (table, _), value in bridge.memory.side.items() if table == "hook"]
    return [event.body() for event in sorted(found, key=lambda event: event.id)]


def bridge_with(*kinds: str, source: str = SOURCE) -> Bridge:
    bridge = Bridge(link(), ruleset=rules(source))
    bridge.engine.listening = listeners([WebhookConfig("crm", "https://x", tuple(kinds))])  # type: ignore[arg-type]
    return bridge


def test_events_are_in_the_commit_of_what_they_tell_of() -> None:
    bridge = bridge_with()
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.deliver(receipt(b"1"))
    bridge.send("agent")
    events = told(bridge)
    assert [event["type"] for event in events] == ["received", "replied", "delivered", "received", "escalated"]
    received, replied, delivered = (event["data"] for event in events[:3])
    assert (received["text"], received["outcome"], received["contact"]) == ("hours", "replied", CONTACT.decode())
    assert (replied["text"], replied["answers"], delivered["state"]) == ("8-18", received["message"], "delivered")
    assert events[4]["data"]["queue"] == "care"


def test_only_what_is_wanted_is_written_and_nothing_without_a_webhook() -> None:
    bridge = bridge_with("escalated")
    bridge.send("hours")
    bridge.send("agent")
    assert [event["type"] for event in told(bridge)] == ["escalated"]
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    effects = bridge.deliver(text("agent"))
    assert (told(bridge), effects.hooks) == ([], [])


def test_other_webhooks_do_not_hear_of_that_url() -> None:
    source = SOURCE.replace('move_to = "supervisors"', 'move_to = "supervisors", notify = "https://sla.example/x?k=1"')
    bridge = bridge_with("breached", source=source)
    bridge.send("agent")
    bridge.now += 901.0
    bridge.turn()
    assert len(told(bridge)) == 2
    assert "sla.example" not in repr(told(bridge))


def test_a_late_answer_is_told_to_the_url_of_its_queue() -> None:
    source = SOURCE.replace('move_to = "supervisors"', 'move_to = "supervisors", notify = "https://sla.example/x"')
    bridge = Bridge(link(), ruleset=rules(source))
    bridge.send("agent")
    bridge.now += 901.0
    effects = bridge.turn()
    ((key, _),) = effects.hooks
    assert read_key(key) == ("https://sla.example/x", CONTACT.decode())


def test_what_is_personal_is_masked() -> None:
    bridge = bridge_with("received", source=SOURCE + '[privacy]\nredact = ["email"]\n')
    bridge.send("write to ann\0mail.example")
    assert told(bridge)[0]["data"]["text"] == "write to ***"


def test_what_is_personal_in_a_fact_is_masked() -> None:
    bridge = bridge_with("opted_out", source=SOURCE + '[privacy]\nredact = ["email"]\n')
    bridge.send("please stop texting me at ann\0mail.example")
    ((opted_out),) = told(bridge)
    assert opted_out["data"]["text"] == "please stop texting me at ***"


def test_settled_events_go_and_dead_letters_can_be_revived() -> None:
    bridge = bridge_with()
    bridge.send("hours")
    first, second = sorted(key for table, key in bridge.memory.side if table == "hook")
    made = told(bridge)[1]
    effects = bridge.turn(HooksRecalled("crm", b"crm\0"), HooksRecalled("cr", b"cr\0"))
    assert [([key for key, _ in page], more) for _, page, more in effects.recalled] == [
        ([first, second], b""),
        ([], b""),
    ]
    effects = bridge.turn(HooksSettled([first], [(second, "500"), (b"crm\0gone", "500")]), HooksRecalled("", b""))
    assert effects.recalled[0][1:] == ([], b"")
    assert effects.tally["", "hook.dead"] == 1
    (dead,) = [unpack_dead(value) for (table, _), value in bridge.memory.side.items() if table == "dead"]
    assert (dead.why, dead.time, dead.hook.body()) == ("500", bridge.now, made)
    assert told(bridge) == []
    bridge.now += 100.0
    effects = bridge.turn(HooksRevived("crm", False, lambda count: None))
    assert effects.backlog == (0, 1)
    assert [count for _, count in effects.revived] == [1]
    assert [key for key, _ in effects.hooks] == [second]
    assert told(bridge) == [made]
    bridge.turn(HooksSettled([], [(second, "500")]))
    effects = bridge.turn(HooksRevived("crm", True, lambda count: None))
    assert [count for _, count in effects.revived] == [1]
    assert not [1 for table, _ in bridge.memory.side if table in ("hook", "dead")]


def test_of_too_many_dead_letters_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST_DEAD", 3)
    monkeypatch.setattr(telling, "PAGE", 2)
    bridge = bridge_with("received")
    for _ in range(5):
        bridge.send("hours")
    first, second, third, fourth, fifth = sorted(key for table, key in bridge.memory.side if table == "hook")
    # The oldest is the one with the smallest id, whichever webhook and customer its key begins with.
    old = b"zeta\0" + first.partition(b"\0")[2]
    bridge.memory.side["hook", old] = bridge.memory.side["hook", first]
    bridge.turn(HooksSettled([], [(old, "500"), (second, "500"), (third, "500")]))
    effects = bridge.turn(HooksSettled([], [(fourth, "500")]))
    assert effects.tally["", "hook.dropped"] == 1
    assert [line for line in effects.incidents if "dead letters" in line] == [
        "webhooks: more than 3 dead letters; the oldest 1 are dropped"
    ]
    assert sorted(key for table, key in bridge.memory.side if table == "dead") == [second, third, fourth]
    effects = bridge.turn(HooksSettled([fifth], []))
    assert ("", "hook.dropped") not in effects.tally


def test_every_kind_of_fact_can_be_told() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(rules_package.__file__).parent.rglob("*.py"))
    made = set(re.findall(r'\bFact\(\s*"(\w+)"', source))
    assert len(made) > 10
    assert made <= set(EVENTS)


def test_what_changes_of_a_customer_is_told() -> None:
    bridge = bridge_with("profile", "merged", "opted_out")
    contact = CONTACT.decode()
    bridge.turn(
        Asked(contact, "acme", Request("profile.set", "ann", {"name": "Bob"})),
        Asked(contact, "acme", Request("profile.merge", "ann", {"number": "15550009999", "opted_out": "yes"})),
    )
    assert [event["type"] for event in told(bridge)] == ["profile", "merged", "opted_out"]
    assert told(bridge)[1]["data"]["number"] == "15550009999"


def test_a_question_for_a_rating_is_told_and_one_that_is_not_asked() -> None:
    bridge = bridge_with("rating_asked", "rating_not_asked", source=RATED)
    bridge.send("where")
    bridge.now += 121.0
    bridge.turn()
    (asked,) = told(bridge)
    assert (asked["type"], asked["data"]["by"]) == ("rating_asked", "automated")
    bridge = bridge_with("rating_asked", "rating_not_asked", source=RATED)
    bridge.send("where")
    bridge.send("stop")
    bridge.now += 121.0
    bridge.turn()
    (not_asked,) = told(bridge)
    assert (not_asked["type"], not_asked["data"]["why"]) == ("rating_not_asked", "opted out")


def test_a_text_that_the_rules_fail_on_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = bridge_with()
    monkeypatch.setattr(deciding, "decide", lambda *_: 1 / 0)
    bridge.send("hours")
    ((received),) = told(bridge)
    assert (received["data"]["outcome"], received["data"]["text"]) == ("rejected", "hours")


def test_an_erased_customers_events_are_gone() -> None:
    bridge = bridge_with("received")
    bridge.send("agent: my secret")
    bridge.send("and my secret")
    first = min(key for table, key in bridge.memory.side if table == "hook")
    other = "https://elsewhere.example/" + first.decode()[3:]
    bridge.memory.side["dead", other.encode()] = pack(Dead(unpack(bridge.memory.side["hook", first]), "500", 1.0))
    erase = Asked(CONTACT.decode(), "acme", Request("profile.erase", "ann", {}))
    effects = bridge.turn(HooksSettled([], [(first, "500")]), erase)
    assert effects.forgotten == [(CONTACT.decode(), "acme")]
    assert "secret" not in repr(list(bridge.memory.side.values()))
    assert not [1 for table, _ in bridge.memory.side if table in ("hook", "dead")]


def test_who_writes_at_the_moment_of_being_erased_is_not_half_erased() -> None:
    bridge = bridge_with("received")
    bridge.send("my secret")
    erase = Asked(CONTACT.decode(), "acme", Request("profile.erase", "ann", {}))
    effects = bridge.turn(bridge.arrivals(text("another")), erase)
    assert [why for _, why in effects.answers] == [
        "a message of this customer has come or was made just now; ask again"
    ]


def test_listeners_get_what_they_want() -> None:
    listening = listeners([WebhookConfig("all", "u"), WebhookConfig("some", "u", ("rated",))])
    assert [read_key(key)[0] for key in rows(listening, Hook(1, "received", 1.0, "1", "acme", 1, {}))] == ["all"]
    assert [read_key(key)[0] for key in rows(listening, Hook(1, "rated", 1.0, "1", "acme", 1, {}))] == ["all", "some"]
