"""Preprocessing: numbers by hand, and the log-Jacobian against a change of unit."""

import math

import numpy as np
import pytest
import torch

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
    byte = torch.zeros(2, 784, dtype=torch.uint8)
    assert Preprocess.for_levels(784, 256).log_jacobian(byte).tolist() == [0, 0]
    rows = rng().normal(100, [2.0, 5.0], (1000, 2))
    preprocess = Preprocess.for_columns(rows, noise=0)
    expected = -np.log(rows.std(axis=0)).sum()
    assert preprocess.log_jacobian(torch.from_numpy(rows))[7].item() == pytest.approx(expected)


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


def test_a_constant_column_is_scaled_by_a_tenth_of_its_value() -> None:
    rows = rng().normal(size=(20, 3))
    rows[:, 1], rows[:, 2] = 7, 0
    preprocess = Preprocess.for_columns(rows, noise=0.1)
    x = preprocess.midpoint(torch.tensor([[0.0, 7.0, 0.0], [0.0, 7.7, 2.0]], dtype=torch.float64))
    assert x[:, 1].tolist() == pytest.approx([0, 1])
    assert x[:, 2].tolist() == pytest.approx([0, 2])


def test_a_column_on_a_grid_is_dequantised_by_its_own_step() -> None:
    rows = rng().choice([0.0, 0.5, 1.0], (4_000, 1))
    preprocess = Preprocess.for_columns(rows, noise=0.0, steps=np.array([0.5]))
    x = preprocess.dequantise(torch.from_numpy(rows), torch.Generator().manual_seed(0))
    assert x.mean().item() == pytest.approx(0, abs=0.03)
    assert x.std().item() == pytest.approx(1, abs=0.02)
    assert len(np.unique(x)) > 3_900
    level = rows / 0.5
    inside = (x.double() * preprocess.scale + preprocess.shift).numpy() / 0.5 - level
    assert inside.min() > -1e-6
    assert inside.max() < 1 + 1e-6


HEAVY = {
    "normal": (rng().normal(5, 2, 2_000), False),
    "exponential": (rng().exponential(size=2_000), False),
    "uniform": (rng().uniform(size=2_000), False),
    "log-normal": (rng().lognormal(0, 1.2, 2_000), False),
    "log-normal, far": (rng().lognormal(0, 2.5, 2_000), True),
    "cauchy": (rng().standard_cauchy(2_000), True),
    "mostly zero": (np.where(rng().random(2_000) < 0.9, 0, rng().exponential(size=2_000)), False),
}


@pytest.mark.parametrize("case", HEAVY)
def test_only_a_heavy_tail_is_tamed(case: str) -> None:
    values, heavy = HEAVY[case]
    preprocess = Preprocess.for_columns(values[:, None], noise=0.1)
    assert bool(preprocess.tail > 0) == heavy
    x = preprocess.midpoint(torch.from_numpy(values[:, None]))
    assert (np.argsort(x[:, 0].numpy(), kind="stable") == np.argsort(values, kind="stable")).all()
    assert x.std().item() == pytest.approx(1, rel=1e-3)


def test_the_log_jacobian_is_the_derivative_of_the_map() -> None:
    rows = np.column_stack([rng().standard_cauchy(500), rng().normal(3, 2, 500)])
    preprocess = Preprocess.for_columns(rows, noise=0.0)
    assert (preprocess.tail > 0).tolist() == [True, False]
    raw = torch.from_numpy(rows[:5])
    step = 1e-3 * raw.abs().clamp_min(1)
    slope = (preprocess.midpoint(raw + step) - preprocess.midpoint(raw - step)) / (2 * step)
    assert preprocess.log_jacobian(raw).tolist() == pytest.approx(
        slope.log().sum(dim=1).tolist(), abs=2e-3
    )
    assert preprocess.to_raw(preprocess.midpoint(raw)).numpy() == pytest.approx(rows[:5], rel=1e-4)


def test_a_number_beyond_all_reason_stays_finite() -> None:
    rows = np.column_stack([rng().standard_cauchy(50), rng().normal(size=50)])
    x = Preprocess.for_columns(rows, noise=0.0).midpoint(
        torch.full((1, 2), 1e300, dtype=torch.float64)
    )
    assert x.isfinite().all()


def test_storing_and_restoring_gives_the_same_map() -> None:
    first = Preprocess.for_columns(rng().normal(3, 2, (20, 3)), noise=0.1)
    second = Preprocess(**dict(first.tensors()))
    raw = torch.from_numpy(rng().normal(size=(5, 3)))
    assert torch.equal(first.midpoint(raw), second.midpoint(raw))
