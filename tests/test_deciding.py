"""What a decision leads to besides its replies, in the same commit: times to wake, calls, answers to who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from bridge import deciding
from bridge.deciding import read_wake_key, wake_key
from bridge.events import Asked, Returned
from bridge.records import Conversation, Session, pack
from bridge.rules import Called, Decision, Inbound, Reply, Request, Ruleset, Wake
from bridge.rules.message import CALLING, Call
from tests.pipeline import CONTACT, START, Bridge, check, link, rules, text
from tests.rules_helpers import BRAND

if TYPE_CHECKING:
    from bridge.rules.react import Event

KEY = CONTACT.decode(), "acme"


class Script:
    """Stands for the rules: a text begins a wait of ten seconds or a call, everything else is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[Event] = []
        self.failing = False
        monkeypatch.setattr(deciding, "decide", self.decide)
        monkeypatch.setattr(deciding, "react", self.react)

    def decide(self, message: Inbound, state: Conversation | None, rules: Ruleset, now: float, mo_id: int) -> Decision:
        after = Conversation(*KEY, mo_id, now, now, link=message.link, number=message.number, mo=mo_id)
        call = None
        if message.text == "wait":
            after.wake = now + 10.0
        elif message.text == "call":
            after.session = Session("track", "3", "look", now, call=CALLING)
            call = Call("orders.status", {"order": "7"}, 0.8)
        return Decision("flow", "flow", "flow.track", "", (), after, call=call)

    def react(self, event: Event, state: Conversation, rules: Ruleset, now: float) -> Decision:
        if self.failing:
            raise ZeroDivisionError
        self.seen.append(event)
        if isinstance(event, Request) and event.kind == "refuse":
            return Decision("silent", "", "", "", (), state, problem="no")
        replies = (Reply("late", "are you there?"),)
        return Decision("flow", "flow", "", "", replies, replace(state, wake=0.0, link=state.link or "a"))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


def conversation(bridge: Bridge) -> Conversation:
    with bridge.store.turn() as turn:
        (state,) = turn.conversations([KEY])
    assert state is not None
    return state


def test_a_key_of_the_wakes_tells_when_and_who() -> None:
    assert read_wake_key(wake_key(12.5, KEY)) == (12.5, KEY)


def test_a_conversation_is_woken_at_its_time_and_once(script: Script) -> None:
    bridge = Bridge()
    assert bridge.send("wait") == []
    assert bridge.engine.next_due(bridge.now) == START + 10.0
    bridge.now += 9.9
    bridge.turn()
    assert script.seen == []
    bridge.now += 0.1
    bridge.turn()
    assert script.seen == [Wake()]
    assert bridge.reply_texts() == [b"are you there?"]
    assert bridge.mt().mo == bridge.mo().id
    bridge.now += 60
    bridge.turn()
    assert len(script.seen) == 1
    assert {table for table, _ in bridge.memory.side} <= {"figure", "ruleset"}
    check(bridge)


def test_a_time_outlives_a_restart(script: Script) -> None:
    bridge = Bridge()
    bridge.send("wait")
    bridge.now += 60
    bridge.begin()
    assert script.seen == [Wake()]


def test_a_later_text_moves_the_time(script: Script) -> None:
    bridge = Bridge()
    bridge.send("wait")
    bridge.now += 5
    bridge.deliver(text("wait"))
    bridge.now += 5.5
    bridge.turn()
    assert script.seen == []
    assert [key for table, key in bridge.memory.side if table not in ("figure", "ruleset")] == [
        wake_key(START + 15.0, KEY)
    ]


def test_many_conversations_are_woken_in_pages(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "PAGE", 2)
    bridge = Bridge()
    rows = {("wake", wake_key(START + n, (str(n), "acme"))): b"" for n in range(5)}
    bridge.memory.side.update(rows)  # type: ignore[arg-type]
    bridge.engine.calendar.wake = 0.0
    bridge.now += 100
    for left in (3, 1, 0):
        bridge.turn()
        assert sum(table == "wake" for table, _ in bridge.memory.side) == left


def test_rules_that_fail_on_a_time_are_not_asked_again_and_people_are(script: Script) -> None:
    bridge = Bridge()
    bridge.send("wait")
    script.failing = True
    bridge.now += 10
    effects = bridge.turn()
    assert effects.incidents == ["conversation 1: the rules failed: ZeroDivisionError"]
    assert conversation(bridge).escalated == bridge.now
    assert bridge.engine.next_due(bridge.now) > bridge.now
    assert {table for table, _ in bridge.memory.side} <= {"figure", "ruleset"}


def test_a_call_is_recorded_before_it_is_made_and_its_result_goes_on_once(script: Script) -> None:
    bridge = Bridge()
    effects = bridge.deliver(text("call"))
    (call,) = effects.calls
    assert (call.name, call.arguments, call.contact, call.timeout) == ("orders.status", {"order": "7"}, KEY[0], 0.8)
    session = conversation(bridge).session
    assert session is not None
    assert session.call == call.id
    assert [table for table, _ in bridge.memory.side if table not in ("figure", "ruleset")] == ["call"]
    called = Called(call.id, {"status": "lost"})
    bridge.turn(Returned(called), Returned(called))
    bridge.turn(Returned(called))
    assert script.seen == [called]
    assert {table for table, _ in bridge.memory.side} - {"ruleset"} == {"input", "figure"}
    assert ("called", "acme", KEY[0], call.id, "", 3, [4]) in [
        entry for _, log in bridge.memory.log.values() for entry in log
    ]


def test_who_asks_hears_what_became_of_it(script: Script) -> None:
    bridge = Bridge()
    bridge.send("hello")
    asked = Asked(*KEY, Request("case.take", "ann")), Asked(*KEY, Request("refuse", "ann"))
    assert bridge.turn(*asked).answers == [(asked[0], ""), (asked[1], "no")]
    assert len(bridge.mts()) == 1


def test_what_is_asked_with_the_rules_failing_is_refused(script: Script) -> None:
    bridge = Bridge()
    script.failing = True
    asked = Asked(*KEY, Request("case.take", "ann"))
    assert bridge.turn(asked).answers == [(asked, "the rules failed: ZeroDivisionError: ")]
    assert bridge.memory.conversation == {}


def test_nothing_is_said_on_a_link_that_is_not_there(script: Script) -> None:
    bridge = Bridge()
    bridge.memory.conversation[KEY] = pack(Conversation(*KEY, link="gone"))
    asked = Asked(*KEY, Request("case.reply", "ann"))
    assert bridge.turn(asked).answers == [(asked, "the link `gone` is not configured")]


RATING = (
    BRAND
    + """\
[brand.acme.quiet]
window = ""
[[keyword]]
words = ["track"]
flow = "track"
[flow.track]
start = "tell"
[flow.track.step.tell]
say = "tell"
resolve = true
[csat]
delay = "1s"
ask = "rate"
[template.tell]
en = "on its way"
[template.rate]
en = "1 to 5?"
"""
)


def test_who_is_woken_within_the_millisecond_before_is_not_forgotten() -> None:
    bridge = Bridge(link(), ruleset=rules(RATING))
    bridge.now += 0.0019
    bridge.deliver(text("track", b"1"))
    bridge.now += 0.9995
    bridge.engine.calendar.wake = 0.0
    bridge.turn()
    assert [mt.template for mt in bridge.mts()] == ["tell"]
    bridge.now += 0.01
    bridge.turn()
    assert [mt.template for mt in bridge.mts()] == ["tell", "rate"]


def test_a_time_set_in_the_turn_that_wakes_another_is_not_forgotten() -> None:
    bridge = Bridge(link(), ruleset=rules(RATING))
    bridge.deliver(text("track", b"1"))
    bridge.now += 1.0
    bridge.deliver(text("track", b"2"))  # and the first one is asked
    assert bridge.engine.calendar.wake <= bridge.now + 1.001
    bridge.now += 1.01
    bridge.turn()
    assert [mt.contact for mt in bridge.mts() if mt.template == "rate"] == ["1", "2"]
