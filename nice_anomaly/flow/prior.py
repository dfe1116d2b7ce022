"""Priors: the factorised densities of the latent space, each defined once.

These priors are elementwise: ``log_prob`` maps ``[n, d]`` to ``[n, d]`` (of any prior, the sum
over the last axis is a sample's log-density), ``sample`` draws ``[n, d]`` from torch's generator;
``std`` is the standard deviation that the scaling layer aims at when it starts from data.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class LogisticPrior(nn.Module):
    """The standard logistic density, log p(h) = -softplus(h) - softplus(-h).

    Dinh et al. (2014), section 3.4. Mean of log p: -2; maximum: -2 ln 2, at h = 0.
    """

    std = math.pi / math.sqrt(3)

    def log_prob(self, h: Tensor) -> Tensor:
        """Nats a coordinate. Written in |h|: one softplus, exact for large |h|."""
        size = h.abs()
        return -size - 2 * functional.softplus(-size)

    def sample(self, n: int, dimensions: int) -> Tensor:
        """Draw by inverting the distribution function, h = ln u - ln(1 - u)."""
        return torch.rand(n, dimensions).clamp_min(torch.finfo(torch.float32).tiny).logit()


class GaussianPrior(nn.Module):
    """The standard normal density, log p(h) = -½ h² - ½ ln 2π."""

    std = 1.0

    def log_prob(self, h: Tensor) -> Tensor:
        """Nats a coordinate."""
        return -0.5 * h.square() - 0.5 * math.log(2 * math.pi)

    def sample(self, n: int, dimensions: int) -> Tensor:
        """Draw standard normal values."""
        return torch.randn(n, dimensions)


class StudentPrior(nn.Module):
    """Student's t with its own degrees of freedom ν_i in every coordinate, learned with the flow.

    log p(h) = lnΓ((ν+1)/2) - lnΓ(ν/2) - ½ ln(νπ) - (ν+1)/2 · ln(1 + h²/ν).

    Whitened images have coordinates that are nearly always still and rarely far out (a pixel
    that few digits touch). No fixed prior fits those and the smooth ones; here each coordinate
    says how heavy its own tail is. ν → ∞ is the Gaussian. ``log_nu`` holds ln ν, ``[d]``.
    """

    def __init__(self, dimensions: int, nu: float = 6.0) -> None:
        super().__init__()
        self.log_nu = nn.Parameter(torch.full((dimensions,), math.log(nu)))

    @torch.no_grad()
    def start(self, nu: float) -> None:
        """The same degrees of freedom for every coordinate."""
        self.log_nu.fill_(math.log(nu))

    @property
    def std(self) -> float:
        """√(ν / (ν - 2)), averaged over the coordinates; ν > 2."""
        nu = self.log_nu.detach().exp()
        return float((nu / (nu - 2)).sqrt().mean())

    def log_prob(self, h: Tensor) -> Tensor:
        """Nats a coordinate."""
        result: Tensor = _StudentLogProb.apply(h, self.log_nu.exp())[0]
        return result

    @torch.no_grad()
    def sample(self, n: int, dimensions: int) -> Tensor:
        """Draw from the t distribution of every coordinate."""
        assert dimensions == len(self.log_nu)
        return torch.distributions.StudentT(self.log_nu.exp()).sample((n,))


class _StudentLogProb(torch.autograd.Function):
    """The log-density with its gradient by hand: half the passes over h that autograd takes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(h: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
        """log p(h) for degrees of freedom ν, elementwise; and ln(1 + h²/ν)."""
        log = torch.log1p(h.square().div_(nu))
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * (nu * math.pi).log()
        return torch.addcmul(constant, log, -(nu + 1) / 2), log

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]
    ) -> None:
        """Keep what the gradient needs."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients by h, ``[n, d]``, and by ν, ``[d]``."""
        (grad, _), (h, nu, log) = grads, ctx.saved_tensors
        # With w = (ν+1) h / (ν + h²): d/dh = -w and d/dν = c'(ν) - ½ ln(1 + h²/ν) + w h / 2ν.
        w = torch.addcmul(nu, h, h).reciprocal_().mul_(h).mul_(grad).mul_(-(nu + 1))
        slope = (torch.digamma((nu + 1) / 2) - torch.digamma(nu / 2) - 1 / nu) / 2
        along = (w * h).sum(dim=0) / (-2 * nu)
        return w, slope * grad.sum(dim=0) - (grad * log).sum(dim=0) / 2 + along


Prior = LogisticPrior | GaussianPrior | StudentPrior
