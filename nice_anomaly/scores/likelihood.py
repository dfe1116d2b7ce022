"""Measuring: samples → their log-likelihoods or features, chunk by chunk at constant memory."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import NumericsError
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.runtime import autocast, threads_for
from nice_anomaly.words import count_of

Measured = NDArray[np.float64]

CHUNK = 2048  # rows at a time: large enough for full speed, 6 MB an activation at 784 columns
ALIGNMENT = 64  # matrix kernels round differently below 16 rows: short chunks are padded to this


def log_likelihoods(
    model: Density,
    preprocess: Preprocess,
    raw: Tensor,
    *,
    precision: torch.dtype,
    noise_seed: int | None = None,
    chunk: int = CHUNK,
) -> Measured:
    """Log-likelihoods of ``raw`` ``[n, d]`` in nats and in order, ``[n]``.

    A sample's value depends on the sample alone, not on its neighbours nor on the chunk size. By
    default samples are taken at the middle of their level; with ``noise_seed`` at a random place
    in it, which is what published likelihoods mean.

    Raises:
        NumericsError: a value is NaN, with the rows that are.
    """
    generator = None if noise_seed is None else torch.Generator(model.device)
    if generator is not None and noise_seed is not None:
        generator.manual_seed(noise_seed)
    return nats(model, preprocess, raw, model.log_prob, precision, generator, chunk)


def nats(
    model: Density,
    preprocess: Preprocess,
    raw: Tensor,
    log_density: Callable[[Tensor], Tensor],
    precision: torch.dtype,
    generator: torch.Generator | None = None,
    chunk: int = CHUNK,
) -> Measured:
    """What ``log_density`` of the model says of x, in the units of ``raw`` ``[n, d]``, ``[n]``.

    Raises:
        NumericsError: a value is NaN, with the rows that are.
    """

    def measure(x: Tensor, rows: Tensor) -> Measured:
        values: Measured = (log_density(x) + preprocess.log_jacobian(rows)).cpu().numpy()
        return values

    pieces = in_chunks(model, preprocess, raw, measure, precision, generator, chunk)
    return np.concatenate([np.empty(0), *pieces])


def in_chunks(
    model: Density,
    preprocess: Preprocess,
    raw: Tensor,
    measure: Callable[[Tensor, Tensor], Measured],
    precision: torch.dtype,
    generator: torch.Generator | None = None,
    chunk: int = CHUNK,
) -> Iterator[Measured]:
    """``measure(x, raw)``, ``[m]`` or ``[m, S]``, for one chunk of ``raw`` after the other.

    Each chunk is padded to whole kernels and cut again.

    Raises:
        NumericsError: a value is NaN, with the rows that are.
    """
    largest = 2.0 * min(chunk, len(raw)) * model.architecture.largest_matrix
    for start in range(0, len(raw), chunk):
        rows = raw[start : start + chunk]
        with torch.inference_mode(), autocast(model.device, precision), threads_for(largest):
            padding = -len(rows) % ALIGNMENT
            padded = torch.cat([rows, rows[:1].expand(padding, -1)]).to(model.device)
            if generator is None:
                x = preprocess.midpoint(padded)
            else:
                x = preprocess.dequantise(padded, generator)
            values = measure(x, padded)[: len(rows)]
        bad = np.flatnonzero(np.isnan(values.reshape(len(rows), -1)).any(axis=1))
        if len(bad):
            raise NumericsError(
                f"the log-likelihood of {count_of(len(bad), 'row')} is not a number, the first in "
                f"row {start + bad[0]} (counted from 0): its values are far outside what the "
                f"run has learned. Check that row, or train again."
            )
        yield values
