"""Where a bind goes next, and when."""

from __future__ import annotations

import math
import random

import pytest

from smppcore import constants as c
from smppcore.errors import (
    BindRefused,
    ConnectFailed,
    LinkClosed,
    LocalProtocolError,
    RemoteProtocolError,
    ResponseTimeout,
    SmppError,
)
from smppcore.failover import (
    Addresses,
    Backoff,
    BackoffConfig,
    Endpoint,
    LadderConfig,
    Route,
    preferences,
    reason_of,
)

GONE = LinkClosed("gone")
WRONG = BindRefused(c.ESME_RINVPASWD, "password")
BOUND = BindRefused(c.ESME_RALYBND, "already bound")
LADDER = LadderConfig(BackoffConfig(1.0, 8.0))


def highest(low: float, high: float) -> float:
    return high


def test_an_endpoint_is_written_as_people_do() -> None:
    assert str(Endpoint("smsc.example")) == "smsc.example:2775"
    assert str(Endpoint("2001:db8::1", 3550)) == "[2001:db8::1]:3550"


# The ladders ----------------------------------------------------------------------------------------------------------


def test_delays_spread_over_the_whole_range() -> None:
    backoff = Backoff(LadderConfig(BackoffConfig(60.0, 60.0)), random.Random(1).uniform)
    delays = [backoff.delay(GONE) for _ in range(100)]
    assert min(delays) < 5.0
    assert max(delays) > 55.0


def test_already_bound_waits_until_the_old_link_can_have_been_noticed() -> None:
    backoff = Backoff(LadderConfig(already_bound=90.0), random.Random(1).uniform)
    assert backoff.delay(BOUND) == 90.0
    assert backoff.delay(WRONG) < 90.0


def test_the_ladders_are_apart_and_both_begin_anew_after_a_reset() -> None:
    backoff = Backoff(LADDER, highest)
    assert [backoff.delay(GONE), backoff.delay(WRONG), backoff.delay(GONE), backoff.delay(WRONG)] == [1, 30, 2, 60]
    backoff.reset()
    assert [backoff.delay(GONE), backoff.delay(WRONG)] == [1, 30]


def test_a_very_long_outage_does_not_overflow() -> None:
    backoff = Backoff(LADDER, highest)
    assert {backoff.delay(GONE) for _ in range(3000)} == {1, 2, 4, 8}


# Routes ---------------------------------------------------------------------------------------------------------------


def test_one_host_is_tried_again_after_its_delay_alone() -> None:
    route = Route(1, LADDER, highest)
    assert route.next(5.0) == (0, 5.0)
    route.failed(0, GONE, 5.0)
    assert route.next(5.0) == (0, 6.0)
    route.lost(0, GONE, 6.0)
    assert route.next(6.0) == (0, 8.0)
    assert route.better(0) is None


def test_a_host_that_fails_costs_a_hop_to_the_next() -> None:
    route = Route(2, LADDER, highest)
    route.failed(0, GONE, 10.0)
    assert route.next(10.0) == (1, 10.5)
    assert route.next(10.5) == (1, 10.5)
    route.failed(1, GONE, 10.5)
    assert route.next(10.5) == (0, 11.5), "the first is due again a second after the hop, the other later"


def test_the_one_that_has_just_failed_is_never_the_next() -> None:
    draw = random.Random(7).uniform
    for _ in range(200):
        route = Route(2, LADDER, draw)
        route.failed(0, GONE, 1.0)
        assert route.next(1.0)[0] == 1


def test_the_loss_of_a_bind_makes_hosts_worth_an_attempt_that_failed_for_long() -> None:
    route = Route(2, LADDER, highest)
    for now in range(10):
        route.failed(0, GONE, float(now))
    route.lost(1, GONE, 10.0)
    assert route.next(10.0) == (0, 10.5)


def test_a_bind_that_stood_in_for_others_leaves_them_in_a_hurry() -> None:
    route = Route(1, LADDER, highest)
    route.failed(0, WRONG, 0.0)
    assert route.next(1.0) == (0, 30.0)
    route.hurry(1.0)
    assert route.next(1.0) == (0, 1.5)
    route.hurry(2.0)
    assert route.next(1.0) == (0, 1.5)


def test_a_better_host_is_wanted_as_soon_as_it_is_due() -> None:
    route = Route(3, LADDER, highest)
    assert route.better(0) is None
    route.failed(0, GONE, 0.0)
    assert route.better(1) == (0, 1.5)
    assert route.better(2) == (1, 0.5)
    route.lasted(0)
    route.failed(0, GONE, 10.0)
    assert route.better(1) == (0, 11.5), "its ladder has begun anew"


@pytest.mark.parametrize(
    ("mode", "number", "orders"),
    [
        ("failover", 0, ["abc"]),
        ("failover", 1, ["abc"]),
        ("balance", 0, ["abc"]),
        ("balance", 1, ["bca"]),
        ("balance", 5, ["cab"]),
        ("standby", 0, ["a", "b", "c"]),
    ],
)
def test_the_mode_says_who_prefers_what(mode: str, number: int, orders: list[str]) -> None:
    assert preferences("abc", mode, number) == [list(order) for order in orders]  # type: ignore[arg-type]


def test_two_hundred_links_come_back_over_the_whole_span() -> None:
    """All lose their bind at once and fail until the outage ends after ten minutes; then each binds at its next try."""
    end = 600.0
    draw = random.Random(20).uniform
    bound: list[float] = []
    for _ in range(200):
        route = Route(1, LadderConfig(BackoffConfig(1.0, 60.0)), draw)
        route.lost(0, GONE, 0.0)
        now = 0.0
        while now < end:
            _, now = route.next(now)
            if now < end:
                route.failed(0, GONE, now)
        bound.append(now - end)
    # What is left of a delay that is even over 60 s is less than 60 s, and its half is over within a third of that
    assert max(bound) <= 60.0
    for low in range(0, 50, 10):
        assert any(low <= at < low + 10 for at in bound)
    assert max(sum(low <= at < low + 1 for at in bound) for low in range(60)) <= 20


def test_hops_of_two_hundred_links_spread_too() -> None:
    draw = random.Random(3).uniform
    due = []
    for _ in range(200):
        route = Route(2, LadderConfig(), draw)
        route.lost(0, GONE, 0.0)
        due.append(route.next(0.0)[1])
    assert max(due) <= 0.5
    for low in range(5):
        assert 20 <= sum(low / 10 <= at < (low + 1) / 10 for at in due) <= 60


# Addresses and words --------------------------------------------------------------------------------------------------


def test_addresses_that_failed_come_last_the_latest_of_all() -> None:
    addresses = Addresses()
    assert addresses.order(["1", "2", "3", "2"]) == ["1", "2", "3"]
    addresses.failed("1")
    addresses.failed("2")
    assert addresses.order(["1", "2", "3"]) == ["3", "1", "2"]
    addresses.worked("1")
    addresses.worked("3")
    assert addresses.order(["1", "2", "3"]) == ["1", "3", "2"]


def test_an_address_that_a_name_has_no_more_is_forgotten() -> None:
    addresses = Addresses()
    addresses.failed("1")
    assert addresses.order(["2", "3"]) == ["2", "3"]
    assert addresses.order(["1", "2"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectFailed("dns", "no"), "dns"),
        (LinkClosed("no", "enquire_link"), "enquire_link"),
        (WRONG, "credentials"),
        (BOUND, "already_bound"),
        (BindRefused(c.ESME_RTHROTTLED, "no"), "bind_refused"),
        (ResponseTimeout(1, math.pi), "bind_timeout"),
        (LocalProtocolError("no"), "configuration"),
        (RemoteProtocolError("no"), "closed"),
    ],
)
def test_every_error_has_a_word(error: SmppError, reason: str) -> None:
    assert reason_of(error) == reason
