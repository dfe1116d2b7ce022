"""Other ways to say which column makes a row odd: rows ``[n, d]`` → blame ``[n, d]``."""

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.explain.screen import gaussian
from nice_anomaly.scores import Scorer

Rows = NDArray[np.float64]
PERMUTATIONS = 32


def marginal_z(rows: Rows, normal: Rows) -> Rows:
    """How many standard deviations a cell is from the mean of its column."""
    found: Rows = np.abs(rows - normal.mean(axis=0)) / np.maximum(normal.std(axis=0), 1e-12)
    return found


def gradient(rows: Rows, scorer: Scorer, normal: Rows) -> Rows:
    """Gradient × input: what log p would gain, were it linear, by the mean of the column."""
    x = scorer.preprocess.midpoint(torch.from_numpy(rows))
    mean = scorer.preprocess.midpoint(torch.from_numpy(normal)).mean(dim=0)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(scorer.model.log_prob(x).sum(), x)
    found: Rows = (slope * (mean - x)).detach().double().numpy()
    return found


def gaussian_z(rows: Rows, scorer: Scorer) -> Rows:
    """The square of the conditional z-value under the normal density of the whitening."""
    x = scorer.preprocess.midpoint(torch.from_numpy(rows))
    return gaussian(scorer, rows).gains(x)


def shapley(rows: Rows, scorer: Scorer, normal: Rows, random: np.random.Generator) -> Rows:
    """Shapley values of -log p by sampling: columns of a normal row replaced in random order."""
    found = np.zeros_like(rows)
    count, columns = PERMUTATIONS, rows.shape[1]
    for row, blame in zip(rows, found, strict=True):
        steps = np.repeat(normal[random.integers(len(normal), size=count)], columns + 1, axis=0)
        steps = steps.reshape(count, columns + 1, columns)
        orders = np.array([random.permutation(columns) for _ in range(count)])
        for k in range(columns):
            steps[np.arange(count), k + 1 :, orders[:, k]] = row[orders[:, k], None]
        scores = scorer(steps.reshape(-1, columns)).values.reshape(count, columns + 1)
        np.add.at(blame, orders, scores[:, :-1] - scores[:, 1:])
    return found
