"""A linear-Gaussian VAE, whose log p(x) and posterior are known on paper, and its bounds."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from nice_anomaly.vae import VAE, Architecture

COLUMNS, LATENTS, SAMPLES = 20, 4, 100
TIMES = 20_000  # draws behind every mean, at least 20 bounds of them
OFF, WIDER = 0.5, 0.25  # of the encoder: its mean in units of the exact posterior's σ; its ln σ


def model(seed: int) -> VAE:
    """x = b + W z + σ ε; its encoder is the exact posterior, disturbed."""
    vae = VAE(Architecture(COLUMNS, LATENTS, layers=1, width=1, activation="relu", draws=1, seed=0))
    vae = vae.double()  # both networks end in zeros: f and μ are linear
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        vae.centre.copy_(some(COLUMNS))
        vae.write.weight.copy_(some(COLUMNS, LATENTS))
        vae.log_sigma.fill_(0.0)
        linear, covariance = posterior(vae)
        spread = covariance.diagonal().sqrt()
        vae.read.weight.copy_(linear)
        vae.encoder.last.bias[:LATENTS].copy_(OFF * spread * some(LATENTS).sign())
        vae.log_std.copy_(spread.log() + WIDER * some(LATENTS).sign())
    return vae


def posterior(vae: VAE) -> tuple[Tensor, Tensor]:
    """p(z|x) = N(linear (x - b), covariance), by completing the square."""
    w, variance = vae.write.weight, (2 * vae.log_sigma).exp()
    covariance = torch.linalg.inv(torch.eye(LATENTS).double() + w.T @ w / variance)
    return covariance @ w.T / variance, covariance


def log_p(vae: VAE, x: Tensor) -> Tensor:
    """log N(x; b, W W' + σ² I)."""
    w = vae.write.weight
    covariance = w @ w.T + (2 * vae.log_sigma).exp() * torch.eye(COLUMNS).double()
    result: Tensor = MultivariateNormal(vae.centre, covariance).log_prob(x)
    return result


def gap(vae: VAE, x: Tensor) -> Tensor:
    """KL(q(·|x) ‖ p(·|x)), of two Gaussians."""
    q, (linear, covariance) = vae.encode(x), posterior(vae)
    exact = MultivariateNormal((x - vae.centre) @ linear.T, covariance)
    return kl_divergence(MultivariateNormal(q.mean, (2 * q.log_std).exp().diag_embed()), exact)


@torch.no_grad()
def climb(seed: int, draws: list[int]) -> dict[str, Any]:
    """VLB^(K) over samples of the model itself, with its standard error over fresh draws."""
    vae = model(seed)
    x = vae.sample(SAMPLES, seed=seed).double()
    lines = []
    for k in draws:
        times = max(20, TIMES // k)
        found = torch.stack([vae.bound(x, k, again).mean() for again in range(times)])
        error = found.std().item() / math.sqrt(times)
        lines.append({"draws": k, "bound": found.mean().item(), "standard_error": error})
    return {
        "columns": COLUMNS,
        "latents": LATENTS,
        "samples": SAMPLES,
        "log_p": log_p(vae, x).mean().item(),
        "kl": gap(vae, x).mean().item(),
        "bounds": lines,
    }
