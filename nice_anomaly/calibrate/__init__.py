"""Calibrate: scores of normal data the flow has not seen → thresholds and what they promise."""

from nice_anomaly.calibrate.calibration import Calibration, Group, calibrate
from nice_anomaly.calibrate.rules import (
    RULES,
    Bounds,
    Certified,
    Conformal,
    Manual,
    Quantile,
    Rule,
    Sigma,
    Tail,
    sides_of,
)

__all__ = [
    "RULES",
    "Bounds",
    "Calibration",
    "Certified",
    "Conformal",
    "Group",
    "Manual",
    "Quantile",
    "Rule",
    "Sigma",
    "Tail",
    "calibrate",
    "sides_of",
]
