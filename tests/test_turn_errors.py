"""Turns: what an error status of the carrier means, by the link's own table; how long a message is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.config import ErrorKind, LimitsConfig, LinkConfig
from bridge.events import CapacityChanged
from bridge.store import StoreFull
from smppcore import constants as c
from smppcore.adaptive import Verdict
from tests.pipeline import (
    CONTACT,
    START,
    Bridge,
    accepted,
    check,
    cut_off,
    in_doubt,
    link,
    refused,
    retry,
    run_dry,
    text,
    timed_out,
)

if TYPE_CHECKING:
    from smppcore.pdu import SubmitSM

BARRED = 0x4A1


def own(kind: ErrorKind, status: int = BARRED, **options: object) -> LinkConfig:
    return link("a", errors={status: kind}, **options)


def sent(bridge: Bridge) -> SubmitSM:
    """Have one reply leave and return its submit_sm."""
    (pdu,) = bridge.send("hours")
    return pdu


# -- the link's own table


@pytest.mark.parametrize("status", [c.ESME_RTHROTTLED, c.ESME_RSERTYPUNAVAIL, 0x401])
def test_what_is_permanent_here_has_failed(status: int) -> None:
    bridge = Bridge(own("permanent", status))
    bridge.turn(bridge.answers(refused(sent(bridge), status)))
    assert (bridge.mt().state, bridge.mt().error) == ("failed", c.status_name(status))
    check(bridge)


@pytest.mark.parametrize(("kind", "wait"), [("throttled", 0.02), ("temporary", 5.0)])
def test_what_is_temporary_here_is_sent_again(kind: ErrorKind, wait: float) -> None:
    bridge = Bridge(own(kind, c.ESME_RINVDSTADR))
    bridge.turn(bridge.answers(refused(sent(bridge), c.ESME_RINVDSTADR)))
    assert bridge.engine.next_due(bridge.now) == START + wait
    bridge.now += wait
    bridge.turn()
    assert run_dry(bridge) == [b"8-18"]
    assert bridge.mt().attempts == 2
    check(bridge)


@pytest.mark.parametrize(("policy", "state"), [("resend", "sent"), ("hold", "sent"), ("fail", "failed")])
def test_what_says_neither_leaves_the_message_in_doubt(policy: str, state: str) -> None:
    bridge = Bridge(own("in_doubt", in_doubt=in_doubt(policy)))
    bridge.turn(bridge.answers(refused(sent(bridge), BARRED)))
    mt = bridge.mt()
    assert (mt.state, mt.in_doubt) == (state, True)
    assert mt.error == ("in_doubt" if policy == "fail" else "0x000004A1")
    if policy == "resend":
        # The session is well: to send at once what is answered at once would never end.
        assert bridge.engine.next_due(bridge.now) == START + 5
    check(bridge)


def test_on_one_link_only() -> None:
    bridge = Bridge(own("temporary", c.ESME_RINVDSTADR), link("b"))
    bridge.deliver(text("hours"), name="b")
    (pdu,) = bridge.submits(name="b")
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RINVDSTADR), name="b"))
    assert bridge.mt().state == "failed"


# -- opted out at the carrier


def test_who_is_opted_out_at_the_carrier_gets_nothing_more() -> None:
    bridge = Bridge(own("opted_out"))
    pdu = sent(bridge)
    bridge.deliver(text("echo later"), text("echo other", source=b"2"))
    effects = bridge.turn(bridge.answers(refused(pdu, BARRED)))
    assert effects.revoked == {(CONTACT.decode(), "acme")}
    assert run_dry(bridge) == [b"other"]
    first, later, other = bridge.mts()
    assert (first.state, first.error) == ("suppressed", "0x000004A1")
    assert (later.state, later.error) == ("suppressed", "opted_out")
    assert other.state == "accepted"
    assert ("opted out", first.id) in [entry for _, entries in bridge.memory.log.values() for entry in entries]
    bridge.deliver(text("hours"))
    assert bridge.mos()[-1].outcome == "suppressed"
    check(bridge)


def test_it_survives_a_restart_and_start_ends_it() -> None:
    bridge = Bridge(own("opted_out"))
    bridge.turn(bridge.answers(refused(sent(bridge), BARRED)))
    bridge.begin()
    bridge.deliver(text("hours"))
    assert bridge.submits() == []
    bridge.deliver(text("START"), text("hours"))
    assert len(run_dry(bridge)) == 2
    check(bridge)


def test_claims_on_their_way_to_a_session_are_withdrawn() -> None:
    bridge = Bridge(own("opted_out"), capacity=2)
    bridge.deliver(text("HELP"))
    (control,) = bridge.submits()
    bridge.deliver(text("echo 1"))
    bridge.turn(bridge.answers(refused(control, BARRED)))
    bridge.turn()
    assert bridge.submits() == []
    assert [mt.state for mt in bridge.mts()] == ["suppressed", "suppressed"]
    check(bridge)


def test_a_customer_who_has_opted_out_with_us_stays_so_since_then() -> None:
    bridge = Bridge(own("opted_out"))
    bridge.deliver(text("STOP"))
    (confirmation,) = bridge.submits()
    bridge.now += 5
    effects = bridge.turn(bridge.answers(refused(confirmation, BARRED)))
    with bridge.store.turn() as turn:
        (conversation,) = turn.conversations([(CONTACT.decode(), "acme")])
    assert conversation is not None
    assert conversation.opted_out == START
    assert not effects.revoked
    check(bridge)


def test_one_part_that_is_barred_bars_the_whole_message() -> None:
    bridge = Bridge(own("opted_out"))
    bridge.deliver(text("echo " + "x" * 400))
    one, two, three = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"1"), refused(two, BARRED), refused(three, c.ESME_RTHROTTLED)))
    assert bridge.mt().state == "suppressed"
    check(bridge)


def test_it_is_known_even_if_the_first_commit_fails() -> None:
    bridge = Bridge(own("opted_out"))
    events = bridge.answers(refused(sent(bridge), BARRED))
    bridge.memory.failures.append(StoreFull("no room"))
    with pytest.raises(StoreFull):
        bridge.turn(events)
    bridge.turn(events)
    assert bridge.mt().state == "suppressed"
    bridge.deliver(text("hours"))
    assert bridge.submits() == []
    check(bridge)


# -- how long


def test_a_retry_waits_no_longer_than_the_message_may_be_old() -> None:
    bridge = Bridge(link(retry=retry(30.0, 300.0, 40.0)))
    pdu = sent(bridge)
    bridge.deliver(text("echo next"))
    bridge.turn(bridge.answers(refused(pdu, c.ESME_RSYSERR)))
    bridge.now += 30
    bridge.turn()
    (again,) = bridge.submits()
    bridge.turn(bridge.answers(refused(again, c.ESME_RSYSERR)))
    assert bridge.engine.next_due(bridge.now) == START + 40
    bridge.now = START + 40.001
    bridge.turn()
    assert [(mt.state, mt.error) for mt in bridge.mts()] == [("failed", "too_old")] * 2
    check(bridge)


def test_an_attempt_at_the_last_moment_is_the_last() -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=3.0)))
    bridge.turn(bridge.answers(refused(sent(bridge), c.ESME_RSYSERR)))
    bridge.now += 3
    bridge.turn()
    (again,) = bridge.submits()
    bridge.turn(bridge.answers(refused(again, c.ESME_RSYSERR)))
    assert (bridge.mt().state, bridge.mt().error, bridge.mt().attempts) == ("failed", "too_old", 2)
    check(bridge)


@pytest.mark.parametrize("end", [timed_out, cut_off])
def test_what_is_in_doubt_and_too_old_is_not_sent_again(end: object) -> None:
    bridge = Bridge(link(limits=LimitsConfig(max_age=20.0)))
    pdu = sent(bridge)
    bridge.now += 30
    bridge.turn(bridge.answers(end(pdu)))  # type: ignore[operator]
    bridge.turn()
    assert bridge.submits() == []
    assert (bridge.mt().state, bridge.mt().error, bridge.mt().in_doubt) == ("failed", "too_old", True)
    check(bridge)


def test_what_stays_unanswered_is_sent_again_less_and_less_often() -> None:
    bridge = Bridge(link(retry=retry(5.0, 12.0)))
    pdu = sent(bridge)
    waits = []
    for _ in range(3):
        bridge.turn(bridge.answers(timed_out(pdu)))
        waits.append(bridge.engine.next_due(bridge.now) - bridge.now)
        bridge.now += waits[-1]
        bridge.turn()
        (pdu,) = bridge.submits()
    assert waits == [5.0, 10.0, 12.0]


def test_order_is_kept_through_every_kind_of_retry() -> None:
    bridge = Bridge(link(errors={0x400: "in_doubt", 0x401: "temporary", 0x402: "throttled"}))
    bridge.deliver(*(text(f"echo {n}") for n in range(4)))
    sent_texts = []
    for status in (0x400, 0x401, 0x402, c.ESME_RSYSERR):
        (pdu,) = bridge.submits()
        bridge.turn(bridge.answers(refused(pdu, status)))
        assert bridge.submits() == []
        bridge.now = bridge.engine.next_due(bridge.now)
        bridge.turn()
        (pdu,) = bridge.submits()
        sent_texts.append(pdu.short_message)
        bridge.turn(bridge.answers(accepted(pdu, pdu.short_message)))
    assert sent_texts == [b"0", b"1", b"2", b"3"]
    check(bridge)


def test_a_retry_set_by_a_clock_that_has_been_put_back_is_not_waited_for() -> None:
    bridge = Bridge()
    bridge.turn(bridge.answers(refused(sent(bridge), c.ESME_RSYSERR)))
    bridge.now -= 86400 * 365
    bridge.begin()
    assert run_dry(bridge) == [b"8-18"]
    bridge.turn(CapacityChanged("a", 50))
    check(bridge)


def test_where_the_rate_is_not_the_cause_a_throttled_message_goes_again_at_once_and_then_waits() -> None:
    bridge = Bridge()
    bridge.engine.outbox.links["a"].limits.carrier.verdict = Verdict.SPORADIC
    (first,) = bridge.send("hours")
    bridge.turn(bridge.answers(refused(first, c.ESME_RTHROTTLED)))
    (second,) = bridge.submits()
    bridge.turn(bridge.answers(refused(second, c.ESME_RTHROTTLED)))
    assert bridge.submits() == []
    bridge.now += 0.02
    bridge.turn()
    assert len(bridge.submits()) == 1
    check(bridge)


def test_what_waits_goes_before_new_replies_and_control_replies_before_that() -> None:
    bridge = Bridge(capacity=1)
    (first,) = bridge.send("hours")
    bridge.deliver(text("hours", b"15550000002"))
    bridge.deliver(text("echo new", b"15550000003"), text("STOP", b"15550000004"))
    order = []
    for number in range(3):
        bridge.turn(bridge.answers(accepted(first, b"%d" % number)))
        (first,) = bridge.submits()
        order.append(first.destination_addr[-1:])
    assert order == [b"4", b"2", b"3"]
