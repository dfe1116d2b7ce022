"""Detected: what a detection found in one figure."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.metrics import Rate
from nice_anomaly.plots.ranking import Ranking, draw_roc
from nice_anomaly.plots.scores import draw_histogram
from nice_anomaly.plots.style import WIDE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BESIDE = (10.2, 3.4)


@styled
def detected(
    normals: NDArray[np.float64],
    low: float,
    high: float,
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    normal: NDArray[np.bool_],
    anomalous: NDArray[np.bool_],
    *,
    unit: str = "",
) -> "Figure":
    """Scores ``[m]`` beside those of the calibration; and how they rank, where labels say that.

    ``normal`` and ``anomalous`` ``[m]`` are what is known to be so; see ``histogram`` and ``roc``.
    """
    given = normals, low, high, scores, flagged, unit
    if not (normal.any() and anomalous.any()):
        figure = new_figure(WIDE)
        draw_histogram(figure.add_subplot(), *given, WIDE)
        return figure
    figure = new_figure(BESIDE)
    left, right = figure.subplots(1, 2, width_ratios=[1.9, 1])
    draw_histogram(left, *given, WIDE)
    ranking = Ranking.of(scores[normal], scores[anomalous])
    draw_roc(right, ranking, Rate.of(flagged[normal]), Rate.of(flagged[anomalous]), WIDE)
    return figure
