"""Splits: which training samples teach, which stop the training, which set the threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError


@dataclass(frozen=True)
class Split:
    """Three disjoint, sorted index arrays that together are the whole training part."""

    fit: NDArray[np.int64]
    early_stopping: NDArray[np.int64]
    calibration: NDArray[np.int64]


def split(n: int, *, early_stopping: int, calibration: int, seed: int) -> Split:
    """Cut ``range(n)`` at random into three parts; what is left over is for fitting.

    The same arguments give the same split on every machine (numpy's PCG64 stream).

    Raises:
        ConfigError: the two held-out parts leave less than half of the samples for fitting.

    >>> parts = split(10, early_stopping=2, calibration=3, seed=0)
    >>> len(parts.fit), len(parts.early_stopping), len(parts.calibration)
    (5, 2, 3)
    """
    held_out = early_stopping + calibration
    if 2 * held_out > n:
        raise ConfigError(
            f"data.early_stopping ({early_stopping:,}) and data.calibration ({calibration:,}) "
            f"hold out more than half of the {n:,} normal samples: choose smaller parts, e.g. "
            f"`overrides=['data.early_stopping=0.1', 'data.calibration=0.25']`."
        )
    order = np.random.default_rng(seed).permutation(n)
    stop, calibrate, fit = np.split(order, [early_stopping, held_out])
    return Split(np.sort(fit), np.sort(stop), np.sort(calibrate))
