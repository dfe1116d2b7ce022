"""Scores: one a sample, in order, whatever the neighbours and the batch; and what made them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nice_anomaly.errors import NumericsError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Origin, Scores
from nice_anomaly.scores.likelihood import in_chunks, log_likelihoods

D = 30


@pytest.fixture(scope="module")
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
    rows = RAW[: 60 * chunk]  # more than one chunk, but not a thousand of one row
    parts = log_likelihoods(flow, PREPROCESS, rows, precision=precision, chunk=chunk)
    together = log_likelihoods(flow, PREPROCESS, RAW, precision=precision)
    assert np.array_equal(parts, together[: len(rows)])


@pytest.mark.parametrize("columns", [None, 3])
def test_what_is_measured_comes_in_chunks_and_in_order(flow: Flow, columns: int | None) -> None:
    """The padding of a chunk is cut off again, of one column as of several."""

    def measure(x: torch.Tensor, raw: torch.Tensor) -> Any:
        assert len(x) == len(raw)
        assert len(x) % 64 == 0
        first = raw[:, 0].double().numpy()
        return first if columns is None else np.tile(first[:, None], columns)

    pieces = list(in_chunks(flow, PREPROCESS, RAW, measure, torch.float32, chunk=300))
    assert [len(piece) for piece in pieces] == [300, 300, 300, 100]
    found = np.concatenate(pieces)
    assert found.shape == ((1000,) if columns is None else (1000, columns))
    assert (found.reshape(1000, -1) == RAW[:, :1].numpy()).all()


def test_scores_follow_their_samples(flow: Flow) -> None:
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(2))
    scores = log_likelihoods(flow, PREPROCESS, RAW, precision=torch.float32)
    shuffled = log_likelihoods(flow, PREPROCESS, RAW[order], precision=torch.float32)
    assert np.array_equal(shuffled, scores[order])


def test_a_score_is_log_prob_of_the_midpoint_plus_log_jacobian(flow: Flow) -> None:
    rows = np.random.default_rng(0).normal(5, 3, (64, D))
    preprocess = Preprocess.for_columns(rows, noise=0.3)
    scores = log_likelihoods(flow, preprocess, torch.from_numpy(rows), precision=torch.float32)
    x = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)
    expected = flow.log_prob(torch.from_numpy(x)).detach().numpy() - np.log(rows.std(axis=0)).sum()
    assert scores == pytest.approx(expected, rel=1e-5)


def test_a_density_in_other_units_shifts_by_d_ln_c(flow: Flow) -> None:
    rows = np.random.default_rng(0).normal(size=(64, D))
    one, thousand = (
        log_likelihoods(
            flow, Preprocess.for_columns(v, 0.0), torch.from_numpy(v), precision=torch.float32
        )
        for v in (rows, 1000 * rows)
    )
    assert one - thousand == pytest.approx(D * np.log(1000), rel=1e-5)


def test_random_dequantisation_repeats_with_its_seed(flow: Flow) -> None:
    draws = [
        log_likelihoods(flow, PREPROCESS, RAW, precision=torch.float32, noise_seed=seed)
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_no_samples_no_scores(flow: Flow) -> None:
    assert log_likelihoods(flow, PREPROCESS, RAW[:0], precision=torch.float32).shape == (0,)


def test_a_score_that_is_no_number_is_an_error_with_its_row(flow: Flow) -> None:
    rows = torch.zeros(3000, D, dtype=torch.float64)
    rows[2500, 3] = float("nan")
    with pytest.raises(NumericsError, match="1 row is not a number, the first in row 2500"):
        log_likelihoods(flow, PREPROCESS, rows, precision=torch.float32)


STATES: dict[str, Callable[[], Any]] = {  # all that torch keeps for the whole process
    "threads": torch.get_num_threads,
    "inference mode": torch.is_inference_mode_enabled,
    "autocast": lambda: torch.is_autocast_enabled("cpu"),
    "gradients": torch.is_grad_enabled,
}


@pytest.mark.parametrize("state", STATES)
def test_no_state_of_torch_is_held_between_two_chunks(flow: Flow, state: str) -> None:
    """Whoever waits for the next chunk computes as if nobody else did."""
    inside = []

    def measure(_: torch.Tensor, raw: torch.Tensor) -> Any:
        inside.append(STATES[state]())
        return np.zeros(len(raw))

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        outside = STATES[state]()
        pieces = in_chunks(flow, PREPROCESS, RAW, measure, torch.bfloat16, chunk=300)
        for piece in pieces:
            assert len(piece)
            assert STATES[state]() == outside
    finally:
        torch.set_num_threads(before)
    assert len(inside) == 4
    assert outside not in inside  # and within a chunk it is another


@pytest.mark.parametrize("state", STATES)
def test_a_measurement_that_fails_gives_the_state_of_torch_back(flow: Flow, state: str) -> None:
    def measure(_: torch.Tensor, __: torch.Tensor) -> Any:
        raise ZeroDivisionError

    before = STATES[state]()
    with pytest.raises(ZeroDivisionError):
        list(in_chunks(flow, PREPROCESS, RAW, measure, torch.bfloat16))
    assert STATES[state]() == before


CHOSEN = {
    "slice": slice(1, None),
    "places": [1, 2],
    "mask": np.array([False, True, True]),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_some_scores_are_of_the_same_origin(case: str) -> None:
    chosen = CHOSEN[case]
    scores = Scores(np.array([-3.0, -1.0, -2.0]), Origin("auto", "weights", "fit"))
    assert scores[chosen].values.tolist() == [-1, -2]
    assert scores[chosen].origin == scores.origin
    assert (len(scores), len(scores[chosen])) == (3, 2)


def test_scores_are_an_array_where_one_is_wanted() -> None:
    scores = Scores(np.array([-3.0, -1.0]))
    assert np.asarray(scores).tolist() == [-3, -1]
    assert np.mean(scores) == -2
    np.asarray(scores, dtype=np.float32)[0] = 7
    assert scores.values[0] == -3


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin(), "the score 'likelihood' of the weights (none)"),
        (
            Origin("likelihood", "0123456789abcdef"),
            "the score 'likelihood' of the weights 0123456789ab",
        ),
        (Origin("auto", "ab", "0" * 64), "the score 'auto' of the weights ab, fit 000000000000"),
    ],
)
def test_an_origin_says_what_made_the_scores(origin: Origin, text: str) -> None:
    assert str(origin) == text
