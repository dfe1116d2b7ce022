"""nice-anomaly: learn what normal looks like, state your false-alarm rate, find the anomalies.

    import nice_anomaly as na

    run = na.learn("rows.csv")
    run.calibrate(alpha=0.01)
    found = run.detect("new.csv")

The public names are resolved when they are first used, so that importing the package (and
``nice-anomaly --help``) loads no torch, and hardly anything before the command hears a Ctrl-C.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Calibration": "thresholds",
    "Certified": "thresholds",
    "Conformal": "thresholds",
    "CrossConformal": "thresholds",
    "Detection": "thresholds",
    "Found": "evaluation.found",
    "Manual": "thresholds",
    "NiceAnomalyError": "errors",
    "Quantile": "thresholds",
    "Run": "library",
    "Scores": "scores",
    "Settings": "settings",
    "Sigma": "thresholds",
    "builtin": "data",
    "learn": "library",
    "load_run": "library",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
