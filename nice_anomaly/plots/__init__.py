"""Plots: numbers → figures, in one style: text stays text, the same numbers give the same bytes.

Only these modules import matplotlib, inside their functions: the extra ``report`` has it.
"""

from typing import TYPE_CHECKING

from nice_anomaly.plots.detected import detected
from nice_anomaly.plots.judged import compared, stressed
from nice_anomaly.plots.ranking import Ranking, precision_recall, roc
from nice_anomaly.plots.scores import histogram, p_values
from nice_anomaly.plots.style import NARROW, WIDE, Size, check, picture, refuse_absent
from nice_anomaly.plots.timeline import timeline
from nice_anomaly.plots.training import course

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "NARROW",
    "WIDE",
    "Figure",
    "Ranking",
    "Size",
    "check",
    "compared",
    "course",
    "detected",
    "histogram",
    "p_values",
    "picture",
    "precision_recall",
    "refuse_absent",
    "roc",
    "stressed",
    "timeline",
]
