"""Scores: one a sample, in order, whatever the neighbours and the batch."""

import numpy as np
import pytest
import torch

from nice_anomaly.errors import NumericsError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.score import score, score_chunks

D = 30


@pytest.fixture
def flow() -> Flow:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = Flow(Architecture(dimensions=D, couplings=4, layers=2, width=64, prior="student"))
        for parameter in built.couplings.parameters():
            parameter.data.normal_(std=0.3)
    return built


PREPROCESS = Preprocess.for_levels(D, 256)
RAW = torch.randint(0, 256, (1000, D), generator=torch.Generator().manual_seed(1)).byte()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("chunk", [1, 7, 64, 333, 2048])
def test_scores_do_not_depend_on_the_batch_size(
    flow: Flow, precision: torch.dtype, chunk: int
) -> None:
    parts = score_chunks(flow, PREPROCESS, RAW, precision=precision, chunk=chunk)
    assert np.array_equal(
        np.concatenate(list(parts)), score(flow, PREPROCESS, RAW, precision=precision)
    )


def test_scores_follow_their_samples(flow: Flow) -> None:
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(2))
    scores = score(flow, PREPROCESS, RAW, precision=torch.float32)
    shuffled = score(flow, PREPROCESS, RAW[order], precision=torch.float32)
    assert np.array_equal(shuffled, scores[order])


def test_a_score_is_log_prob_of_the_midpoint_plus_log_jacobian(flow: Flow) -> None:
    rows = np.random.default_rng(0).normal(5, 3, (64, D))
    preprocess = Preprocess.for_columns(rows, noise=0.3)
    scores = score(flow, preprocess, torch.from_numpy(rows), precision=torch.float32)
    x = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)
    expected = flow.log_prob(torch.from_numpy(x)).detach().numpy() - np.log(rows.std(axis=0)).sum()
    assert scores == pytest.approx(expected, rel=1e-5)


def test_a_density_in_other_units_shifts_by_d_ln_c(flow: Flow) -> None:
    rows = np.random.default_rng(0).normal(size=(64, D))
    one, thousand = (
        score(flow, Preprocess.for_columns(v, 0.0), torch.from_numpy(v), precision=torch.float32)
        for v in (rows, 1000 * rows)
    )
    assert one - thousand == pytest.approx(D * np.log(1000), rel=1e-5)


def test_random_dequantisation_repeats_with_its_seed(flow: Flow) -> None:
    draws = [
        score(flow, PREPROCESS, RAW, precision=torch.float32, noise_seed=seed) for seed in (1, 1, 2)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_no_samples_no_scores(flow: Flow) -> None:
    assert score(flow, PREPROCESS, RAW[:0], precision=torch.float32).shape == (0,)


def test_a_score_that_is_no_number_is_an_error_with_its_row(flow: Flow) -> None:
    rows = torch.zeros(3000, D, dtype=torch.float64)
    rows[2500, 3] = float("nan")
    with pytest.raises(NumericsError, match="1 rows is not a number, the first in row 2500"):
        score(flow, PREPROCESS, rows, precision=torch.float32)
