"""Calibration and detection: hand-computed numbers, the border, and what the rule is worth."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from nice_anomaly.calibrate import Calibration, calibrate_sigma
from nice_anomaly.detect import detect
from nice_anomaly.errors import DataError


def sigma(*scores: float, k: float = 3) -> Calibration:
    return calibrate_sigma(np.array(scores, dtype=float), k, "weights")


def test_mean_and_std_by_hand() -> None:
    """Scores 2, 4, 4, 4, 5, 5, 7, 9: mean 5, variance 32 / 7 with n - 1."""
    calibration = sigma(9, 2, 4, 5, 4, 7, 4, 5)
    assert calibration.mean == 5
    assert calibration.std == pytest.approx(math.sqrt(32 / 7))
    assert calibration.threshold == pytest.approx(5 - 3 * math.sqrt(32 / 7))
    assert calibration.scores.tolist() == [2, 4, 4, 4, 5, 5, 7, 9]
    assert (calibration.n, calibration.flagged) == (8, 0)
    assert calibration.claimed_rate is None


def test_flagged_means_strictly_below() -> None:
    calibration = sigma(-1, 1, k=1 / math.sqrt(2))  # mean 0, std √2: the threshold is -1
    assert calibration.threshold == pytest.approx(-1, abs=1e-15)
    at = calibration.threshold
    found = detect(np.array([np.nextafter(at, -9), at, np.nextafter(at, 9)]), calibration)
    assert found.flagged.tolist() == [True, False, False]
    assert found.margin[1] == 0


def test_p_values_count_scores_at_or_below_and_never_exceed_one() -> None:
    found = detect(np.array([0.5, 1, 2, 2.5, 9, -np.inf, np.inf]), sigma(1, 2, 2, 3))
    assert found.p_value.tolist() == pytest.approx([1 / 5, 2 / 5, 4 / 5, 4 / 5, 1, 1 / 5, 1])


def test_p_values_of_normal_samples_are_super_uniform() -> None:
    """P(p ≤ α) ≤ α over calibration sets and samples; with n = 99 it is exactly α at α = i/100."""
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [
            detect(rng.normal(size=20), calibrate_sigma(rng.normal(size=99), 3, "")).p_value
            for _ in range(2_000)
        ]
    )
    for alpha in (0.01, 0.05, 0.5):
        spread = 5 * math.sqrt(alpha / 2_000)  # 2,000 independent calibration sets
        assert abs((p <= alpha + 1e-12).mean() - alpha) < spread


@pytest.mark.parametrize(("dimensions", "expected"), [(2, 0.0183), (10, 0.0093), (784, 0.0020)])
def test_three_sigma_is_not_what_the_normal_table_says(dimensions: int, expected: float) -> None:
    """A perfect Gaussian flow's scores are -χ²(d)/2: skewed, the more the smaller d."""
    rng = np.random.default_rng(0)
    calibration = calibrate_sigma(-rng.chisquare(dimensions, 400_000) / 2, 3, "")
    fresh = detect(-rng.chisquare(dimensions, 400_000) / 2, calibration)
    assert fresh.flagged.mean() == pytest.approx(expected, abs=0.0008)
    assert fresh.flagged.mean() > 1.3 * norm.cdf(-3)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "at least 2 normal samples, got 0"),
        ([1.0], "at least 2 normal samples, got 1"),
        ([1.0, 1.0, 1.0], "all 3 calibration scores are equal"),
        ([1.0, -math.inf], "1 of 2 calibration scores are not finite"),
        ([1.0, math.nan, 2.0], "1 of 3 calibration scores are not finite"),
    ],
)
def test_scores_without_a_threshold_in_them_are_refused(scores: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        sigma(*scores)
