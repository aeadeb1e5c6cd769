"""What is due by time alone: receipts that do not come, receipts of no message, messages too old to be sent."""

from __future__ import annotations

import pytest

from bridge import receipts, upkeep
from bridge.config import LimitsConfig
from bridge.engine import Engine
from bridge.events import CapacityChanged
from bridge.store import StoreFull
from smppcore import constants as c
from smppcore.pdu import DeliverSM, decode
from tests.pipeline import (
    START,
    Bridge,
    accepted,
    check,
    in_doubt,
    link,
    receipt,
    refused,
    retry,
    text,
    timed_out,
)

HOUR, DAY = 3600.0, 86400.0


def accept_replies(bridge: Bridge, *bodies: str, name: str = "") -> None:
    """Have a reply to each of these accepted; its message_id is its text."""
    pdus = []
    for n, body in enumerate(bodies):
        bridge.deliver(text(f"echo {body}", source=b"%d" % n), name=name)
        pdus += bridge.submits(name=name)
    outcomes = [accepted(pdu, body.encode()) for pdu, body in zip(pdus, bodies, strict=True)]
    bridge.turn(bridge.answers(*outcomes, name=name))


def idle(bridge: Bridge, until: float) -> list[float]:
    """Let an idle service run to a time; return when it woke up."""
    woken = []
    while (due := bridge.engine.next_due(bridge.now)) <= until:
        bridge.now = max(due, bridge.now)
        woken.append(bridge.now)
        bridge.turn()
        assert len(woken) < 1000
    bridge.now = until
    return woken


def states(bridge: Bridge) -> list[str]:
    return [mt.state for mt in bridge.mts()]


# -- unknown (invariant 6)


def test_without_a_receipt_a_message_is_unknown_after_validity_and_grace() -> None:
    bridge = Bridge(link(validity=2 * HOUR, receipt_grace=HOUR))
    accept_replies(bridge, "a")
    assert idle(bridge, START + 3 * HOUR - 1) == []
    assert states(bridge) == ["accepted"]
    idle(bridge, START + 3 * HOUR)
    assert states(bridge) == ["unknown"]
    assert bridge.count("mt.unknown") == bridge.count("receipt.overdue") == 1
    assert [entry for _, entries in bridge.memory.log.values() for entry in entries][-1] == ("unknown", 2)
    check(bridge)
    assert bridge.engine.next_due(bridge.now) == float("inf")


def test_a_receipt_in_time_leaves_nothing_to_wait_for() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a", "b")
    bridge.deliver(receipt(b"a"), receipt(b"b", c.STATE_UNDELIVERABLE))
    idle(bridge, START + 9 * DAY)
    assert states(bridge) == ["delivered", "undeliverable"]
    assert not bridge.memory.due
    assert bridge.memory.position.watched_below == 5


@pytest.mark.parametrize("state", [c.STATE_ENROUTE, c.STATE_ACCEPTED, c.STATE_UNKNOWN])
def test_a_receipt_that_is_not_final_does_not_count(state: int) -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.deliver(receipt(b"a", state))
    idle(bridge, START + DAY)
    assert states(bridge) == ["unknown"]


@pytest.mark.parametrize(("state", "outcome"), [(c.STATE_DELIVERED, "delivered"), (c.STATE_EXPIRED, "expired")])
def test_a_late_final_receipt_replaces_unknown(state: int, outcome: str) -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    idle(bridge, START + 9 * DAY)
    bridge.deliver(receipt(b"a", c.STATE_ENROUTE))
    assert states(bridge) == ["unknown"]
    bridge.deliver(receipt(b"a", state))
    assert states(bridge) == [outcome]
    assert (bridge.count("mt.unknown"), bridge.count("mt." + outcome)) == (0, 1)
    check(bridge)


def test_where_no_receipt_is_asked_for_none_is_missed() -> None:
    bridge = Bridge(link(registered_delivery=False))
    accept_replies(bridge, "a")
    idle(bridge, START + 9 * DAY)
    assert states(bridge) == ["accepted"]


def test_where_accepted_is_final_none_is_missed_after_it() -> None:
    bridge = Bridge(link(accepted_is_final=True))
    accept_replies(bridge, "a", "b")
    bridge.deliver(receipt(b"a", c.STATE_ACCEPTED))
    idle(bridge, START + 9 * DAY)
    assert states(bridge) == ["accepted", "unknown"]
    bridge.deliver(receipt(b"b", c.STATE_ACCEPTED))
    assert states(bridge) == ["accepted", "accepted"]
    assert bridge.count("mt.unknown") == 0
    check(bridge)


def test_a_restart_goes_on_where_the_last_commit_was() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.now += HOUR
    accept_replies(bridge, "b")
    idle(bridge, START + DAY)
    bridge.begin()
    assert states(bridge) == ["unknown", "accepted"]
    assert bridge.memory.position.watched_below == 3
    idle(bridge, START + DAY + HOUR)
    assert states(bridge) == ["unknown", "unknown"]


def test_what_became_overdue_while_the_service_was_down_is_found_at_its_start() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a", "b")
    bridge.now += 2 * DAY
    bridge.begin()
    assert states(bridge) == ["unknown", "unknown"]
    check(bridge)


def test_a_message_accepted_after_retries_is_waited_for_since_its_acceptance() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.now += 20 * HOUR
    bridge.turn(bridge.answers(accepted(pdu, b"a")))
    assert idle(bridge, START + 30 * HOUR) == [START + DAY]
    assert (states(bridge), bridge.memory.due) == (["accepted"], {(START + 44 * HOUR, 2)})
    bridge.begin()
    idle(bridge, START + 44 * HOUR)
    assert (states(bridge), bridge.memory.due) == (["unknown"], set())


def test_each_link_waits_as_long_as_it_says() -> None:
    bridge = Bridge(link("a", receipt_grace=2 * DAY), link("b", receipt_grace=HOUR))
    accept_replies(bridge, "1", name="a")
    accept_replies(bridge, "2", name="b")
    idle(bridge, START + HOUR)
    assert states(bridge) == ["accepted", "unknown"]
    idle(bridge, START + 2 * DAY)
    assert states(bridge) == ["unknown", "unknown"]


def test_a_longer_or_shorter_grace_holds_from_the_next_start_on() -> None:
    bridge = Bridge(link("a", receipt_grace=2 * DAY), link("b", receipt_grace=HOUR))
    accept_replies(bridge, "1", "2", name="a")
    bridge.deliver(receipt(b"1"))
    idle(bridge, START + 2 * HOUR)
    assert bridge.memory.due == {(START + 2 * DAY, 4)}
    bridge.links = tuple(link(each.name, receipt_grace=3 * HOUR, retry=retry(max_age=600.0)) for each in bridge.links)
    bridge.begin()
    idle(bridge, START + 3 * HOUR + 600)
    assert states(bridge) == ["delivered", "unknown"]


def test_a_link_that_is_gone_waits_as_long_as_usual() -> None:
    bridge = Bridge(link("a"), link("b"))
    accept_replies(bridge, "1", name="b")
    bridge.links = bridge.links[:1]
    bridge.begin()
    idle(bridge, START + DAY)
    assert states(bridge) == ["unknown"]


def test_a_held_message_in_doubt_is_unknown_when_nothing_settles_it() -> None:
    bridge = Bridge(link(in_doubt=in_doubt("hold")))
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(timed_out(pdu)))
    idle(bridge, START + DAY)
    assert states(bridge) == ["sent"]
    idle(bridge, START + 2 * DAY)
    assert (states(bridge), bridge.mt().in_doubt) == (["unknown"], True)
    check(bridge)


def test_one_that_waits_for_its_link_is_not() -> None:
    bridge = Bridge(link("a"), link("b"))
    bridge.deliver(text("hours"), name="b")
    bridge.links = bridge.links[:1]
    bridge.begin()
    idle(bridge, START + 9 * DAY)
    assert (states(bridge), bridge.mt().in_doubt) == (["sent"], True)
    check(bridge)


# -- clocks


def test_a_clock_set_forward_and_back_hides_no_message() -> None:
    bridge = Bridge()
    bridge.now += 3650 * DAY
    accept_replies(bridge, "future")
    bridge.now = START
    bridge.begin()
    accept_replies(bridge, "now")
    idle(bridge, START + DAY)
    assert states(bridge) == ["accepted", "unknown"]
    idle(bridge, START + 4 * DAY)
    assert states(bridge) == ["unknown", "unknown"]
    assert not bridge.memory.due


def test_an_entry_made_by_a_clock_that_was_ahead_is_not_waited_for() -> None:
    bridge = Bridge()
    bridge.now += 3650 * DAY
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.now += HOUR
    bridge.turn(bridge.answers(accepted(pdu, b"a")))
    idle(bridge, bridge.now + 23 * HOUR)
    assert len(bridge.memory.due) == 1
    bridge.now = START
    bridge.begin()
    idle(bridge, START + 4 * DAY)
    assert states(bridge) == ["unknown"]


def test_a_clock_set_back_within_the_wait_only_makes_it_longer() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.now -= 2 * HOUR
    bridge.begin()
    idle(bridge, START + DAY + 2 * HOUR)
    assert states(bridge) == ["unknown"]


@pytest.mark.parametrize("back", [600.0, HOUR, DAY])
def test_a_clock_set_back_spoils_no_count(back: float) -> None:
    bridge = Bridge()
    accept_replies(bridge, "a", "b")
    bridge.now += back
    accept_replies(bridge, "c")
    bridge.now = START
    bridge.begin()
    accept_replies(bridge, "d")
    bridge.now += back
    accept_replies(bridge, "e")
    assert bridge.count("mt") == bridge.count("mo.replied") == 5


# -- what it costs


def test_it_goes_in_pages_and_only_when_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PAGE", 2)
    bridge = Bridge()
    accept_replies(bridge, *"abcde")
    bridge.now += DAY
    bridge.deliver(text("hours", source=b"9"))
    assert states(bridge)[:5] == ["accepted"] * 5
    bridge.turn()
    assert states(bridge)[:5] == ["unknown"] * 2 + ["accepted"] * 3
    bridge.now += upkeep.LATE
    bridge.deliver(text("thanks", source=b"9"))
    assert states(bridge)[:5] == ["unknown"] * 4 + ["accepted"]
    idle(bridge, bridge.now)
    assert states(bridge)[:5] == ["unknown"] * 5
    check(bridge)


def test_messages_that_come_one_by_one_become_due_together() -> None:
    bridge = Bridge()
    for n in range(50):
        accept_replies(bridge, str(n))
        bridge.now += 1
    woken = idle(bridge, START + DAY + 120)
    assert states(bridge) == ["unknown"] * 50
    assert len(woken) <= 3


def test_without_any_link_nothing_is_waited_for_in_a_hurry() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.deliver(text("hours"))
    bridge.now += DAY
    bridge.engine = Engine(bridge.store, bridge.rules, (), bridge.now)
    bridge.engine.start(bridge.now)
    assert len(idle(bridge, START + 9 * DAY)) < 20
    assert states(bridge)[0] == "unknown"


def test_entries_go_in_pages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = Bridge(link("a", receipt_grace=2 * DAY), link("b", receipt_grace=HOUR))
    accept_replies(bridge, *"abc")
    idle(bridge, START + HOUR)
    assert len(bridge.memory.due) == 3
    monkeypatch.setattr(upkeep, "PAGE", 2)
    bridge.now = START + 2 * DAY
    bridge.turn()
    assert states(bridge) == ["unknown", "unknown", "accepted"]
    idle(bridge, bridge.now)
    assert states(bridge) == ["unknown"] * 3


def test_nothing_is_lost_if_a_commit_fails() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.now += DAY
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.turn()
    bridge.turn()
    assert states(bridge) == ["unknown"]
    assert bridge.count("mt.unknown") == 1
    check(bridge)


def test_a_receipt_in_the_very_turn_wins() -> None:
    bridge = Bridge()
    accept_replies(bridge, "a")
    bridge.now += DAY + upkeep.LATE
    bridge.deliver(receipt(b"a"))
    assert states(bridge) == ["delivered"]
    assert bridge.count("mt.unknown") == 0


# -- receipts of no message


def test_a_receipt_of_no_message_is_kept_findable_when_nothing_claims_it_for_an_hour() -> None:
    bridge = Bridge()
    bridge.deliver(receipt(b"77", error="042"))
    idle(bridge, START + upkeep.PARKED_TTL - 1)
    assert [*bridge.memory.parked] == [("a", "77")]
    idle(bridge, START + upkeep.PARKED_TTL + 1)
    idle(bridge, START + upkeep.PARKED_TTL + upkeep.PARKED_LAP + 2)
    assert not bridge.memory.parked
    (kept,) = bridge.memory.unmatched
    assert (kept.group, kept.message_id, kept.state, kept.error, kept.received, kept.link) == (
        "a",
        "77",
        c.STATE_DELIVERED,
        "042",
        START,
        "a",
    )
    pdu = decode(kept.pdu)
    assert isinstance(pdu, DeliverSM)
    assert pdu.short_message.startswith(b"id:77 ")
    assert bridge.count("receipt.unmatched") == 1
    idle(bridge, bridge.now + upkeep.PARKED_LAP)
    assert bridge.engine.next_due(bridge.now) == float("inf")


def test_they_are_walked_over_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PAGE", 2)
    bridge = Bridge()
    bridge.deliver(*(receipt(b"%d" % n) for n in range(5)))
    bridge.now += 1800
    bridge.deliver(receipt(b"25"))
    idle(bridge, START + upkeep.PARKED_TTL + upkeep.PARKED_LAP + 1)
    assert [*bridge.memory.parked] == [("a", "25")]
    assert len(bridge.memory.unmatched) == bridge.count("receipt.unmatched") == 5


def test_one_whose_answer_comes_in_that_very_turn_is_not_given_up() -> None:
    bridge = Bridge()
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.deliver(receipt(b"77"))
    bridge.now += upkeep.PARKED_TTL + upkeep.LATE + 1
    bridge.turn(bridge.answers(accepted(pdu, b"77")))
    assert states(bridge) == ["delivered"]
    assert not bridge.memory.unmatched
    assert bridge.count("receipt.unmatched") == 0


def test_when_there_is_no_room_they_are_only_counted() -> None:
    bridge = Bridge()
    bridge.memory.share = 0.96
    bridge.deliver(text("garbage", esm_class=4))
    assert bridge.wire.statuses() == [0]
    assert not bridge.memory.unmatched
    assert bridge.count("receipt.unreadable") == 1


def test_a_flood_of_receipts_of_nobodys_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MOST_KEPT", 3)
    monkeypatch.setattr(upkeep, "MOST_KEPT", 3)
    bridge = Bridge()
    bridge.deliver(receipt(b"1"), receipt(b"2", c.STATE_ENROUTE))
    bridge.deliver(receipt(b"2"), receipt(b"3"), receipt(b"4"), receipt(b"5"))
    assert [message_id for _, message_id in bridge.memory.parked] == ["1", "2", "3"]
    assert bridge.memory.parked["a", "2"].state == c.STATE_DELIVERED
    assert [kept.message_id for kept in bridge.memory.unmatched] == ["4", "5"]
    bridge.deliver(receipt(b"6"), receipt(b"7"))
    assert [kept.message_id for kept in bridge.memory.unmatched] == ["5", "6", "7"]
    assert bridge.count("receipt.unmatched") == 4
    assert bridge.wire.statuses() == [0] * 8
    pdus = bridge.send("hours")
    bridge.turn(bridge.answers(accepted(pdus[0], b"3")))
    assert states(bridge) == ["delivered"]
    bridge.deliver(receipt(b"8"))
    assert ("a", "8") in bridge.memory.parked


# -- too old to be sent


def test_what_waits_for_its_link_fails_when_it_is_too_old() -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=60.0)), capacity=0)
    bridge.deliver(text("echo 1"), text("HELP", source=b"2"))
    bridge.now += 30
    bridge.deliver(text("echo 2"))
    idle(bridge, START + 59)
    assert states(bridge) == ["queued"] * 3
    idle(bridge, START + 62)
    assert [(mt.state, mt.error) for mt in bridge.mts()][:2] == [("failed", "too_old")] * 2
    assert states(bridge)[2] == "queued"
    check(bridge)
    idle(bridge, START + 95)
    assert states(bridge) == ["failed"] * 3
    assert not bridge.memory.queue
    assert bridge.engine.outbox.links["a"].loaded == 0
    bridge.turn(CapacityChanged("a", 10))
    assert bridge.submits() == []
    check(bridge)


def test_what_is_in_the_air_is_left_alone_and_what_waits_behind_it_is_not() -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=60.0)))
    bridge.deliver(text("echo 1"), text("echo 2"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RTHROTTLED)))
    bridge.now += 1
    bridge.turn()
    (pdu,) = bridge.submits()
    idle(bridge, START + 70)
    assert states(bridge) == ["sent", "failed"]
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    assert states(bridge) == ["accepted", "failed"]
    check(bridge)


def test_a_long_queue_fails_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "QUEUE_PAGE", 2)
    bridge = Bridge(link(limits=LimitsConfig(max_age=60.0)), capacity=0)
    bridge.deliver(*(text("hours", source=b"%d" % n) for n in range(5)))
    bridge.now += 61
    bridge.turn()
    assert states(bridge).count("failed") == 2
    idle(bridge, bridge.now + 10)
    assert states(bridge) == ["failed"] * 5
    check(bridge)
