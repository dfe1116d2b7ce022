"""Ranks: what the k-th smallest of n calibration scores promises as a threshold.

Let S_(k) be the k-th smallest of n scores drawn like those to come. The probability that a new
score falls below it is then a random number, through the n draws, with the distribution
Beta(k, n + 1 - k), whatever the scores' own distribution (Wilks 1941); with ties it is smaller
still. Flagging *strictly* below S_(k) is what makes this hold. Two thresholds, S_(a) below and
S_(n + 1 - b) above, leave out k = a + b ranks and together obey the same law.
"""

import math
from fractions import Fraction

import numpy as np


def certified_rank(n: int, alpha: float, confidence: float) -> int:
    """The largest k with P(Beta(k, n + 1 - k) > α) ≤ 1 - confidence; 0 if there is none.

    P(Beta(k, n + 1 - k) > α) = P(Binomial(n, α) ≤ k - 1): the threshold fails if fewer than k
    of n scores came from the share α at the bottom. This is the tolerance bound of Wilks (1941),
    for conformal thresholds in Vovk (2012).

    >>> [certified_rank(n, 0.01, 0.95) for n in (298, 299, 1000, 10_000)]
    [0, 1, 5, 84]
    """
    from scipy.stats import binom

    risk = 1 - confidence
    k = int(binom.ppf(risk, n, alpha))
    while k and binom.cdf(k - 1, n, alpha) > risk:
        k -= 1
    while k < n and binom.cdf(k, n, alpha) <= risk:
        k += 1
    return k


def certifies(k: int, n: int, alpha: float, confidence: float, slack: float = 0.0) -> bool:
    """Whether S_(k) keeps α: P(Binomial(n, α) ≤ k - 1) ≤ 1 - confidence, up to relative ``slack``.

    ``certified_rank`` is the largest such k; this needs no table of distributions.

    >>> certifies(5, 1000, 0.01, 0.95), certifies(6, 1000, 0.01, 0.95)
    (True, False)
    """
    if k > n:
        return False
    i = np.arange(1, k)
    steps = np.log((n - i + 1) / i) + math.log(alpha) - math.log1p(-alpha)
    logs = n * math.log1p(-alpha) + np.concatenate([[0.0], np.cumsum(steps)])
    return float(np.exp(logs).sum()) <= (1 - confidence) * (1 + slack)


def conformal_rank(n: int, alpha: float) -> int:
    """⌊α (n + 1)⌋: a new score is below S_(k) with probability k / (n + 1) ≤ α on average.

    The average is over calibrations and new scores together (Vovk et al. 2005). α is taken as
    the decimal number it is written as.

    >>> conformal_rank(99, 0.29), conformal_rank(98, 0.01)
    (29, 0)
    """
    return math.floor(_exact(alpha) * (n + 1))


def quantile_rank(n: int, alpha: float) -> int:
    """⌊α n⌋ + 1: no more than the share α of the n scores themselves lies below S_(k).

    >>> quantile_rank(200, 0.01)
    3
    """
    return math.floor(_exact(alpha) * n) + 1


def fewest_certified(alpha: float, confidence: float, ranks: int = 1) -> int:
    """The smallest n whose certified rank is at least ``ranks``.

    >>> fewest_certified(0.01, 0.95), fewest_certified(0.001, 0.95), fewest_certified(0.05, 0.95)
    (299, 2995, 59)
    """
    high = ranks
    while certified_rank(high, alpha, confidence) < ranks:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if certified_rank(middle, alpha, confidence) < ranks:
            low = middle
        else:
            high = middle
    return high


def fewest_conformal(alpha: float, ranks: int = 1) -> int:
    """The smallest n whose conformal rank is at least ``ranks``.

    >>> fewest_conformal(0.01), fewest_conformal(0.01, ranks=2)
    (99, 199)
    """
    return math.ceil(ranks / _exact(alpha)) - 1


def smallest_rate(n: int, confidence: float, ranks: int = 1) -> float:
    """The smallest α that n scores can certify: the quantile of Beta(ranks, n + 1 - ranks).

    >>> round(smallest_rate(299, 0.95), 6)
    0.009969
    """
    from scipy.stats import beta

    return float(beta.ppf(confidence, ranks, n + 1 - ranks))


def largest_confidence(n: int, alpha: float, ranks: int = 1) -> float:
    """The largest confidence at which n scores can certify α: P(Binomial(n, α) ≥ ranks).

    >>> round(largest_confidence(38, 0.05), 4), round(1 - 0.95**38, 4)
    (0.8576, 0.8576)
    """
    from scipy.stats import binom

    return float(binom.sf(ranks - 1, n, alpha))


def share_above(n: int, ranks: int, alpha: float) -> float:
    """The share of calibrations whose true rate is above α, with ``ranks`` of n left out.

    >>> round(share_above(999, 10, 0.01), 2), round(share_above(99, 1, 0.01), 2)
    (0.46, 0.37)
    """
    from scipy.stats import beta

    return float(beta.sf(alpha, ranks, n + 1 - ranks)) if ranks else 0.0


def true_rate(n: int, ranks: int) -> tuple[float, tuple[float, float]]:
    """The false-alarm rate with ``ranks`` left out: its mean, and where it lies in 95 % of cases.

    Mean and quantiles of Beta(ranks, n + 1 - ranks), exact for scores without ties.

    >>> mean, (low, high) = true_rate(9_999, 100)
    >>> mean, round(low, 4), round(high, 4)
    (0.01, 0.0081, 0.012)
    """
    if not ranks:
        return 0.0, (0.0, 0.0)
    from scipy.stats import beta

    law = beta(ranks, n + 1 - ranks)
    return ranks / (n + 1), (float(law.ppf(0.025)), float(law.ppf(0.975)))


def rounded_up(rate: float) -> float:
    """The next rate of two digits that is no less.

    >>> rounded_up(0.002912)
    0.003
    """
    if rate <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return float(f"{math.ceil(rate / step) * step:.6g}")


def _exact(rate: float) -> Fraction:
    return Fraction(str(float(rate)))
