"""Screening: which columns of a row are worth trying, where they are too many to try all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.explain.slot import Array, Slot
from nice_anomaly.flow import Flow
from nice_anomaly.scores import Scorer

TRIED = 10  # columns by either way
WORK = 2e11  # products that the states of those may take, a row
STATES = 64  # that a column has, about
RIDGE = 0.05  # of unit variance, where the covariance is that of few samples
PIECE = 1 << 22  # numbers at a time
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal density of x with precision P = Σ_i c_i v_i v_iᵀ + rest · 1, which is never formed.

    ``axes`` ``[d, r]`` are the v_i, ``weights`` ``[r]`` the c_i, ``diagonal`` ``[d]`` that of P.
    """

    mean: Tensor
    axes: Tensor
    weights: Tensor
    rest: float
    diagonal: Tensor

    def gains(self, x: Tensor) -> Array:
        """What log p of every row gains if one coordinate takes its conditional mean, ``[n, d]``.

        ½ (P (x - μ))_j² / P_jj.
        """
        centred = x - self.mean
        pull = (centred @ self.axes * self.weights) @ self.axes.T + self.rest * centred
        gains: Array = (0.5 * pull.double().square() / self.diagonal).cpu().numpy()
        return gains


def gaussian(scorer: Scorer, references: NDArray[Any]) -> Gaussian:
    """That of the flow's whitening; of another model that of the references, shrunk."""
    if isinstance(scorer.model, Flow):
        layer = scorer.model.whitening
        return _of(layer.mean, layer.eigenvectors, 1 / layer.eigenvalues, 0.0)
    x = _seen(scorer, references)
    mean = x.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(x - mean, full_matrices=False)
    weights = 1 / (sizes.square() / len(x) + RIDGE) - 1 / RIDGE
    return _of(mean, axes.T.contiguous(), weights, 1 / RIDGE)


@dataclass(frozen=True, eq=False)
class Screen:
    """What chooses columns to try: a normal density, the slope of log p, and the usual range.

    The first sees lines, however far a row is; the second what the model has learned beside them.
    ``slopes`` ``[d]`` are the mean squares of normal ones, ``low`` and ``high`` ``[d]`` the range;
    either way chooses ``most`` columns.
    """

    scorer: Scorer
    slots: Sequence[Slot]
    gaussian: Gaussian
    slopes: Array
    low: Array
    high: Array
    most: int

    def chosen(self, rows: Array) -> NDArray[np.bool_]:
        """Which columns of rows ``[n, d]`` to try, ``[n, columns]``."""
        if len(self.slots) <= 2 * self.most:
            return np.ones((len(rows), len(self.slots)), dtype=bool)
        starts = [slot.place.start for slot in self.slots]
        linear = np.add.reduceat(self.gaussian.gains(_seen(self.scorer, rows)), starts, axis=1)
        steep = np.add.reduceat(_slopes(self.scorer, rows) ** 2 / self.slopes, starts, axis=1)
        beyond = np.logical_or.reduceat((rows < self.low) | (rows > self.high), starts, axis=1)
        far = np.where(beyond, linear, -1.0)
        best = _largest(linear, self.most) | _largest(steep, self.most)
        every: NDArray[np.bool_] = best | (_largest(far, self.most) & beyond)
        return every


def screen(scorer: Scorer, slots: Sequence[Slot], references: NDArray[Any]) -> Screen:
    """The screen of a run."""
    rows = references.astype(np.float64)
    few = rows[: max(1, PIECE // rows.shape[1])]
    slopes = np.maximum((_slopes(scorer, few) ** 2).mean(axis=0), LEAST)
    low, high = rows.min(axis=0), rows.max(axis=0)
    work = 2 * STATES * scorer.model.architecture.largest_matrix
    most = int(np.clip(WORK / work, 2, TRIED))
    return Screen(scorer, slots, gaussian(scorer, references), slopes, low, high, most)


def _of(mean: Tensor, axes: Tensor, weights: Tensor, rest: float) -> Gaussian:
    pieces = axes.split(max(1, PIECE // axes.shape[1]))
    diagonal = torch.cat([piece.square() @ weights for piece in pieces]).double() + rest
    return Gaussian(mean, axes, weights, rest, diagonal.clamp_min(LEAST))


def _seen(scorer: Scorer, rows: NDArray[Any]) -> Tensor:
    """Rows as the model sees them."""
    raw = torch.from_numpy(rows.astype(np.float64)).to(scorer.model.device)
    return scorer.preprocess.midpoint(raw)


def _slopes(scorer: Scorer, rows: Array) -> Array:
    """The gradient of log p(x), ``[n, d]``; 0 where it is not finite."""

    def pieces() -> Iterator[Array]:
        for part in _seen(scorer, rows).split(max(1, PIECE // (64 * rows.shape[1]))):
            with torch.enable_grad():
                x = part.detach().clone().requires_grad_()
                (slope,) = torch.autograd.grad(scorer.model.log_prob(x).sum(), x)
            yield slope.double().cpu().numpy()

    slopes: Array = np.nan_to_num(np.concatenate([*pieces()]), posinf=0.0, neginf=0.0)
    return slopes


def _largest(values: Array, most: int) -> NDArray[np.bool_]:
    """The largest of every row, the first of equal ones."""
    chosen = np.zeros(values.shape, dtype=bool)
    order = np.argsort(-values, axis=1, kind="stable")[:, :most]
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen
