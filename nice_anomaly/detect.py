"""Detection: scores + calibration → margin, p-value, verdict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.calibrate import Calibration


@dataclass(frozen=True)
class Detection:
    """One entry a sample, in input order, all ``[n]``.

    ``margin`` = score - threshold (nats; negative is flagged). ``p_value`` is the conformal
    p = (1 + #{S_i ≤ s}) / (n + 1) over the calibration scores S_i (Vovk et al. 2005): for a
    normal sample P(p ≤ α) ≤ α, as long as it is exchangeable with the calibration samples.
    """

    scores: NDArray[np.float64]
    margin: NDArray[np.float64]
    p_value: NDArray[np.float64]
    flagged: NDArray[np.bool_]


def detect(scores: NDArray[np.float64], calibration: Calibration) -> Detection:
    """Hold scores ``[n]`` against a calibration; flagged when score < threshold, strictly.

    >>> from nice_anomaly.calibrate import calibrate_sigma
    >>> calibration = calibrate_sigma(np.array([-3.0, -1.0, -2.0]), k=2, fingerprint="")
    >>> found = detect(np.array([-4.0, -4.5]), calibration)
    >>> found.flagged.tolist(), found.p_value.tolist()
    ([False, True], [0.25, 0.25])
    """
    below = np.searchsorted(calibration.scores, scores, side="right")
    return Detection(
        scores=scores,
        margin=scores - calibration.threshold,
        p_value=(1 + below) / (calibration.n + 1),
        flagged=scores < calibration.threshold,
    )
