"""Messages that we start, through whole turns: schedule, quiet hours, caps, jobs, and what is forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from bridge import evidence, inputs
from bridge.deciding import DONE_BEFORE, start_addressing
from bridge.events import Asked
from bridge.rules import Request
from bridge.scheduling import PAGE
from smppcore import constants as c
from tests.pipeline import CONTACT, Bridge, accepted, check, link, receipt, refused, rules, text
from tests.rules_helpers import BRAND

if TYPE_CHECKING:
    from bridge.records import Conversation

DAY = 86400.0
NOON = datetime.fromisoformat("2026-11-24T12:00-05:00").timestamp()
NIGHT = NOON + 9 * 3600
MORNING = NOON + 20 * 3600
NEW_YORK = "12125550100"
RULES = rules(
    BRAND
    + """\
[brand.acme.cap]
count = 2
per = "24h"
[queue.care]
max_open_per_agent = 1
[[keyword]]
words = ["hours"]
reply = "hours"
[[keyword]]
words = ["agent"]
escalate = true
[privacy]
redact = ["email"]
[template.hours]
en = "8-18"
"""
)


def bridge_at(now: float = NOON) -> Bridge:
    return Bridge(link(), ruleset=RULES, now=now)


def send(bridge: Bridge, contact: str = NEW_YORK, **values: str) -> str:
    """Start a message; return why not."""
    given = {"number": "60606", "link": "a", "text": "hello", "topic": "news", "expires": str(bridge.now + 3 * DAY)}
    effects = bridge.turn(Asked(contact, "acme", Request("send", "ann", {**given, **values})))
    check(bridge)
    return effects.answers[0][1]


def conversation(bridge: Bridge, contact: str = NEW_YORK) -> Conversation:
    with bridge.store.turn() as turn:
        (state,) = turn.conversations([(contact, "acme")])
    assert state is not None
    return state


def test_it_leaves_at_once_with_its_addresses() -> None:
    bridge = bridge_at()
    assert send(bridge) == ""
    (pdu,) = bridge.submits()
    assert (pdu.destination_addr, pdu.source_addr, pdu.short_message) == (NEW_YORK.encode(), b"60606", b"hello")
    assert (pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.source_addr_ton, pdu.source_addr_npi) == (1, 1, 3, 0)
    mt = bridge.mt()
    assert (mt.mo, mt.topic, mt.brand) == (0, "news", "acme")
    assert conversation(bridge).started_messages == {"news": (NOON,)}


@pytest.mark.parametrize(
    ("number", "octets"), [("60606", (1, 1, 3, 0)), ("+447700900123", (1, 1, 1, 1)), ("ACME", (1, 1, 5, 0))]
)
def test_the_kind_of_a_service_number(number: str, octets: tuple[int, ...]) -> None:
    assert tuple(start_addressing(number)) == octets


def test_a_scheduled_one_waits_outside_the_queue_and_survives_a_kill() -> None:
    bridge = bridge_at()
    assert send(bridge, at=str(NOON + 3600)) == ""
    assert bridge.submits() == []
    assert not bridge.memory.queue
    assert bridge.engine.next_due(NOON) <= NOON + 3600
    bridge.begin()
    bridge.now = NOON + 3599
    bridge.turn()
    assert bridge.submits() == []
    bridge.now = NOON + 3600
    bridge.turn()
    assert bridge.reply_texts() == [b"hello"]
    check(bridge)
    assert not [key for key in bridge.memory.side if key[0] == "later"]


def test_one_that_was_refused_and_then_meets_a_quiet_hour_leaves_in_the_morning() -> None:
    evening = NOON + 8 * 3600 - 1
    bridge = bridge_at(evening)
    send(bridge)
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    bridge.now = evening + 600
    bridge.turn()
    assert bridge.submits() == []
    check(bridge)
    bridge.begin()
    bridge.now = MORNING + 1
    bridge.turn()
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"7")))
    assert (bridge.mt().state, bridge.mt().attempts) == ("accepted", 2)
    check(bridge)


def test_erasing_somebody_ends_what_waits_to_be_tried_again() -> None:
    bridge = bridge_at()
    send(bridge)
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    bridge.turn(Asked(NEW_YORK, "acme", Request("profile.erase", "ann")))
    bridge.now += 600
    bridge.turn()
    assert bridge.submits() == []
    assert (bridge.mt().state, bridge.mt().error, bridge.mt().text) == ("suppressed", "erased", "")
    check(bridge)


def test_a_quiet_hour_holds_it_until_the_morning() -> None:
    bridge = bridge_at(NIGHT)
    assert send(bridge) == ""
    assert bridge.submits() == []
    bridge.now = MORNING
    bridge.turn()
    assert bridge.reply_texts() == [b"hello"]
    check(bridge)


def test_one_that_was_queued_is_held_too() -> None:
    bridge = bridge_at(NIGHT - 3600 - 60)
    bridge.capacity = 0
    bridge.begin()
    assert send(bridge) == ""
    assert bridge.memory.queue
    bridge.now, bridge.capacity = NIGHT, 50
    bridge.turn(*bridge.rebind())
    assert bridge.submits() == []
    assert not bridge.memory.queue
    check(bridge)
    bridge.now = MORNING
    bridge.turn()
    assert bridge.reply_texts() == [b"hello"]


def test_stop_wins_over_what_is_scheduled() -> None:
    bridge = bridge_at()
    send(bridge, contact=CONTACT.decode(), at=str(NOON + 60))
    bridge.send("stop")
    bridge.now = NOON + 61
    bridge.turn()
    assert bridge.submits() == []
    assert [(mt.state, mt.error) for mt in bridge.mts() if not mt.mo] == [("suppressed", "opted_out")]
    assert send(bridge, contact=CONTACT.decode()) == "opted_out"


TOPICS = '[optout]\nscope = "topic"\n[optout.topics]\noffers = { en = "offers" }\nnews = { en = "news" }\n'


def test_a_topic_that_is_stopped_alone_ends_and_the_rest_goes_on() -> None:
    bridge = Bridge(link(), ruleset=rules(BRAND + TOPICS), now=NOON)
    contact = CONTACT.decode()
    for topic, at in (("offers", 60.0), ("news", 60.0), ("offers", 0.0)):
        assert send(bridge, contact, topic=topic, at=str(NOON + at), text=topic) == ""
    (offer,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(offer, b"m1")))
    (question,) = bridge.send("STOP")
    assert (offer.short_message, b"only offers" in question.short_message) == (b"offers", True)
    bridge.turn(bridge.answers(accepted(question, b"m2")))
    assert bridge.send("1") == []
    assert send(bridge, contact, topic="offers") == "opted_out"
    bridge.now += 60.0
    bridge.turn()
    assert bridge.reply_texts() == [b"news"]
    assert [(mt.topic, mt.state, mt.error) for mt in bridge.mts() if mt.topic] == [
        ("offers", "suppressed", "opted_out"),
        ("news", "sent", ""),
        ("offers", "accepted", ""),
    ]
    with bridge.store.turn() as turn:
        rows = [row for _, row in turn.page("evidence", b"", 10)]
    assert [evidence.read(row).kind for row in rows] == ["opted_out", "opted_in"]
    assert evidence.verify(rows, conversation(bridge, contact).evidence) == ""


def test_one_that_is_of_no_use_any_more_is_not_sent() -> None:
    bridge = bridge_at(NIGHT)
    send(bridge, expires=str(NIGHT + 60))
    bridge.now = MORNING
    bridge.turn()
    assert (bridge.mt().state, bridge.mt().error) == ("failed", "too_old")


def test_enough_of_a_topic_is_enough() -> None:
    bridge = bridge_at()
    for _ in range(3):
        assert send(bridge) == ""
    assert len(bridge.submits()) == 1  # in order: the second leaves when the first is answered
    first = bridge.engine.outbox.flights
    assert len(first) == 1


def test_a_capped_one_is_suppressed() -> None:
    bridge = bridge_at()
    for number in range(3):
        send(bridge)
        for pdu in bridge.submits():
            bridge.turn(bridge.answers(accepted(pdu, b"%d" % number)))
    assert [(mt.state, mt.error) for mt in bridge.mts()][2] == ("suppressed", "cap")
    send(bridge, topic="bills")
    assert len(bridge.submits()) == 1


def test_a_job_reaches_everybody_once() -> None:
    bridge = bridge_at()
    assert send(bridge, job="x") == ""
    assert send(bridge, job="x") == DONE_BEFORE
    bridge.begin()
    assert send(bridge, job="x") == DONE_BEFORE
    assert send(bridge, job="y") == ""
    item = Request("send", "ann", {"number": "60606", "link": "a", "text": "hi", "job": "z"})
    effects = bridge.turn(Asked("12125550101", "acme", item), Asked("12125550101", "acme", item))
    assert [why for _, why in effects.answers] == ["", DONE_BEFORE]


def test_a_link_that_is_not_there_is_named() -> None:
    bridge = bridge_at()
    assert send(bridge, link="b") == "the link `b` is not configured"
    assert send(bridge, contact=CONTACT.decode(), link="") == "there is no link"


def test_a_thousand_that_are_due_at_once_join_page_by_page() -> None:
    bridge = bridge_at()
    count = PAGE + 20
    values = {"number": "60606", "link": "a", "text": "hi", "at": str(NOON + 5), "expires": str(NOON + DAY)}
    items = [Asked(f"1212556{n:04}", "acme", Request("send", "ann", values)) for n in range(count)]
    bridge.turn(*items)
    bridge.now = NOON + 5
    sent = 0
    for _ in range(40):
        bridge.turn()
        pdus = bridge.submits()
        sent += len(pdus)
        bridge.turn(bridge.answers(*(accepted(pdu, b"m%d" % (sent + n)) for n, pdu in enumerate(pdus))))
    assert sent == count
    check(bridge)


def test_a_message_whose_link_is_gone_waits_in_the_queue() -> None:
    bridge = bridge_at()
    send(bridge, at=str(NOON + 5))
    bridge.links = (link("other"),)
    bridge.name = "other"
    bridge.now = NOON + 6
    bridge.begin()
    bridge.turn()
    assert bridge.memory.queue == {("a", 2, bridge.mt().id)}


# ---------------------------------------------------------------- what is personal, and what is forgotten


def test_what_is_personal_is_marked() -> None:
    bridge = bridge_at()
    bridge.send("mail me at ann\0mail.example")  # GSM 03.38 has the @ there
    assert bridge.mo().personal == ((11, 27),)


def test_an_erased_customer_leaves_no_text() -> None:
    bridge = bridge_at()
    contact = CONTACT.decode()
    for pdu in bridge.send("hours"):
        bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.send("agent: my secret")
    bridge.turn(Asked(contact, "acme", Request("case.note", "ann", {"text": "a secret"})))
    send(bridge, contact=contact, text="secret plan", at=str(NOON + 600))
    bridge.deliver(receipt(b"nobody's"))
    key = contact, "acme"
    assert [name for table, name in bridge.memory.side if table == "input" and name.startswith(inputs.prefix(key))]
    effects = bridge.turn(Asked(contact, "acme", Request("profile.erase", "ann", {})))
    assert [why for _, why in effects.answers] == [""]
    check(bridge)
    assert [mo.text for mo in bridge.mos()] == ["", ""]
    assert {mt.text for mt in bridge.mts()} == {""}
    side = {key: value for key, value in bridge.memory.side.items() if key[0] != "ruleset"}
    kept = repr((bridge.memory.mo, bridge.memory.mt, side, bridge.memory.conversation, bridge.memory.log))
    assert "secret" not in kept
    assert "8-18" not in kept
    assert not [p for p in bridge.memory.parked.values() if CONTACT in p.pdu]
    bridge.now = NOON + 601
    bridge.turn()
    assert bridge.submits() == []
    assert bridge.send("hours")


def test_a_message_on_its_way_is_waited_for() -> None:
    bridge = bridge_at()
    (pdu,) = bridge.send("hours")
    contact = CONTACT.decode()
    request = Asked(contact, "acme", Request("profile.erase", "ann", {}))
    assert "is on its way" in bridge.turn(request).answers[0][1]
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    assert bridge.turn(request).answers[0][1] == ""
    nobody = Asked("12125550199", "acme", Request("profile.erase", "ann", {}))
    assert bridge.turn(nobody).answers[0][1] == ""


def test_what_waits_in_the_queue_is_forgotten_too() -> None:
    bridge = bridge_at()
    bridge.capacity = 0
    bridge.begin()
    bridge.deliver(text("hours"))
    assert bridge.memory.queue
    bridge.turn(Asked(CONTACT.decode(), "acme", Request("profile.erase", "ann", {})))
    assert not bridge.memory.queue
    assert (bridge.mt().state, bridge.mt().error) == ("suppressed", "erased")
    check(bridge)


def test_an_agent_has_no_more_cases_than_the_queue_says() -> None:
    bridge = bridge_at()
    bridge.deliver(text("agent"), text("agent", b"12025550188"))
    take = [Asked(who, "acme", Request("case.take", "ann", {})) for who in (CONTACT.decode(), "12025550188")]
    answers = [why for _, why in bridge.turn(*take).answers]
    assert answers == ["", "ann has 1 open cases of queue care, and that is the most for one agent"]
    nobody = Asked("12125550199", "acme", Request("case.take", "ann", {}))
    assert bridge.turn(nobody).answers[0][1] == "there is no open case of this customer"
