"""Counters."""

from __future__ import annotations

from bridge.analytics import HOUR, Counters, sum_by_link


def test_totals_go_on_from_what_the_store_holds() -> None:
    counters = Counters({(10, "a", "mo"): 5, (9, "a", "mo"): 100})
    totals = counters.totals(10 * HOUR + 1.0, {("a", "mo"): 2, ("b", "mo"): 1})
    assert totals == {(10, "a", "mo"): 7, (10, "b", "mo"): 1}


def test_totals_hold_only_once_they_are_committed() -> None:
    counters = Counters({})
    now = 10.0 * HOUR
    assert counters.totals(now, {("a", "mo"): 1}) == counters.totals(now, {("a", "mo"): 1})
    counters.committed(counters.totals(now, {("a", "mo"): 1}))
    assert counters.totals(now, {("a", "mo"): 1}) == {(10, "a", "mo"): 2}


def test_each_hour_begins_at_nothing_and_old_ones_leave_memory() -> None:
    counters = Counters({})
    for hour in (10, 11, 12):
        totals = counters.totals(hour * HOUR + 3599.9, {("a", "mo"): 1})
        assert totals == {(hour, "a", "mo"): 1}
        counters.committed(totals)
    assert counters.totals(11.0 * HOUR, {("a", "mo"): 1}) == {(11, "a", "mo"): 2}
    assert counters.totals(10.0 * HOUR, {("a", "mo"): 1}) == {(10, "a", "mo"): 1}
    counters.committed({})


def test_a_total_may_go_down() -> None:
    counters = Counters({(10, "a", "mo.pending"): 1})
    assert counters.totals(10.0 * HOUR, {("a", "mo.pending"): -1}) == {(10, "a", "mo.pending"): 0}


def test_sums_are_over_all_hours_by_link() -> None:
    counters = [((1, "a", "mo"), 2), ((2, "a", "mo"), 3), ((1, "", "receipt.unmatched"), 1), ((1, "b", "mt"), 4)]
    assert sum_by_link(counters) == {"a": {"mo": 5}, "": {"receipt.unmatched": 1}, "b": {"mt": 4}}
