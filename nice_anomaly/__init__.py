"""nice-anomaly: learn what normal looks like, state your false-alarm rate, find the anomalies.

The public names are resolved when they are first used, so that importing the package (and
``nice-anomaly --help``) loads no torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Calibration": "calibrate",
    "Detection": "detect",
    "Flow": "flow",
    "NiceAnomalyError": "errors",
    "Preprocess": "preprocess",
    "Run": "run",
    "Settings": "config",
    "load_calibration": "run",
    "load_run": "run",
    "prepare": "pipeline",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
