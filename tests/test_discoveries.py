"""Discoveries: the known procedures, and the rate they promise."""

import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from nice_anomaly.errors import ConfigError
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Discoveries, Sigma, at_level, calibrate, detect
from nice_anomaly.thresholds.discoveries import Method
from nice_anomaly.vocabulary import Tail


@pytest.mark.parametrize("method", ["bh", "by"])
@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.3])
def test_it_flags_what_scipy_flags(method: Method, fdr: float) -> None:
    """On 200 batches of p-values i / (n + 1) with many ties, some of them very small."""
    rng = np.random.default_rng(0)
    flagged = 0
    for _ in range(200):
        n, m = rng.integers(5, 2_000), rng.integers(1, 300)
        p = rng.integers(1, n + 2, m) / (n + 1)
        p[: rng.integers(0, m + 1)] = 1 / (n + 1)
        found = p <= Discoveries(fdr, method).level(p)
        assert (found == (false_discovery_control(p, method=method) <= fdr)).all()
        flagged += found.sum()
    assert flagged


def test_nothing_is_flagged_where_nothing_is_odd_or_there() -> None:
    assert Discoveries(0.1).level(np.array([0.5, 0.9])) == 0
    assert Discoveries(0.1).level(np.array([])) == 0


@pytest.mark.parametrize("tail", ["low", "both"])
def test_thresholds_say_the_same_as_the_level(tail: Tail) -> None:
    """Flagged below the moved thresholds is flagged up to the level, in every group."""
    rng = np.random.default_rng(0)
    groups = ["a"] * 300 + ["b"] * 100 + [None] * 100
    for _ in range(50):
        scores = Scores(np.round(rng.normal(size=500), 1))
        new = Scores(np.round(rng.normal(size=500) * rng.choice([1, 3], 500), 1))
        calibration = calibrate(scores, Sigma(), tail=tail, groups=groups)
        p = detect(new, calibration, groups).p_value
        rule = Discoveries(0.2)
        level = rule.level(p)
        moved = at_level(calibration, rule, level)
        assert (detect(new, moved, groups).flagged == (p <= level)).all()


@pytest.mark.parametrize("method", ["bh", "by"])
@pytest.mark.parametrize("tail", ["low", "both"])
def test_the_share_of_false_alarms_among_the_flagged_is_as_promised(
    method: Method, tail: Tail
) -> None:
    """1,000 batches of 100 with 20 anomalies, each with 500 calibration scores of its own."""
    rng = np.random.default_rng(0)
    fdr, shares, found = 0.2, [], []
    rule = Discoveries(fdr, method)
    for _ in range(1_000):
        calibration = calibrate(Scores(rng.normal(size=500)), Sigma(), tail=tail)
        odd = rng.normal(-3, 1, 20) * rng.choice([1, -1] if tail == "both" else [1], 20)
        new = np.concatenate([rng.normal(size=80), odd])
        p = detect(Scores(new), calibration).p_value
        flagged = p <= rule.level(p)
        shares.append(flagged[:80].sum() / max(1, flagged.sum()))
        found.append(flagged[80:].mean())
    assert np.mean(shares) < fdr + 3 * np.std(shares) / math.sqrt(1_000)
    assert np.mean(found) > (0.5 if method == "bh" else 0.2)  # it is not by flagging nothing
    if (method, tail) == ("bh", "low"):
        assert abs(np.mean(shares) - 0.8 * fdr) < 0.02  # BH is exact: q times the share of normals


CROWDS = [(99, 10), (99, 50), (1_000, 10_000), (50, 500), (9, 5)]  # calibration scores, samples


@pytest.mark.parametrize("method", ["bh", "by"])
@pytest.mark.parametrize(("n", "m"), CROWDS)
def test_the_fewest_discoveries_are_enough_and_one_less_is_not(
    method: Method, n: int, m: int
) -> None:
    """That many samples more extreme than all n are flagged; one less is not."""
    rule, least = Discoveries(0.05, method), 1 / (n + 1)
    fewest = rule.fewest(least, m)
    assert fewest >= 1
    for count, expected in ((fewest, True), (fewest - 1, False)):
        if 0 < count <= m:
            p = np.ones(m)
            p[:count] = least
            assert (rule.level(p) > 0) == expected, count
    if fewest > m:
        assert rule.level(np.full(m, least)) == 0


def test_the_crowds_above_are_of_every_sort() -> None:
    """One discovery possible, several needed, none possible: the law above has met them all."""
    fewest = [(Discoveries(0.05).fewest(1 / (n + 1), m), m) for n, m in CROWDS]
    assert any(1 < count <= m for count, m in fewest)
    assert any(count > m for count, m in fewest)
    assert Discoveries(0.05).fewest(1 / 1_001, 10) == 1


REMARKS: dict[str, tuple[int, int, Tail, Discoveries, list[str]]] = {  # scores, samples
    "a single one": (
        999,
        10,
        "low",
        Discoveries(0.1),
        [
            "note: with 999 calibration scores and 10 samples a single one can be flagged at "
            "`fdr=0.1`"
        ],
    ),
    "several or none": (
        999,
        10_000,
        "low",
        Discoveries(0.1),
        [
            "note: with 999 calibration scores and 10,000 samples at least 100 are flagged at "
            "`fdr=0.1`, or none; 99,999 calibration normals would allow a single one"
        ],
    ),
    "nothing can be": (
        9,
        5,
        "low",
        Discoveries(0.05),
        [
            "note: with 9 calibration scores and 5 samples nothing can be flagged at `fdr=0.05`, "
            "however odd: a single one takes 99 calibration normals. Calibrate with more, "
            "`calibrate(inputs)`, choose a higher `fdr`, or leave it away: the threshold holds for "
            "each sample by itself"
        ],
    ),
    "both tails": (
        999,
        10,
        "both",
        Discoveries(0.1),
        [
            "note: for both tails the proof of this procedure does not reach; `by=True` has one",
            "note: with 999 calibration scores and 10 samples a single one can be flagged at "
            "`fdr=0.1`",
        ],
    ),
    "both tails under any dependence": (
        999,
        10,
        "both",
        Discoveries(0.1, "by"),
        [
            "note: with 999 calibration scores and 10 samples a single one can be flagged at "
            "`fdr=0.1`"
        ],
    ),
    "no samples": (999, 0, "both", Discoveries(0.1), []),
}


@pytest.mark.parametrize("case", REMARKS)
def test_what_discoveries_can_be_is_said_beforehand(case: str) -> None:
    n, m, tail, rule, expected = REMARKS[case]
    calibration = calibrate(Scores(np.arange(float(n))), Sigma(), tail=tail)
    assert list(rule.remarks(calibration, m)) == expected


@pytest.mark.parametrize(
    ("rule", "m", "tail", "expected"),
    [
        (Discoveries(0.01), 100, "low", 9_999),  # 1 / (n + 1) ≤ 0.01 / 100
        (Discoveries(0.01), 100, "both", 19_999),  # 2 / (n + 1) ≤ 0.01 / 100
        (Discoveries(0.1, "by"), 3, "low", 54),  # 1 / (n + 1) ≤ 0.1 / 3 / (1 + 1/2 + 1/3)
        (Discoveries(0.5), 1, "low", 1),
    ],
)
def test_so_many_normals_allow_one_discovery_and_one_less_does_not(
    rule: Discoveries, m: int, tail: Tail, expected: int
) -> None:
    sides = 2 if tail == "both" else 1
    assert rule.normals_for_one(m, tail) == expected
    assert rule.fewest(sides / (expected + 1), m) == 1
    assert expected == 1 or rule.fewest(sides / expected, m) > 1


@pytest.mark.parametrize("fdr", [0.0, 1.0, -1.0, math.nan])
def test_a_share_is_a_share(fdr: float) -> None:
    with pytest.raises(ConfigError, match=r"^`fdr` takes a share between 0 and 1"):
        Discoveries(fdr)
