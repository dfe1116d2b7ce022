"""Rules: how thresholds are made from calibration scores.

Each is a value with its parameters. ``bounds`` gives the thresholds for n sorted scores;
``fewest`` says how many scores it takes. With the tail "both", scores that are too high are
flagged too, and what the rule promises holds for the pair.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.calibrate import ranks
from nice_anomaly.errors import ConfigError

Tail = Literal["low", "both"]
MOST_SIGMAS = 1_000_000
LEAST = 1e-9  # beyond it no number of normals would do, and floats end


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
    def ranks(self) -> int:
        """How many ranks are left out on both sides together."""
        return self.rank * (1 if self.high == math.inf else 2)


class Rule(Protocol):
    """What every rule has. ``claimed_rate`` and ``confidence`` are None where none is promised."""

    name: ClassVar[str]

    @property
    def claimed_rate(self) -> float | None:
        """The false-alarm rate that is promised."""

    @property
    def confidence(self) -> float | None:
        """How often a calibration keeps that promise."""

    def fewest(self, tail: Tail) -> int:
        """How many scores it takes."""

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """The thresholds from scores ``[n]`` in increasing order, n ≥ ``fewest(tail)``."""


@dataclass(frozen=True)
class Sigma:
    """mean - k standard deviations (n - 1), for both tails mean ± k. Promises no rate.

    Φ(-k) would be right for normally distributed scores, which the scores of a flow are not.

    >>> Sigma(2).bounds(np.array([-3.0, -2.0, -1.0]), "both")
    Bounds(low=-4.0, high=0.0, rank=0)
    """

    k: float = 3.0
    name: ClassVar[str] = "sigma"
    claimed_rate: ClassVar[None] = None
    confidence: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not 0 < self.k <= MOST_SIGMAS:
            raise ConfigError(
                f"--k takes a positive number of standard deviations, at most {MOST_SIGMAS:,}, "
                f"got {self.k:g}."
            )

    def fewest(self, tail: Tail) -> int:
        """Two: one has no spread."""
        del tail
        return 2

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        mean, reach = float(scores.mean()), self.k * float(scores.std(ddof=1))
        return Bounds(mean - reach, mean + reach if tail == "both" else math.inf)


@dataclass(frozen=True)
class Certified:
    """At most α false alarms, and not only on average: ``confidence`` of all calibrations keep it.

    The threshold is the k-th smallest score, k = ``ranks.certified_rank``.

    >>> Certified(0.01, 0.95).fewest("low"), Certified(0.01, 0.95).fewest("both")
    (299, 473)
    """

    alpha: float
    confidence: float = 0.95
    name: ClassVar[str] = "certified"

    def __post_init__(self) -> None:
        _check_rate(self.alpha)
        if not LEAST <= self.confidence <= 1 - LEAST:
            raise ConfigError(
                f"--confidence takes a number between 0 and 1, like 0.95, got {self.confidence:g}."
            )

    @property
    def claimed_rate(self) -> float:
        """α."""
        return self.alpha

    def fewest(self, tail: Tail) -> int:
        """See ``Rule``."""
        return ranks.fewest_certified(self.alpha, self.confidence, sides_of(tail))

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        return _ranked(scores, ranks.certified_rank(len(scores), self.alpha, self.confidence), tail)


@dataclass(frozen=True)
class Conformal:
    """At most α false alarms on average over calibrations; up to half of them exceed it.

    Flagged is exactly what has a p-value of at most α.

    >>> Conformal(0.5).bounds(np.array([1.0, 2.0, 3.0]), "low")
    Bounds(low=2.0, high=inf, rank=2)
    """

    alpha: float
    name: ClassVar[str] = "conformal"
    confidence: ClassVar[None] = None

    def __post_init__(self) -> None:
        _check_rate(self.alpha)

    @property
    def claimed_rate(self) -> float:
        """α."""
        return self.alpha

    def fewest(self, tail: Tail) -> int:
        """See ``Rule``."""
        return ranks.fewest_conformal(self.alpha, sides_of(tail))

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        return _ranked(scores, ranks.conformal_rank(len(scores), self.alpha), tail)


@dataclass(frozen=True)
class Quantile:
    """The empirical α quantile, for both tails α / 2 each. It aims at α and promises nothing.

    >>> Quantile(0.5).bounds(np.array([1.0, 2.0, 3.0, 4.0]), "low")
    Bounds(low=3.0, high=inf, rank=3)
    """

    alpha: float
    name: ClassVar[str] = "quantile"
    claimed_rate: ClassVar[None] = None
    confidence: ClassVar[None] = None

    def __post_init__(self) -> None:
        _check_rate(self.alpha)

    def fewest(self, tail: Tail) -> int:
        """One score below the threshold, or on both sides."""
        return ranks.fewest_conformal(self.alpha, sides_of(tail)) + 1

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        sides = sides_of(tail)
        rank = ranks.quantile_rank(len(scores), self.alpha / sides)
        return _ranked(scores, sides * rank, tail)


@dataclass(frozen=True)
class Manual:
    """Thresholds chosen by hand. Their rate is measured, not promised."""

    threshold: float
    ceiling: float = math.inf
    name: ClassVar[str] = "manual"
    claimed_rate: ClassVar[None] = None
    confidence: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold) or math.isnan(self.ceiling):
            raise ConfigError("--threshold and --ceiling take numbers of nats, like -1200.5.")
        if not self.threshold < self.ceiling:
            raise ConfigError(
                f"--ceiling {self.ceiling:g} is not above --threshold {self.threshold:g}: "
                f"everything would be flagged."
            )

    def fewest(self, tail: Tail) -> int:
        """One, to measure with."""
        del tail
        return 1

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        del scores, tail
        return Bounds(self.threshold, self.ceiling)


RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (Sigma, Certified, Conformal, Quantile, Manual)
}


def sides_of(tail: Tail) -> int:
    """How many thresholds there are."""
    return 2 if tail == "both" else 1


def _ranked(scores: NDArray[np.float64], k: int, tail: Tail) -> Bounds:
    """k ranks left out: all below, or as many above as below."""
    if tail == "low":
        return Bounds(float(scores[k - 1]), rank=k)
    return Bounds(float(scores[k // 2 - 1]), float(scores[-(k // 2)]), rank=k // 2)


def _check_rate(alpha: float) -> None:
    if not LEAST <= alpha <= 1 - LEAST:
        raise ConfigError(
            f"--alpha takes a rate between 0 and 1, like 0.01 for 1 %, got {alpha:g}."
        )
