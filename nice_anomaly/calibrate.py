"""Calibration: a frozen value made from the scores of normal data the flow has not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError


@dataclass(frozen=True)
class Calibration:
    """A rule, the threshold it gave, and what that rests on.

    A sample is flagged when its score is strictly below ``threshold`` (nats). ``std`` has
    n - 1. ``claimed_rate`` and ``confidence`` are None for a rule that guarantees nothing.
    ``scores`` are the n calibration scores in increasing order; ``fingerprint`` is that of the
    weights which made them.
    """

    rule: str
    threshold: float
    mean: float
    std: float
    k: float
    claimed_rate: float | None
    confidence: float | None
    fingerprint: str
    scores: NDArray[np.float64]

    @property
    def n(self) -> int:
        """How many normal samples the threshold rests on."""
        return len(self.scores)

    @property
    def flagged(self) -> int:
        """How many of the calibration samples themselves lie below the threshold."""
        return int(np.searchsorted(self.scores, self.threshold, side="left"))


def calibrate_sigma(scores: NDArray[np.float64], k: float, fingerprint: str) -> Calibration:
    """The rule "mean - k standard deviations" on ``scores`` ``[n]``.

    It promises no rate: Φ(-k) would be right for normally distributed scores, which the scores
    of a flow are not.

    Raises:
        DataError: fewer than 2 scores, one that is not finite, or all equal.

    >>> calibration = calibrate_sigma(np.array([-3.0, -1.0, -2.0]), k=2, fingerprint="")
    >>> calibration.mean, calibration.std, calibration.threshold
    (-2.0, 1.0, -4.0)
    """
    if len(scores) < 2:
        raise DataError(
            f"calibration needs the scores of at least 2 normal samples, got {len(scores)}."
        )
    if not np.isfinite(scores).all():
        raise DataError(
            f"{int((~np.isfinite(scores)).sum())} of {len(scores):,} calibration scores are not "
            f"finite: remove those samples from the calibration data, or train again."
        )
    mean, std = float(scores.mean()), float(scores.std(ddof=1))
    if scores.min() == scores.max():
        raise DataError(
            f"all {len(scores):,} calibration scores are equal ({mean:g} nats): there is no "
            f"spread to set a threshold from. Check that the samples differ."
        )
    return Calibration(
        rule="sigma",
        threshold=mean - k * std,
        mean=mean,
        std=std,
        k=k,
        claimed_rate=None,
        confidence=None,
        fingerprint=fingerprint,
        scores=np.sort(scores),
    )
