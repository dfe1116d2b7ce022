"""Density: what training, scores and run folders need of a model, whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

Facts = Mapping[str, float | Sequence[float]]


class Shape(Protocol):
    """An architecture: a frozen dataclass with all that an untrained model is built from."""

    kind: ClassVar[str]

    @property
    def dimensions(self) -> int:
        """Coordinates of a sample."""

    @property
    def largest_matrix(self) -> int:
        """Entries of the largest weight matrix: what a sample costs at most in one product."""


@dataclass(frozen=True)
class Split:
    """log p(x) as a sum over latents in the order of falling variance.

    ``log_likelihood`` ``[n]`` in nats and float64; ``terms`` ``[n, d]`` are the share of each
    latent in it up to a constant; ``whitened`` ``[n, d]`` is the input on the latents' axes.
    """

    log_likelihood: Tensor
    terms: Tensor
    whitened: Tensor


class Density(nn.Module, ABC):
    """A model of log p(x), exact or a lower bound. Samples are ``[n, d]`` float32.

    Its state dict is what a run stores; ``architecture`` builds it again.
    """

    architecture: Shape

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Nats a sample, ``[n]`` float64, higher = more probable."""

    @abstractmethod
    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        """Draw ``[n, d]``."""

    @abstractmethod
    def parameter_groups(self) -> tuple[Iterable[nn.Parameter], Iterable[nn.Parameter]]:
        """The networks, whose weights decay, and the few numbers that may move faster."""

    def objective(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What training raises and compares epochs by: nats a sample, ``[n]`` float64.

        ``log_prob`` itself, or where that is costly an estimate that draws from ``generator``.
        """
        del generator
        return self.log_prob(x)

    @property
    def quantity(self) -> str:
        """What ``log_prob`` is, in words."""
        return "log-likelihood"

    @property
    def objective_name(self) -> str:
        """What ``objective`` is, in words."""
        return self.quantity

    @property
    def facts(self) -> Facts:
        """What its weights say that a person wants to know, by name."""
        return {}

    @property
    def remarks(self) -> Iterator[str]:
        """What a user has to know of the weights as they are."""
        yield from ()

    @property
    def splits(self) -> bool:
        """Whether ``split`` can be asked for."""
        return False

    def split(self, x: Tensor) -> Split:
        """What log p(x) is a sum of; only where ``splits``."""
        del x
        raise TypeError(f"{type(self).__name__} does not split log p(x): ask .splits first")

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    @property
    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return sum(each.numel() for each in self.parameters() if each.requires_grad)
