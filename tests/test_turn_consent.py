"""Consent through whole turns: what leaves after a STOP, what is kept as evidence, what history can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import evidence, inputs
from bridge.events import Asked, CapacityChanged
from bridge.rules import Request
from smppcore.constants import ESME_RINVDSTADR
from tests.pipeline import CONTACT, START, Bridge, accepted, link, refused, text

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
    bridge.send("stop")
    bridge.send("start")
    rows = chain(bridge)
    assert evidence.verify(rows, conversation(bridge).evidence) == ""
    links = [evidence.read(row) for row in rows]
    assert [(one.kind, one.mo, one.replies) for one in links] == [("opted_out", 1, (2,)), ("opted_in", 3, (4,))]


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
