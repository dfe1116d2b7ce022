"""The VAE: a decoder, a prior that is trained with it, and an encoder that makes the bound."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from nice_anomaly.density import Density, Facts
from nice_anomaly.networks import Perceptron
from nice_anomaly.vae.bound import log_mean_exp, standard_normals
from nice_anomaly.vae.gaussian import HALF_LOG_TAU, Gaussian
from nice_anomaly.vae.gradients import Estimate, reparametrised
from nice_anomaly.vocabulary import Activation

ROWS = 4096  # decoded at a time: 13 MB at 784 columns
FARTHEST = 15.0  # of a posterior's ln σ: beyond, its exponential is no number for training
MOST_LAYERS, MOST_DRAWS, WIDEST = 32, 100_000, 65_536  # as settings allow
MOST_DIMENSIONS, MOST_SEED = 1_000_000, 2**63 - 1
COLLAPSED = 0.05  # nats of KL below which a latent says nothing
MEMORY = 0.02  # weight of one batch in the running mean of the latents' KL


@dataclass(frozen=True)
class Architecture:
    """All that an untrained VAE is built from.

    ``draws`` is the K of the VLB^(K) that scores are, ``seed`` that of these draws. ``sigma`` is
    the σ of the decoder if it is not learned; ``trainable_prior`` says whether r_λ is.
    """

    dimensions: int
    latents: int
    layers: int
    width: int
    activation: Activation
    draws: int
    seed: int
    sigma: float | None = None
    trainable_prior: bool = True
    kind: ClassVar[str] = "vae"

    def __post_init__(self) -> None:
        """Raises ValueError for a shape that cannot be, as damaged files have it."""
        counts = (self.latents, self.width, self.layers, self.draws)
        if min(counts) < 1 or self.layers > MOST_LAYERS or self.draws > MOST_DRAWS:
            raise ValueError("latents, width, layers and draws are positive and within reason")
        if self.width > WIDEST or self.dimensions > MOST_DIMENSIONS:
            raise ValueError("width and dimensions are within reason")
        if not 0 <= self.seed <= MOST_SEED:
            raise ValueError("the seed is a positive whole number")
        if self.latents >= self.dimensions or (
            self.sigma is not None and not 0 < self.sigma < math.inf
        ):
            raise ValueError("latents are fewer than dimensions, and sigma is positive")

    def __str__(self) -> str:
        prior = "trainable" if self.trainable_prior else "standard normal"
        sigma = "σ learned" if self.sigma is None else f"σ = {self.sigma:g}"
        return (
            f"VAE of {self.latents} latents, {self.layers} × {self.width} {self.activation}, "
            f"{prior} prior, {sigma}"
        )

    @property
    def largest_matrix(self) -> int:
        """Entries of the largest weight matrix."""
        ends = self.dimensions * max(self.width, self.latents)
        return max(ends, self.width**2, 2 * self.latents * self.width)


class VAE(Density):
    """p(x) = ∫ p_θ(x|z) r_λ(z) dz, known only by its bounds (Kingma & Welling 2014).

    p_θ(x|z) = N(f_θ(z), σ² I), r_λ(z) = N(λ_1, diag λ_2), q_φ(z|x) = N(μ_φ(x), diag Σ_φ(x)).
    ``log_prob`` is VLB^(K)(x) = log (1/K) Σ_k p_θ(x|z_k) r_λ(z_k) / q_φ(z_k|x), z_k ~ q_φ(·|x)
    (Burda et al. 2016, equation 8): at most log p(x) in expectation, and rising with K.

    f_θ and μ_φ are a linear map plus a network that starts at zero. ``initialise`` makes the
    linear part probabilistic PCA, whose posterior is of the form of q_φ: a new VAE has an exact
    bound, and gives exactness up only where the likelihood gains more.
    """

    architecture: Architecture
    centre: Tensor
    scale: Tensor
    latent_kl: Tensor

    def __init__(
        self, architecture: Architecture, estimate: Estimate = reparametrised, draws: int = 1
    ) -> None:
        super().__init__()
        self.architecture = a = architecture
        self._estimate, self._draws = estimate, draws
        d, latents = a.dimensions, a.latents
        network = partial(Perceptron, width=a.width, layers=a.layers, activation=a.activation)
        self.encoder, self.decoder = network(d, 2 * latents), network(latents, d)
        self.read = nn.Linear(d, latents, bias=False)
        self.write = nn.Linear(latents, d, bias=False)
        self.log_std = nn.Parameter(torch.zeros(latents))
        self.log_sigma = nn.Parameter(torch.zeros(()), requires_grad=a.sigma is None)
        trainable = a.trainable_prior
        self.prior_mean = nn.Parameter(torch.zeros(latents), requires_grad=trainable)
        self.prior_log_std = nn.Parameter(torch.zeros(latents), requires_grad=trainable)
        self.register_buffer("centre", torch.zeros(d))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("latent_kl", torch.zeros(latents))

    def parameter_groups(self) -> tuple[Iterable[nn.Parameter], Iterable[nn.Parameter]]:
        """Networks and linear maps; σ, prior and the start of Σ_φ."""
        parts = (self.encoder, self.decoder, self.read, self.write)
        networks = [parameter for part in parts for parameter in part.parameters()]
        few = (self.log_std, self.log_sigma, self.prior_mean, self.prior_log_std)
        return networks, [parameter for parameter in few if parameter.requires_grad]

    @property
    def quantity(self) -> str:
        """What scores are."""
        return f"VLB^({self.architecture.draws:,}), a lower bound on the log-likelihood"

    @property
    def objective_name(self) -> str:
        """What training raises."""
        return "bound, VLB^(1)"

    @property
    def prior(self) -> Gaussian:
        """r_λ, with λ_1 the mean and λ_2 = exp(2 · log_std)."""
        return Gaussian(self.prior_mean, self.prior_log_std)

    def encode(self, x: Tensor) -> Gaussian:
        """q_φ(z|x) of ``x`` ``[n, d]``."""
        u = (x - self.centre) / self.scale
        shift, log_std = self.encoder(u).to(x.dtype).chunk(2, dim=1)
        with torch.autocast(x.device.type, enabled=False):  # exact at the start in any precision
            mean = self.read(u) + shift
        return Gaussian(mean, (self.log_std + log_std).clamp(-FARTHEST, FARTHEST))

    def decode(self, z: Tensor) -> Tensor:
        """f_θ(z) of ``z`` ``[…, l]``, ``[…, d]``."""
        with torch.autocast(z.device.type, enabled=False):
            linear: Tensor = self.centre + self.write(z)
        x: Tensor = linear + self.decoder(z).to(z.dtype)
        return x

    def joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p_θ(x|z) r_λ(z) of ``x`` ``[n, d]`` and ``z`` ``[k, n, l]``, ``[k, n]`` float64."""
        squares = (x - self.decode(z)).square().sum(dim=-1, dtype=torch.float64)
        log_sigma = self.log_sigma.double()
        likelihood = -0.5 * squares * (-2 * log_sigma).exp()
        constant = x.shape[-1] * (log_sigma + HALF_LOG_TAU)
        return likelihood - constant + self.prior.log_prob(z)

    def bound(self, x: Tensor, draws: int, seed: int) -> Tensor:
        """VLB^(K)(x) by K = ``draws`` draws, ``[n]`` float64; memory does not grow with K.

        All samples share the standard normal draws y_k behind z_k = μ_φ(x) + Σ_φ(x)^½ y_k, so a
        sample's value depends on itself and the seed, not on its neighbours.
        """
        q = self.encode(x)

        def log_weights() -> Iterator[Tensor]:
            for noise in standard_normals(draws, self.architecture.latents, seed):
                for y in noise.to(x.device).split(max(1, ROWS // len(x))):
                    z = q.at(y[:, None])
                    yield self.joint(x, z) - q.log_prob(z)

        return log_mean_exp(log_weights())

    def log_prob(self, x: Tensor) -> Tensor:
        """VLB^(K), K and seed being the architecture's."""
        return self.bound(x, self.architecture.draws, self.architecture.seed)

    def objective(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """VLB^(1) with fresh draws, ``[n]``: the mean over K draws of a sample, not their VLB^(K).

        In training the running mean of every latent's KL(q_φ(z_i|x) ‖ r_λ(z_i)) moves with it.
        """
        q = self.encode(x)
        shape = (self._draws, *q.mean.shape)
        y = torch.randn(shape, generator=generator, device=x.device)
        if torch.is_grad_enabled():
            with torch.no_grad():
                weight = MEMORY if self.latent_kl.any() else 1.0
                self.latent_kl.lerp_(q.divergence(self.prior).mean(dim=0), weight)
        return self._estimate(q, lambda z: self.joint(x, z), y)

    @property
    def facts(self) -> Facts:
        """σ, and the KL of every latent, largest first: one near 0 has collapsed to the prior."""
        kl = self.latent_kl.sort(descending=True).values
        return {
            "sigma": math.exp(self.log_sigma.item()),
            "latents_in_use": int((kl > COLLAPSED).sum()),
            "kl_of_latents": [round(value, 4) for value in kl.tolist()],
        }

    @property
    def remarks(self) -> Iterator[str]:
        """Latents that say nothing."""
        used, latents = int((self.latent_kl > COLLAPSED).sum()), self.architecture.latents
        if used < latents:
            yield (
                f"{latents - used} of {latents} latents have collapsed to the prior (a KL below "
                f"{COLLAPSED} nats): the model ignores them. Take fewer, e.g. "
                f"`overrides=['vae.latents={max(1, used)}']`, or leave them: they do no harm."
            )

    @torch.no_grad()
    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        """Draw ``[n, d]`` by z ~ r_λ, x ~ N(f_θ(z), σ² I), both spreads times the temperature."""
        generator = torch.Generator().manual_seed(seed)
        a = self.architecture
        y, noise = (torch.randn(n, k, generator=generator) for k in (a.latents, a.dimensions))
        z = self.prior.at(temperature * y.to(self.device))
        return self.decode(z) + temperature * self.log_sigma.exp() * noise.to(self.device)

    @torch.no_grad()
    def initialise(self, mean: Tensor, covariance: Tensor) -> None:
        """Start as probabilistic PCA (Tipping & Bishop 1999, equations 7 and 8).

        With the eigenpairs Λ, V of the ``covariance`` ``[d, d]`` (best in float64), l latents:
        σ² is the mean of the d - l smaller eigenvalues, W = V_l (Λ_l - σ² I)^½, and the exact
        posterior is N(Λ_l^-1 (Λ_l - σ² I)^½ V_lᵀ (x - μ), σ² Λ_l^-1).
        """
        latents, fixed = self.architecture.latents, self.architecture.sigma
        eigenvalues, vectors = torch.linalg.eigh(covariance)
        smallest = torch.finfo(covariance.dtype).eps * eigenvalues.max().clamp_min(1e-12)
        variance = eigenvalues[:-latents].mean().clamp_min(smallest)
        if fixed is not None:
            variance = torch.full_like(variance, fixed**2)
        first = eigenvalues[-latents:].flip(0)
        basis = vectors[:, -latents:].flip(1)
        gain = (first - variance).clamp_min(1e-4 * variance).sqrt()
        total = gain.square() + variance
        scale = (eigenvalues.sum() / len(mean)).clamp_min(smallest).sqrt()
        self.centre.copy_(mean)
        self.scale.copy_(scale)
        self.write.weight.copy_(basis * gain)
        self.read.weight.copy_((basis * gain / total * scale).T)
        self.log_std.copy_(0.5 * (variance / total).log())
        self.log_sigma.fill_(0.5 * math.log(variance))
