"""Ranks: golden values, the definition itself, and the law that they stand on."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import beta, binom

from nice_anomaly.thresholds import ranks

GOLDEN = {  # α: {n: k} at 95 %
    0.01: {298: 0, 299: 1, 1_000: 5, 5_000: 39, 6_000: 48, 10_000: 84},
    0.05: {1_000: 39, 5_000: 225, 6_000: 272, 10_000: 464},
    0.001: {2_994: 0, 2_995: 1, 5_000: 2},
}


@pytest.mark.parametrize("alpha", GOLDEN)
def test_certified_ranks_are_the_known_ones(alpha: float) -> None:
    assert {n: ranks.certified_rank(n, alpha, 0.95) for n in GOLDEN[alpha]} == GOLDEN[alpha]


@pytest.mark.parametrize("n", [1, 2, 7, 59, 100, 1_234, 1_000_000])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("confidence", [0.01, 0.5, 0.95, 0.999])
def test_a_certified_rank_is_the_largest_that_keeps_its_promise(
    n: int, alpha: float, confidence: float
) -> None:
    """By the Beta law itself, which the code does not use."""
    k = ranks.certified_rank(n, alpha, confidence)
    risk = 1 - confidence
    assert k == 0 or beta.sf(alpha, k, n + 1 - k) <= risk * (1 + 1e-9)
    assert k == n or beta.sf(alpha, k + 1, n - k) > risk * (1 - 1e-9)


def test_small_cases_by_hand() -> None:
    """n = 1: P(Beta(1, 1) > α) = 1 - α ≤ ½ needs α ≥ ½. n = 2, k = 1: (1 - α)² ≤ ½."""
    assert [ranks.certified_rank(1, a, 0.5) for a in (0.49, 0.5)] == [0, 1]
    assert [ranks.certified_rank(2, a, 0.5) for a in (0.29, 0.2930)] == [0, 1]


@pytest.mark.parametrize("n", [1, 9, 99, 999, 12_345])
@pytest.mark.parametrize("alpha", [0.01, 0.07, 0.29, 0.3, 0.57, 0.999])
def test_conformal_ranks_take_a_rate_as_it_is_written(alpha: float, n: int) -> None:
    assert ranks.conformal_rank(n, alpha) == math.floor(Fraction(str(alpha)) * (n + 1))


@pytest.mark.parametrize("n", [1, 9, 100, 12_345])
@pytest.mark.parametrize("alpha", [0.01, 0.07, 0.29, 0.3, 0.57, 0.999])
def test_a_quantile_leaves_at_most_its_share_of_the_scores_below(alpha: float, n: int) -> None:
    """k - 1 ≤ α n < k in exact fractions, with α as it is written."""
    k = ranks.quantile_rank(n, alpha)
    assert k - 1 <= Fraction(str(alpha)) * n < k


@pytest.mark.parametrize("sides", [1, 2, 20])
@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.3])
def test_the_fewest_are_the_fewest(alpha: float, sides: int) -> None:
    n = ranks.fewest_certified(alpha, 0.95, sides)
    assert ranks.certified_rank(n, alpha, 0.95) >= sides > ranks.certified_rank(n - 1, alpha, 0.95)
    n = ranks.fewest_conformal(alpha, sides)
    assert ranks.conformal_rank(n, alpha) >= sides > ranks.conformal_rank(n - 1, alpha)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("n", [5, 299, 40_000])
def test_the_smallest_rate_is_just_possible(n: int, sides: int) -> None:
    rate = ranks.smallest_rate(n, 0.95, sides)
    assert ranks.certified_rank(n, rate * (1 + 1e-9), 0.95) >= sides
    assert ranks.certified_rank(n, rate * (1 - 1e-6), 0.95) < sides
    assert rate <= ranks.rounded_up(rate) < 1.1 * rate


@pytest.mark.parametrize(("n", "k", "alpha"), [(99, 1, 0.01), (999, 10, 0.01), (50, 50, 0.9)])
def test_the_share_above_is_that_of_too_few_scores_in_the_share_below(
    n: int, k: int, alpha: float
) -> None:
    """P(Beta(k, n + 1 - k) > α) = P(Binomial(n, α) < k), which is what the code does not use."""
    assert ranks.share_above(n, k, alpha) == pytest.approx(binom.cdf(k - 1, n, alpha))
    assert ranks.share_above(n, 0, alpha) == 0


def test_the_law_of_the_rate_is_beta() -> None:
    """P(U < U_(k)) = U_(k) for uniform scores: 4,000 draws of it against the stated interval."""
    draws = np.sort(np.random.default_rng(0).random((4_000, 200)), axis=1)[:, 9]
    mean, (low, high) = ranks.true_rate(200, 10)
    assert abs(draws.mean() - mean) < 4 * draws.std() / math.sqrt(4_000)
    inside = ((draws > low) & (draws < high)).mean()
    assert abs(inside - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4_000)
    assert ranks.true_rate(200, 0) == (0.0, (0.0, 0.0))
