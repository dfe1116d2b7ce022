"""Gaussian: normal densities with independent coordinates, as values."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Gaussian:
    """N(mean, diag exp(2 · log_std)); both fields are ``[…, l]``.

    >>> one = Gaussian(torch.zeros(1), torch.zeros(1))
    >>> round(one.log_prob(torch.zeros(1)).item(), 4), one.divergence(one).item()
    (-0.9189, 0.0)
    """

    mean: Tensor
    log_std: Tensor

    def at(self, y: Tensor) -> Tensor:
        """Z = μ + Σ^½ y: where a standard normal draw ``[…, l]`` lands."""
        return self.mean + self.log_std.exp() * y

    def log_prob(self, z: Tensor) -> Tensor:
        """Nats, summed over the last axis in float64."""
        y = (z - self.mean) * (-self.log_std).exp()
        terms = -0.5 * y.square() - self.log_std - HALF_LOG_TAU
        return terms.sum(dim=-1, dtype=torch.float64)

    def divergence(self, other: "Gaussian") -> Tensor:
        """KL(self ‖ other) in nats, one for each coordinate, ``[…, l]``."""
        gap = self.log_std - other.log_std
        far = (self.mean - other.mean) * (-other.log_std).exp()
        return 0.5 * ((2 * gap).exp() + far.square() - 1) - gap
