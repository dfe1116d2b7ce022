"""The flow and its layers: laws over a table of cases, and numbers known by hand."""

import math
from collections.abc import Callable

import pytest
import torch
from laws import assert_finite_far_out, assert_log_det_is_that_of_the_jacobian, assert_round_trip
from torch import Tensor, nn

from nice_anomaly.flow import PRIORS, Architecture, Flow
from nice_anomaly.flow.coupling import AdditiveCouplings
from nice_anomaly.flow.scaling import Scaling
from nice_anomaly.flow.whitening import Whitening
from nice_anomaly.vocabulary import PriorName

D = 5


def shaken(layer: nn.Module, scale: float = 0.5) -> nn.Module:
    """All parameters drawn anew: the last layers of a new flow are zero, a special case."""
    generator = torch.Generator().manual_seed(3)
    for parameter in layer.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = scale * noise
    return layer.double()


def moments(d: int = D) -> tuple[Tensor, Tensor]:
    a = torch.randn(d, d, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return a[0], a @ a.T + 0.1 * torch.eye(d)


def couplings(d: int, n: int, layers: int = 2) -> nn.Module:
    return shaken(AdditiveCouplings(d, couplings=n, width=7, layers=layers))


def flow(d: int = D, n: int = 3, prior: PriorName = "logistic") -> Flow:
    built = Flow(Architecture(dimensions=d, couplings=n, layers=1, width=6, prior=prior))
    shaken(built).whitening.load_state_dict(Whitening.from_moments(*moments(d)).state_dict())
    built.prior.double().load_state_dict(PRIORS[prior](d, 1).state_dict())
    return built


def emphasised(d: int, n: int) -> nn.Module:
    layer = couplings(d, n)
    assert isinstance(layer, AdditiveCouplings)
    layer.emphasise(torch.linspace(4, 0.1, d).double(), 0.5)
    return layer


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "whitening": lambda: Whitening.from_moments(*moments()),
    "whitening-floored": lambda: Whitening.from_moments(*moments(), floor=1.0),
    "couplings-1": lambda: couplings(D, 1),
    "couplings-2": lambda: couplings(D, 2),
    "couplings-3-even-d": lambda: couplings(6, 3),
    "couplings-4-deep": lambda: couplings(D, 4, layers=4),
    "couplings-emphasised": lambda: emphasised(D, 3),
    "couplings-two-dimensions": lambda: couplings(2, 2),
    "scaling": lambda: shaken(Scaling(D)),
    "flow": flow,
    "flow-student-even-d": lambda: flow(6, 4, "student"),
}


def dimensions(case: str) -> int:
    return {"couplings-3-even-d": 6, "couplings-two-dimensions": 2, "flow-student-even-d": 6}.get(
        case, D
    )


def samples(d: int) -> Tensor:
    return torch.randn(4, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("case", LAYERS)
def test_inverse_undoes_forward_and_log_dets_cancel(case: str) -> None:
    assert_round_trip(LAYERS[case](), samples(dimensions(case)))


@pytest.mark.parametrize("case", LAYERS)
def test_log_det_is_that_of_the_jacobian(case: str) -> None:
    assert_log_det_is_that_of_the_jacobian(LAYERS[case](), samples(dimensions(case)))


@pytest.mark.parametrize("case", LAYERS)
def test_finite_far_out(case: str) -> None:
    assert_finite_far_out(LAYERS[case](), dimensions(case))


def test_float32_round_trip_is_close_enough_to_look_at() -> None:
    assert_round_trip(flow().float(), samples(D).float(), tolerance=1e-3)


def test_couplings_alone_preserve_volume_exactly() -> None:
    assert couplings(D, 3)(samples(D))[1].item() == 0.0


def test_emphasis_by_hand() -> None:
    """Power 1 of the variances 16, 9, 4, 1: weights 4, 2 and 3, 1, halves to mean square 1."""
    layer = AdditiveCouplings(4, couplings=1, width=2, layers=1)
    layer.emphasise(torch.tensor([16.0, 9.0, 4.0, 1.0]), 1.0)
    expected = [4 / 10**0.5, 3 / 5**0.5, 2 / 10**0.5, 1 / 5**0.5]
    assert layer.emphasis.tolist() == pytest.approx(expected)
    layer.emphasise(torch.tensor([16.0, 9.0, 4.0, 1.0]), 0.0)
    assert layer.emphasis.tolist() == [1, 1, 1, 1]


def test_every_coordinate_depends_on_every_other_after_three_couplings() -> None:
    layer = couplings(4, 3)
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v[None])[0][0], samples(4)[0])
    assert (jacobian.abs() > 1e-12).all()


def test_a_new_flow_is_its_whitening_and_scaling() -> None:
    built = Flow(Architecture(dimensions=2, couplings=4, layers=2, width=8, prior="logistic"))
    x = torch.tensor([[0.3, -2.0]])
    assert torch.equal(built(x)[0], x)
    # log p(h) = -h - 2 ln(1 + e^-h), by hand: at 0.3 and at 2.
    expected = -0.3 - 2 * math.log(1 + math.exp(-0.3)) - 2 - 2 * math.log(1 + math.exp(-2))
    assert built.log_prob(x).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("prior", PRIORS)
def test_density_integrates_to_one(prior: PriorName) -> None:
    built = flow(2, 2, prior)
    # A wide grid in x, fine enough for the narrowest direction: the sum is the integral.
    axis = torch.linspace(-60, 60, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        mass = sum(built.log_prob(part).exp().sum() for part in grid.split(200_000))
    assert float(mass) * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-5)


def test_log_prob_is_one_float64_a_sample() -> None:
    scores = flow().float().log_prob(samples(D).float())
    assert scores.shape == (4,)
    assert scores.dtype == torch.float64


@pytest.mark.parametrize("prior", PRIORS)
def test_only_a_prior_without_a_term_for_each_latent_does_not_split(prior: PriorName) -> None:
    assert flow(prior=prior).splits == (prior != "mixture")


@pytest.mark.parametrize("prior", ["logistic", "gaussian", "student", "grouped-student"])
def test_what_a_flow_splits_adds_up_to_its_log_likelihood(prior: PriorName) -> None:
    """log p(x) = Σ terms + log-determinant, to the bit that ``log_prob`` gives."""
    built, x = flow(prior=prior), samples(D)
    found, (_, log_det) = built.split(x), built(x)
    assert torch.equal(found.log_likelihood, built.log_prob(x))
    assert found.terms.shape == found.whitened.shape == x.shape
    torch.testing.assert_close(found.terms.sum(dim=1) + log_det, found.log_likelihood)
    assert torch.equal(found.whitened, built.whitening(x)[0])


def test_whitened_data_have_mean_zero_and_unit_covariance() -> None:
    mean, covariance = moments()
    root = torch.linalg.cholesky(covariance)
    normal = torch.randn(200_000, D, generator=torch.Generator().manual_seed(2)).double()
    z, _ = Whitening.from_moments(mean, covariance)(normal @ root.T + mean)
    assert z.mean(dim=0).abs().max() < 0.01
    assert (torch.cov(z.T) - torch.eye(D)).abs().max() < 0.02


def test_whitening_orders_by_variance_and_floors_it() -> None:
    layer = Whitening.from_moments(torch.zeros(3), torch.diag(torch.tensor([1.0, 4.0, 0.01])), 0.5)
    assert layer.eigenvalues.tolist() == pytest.approx([4.0, 1.0, 0.5])


def test_whitening_of_a_singular_covariance_stays_finite() -> None:
    layer = Whitening.from_moments(torch.zeros(3).double(), torch.ones(3, 3).double())
    assert_round_trip(layer, samples(3), tolerance=1e-6)


def test_change_of_unit_shifts_the_log_likelihood_by_d_ln_c() -> None:
    c, x = 7.0, samples(D)
    built, rescaled = flow(), flow()
    rescaled.whitening.mean *= c
    rescaled.whitening.eigenvalues *= c * c
    difference = built.log_prob(x) - rescaled.log_prob(c * x)
    torch.testing.assert_close(difference, torch.full((4,), D * math.log(c)).double())


@pytest.mark.parametrize("prior", PRIORS)
def test_samples_follow_the_flow(prior: PriorName) -> None:
    """The mean log-likelihood of samples is that of the prior plus the log-determinant."""
    built = flow(3, 2, prior)
    drawn = built.sample(20_000, seed=4)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        latent = built.prior.log_prob(built.prior.sample(20_000, 3).double()).sum(dim=1)
    log_det = built(drawn[:1])[1]
    with torch.no_grad():
        gap = built.log_prob(drawn).mean() - (latent.mean() + log_det)
    assert abs(gap.item()) < 5 * (2 * latent.var() / 20_000).sqrt()


def test_temperature_zero_limit_is_the_mode() -> None:
    built = flow()
    mode, _ = built.inverse(torch.zeros(1, D).double())
    torch.testing.assert_close(built.sample(2, seed=0, temperature=1e-12), mode.expand(2, D))


def test_sampling_leaves_the_global_generator_alone() -> None:
    built = flow()
    before = torch.random.get_rng_state()
    assert torch.equal(built.sample(3, seed=1), built.sample(3, seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_initialise_gives_every_latent_the_spread_of_the_prior() -> None:
    built = Flow(Architecture(dimensions=D, couplings=2, layers=1, width=4, prior="logistic"))
    mean, covariance = moments()
    x = (samples_of(mean, covariance, 5_000)).float()
    built.initialise(x, mean, covariance, floor=0.0, nu=6.0)
    assert built(x)[0].std(dim=0).detach().numpy() == pytest.approx(
        math.pi / math.sqrt(3), rel=1e-3
    )


def samples_of(mean: Tensor, covariance: Tensor, n: int) -> Tensor:
    normal = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(8)).double()
    return normal @ torch.linalg.cholesky(covariance).T + mean
