"""Whitening: the linear layer that makes the data's covariance the identity."""

import torch
from torch import Tensor, nn


class Whitening(nn.Module):
    """PCA whitening, z = Λ^(-1/2) Vᵀ (x - μ), with Λ, V the eigenpairs of the covariance.

    A fixed linear bijection, so log|det dz/dx| = -½ Σ log λ_i for every x. Coordinates of z
    are in the order of decreasing variance. Shapes: x and z are ``[n, d]``; both directions
    return ``(value, log_det)`` with a 0-dimensional ``log_det`` in nats.

    >>> layer = Whitening(torch.zeros(2), torch.eye(2), torch.tensor([4.0, 1.0]))
    >>> z, log_det = layer(torch.tensor([[2.0, 3.0]]))
    >>> z.tolist(), round(log_det.item(), 4)
    ([[1.0, 3.0]], -0.6931)
    """

    mean: Tensor
    eigenvectors: Tensor
    eigenvalues: Tensor

    def __init__(self, mean: Tensor, eigenvectors: Tensor, eigenvalues: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("eigenvectors", eigenvectors)
        self.register_buffer("eigenvalues", eigenvalues)

    @classmethod
    def identity(cls, dimensions: int) -> "Whitening":
        """The layer that changes nothing, to be filled with stored values."""
        return cls(torch.zeros(dimensions), torch.eye(dimensions), torch.ones(dimensions))

    @classmethod
    def from_moments(cls, mean: Tensor, covariance: Tensor, floor: float = 0.0) -> "Whitening":
        """The whitening of a mean ``[d]`` and a covariance ``[d, d]``, best given in float64.

        Eigenvalues below ``floor`` count as ``floor``: directions in which the data hardly
        move are then not blown up to unit variance.
        """
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
        smallest = torch.finfo(covariance.dtype).eps * eigenvalues.max()
        eigenvalues = eigenvalues.flip(0).clamp_min(max(floor, smallest.item()))
        return cls(mean, eigenvectors.flip(1).contiguous(), eigenvalues)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → (z, log|det dz/dx|)."""
        # In bfloat16 the directions of small variance would be rounding noise blown up.
        with torch.autocast(x.device.type, enabled=False):
            z = (x - self.mean) @ self.eigenvectors * self.eigenvalues.rsqrt()
        return z, -0.5 * self.eigenvalues.log().sum()

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x = V Λ^(1/2) z + μ."""
        with torch.autocast(z.device.type, enabled=False):
            x = z * self.eigenvalues.sqrt() @ self.eigenvectors.T + self.mean
        return x, 0.5 * self.eigenvalues.log().sum()
