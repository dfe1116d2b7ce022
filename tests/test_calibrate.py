"""Calibration and detection: hand-computed numbers, the border, and what the rule is worth."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from nice_anomaly.calibrate import (
    RULES,
    Calibration,
    Certified,
    Conformal,
    Manual,
    Quantile,
    Rule,
    Sigma,
    Tail,
    calibrate,
)
from nice_anomaly.detect import detect
from nice_anomaly.errors import ConfigError, DataError


def sigma(*scores: float, k: float = 3) -> Calibration:
    return calibrate(np.array(scores, dtype=float), Sigma(k), fingerprint="weights")


def test_mean_and_std_by_hand() -> None:
    """Scores 2, 4, 4, 4, 5, 5, 7, 9: mean 5, variance 32 / 7 with n - 1."""
    calibration = sigma(9, 2, 4, 5, 4, 7, 4, 5)
    assert calibration.everyone.mean == 5
    assert calibration.everyone.std == pytest.approx(math.sqrt(32 / 7))
    assert calibration.threshold == pytest.approx(5 - 3 * math.sqrt(32 / 7))
    assert calibration.scores.tolist() == [2, 4, 4, 4, 5, 5, 7, 9]
    assert (calibration.n, calibration.everyone.flagged) == (8, 0)
    assert calibration.rule.claimed_rate is None


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
            detect(rng.normal(size=20), calibrate(rng.normal(size=99), Sigma())).p_value
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
    calibration = calibrate(-rng.chisquare(dimensions, 400_000) / 2, Sigma())
    fresh = detect(-rng.chisquare(dimensions, 400_000) / 2, calibration)
    assert fresh.flagged.mean() == pytest.approx(expected, abs=0.0008)
    assert fresh.flagged.mean() > 1.3 * norm.cdf(-3)


RULES_AND_TAILS: list[tuple[Rule, Tail]] = [
    (rule, tail)
    for rule in (Certified(0.05, 0.9), Conformal(0.05), Quantile(0.05))
    for tail in ("low", "both")
]


@pytest.mark.parametrize(("rule", "tail"), RULES_AND_TAILS)
@pytest.mark.parametrize("n", [97, 100, 1_000])
def test_thresholds_are_the_scores_whose_ranks_they_say(rule: Rule, tail: Tail, n: int) -> None:
    """On the scores 1 … n the k-th smallest is k, the k-th largest n + 1 - k; k - 1 lie beyond."""
    found = calibrate(np.random.default_rng(0).permutation(n) + 1.0, rule, tail=tail)
    k = found.everyone.bounds.rank
    assert found.threshold == k
    assert found.ceiling == (n + 1 - k if tail == "both" else math.inf)
    assert found.everyone.flagged == (k - 1) * (2 if tail == "both" else 1)


@pytest.mark.parametrize("tail", ["low", "both"])
@pytest.mark.parametrize("n", [19, 39, 200, 999])
def test_conformal_flags_what_has_a_p_value_of_at_most_alpha(n: int, tail: Tail) -> None:
    """With ties and infinite scores too, and for α that binary numbers miss, like 0.29."""
    rng = np.random.default_rng(n)
    scores = np.round(rng.normal(size=n), 1)
    scores[:3] = -np.inf
    new = np.concatenate([np.round(rng.normal(size=500) * 3, 1), [-np.inf, np.inf]])
    for alpha in (0.1, 0.29, 0.3, 0.58):
        found = detect(new, calibrate(scores, Conformal(alpha), tail=tail))
        assert not np.isnan(found.margin).any()
        assert (found.flagged == (found.p_value <= alpha * (1 + 1e-12))).all()


def test_two_tails_by_hand() -> None:
    """Scores 1 … 9, α = 0.4: k = 4, two on each side, so 2 … 8 pass; p = 2 · min(low, high)."""
    calibration = calibrate(np.arange(1.0, 10), Conformal(0.4), tail="both")
    assert (calibration.threshold, calibration.ceiling) == (2, 8)
    found = detect(np.array([0.0, 1, 2, 5, 8, 9, 99]), calibration)
    assert found.p_value.tolist() == pytest.approx([0.2, 0.4, 0.6, 1, 0.6, 0.4, 0.2])
    assert found.flagged.tolist() == [True, True, False, False, False, True, True]
    assert found.margin.tolist() == [-2, -1, 0, 3, 0, -1, -91]


def test_two_sigmas_and_thresholds_by_hand() -> None:
    both = calibrate(np.array([-3.0, -2, -1]), Sigma(2), tail="both")
    assert (both.threshold, both.ceiling, both.k) == (-4, 0, 2)
    manual = calibrate(np.array([1.0, 2, 3, 4]), Manual(1.5, 3.5), tail="both")
    assert (manual.everyone.flagged, manual.k, manual.rule.claimed_rate) == (2, None, None)


DRAWS = {  # scores that rules must not care about the shape of
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(1.5, size=size),
    "ties": lambda rng, size: np.floor(rng.exponential(20, size=size)),
    "often -inf": lambda rng, size: np.where(
        rng.random(size) < 0.02, -np.inf, rng.normal(size=size)
    ),
}


@pytest.mark.parametrize("tail", ["low", "both"])
@pytest.mark.parametrize("law", DRAWS)
def test_a_certified_rate_is_exceeded_as_seldom_as_promised(law: str, tail: Tail) -> None:
    """2,000 calibrations of 1,000; the true rate of each from the law's 400,000 sorted draws."""
    rng = np.random.default_rng(0)
    population = np.sort(DRAWS[law](rng, 400_000))
    alpha, failed = 0.05, 0
    for _ in range(2_000):
        bounds = calibrate(rng.choice(population, 1_000), Certified(alpha), tail=tail)
        low = np.searchsorted(population, bounds.threshold, side="left")
        high = len(population) - np.searchsorted(population, bounds.ceiling, side="right")
        failed += (low + high) / len(population) > alpha
    assert failed / 2_000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2_000)


def test_what_the_other_rules_do_on_the_same_draws() -> None:
    """True rates of 2,000 calibrations of 999 uniform scores, α = 5 %: rate = threshold.

    Conformal has the mean α and exceeds it about every other time; the quantile the same; so
    does mean - kσ with the k that is right for uniform scores, but without a promise.
    """
    rng = np.random.default_rng(0)
    draws = rng.random((2_000, 999))
    conformal = np.array([calibrate(row, Conformal(0.05)).threshold for row in draws])
    quantile = np.array([calibrate(row, Quantile(0.05)).threshold for row in draws])
    spread = 4 * math.sqrt(0.05 * 0.95 / 1_000 / 2_000)
    assert abs(conformal.mean() - 0.05) < spread
    assert abs(quantile.mean() - 0.05) < spread + 0.001
    for rates in (conformal, quantile):
        assert 0.4 < (rates > 0.05).mean() < 0.55


def test_the_group_rule_holds_in_every_group() -> None:
    """Three groups whose scores differ in place and width, 2,000 calibrations each."""
    rng = np.random.default_rng(0)
    shift, width = {"a": 0.0, "b": 5.0, "c": -9.0}, {"a": 1.0, "b": 0.1, "c": 30.0}
    names = np.repeat(["a", "b", "c"], [100, 200, 400])
    failed = dict.fromkeys(shift, 0)
    places = np.array([shift[name] for name in names])
    widths = np.array([width[name] for name in names])
    for _ in range(2_000):
        uniform = rng.random(len(names))
        found = calibrate(places + widths * uniform, Certified(0.05), groups=names.tolist())
        for name in shift:
            rate = (found.group_of(name).bounds.low - shift[name]) / width[name]
            failed[name] += rate > 0.05
    for count in failed.values():
        assert count / 2_000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2_000)
    together = [calibrate(places + widths * rng.random(700), Certified(0.05)) for _ in range(20)]
    assert all(one.threshold < shift["a"] for one in together)  # "c" pays for all others


def test_small_groups_are_merged_or_stay_without_a_promise() -> None:
    rng = np.random.default_rng(0)
    names = ["big"] * 300 + ["s1"] * 40 + ["s2"] * 30 + [None] * 10
    scores = rng.normal(size=len(names))
    merged = calibrate(scores, Certified(0.05), groups=names)
    assert [(g.name, g.members, g.n) for g in merged.groups] == [
        ("big", ("big",), 300),
        ("(small groups)", ("s1", "s2"), 70),
    ]
    assert merged.alone == ()
    assert merged.group_of("s2") is merged.groups[1]
    assert merged.group_of(None) is merged.group_of("never seen") is merged.everyone
    alone = calibrate(scores, Certified(0.02), groups=names)
    assert [g.name for g in alone.groups] == ["big"]
    assert alone.alone == ("s1", "s2")
    found = detect(np.zeros(4), merged, ["big", "s1", None, "new"])
    assert found.groups == ("big", "(small groups)", "(all)", "(all)")
    alone_p = [detect(np.zeros(1), merged, [name]).p_value[0] for name in ("big", "s1", None)]
    assert found.p_value.tolist() == [*alone_p, alone_p[-1]]
    with pytest.raises(DataError, match=r"none of the 3 groups is large enough: the largest has 3"):
        calibrate(scores, Certified(0.0085), groups=names)


@pytest.mark.parametrize("rule", [*RULES_AND_TAILS, (Manual(0.0), "low"), (Sigma(), "both")])
def test_scores_come_in_any_order(rule: tuple[Rule, Tail]) -> None:
    scores = np.random.default_rng(0).normal(size=200)
    one = calibrate(scores, rule[0], tail=rule[1])
    other = calibrate(scores[::-1].copy(), rule[0], tail=rule[1])
    assert one.everyone.bounds == other.everyone.bounds


def test_every_rule_is_found_by_its_name() -> None:
    assert {name: rule.name for name, rule in RULES.items()} == {name: name for name in RULES}


@pytest.mark.parametrize("tail", ["low", "both"])
@pytest.mark.parametrize("rule", [Certified(0.05), Conformal(0.05), Quantile(0.05), Sigma()])
def test_the_fewest_are_enough_and_one_less_is_refused(rule: Rule, tail: Tail) -> None:
    scores = np.arange(1.0, rule.fewest(tail) + 1)
    assert calibrate(scores, rule, tail=tail).threshold <= scores[-1]
    with pytest.raises(DataError, match=f"at least {len(scores)} normal samples.*, got"):
        calibrate(scores[:-1], rule, tail=tail)


def test_the_rate_that_a_refusal_offers_is_accepted() -> None:
    scores = np.arange(1.0, 101)
    for rule in (Certified(0.01, 0.95), Conformal(0.001)):
        for tail in ("low", "both"):
            with pytest.raises(DataError, match="100 can support --alpha") as refused:
                calibrate(scores, rule, tail=tail)
            offer = float(str(refused.value).split("--alpha ")[1].split(". ")[0])
            calibrate(scores, type(rule)(offer), tail=tail)


@pytest.mark.parametrize(
    ("rule", "scores", "message"),
    [
        (Sigma(), [], "at least 2 normal samples, got 0"),
        (Sigma(), [1.0], "at least 2 normal samples, got 1"),
        (Sigma(), [1.0, 1.0, 1.0], "all 3 calibration scores are equal"),
        (Conformal(0.5), [1.0, 1.0, 1.0], "all 3 calibration scores are equal"),
        (Sigma(), [1.0, -math.inf], "1 of 2 calibration scores are not finite"),
        (Sigma(), [1.0, math.nan, 2.0], "1 of 3 calibration scores are not finite"),
        (Conformal(0.5), [1.0, math.nan, 2.0], "1 of 3 calibration scores are not finite"),
        (Conformal(0.5), [1.0, math.inf, 2.0], "1 of 3 calibration scores are not finite"),
    ],
)
def test_scores_without_a_threshold_in_them_are_refused(
    rule: Rule, scores: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        calibrate(np.array(scores), rule)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_a_rate_is_a_rate(value: float) -> None:
    for wrong in (
        lambda: Certified(value),
        lambda: Certified(0.1, value),
        lambda: Conformal(value),
        lambda: Quantile(value),
    ):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            wrong()
