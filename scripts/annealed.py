"""Annealed importance sampling (Neal 2001): log p(x) of a VAE as well as hours can tell it.

From q(z|x) to p(x, z) by the geometric path q^(1-β) p^β (Wu et al. 2017 begin at the prior): the
mean of exp(log weight) is p(x), so its logarithm too is a lower bound, and a far tighter one.
"""

from itertools import pairwise

import torch
from torch import Tensor

from nice_anomaly.vae import VAE
from nice_anomaly.vae.gaussian import Gaussian

LEAPS, AIM = 4, 0.7  # of a Hamiltonian step, and the share of them to be accepted


def annealed(vae: VAE, x: Tensor, *, chains: int, steps: int, seed: int) -> tuple[Tensor, float]:
    """log p(x) estimates ``[n]``, and the share of Hamiltonian steps that were accepted."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        q = vae.encode(x)
    shape = (chains, len(x), q.mean.shape[1])
    z = q.at(torch.randn(shape, generator=generator)).detach()
    size = torch.full(shape[:2], 0.2)
    total, accepted = torch.zeros(shape[:2], dtype=torch.float64), 0.0
    betas = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    for before, beta in pairwise(betas.tolist()):
        with torch.no_grad():
            total += (beta - before) * (vae.joint(x, z) - q.log_prob(z))
        z, moved = _step(vae, x, q, z, beta, size, generator)
        size *= torch.where(moved, 1.02, 1.02 ** (-AIM / (1 - AIM)))
        accepted += moved.float().mean().item() / steps
    return torch.logsumexp(total, dim=0) - torch.tensor(float(chains)).log(), accepted


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
