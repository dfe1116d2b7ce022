"""A mixture of Gaussians as the prior: for data that come in clumps."""

import math

import torch
from torch import Tensor, nn

PRIOR_SAMPLES = 10.0  # weight, in samples, of the prior that pulls component variances to 1


class MixturePrior(nn.Module):
    """log p(h) = ln Σ_k π_k Π_i N(h_i; μ_ki, σ_ki²), learned with the flow.

    A volume-preserving flow with one peak cannot tear a density into separate clumps, and rows of
    a table often are clumps: several products, soils, digits. Here each may have a component of
    its own (Izmailov et al. 2020 do so for classes). ``log_prob`` is ``[n, 1]``: the components
    tie the coordinates together, so there is one term a sample and not one a coordinate.

    ``means`` and ``log_scales`` are ``[components, d]``, ``log_weights`` ``[components]``
    (unnormalised). A new prior is the standard normal in every component.
    """

    std = 1.0

    def __init__(self, dimensions: int, components: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.zeros(components, dimensions))
        self.log_scales = nn.Parameter(torch.zeros(components, dimensions))
        self.log_weights = nn.Parameter(torch.zeros(components))

    def log_prob(self, h: Tensor) -> Tensor:
        """Nats a sample, ``[n, 1]``."""
        with torch.autocast(h.device.type, enabled=False):
            precision = (-2 * self.log_scales).exp()
            squares = h.square() @ precision.T - 2 * h @ (self.means * precision).T
            squares = squares + (self.means.square() * precision).sum(dim=1)
            constant = torch.log_softmax(self.log_weights, 0) - self.log_scales.sum(dim=1)
            terms = constant - 0.5 * squares.clamp_min(0) - 0.5 * h.shape[1] * math.log(2 * math.pi)
            return torch.logsumexp(terms, dim=1, keepdim=True)

    @torch.no_grad()
    def sample(self, n: int, dimensions: int) -> Tensor:
        """Draw a component by its weight, then a normal value around its mean."""
        assert dimensions == self.means.shape[1]
        chosen = torch.multinomial(self.log_weights.softmax(0), n, replacement=True)
        noise = torch.randn(n, dimensions)
        return self.means[chosen] + self.log_scales[chosen].exp() * noise

    @torch.no_grad()
    def initialise(self, h: Tensor, labels: Tensor) -> None:
        """Start from a clustering of ``h`` ``[n, d]``; ``labels`` ``[n]`` name the components.

        Means, variances and weights of component k are those of its cluster, with the variances
        pulled towards 1 by ``PRIOR_SAMPLES``, so that a small cluster does not start as a spike.
        """
        for k in range(len(self.log_weights)):
            own = h[labels == k]
            if not len(own):
                continue
            self.means[k] = own.mean(dim=0)
            squares = (own - self.means[k]).square().sum(dim=0)
            variance = (squares + PRIOR_SAMPLES) / (len(own) + PRIOR_SAMPLES)
            self.log_scales[k] = variance.log() / 2
            self.log_weights[k] = math.log(len(own) / len(h))
