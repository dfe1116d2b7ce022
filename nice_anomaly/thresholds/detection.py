"""Detection: scores + calibration → margin, p-value, verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import NotCalibratedError
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds.calibration import Calibration
from nice_anomaly.thresholds.groups import Group
from nice_anomaly.vocabulary import Tail


@dataclass(frozen=True)
class Detection:
    """One entry a sample, in input order, all ``[n]``.

    ``margin`` is the distance to the nearest threshold in units of the score; negative is flagged.
    ``p_value`` is the conformal p = (1 + #{S_i ≤ s}) / (n + 1) over the calibration scores S_i
    (Vovk et al. 2005): for a normal sample P(p ≤ α) ≤ α, as long as it is exchangeable with the
    calibration samples. Where both tails count, it is twice the smaller of this and its mirror
    image, at most 1. Of aligned scores it is the cross-conformal p-value (Vovk 2015), whose
    P(p ≤ α) is near α and at most what ``out_of_fold`` proves. ``groups`` names the group whose
    scores were taken, None without groups.
    """

    scores: NDArray[np.float64]
    margin: NDArray[np.float64]
    p_value: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    groups: tuple[str, ...] | None = None


def detect(
    scores: Scores, calibration: Calibration, groups: Sequence[str | None] | None = None
) -> Detection:
    """Hold scores ``[n]`` against a calibration, each against that of its group.

    Flagged when score < threshold, strictly, and with two tails also when score > ceiling. A
    sample of a group that the calibration does not know is held against the scores of all.

    Raises:
        NotCalibratedError: the calibration is for another score or other weights.

    >>> from nice_anomaly.thresholds import Sigma, calibrate
    >>> calibration = calibrate(Scores(np.array([-3.0, -1.0, -2.0])), Sigma(2))
    >>> found = detect(Scores(np.array([-4.0, -4.5])), calibration)
    >>> found.flagged.tolist(), found.p_value.tolist()
    ([False, True], [0.25, 0.25])
    """
    if scores.origin != calibration.origin:
        raise NotCalibratedError(
            f"these scores cannot be held against this calibration: they are {scores.origin}, and "
            f"it is for {calibration.origin}. Score with the run and the calibration that belong "
            f"together: `run.detect(inputs, calibration=name)` does."
        )
    values = scores.values
    if not calibration.groups or groups is None:
        margin, p_value = _held_against(calibration.overall, values, calibration.tail)
        return Detection(values, margin, p_value, margin < 0)
    margin, p_value = np.empty(len(values)), np.empty(len(values))
    found = [calibration.group_of(name) for name in groups]
    keys = np.array([id(group) for group in found])
    for group in (calibration.overall, *calibration.groups):
        rows = keys == id(group)
        margin[rows], p_value[rows] = _held_against(group, values[rows], calibration.tail)
    return Detection(values, margin, p_value, margin < 0, tuple(group.name for group in found))


def _held_against(
    group: Group, scores: NDArray[np.float64], tail: Tail
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    below = np.searchsorted(group.scores, scores, side="right")
    p_value = (1 + below) / (group.n + 1)
    margin = _distance(scores, group.bounds.low)
    if tail == "both":
        above = group.n - np.searchsorted(group.scores, scores, side="left")
        p_value = np.minimum(1.0, 2 * np.minimum(p_value, (1 + above) / (group.n + 1)))
        margin = np.minimum(margin, -_distance(scores, group.bounds.high))
    return margin, p_value


def _distance(scores: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Scores - bound, but 0 and not NaN where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(scores == bound, 0.0, scores - bound)
