"""Scores: samples → one number each, higher = more normal, and what made it."""

from nice_anomaly.scores.alignment import Alignment
from nice_anomaly.scores.scorer import Fitted, Scorer, fitted, halves
from nice_anomaly.scores.typicality import Typicality
from nice_anomaly.scores.value import InFolds, Origin, Scores
from nice_anomaly.scores.views import VIEWS, Sight, Views

__all__ = [
    "VIEWS",
    "Alignment",
    "Fitted",
    "InFolds",
    "Origin",
    "Scorer",
    "Scores",
    "Sight",
    "Typicality",
    "Views",
    "fitted",
    "halves",
]
