"""Rules: how thresholds are made from calibration scores, and what each promises in words.

Each is a value with its parameters. ``bounds`` gives the thresholds for n sorted scores;
``fewest`` says how many scores it takes. With the tail "both", scores that are too high are
flagged too, and what the rule promises holds for the pair.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError
from nice_anomaly.thresholds import ranks
from nice_anomaly.thresholds.bounds import Bounds, number, ranked, sides_of
from nice_anomaly.thresholds.rule import DRAWN, LEAST, OfRate, Rule
from nice_anomaly.vocabulary import RuleName, Tail
from nice_anomaly.words import count_of, percent, sure

MOST_SIGMAS = 1_000_000


@dataclass(frozen=True)
class Sigma(Rule):
    """mean - k standard deviations (n - 1), for both tails mean ± k. Promises no rate.

    Φ(-k) would be right for normally distributed scores, which the scores of a flow are not.

    >>> Sigma(2).bounds(np.array([-3.0, -2.0, -1.0]), "both")
    Bounds(low=-4.0, high=0.0, rank=0)
    """

    k: float = 3.0
    name: ClassVar[RuleName] = "sigma"

    def __post_init__(self) -> None:
        if not 0 < number("k", self.k) <= MOST_SIGMAS:
            raise ConfigError(
                f"`k` takes a positive number of standard deviations, at most {MOST_SIGMAS:,}, "
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

    def nominal_rate(self, tail: Tail) -> float:
        """Φ(-k) a side."""
        return sides_of(tail) * NormalDist().cdf(-self.k)

    def title(self, tail: Tail) -> str:
        """See ``Rule``."""
        return f"mean {'±' if tail == 'both' else '-'} {self.k:g}σ"

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out, grouped
        return f"none: {self.k:g}σ from the mean is a habit; `alpha` gives a promise"

    def assumption(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out, grouped
        return "that scores are normally distributed, which they rarely are"


@dataclass(frozen=True)
class Certified(OfRate):
    """At most α false alarms, and not only on average: ``confidence`` of all calibrations keep it.

    The threshold is the k-th smallest score, k = ``ranks.certified_rank``.

    >>> Certified(0.01, 0.95).fewest("low"), Certified(0.01, 0.95).fewest("both")
    (299, 473)
    """

    confidence: float = 0.95
    name: ClassVar[RuleName] = "certified"
    out_of_fold: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not LEAST <= number("confidence", self.confidence) <= 1 - LEAST:
            raise ConfigError(
                f"`confidence` takes a number between 0 and 1, like 0.95, got {self.confidence:g}."
            )

    def fewest(self, tail: Tail) -> int:
        """See ``Rule``."""
        return ranks.fewest_certified(self.alpha, self.confidence, sides_of(tail))

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        return ranked(scores, ranks.certified_rank(len(scores), self.alpha, self.confidence), tail)

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        where, k = (" in every group, each", "") if grouped else (",", f" (k = {left_out:,})")
        return (
            f"at most {percent(self.alpha)} false alarms{where} with {sure(self.confidence)} "
            f"confidence, from {count_of(n, 'normal')}{k}"
        )

    def smallest_rate(self, n: int, tail: Tail) -> float:
        """See ``Rule``."""
        return ranks.smallest_rate(n, self.confidence, sides_of(tail))


@dataclass(frozen=True)
class Conformal(OfRate):
    """At most α false alarms on average over calibrations; up to half of them exceed it.

    Flagged is exactly what has a p-value of at most α.

    >>> Conformal(0.5).bounds(np.array([1.0, 2.0, 3.0]), "low")
    Bounds(low=2.0, high=inf, rank=2)
    """

    name: ClassVar[RuleName] = "conformal"
    out_of_fold: ClassVar[bool] = False

    def fewest(self, tail: Tail) -> int:
        """See ``Rule``."""
        return ranks.fewest_conformal(self.alpha, sides_of(tail))

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        return ranked(scores, ranks.conformal_rank(len(scores), self.alpha), tail)

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out
        where = " in every group" if grouped else ""
        return f"at most {percent(self.alpha)} false alarms on average{where}"

    def assumption(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        if grouped:
            return DRAWN
        above = 100 * ranks.share_above(n, left_out, self.alpha)
        return f"{DRAWN}; {above:.0f} % of such calibrations have a rate above the claim"

    def smallest_rate(self, n: int, tail: Tail) -> float:
        """See ``Rule``."""
        return sides_of(tail) / (n + 1)


@dataclass(frozen=True)
class CrossConformal(OfRate):
    """A rate near α from scores out of fold: every normal calibrates, and teaches other flows.

    Flagged is exactly what has a cross-conformal p-value of at most α (Vovk 2015). What is proven
    of the rate depends on the folds and is less than α: see ``out_of_fold``.

    >>> CrossConformal(0.05).fewest("low")
    19
    """

    name: ClassVar[RuleName] = "cross-conformal"
    claimed_rate: ClassVar[None] = None
    out_of_fold: ClassVar[bool] = True

    def fewest(self, tail: Tail) -> int:
        """See ``Rule``."""
        del tail  # it has the lower one
        return ranks.fewest_conformal(self.alpha)

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        return ranked(scores, ranks.conformal_rank(len(scores), self.alpha), tail)

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``; a ``Calibration`` adds what is proven."""
        del n, left_out
        where = " in every group, without a proof" if grouped else ""
        return f"a rate near {percent(self.alpha)}{where}"

    def assumption(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out, grouped
        return f"{DRAWN}; what all folds share, like the scale of columns, is taken as given"

    def smallest_rate(self, n: int, tail: Tail) -> float:
        """See ``Rule``."""
        del tail
        return 1 / (n + 1)


@dataclass(frozen=True)
class Quantile(OfRate):
    """The empirical α quantile, for both tails α / 2 each. It aims at α and promises nothing.

    >>> Quantile(0.5).bounds(np.array([1.0, 2.0, 3.0, 4.0]), "low")
    Bounds(low=3.0, high=inf, rank=3)
    """

    name: ClassVar[RuleName] = "quantile"
    claimed_rate: ClassVar[None] = None

    def fewest(self, tail: Tail) -> int:
        """One score below the threshold, or on both sides."""
        return ranks.fewest_conformal(self.alpha, sides_of(tail)) + 1

    def bounds(self, scores: NDArray[np.float64], tail: Tail) -> Bounds:
        """See ``Rule``."""
        sides = sides_of(tail)
        rank = ranks.quantile_rank(len(scores), self.alpha / sides)
        return ranked(scores, sides * rank, tail)

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out, grouped
        return f"none: it aims at {percent(self.alpha)} and can miss either way"


@dataclass(frozen=True)
class Manual(Rule):
    """Thresholds chosen by hand. Their rate is measured, not promised."""

    threshold: float
    ceiling: float = math.inf
    name: ClassVar[RuleName] = "manual"

    def __post_init__(self) -> None:
        low, high = number("threshold", self.threshold), number("ceiling", self.ceiling)
        if not math.isfinite(low) or math.isnan(high):
            raise ConfigError("`threshold` and `ceiling` take numbers of nats, like -1200.5.")
        if not low < high:
            raise ConfigError(
                f"`ceiling={self.ceiling:g}` is not above `threshold={self.threshold:g}`: "
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

    def title(self, tail: Tail) -> str:
        """See ``Rule``."""
        del tail
        return "by hand"

    def claim(self, n: int, left_out: int, *, grouped: bool) -> str:
        """See ``Rule``."""
        del n, left_out, grouped
        return "none: the threshold was chosen by hand"


RULES: dict[RuleName, type[Rule]] = {
    rule.name: rule for rule in (Sigma, Certified, Conformal, CrossConformal, Quantile, Manual)
}  # in the order in which a number without a rule finds one that has it
