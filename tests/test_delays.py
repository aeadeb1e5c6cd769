"""Times and the distributions that they are drawn from."""

from __future__ import annotations

import random

import pytest

from smppcore.testbed.delays import Delay, Lognormal, Normal, Percentiles, Uniform, draw

TABLE = Percentiles(((0.0, 1.0), (0.5, 2.0), (0.9, 4.0), (1.0, 10.0)))


def drawn(delay: Delay, count: int = 5000) -> list[float]:
    rng = random.Random(1)
    return sorted(draw(delay, rng) for _ in range(count))


def test_a_number_is_a_fixed_time() -> None:
    assert drawn(0.25, 3) == [0.25] * 3


def test_uniform_lies_between_its_ends() -> None:
    times = drawn(Uniform(1.0, 3.0))
    assert 1.0 <= times[0] < 1.1
    assert 2.9 < times[-1] <= 3.0
    assert times[2500] == pytest.approx(2.0, abs=0.1)


def test_normal_is_never_below_zero() -> None:
    times = drawn(Normal(0.1, 0.1))
    assert times[0] == 0.0
    assert times[2500] == pytest.approx(0.1, abs=0.01)


def test_lognormal_has_its_median_and_its_tail() -> None:
    times = drawn(Lognormal(0.1, 1.0))
    assert times[2500] == pytest.approx(0.1, rel=0.1)
    assert times[4950] == pytest.approx(1.0, rel=0.25)


def test_percentiles_are_met_with_straight_lines_between_them() -> None:
    times = drawn(TABLE)
    assert 1.0 <= times[0] < times[-1] <= 10.0
    assert times[2500] == pytest.approx(2.0, rel=0.05)
    assert times[4500] == pytest.approx(4.0, rel=0.1)
    assert times[1250] == pytest.approx(1.5, rel=0.05)


def test_the_same_seed_gives_the_same_times() -> None:
    assert drawn(TABLE, 10) == drawn(TABLE, 10)
