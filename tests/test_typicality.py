"""Typicality and what it looks at: features by hand, densities, and what they are blind to."""

import itertools
import zlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from nice_anomaly.density import Split
from nice_anomaly.errors import DataError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Scorer, Typicality
from nice_anomaly.scores.image_features import (
    FEATURES,
    VIEWS,
    Image,
    band_edges,
    code_lengths,
    extent,
    image_features,
    roughness,
    views,
)
from nice_anomaly.scores.likelihood import log_likelihoods
from nice_anomaly.scores.typicality import FEWEST, Density, fit_typicality
from nice_anomaly.vocabulary import ScoreName

D, SHAPE = 64, (8, 8)
RAW = torch.randint(0, 256, (300, D), generator=torch.Generator().manual_seed(1)).byte()
PREPROCESS = Preprocess.for_levels(D, 256)


@pytest.fixture(scope="module")
def flow() -> Flow:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = Flow(Architecture(dimensions=D, couplings=2, layers=1, width=16, prior="student"))
        for parameter in built.couplings.parameters():
            parameter.data.normal_(std=0.3)
    return built


def looked_at(flow: Flow, raw: torch.Tensor) -> np.ndarray:
    scorer = Scorer(flow, PREPROCESS, torch.float32, "weights", SHAPE, features=True)
    return scorer.measure(raw.numpy())


def test_the_first_feature_is_the_log_likelihood_and_bands_split_it(flow: Flow) -> None:
    """Σ over bands of width × mean term, plus the log-determinant, is log p(x)."""
    found = looked_at(flow, RAW)
    scores = log_likelihoods(flow, PREPROCESS, RAW, precision=torch.float32)
    assert found[:, 0] == pytest.approx(scores, rel=1e-6)
    widths = np.diff(band_edges(D))
    _, log_det = flow(PREPROCESS.midpoint(RAW[:1]))
    split = found[:, 1 : 1 + len(widths)] @ widths + log_det.item()
    assert split == pytest.approx(scores, rel=1e-4)


def test_features_are_those_of_the_sample_alone(flow: Flow) -> None:
    order = torch.randperm(len(RAW), generator=torch.Generator().manual_seed(2))
    assert np.array_equal(looked_at(flow, RAW[order]), looked_at(flow, RAW)[order])
    assert np.allclose(looked_at(flow, RAW[:1]), looked_at(flow, RAW)[:1], rtol=1e-5)


SHAPES = {"grey": (8, 8), "colour": (6, 5, 3), "of MNIST": (28, 28), "tiny": (2, 2)}


def images(shape: tuple[int, ...], n: int = 5) -> tuple[Split, torch.Tensor]:
    """Random images and a split of them, no column of which is like another."""
    generator = torch.Generator().manual_seed(4)
    d = int(np.prod(shape))
    terms, whitened = (torch.randn(n, d, generator=generator) for _ in range(2))
    raw = torch.randint(0, 256, (n, d), generator=generator).byte()
    return Split(terms.sum(dim=1).double(), terms, whitened), raw


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("score", VIEWS)
def test_views_name_the_columns_of_image_features(score: ScoreName, shape: str) -> None:
    """Held against what each feature of a view gives by itself, in the order of the view."""
    split, raw = images(SHAPES[shape])
    every = image_features(split, raw, SHAPES[shape])
    image = Image(split, raw.numpy(), SHAPES[shape])
    own = {feature.name: feature.of(image) for feature in FEATURES}
    found = views(score, raw.shape[1])
    assert len(found) == len(VIEWS[score])
    for columns, names in zip(found, VIEWS[score], strict=True):
        assert np.array_equal(every[:, columns], np.column_stack([own[name] for name in names]))


LATENTS = [[*range(1, 10), 19]]
INPUT = [[*range(10, 19), 19, 20, 21, 22], [*range(23, 30)]]


@pytest.mark.parametrize(
    ("score", "columns"), [("latents", LATENTS), ("input", INPUT), ("auto", LATENTS + INPUT)]
)
def test_the_columns_of_stored_calibrations_are_these(
    score: ScoreName, columns: list[list[int]]
) -> None:
    """Nine bands at 784 values: terms 1-9, energies 10-18, code 19, roughness 20-22, extent."""
    assert views(score, 784) == columns


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_is_as_wide_as_it_says(feature: Any, shape: str) -> None:
    split, raw = images(SHAPES[shape])
    image = Image(split, raw.numpy(), SHAPES[shape])
    found = np.column_stack([feature.of(image)])
    assert found.shape == (len(raw), feature.width(raw.shape[1]))


@pytest.mark.parametrize("score", VIEWS)
@pytest.mark.parametrize("dimensions", [16, 64, 784, 3072])
def test_views_name_existing_columns_once(score: ScoreName, dimensions: int) -> None:
    """The log-likelihood, which is the first, is in none of them."""
    every = 1 + sum(feature.width(dimensions) for feature in FEATURES)
    for columns in views(score, dimensions):
        assert len(set(columns)) == len(columns)
        assert 0 < min(columns) <= max(columns) < every


@pytest.mark.parametrize("dimensions", [1, 2, 4, 16, 64, 784, 3072, 100_000])
def test_bands_cut_all_latents_into_at_most_ten(dimensions: int) -> None:
    edges = band_edges(dimensions)
    assert (edges[0], edges[-1]) == (0, dimensions)
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert len(edges) - 1 <= 10


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
    typicality = fit_typicality("auto", x, [[0, 2]], seed=0)
    z = (x[:, [0, 2]] - x[:, [0, 2]].mean(0)) / x[:, [0, 2]].std(0)
    fits = [GaussianMixture(2, reg_covar=1e-3, random_state=seed).fit(z) for seed in (0, 1)]
    total = sum(
        weight / 2 * multivariate_normal(mean, covariance).pdf(z)
        for fit in fits
        for weight, mean, covariance in zip(fit.weights_, fit.means_, fit.covariances_, strict=True)
    )
    expected = np.log(total) + np.log(2 * np.pi)  # up to a constant
    assert typicality.densities[0].log_density(x) == pytest.approx(expected, abs=1e-6)
    own = typicality(x)
    assert np.median(own) == pytest.approx(0, abs=1e-9)
    assert np.quantile(own, 0.01) == pytest.approx(-1)


def test_typicality_sees_what_is_too_usual_for_each_feature_alone() -> None:
    """Normals lie on a ring: its middle is likeliest by mean and variance, and oddest here."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 3_000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    ring += np.random.default_rng(1).normal(0, 0.05, ring.shape)
    typicality = fit_typicality("auto", ring, [[0, 1]], seed=0)
    middle, far, on = typicality(np.array([[0.0, 0.0], [5.0, 5.0], [1.0, 0.0]]))
    assert max(middle, far) < np.quantile(typicality(ring), 0.001) < on


def test_values_beyond_all_reason_stay_numbers_and_odd() -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    typicality = fit_typicality("auto", x, [[0, 1]], seed=0)
    assert (typicality(np.array([[1e300, 0], [-1e300, 1e300]])) < -1e3).all()


def test_typicality_comes_back_from_its_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4))
    typicality = fit_typicality("input", x, [[0, 1], [2, 3]], seed=0)
    back = Typicality.restored(typicality.name, typicality.arrays())
    assert np.array_equal(back(x), typicality(x))


@pytest.fixture(scope="module")
def fit() -> Typicality:
    x = np.random.default_rng(0).normal(size=(200, 4))
    return fit_typicality("input", x, [[0, 1, 2], [3, 2]], seed=0)


SAME: dict[str, Callable[[Typicality], Typicality]] = {
    "itself": lambda fit: fit,
    "a copy": lambda fit: Typicality(fit.name, fit.densities),
    "restored": lambda fit: Typicality.restored(fit.name, fit.arrays()),
    "in another order of memory": lambda fit: Typicality.restored(
        fit.name, {name: np.asfortranarray(array) for name, array in fit.arrays().items()}
    ),
    "fitted again": lambda _: fit_typicality(
        "input", np.random.default_rng(0).normal(size=(200, 4)), [[0, 1, 2], [3, 2]], seed=0
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_equal_numbers_have_an_equal_fingerprint(fit: Typicality, case: str) -> None:
    other = SAME[case](fit)
    arrays = other.arrays()
    assert all(np.array_equal(array, arrays[name]) for name, array in fit.arrays().items())
    assert other.fingerprint == fit.fingerprint


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", [field.name for field in fields(Density)])
def test_one_other_number_is_another_fingerprint(fit: Typicality, name: str, place: int) -> None:
    arrays = {key: array.copy() for key, array in fit.arrays().items()}
    changed: Any = arrays[f"{place}.{name}"].reshape(-1)
    changed[-1] = changed[-1] + 1 if name == "columns" else np.nextafter(changed[-1], np.inf)
    assert Typicality.restored(fit.name, arrays).fingerprint != fit.fingerprint


OTHERS: dict[str, Callable[[Typicality], Typicality]] = {
    "another name": lambda fit: Typicality("auto", fit.densities),
    "another order": lambda fit: Typicality(fit.name, fit.densities[::-1]),
    "one density less": lambda fit: Typicality(fit.name, fit.densities[:1]),
    "one twice": lambda fit: Typicality(fit.name, (*fit.densities, fit.densities[0])),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_makes_another_score_has_another_fingerprint(fit: Typicality, case: str) -> None:
    assert OTHERS[case](fit).fingerprint != fit.fingerprint


@pytest.mark.parametrize("name", [None, "0.means", "1.scale"])
def test_arrays_that_are_missing_are_not_restored(fit: Typicality, name: str | None) -> None:
    arrays = {key: array for key, array in fit.arrays().items() if name not in (None, key)}
    with pytest.raises(KeyError):
        Typicality.restored(fit.name, arrays)


def test_too_few_or_broken_features_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(FEWEST, 2))
    fit_typicality("auto", x, [[0, 1]], seed=0)
    with pytest.raises(DataError, match=f"at least {FEWEST} held-out normal samples, got 99"):
        fit_typicality("auto", x[1:], [[0, 1]], seed=0)
    x[7, 1] = np.inf
    with pytest.raises(DataError, match="are not finite"):
        fit_typicality("auto", x, [[0, 1]], seed=0)


def test_nearly_all_alike_still_gives_scores() -> None:
    """398 of 400 blank images: no spread in any feature but of two."""
    x = np.zeros((400, 3))
    x[:2] = 1
    typicality = fit_typicality("auto", x, [[0, 1], [2]], seed=0)
    usual, odd = typicality(np.array([[0.0, 0, 0], [5.0, 5, 5]]))
    assert np.isfinite([usual, odd]).all()
    assert odd < usual


def test_densities_count_alike() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    both = fit_typicality("auto", x, [[0], [1]], seed=0)
    one, other = (Typicality("auto", (density,)) for density in both.densities)
    assert both(x) == pytest.approx((one(x) + other(x)) / 2)
    assert len(list(itertools.chain(*(d.columns for d in both.densities)))) == 2
