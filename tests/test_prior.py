"""Priors: against scipy, and against what is known of them on paper."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from nice_anomaly.flow import PRIORS, MixturePrior
from nice_anomaly.flow.grouped import GROUP, MOST, GroupedStudentPrior
from nice_anomaly.flow.prior import LogisticPrior, StudentPrior
from nice_anomaly.vocabulary import PriorName

ORACLES = {
    "logistic": scipy.stats.logistic(),
    "gaussian": scipy.stats.norm(),
    "student": scipy.stats.t(6),
    "grouped-student": scipy.stats.t(6),  # of a single latent
    "mixture": scipy.stats.norm(),
}


@pytest.mark.parametrize("name", PRIORS)
def test_log_prob_is_that_of_scipy(name: PriorName) -> None:
    h = torch.tensor([-700.0, -30.0, -1.5, 0.0, 0.2, 4.0, 1e4], dtype=torch.float64)
    mine = PRIORS[name](1, 1).double().log_prob(h[:, None])[:, 0]
    assert mine.detach().numpy() == pytest.approx(ORACLES[name].logpdf(h), rel=1e-6)


@pytest.mark.parametrize("name", PRIORS)
def test_samples_pass_a_kolmogorov_smirnov_test(name: PriorName) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        drawn = PRIORS[name](3, 1).sample(20_000, 3)
    oracle = ORACLES[name].cdf
    assert min(scipy.stats.kstest(column.numpy(), oracle).pvalue for column in drawn.T) > 1e-3


@pytest.mark.parametrize("name", PRIORS)
def test_std_is_the_standard_deviation(name: PriorName) -> None:
    prior = PRIORS[name](1, 1)
    assert prior.std == pytest.approx(ORACLES[name].std())


def test_moments_of_the_logistic_log_density() -> None:
    """E[log p] = -2, Var[log p] = 4 - π²/3, max log p = -2 ln 2."""
    prior = LogisticPrior()
    u = torch.linspace(0, 1, 2_000_002, dtype=torch.float64)[1:-1]  # quantiles: exact averages
    log_p = prior.log_prob(u.logit())
    assert log_p.mean().item() == pytest.approx(-2, abs=1e-4)
    assert log_p.var().item() == pytest.approx(4 - math.pi**2 / 3, abs=1e-3)
    assert prior.log_prob(torch.zeros(1).double()).item() == pytest.approx(-2 * math.log(2))


def test_student_of_many_degrees_is_gaussian() -> None:
    prior = StudentPrior(1).double()
    prior.log_nu.data.fill_(math.log(1e7))
    h = torch.linspace(-4, 4, 9, dtype=torch.float64)[:, None]
    expected = scipy.stats.norm().logpdf(h)
    assert np.allclose(prior.log_prob(h).detach(), expected, atol=1e-5)


def test_at_the_best_logistic_scale_h_tanh_half_h_averages_one() -> None:
    """d/ds E[s + log p(e^s z)] = 0 is E[h tanh(h/2)] = 1, here found by gradient descent."""
    z = torch.randn(10_000, generator=torch.Generator().manual_seed(0)).double()
    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([s], max_iter=50)

    def loss() -> float:
        optimizer.zero_grad()
        value = -(s + LogisticPrior().log_prob(s.exp() * z)).mean()
        value.backward()
        return value.item()

    optimizer.step(loss)
    h = s.detach().exp() * z
    assert (h * (h / 2).tanh()).mean().item() == pytest.approx(1, abs=1e-5)


def test_the_gradient_of_the_student_density_is_that_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    h = 5 * torch.randn(6, 3, generator=generator, dtype=torch.float64)
    prior = StudentPrior(3).double()
    prior.log_nu.data = torch.tensor([-1.0, 0.5, 4.0], dtype=torch.float64)

    def density(h: torch.Tensor, log_nu: torch.Tensor) -> torch.Tensor:
        prior.log_nu.data = log_nu.data
        return torch.func.functional_call(prior, {"log_nu": log_nu}, (h,))

    prior.forward = prior.log_prob  # type: ignore[method-assign]
    inputs = (h.requires_grad_(), prior.log_nu.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(density, inputs)


def mixture() -> MixturePrior:
    """0.25 · N((0, 0), 1) + 0.75 · N((3, -1), diag(4, 1/4))."""
    prior = MixturePrior(2, 2).double()
    prior.means.data[1] = torch.tensor([3.0, -1.0], dtype=torch.float64)
    prior.log_scales.data[1] = torch.tensor([2.0, 0.5], dtype=torch.float64).log()
    prior.log_weights.data = torch.tensor([1.0, 3.0], dtype=torch.float64).log()
    return prior


def test_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    h = torch.tensor([[0.0, 0.0], [3.0, -1.0], [50.0, -20.0]], dtype=torch.float64)
    normal = scipy.stats.multivariate_normal
    parts = [
        math.log(0.25) + normal([0, 0], np.eye(2)).logpdf(h),
        math.log(0.75) + normal([3, -1], np.diag([4, 0.25])).logpdf(h),
    ]
    expected = scipy.special.logsumexp(parts, axis=0)
    assert mixture().log_prob(h).detach()[:, 0].numpy() == pytest.approx(expected, rel=1e-9)


def test_samples_of_a_mixture_have_its_mean_and_covariance() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        drawn = mixture().sample(100_000, 2)
    assert drawn.mean(dim=0).tolist() == pytest.approx([2.25, -0.75], abs=0.03)
    between = 0.25 * 0.75 * np.outer([3, -1], [3, -1])
    within = np.diag([0.25 + 0.75 * 4, 0.25 + 0.75 * 0.25])
    assert torch.cov(drawn.T).numpy() == pytest.approx(between + within, abs=0.06)


def test_a_mixture_starts_from_clusters() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3_000) % 3
    h = torch.randn(3_000, 2, generator=generator, dtype=torch.float64) * 0.5
    h[labels == 1] += 8
    prior = MixturePrior(2, 4).double()
    prior.initialise(h, labels)
    assert prior.means[1].tolist() == pytest.approx([8, 8], abs=0.1)
    assert prior.log_scales[0].exp().tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    assert prior.log_weights.softmax(0)[3] > 0  # the empty one is still there to be used


def grouped(dimensions: int) -> GroupedStudentPrior:
    """Every group with degrees of freedom of its own."""
    prior = GroupedStudentPrior(dimensions).double()
    prior.log_nu.data = torch.linspace(-1, 3, len(prior.log_nu), dtype=torch.float64)
    return prior


@pytest.mark.parametrize("dimensions", [2, 3, 4, 7])
def test_a_group_is_the_multivariate_t_of_scipy(dimensions: int) -> None:
    prior = grouped(dimensions)
    h = 3 * torch.randn(5, dimensions, generator=torch.Generator().manual_seed(0)).double()
    found = prior.log_prob(h).detach().numpy()
    assert found.shape == (5, -(-dimensions // GROUP))
    for g, nu in enumerate(prior.nu.tolist()):
        own = h[:, g * GROUP : (g + 1) * GROUP].numpy()
        oracle = scipy.stats.multivariate_t(shape=np.eye(own.shape[1]), df=nu)
        assert found[:, g] == pytest.approx(oracle.logpdf(own))


@pytest.mark.parametrize("dimensions", [1, 2, 5, 8])
def test_the_terms_of_a_group_are_those_of_its_latents_given_the_ones_before(
    dimensions: int,
) -> None:
    """They sum to the log-density; the first of a group is its marginal, a t of one latent."""
    prior = grouped(dimensions)
    h = 3 * torch.randn(5, dimensions, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        terms = prior.terms(h)
        assert terms.shape == h.shape
        assert torch.allclose(terms.sum(dim=1), prior.log_prob(h).sum(dim=1))
    for g, nu in enumerate(prior.nu.tolist()):
        expected = scipy.stats.t(nu).logpdf(h[:, g * GROUP])
        assert terms[:, g * GROUP].numpy() == pytest.approx(expected)


@pytest.mark.parametrize("nu", [2.5, 30.0, MOST, 1e9])
def test_degrees_of_freedom_start_where_they_shall_and_stay_bounded(nu: float) -> None:
    prior = GroupedStudentPrior(2 * GROUP, nu)
    assert prior.nu.tolist() == pytest.approx(2 * [min(nu, MOST)], rel=0.3 if nu >= MOST else 1e-4)
    prior.log_nu.data.fill_(50.0)
    assert prior.nu.tolist() == pytest.approx(2 * [MOST])
    h = torch.full(
        (1, 2 * GROUP), 183.0
    )  # what a digit in the corner has: 16,700 nats under a Gaussian
    assert prior.log_prob(h).min().item() > -1_000


def test_latents_of_a_group_share_their_scale_and_others_do_not() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = GroupedStudentPrior(4, nu=3.0).sample(20_000, 4).abs().log()
    related = torch.corrcoef(sizes.T)
    assert min(related[0, 1], related[0, 2], related[1, 2]) > 0.1
    assert related[0, 3].abs() < 0.03
