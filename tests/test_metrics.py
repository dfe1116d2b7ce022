"""Metrics: published numbers, an oracle, and the coverage that the interval claims."""

import numpy as np
import pytest
from scipy.stats import binomtest

from nice_anomaly.metrics import Rate, auroc


def test_the_intervals_of_the_exercise() -> None:
    assert Rate(110, 10_000).interval == pytest.approx((0.0090, 0.0132), abs=5e-5)
    assert Rate(24, 10_000).interval == pytest.approx((0.0015, 0.0036), abs=5e-5)


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 7), (84, 10_000)])
def test_interval_is_that_of_scipy(count: int, n: int) -> None:
    expected = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert Rate(count, n).interval == pytest.approx((expected.low, expected.high))


def test_no_errors_in_n_gives_the_rule_of_three() -> None:
    low, high = Rate(0, 10_000).interval
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 10_000))


def test_the_interval_covers_at_least_as_often_as_it_says() -> None:
    p, n = 0.011, 1_000
    intervals = {c: Rate(int(c), n).interval for c in range(60)}
    counts = np.random.default_rng(0).binomial(n, p, 20_000)
    covered = np.mean([intervals[int(c)][0] <= p <= intervals[int(c)][1] for c in counts])
    assert covered >= 0.95


def test_auroc_by_hand() -> None:
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
    assert auroc(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert auroc(np.array([1.0, 3.0]), np.array([2.0, 0.0])) == 0.75
