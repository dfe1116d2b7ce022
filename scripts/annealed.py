"""Annealed importance sampling (Neal 2001): log p(x) of a VAE as well as hours can tell it.

From q(z|x) to p(x, z) by the geometric path q^(1-β) p^β (Wu et al. 2017 begin at the prior): the
mean of exp(log weight) is p(x), so its logarithm too is a lower bound, and a far tighter one.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from nice_anomaly.vae import VAE
from nice_anomaly.vae.gaussian import Gaussian

LEAPS, AIM = 4, 0.7  # of a Hamiltonian step, and the share of them to be accepted


def annealed(vae: VAE, x: Tensor, *, chains: int, steps: int, seed: int) -> tuple[Tensor, float]:
    """log p(x) estimates ``[n]``, and the share of Hamiltonian steps that were accepted.

    A pilot finds the step sizes, from the share of its steps that are accepted; then they are
    given, for steps that depend on what their own chain did would leave no density as it is.
    """
    sizes: list[Tensor] = []
    _anneal(vae, x, chains, steps, seed + 1, sizes)
    total, accepted = _anneal(vae, x, chains, steps, seed, sizes)
    return torch.logsumexp(total, dim=0) - math.log(chains), accepted


def _anneal(
    vae: VAE, x: Tensor, chains: int, steps: int, seed: int, sizes: list[Tensor]
) -> tuple[Tensor, float]:
    """Log weights ``[chains, n]``. Without ``sizes`` those that were found are added to it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        q = vae.encode(x)
    shape = (chains, len(x), q.mean.shape[1])
    z = q.at(torch.randn(shape, generator=generator)).detach()
    total, accepted = torch.zeros(shape[:2], dtype=torch.float64), 0.0
    size, pilot = torch.full(shape[1:2], 0.2), not sizes
    betas = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    for step, (before, beta) in enumerate(pairwise(betas.tolist())):
        with torch.no_grad():
            total += (beta - before) * (vae.joint(x, z) - q.log_prob(z))
        if pilot:
            sizes.append(size)
        z, moved = _step(vae, x, q, z, beta, sizes[step].expand(shape[:2]), generator)
        share = moved.float().mean(dim=0)
        size = size * (0.1 * (share - AIM)).exp()
        accepted += share.mean().item() / steps
    return total, accepted


def _step(
    vae: VAE, x: Tensor, q: Gaussian, z: Tensor, beta: float, size: Tensor, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One Hamiltonian step that leaves q^(1-β) p^β as it is, in units of the spread of q."""
    unit = q.log_std.exp()

    def energy(y: Tensor) -> tuple[Tensor, Tensor]:
        y = y.detach().requires_grad_()
        at = q.mean + unit * y
        value = -beta * vae.joint(x, at) - (1 - beta) * q.log_prob(at)
        return value.detach(), torch.autograd.grad(value.sum(), y)[0]

    y = (z - q.mean) / unit
    momentum = torch.randn(y.shape, generator=draw)
    value, slope = energy(y)
    start = value + 0.5 * momentum.square().sum(dim=2)
    e = size[:, :, None]
    new = y
    for _ in range(LEAPS):
        momentum = momentum - 0.5 * e * slope
        new = new + e * momentum
        value, slope = energy(new)
        momentum = momentum - 0.5 * e * slope
    end = value + 0.5 * momentum.square().sum(dim=2)
    moved = torch.rand(size.shape, generator=draw) < (start - end).exp()
    return torch.where(moved[:, :, None], q.mean + unit * new, z).detach(), moved
