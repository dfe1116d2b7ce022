"""Preprocessing: numbers by hand, and the log-Jacobian against a change of unit."""

import math

import numpy as np
import pytest
import torch

from nice_anomaly.errors import DataError
from nice_anomaly.preprocess import Preprocess


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_midpoint_of_bytes_by_hand() -> None:
    x = Preprocess.for_levels(3, 256).midpoint(torch.tensor([[0, 128, 255]], dtype=torch.uint8))
    assert x.tolist() == [[0.5 / 256, 128.5 / 256, 255.5 / 256]]


def test_dequantised_values_stay_in_their_level_and_average_to_its_middle() -> None:
    preprocess = Preprocess.for_levels(4, 17)
    raw = torch.tensor([0, 1, 8, 16], dtype=torch.uint8).expand(20_000, 4)
    x = 17 * preprocess.dequantise(raw, torch.Generator().manual_seed(0))
    assert (x >= raw).all()
    assert (x < raw + 1).all()
    assert (x.mean(dim=0) - raw[0] - 0.5).abs().max() < 0.01
    assert torch.equal(preprocess.to_raw(x / 17 + 1e-4)[0], raw[0].double())


def test_images_are_densities_on_the_unit_interval_and_rows_in_their_own_units() -> None:
    assert Preprocess.for_levels(784, 256).log_jacobian == 0
    rows = rng().normal(100, [2.0, 5.0], (1000, 2))
    preprocess = Preprocess.for_columns(rows, noise=0)
    assert preprocess.log_jacobian == pytest.approx(-np.log(rows.std(axis=0)).sum())


def test_bits_per_dim_of_the_uniform_density_is_eight() -> None:
    """On [0, 1] with 256 levels bits/dim = 8 - LL / (D ln 2); LL = 0 for the uniform density."""
    preprocess = Preprocess.for_levels(784, 256)
    assert preprocess.bits_per_dim(0.0) == 8
    assert preprocess.bits_per_dim(784 * math.log(256)) == pytest.approx(0)
    assert preprocess.bits_per_dim(1980.50) == pytest.approx(4.36, abs=0.005)  # the paper's pair
    assert Preprocess.for_columns(rng().normal(size=(9, 2)), 0.1).bits_per_dim(0.0) is None


def test_columns_become_standardised_without_losing_small_spreads_on_large_offsets() -> None:
    rows = 1e9 + rng().normal(size=(5_000, 3))
    x = Preprocess.for_columns(rows, noise=0.0).midpoint(torch.from_numpy(rows))
    assert x.dtype == torch.float32
    assert x.mean(dim=0).abs().max() < 1e-4
    assert x.std(dim=0).numpy() == pytest.approx(1, rel=1e-3)


def test_noise_is_for_training_only() -> None:
    rows = torch.zeros(50_000, 1, dtype=torch.float64)
    preprocess = Preprocess.for_columns(rng().normal(size=(50, 1)), noise=0.25)
    noisy = preprocess.dequantise(rows, torch.Generator().manual_seed(0))
    assert noisy.std().item() == pytest.approx(0.25, rel=0.02)
    assert len(preprocess.midpoint(rows).unique()) == 1


def test_moments_are_those_of_dequantised_data() -> None:
    preprocess = Preprocess.for_levels(3, 4)
    raw = torch.from_numpy(rng().integers(0, 4, (30_000, 3), dtype=np.uint8))
    raw[:, 2] = 1  # a constant pixel: its variance is the dequantisation's alone
    mean, covariance = preprocess.moments(raw)
    x = preprocess.dequantise(raw, torch.Generator().manual_seed(0)).double()
    assert (x.mean(dim=0) - mean).abs().max() < 0.005
    assert (torch.cov(x.T) - covariance).abs().max() < 0.002
    assert covariance[2, 2].item() == pytest.approx(1 / 12 / 16)


def test_a_constant_column_is_refused_by_its_number() -> None:
    rows = rng().normal(size=(20, 3))
    rows[:, 1] = 7
    with pytest.raises(DataError, match=r"column 1 .* same value, 7, in all 20"):
        Preprocess.for_columns(rows, noise=0.1)


def test_storing_and_restoring_gives_the_same_map() -> None:
    first = Preprocess.for_columns(rng().normal(3, 2, (20, 3)), noise=0.1)
    second = Preprocess(**dict(first.tensors()))
    raw = torch.from_numpy(rng().normal(size=(5, 3)))
    assert torch.equal(first.midpoint(raw), second.midpoint(raw))
