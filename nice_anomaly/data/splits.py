"""Splits: which training samples teach, which stop the training, which set the threshold.

With folds all do all of it, none for the same flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.words import count_of

LEAST_LEARNED = 0.25  # of all samples, by each flow
STOPPING = 0.1  # of what a flow may see: it tells when to stop


@dataclass(frozen=True)
class Split:
    """Three disjoint, sorted index arrays that together are the whole training part.

    With ``folds`` ``[n]``, the number of the fold that each sample is in, all samples are in
    ``fit`` and the others are empty.
    """

    fit: NDArray[np.int64]
    early_stopping: NDArray[np.int64]
    calibration: NDArray[np.int64]
    folds: NDArray[np.int64] | None = None


def undivided(n: int) -> Split:
    """All of ``range(n)`` to fit, before they are cut into folds."""
    none = np.empty(0, dtype=np.int64)
    return Split(np.arange(n), none, none)


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


def fold_numbers(
    count: int,
    hashes: NDArray[np.int64],
    seed: int,
    groups: Sequence[str | None] | None = None,
    *,
    fewer: bool = False,
) -> NDArray[np.int64]:
    """The fold of each of n samples, 0 … count - 1, ``[n]``: at random, and as equal as can be.

    Copies of a sample, which have equal ``hashes`` ``[n]``, are in one fold, and so are samples of
    one group; a sample without a group is one of its own. With ``fewer`` there are only as many
    folds as there are such units, if that is less.

    Raises:
        DataError: fewer different samples or groups than folds, or nearly all are of one.

    >>> fold_numbers(2, np.array([7, 8, 7, 9]), seed=0).tolist()
    [0, 1, 0, 1]
    """
    units = _units(hashes, groups)
    sizes = np.bincount(units)
    count = min(count, max(2, len(sizes))) if fewer else count
    if len(sizes) < count:
        what = "different sample" if groups is None else "group"
        way_on = f"e.g. `folds={len(sizes)}`" if len(sizes) > 1 else "`folds=0`"
        raise DataError(
            f"{count_of(len(sizes), what)} cannot be cut into {count} folds: take fewer, {way_on}."
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # large ones first
    fold, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(count)
    for unit in order:
        fold[unit] = filled.argmin()
        filled[fold[unit]] += sizes[unit]
    most, n = int(filled.max()), len(units)
    if n - most < LEAST_LEARNED * n:
        raise DataError(
            f"{most:,} of {n:,} samples are copies of one another or of one group and stay in one "
            f"fold: the others are too few to learn from. Take `folds=0`."
        )
    return fold[units]


def lessons(
    folds: NDArray[np.int64], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each fold the samples outside of it: those to learn, and a tenth to tell when to stop.

    >>> fit, stop = lessons(np.array([0, 1, 2, 0, 1, 2]), seed=0)[1]
    >>> sorted([*fit.tolist(), *stop.tolist()])
    [0, 2, 3, 5]
    """
    found = []
    for fold in range(int(folds.max()) + 1):
        outside = np.flatnonzero(folds != fold)
        order = np.random.default_rng([seed, fold]).permutation(outside)
        stop = max(1, round(STOPPING * len(order)))
        found.append((np.sort(order[stop:]), np.sort(order[:stop])))
    return found


def _units(hashes: NDArray[np.int64], groups: Sequence[str | None] | None) -> NDArray[np.int64]:
    """What has to stay together, as numbers from 0: copies, and groups with all their copies."""
    _, kinds = np.unique(hashes, return_inverse=True)
    if groups is None:
        return kinds
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    owners = np.array([names[name] for name in groups])
    named = np.array([name is not None for name in groups])
    first = int(kinds.max()) + 1
    size = first + len(names)
    links = kinds[named], first + owners[named]
    graph = coo_array((np.ones(len(links[0])), links), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(np.unique(labels[kinds], return_inverse=True)[1], dtype=np.int64)
