"""Scores: samples → one number each, higher = more normal, and what made it."""

from nice_anomaly.scores.scorer import Fitted, Scorer, fitted, halves
from nice_anomaly.scores.typicality import Typicality
from nice_anomaly.scores.value import Origin, Scores

__all__ = ["Fitted", "Origin", "Scorer", "Scores", "Typicality", "fitted", "halves"]
