"""Alignment: scores by several flows → one that has the rank which all of them together give it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Out-of-fold scores R_i ``[n]`` in increasing order, and the ``folds`` ``[n]`` they are of.

    Each was made by the flow k(i) that has not seen its fold. A new sample has a score by every
    flow, s_j, and each R_i is fairly compared with that of the same flow alone: the cross-conformal
    count (Vovk 2015) is m = #{i: R_i ≤ s_k(i)}. The aligned score is the mean of all s_j, moved
    into the interval that this count says: from R_(m) to just below the next larger score, where
    R_(0) = -∞. Below the k-th smallest R are then, without ties, exactly the samples with m < k;
    of equal R all count as passed.

    >>> aligned = Alignment(np.array([-3.0, -2.0, -1.0]), np.array([0, 1, 0]))
    >>> aligned(np.array([[-1.5, -1.5], [-4.0, -6.0], [-2.5, -2.5], [-5.0, 0.0]])).tolist()
    [-1.5, -5.0, -2.5, -2.5]
    """

    scores: Array
    folds: NDArray[np.integer]

    def __call__(self, each: Array) -> Array:
        """The aligned scores ``[m]`` of samples with the scores ``each`` ``[m, K]``."""
        passed = np.zeros(len(each), dtype=np.int64)
        for own, by_flow in zip(self._by_fold, each.T, strict=False):
            passed += np.searchsorted(own, by_flow, side="right")
        edges = np.concatenate([[-np.inf], self.scores, [np.inf]])
        low = edges[passed]
        following = edges[1 + np.searchsorted(self.scores, low, side="right")]
        high = np.nextafter(following, -np.inf)
        with np.errstate(invalid="ignore"):  # the mean of -∞ and +∞
            found: Array = np.fmin(np.fmax(each.mean(axis=1), low), high)
        return found

    @property
    def flows(self) -> int:
        """The fewest flows that it takes."""
        return len(self._by_fold)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all its numbers: equal ones make equal scores."""
        digest = hashlib.sha256(np.ascontiguousarray(self.scores).data)
        digest.update(np.ascontiguousarray(self.folds, dtype=np.int64).data)
        return digest.hexdigest()

    @cached_property
    def _by_fold(self) -> list[Array]:
        return [self.scores[self.folds == fold] for fold in range(int(self.folds.max()) + 1)]
