"""Scaling: the layer that lets NICE change volume."""

import torch
from torch import Tensor, nn


class Scaling(nn.Module):
    """Diagonal scaling h = exp(s) ⊙ z, log|det dh/dz| = Σ s_i.

    Dinh et al. (2014), section 3.3. ``log_scale`` holds s. Shapes: ``[n, d]`` both ways.

    >>> layer = Scaling(2)
    >>> _ = layer.log_scale.data.copy_(torch.tensor([0.0, 1.0]))
    >>> layer(torch.ones(1, 2))[1].item()
    1.0
    """

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dimensions))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z → (h, Σ s)."""
        return z * self.log_scale.exp(), self.log_scale.sum()

    def inverse(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """z = exp(-s) ⊙ h."""
        return h * (-self.log_scale).exp(), -self.log_scale.sum()

    @torch.no_grad()
    def initialise(self, z: Tensor, std: float) -> None:
        """Choose s so that each coordinate of exp(s) ⊙ z has the standard deviation ``std``."""
        spread = z.double().std(dim=0).clamp_min(1e-12)
        self.log_scale.copy_((std / spread).log())
