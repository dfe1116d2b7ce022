"""Thresholds: scores of normal data the model has not seen → thresholds and what they promise."""

from nice_anomaly.thresholds.bounds import Bounds, sides_of
from nice_anomaly.thresholds.budget import Budget, a_day
from nice_anomaly.thresholds.calibration import Calibration, calibrate
from nice_anomaly.thresholds.choice import Numbers, RuleNumbers, choose, tail_of
from nice_anomaly.thresholds.detection import Detection, detect
from nice_anomaly.thresholds.discoveries import Discoveries, at_level
from nice_anomaly.thresholds.groups import ALL, Group
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.thresholds.rules import (
    RULES,
    Certified,
    Conformal,
    CrossConformal,
    Manual,
    Quantile,
    Sigma,
)
from nice_anomaly.thresholds.said import score_of

__all__ = [
    "ALL",
    "RULES",
    "Bounds",
    "Budget",
    "Calibration",
    "Certified",
    "Conformal",
    "CrossConformal",
    "Detection",
    "Discoveries",
    "Group",
    "Manual",
    "Numbers",
    "Quantile",
    "Rule",
    "RuleNumbers",
    "Sigma",
    "a_day",
    "at_level",
    "calibrate",
    "choose",
    "detect",
    "score_of",
    "sides_of",
    "tail_of",
]
