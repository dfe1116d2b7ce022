"""NICE: whitening, additive couplings, diagonal scaling and a factorised prior."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nice_anomaly.density import Density, Split
from nice_anomaly.flow.coupling import AdditiveCouplings
from nice_anomaly.flow.grouped import GroupedStudentPrior
from nice_anomaly.flow.mixture import MixturePrior
from nice_anomaly.flow.prior import GaussianPrior, LogisticPrior, Prior, StudentPrior
from nice_anomaly.flow.scaling import Scaling
from nice_anomaly.flow.whitening import Whitening
from nice_anomaly.vocabulary import Activation, PriorName

PRIORS: dict[PriorName, Callable[[int, int], Prior | GroupedStudentPrior | MixturePrior]] = {
    "logistic": lambda _, __: LogisticPrior(),
    "gaussian": lambda _, __: GaussianPrior(),
    "student": lambda dimensions, _: StudentPrior(dimensions),
    "grouped-student": lambda dimensions, _: GroupedStudentPrior(dimensions),
    "mixture": MixturePrior,
}

MOST = {  # as settings allow
    "dimensions": 1_000_000,
    "couplings": 256,
    "layers": 32,
    "width": 65_536,
    "components": 1_024,
}


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build an untrained flow of the same shape.

    ``components`` are those of a mixture prior.
    """

    dimensions: int
    couplings: int
    layers: int
    width: int
    prior: PriorName
    activation: Activation = "relu"
    components: int = 1
    kind: ClassVar[str] = "nice"

    def __post_init__(self) -> None:
        """Raises ValueError for a shape that cannot be, as damaged files have it."""
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is from 1 to {most:,}")

    def __str__(self) -> str:
        return (
            f"{self.couplings} additive couplings of {self.layers} × {self.width} "
            f"{self.activation}, {self.prior} prior"
        )

    @property
    def largest_matrix(self) -> int:
        """Entries of the largest weight matrix: what a row costs at most in one product."""
        return max(self.dimensions**2, self.dimensions * self.width // 2, self.width**2)


class Flow(Density):
    """A bijection x → h with an exact density (Dinh et al. 2014, "NICE", equation 3).

    log p_X(x) = log p_H(h) + log|det dh/dx|, with h = scaling(couplings(whitening(x))).

    The log-determinant is the same for every x: whitening and scaling are linear, additive
    couplings preserve volume. ``forward`` and ``inverse`` return ``(value [n, d], log_det [])``.

    >>> flow = Flow(Architecture(dimensions=2, couplings=2, layers=1, width=4, prior="gaussian"))
    >>> round(flow.log_prob(torch.zeros(1, 2)).item(), 4)  # -ln 2π: still the identity
    -1.8379
    """

    architecture: Architecture

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        d = architecture.dimensions
        self.whitening = Whitening.identity(d)
        self.couplings = AdditiveCouplings(
            d,
            couplings=architecture.couplings,
            width=architecture.width,
            layers=architecture.layers,
            activation=architecture.activation,
        )
        self.scaling = Scaling(d)
        self.prior = PRIORS[architecture.prior](d, architecture.components)

    def parameter_groups(self) -> tuple[Iterable[nn.Parameter], Iterable[nn.Parameter]]:
        """The couplings' networks; scale and prior."""
        heads = [*self.scaling.parameters(), *self.prior.parameters()]
        return list(self.couplings.parameters()), heads

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → (h, log|det dh/dx|), layer after layer."""
        total = x.new_zeros(())
        for layer in (self.whitening, self.couplings, self.scaling):
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The same layers backwards: h → (x, log|det dx/dh|)."""
        total = h.new_zeros(())
        for layer in (self.scaling, self.couplings, self.whitening):
            h, log_det = layer.inverse(h)
            total = total + log_det
        return h, total

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, one value a sample, ``[n]``; summed in float64."""
        h, log_det = self(x)
        terms: Tensor = self.prior.log_prob(h)
        total: Tensor = terms.sum(dim=1, dtype=torch.float64) + log_det
        return total

    @property
    def splits(self) -> bool:
        """A mixture ties the latents together; every other prior has a term for each."""
        return not isinstance(self.prior, MixturePrior)

    def split(self, x: Tensor) -> Split:
        """The log-determinant does not depend on x, so log p(x) = Σ log p(h_i) + constant."""
        if not self.splits:
            return super().split(x)
        z, first = self.whitening(x)
        y, second = self.couplings(z)
        h, third = self.scaling(y)
        terms = joint = self.prior.log_prob(h)
        if isinstance(self.prior, GroupedStudentPrior):
            terms = self.prior.terms(h)
        total = joint.sum(dim=1, dtype=torch.float64) + (first + second + third)
        return Split(total, terms, z)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        """Draw ``[n, d]`` by h ~ prior, x = inverse(temperature · h).

        Below 1 the temperature pulls samples towards the typical, above 1 towards the odd.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            h = self.prior.sample(n, self.architecture.dimensions)
        x, _ = self.inverse(temperature * h.to(self.scaling.log_scale))
        return x

    @torch.no_grad()
    def initialise(
        self,
        x: Tensor,
        mean: Tensor,
        covariance: Tensor,
        *,
        floor: float,
        nu: float,
        emphasis: float = 0.0,
    ) -> None:
        """Data-dependent start: whiten by the moments, then scale to the prior's spread.

        ``x`` ``[n, d]`` are samples to measure the spread on; ``mean`` and ``covariance`` (best
        in float64) are those of the whole training part; ``nu`` are the degrees of freedom that
        a Student prior starts with; with ``emphasis`` > 0 the networks hear the coordinates of
        large variance louder.
        """
        if isinstance(self.prior, StudentPrior | GroupedStudentPrior):
            self.prior.start(nu)
        whitening = Whitening.from_moments(mean, covariance, floor)
        self.whitening.load_state_dict(whitening.state_dict())
        self.couplings.emphasise(whitening.eigenvalues, emphasis)
        h, _ = self(x)
        self.scaling.initialise(h, self.prior.std)
