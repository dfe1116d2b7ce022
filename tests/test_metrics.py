"""Metrics: published numbers, the definitions, and the coverage that the interval claims."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from nice_anomaly.metrics import Rate, auprc, auroc, fpr_at_95_tpr


def test_the_intervals_of_the_exercise() -> None:
    assert Rate(110, 10_000).interval == pytest.approx((0.0090, 0.0132), abs=5e-5)
    assert Rate(24, 10_000).interval == pytest.approx((0.0015, 0.0036), abs=5e-5)


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 7), (84, 10_000)])
def test_the_interval_ends_where_the_count_becomes_improbable(count: int, n: int) -> None:
    """Clopper & Pearson: at either end the count or more, or less, has a probability of 2.5 %."""
    low, high = Rate(count, n).interval
    assert low == 0 if count == 0 else binom.sf(count - 1, n, low) == pytest.approx(0.025)
    assert high == 1 if count == n else binom.cdf(count, n, high) == pytest.approx(0.025)


def test_no_errors_in_n_gives_the_rule_of_three() -> None:
    low, high = Rate(0, 10_000).interval
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 10_000))


def test_the_interval_covers_at_least_as_often_as_it_says() -> None:
    p, n = 0.011, 1_000
    intervals = {c: Rate(int(c), n).interval for c in range(60)}
    counts = np.random.default_rng(0).binomial(n, p, 20_000)
    covered = np.mean([intervals[int(c)][0] <= p <= intervals[int(c)][1] for c in counts])
    assert 0.95 <= covered < 0.975  # and it is not by being wide


def test_a_rate_of_hits_counts_them() -> None:
    rate = Rate.of(np.array([True, False, False, True, False]))
    assert rate == Rate(2, 5)
    assert rate.value == 0.4
    assert type(rate.count) is int


def test_the_record_of_a_rate_is_plain_json() -> None:
    record = Rate(2, 5).record("type_i")
    assert record == {"type_i": 0.4, "type_i_interval": list(Rate(2, 5).interval)}
    assert json.loads(json.dumps(record)) == record


PAIRS = {  # normal and anomalous scores, and P(a normal one is higher), ties counting half
    "apart": ([2.0, 3.0], [0.0, 1.0], 1.0),
    "the wrong way round": ([0.0, 1.0], [2.0, 3.0], 0.0),
    "ties": ([1.0, 1.0], [1.0], 0.5),
    "mixed": ([1.0, 3.0], [2.0, 0.0], 0.75),
    "one of each": ([1.0], [0.0], 1.0),
}


@pytest.mark.parametrize("case", PAIRS)
def test_auroc_by_hand(case: str) -> None:
    normal, anomalous, expected = PAIRS[case]
    assert auroc(np.array(normal), np.array(anomalous)) == expected


def test_auprc_by_hand() -> None:
    """From the lowest score on: anomaly, normal, anomaly, so ½ · 1/1 + ½ · 2/3."""
    assert auprc(np.array([2.0, 9.0]), np.array([1.0, 3.0])) == pytest.approx(1 / 2 + 1 / 3)
    assert auprc(np.array([5.0, 6.0]), np.array([1.0, 2.0])) == 1


@pytest.mark.parametrize(
    ("anomalies", "expected"),
    [(20, 0.19), (21, 0.20), (1, 0.01)],  # 95 % of 20 are 19, of 21 they are 20, of 1 it is 1
)
def test_the_false_alarms_at_95_percent_found_by_hand(anomalies: int, expected: float) -> None:
    """Normal scores 1 … 100, anomalies 1 … m: the threshold is the last anomaly that is needed."""
    scores = np.arange(1.0, 101)
    assert fpr_at_95_tpr(scores, scores[:anomalies]) == expected
