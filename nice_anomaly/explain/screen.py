"""Screening: which columns of a wide row are worth a closer look, by a Gaussian."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.explain.slot import Array
from nice_anomaly.flow import Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Scorer

RIDGE = 0.05  # of unit variance, where the covariance is that of few samples
PIECE = 1 << 22  # entries of a matrix at a time


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal density of x with precision P = 1/ε - Σ c_i v_i v_iᵀ + Σ v_i v_iᵀ / λ_i.

    ``axes`` ``[d, r]`` are the v_i in float32 and ``weights`` ``[r]`` what they add, 1/λ_i - 1/ε;
    ``rest`` is 1/ε, and ``diagonal`` ``[d]`` that of P, which itself is never formed.
    """

    preprocess: Preprocess
    mean: torch.Tensor
    axes: torch.Tensor
    weights: torch.Tensor
    rest: float
    diagonal: Array

    def gains(self, raw: Array) -> Array:
        """What log p of every row gains if one coordinate takes its conditional mean, ``[n, d]``.

        ½ (P (x - μ))_j² / P_jj.
        """
        x = self.preprocess.midpoint(torch.from_numpy(np.ascontiguousarray(raw)))
        centred = x - self.mean
        pull = (centred @ self.axes * self.weights) @ self.axes.T + self.rest * centred
        gains: Array = 0.5 * pull.double().numpy() ** 2 / self.diagonal
        return gains


def gaussian(scorer: Scorer, references: NDArray[Any]) -> Gaussian:
    """That of the flow's whitening; without one, that of the references, shrunk."""
    model, preprocess = scorer.model, scorer.preprocess.to(torch.device("cpu"))
    if isinstance(model, Flow):
        layer = model.whitening
        return _of(
            preprocess, layer.mean.cpu(), layer.eigenvectors.cpu(), 1 / layer.eigenvalues.cpu(), 0.0
        )
    x = preprocess.midpoint(torch.from_numpy(references.astype(np.float64)))
    mean = x.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(x - mean, full_matrices=False)
    weights = 1 / (sizes.square() / len(x) + RIDGE) - 1 / RIDGE
    return _of(preprocess, mean, axes.T.contiguous(), weights, 1 / RIDGE)


def _of(
    preprocess: Preprocess,
    mean: torch.Tensor,
    axes: torch.Tensor,
    weights: torch.Tensor,
    rest: float,
) -> Gaussian:
    pieces = axes.split(max(1, PIECE // axes.shape[1]))
    diagonal = torch.cat([piece.square() @ weights for piece in pieces]).double().numpy() + rest
    return Gaussian(preprocess, mean, axes, weights, rest, np.maximum(diagonal, 1e-12))
