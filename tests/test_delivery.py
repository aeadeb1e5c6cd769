"""What becomes of a message that we send, as pure functions."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from bridge.delivery import (
    ACCEPTED,
    DOUBT,
    ERRORS,
    FAILED,
    RETRY,
    Flight,
    accept,
    apply_receipt,
    error_kind,
    finish,
    judge,
    name_part,
    part_accepted,
    part_failed,
    part_in_doubt,
    part_refused,
    retry_delay,
    unaccepted_parts,
)
from bridge.records import FINAL_STATES, Mt
from smppcore import constants as c
from smppcore.text import Encoded

if TYPE_CHECKING:
    from bridge.config import ErrorKind


def message(parts: int = 1, state: str = "sent", claim: float = 1.0) -> Mt:
    return Mt(5, 1, 1, "a", "1", "2", "acme", "t", "t", "v", 0.0, parts=parts, state=state, claim=claim)


def flight(parts: int = 1) -> Flight:
    todo = list(range(parts))
    return Flight(message(parts), Encoded(0, (b"t",) * parts), todo, (1 << parts) - 1, parts, queued=False)


# -- answers


def test_the_fate_of_a_message_is_the_worst_of_its_parts() -> None:
    acts = {
        ACCEPTED: lambda f, n: part_accepted(f, n, "7"),
        RETRY: lambda f, n: part_failed(f, n, c.ESME_RSYSERR, "temporary"),
        DOUBT: lambda f, n: part_in_doubt(f, n, "no_response"),
        FAILED: lambda f, n: part_failed(f, n, c.ESME_RINVDSTADR, "permanent"),
    }
    order = [ACCEPTED, RETRY, DOUBT, FAILED]
    for fates in product(order, repeat=3):
        f = flight(3)
        for n, fate in enumerate(fates):
            assert f.open
            acts[fate](f, n)
        assert f.open == 0
        assert f.fate == max(fates, key=order.index)
        assert unaccepted_parts(f.mt) == [n for n, fate in enumerate(fates) if fate != ACCEPTED]


@pytest.mark.parametrize(
    ("kind", "fate", "throttled", "opted_out"),
    [
        ("throttled", RETRY, True, False),
        ("temporary", RETRY, False, False),
        ("in_doubt", DOUBT, False, False),
        ("opted_out", FAILED, False, True),
        ("permanent", FAILED, False, False),
    ],
)
def test_each_kind_of_error_has_its_fate(kind: ErrorKind, fate: str, *, throttled: bool, opted_out: bool) -> None:
    f = flight()
    part_failed(f, 0, 0x4A1, kind)
    assert (f.fate, f.throttled, f.opted_out, f.mt.error) == (fate, throttled, opted_out, "0x000004A1")


def test_a_status_is_permanent_unless_the_usual_table_or_the_links_own_says_otherwise() -> None:
    for status in (*range(1, 0x120), *range(0x400, 0x500), 0xFFFFFFFF):
        assert error_kind(status, {}) == ERRORS.get(status, "permanent")
        assert error_kind(status, {status: "in_doubt"}) == "in_doubt"
    assert error_kind(c.ESME_RTHROTTLED, {c.ESME_RSYSERR: "permanent"}) == "throttled"


def test_a_part_that_was_never_sendable_fails_the_message() -> None:
    f = flight()
    part_refused(f, 0, "too long")
    assert (f.fate, f.open, f.mt.error) == (FAILED, 0, "too long")


def test_answers_may_be_noted_twice() -> None:
    f = flight(2)
    for _ in range(2):
        part_accepted(f, 0, "7")
        part_in_doubt(f, 1, "link_lost")
    assert (f.open, f.fate, list(f.mt.message_ids)) == (0, DOUBT, ["7", None])


def test_an_id_of_nothing_is_still_an_acceptance() -> None:
    mt = message(2)
    name_part(mt, 1, "")
    assert unaccepted_parts(mt) == [0]
    single = message()
    assert unaccepted_parts(single) == [0]
    name_part(single, 0, "")
    assert unaccepted_parts(single) == []


# -- the ladder


def test_each_retry_waits_twice_as_long_up_to_the_maximum() -> None:
    waits = [retry_delay(n, throttled=False, initial=5.0, maximum=60.0) for n in range(1, 7)]
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert retry_delay(10_000, throttled=False, initial=5.0, maximum=60.0) == 60.0


def test_throttling_has_a_ladder_of_its_own() -> None:
    waits = [retry_delay(n, throttled=True, initial=30.0, maximum=3.0) for n in range(1, 5)]
    assert waits == [0.02, 0.04, 0.08, 0.16]
    assert retry_delay(99, throttled=True, initial=30.0, maximum=3.0) == 3.0
    assert retry_delay(99, throttled=True, initial=30.0, maximum=300.0) == 10.0


# -- states


@pytest.mark.parametrize("state", ["queued", "held", "sent"])
def test_acceptance_ends_the_claim(state: str) -> None:
    mt = message(state=state)
    mt.error, mt.next_try = "ESME_RSYSERR", 4.0
    accept(mt, 9.0)
    assert (mt.state, mt.accepted, mt.claim, mt.next_try, mt.error) == ("accepted", 9.0, 0.0, 0.0, "")


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_final_state_is_final(state: str) -> None:
    mt = message(state=state)
    accept(mt, 9.0)
    finish(mt, "failed", 9.0, "x")
    assert not apply_receipt(mt, 0, c.STATE_DELIVERED, "", 9.0)
    assert (mt.state, mt.done) == (state, 0.0)


def test_finishing_keeps_the_last_error_unless_given_another() -> None:
    mt = message()
    mt.error = "ESME_RINVDSTADR"
    finish(mt, "failed", 9.0)
    assert (mt.state, mt.done, mt.error, mt.claim) == ("failed", 9.0, "ESME_RINVDSTADR", 0.0)


# -- receipts

FINAL = {
    c.STATE_DELIVERED: "delivered",
    c.STATE_EXPIRED: "expired",
    c.STATE_DELETED: "deleted",
    c.STATE_UNDELIVERABLE: "undeliverable",
    c.STATE_REJECTED: "rejected",
    c.STATE_SKIPPED: "undeliverable",
}
OPEN = (c.STATE_SCHEDULED, c.STATE_ENROUTE, c.STATE_ACCEPTED, c.STATE_UNKNOWN)


@pytest.mark.parametrize("states", [*product([*FINAL, *OPEN], repeat=2)])
def test_two_parts_make_one_outcome(states: tuple[int, int]) -> None:
    mt = message(2, "accepted", 0.0)
    for n, state in enumerate(states):
        apply_receipt(mt, n, state, "", 9.0)
    failures = [FINAL[s] for s in states if FINAL.get(s, "delivered") != "delivered"]
    if failures:
        assert mt.state == failures[0]
    elif all(s == c.STATE_DELIVERED for s in states):
        assert mt.state == "delivered"
    else:
        assert mt.state == "accepted"


def test_a_failed_part_keeps_its_error_and_a_delivered_message_has_none() -> None:
    mt = message(2, "accepted", 0.0)
    assert apply_receipt(mt, 1, c.STATE_UNDELIVERABLE, "042", 9.0)
    assert (mt.error, mt.done) == ("042", 9.0)
    mt = message(1, "accepted", 0.0)
    assert apply_receipt(mt, 0, c.STATE_DELIVERED, "000", 9.0)
    assert mt.error == ""


def test_a_later_open_state_replaces_an_earlier_one_but_no_final_one() -> None:
    mt = message(2, "accepted", 0.0)
    assert apply_receipt(mt, 0, c.STATE_ENROUTE, "", 9.0)
    assert apply_receipt(mt, 0, c.STATE_DELIVERED, "", 9.0)
    assert not apply_receipt(mt, 0, c.STATE_ENROUTE, "", 9.0)
    assert list(mt.receipts) == [c.STATE_DELIVERED, -1]


def test_a_receipt_for_a_part_that_there_is_not_changes_nothing() -> None:
    mt = message(2, "accepted", 0.0)
    assert not apply_receipt(mt, 2, c.STATE_DELIVERED, "", 9.0)
    assert mt.receipts == ()


def test_while_a_part_is_in_the_air_receipts_are_only_noted() -> None:
    mt = message(2)
    assert apply_receipt(mt, 0, c.STATE_REJECTED, "1", 9.0)
    assert mt.state == "sent"
    assert judge(mt, 10.0)
    assert (mt.state, mt.done, mt.error) == ("rejected", 10.0, "1")


def test_without_receipts_there_is_nothing_to_judge() -> None:
    mt = message()
    assert not judge(mt, 9.0)
    assert mt.state == "sent"


def test_a_vendors_own_state_closes_nothing() -> None:
    mt = message(1, "accepted", 0.0)
    assert apply_receipt(mt, 0, 200, "", 9.0)
    assert mt.state == "accepted"
