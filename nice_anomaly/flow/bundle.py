"""Bundle: several flows that learned from different samples, taken as one model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nice_anomaly.density import Density
from nice_anomaly.flow import nice
from nice_anomaly.flow.nice import Flow

MOST = 100  # flows


@dataclass(frozen=True)
class Architecture:
    """``count`` flows of one shape, ``member``."""

    count: int
    member: nice.Architecture
    kind: ClassVar[str] = "bundle"

    def __post_init__(self) -> None:
        """Raises ValueError for a shape that cannot be, as damaged files have it."""
        if not 2 <= self.count <= MOST:
            raise ValueError(f"count is from 2 to {MOST}")

    def __str__(self) -> str:
        return f"{self.count} flows of {self.member}"

    @property
    def dimensions(self) -> int:
        """Coordinates of a sample."""
        return self.member.dimensions

    @property
    def largest_matrix(self) -> int:
        """That of one flow: they are asked one after the other."""
        return self.member.largest_matrix


class Bundle(Density):
    """K flows; log p(x) is the mean of theirs, (1/K) Σ_j log p_j(x).

    Up to a constant that is the log of their geometric mean, which is low where any of them finds
    x improbable.

    >>> member = nice.Architecture(dimensions=2, couplings=2, layers=1, width=4, prior="gaussian")
    >>> round(Bundle(Architecture(3, member)).log_prob(torch.zeros(1, 2)).item(), 4)
    -1.8379
    """

    architecture: Architecture

    def __init__(self, architecture: Architecture, flows: Iterable[Flow] = ()) -> None:
        super().__init__()
        self.architecture = architecture
        made = [*flows] or [Flow(architecture.member) for _ in range(architecture.count)]
        self.flows = nn.ModuleList(made)

    @property
    def members(self) -> list[Flow]:
        """The flows, in the order of the folds that they have not seen."""
        return [flow for flow in self.flows if isinstance(flow, Flow)]

    def each(self, x: Tensor) -> Tensor:
        """Nats by every flow, ``[n, K]`` float64."""
        return torch.stack([flow.log_prob(x) for flow in self.members], dim=1)

    def log_prob(self, x: Tensor) -> Tensor:
        """See ``Density``."""
        return self.each(x).mean(dim=1)

    def parameter_groups(self) -> tuple[Iterable[nn.Parameter], Iterable[nn.Parameter]]:
        """Those of all flows."""
        groups = [flow.parameter_groups() for flow in self.members]
        networks, heads = (
            [p for group in side for p in group] for side in zip(*groups, strict=True)
        )
        return networks, heads

    @property
    def quantity(self) -> str:
        """See ``Density``."""
        return "mean log-likelihood"

    @torch.no_grad()
    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        """Draw ``[n, d]``, as many from every flow, mixed."""
        flows = self.members
        share = -(-n // len(flows))
        drawn = [
            flow.sample(share, seed=seed + place, temperature=temperature)
            for place, flow in enumerate(flows)
        ]
        return torch.stack(drawn, dim=1).flatten(0, 1)[:n]
