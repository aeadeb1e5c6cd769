"""Counters."""

from __future__ import annotations

from bridge.analytics import Counters, sum_by_link


def test_totals_go_on_from_what_the_store_holds() -> None:
    counters = Counters(10, {(10, "a", "mo"): 5})
    assert counters.totals({("a", "mo"): 2, ("b", "mo"): 1}) == {(10, "a", "mo"): 7, (10, "b", "mo"): 1}


def test_totals_hold_only_once_they_are_committed() -> None:
    counters = Counters(10, {})
    assert counters.totals({("a", "mo"): 1}) == counters.totals({("a", "mo"): 1})
    counters.committed(counters.totals({("a", "mo"): 1}))
    assert counters.totals({("a", "mo"): 1}) == {(10, "a", "mo"): 2}


def test_a_total_may_go_down() -> None:
    counters = Counters(10, {(10, "a", "mo.pending"): 1})
    assert counters.totals({("a", "mo.pending"): -1}) == {(10, "a", "mo.pending"): 0}


def test_sums_are_over_all_hours_by_link() -> None:
    counters = [((1, "a", "mo"), 2), ((2, "a", "mo"), 3), ((1, "", "receipt.unmatched"), 1), ((1, "b", "mt"), 4)]
    assert sum_by_link(counters) == {"a": {"mo": 5}, "": {"receipt.unmatched": 1}, "b": {"mt": 4}}
