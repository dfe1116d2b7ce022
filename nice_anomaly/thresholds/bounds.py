"""Bounds: the thresholds themselves, and how ranks of sorted scores become such."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError
from nice_anomaly.vocabulary import Tail


@dataclass(frozen=True)
class Bounds:
    """Flagged is what scores below ``low`` or above ``high``, both strictly.

    ``rank`` k says that ``low`` is the k-th smallest calibration score, and ``high``, if finite,
    the k-th largest; 0 where the bounds do not come from ranks.
    """

    low: float
    high: float = math.inf
    rank: int = 0

    @property
    def left_out(self) -> int:
        """How many ranks are left out, on both sides together."""
        return self.rank * (1 if self.high == math.inf else 2)


def number(name: str, value: object) -> float:
    """The value of an argument as a number.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise ConfigError(f"`{name}` takes a number, got {value!r}.")
    return float(value)


def sides_of(tail: Tail) -> int:
    """How many thresholds there are."""
    return 2 if tail == "both" else 1


def ranked(scores: NDArray[np.float64], k: int, tail: Tail) -> Bounds:
    """k ranks left out: all below, or as many above as below."""
    if tail == "low":
        return Bounds(float(scores[k - 1]), rank=k)
    return Bounds(float(scores[k // 2 - 1]), float(scores[-(k // 2)]), rank=k // 2)
