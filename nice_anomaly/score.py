"""Scoring: samples → one float64 log-likelihood each, in nats; higher = more normal.

Or another score, if a judge is given: what it makes of the statistics of each sample.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.errors import NumericsError
from nice_anomaly.flow import Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.runtime import autocast, threads_for
from nice_anomaly.statistics import statistics

Scores = NDArray[np.float64]

CHUNK = 2048  # rows at a time: large enough for full speed, 6 MB an activation at 784 columns
ALIGNMENT = 64  # matrix kernels round differently below 16 rows: short chunks are padded to this


def score_chunks(
    flow: Flow,
    preprocess: Preprocess,
    raw: Tensor,
    *,
    precision: torch.dtype,
    noise_seed: int | None = None,
    chunk: int = CHUNK,
) -> Iterator[Scores]:
    """Log-likelihoods of ``raw`` ``[n, d]`` in order, ``chunk`` rows at a time.

    A sample's score depends on the sample alone, not on its neighbours nor on the chunk size.
    By default values are scored at the middle of their level; with ``noise_seed`` at a random
    place in it, which is what published likelihoods mean.

    Raises:
        NumericsError: a score is NaN, with the rows that are.
    """
    device = flow.scaling.log_scale.device
    generator = None if noise_seed is None else torch.Generator(device).manual_seed(noise_seed)

    def log_likelihood(x: Tensor, rows: Tensor) -> Scores:
        scores: Scores = (flow.log_prob(x) + preprocess.log_jacobian(rows)).cpu().numpy()
        return scores

    yield from _measured(flow, preprocess, raw, log_likelihood, precision, generator, chunk)


def statistics_of(
    flow: Flow,
    preprocess: Preprocess,
    raw: Tensor,
    shape: Sequence[int],
    *,
    precision: torch.dtype,
) -> Scores:
    """What a judge looks at, of images ``raw`` ``[n, d]``; ``[n, S]``, log p(x) first.

    See ``nice_anomaly.statistics``.
    """

    def measure(x: Tensor, rows: Tensor) -> Scores:
        found = statistics(flow, x, rows, shape)
        found[:, 0] += preprocess.log_jacobian(rows).cpu().numpy()
        return found

    return np.concatenate([*_measured(flow, preprocess, raw, measure, precision, None, CHUNK)])


def _measured(
    flow: Flow,
    preprocess: Preprocess,
    raw: Tensor,
    measure: Callable[[Tensor, Tensor], Scores],
    precision: torch.dtype,
    generator: torch.Generator | None,
    chunk: int,
) -> Iterator[Scores]:
    """``measure(x, raw)`` chunk by chunk, each padded to whole kernels and cut again."""
    device = flow.scaling.log_scale.device
    largest = 2.0 * min(chunk, len(raw)) * flow.architecture.largest_matrix
    with torch.inference_mode(), autocast(device, precision), threads_for(largest):
        for start in range(0, len(raw), chunk):
            rows = raw[start : start + chunk]
            padding = -len(rows) % ALIGNMENT
            padded = torch.cat([rows, rows[:1].expand(padding, -1)]).to(device)
            if generator is None:
                x = preprocess.midpoint(padded)
            else:
                x = preprocess.dequantise(padded, generator)
            scores = measure(x, padded)[: len(rows)]
            bad = np.flatnonzero(np.isnan(scores.reshape(len(rows), -1)).any(axis=1))
            if len(bad):
                raise NumericsError(
                    f"the log-likelihood of {len(bad)} rows is not a number, the first in row "
                    f"{start + bad[0]} (counted from 0): its values are far outside what the "
                    f"run has learned. Check that row, or train again."
                )
            yield scores


def score(
    flow: Flow,
    preprocess: Preprocess,
    raw: Tensor,
    *,
    precision: torch.dtype,
    noise_seed: int | None = None,
) -> Scores:
    """All scores of ``raw`` ``[n, d]`` at once, ``[n]``; see ``score_chunks``."""
    chunks = score_chunks(flow, preprocess, raw, precision=precision, noise_seed=noise_seed)
    return np.concatenate([np.empty(0), *chunks])
