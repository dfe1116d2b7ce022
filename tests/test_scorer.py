"""Scorer: what it measures, what it falls back to, and that its scores are never confused."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from nice_anomaly.data import row_hashes
from nice_anomaly.errors import ConfigError, DataError, NotCalibratedError, NumericsError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Fitted, Origin, Scorer, Scores, fitted, halves
from nice_anomaly.scores.scorer import MOST
from nice_anomaly.scores.typicality import FEWEST
from nice_anomaly.thresholds import Calibration, Sigma, calibrate, detect
from nice_anomaly.vocabulary import PriorName, ScoreName

D, SHAPE = 16, (4, 4)
RAW = np.random.default_rng(1).integers(0, 256, (300, D), dtype=np.uint8)
HASHES = row_hashes(RAW)
SCORES: list[ScoreName] = ["likelihood", "latents", "input", "auto"]


def scorer(
    weights: str = "weights", prior: PriorName = "student", shape: tuple[int, ...] | None = SHAPE
) -> Scorer:
    """One with an untrained flow, whose weights go by their name."""
    with torch.random.fork_rng():
        torch.manual_seed(len(weights))
        flow = Flow(Architecture(dimensions=D, couplings=2, layers=1, width=8, prior=prior))
        for parameter in flow.couplings.parameters():
            parameter.data.normal_(std=0.3)
    return Scorer(flow, Preprocess.for_levels(D, 256), torch.float32, weights, shape)


@cache
def ready(score: ScoreName, weights: str = "weights", seed: int = 0, n: int = len(RAW)) -> Fitted:
    """What calibrating by a score on the first ``n`` normals makes."""
    looking = scorer(weights).looking_for(score)
    return fitted(looking, score, looking.measure(RAW[:n]), HASHES[:n], seed)


# What is looked for.


@pytest.mark.parametrize("score", ["likelihood", "auto"])
def test_looking_for_is_the_likelihood_for_tables(score: ScoreName) -> None:
    looking = scorer(shape=None).looking_for(score)
    assert (looking.features, looking.typicality) == (False, None)
    found = fitted(looking, score, looking.measure(RAW), HASHES, 0)
    assert found.scores.origin == Origin("likelihood", "weights")
    assert (len(found.scores), found.fallback) == (300, "")  # there was nothing to fall back from


@pytest.mark.parametrize("score", ["likelihood", "auto"])
def test_looking_for_is_the_likelihood_where_the_model_does_not_split(score: ScoreName) -> None:
    assert not scorer(prior="mixture").looking_for(score).features


@pytest.mark.parametrize("score", ["latents", "input"])
@pytest.mark.parametrize("lack", ["no image", "no split"])
def test_a_score_of_features_that_are_not_there_is_refused(score: ScoreName, lack: str) -> None:
    without = scorer(shape=None) if lack == "no image" else scorer(prior="mixture")
    with pytest.raises(ConfigError, match=rf"the score '{score}' .* Take `score='likelihood'`\."):
        without.looking_for(score)


@pytest.mark.parametrize("score", SCORES)
def test_features_are_looked_for_in_images(score: ScoreName) -> None:
    looking = ready("auto").scorer.looking_for(score)
    assert looking.features == (score != "likelihood")
    assert looking.typicality is None  # that of an earlier calibration is forgotten


# What is measured.


def test_the_first_of_the_features_is_the_log_likelihood() -> None:
    plain, every = scorer(), scorer().looking_for("auto").measure(RAW)
    assert every[:, 0] == pytest.approx(plain(RAW).values, rel=1e-6)
    assert plain.measure(RAW).shape == (300, 1)


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_those_of_the_samples_alone(score: ScoreName) -> None:
    made = ready(score).scorer
    order = np.random.default_rng(2).permutation(300)
    assert np.array_equal(made(RAW[order]).values, made(RAW).values[order])
    assert made(RAW[:1]).values == pytest.approx(made(RAW).values[:1], rel=1e-5)


def test_no_samples_have_no_log_likelihoods() -> None:
    assert len(scorer()(RAW[:0])) == 0


def test_random_places_in_a_level_repeat_with_their_seed() -> None:
    middle, one, again, two = (
        replace(scorer(), noise_seed=seed)(RAW).values for seed in (None, 1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, middle)


@pytest.mark.parametrize("score", ["likelihood", "auto"])
def test_a_score_that_is_no_number_is_an_error(score: ScoreName) -> None:
    made = scorer().looking_for(score)
    next(made.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(NumericsError, match="of 300 rows is not a number, the first in row 0"):
        made.measure(RAW)


# What is fitted on one half and calibrated on the other.


@pytest.mark.parametrize("score", ["latents", "input", "auto"])
def test_scores_are_of_the_half_that_nothing_was_fitted_on(score: ScoreName) -> None:
    found = ready(score)
    fit, rest = halves(HASHES, 0)
    assert np.array_equal(found.places, rest)
    assert np.array_equal(found.scores.values, found.scorer(RAW).values[rest])
    measured = found.scorer.measure(RAW)
    measured[rest] = 99.0  # what is in the other half has no part in the fit
    again = fitted(scorer().looking_for(score), score, measured, HASHES, 0)
    assert again.scorer.origin == found.scorer.origin
    measured[fit] = measured[fit][::-1]
    other = fitted(scorer().looking_for(score), score, measured, HASHES, 0)
    assert other.scorer.origin != found.scorer.origin


def test_log_likelihoods_need_no_half() -> None:
    found = ready("likelihood")
    assert np.array_equal(found.places, np.arange(300))
    assert np.array_equal(found.scores.values, scorer()(RAW).values)


def test_few_normals_fall_back_to_the_likelihood_only_if_nothing_was_asked_for() -> None:
    few = RAW[: 2 * FEWEST - 1]
    found = ready("auto", n=len(few))
    assert found.scorer.origin == found.scores.origin == Origin("likelihood", "weights")
    assert len(found.scores) == len(few)
    assert found.fallback == (
        "199 different normals are too few to learn what is typical from half of them (200 are "
        "enough)"
    )
    assert found.scorer(few[:3]).values == pytest.approx(found.scores.values[:3], rel=1e-6)
    with pytest.raises(DataError, match=r"too few to learn .*: give more, or take `score='likelih"):
        ready("latents", n=len(few))
    assert ready("auto", n=2 * FEWEST).fallback == ""


CROWDS = {  # hashes: who is a copy of whom
    "all different": np.arange(300),
    "pairs": np.arange(300) // 2,
    "one of many copies": np.concatenate([np.zeros(90, dtype=int), np.arange(1, 211)]),
    "more than there may be": np.arange(2 * MOST + 2_000),
}


@pytest.mark.parametrize("case", CROWDS)
def test_halves_are_two_and_copies_stay_on_one_side(case: str) -> None:
    hashes = CROWDS[case]
    fit, rest = halves(hashes, 0)
    assert np.array_equal(np.sort(np.concatenate([fit, rest])), np.arange(len(hashes)))
    assert not set(hashes[fit]) & set(hashes[rest])
    half = min(len(hashes) // 2, MOST)
    assert 0.7 * half <= len(fit) <= half


@pytest.mark.parametrize("hashes", [[], [7], [7, 7, 7]])
def test_what_cannot_be_halved_is_left_for_the_thresholds(hashes: list[int]) -> None:
    fit, rest = halves(np.array(hashes, dtype=np.int64), 0)
    assert (fit.tolist(), rest.tolist()) == ([], [*range(len(hashes))])


def test_halves_are_of_the_seed_alone() -> None:
    """The numbers that mark copies do not matter, only who is a copy of whom."""
    fit, _ = halves(HASHES, 0)
    assert np.array_equal(halves(HASHES, 0)[0], fit)
    assert np.array_equal(halves(-3 * np.arange(300), 0)[0], fit)
    assert not np.array_equal(halves(HASHES, 1)[0], fit)


# What made scores is part of them: no other calibration takes them.


def made(case: str) -> tuple[Scorer, Calibration]:
    weights, score, seed = case.split("/")
    found = ready(score, weights, int(seed.removeprefix("fit ")))
    typicality = found.scorer.typicality
    return found.scorer, calibrate(found.scores, Sigma(), typicality=typicality)


CASES = [
    *("weights/likelihood/0", "others/likelihood/0", "weights/latents/0", "weights/input/0"),
    *("weights/auto/fit 0", "weights/auto/fit 1", "others/auto/fit 0"),
]


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[Scorer, Calibration]]:
    return {case: made(case) for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_taken_by_the_calibration_they_belong_to(
    pairs: dict[str, tuple[Scorer, Calibration]], case: str
) -> None:
    scorer, calibration = pairs[case]
    assert len(detect(scorer(RAW[:9]), calibration).flagged) == 9
    restored = scorer.looking_for("likelihood").with_typicality(calibration.typicality)
    assert np.array_equal(
        detect(restored(RAW[:9]), calibration).margin, detect(scorer(RAW[:9]), calibration).margin
    )


@pytest.mark.parametrize(
    ("scored", "calibrated"),
    [
        pytest.param(one, other, id=f"{one} against {other}")
        for one, other in product(CASES, CASES)
        if one != other
    ],
)
def test_scores_of_another_origin_are_refused(
    pairs: dict[str, tuple[Scorer, Calibration]], scored: str, calibrated: str
) -> None:
    (scorer, _), (_, calibration) = pairs[scored], pairs[calibrated]
    scores = scorer(RAW[:9])
    with pytest.raises(NotCalibratedError) as refused:
        detect(scores, calibration)
    assert str(refused.value) == (
        f"these scores cannot be held against this calibration: they are {scores.origin}, and it "
        f"is for {calibration.origin}. Score with the run and the calibration that belong "
        f"together: `run.detect(inputs, calibration=name)` does."
    )


def test_numbers_without_an_origin_are_refused_by_a_run() -> None:
    with pytest.raises(NotCalibratedError, match="cannot be held against this calibration"):
        detect(Scores(np.zeros(3)), made("weights/likelihood/0")[1])


def test_scores_with_noise_are_not_held_against_those_without() -> None:
    plain, noisy = scorer()(RAW), replace(scorer(), noise_seed=1)(RAW)
    with pytest.raises(NotCalibratedError, match="noise seed 1"):
        detect(noisy, calibrate(plain, Sigma()))


def test_scores_are_numbers_one_by_one() -> None:
    scores = scorer()(RAW[:5])
    assert [float(one) for one in scores] == scores.values.tolist()
    assert scores[2] == scores.values[2]
    assert scores[1:3].origin == scores.origin
