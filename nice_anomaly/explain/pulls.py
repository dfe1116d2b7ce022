"""Pulls: where a model would have every value of an image go, to its first order.

Two of them. Of the Gaussian that a model starts with, r = P (μ - x), the pull to the mean. Of the
flow behind it, g = -∇ₓ Σ ρ(h_i(x)) with Huber's ρ of the latents, ½ h² below 1 and linear
beyond: the gradient of a heavy-tailed prior dies for far latents, which are those to blame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.explain.forms import Matrix
from nice_anomaly.flow import Flow

KNEE = 1.0  # of Huber's energy, in standard deviations of a latent
RIDGE = 0.003  # of the diagonal
LIKE = 1.001  # variances that count as one and the same
SHARE = 4  # samples a direction that is learned from them
MOST_DIRECTIONS = 400


@dataclass(frozen=True)
class Pull:
    """The pull ``of`` samples ``[n, d]`` in the model's x, and the ``matrix`` of its blocks.

    For r that is P, the inverse covariance; for g it is F = E[g gᵀ] over normal samples, so many
    of them as ``learned`` says.
    """

    of: Callable[[Tensor], Tensor]
    matrix: Matrix
    learned: int = 0


def gaussian(model: Density, normal: Tensor) -> Pull:
    """r and P, of a flow from its whitening, else from ``normal`` samples ``[m, d]``."""
    if isinstance(model, Flow):
        whitening = model.whitening
        mean, vectors = whitening.mean.cpu().double(), whitening.eigenvectors.cpu().double()
        variances = whitening.eigenvalues.cpu().double()
    else:
        mean, vectors, variances = principal(normal.double())
    matrix = _inverse(vectors, variances)
    return Pull(lambda x: (matrix @ (mean - x.double())).float(), matrix)


def latent(model: Density, normal: Tensor) -> Pull | None:
    """g and F of a flow; None for a model without latents of every sample."""
    if not isinstance(model, Flow):
        return None
    pulls = huber(model, normal).double()
    base = RIDGE * pulls.square().mean(dim=0)
    base = base.clamp_min(RIDGE * base.mean().clamp_min(torch.finfo(torch.float32).tiny))
    weights = torch.full((len(pulls),), 1 / len(pulls), dtype=torch.float64)
    matrix = Matrix(base, pulls.T.contiguous(), weights)
    return Pull(lambda x: huber(model, x), matrix, len(pulls))


def huber(model: Flow, x: Tensor) -> Tensor:
    """g of samples ``[n, d]``, ``[n, d]``."""
    with torch.inference_mode(False), torch.enable_grad():
        given = x.to(model.device).clone().requires_grad_()
        h, _ = model(given)
        size = h.abs()
        energy = torch.where(size < KNEE, 0.5 * h.square(), KNEE * size - 0.5 * KNEE**2)
        (slope,) = torch.autograd.grad(energy.sum(), given)
    return -slope.cpu()


def principal(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, directions ``[d, r + 1…]`` and variances of samples, by probabilistic PCA.

    Tipping & Bishop (1999): as many directions as the samples can tell, the rest as one variance.
    """
    mean = x.mean(dim=0)
    _, size, vectors = torch.linalg.svd(x - mean, full_matrices=False)
    variances = size.square() / max(1, len(x) - 1)
    kept = min(len(x) // SHARE, x.shape[1] - 1, MOST_DIRECTIONS)
    rest = variances[kept:].sum() / (x.shape[1] - kept)
    floor = rest.clamp_min(1e-6 * variances.sum() / x.shape[1]).clamp_min(1e-12)
    return mean, vectors[:kept].T, torch.cat([variances[:kept].clamp_min(floor), floor[None]])


def _inverse(vectors: Tensor, variances: Tensor) -> Matrix:
    """P from directions and their variances; one variance more is that of all other directions.

    Where most directions have the smallest variance alike, only the others are held.
    """
    least = variances.min()
    told = variances[: vectors.shape[1]] > LIKE * least
    if len(variances) == vectors.shape[1] and told.sum() > len(told) / 2:
        return Matrix(torch.zeros((), dtype=torch.float64), vectors, 1 / variances)
    weights = 1 / variances[: vectors.shape[1]][told] - 1 / least
    return Matrix(1 / least, vectors[:, told].contiguous(), weights)
