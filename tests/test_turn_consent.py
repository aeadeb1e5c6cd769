"""Consent through whole turns: what leaves after a STOP, what is kept as evidence, what history can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge import evidence, inputs
from bridge.events import Asked, CapacityChanged, Returned
from bridge.rules import Called, Request
from smppcore.constants import ESME_RINVDSTADR, ESME_RSYSERR
from tests.pipeline import CONTACT, START, Bridge, accepted, link, refused, rules, text

if TYPE_CHECKING:
    from bridge.records import Conversation

KEY = CONTACT.decode(), "acme"


def conversation(bridge: Bridge, key: tuple[str, str] = KEY) -> Conversation:
    with bridge.store.turn() as turn:
        (state,) = turn.conversations([key])
    assert state is not None
    return state


def chain(bridge: Bridge, key: tuple[str, str] = KEY) -> list[bytes]:
    with bridge.store.turn() as turn:
        return [row for name, row in turn.page("evidence", b"", 5000) if name.startswith(inputs.prefix(key))]


def test_stop_and_start_are_evidence_with_their_confirmations() -> None:
    bridge = Bridge()
    bridge.send("Stop!")
    bridge.send("Start ")
    rows = chain(bridge)
    assert evidence.verify(rows, conversation(bridge).evidence) == ""
    links = [evidence.read(row) for row in rows]
    assert [(one.kind, one.mo, one.replies) for one in links] == [("opted_out", 1, (2,)), ("opted_in", 3, (4,))]
    assert [one.values["text"] for one in links] == ["Stop!", "Start "]


def test_each_message_names_the_one_before_it() -> None:
    bridge = Bridge()
    for words in ("hours", "thanks", "echo a"):
        bridge.send(words)
    before = {**{mo.id: mo.before for mo in bridge.mos()}, **{mt.id: mt.before for mt in bridge.mts()}}
    assert before == {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
    assert conversation(bridge).last == 5


def test_an_operator_is_heard_and_answered() -> None:
    bridge = Bridge()
    request = Request("optout.add", "ann", {"source": "email", "evidence": "ticket 7"})
    effects = bridge.turn(Asked(*KEY, request))
    assert [why for _, why in effects.answers] == [""]
    assert bridge.send("hours") == []
    assert bridge.mo().outcome == "suppressed"
    assert evidence.read(chain(bridge)[0]).values["by"] == "ann"


def test_the_carriers_word_for_an_opt_out_is_evidence() -> None:
    bridge = Bridge(link(errors={ESME_RINVDSTADR: "opted_out"}))
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(refused(pdu, ESME_RINVDSTADR)))
    assert conversation(bridge).opted_out == START
    assert evidence.read(chain(bridge)[0]).values["how"] == "carrier"


def test_a_confirmation_that_cannot_be_sent_in_time_is_dropped() -> None:
    bridge = Bridge(capacity=0)
    bridge.send("stop")
    bridge.now += 301.0
    bridge.turn(CapacityChanged("a", 50))
    assert bridge.submits() == []
    assert (bridge.mt().state, bridge.mt().error) == ("failed", "too_old")


def test_a_thousand_stops_while_a_thousand_messages_wait() -> None:
    bridge = Bridge(capacity=0)
    contacts = [b"1555%07d" % n for n in range(1000)]
    for number in range(0, 1000, 50):
        bridge.deliver(*(text(b"hours", source) for source in contacts[number : number + 50]))
    assert len(bridge.mts()) == 1000
    # The link comes back, and part of what waits is claimed already when they arrive.
    bridge.turn(CapacityChanged("a", 100))
    bridge.deliver(*(text(b"STOP", source) for source in contacts))
    bridge.turn(CapacityChanged("a", 5000))
    left = bridge.submits(5000)
    confirmed = {pdu.destination_addr for pdu in left}
    assert len(left) == 1000
    assert confirmed == set(contacts)
    assert all(b"unsubscribed" in pdu.short_message for pdu in left)
    bridge.turn(bridge.answers(*(accepted(pdu, b"m%d" % n) for n, pdu in enumerate(left))))
    for _ in range(3):
        bridge.now += 60.0
        bridge.turn()
        assert bridge.submits(5000) == []
    states = [mt.state for mt in bridge.mts() if not mt.control]
    assert states == ["suppressed"] * 1000
    assert all(conversation(bridge, (contact.decode(), "acme")).opted_out for contact in contacts)


# ---------------------------------------------------------------- whose the opt-out is, and over what it wins

TWO_BRANDS = """\
version = "1"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606", "70707"]
[brand.zeta]
help_contact = "help@zeta.example"
numbers = ["80808", "90909"]
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
"""
NUMBERS = {b"60606": "acme", b"70707": "acme", b"80808": "zeta", b"90909": "zeta"}


@pytest.mark.parametrize("stopped", NUMBERS)
def test_an_opt_out_is_of_the_customer_and_the_brand_whatever_the_number(stopped: bytes) -> None:
    bridge = Bridge(ruleset=rules(TWO_BRANDS))
    bridge.deliver(text(b"STOP", number=stopped))
    (confirmation,) = bridge.submits()
    assert confirmation.source_addr == stopped
    bridge.turn(bridge.answers(accepted(confirmation, b"m")))
    for number, brand in NUMBERS.items():
        bridge.deliver(text(b"hours", number=number))
        values = {"number": number.decode(), "link": "a", "text": "hello"}
        effects = bridge.turn(Asked(CONTACT.decode(), brand, Request("send", "ann", values)))
        gone = brand == NUMBERS[stopped]
        assert [why for _, why in effects.answers] == ["opted_out" if gone else ""], number
        assert (bridge.mos()[-1].outcome == "suppressed") is gone
    bridge.deliver(text(b"STOP", b"447700900999", stopped))
    assert bridge.mos()[-1].outcome == "control"


EVERYTHING = """\
version = "1"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
[brand.acme.quiet]
window = ""
[queue.care]
[[keyword]]
words = ["agent"]
escalate = true
[[keyword]]
words = ["where"]
flow = "where"
[[keyword]]
words = ["look"]
flow = "look"
[[keyword]]
words = ["done"]
flow = "done"
[flow.where]
start = "ask"
[flow.where.step.ask]
say = "ask"
wait = { slot = "order", timeout = "1m" }
on_timeout = { say = "still" }
[flow.look]
start = "call"
[flow.look.step.call]
call = "orders.status"
next = "tell"
[flow.look.step.tell]
say = "told"
[flow.done]
start = "tell"
[flow.done.step.tell]
say = "told"
resolve = true
[csat]
delay = "1m"
ask = "rate"
[template.ask]
en = "Which order?"
[template.still]
en = "Still there?"
[template.told]
en = "On its way."
[template.rate]
en = "1 to 5?"
"""


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ("agent", Asked(*KEY, Request("case.reply", "ann", {"text": "hello"}))),
        ("where", None),
        ("look", Returned(Called(0, {"status": "packed"}))),
        ("done", None),
        ("done", Asked(*KEY, Request("send", "ann", {"number": "60606", "link": "a", "text": "hello"}))),
        ("", Asked(*KEY, Request("send", "ann", {"number": "60606", "link": "a", "text": "hello", "at": "9e9"}))),
    ],
    ids=["an agent", "a flow that waits", "a call that returns", "the rating", "send", "send for later"],
)
def test_an_opt_out_wins_over_flows_people_and_programs(before: str, event: Asked | Returned | None) -> None:
    bridge = Bridge(ruleset=rules(EVERYTHING))
    if before:
        for pdu in bridge.send(before):
            bridge.turn(bridge.answers(accepted(pdu, b"1")))
    calls = [number for table, number in bridge.memory.side if table == "call"]
    (confirmation,) = bridge.send("STOP")
    assert b"unsubscribed" in confirmation.short_message
    bridge.turn(bridge.answers(accepted(confirmation, b"2")))
    if isinstance(event, Asked):
        assert [why.partition(":")[0] for _, why in bridge.turn(event).answers] == ["opted_out"]
    elif isinstance(event, Returned):
        (number,) = calls
        bridge.turn(Returned(Called(int.from_bytes(number), {"status": "packed"})))
    for _ in range(3):
        bridge.now += 120.0
        bridge.turn()
        assert bridge.submits() == []


def test_an_opt_out_on_one_link_holds_what_another_tries_again() -> None:
    bridge = Bridge(link("a"), link("b"))
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(refused(pdu, ESME_RSYSERR)))
    bridge.deliver(text(b"STOP"), name="b")
    (confirmation,) = bridge.submits(name="b")
    assert b"unsubscribed" in confirmation.short_message
    bridge.turn(bridge.answers(accepted(confirmation, b"1"), name="b"))
    for _ in range(5):
        bridge.now += 60.0
        bridge.turn()
        assert (bridge.submits(name="a"), bridge.submits(name="b")) == ([], [])
    assert bridge.mts()[0].state == "suppressed"


def test_ten_thousand_customers_on_two_numbers_each_get_their_own_answer_from_the_number_they_texted() -> None:
    bridge = Bridge(capacity=20_000)
    pairs = [(b"1555%07d" % n, (b"60606", b"70707")[n % 2]) for n in range(10_000)]
    for start in range(0, len(pairs), 1000):
        page = pairs[start : start + 1000]
        bridge.deliver(*(text(b"echo " + contact, contact, number) for contact, number in page))
    sent = bridge.submits(20_000)
    assert len(sent) == len(pairs)
    assert {(pdu.destination_addr, pdu.source_addr) for pdu in sent} == set(pairs)
    assert [pdu for pdu in sent if pdu.short_message != pdu.destination_addr] == []
