"""Latencies and intervals: percentiles, and a bounded memory."""

from __future__ import annotations

from smppcore.testbed.latency import Latencies
from smppcore.testbed.load.series import MOST_INTERVALS, Series, sum_of


def test_percentiles_are_exact_to_a_bucket() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1e3)
    report = latencies.report()
    assert (report["n"], report["max"]) == (1000, 1000.0)
    for name, expected in (("p50", 500), ("p90", 900), ("p99", 990)):
        assert expected <= report[name] <= expected * 1.03


def test_no_samples_are_zero() -> None:
    assert set(Latencies().report().values()) == {0}
    assert Latencies().buckets_ms() == []
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.percentile(0.5) == 0.0


def test_merging_counts_everything() -> None:
    one, other, whole = Latencies(), Latencies(), Latencies()
    for number in range(1, 100):
        (one if number % 3 else other).add(number / 1e4)
        whole.add(number / 1e4)
    one.merge(other)
    assert one.report() == whole.report()
    assert one.buckets_ms() == whole.buckets_ms()


def test_buckets_join_and_hold_their_samples() -> None:
    latencies = Latencies()
    for seconds in (0.001, 0.00101, 0.5):
        latencies.add(seconds)
    buckets = latencies.buckets_ms()
    assert sum(count for *_, count in buckets) == 3
    assert all(high / low < 1.023 for low, high, _ in buckets)
    assert buckets[-1][0] <= 500 <= buckets[-1][1]


def test_a_run_of_a_day_has_no_more_intervals_than_one_of_minutes() -> None:
    series = Series(1000.0)
    for second in range(5000):
        interval = series.move_to(1000.0 + second)
        interval.answered += 2
        interval.answer_latency.add(0.01)
    assert len(series.intervals) <= MOST_INTERVALS
    assert series.seconds == 16.0
    total = sum_of(series.intervals)
    assert (total.answered, total.answer_latency.count) == (10_000, 5000)
    assert series.report()[1]["at_s"] == 16.0


def test_the_steady_part_has_whole_intervals_only() -> None:
    series = Series(0.0)
    for tenth in range(37):
        series.move_to(tenth / 10).sent += 1
    intervals, seconds = series.steady(1.0, 3.6)
    assert ([interval.sent for interval in intervals], seconds) == ([10, 10], 2.0)
    everything, seconds = series.steady(1.0, 1.5)
    assert (sum_of(everything).sent, seconds) == (37, 1.5)


def test_time_before_the_beginning_counts_as_the_beginning() -> None:
    series = Series(5.0)
    series.move_to(4.0).sent += 1
    assert series.intervals[0].sent == 1
