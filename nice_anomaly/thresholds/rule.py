"""Rule: what every rule for thresholds has, and what those for a rate have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError
from nice_anomaly.thresholds.bounds import Bounds, number
from nice_anomaly.vocabulary import RuleName, Tail
from nice_anomaly.words import percent

DRAWN = "new normals come as these came, independently, from the same source"
LEAST = 1e-9  # beyond it no number of normals would do, and floats end


class Rule(ABC):
    """What every rule has; its fields are its numbers, by the names that options have too.

    ``out_of_fold`` says whether its promise is about scores of samples in folds (True), of samples
    that no flow has seen (False), or none.
    """

    name: ClassVar[RuleName]
    out_of_fold: ClassVar[bool | None] = None

    @property
    def claimed_rate(self) -> float | None:
        """The false-alarm rate that is promised; None promises none."""
        return None

    @property
    def confidence(self) -> float | None:
        """How often a calibration keeps that promise; None promises none."""
        return None

    def nominal_rate(self, tail: Tail) -> float | None:
        """The rate if scores were normally distributed, where a rule thinks of that."""
        del tail
        return None

    @abstractmethod
    def fewest(self, tail: Tail) -> int:
        """How many scores it takes."""

    @abstractmethod
    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """The thresholds from scores ``[n]`` in increasing order, n ≥ ``fewest(tail)``."""

    @abstractmethod
    def title(self, tail: Tail) -> str:
        """The rule with its numbers, as short as it can be."""

    @abstractmethod
    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """What it promises with n normals and so many ranks left out, in one line."""

    def assumption(self, n: int, left_out: int, *, grouped: bool) -> str:
        """What the promise stands on, in one line."""
        del n, left_out, grouped
        return DRAWN

    def smallest_rate(self, n: int, tail: Tail) -> float | None:
        """The smallest rate that n scores could promise; None where n does not decide that."""
        del n, tail
        return None


@dataclass(frozen=True)
class OfRate(Rule):
    """What rules for a rate α have in common."""

    alpha: float

    def __post_init__(self) -> None:
        if not LEAST <= number("alpha", self.alpha) <= 1 - LEAST:
            raise ConfigError(
                f"`alpha` takes a rate between 0 and 1, like 0.01 for 1 %, got {self.alpha:g}."
            )

    @property
    def claimed_rate(self) -> float | None:
        """α, if the rule promises it."""
        return self.alpha

    def title(self, tail: Tail) -> str:
        """See ``Rule``."""
        del tail
        return f"{self.name} {percent(self.alpha)}"
