"""Out of fold: what the k-th smallest of n scores promises where each is by a flow of its own fold.

Samples 1 … n are in K folds of n_1 … n_K, cut without looking at them. R_i is the score of sample i
by the flow k(i) that has not seen its fold, s_j(x) that of a new sample by flow j, and
m(x) = #{i: R_i ≤ s_k(i)(x)} the cross-conformal count (Vovk 2015). Below the k-th smallest R lies,
once its score is aligned, what has m(x) < k. If the new sample and the others are drawn alike,
P(m(x) < k), over calibrations and new samples, is at most the smaller of two numbers:

1. *By folds.* p_j = (1 + #{i in fold j: R_i ≤ s_j(x)}) / (n_j + 1) is a conformal p-value, whatever
   the other folds are: P(p_j ≤ u / (n_j + 1)) ≤ u / (n_j + 1). In whole numbers u_j = (n_j + 1) p_j
   the count is m(x) = Σ u_j - K. For any whole c_j ≥ 1 with Σ c_j > k - 1 + K, m(x) < k makes
   Σ max(0, c_j - u_j) ≥ Σ c_j - (k - 1 + K), so by Markov's inequality
   P(m(x) < k) ≤ Σ_j Σ_{u < c_j} (u / (n_j + 1)) / (Σ c_j - K - k + 1). The best c_j take the r
   smallest of all numbers u / (n_j + 1): their sum over r - k + 1, at the best r ≥ k. For folds of
   n / K it is at most (2 (k - 1) + K) / (n + K), close to what the mean of p-values has in general
   (Vovk & Wang 2020). A distance to neighbours among all samples keeps it: with x among them
   each R_i would be no smaller, and p_j no larger.

2. *By tournament* (Barber, Candès, Ramdas & Tibshirani 2021, proof of theorem 4), where learning
   does not depend on the order of samples or of folds. Think of x in a fold of v samples beside
   those K, and of two samples of different folds as held against each other by the flow that has
   seen neither fold. Of those in folds of v, let s have less than k others at or below them, s_f of
   these in fold f. In each pair of two folds one at least is at or above the other, so
   Σ_f s_f (s - s_f) ≤ 2 s (k - 1), and as s_f ≤ v, s ≤ 2 (k - 1) + v. Each of the
   v (1 + #{j: n_j = v}) samples in folds of v is as likely as x to be one of them. For folds of
   n / K it is (2 (k - 1) + n / K) / (n + n / K); with K = n, jackknife+, (2 k - 1) / (n + 1).

For equal folds both are less than theorem 4 has it at k = α (n + 1):
2 α + min{2 (1 - 1/K) / (n/K + 1), (1 - K/n) / (K + 1)}. The rate itself is near k / (n + 1) where
flows of different folds agree.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def proven_rate(k: int, folds: ArrayLike, *, symmetric: bool = True) -> float:
    """The most that P(m(x) < k) can be with ``folds`` of these sizes ``[K]``.

    Learning that is not ``symmetric`` in samples and folds has the first bound alone.

    >>> round(proven_rate(5, [20] * 5), 3), round(proven_rate(1, [1] * 19), 3)
    (0.119, 0.05)
    """
    sizes = np.asarray(folds, dtype=np.int64)
    sizes = sizes[sizes > 0]
    if not k:
        return 0.0
    if k > sizes.sum():
        return 1.0
    bounds = [1.0, _by_folds(k, sizes), *(_by_tournament(k, sizes) if symmetric else ())]
    return float(min(bounds))


def _by_folds(k: int, sizes: NDArray[np.int64]) -> float:
    p_values = np.sort(np.concatenate([np.arange(1, n + 1) / (n + 1) for n in sizes]))
    ranks = np.arange(k, len(p_values) + 1)
    return float((np.cumsum(p_values)[k - 1 :] / (ranks - k + 1)).min())


def _by_tournament(k: int, sizes: NDArray[np.int64]) -> list[float]:
    values, times = np.unique(sizes, return_counts=True)
    every: list[float] = ((2 * (k - 1) + values) / (values * (1 + times))).tolist()
    return every
