"""Calibration and detection: hand-computed numbers, the border, and what the rule is worth."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.scores import Origin, Scores
from nice_anomaly.settings import CalibrateSettings
from nice_anomaly.thresholds import (
    RULES,
    Bounds,
    Calibration,
    Certified,
    Conformal,
    Manual,
    Quantile,
    Rule,
    Sigma,
    calibrate,
    choose,
    detect,
    ranks,
    tail_of,
)
from nice_anomaly.vocabulary import RuleName, Tail

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def scored(*values: float) -> Scores:
    return Scores(np.array(values, dtype=float))


def sigma(*scores: float, k: float = 3) -> Calibration:
    return calibrate(scored(*scores), Sigma(k))


def test_mean_and_std_by_hand() -> None:
    """Scores 2, 4, 4, 4, 5, 5, 7, 9: mean 5, variance 32 / 7 with n - 1."""
    calibration = sigma(9, 2, 4, 5, 4, 7, 4, 5)
    assert calibration.overall.mean == 5
    assert calibration.overall.std == pytest.approx(math.sqrt(32 / 7))
    assert calibration.threshold == pytest.approx(5 - 3 * math.sqrt(32 / 7))
    assert calibration.scores.tolist() == [2, 4, 4, 4, 5, 5, 7, 9]
    assert (calibration.n, calibration.overall.flagged) == (8, 0)
    assert calibration.rule.claimed_rate is None


def test_one_score_has_no_spread() -> None:
    alone = calibrate(scored(7), Manual(5.0)).overall
    assert (alone.n, alone.mean, alone.std, alone.flagged) == (1, 7, 0, 0)


def test_flagged_means_strictly_below() -> None:
    calibration = sigma(-1, 1, k=1 / math.sqrt(2))  # mean 0, std √2: the threshold is -1
    assert calibration.threshold == pytest.approx(-1, abs=1e-15)
    at = calibration.threshold
    found = detect(scored(np.nextafter(at, -9), at, np.nextafter(at, 9)), calibration)
    assert found.flagged.tolist() == [True, False, False]
    assert found.margin[1] == 0


def test_p_values_count_scores_at_or_below_and_never_exceed_one() -> None:
    found = detect(scored(0.5, 1, 2, 2.5, 9, -np.inf, np.inf), sigma(1, 2, 2, 3))
    assert found.p_value.tolist() == pytest.approx([1 / 5, 2 / 5, 4 / 5, 4 / 5, 1, 1 / 5, 1])


def test_p_values_of_normal_samples_are_super_uniform() -> None:
    """P(p ≤ α) ≤ α over calibration sets and samples; with n = 99 it is exactly α at α = i/100."""
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [
            detect(scored(*rng.normal(size=20)), calibrate(Scores(normals), Sigma())).p_value
            for normals in rng.normal(size=(2_000, 99))
        ]
    )
    for alpha in (0.01, 0.05, 0.5):
        spread = 5 * math.sqrt(alpha / 2_000)  # 2,000 independent calibration sets
        assert abs((p <= alpha + 1e-12).mean() - alpha) < spread, alpha


@pytest.mark.parametrize("tail", ["low", "both"])
def test_the_smallest_p_value_is_that_of_what_is_beyond_all_scores(tail: Tail) -> None:
    calibration = calibrate(scored(*range(9)), Sigma(), tail=tail)
    least = calibration.smallest_p_value
    assert least == {"low": 0.1, "both": 0.2}[tail]
    assert detect(scored(-99, 99), calibration).p_value.tolist() == [
        least,
        {"low": 1.0, "both": least}[tail],
    ]


@pytest.mark.parametrize(("dimensions", "expected"), [(2, 0.0183), (10, 0.0093), (784, 0.0020)])
def test_three_sigma_is_not_what_the_normal_table_says(dimensions: int, expected: float) -> None:
    """A perfect Gaussian flow's scores are -χ²(d)/2: skewed, the more the smaller d."""
    rng = np.random.default_rng(0)
    calibration = calibrate(Scores(-rng.chisquare(dimensions, 400_000) / 2), Sigma())
    fresh = detect(Scores(-rng.chisquare(dimensions, 400_000) / 2), calibration)
    assert fresh.flagged.mean() == pytest.approx(expected, abs=0.0008)
    assert fresh.flagged.mean() > 1.3 * norm.cdf(-3)


RANKED: list[Rule] = [Certified(0.05, 0.9), Conformal(0.05), Quantile(0.05)]
EVERY: list[Rule] = [*RANKED, Sigma(), Manual(0.0)]
TAILS: list[Tail] = ["low", "both"]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Rule) else None


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("rule", RANKED, ids=named)
@pytest.mark.parametrize("n", [97, 100, 1_000])
def test_thresholds_are_the_scores_whose_ranks_they_say(rule: Rule, tail: Tail, n: int) -> None:
    """On the scores 1 … n the k-th smallest is k, the k-th largest n + 1 - k; k - 1 lie beyond."""
    scores = np.random.default_rng(0).permutation(n) + 1.0
    found = calibrate(Scores(scores), rule, tail=tail)
    k = found.overall.bounds.rank
    assert k >= 1
    assert found.threshold == found.k == k
    assert found.ceiling == (n + 1 - k if tail == "both" else math.inf)
    assert found.overall.flagged == (k - 1) * (2 if tail == "both" else 1)
    assert found.overall.bounds.left_out == k * (2 if tail == "both" else 1)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("n", [19, 39, 200, 999])
@pytest.mark.parametrize("alpha", [0.1, 0.29, 0.3, 0.58])
def test_conformal_flags_what_has_a_p_value_of_at_most_alpha(
    n: int, tail: Tail, alpha: float
) -> None:
    """With ties and infinite scores too, and for α that binary numbers miss, like 0.29."""
    rng = np.random.default_rng(n)
    scores: Array = np.round(rng.normal(size=n), 1)
    scores[:3] = -np.inf
    new = np.concatenate([np.round(rng.normal(size=500) * 3, 1), [-np.inf, np.inf]])
    found = detect(Scores(new), calibrate(Scores(scores), Conformal(alpha), tail=tail))
    assert not np.isnan(found.margin).any()
    assert found.flagged.any() or n == 19  # where the threshold may be -∞
    assert np.array_equal(found.flagged, found.p_value <= alpha * (1 + 1e-12))


def test_two_tails_by_hand() -> None:
    """Scores 1 … 9, α = 0.4: k = 4, two on each side, so 2 … 8 pass; p = 2 · min(low, high)."""
    calibration = calibrate(Scores(np.arange(1.0, 10)), Conformal(0.4), tail="both")
    assert (calibration.threshold, calibration.ceiling) == (2, 8)
    found = detect(scored(0, 1, 2, 5, 8, 9, 99), calibration)
    assert found.p_value.tolist() == pytest.approx([0.2, 0.4, 0.6, 1, 0.6, 0.4, 0.2])
    assert found.flagged.tolist() == [True, True, False, False, False, True, True]
    assert found.margin.tolist() == [-2, -1, 0, 3, 0, -1, -91]


def test_two_sigmas_and_thresholds_by_hand() -> None:
    both = calibrate(scored(-3, -2, -1), Sigma(2), tail="both")
    assert (both.threshold, both.ceiling, both.k) == (-4, 0, 2)
    manual = calibrate(scored(1, 2, 3, 4), Manual(1.5, 3.5), tail="both")
    assert (manual.overall.flagged, manual.k, manual.rule.claimed_rate) == (2, None, None)


# What a rule is worth, over 2,000 calibrations. The sorted rows are drawn at once, and the rank of
# each number of scores is looked up once; the rules are the real ones.


@pytest.fixture
def ranked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "certified_rank", cache(ranks.certified_rank))


def thresholds(rows: Array, rule: Rule, tail: Tail = "low") -> tuple[Array, Array]:
    """Those of every row of ``rows`` ``[m, n]``, each in increasing order; ``[m]`` each."""
    bounds = [rule.bounds(row, tail) for row in rows]
    return np.array([b.low for b in bounds]), np.array([b.high for b in bounds])


def too_often(failed: NDArray[np.bool_], share: float) -> bool:
    """Whether more calibrations failed than a ``share`` of them by chance."""
    return bool(failed.mean() >= share + 3 * math.sqrt(share * (1 - share) / len(failed)))


DRAWS: dict[str, Draw] = {  # scores that rules must not care about the shape of
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(1.5, size=size),
    "ties": lambda rng, size: np.floor(rng.exponential(20, size=size)),
    "often -inf": lambda rng, size: np.where(
        rng.random(size) < 0.02, -np.inf, rng.normal(size=size)
    ),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(
    ("law", "rule"),
    [
        pytest.param(law, rule, id=f"{law}-{rule.name}")
        for law in DRAWS
        for rule in EVERY
        if (law, rule.name) != ("often -inf", "sigma")  # refused: such scores have no mean
    ],
)
def test_a_calibration_has_the_bounds_of_its_rule_on_the_sorted_scores(
    law: str, rule: Rule, tail: Tail
) -> None:
    """What the simulations below rest on; the scores themselves come in any order."""
    rows = DRAWS[law](np.random.default_rng(0), (20, 300))
    for row in rows:
        expected = rule.bounds(np.sort(row), tail)
        assert calibrate(Scores(row), rule, tail=tail).overall.bounds == expected
        assert calibrate(Scores(row[::-1].copy()), rule, tail=tail).overall.bounds == expected


@pytest.mark.usefixtures("ranked_once")
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("law", DRAWS)
def test_a_certified_rate_is_exceeded_as_seldom_as_promised(law: str, tail: Tail) -> None:
    """2,000 calibrations of 1,000; the true rate of each from the law's 400,000 sorted draws."""
    rng, alpha = np.random.default_rng(0), 0.05
    population = np.sort(DRAWS[law](rng, (400_000,)))
    rows = population[np.sort(rng.integers(0, len(population), (2_000, 1_000)), axis=1)]
    low, high = thresholds(rows, Certified(alpha), tail)
    below = np.searchsorted(population, low, side="left")
    above = len(population) - np.searchsorted(population, high, side="right")
    rates = (below + above) / len(population)
    assert not too_often(rates > alpha, 0.05)
    if law in ("normal", "heavy tails"):
        assert (rates > alpha).mean() > 0.02  # and it is not by flagging hardly anything


def test_what_the_other_rules_do_on_the_same_draws() -> None:
    """True rates of 2,000 calibrations of 999 uniform scores, α = 5 %: rate = threshold.

    Conformal has the mean α and exceeds it about every other time; the quantile the same; so
    does mean - kσ with the k that is right for uniform scores, but without a promise.
    """
    rows = np.sort(np.random.default_rng(0).random((2_000, 999)), axis=1)
    conformal, _ = thresholds(rows, Conformal(0.05))
    quantile, _ = thresholds(rows, Quantile(0.05))
    right_for_uniform, _ = thresholds(rows, Sigma((0.5 - 0.05) * math.sqrt(12)))
    spread = 4 * math.sqrt(0.05 * 0.95 / 1_000 / 2_000)
    assert abs(conformal.mean() - 0.05) < spread
    assert abs(quantile.mean() - 0.05) < spread + 0.001
    assert abs(right_for_uniform.mean() - 0.05) < spread
    for rates in (conformal, quantile, right_for_uniform):
        assert 0.4 < (rates > 0.05).mean() < 0.55


GROUPS = {"a": (0.0, 1.0, 100), "b": (5.0, 0.1, 200), "c": (-9.0, 30.0, 400)}  # place, width, n


def grouped(rng: np.random.Generator) -> tuple[Array, list[str]]:
    """Scores of three groups that differ in place and width, in any order."""
    pieces = [place + width * rng.random(n) for place, width, n in GROUPS.values()]
    names = np.repeat([*GROUPS], [len(piece) for piece in pieces])
    order = rng.permutation(len(names))
    return np.concatenate(pieces)[order], names[order].tolist()


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("rule", [Certified(0.05), Conformal(0.05), Sigma()], ids=named)
def test_every_group_has_the_bounds_of_its_own_scores(rule: Rule, tail: Tail) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, names = grouped(rng)
        found = calibrate(Scores(scores), rule, tail=tail, groups=names)
        assert [group.name for group in found.groups] == [*GROUPS]
        for group in found.groups:
            own = np.sort(scores[np.array(names) == group.name])
            assert np.array_equal(group.scores, own)
            assert group.bounds == rule.bounds(own, tail)
            assert found.group_of(group.name) is group


@pytest.mark.usefixtures("ranked_once")
@pytest.mark.parametrize("name", GROUPS)
def test_the_group_rule_holds_in_every_group(name: str) -> None:
    """2,000 calibrations of a group, by its own scores; its rate is where the threshold lies."""
    place, width, n = GROUPS[name]
    rows = np.sort(place + width * np.random.default_rng(0).random((2_000, n)), axis=1)
    low, _ = thresholds(rows, Certified(0.05))
    assert not too_often((low - place) / width > 0.05, 0.05)


def test_without_groups_the_widest_pays_for_all_others() -> None:
    rng = np.random.default_rng(0)
    together = [calibrate(Scores(grouped(rng)[0]), Certified(0.05)) for _ in range(20)]
    assert all(one.threshold < GROUPS["a"][0] for one in together)


BIG_AND_SMALL = ["big"] * 300 + ["s1"] * 40 + ["s2"] * 30 + [None] * 10


def of_groups(alpha: float) -> Calibration:
    scores = np.random.default_rng(0).normal(size=len(BIG_AND_SMALL))
    return calibrate(Scores(scores), Certified(alpha), groups=BIG_AND_SMALL)


def test_small_groups_are_merged_where_that_is_enough() -> None:
    merged = of_groups(0.05)
    assert [(g.name, g.members, g.n) for g in merged.groups] == [
        ("big", ("big",), 300),
        ("(small groups)", ("s1", "s2"), 70),
    ]
    assert merged.without_promise == ()
    assert merged.group_of("s2") is merged.groups[1]
    assert merged.group_of(None) is merged.group_of("never seen") is merged.overall


def test_small_groups_stay_without_a_promise_where_merging_is_not_enough() -> None:
    found = of_groups(0.02)
    assert [g.name for g in found.groups] == ["big"]
    assert found.without_promise == ("s1", "s2")
    assert found.group_of("s1") is found.overall


def test_no_group_large_enough_is_refused() -> None:
    with pytest.raises(DataError, match=r"none of the 3 groups is large enough: the largest has 3"):
        of_groups(0.0085)


def test_a_sample_is_held_against_its_group() -> None:
    merged = of_groups(0.05)
    names = ["big", "s1", None, "new"]
    found = detect(scored(0, 0, 0, 0), merged, names)
    assert found.groups == ("big", "(small groups)", "(all)", "(all)")
    for place, name in enumerate(names):
        one = detect(scored(0), merged, [name])
        assert (one.p_value[0], one.margin[0]) == (found.p_value[place], found.margin[place])
    assert len(set(found.p_value)) == 3
    assert detect(scored(0, 0), merged).groups is None


NUMBERS: dict[RuleName, dict[str, float]] = {
    "sigma": {"k": 2.5},
    "certified": {"alpha": 0.2, "confidence": 0.8},
    "conformal": {"alpha": 0.2},
    "cross-conformal": {"alpha": 0.2},
    "quantile": {"alpha": 0.2},
    "manual": {"threshold": -1.0, "ceiling": 4.0},
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_chosen_by_its_name_with_its_numbers(name: RuleName) -> None:
    numbers = NUMBERS[name]
    every = dict.fromkeys(["k", "alpha", "confidence", "threshold", "ceiling"])  # None: not given
    in_folds = name == "cross-conformal"
    rule = choose(name, every | numbers, CalibrateSettings(), out_of_fold=in_folds)
    assert type(rule) is RULES[name]
    assert vars(rule) == numbers
    assert rule.name == name


CHOICES: dict[str, tuple[RuleName | None, dict[str, float | None], Rule]] = {
    "nothing is the rule of the settings": (None, {}, Quantile(0.3)),
    "a name takes its numbers from the settings": ("certified", {}, Certified(0.3, 0.6)),
    "what was not given is that of the settings": (
        "certified",
        {"alpha": 0.2},
        Certified(0.2, 0.6),
    ),
    "k is for sigma": (None, {"k": 2}, Sigma(2.0)),
    "alpha is first for certified": (None, {"alpha": 0.2}, Certified(0.2, 0.6)),
    "confidence is for certified": (None, {"confidence": 0.7}, Certified(0.3, 0.7)),
    "a threshold is by hand": (None, {"threshold": -3}, Manual(-3.0)),
    "zero is a number": (None, {"threshold": 0}, Manual(0.0)),
    "None is none": (None, {"k": None, "alpha": 0.2}, Certified(0.2, 0.6)),
}


@pytest.mark.parametrize("case", CHOICES)
def test_a_number_finds_its_rule(case: str) -> None:
    name, numbers, expected = CHOICES[case]
    settings = CalibrateSettings(rule="quantile", k=4.0, alpha=0.3, confidence=0.6)
    assert choose(name, numbers, settings) == expected


WRONG_CHOICES: dict[str, tuple[Any, dict[str, float | None], str]] = {
    "no such rule": (
        "magic",
        {},
        "there is no rule 'magic'. Choose one of: sigma, certified, conformal, cross-conformal, "
        "quantile, manual.",
    ),
    "a number of another rule": ("sigma", {"alpha": 0.1}, "`alpha` is for the rule certified and"),
    "numbers of two rules": (None, {"k": 1, "threshold": 2}, "`threshold` is for the rule manual"),
    "a ceiling alone": (None, {"ceiling": 2}, "the rule manual takes the threshold with"),
    "no threshold": ("manual", {}, "the rule manual takes the threshold with `threshold`."),
    "no standard deviations": ("sigma", {"k": 0}, "`k` takes a positive number of standard"),
    "a rate of nothing": ("conformal", {"alpha": 0}, "`alpha` takes a rate between 0 and 1"),
}


@pytest.mark.parametrize("case", WRONG_CHOICES)
def test_a_choice_that_cannot_be_says_why(case: str) -> None:
    name, numbers, sentence = WRONG_CHOICES[case]
    with pytest.raises(ConfigError) as refused:
        choose(name, numbers, CalibrateSettings())
    assert sentence in str(refused.value)


TAILED: list[tuple[Rule, Tail | None, Tail, Tail]] = [  # rule, wanted, default, what it becomes
    (Sigma(), None, "low", "low"),
    (Sigma(), None, "both", "both"),
    (Sigma(), "low", "both", "low"),
    (Manual(1.0), None, "both", "low"),
    (Manual(1.0, 2.0), None, "low", "both"),
    (Manual(1.0, 2.0), "both", "low", "both"),
]


@pytest.mark.parametrize(("rule", "wanted", "default", "expected"), TAILED)
def test_thresholds_by_hand_say_their_tails_themselves(
    rule: Rule, wanted: Tail | None, default: Tail, expected: Tail
) -> None:
    assert tail_of(rule, wanted, default) == expected


@pytest.mark.parametrize(
    ("rule", "wanted", "message"),
    [
        (Sigma(), "up", "`tail` takes low or both, got 'up'"),
        (Manual(1.0), "up", "`tail` takes low or both, got 'up'"),
        (Manual(1.0), "both", "`tail='both'` needs the upper threshold too: give `ceiling`"),
        (Manual(1.0, 2.0), "low", "`tail='low'` ignores scores that are too high: leave `ceiling`"),
    ],
)
def test_tails_that_contradict_the_thresholds_are_refused(
    rule: Rule, wanted: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tail_of(rule, wanted, "low")


SOURCE = "new normals come as these came, independently, from the same source"
TOLD: dict[str, tuple[Rule, Tail, bool, tuple[str, str, str]]] = {  # with n = 1,000
    "sigma": (
        Sigma(2.5),
        "low",
        False,
        (
            "mean - 2.5σ",
            "none: 2.5σ from the mean is a habit; `alpha` gives a promise",
            "that scores are normally distributed, which they rarely are",
        ),
    ),
    "two sigmas": (
        Sigma(),
        "both",
        False,
        (
            "mean ± 3σ",
            "none: 3σ from the mean is a habit; `alpha` gives a promise",
            "that scores are normally distributed, which they rarely are",
        ),
    ),
    "certified": (
        Certified(0.01, 0.95),
        "low",
        False,
        (
            "certified 1.00 %",
            "at most 1.00 % false alarms, with 95 % confidence, from 1,000 normals (k = 5)",
            SOURCE,
        ),
    ),
    "certified on both sides": (
        Certified(0.01, 0.95),
        "both",
        False,
        (
            "certified 1.00 %",
            "at most 1.00 % false alarms, with 95 % confidence, from 1,000 normals (k = 4)",
            SOURCE,
        ),
    ),
    "certified in groups": (
        Certified(0.01, 0.95),
        "low",
        True,
        (
            "certified 1.00 %",
            "at most 1.00 % false alarms in every group, each with 95 % confidence, from 1,000 "
            "normals",
            SOURCE,
        ),
    ),
    "conformal": (
        Conformal(0.01),
        "low",
        False,
        (
            "conformal 1.00 %",
            "at most 1.00 % false alarms on average",
            f"{SOURCE}; 46 % of such calibrations have a rate above the claim",
        ),
    ),
    "conformal in groups": (
        Conformal(0.01),
        "low",
        True,
        ("conformal 1.00 %", "at most 1.00 % false alarms on average in every group", SOURCE),
    ),
    "quantile": (
        Quantile(0.001),
        "low",
        False,
        (
            "quantile 0.100 %",
            "none: it aims at 0.100 % and can miss either way",
            SOURCE,
        ),
    ),
    "by hand": (
        Manual(0.0),
        "low",
        False,
        ("by hand", "none: the threshold was chosen by hand", SOURCE),
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_a_calibration_says_what_its_rule_promises(case: str) -> None:
    rule, tail, groups, told = TOLD[case]
    names = ["a", "b"] * 500 if groups else None
    scores = np.random.default_rng(0).normal(size=1_000)
    found = calibrate(Scores(scores), rule, tail=tail, groups=names)
    assert (found.title, found.claim, found.assumption) == told


RATES: list[tuple[Rule, float | None, float | None, float | None, float | None]] = [
    # claimed rate, confidence, nominal rate for the lower tail and for both
    (Sigma(3), None, None, 0.0013499, 0.0026998),
    (Certified(0.02, 0.9), 0.02, 0.9, None, None),
    (Conformal(0.02), 0.02, None, None, None),
    (Quantile(0.02), None, None, None, None),
    (Manual(0.0), None, None, None, None),
]


@pytest.mark.parametrize(("rule", "claimed", "confidence", "low", "both"), RATES)
def test_what_rules_promise_in_numbers(
    rule: Rule,
    claimed: float | None,
    confidence: float | None,
    low: float | None,
    both: float | None,
) -> None:
    assert (rule.claimed_rate, rule.confidence) == (claimed, confidence)
    assert rule.nominal_rate("low") == (None if low is None else pytest.approx(low, abs=1e-7))
    assert rule.nominal_rate("both") == (None if both is None else pytest.approx(both, abs=1e-7))


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("n", [100, 999])
@pytest.mark.parametrize("kind", [Certified, Conformal])
def test_the_smallest_rate_of_a_rule_is_what_so_many_scores_just_support(
    kind: type[Certified] | type[Conformal], n: int, tail: Tail
) -> None:
    least = kind(0.5).smallest_rate(n, tail)
    assert kind(least * (1 + 1e-6)).fewest(tail) <= n < kind(least * (1 - 1e-6)).fewest(tail)


@pytest.mark.parametrize("rule", [Sigma(), Quantile(0.1), Manual(0.0)], ids=named)
def test_a_rule_without_a_promise_has_no_smallest_rate(rule: Rule) -> None:
    assert rule.smallest_rate(100, "low") is None


@pytest.mark.parametrize(("score", "unit"), [("likelihood", " nats"), ("auto", "")])
def test_only_log_likelihoods_have_a_unit(score: Any, unit: str) -> None:
    scores = Scores(np.array([1.0, 2.0]), Origin(score))
    assert calibrate(scores, Sigma()).unit == unit


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(
    "rule", [Certified(0.05), Conformal(0.05), Quantile(0.05), Sigma()], ids=named
)
def test_the_fewest_are_enough_and_one_less_is_refused(rule: Rule, tail: Tail) -> None:
    scores = np.arange(1.0, rule.fewest(tail) + 1)
    assert calibrate(Scores(scores), rule, tail=tail).threshold <= scores[-1]
    with pytest.raises(DataError, match=f"at least {len(scores)} normal samples.*, got"):
        calibrate(Scores(scores[:-1]), rule, tail=tail)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("rule", [Certified(0.01, 0.95), Conformal(0.001)], ids=named)
def test_the_rate_that_a_refusal_offers_is_accepted(rule: Rule, tail: Tail) -> None:
    scores = Scores(np.arange(1.0, 101))
    with pytest.raises(DataError, match=r"100 can support `alpha=[0-9.]+`\.") as refused:
        calibrate(scores, rule, tail=tail)
    offer = float(str(refused.value).split("`alpha=")[1].split("`")[0])
    assert calibrate(scores, type(rule)(offer), tail=tail).rule.claimed_rate == offer  # type: ignore[call-arg]


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
    rule: Rule, scores: Sequence[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        calibrate(scored(*scores), rule)


OF_A_RATE: dict[str, tuple[Callable[[float], Rule], str]] = {
    "certified": (Certified, "`alpha` takes a rate between 0 and 1"),
    "confidence": (lambda value: Certified(0.1, value), "`confidence` takes a number between 0"),
    "conformal": (Conformal, "`alpha` takes a rate between 0 and 1"),
    "quantile": (Quantile, "`alpha` takes a rate between 0 and 1"),
}


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
@pytest.mark.parametrize("case", OF_A_RATE)
def test_a_rate_is_a_rate(case: str, value: float) -> None:
    make, message = OF_A_RATE[case]
    with pytest.raises(ConfigError, match=message):
        make(value)


@pytest.mark.parametrize("k", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_standard_deviations_are_a_positive_number(k: float) -> None:
    with pytest.raises(ConfigError, match="`k` takes a positive number of standard deviations"):
        Sigma(k)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (math.nan, math.inf, "`threshold` and `ceiling` take numbers"),
        (-math.inf, 0.0, "`threshold` and `ceiling` take numbers"),
        (0.0, math.nan, "`threshold` and `ceiling` take numbers"),
        (1.0, 1.0, "`ceiling=1` is not above `threshold=1`: everything would be flagged"),
        (2.0, 1.0, "`ceiling=1` is not above `threshold=2`"),
    ],
)
def test_thresholds_by_hand_leave_something_between(low: float, high: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Manual(low, high)


def test_bounds_without_ranks_leave_none_out() -> None:
    assert (Bounds(0.0).left_out, Bounds(0.0, 1.0).left_out) == (0, 0)
    assert (Bounds(0.0, rank=3).left_out, Bounds(0.0, 1.0, rank=3).left_out) == (3, 6)
