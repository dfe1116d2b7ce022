"""Judges and what they look at: hand-computed statistics, densities, and what they are blind to."""

import itertools
import zlib

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from nice_anomaly.errors import DataError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.judge import FEWEST, Judge, fit_judge
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.score import score, statistics_of
from nice_anomaly.statistics import PARTS, band_edges, code_lengths, extent, roughness, views

D, SHAPE = 64, (8, 8)
RAW = torch.randint(0, 256, (300, D), generator=torch.Generator().manual_seed(1)).byte()
PREPROCESS = Preprocess.for_levels(D, 256)


@pytest.fixture
def flow() -> Flow:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = Flow(Architecture(dimensions=D, couplings=2, layers=1, width=16, prior="student"))
        for parameter in built.couplings.parameters():
            parameter.data.normal_(std=0.3)
    return built


def looked_at(flow: Flow, raw: torch.Tensor) -> np.ndarray:
    return statistics_of(flow, PREPROCESS, raw, SHAPE, precision=torch.float32)


def test_the_first_statistic_is_the_log_likelihood_and_bands_split_it(flow: Flow) -> None:
    """Σ over bands of width × mean term, plus the log-determinant, is log p(x)."""
    found = looked_at(flow, RAW)
    scores = score(flow, PREPROCESS, RAW, precision=torch.float32)
    assert found[:, 0] == pytest.approx(scores, rel=1e-6)
    widths = np.diff(band_edges(D))
    _, log_det = flow(PREPROCESS.midpoint(RAW[:1]))
    split = found[:, 1 : 1 + len(widths)] @ widths + log_det.item()
    assert split == pytest.approx(scores, rel=1e-4)


def test_statistics_are_those_of_the_sample_alone(flow: Flow) -> None:
    order = torch.randperm(len(RAW), generator=torch.Generator().manual_seed(2))
    assert np.array_equal(looked_at(flow, RAW[order]), looked_at(flow, RAW)[order])
    assert np.allclose(looked_at(flow, RAW[:1]), looked_at(flow, RAW)[:1], rtol=1e-5)


@pytest.mark.parametrize("score_name", PARTS)
@pytest.mark.parametrize("dimensions", [16, 64, 784, 3072])
def test_views_name_existing_columns_once(score_name: str, dimensions: int) -> None:
    bands = len(band_edges(dimensions)) - 1
    every = 1 + 2 * bands + 1 + 3 + 7
    for columns in views(score_name, dimensions):
        assert len(set(columns)) == len(columns)
        assert 0 < min(columns) <= max(columns) < every
    assert band_edges(dimensions)[-1] == dimensions


def test_code_lengths_are_those_of_zlib_in_order() -> None:
    pixels = RAW[:11].numpy()
    assert code_lengths(pixels).tolist() == [len(zlib.compress(r.tobytes(), 1)) for r in pixels]


def test_roughness_by_hand() -> None:
    """A vertical edge 0 | 8 in 2 × 4: the predictor errs once, at its start; one step a row."""
    image = np.array([[[0, 0, 8, 8], [0, 0, 8, 8]]], dtype=np.uint8)
    bits, errors, steps = roughness(image)[0]
    assert (bits, errors, steps) == (pytest.approx(np.log2(9)), 1, pytest.approx(2 * 8 / 6))
    coloured = np.stack([image, image, 0 * image], axis=-1)
    assert roughness(coloured)[0, :2].tolist() == pytest.approx([2 * np.log2(9), 2])


@pytest.mark.parametrize("ground", [0, 200])
def test_extent_is_that_of_what_differs_from_the_ground(ground: int) -> None:
    """A bar of three pixels in row 2: centre (2, 4), variance (0, 2/3); 46 of 49 are ground."""
    image = np.full((1, 7, 7), ground, dtype=np.uint8)
    image[0, 2, 3:6] = abs(ground - 100)
    found = extent(image)[0]
    assert found[:4] == pytest.approx([2, 4, 0, 2 / 3], abs=1e-3)
    assert found[4] == pytest.approx(100 * 3 / 49)
    assert found[5] == pytest.approx(np.sqrt(100**2 * 3 / 49 - (300 / 49) ** 2))
    assert found[6] == pytest.approx(46 / 49)
    blank = np.full((1, 7, 7), ground, dtype=np.uint8)
    assert extent(blank)[0].tolist() == [3, 3, 0, 0, 0, 0, 1]


def test_a_density_is_the_mixture_that_was_fitted() -> None:
    """Against scipy's normal density of each component of scikit-learn's fits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 3)) @ rng.normal(size=(3, 3))
    judge = fit_judge("auto", x, [[0, 2]], seed=0)
    z = (x[:, [0, 2]] - x[:, [0, 2]].mean(0)) / x[:, [0, 2]].std(0)
    fits = [GaussianMixture(2, reg_covar=1e-3, random_state=seed).fit(z) for seed in (0, 1)]
    total = sum(
        weight / 2 * multivariate_normal(mean, covariance).pdf(z)
        for fit in fits
        for weight, mean, covariance in zip(fit.weights_, fit.means_, fit.covariances_, strict=True)
    )
    expected = np.log(total) + np.log(2 * np.pi)  # up to a constant
    assert judge.densities[0].log_density(x) == pytest.approx(expected, abs=1e-6)
    own = judge(x)
    assert np.median(own) == pytest.approx(0, abs=1e-9)
    assert np.quantile(own, 0.01) == pytest.approx(-1)


def test_a_judge_sees_what_is_too_usual_for_each_statistic_alone() -> None:
    """Normals lie on a ring: its middle is likeliest by mean and variance, and judged oddest."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 6_000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    ring += np.random.default_rng(1).normal(0, 0.05, ring.shape)
    judge = fit_judge("auto", ring, [[0, 1]], seed=0)
    middle, far, on = judge(np.array([[0.0, 0.0], [5.0, 5.0], [1.0, 0.0]]))
    assert max(middle, far) < np.quantile(judge(ring), 0.001) < on


def test_values_beyond_all_reason_stay_numbers_and_odd() -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    judge = fit_judge("auto", x, [[0, 1]], seed=0)
    assert (judge(np.array([[1e300, 0], [-1e300, 1e300]])) < -1e3).all()


def test_a_judge_comes_back_from_its_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4))
    judge = fit_judge("input", x, [[0, 1], [2, 3]], seed=0)
    back = Judge.restored(judge.name, judge.arrays())
    assert np.array_equal(back(x), judge(x))


def test_too_few_or_broken_statistics_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(FEWEST, 2))
    fit_judge("auto", x, [[0, 1]], seed=0)
    with pytest.raises(DataError, match=f"at least {FEWEST} held-out normal samples, got 99"):
        fit_judge("auto", x[1:], [[0, 1]], seed=0)
    x[7, 1] = np.inf
    with pytest.raises(DataError, match="are not finite"):
        fit_judge("auto", x, [[0, 1]], seed=0)


def test_nearly_all_alike_still_gives_scores() -> None:
    """398 of 400 blank images: no spread in any statistic but of two."""
    x = np.zeros((400, 3))
    x[:2] = 1
    judge = fit_judge("auto", x, [[0, 1], [2]], seed=0)
    usual, odd = judge(np.array([[0.0, 0, 0], [5.0, 5, 5]]))
    assert np.isfinite([usual, odd]).all()
    assert odd < usual


def test_densities_count_alike() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    both = fit_judge("auto", x, [[0], [1]], seed=0)
    one, other = (Judge("one", (density,)) for density in both.densities)
    assert both(x) == pytest.approx((one(x) + other(x)) / 2)
    assert len(list(itertools.chain(*(d.columns for d in both.densities)))) == 2
