"""Cross-conformal thresholds: aligned scores say what the count says, rates are as proven."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nice_anomaly import Run, learn, load_run
from nice_anomaly.errors import ArtifactError, NiceAnomalyError, NotCalibratedError
from nice_anomaly.run import calibration_bytes, load_calibration, save_calibration
from nice_anomaly.scores import Alignment, Origin, Scores
from nice_anomaly.settings import CalibrateSettings
from nice_anomaly.thresholds import (
    Calibration,
    Certified,
    Conformal,
    CrossConformal,
    Discoveries,
    Manual,
    Quantile,
    Rule,
    Sigma,
    calibrate,
    choose,
    detect,
    tail_of,
)
from nice_anomaly.thresholds.out_of_fold import proven_rate
from nice_anomaly.thresholds.said import alarms_of
from nice_anomaly.vocabulary import ScoreName, Tail

Array = NDArray[np.float64]
Judge = Callable[[Array, Array], Array]  # learned [m, t], samples [m, s] -> scores [m, s]
CALIBRATIONS, ALPHA = 2_000, 0.05


# The count, as slowly as it is defined.


def count(alignment: Alignment, each: Array) -> NDArray[np.int64]:
    """m = #{i: R_i ≤ s_k(i)} of every sample ``[m]``."""
    return (alignment.scores <= each[:, alignment.folds]).sum(axis=1)


LEVELS = st.sampled_from([-math.inf, -2.0, -1.0, -0.5, 0.0, 0.25, 1.0])
NUMBERS = LEVELS | st.floats(-3, 3)


@st.composite
def aligned(draw: st.DrawFn, numbers: Any = NUMBERS) -> tuple[Alignment, Array]:
    folds = draw(st.integers(2, 5))
    scores = draw(st.lists(numbers, min_size=folds, max_size=12))
    own = [*range(folds)] + [draw(st.integers(0, folds - 1)) for _ in scores[folds:]]
    rows = st.lists(numbers, min_size=folds, max_size=folds)
    each = draw(st.lists(rows, min_size=1, max_size=8))
    return Alignment(np.sort(scores), np.array(own, dtype=np.int16)), np.array(each)


@given(aligned())
@settings(deadline=None, derandomize=True, database=None, max_examples=150)
def test_the_aligned_score_is_where_the_count_is(made: tuple[Alignment, Array]) -> None:
    """Below R_(k) lies what passed less than k, and of equal R, what passed none of them."""
    alignment, each = made
    found, passed = alignment(each), count(alignment, each)
    assert not np.isnan(found).any()
    for k, threshold in enumerate(alignment.scores, start=1):
        if threshold == -math.inf:  # nothing is below
            continue
        first = 1 + (alignment.scores < threshold).sum()  # of those equal to R_(k)
        assert np.array_equal(found < threshold, passed < first)
        assert first <= k  # so that nothing is flagged which the count does not flag


@given(aligned(st.floats(-3, 3)))
@settings(deadline=None, derandomize=True, database=None, max_examples=100)
def test_flows_that_agree_are_left_as_they_are(made: tuple[Alignment, Array]) -> None:
    alignment, each = made
    agreed = np.repeat(each[:, :1], each.shape[1], axis=1)
    assert np.allclose(alignment(agreed), agreed[:, 0], rtol=1e-15, atol=1e-300)
    exact = np.round(4 * agreed) / 4  # whose mean is exact
    assert np.array_equal(alignment(exact), exact[:, 0])


def test_an_aligned_score_by_hand() -> None:
    """R = -3 (fold 0), -2 (fold 1), -1 (fold 0): each is held against the flow of its fold."""
    alignment = Alignment(np.array([-3.0, -2.0, -1.0]), np.array([0, 1, 0]))
    below = np.nextafter
    cases = {
        (-5.0, -4.0): -4.5,  # passes none, and stays apart from others that pass none
        (-5.0, 1.0): below(-2.0, -9),  # passes -2 alone, so its rank ends there
        (-5.0, -1.5): -3.0,
        (0.0, -9.0): -2.0,  # passes two, which its mean does not
        (0.0, 0.0): 0.0,
        (-3.0, 0.0): -1.5,  # meets -3, which counts as passed
        (-math.inf, math.inf): -3.0,  # no mean, but a rank
    }
    found = alignment(np.array([*cases]))
    assert found.tolist() == [*cases.values()]


# What the rule is worth: 2,000 calibrations, each with new samples, by learners that cost nothing.


def gaussian(learned: Array, samples: Array) -> Array:
    """The log-density of a normal law with their mean and variance: it is stable."""
    mean, std = (f(learned, axis=1)[:, None] for f in (np.mean, np.std))
    found: Array = -(((samples - mean) / std) ** 2) / 2 - np.log(std)
    return found


def by_heart(learned: Array, samples: Array) -> Array:
    """Minus the distance to the nearest learned sample, in a law with heavy tails."""
    rows = np.sort(np.sign(learned) * learned**2, axis=1)
    new = np.sign(samples) * samples**2
    return -np.abs(new[:, :, None] - rows[:, None]).min(axis=2)


def fickle(learned: Array, samples: Array) -> Array:
    """The sample, or minus the sample: by a digit of what was learned."""
    odd = (np.floor(1e6 * learned.sum(axis=1)) % 2 == 1)[:, None]
    return np.where(odd, samples, -samples)


LEARNERS: dict[str, Judge] = {"stable": gaussian, "by heart": by_heart, "fickle": fickle}


def counts(judge: Judge, n: int, folds: int, calibrations: int, new: int) -> NDArray[np.int64]:
    """m of ``new`` samples after each of so many calibrations, ``[calibrations, new]``."""
    rng = np.random.default_rng([n, folds])
    every = rng.normal(size=(calibrations, n + new))
    own, fresh = every[:, :n], every[:, n:]
    fold = np.arange(n) % folds
    passed = np.zeros((calibrations, new), dtype=np.int64)
    for j in range(folds):
        inside, outside = own[:, fold == j], own[:, fold != j]
        scores = judge(outside, np.concatenate([inside, fresh], axis=1))
        width = inside.shape[1]
        passed += (scores[:, None, :width] <= scores[:, width:, None]).sum(axis=2)
    return passed


@pytest.mark.parametrize("n", [20, 40, 100])
@pytest.mark.parametrize("folds", [2, 5, 10, None])
@pytest.mark.parametrize("learner", LEARNERS)
def test_the_rate_is_at_most_what_is_proven(learner: str, folds: int | None, n: int) -> None:
    folds = folds or n
    k = math.floor(ALPHA * (n + 1))
    flagged = (counts(LEARNERS[learner], n, folds, CALIBRATIONS, 5) < k).mean(axis=1)
    noise = 4 * flagged.std() / math.sqrt(CALIBRATIONS)
    sizes = np.bincount(np.arange(n) % folds)
    assert flagged.mean() < proven_rate(k, sizes) + noise
    if learner == "stable" and folds > 2:
        assert flagged.mean() == pytest.approx(k / (n + 1), abs=0.01)


def by_theorem_4(n: int, folds: int, k: int) -> float:
    """Barber et al. (2021), of folds of n / K, at the α whose rank is k."""
    alpha, m = k / (n + 1), n / folds
    return 2 * alpha + min(2 * (1 - 1 / folds) / (m + 1), (1 - 1 / m) / (folds + 1))


@pytest.mark.parametrize("n", [20, 60, 100, 600])
def test_what_is_proven_is_less_than_in_the_literature(n: int) -> None:
    """And no more than the two sums in closed form, of which the first holds of any learning."""
    for folds in (count for count in range(2, n + 1) if n % count == 0):
        for k in (1, 2, 3, n // 10):
            sizes = [n // folds] * folds
            alone, both = proven_rate(k, sizes, symmetric=False), proven_rate(k, sizes)
            first, second = ((2 * (k - 1) + m) / (n + m) for m in (folds, n // folds))
            assert k / (n + 1) - 1e-12 <= both <= min(alone, second + 1e-12)
            assert alone <= min(1, first) + 1e-12
            assert both <= by_theorem_4(n, folds, k)


def test_what_is_proven_of_folds_of_other_sizes() -> None:
    """By hand: with k = 1 it is the least p-value of a fold; folds without samples are none."""
    assert proven_rate(1, [9, 4, 4], symmetric=False) == pytest.approx(0.1)
    assert proven_rate(1, [9, 0, 4, 4], symmetric=False) == pytest.approx(0.1)
    assert proven_rate(1, [9, 4, 4]) == pytest.approx(0.1)
    assert proven_rate(1, [3, 2, 2, 2]) == pytest.approx(2 / 8)  # one of 8 in folds of 2
    assert proven_rate(2, [3, 2, 2, 2], symmetric=False) == pytest.approx((1 / 4 + 3 / 3) / 3)
    assert (proven_rate(0, [3, 3]), proven_rate(7, [3, 3]), proven_rate(6, [3, 3])) == (0, 1, 1)


# Through the values that the command has.


def of_folds(n: int = 100, folds: int = 5, alpha: float = ALPHA, **more: Any) -> Calibration:
    rng = np.random.default_rng(n)
    scores = Scores(rng.normal(size=n), Origin("likelihood", "w"))
    rule = CrossConformal(alpha)
    return calibrate(scores, rule, folds=rng.permutation(np.arange(n) % folds), **more)


def test_scores_in_folds_make_a_calibration_whose_scores_are_aligned() -> None:
    found = of_folds()
    alignment = found.alignment
    assert alignment is not None
    assert found.folds is not None
    assert np.bincount(found.folds).tolist() == [20] * 5
    assert found.origin == Origin("likelihood", "w", aligned=alignment.fingerprint)
    assert (found.k, found.threshold) == (5, found.scores[4])
    assert found.guaranteed_rate == proven_rate(5, [20] * 5)
    each = np.random.default_rng(1).normal(size=(500, 5))
    judged = detect(Scores(alignment(each), found.origin), found)
    assert np.array_equal(judged.flagged, count(alignment, each) < 5)
    assert np.allclose(judged.p_value, (1 + count(alignment, each)) / 101)
    with pytest.raises(NotCalibratedError, match="aligned"):
        detect(Scores(each[:, 0], Origin("likelihood", "w")), found)


def test_folds_stay_with_their_scores() -> None:
    """In any order of samples, and where scores are equal."""
    rng = np.random.default_rng(0)
    values, folds = np.round(rng.normal(size=60), 1), rng.integers(0, 4, 60)
    found = calibrate(Scores(values), CrossConformal(0.1), folds=folds)
    again = calibrate(Scores(values[::-1].copy()), CrossConformal(0.1), folds=folds[::-1])
    assert found.folds is not None
    assert again.origin == found.origin
    pairs = sorted(zip(values.tolist(), folds.tolist(), strict=True))
    assert [*zip(found.scores.tolist(), found.folds.tolist(), strict=True)] == pairs


CLAIMS: dict[str, tuple[Calibration, str, float | None]] = {
    "all": (of_folds(), "a rate near 5.00 %; at most 11.90 % on average is proven", 0.119),
    "leave one out": (
        of_folds(40, 40),
        "a rate near 5.00 %; at most 7.32 % on average is proven",
        0.0732,
    ),
    "groups": (
        of_folds(groups=["a", "b"] * 50),
        "a rate near 5.00 % in every group, without a proof",
        None,
    ),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_a_calibration_of_folds_says_what_is_proven(case: str) -> None:
    found, claim, rate = CLAIMS[case]
    assert found.claim == claim
    assert found.guaranteed_rate == (None if rate is None else pytest.approx(rate, abs=5e-5))
    assert found.rule.claimed_rate is None


def test_what_is_fitted_on_all_folds_has_the_first_proof_alone() -> None:
    found = of_folds(40, 40)
    views = replace(found.origin, score="auto", views="v")
    assert replace(found, origin=views).guaranteed_rate == pytest.approx(
        proven_rate(2, [1] * 40, symmetric=False)
    )


@pytest.mark.parametrize("rule", [Sigma(), Quantile(0.1), Manual(0.0)], ids=lambda r: r.name)
def test_rules_without_a_promise_take_scores_in_folds(rule: Rule) -> None:
    found = calibrate(Scores(np.arange(20.0)), rule, folds=np.arange(20) % 4)
    assert found.alignment is not None
    assert (found.guaranteed_rate, "proven" in found.claim) == (None, False)


FOLDS = np.arange(300) % 5
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "certified in folds": (
        lambda: calibrate(Scores(np.arange(300.0)), Certified(0.05), folds=FOLDS),
        "the rule certified is for samples that no flow has seen, and these are in folds: take "
        "`rule='cross-conformal'`, give fresh normals with `calibrate(inputs)`, or train with "
        "`folds=0`.",
    ),
    "conformal in folds": (
        lambda: calibrate(Scores(np.arange(300.0)), Conformal(0.05), folds=FOLDS),
        "the rule conformal is for samples that no flow has seen",
    ),
    "fresh samples": (
        lambda: calibrate(Scores(np.arange(300.0)), CrossConformal(0.05)),
        "the rule cross-conformal is for samples in folds, and no flow has seen these: take "
        "`rule='conformal'`, or `confidence=0.95` for a certified rate.",
    ),
    "too normal": (
        lambda: of_folds(tail="both"),
        "`tail='both'` is not for the rule cross-conformal",
    ),
    "too few": (
        lambda: of_folds(alpha=0.001),
        "this rule needs the scores of at least 999 normal samples, got 100. Train on more "
        "normals, or accept a higher rate: 100 can support `alpha=0.01`.",
    ),
    "a choice with a confidence": (
        lambda: choose(None, {"confidence": 0.9}, CalibrateSettings(), out_of_fold=True),
        "the rule certified is for samples that no flow has seen",
    ),
    "a choice of both tails": (
        lambda: tail_of(CrossConformal(0.1), None, "both"),
        "`tail='both'` is not for the rule cross-conformal",
    ),
    "no such folds": (
        lambda: replace(of_folds(), folds=np.zeros(7, dtype=np.int16)),
        "its folds are no numbers of folds",
    ),
    "other folds": (
        lambda: replace(of_folds(), folds=np.zeros(100, dtype=np.int16)),
        "its scores are of other folds",
    ),
    "folds forgotten": (lambda: replace(of_folds(), folds=None), "its rule is for other scores"),
    "fresh in folds": (lambda: replace(of_folds(), fresh=True), "fresh samples are in no folds"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_promise_about_other_scores_is_refused(case: str) -> None:
    make, sentence = REFUSED[case]
    with pytest.raises(NiceAnomalyError) as refused:
        make()
    assert sentence in str(refused.value)


CHOSEN: dict[str, tuple[dict[str, float | None], Rule]] = {
    "a rate": ({"alpha": 0.2}, CrossConformal(0.2)),
    "a rate among what was not given": ({"alpha": 0.2, "confidence": None}, CrossConformal(0.2)),
    "nothing": ({}, Sigma()),
    "a number of sigma": ({"k": 2}, Sigma(2.0)),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_of_scores_in_folds_a_rate_is_cross_conformal(case: str) -> None:
    numbers, expected = CHOSEN[case]
    assert choose(None, numbers, CalibrateSettings(), out_of_fold=True) == expected


@pytest.mark.parametrize("case", CLAIMS)
def test_a_calibration_of_folds_comes_back_as_it_was_saved(case: str, tmp_path: Path) -> None:
    saved = CLAIMS[case][0]
    save_calibration(tmp_path, saved)
    back = load_calibration(tmp_path, "w")
    assert back.folds is not None
    assert np.array_equal(back.folds, saved.folds)
    assert (back.origin, back.claim, back.threshold) == (saved.origin, saved.claim, saved.threshold)


@pytest.mark.parametrize("tail", ["low", "both"])
def test_a_calibration_without_folds_is_stored_as_ever(tail: Tail) -> None:
    plain = calibrate(Scores(np.arange(300.0)), Certified(0.1), tail=tail)
    assert b"folds" not in calibration_bytes(plain)


def test_discoveries_among_scores_in_folds_are_aimed_at() -> None:
    """The note says so; the share of false ones in 400 batches is what fresh normals promise."""
    remarks = [*Discoveries(0.1).remarks(of_folds(400), 50)]
    assert "no proof of discoveries reaches them" in remarks[0]
    assert not any("no proof" in one for one in Discoveries(0.1).remarks(fresh_ones(), 50))
    rng, shares = np.random.default_rng(0), []
    own = rng.normal(size=(400, 200, 1))
    for learned in own:
        new = np.concatenate([rng.normal(size=(90, 1)), rng.normal(size=(10, 1)) + 5])
        passed = np.zeros(100, dtype=np.int64)
        for fold in np.split(np.arange(200), 5):
            outside = np.delete(learned, fold, axis=0).T
            scores = gaussian(outside, np.concatenate([learned[fold], new]).T)[0]
            passed += (scores[:40] <= scores[40:, None]).sum(axis=1)
        p_values = (1 + passed) / 201
        found = p_values <= Discoveries(0.1).level(p_values)
        shares.append(found[:90].sum() / max(1, found.sum()))
    assert np.mean(shares) < 0.1 + 4 * np.std(shares) / math.sqrt(len(shares))
    assert np.mean(shares) > 0.05


def fresh_ones() -> Calibration:
    return calibrate(Scores(np.arange(400.0)), Certified(0.1))


# A run of folds, from end to end.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = np.random.default_rng(0).normal(size=(60, 2)).cumsum(axis=1)
    path = tmp_path_factory.mktemp("folds") / "run"
    quick = ["train.epochs=4", "train.least_steps=5"]
    return learn(rows, folds=3, overrides=quick, run=path)


@pytest.mark.parametrize("score", ["likelihood", "auto"])
def test_a_run_of_folds_is_calibrated_by_all_it_has_learned(trained: Run, score: ScoreName) -> None:
    found = trained.calibrate(alpha=0.1, score=score, name=score)
    assert found.rule == CrossConformal(0.1)
    assert (found.n, found.k) == (60, 6)
    again = load_run(str(trained.path))
    new = np.random.default_rng(1).normal(size=(300, 2)).cumsum(axis=1)
    scorer = replace(again.scorer(found), alignment=None)
    measured = scorer.measure(new)
    each = np.stack([scorer.scored(measured[:, j]).values for j in range(3)], axis=1)
    judged = again.detect(new, calibration=score)
    assert found.alignment is not None
    passed = count(found.alignment, each)
    first = 1 + (found.scores < found.threshold).sum()  # views have equal scores, as ranks have
    assert judged.flagged.tolist() == (passed < first).tolist()
    edges = np.concatenate([[-np.inf], found.scores])
    passed = np.searchsorted(found.scores, edges[passed], side="right")
    assert judged.p_values.tolist() == pytest.approx(((1 + passed) / 61).tolist())
    assert 0 < judged.flagged.mean() < 0.3


def test_fresh_normals_of_a_run_of_folds_are_certified(trained: Run) -> None:
    new = np.random.default_rng(2).normal(size=(200, 2)).cumsum(axis=1)
    found = trained.calibrate(new, alpha=0.1, name="fresh", say=lambda _: None)
    assert (found.rule, found.folds, found.origin.aligned) == (Certified(0.1), None, "")
    assert trained.detect(new + 9, calibration="fresh").flagged.any()


def test_alarms_of_a_run_of_folds_are_a_rate_near_them(trained: Run) -> None:
    found = trained.calibrate(alarms="5/day", per=50, name="alarms")
    assert found.rule == CrossConformal(0.1)
    assert found.budget is not None
    assert (
        alarms_of(found, found.budget) == "near 5 of 50 samples on average; at most 10.2 are proven"
    )


def test_a_calibration_of_more_folds_than_flows_is_refused(trained: Run) -> None:
    found = trained.calibrate(alpha=0.1, score="likelihood", name="likelihood")
    assert found.folds is not None
    values = Scores(found.scores, replace(found.origin, aligned=""))
    many = calibrate(values, found.rule, folds=np.arange(60) % 4)
    with pytest.raises(ArtifactError, match="rests on 4 folds, and this run has 3: calibrate"):
        trained.detect([[0.0, 0.0]], calibration=many)
