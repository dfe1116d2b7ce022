"""The VAE: its bounds and gradients against linear-Gaussian models, where all is known on paper."""

import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from nice_anomaly.vae import GRADIENTS, VAE, Architecture
from nice_anomaly.vae.bound import DRAWN, log_mean_exp, standard_normals
from nice_anomaly.vae.gaussian import Gaussian
from nice_anomaly.vocabulary import Gradient

D, L = 5, 2
X = torch.randn(3, D, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def built(draws: int = 8, seed: int = 0, **changes: object) -> VAE:
    """Everything standard normal and nothing said of x, in float64."""
    values = {"dimensions": D, "latents": L, "layers": 1, "width": 4, "activation": "relu"}
    model = VAE(Architecture(**(values | changes), draws=draws, seed=seed)).double()
    torch.nn.init.zeros_(model.read.weight)
    torch.nn.init.zeros_(model.write.weight)
    return model


def linear(seed: int) -> VAE:
    """A linear-Gaussian VAE whose encoder is near the posterior and is not it.

    Its networks end in zeros, so that f(z) = c + W z and μ(x) = A (x - c).
    """
    model, generator = built(), torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        model.centre.copy_(some(D))
        model.write.weight.copy_(some(D, L))
        model.log_sigma.copy_(0.3 * some(1)[0])
        model.prior_mean.copy_(some(L))
        model.prior_log_std.copy_(0.3 * some(L))
        offset, linear_part, covariance = posterior(model)
        model.read.weight.copy_(linear_part + 0.1 * some(L, D))
        model.encoder.last.bias[:L].copy_(offset + 0.3 * some(L))
        model.log_std.copy_(0.5 * covariance.diagonal().log() + 0.3 * some(L))
    return model


def posterior(model: VAE) -> tuple[Tensor, Tensor, Tensor]:
    """p(z|x) = N(offset + linear (x - c), covariance), by completing the square."""
    w, variance = model.write.weight, (2 * model.log_sigma).exp()
    precision = (-2 * model.prior_log_std).exp().diag()
    covariance = torch.linalg.inv(precision + w.T @ w / variance)
    return covariance @ precision @ model.prior_mean, covariance @ w.T / variance, covariance


def log_p(model: VAE, x: Tensor) -> Tensor:
    """log N(x; c + W λ_1, W diag(λ_2) W' + σ² I)."""
    w = model.write.weight
    covariance = w @ (2 * model.prior_log_std).exp().diag() @ w.T
    covariance = covariance + (2 * model.log_sigma).exp() * torch.eye(D, dtype=torch.float64)
    return MultivariateNormal(model.centre + w @ model.prior_mean, covariance).log_prob(x)


def gap(model: VAE, x: Tensor) -> Tensor:
    """KL(q(·|x) ‖ p(·|x)) in closed form."""
    q, (offset, linear_part, covariance) = model.encode(x), posterior(model)
    exact = MultivariateNormal(offset + (x - model.centre) @ linear_part.T, covariance)
    return kl_divergence(MultivariateNormal(q.mean, (2 * q.log_std).exp().diag_embed()), exact)


def simulated(model: VAE, x: Tensor, draws: int, times: int) -> tuple[Tensor, Tensor]:
    """The mean of ``times`` bounds with fresh draws, and its standard error, ``[n]``."""
    found = torch.stack([model.bound(x, draws, seed) for seed in range(times)])
    return found.mean(dim=0), found.std(dim=0) / math.sqrt(times)


# The Gaussian.


def test_a_gaussian_is_that_of_scipy() -> None:
    one = Gaussian(torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, -1.0]).double())
    z = torch.tensor([[0.3, 0.1], [5.0, -2.0]]).double()
    expected = scipy.stats.norm([1, -2], np.exp([0.5, -1])).logpdf(z).sum(axis=1)
    assert one.log_prob(z).numpy() == pytest.approx(expected)


def test_divergence_is_that_of_torch_coordinate_by_coordinate() -> None:
    one = Gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.5, -1.0]))
    two = Gaussian(torch.tensor([0.0, 3.0]), torch.tensor([-0.5, 2.0]))
    normals = (torch.distributions.Normal(g.mean, g.log_std.exp()) for g in (one, two))
    assert torch.allclose(one.divergence(two), kl_divergence(*normals))


# Log-mean-exp.


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.0], 0.0),
        ([0.0, math.log(3)], math.log(2)),
        ([-1e5, -1e5 + math.log(3)], -1e5 + math.log(2)),
        ([-math.inf, 0.0], -math.log(2)),
        ([-math.inf, -math.inf], -math.inf),
        ([700.0, 710.0, 720.0], 720 + math.log(1 + math.exp(-10) + math.exp(-20)) - math.log(3)),
    ],
)
def test_log_mean_exp_by_hand(weights: list[float], expected: float) -> None:
    found = log_mean_exp([torch.tensor(weights, dtype=torch.float64)[:, None]])
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_log_mean_exp_is_the_same_to_the_bit_however_it_is_cut() -> None:
    weights = 50 * torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    whole = log_mean_exp([weights])
    assert whole.dtype == torch.float64
    assert all(torch.equal(whole, log_mean_exp(weights.split(size))) for size in (1, 7, 64))
    assert torch.allclose(whole, torch.logsumexp(weights.double(), 0) - math.log(100))


def test_a_mean_of_no_draws_is_refused() -> None:
    with pytest.raises(ValueError, match="no draws"):
        log_mean_exp([])


@pytest.mark.parametrize("draws", [1, DRAWN, DRAWN + 1, 3 * DRAWN])
def test_fewer_draws_are_the_beginning_of_more(draws: int) -> None:
    some = torch.cat([*standard_normals(draws, L, seed=1)])
    more = torch.cat([*standard_normals(5 * DRAWN, L, seed=1)])
    assert some.shape == (draws, L)
    assert torch.equal(some, more[:draws])
    assert not torch.equal(some, torch.cat([*standard_normals(draws, L, seed=2)]))


# Bounds.


@pytest.mark.parametrize("seed", range(4))
def test_bounds_rise_with_the_draws_to_log_p(seed: int) -> None:
    model = linear(seed)
    exact = log_p(model, X)
    found = [simulated(model, X, k, times) for k, times in ((1, 4000), (5, 2000), (50, 800))]
    for (lower, error), (upper, other) in pairwise(found):
        assert bool((lower < upper + 4 * (error + other)).all())
    assert bool((found[0][0] + 0.05 < found[-1][0]).all())  # a gap that the errors do not explain
    assert bool((found[-1][0] <= exact + 4 * found[-1][1]).all())
    assert bool((exact - found[-1][0] < 0.25 * (exact - found[0][0])).all())


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_of_one_draw_is_the_divergence_and_that_of_five_is_less(seed: int) -> None:
    """log p = VLB^(K) + KL(q ‖ p(·|x)) holds for K = 1, and for no other K."""
    model = linear(seed)
    one, error = simulated(model, X, 1, 4000)
    five, other = simulated(model, X, 5, 2000)
    missing = log_p(model, X) - one
    assert bool(((missing - gap(model, X)).abs() < 4 * error).all())
    assert bool((log_p(model, X) - five + 4 * other < gap(model, X)).all())


@pytest.mark.parametrize("fixed", [None, 0.5])
def test_a_new_vae_is_principal_components_and_its_bound_exact(fixed: float | None) -> None:
    rows = X.repeat(20, 1) + torch.randn(60, D, generator=torch.Generator().manual_seed(3)).double()
    covariance = rows.T.cov(correction=0)
    model = built(draws=1, sigma=fixed)
    model.initialise(rows.mean(dim=0), covariance)
    one_draw = torch.stack([model.bound(X, 1, seed) for seed in range(5)])
    assert torch.allclose(one_draw, log_p(model, X).expand(5, -1), atol=1e-9)
    values = torch.linalg.eigvalsh(covariance)
    variance = values[:-L].mean() if fixed is None else torch.tensor(fixed**2).double()
    w = model.write.weight
    made = w @ w.T + variance * torch.eye(D).double()
    assert torch.allclose(torch.linalg.eigvalsh(made)[-L:], values[-L:])
    assert math.exp(2 * model.log_sigma.item()) == pytest.approx(variance.item())


def test_a_score_depends_on_its_sample_and_the_seed_alone() -> None:
    model = linear(1).float()
    x = torch.randn(300, D, generator=torch.Generator().manual_seed(1))
    whole = model.bound(x, 70, seed=5)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(model.bound(x[order], 70, seed=5), whole[order], atol=1e-5, rtol=0)
    alone = torch.cat([model.bound(row[None], 70, seed=5) for row in x[:20]])
    assert torch.allclose(alone, whole[:20], atol=1e-5, rtol=0)
    assert not torch.allclose(model.bound(x, 70, seed=6), whole, atol=1e-2)


def test_memory_does_not_grow_with_the_draws() -> None:
    """Whole, 2,000 draws of 512 samples with 64 columns would be 262 MB."""
    script = (
        "import resource, sys, torch\n"
        "from nice_anomaly.vae import VAE, Architecture\n"
        "model = VAE(Architecture(64, 8, 1, 8, 'relu', draws=1, seed=0))\n"
        "with torch.inference_mode(): model.bound(torch.zeros(512, 64), int(sys.argv[1]), 0)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    few, many = (
        int(
            subprocess.run(
                [sys.executable, "-c", script, k], capture_output=True, check=True
            ).stdout
        )
        for k in ("20", "2000")
    )
    assert many - few < 60_000  # kilobytes


# Gradients.


def exact_bound(model: VAE, x: Tensor) -> Tensor:
    """E_q[log p(x|Z) r(Z) / q(Z|x)] in closed form: squares of Gaussians have one."""
    q, prior = model.encode(x), model.prior
    w, variance = model.write.weight, (2 * model.log_sigma).exp()
    squares = (x - model.centre - q.mean @ w.T).square().sum(dim=1)
    squares = squares + ((2 * q.log_std).exp() * w.square().sum(dim=0)).sum(dim=1)
    likelihood = -0.5 * squares / variance - 0.5 * D * (2 * math.pi * variance).log()
    return likelihood - q.divergence(prior).sum(dim=1)


PARAMETERS = {
    "W of θ": lambda model: model.write.weight,
    "σ of θ": lambda model: model.log_sigma,
    "λ_1": lambda model: model.prior_mean,
    "λ_2": lambda model: model.prior_log_std,
    "A of φ": lambda model: model.read.weight,
    "Σ of φ": lambda model: model.log_std,
}


def estimates(name: Gradient, draws: int, times: int) -> tuple[VAE, dict[str, Tensor]]:
    """``times`` estimates of each gradient at the sample 0, ``[times, …]``."""
    model = linear(2)
    generator = torch.Generator().manual_seed(4)
    found: dict[str, list[Tensor]] = {part: [] for part in PARAMETERS}
    for _ in range(times):
        q = model.encode(X[:1])
        y = torch.randn(draws, 1, L, generator=generator, dtype=torch.float64)
        bound = GRADIENTS[name](q, lambda z: model.joint(X[:1], z), y).sum()
        parts = torch.autograd.grad(bound, [of(model) for of in PARAMETERS.values()])
        for part, gradient in zip(PARAMETERS, parts, strict=True):
            found[part].append(gradient)
    return model, {part: torch.stack(gradients) for part, gradients in found.items()}


@pytest.mark.parametrize("name", GRADIENTS)
def test_an_estimated_gradient_has_the_exact_one_as_its_mean(name: Gradient) -> None:
    times = 2000
    model, found = estimates(name, draws=4, times=times)
    for part, of in PARAMETERS.items():
        exact = torch.autograd.grad(exact_bound(model, X[:1]).sum(), of(model))[0]
        error = found[part].std(dim=0) / math.sqrt(times)
        assert bool(((found[part].mean(dim=0) - exact).abs() <= 4 * error).all()), part


def test_reparametrised_gradients_vary_least_and_the_plain_ones_most() -> None:
    names: tuple[Gradient, ...] = ("reparametrised", "log-derivative", "plain-log-derivative")
    spreads = [estimates(name, draws=4, times=500)[1] for name in names]
    for part in ("A of φ", "Σ of φ"):
        best, middle, plain = (found[part].var(dim=0).mean().item() for found in spreads)
        assert 2 * best < middle < plain, part


@pytest.mark.parametrize("name", GRADIENTS)
def test_an_estimate_is_the_bound_whatever_its_gradient(name: Gradient) -> None:
    model = linear(0)
    y = torch.randn(4, 3, L, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q = model.encode(X)
    z = q.at(y)
    expected = (model.joint(X, z) - q.log_prob(z)).mean(dim=0)
    assert torch.allclose(GRADIENTS[name](q, lambda z: model.joint(X, z), y), expected)


def test_the_gradient_by_the_prior_is_its_closed_form() -> None:
    """∇_λ1 log r = (Z - λ_1) / λ_2 and ∇_λ2 log r = -½ / λ_2 + ½ (Z - λ_1)² / λ_2²."""
    z = torch.tensor([1.5, -0.4]).double()
    mean = torch.tensor([0.2, 0.7]).double().requires_grad_()
    variance = torch.tensor([0.5, 3.0]).double().requires_grad_()

    def log_r(mean: Tensor, variance: Tensor) -> Tensor:
        return Gaussian(mean, 0.5 * variance.log()).log_prob(z)

    by_mean, by_variance = torch.autograd.grad(log_r(mean, variance), (mean, variance))
    on_paper = (
        (z - mean) / variance,
        -0.5 / variance + 0.5 * (z - mean).square() / variance.square(),
    )
    step = 1e-6
    for i in range(2):
        e = step * torch.eye(2).double()[i]
        numerical = (
            (log_r(mean + e, variance) - log_r(mean - e, variance)) / (2 * step),
            (log_r(mean, variance + e) - log_r(mean, variance - e)) / (2 * step),
        )
        for exact, found, numeric in zip(on_paper, (by_mean, by_variance), numerical, strict=True):
            assert found[i].item() == pytest.approx(exact[i].item(), rel=1e-9)
            assert numeric.item() == pytest.approx(exact[i].item(), rel=1e-6)


def test_a_baseline_of_no_other_draws_is_refused() -> None:
    q = Gaussian(torch.zeros(1, L), torch.zeros(1, L))
    joint: Callable[[Tensor], Tensor] = lambda z: z.sum(dim=2).double()  # noqa: E731
    with pytest.raises(ValueError, match="takes two"):
        GRADIENTS["log-derivative"](q, joint, torch.zeros(1, 1, L))


# What else a user meets.


def test_what_is_not_trainable_is_not_trained() -> None:
    fixed = built(sigma=0.3, trainable_prior=False)
    _, few = fixed.parameter_groups()
    assert [parameter is fixed.log_std for parameter in few] == [True]
    assert built().parameter_count == fixed.parameter_count + 1 + 2 * L


def test_samples_have_the_moments_of_the_model() -> None:
    model = linear(3)
    drawn = model.sample(40_000, seed=0)
    mean = model.centre + model.write.weight @ model.prior_mean
    w = model.write.weight
    covariance = w @ (2 * model.prior_log_std).exp().diag() @ w.T
    covariance = covariance + (2 * model.log_sigma).exp() * torch.eye(D).double()
    assert torch.allclose(drawn.double().mean(dim=0), mean, atol=0.05)
    assert torch.allclose(drawn.double().T.cov(), covariance, atol=0.15)


def test_training_measures_the_divergence_of_each_latent_and_says_which_collapsed() -> None:
    model = built()
    with torch.no_grad():
        model.encoder.last.bias[0] = 2.0  # q = N((2, 0), I) against N(0, I): KL 2 and 0
    for _ in range(400):
        model.objective(X, torch.Generator().manual_seed(0))
    assert model.facts["kl_of_latents"] == pytest.approx([2.0, 0.0], abs=0.01)
    assert model.facts["latents_in_use"] == 1
    (remark,) = model.remarks
    assert "1 of 2 latents have collapsed" in remark
    assert "vae.latents=1" in remark


def test_only_training_measures() -> None:
    model = built()
    with torch.no_grad():
        model.encoder.last.bias[0] = 2.0
        model.objective(X, torch.Generator().manual_seed(0))
    assert not model.latent_kl.any()


def test_far_outside_a_bound_is_a_number() -> None:
    model = linear(0).float()
    assert bool(model.bound(1e4 * X.float(), 4, seed=0).isfinite().all())
