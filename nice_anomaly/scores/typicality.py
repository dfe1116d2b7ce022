"""Typicality: several features of a sample → one score, by how usual they are together.

A log-likelihood is blind to what is *simpler* than the normal data (Nalisnick et al. 2019).
Typicality does not ask how probable the sample is, but whether what can be said of it (where its
latents spend their log-likelihood, how long its code is) is what is said of normal samples: the
density of these features is learned from held-out normals (Morningstar et al. 2021).
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError
from nice_anomaly.vocabulary import ScoreName

Array = NDArray[np.float64]

FEWEST = 100  # normal samples: fewer say too little about some twenty features
PER_COMPONENT = 300  # samples that a component of the mixture wants
MOST_COMPONENTS = 16
REPEATS = 2  # fits from different starts, averaged
RIDGE = 1e-3  # on variances of 1
FARTHEST = 1e6  # standard deviations: what is further out is equally odd
WORKERS = 2
SCORES: tuple[ScoreName, ...] = ("latents", "input", "auto")  # those of features
LOW = 0.01  # the quantile that sets the unit of a score


@dataclass(frozen=True)
class Density:
    """A mixture of Gaussians over some of the features, in units of its own quantiles.

    ``columns`` [k] are the features it looks at, standardised by ``centre`` and ``spread`` [k].
    A component has a log-weight, a mean and the Cholesky factor of its precision: ``weights`` [m],
    ``means`` [m, k], ``precisions`` [m, k, k]. ``scale`` [2] are the median of the log-density on
    the samples of the fit and its distance to the 1 % quantile.
    """

    columns: NDArray[np.int64]
    centre: Array
    spread: Array
    weights: Array
    means: Array
    precisions: Array
    scale: Array

    def __call__(self, features: Array) -> Array:
        """0 for a middling sample, -1 at the 1 % quantile of normal ones; ``[n]``."""
        middle, reach = self.scale
        score: Array = (self.log_density(features) - middle) / reach
        return score

    def log_density(self, features: Array) -> Array:
        """Of ``features`` ``[n, S]`` in standardised coordinates, up to a constant; ``[n]``."""
        z = (features[:, self.columns] - self.centre) / self.spread
        z = np.clip(z, -FARTHEST, FARTHEST)
        total = np.full(len(z), -np.inf)
        for weight, mean, factor in zip(self.weights, self.means, self.precisions, strict=True):
            term = weight - 0.5 * np.square((z - mean) @ factor).sum(axis=1)
            total = np.logaddexp(total, term)
        return total


@dataclass(frozen=True)
class Typicality:
    """Several densities of features: the score is their mean. ``name`` says which score it is."""

    name: ScoreName
    densities: tuple[Density, ...]

    def __call__(self, features: Array) -> Array:
        """One score a sample, higher is more normal, ``[n]`` from ``[n, S]``."""
        with ThreadPoolExecutor(WORKERS) as pool:  # numpy works outside Python's lock
            each = list(pool.map(lambda density: density(features), self.densities))
        scores: Array = np.mean(each, axis=0)
        return scores

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all its numbers: equal ones make equal scores."""
        digest = hashlib.sha256(self.name.encode())
        for array in self.arrays().values():
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All numbers by name, for storing; ``restored`` is the way back."""
        return {
            f"{place}.{field.name}": getattr(density, field.name)
            for place, density in enumerate(self.densities)
            for field in fields(Density)
        }

    @classmethod
    def restored(cls, name: ScoreName, arrays: Mapping[str, NDArray[np.generic]]) -> "Typicality":
        """From its ``arrays``.

        Raises:
            KeyError: some are missing, or all.
            ValueError: there are others, or numbers that no fit gives.
        """
        count = len({key.partition(".")[0] for key in arrays})
        if not count:
            raise KeyError(name)
        densities = tuple(
            Density(**{field.name: arrays[f"{place}.{field.name}"] for field in fields(Density)})  # type: ignore[arg-type]
            for place in range(count)
        )
        if name not in SCORES or len(arrays) != count * len(fields(Density)):
            raise ValueError(name)
        if not all(map(_possible, densities)):
            raise ValueError("numbers that no fit gives")
        return cls(name, densities)


def fit_typicality(
    name: ScoreName, features: Array, views: Sequence[Sequence[int]], seed: int
) -> Typicality:
    """Learn what is usual from ``features`` ``[n, S]`` of held-out normals.

    Each of ``views`` lists the columns of one density.

    Raises:
        DataError: too few samples, or one whose features are not finite.
    """
    if len(features) < FEWEST:
        raise DataError(
            f"the score '{name}' is fitted on at least {FEWEST} held-out normal samples, got "
            f"{len(features)}: give more, or take `score='likelihood'`."
        )
    if not np.isfinite(features).all():
        raise DataError(
            f"the score '{name}' cannot be fitted: features of a normal sample are not finite."
        )
    densities = (_fit(features, np.array(columns, dtype=np.int64), seed) for columns in views)
    return Typicality(name, tuple(densities))


def _possible(density: Density) -> bool:
    """Whether a fit gives such numbers."""
    k, m = density.columns.size, density.weights.size
    arrays = {field.name: getattr(density, field.name) for field in fields(Density)}
    shapes = {name: array.shape for name, array in arrays.items()}
    columns, numbers = arrays.pop("columns"), arrays.values()
    return (
        shapes
        == {**dict.fromkeys(("columns", "centre", "spread"), (k,)), "weights": (m,)}
        | {"means": (m, k), "precisions": (m, k, k), "scale": (2,)}
        and columns.dtype == np.int64
        and k > 0 < m
        and columns.min() >= 0
        and all(array.dtype == np.float64 and np.isfinite(array).all() for array in numbers)
        and bool((density.spread > 0).all())
        and density.scale[1] > 0
    )


def _fit(features: Array, columns: NDArray[np.int64], seed: int) -> Density:
    from sklearn.mixture import GaussianMixture

    values = features[:, columns]
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = (values - centre) / spread
    count = max(1, min(MOST_COMPONENTS, len(z) // PER_COMPONENT))
    fits = [
        GaussianMixture(count, reg_covar=RIDGE, random_state=(seed + repeat) % 2**32).fit(z)
        for repeat in range(REPEATS)
    ]
    factors = np.concatenate([fit.precisions_cholesky_ for fit in fits])
    logdet = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    weights = np.log(np.concatenate([fit.weights_ for fit in fits]) / REPEATS) + logdet
    means = np.concatenate([fit.means_ for fit in fits])
    unscaled = Density(columns, centre, spread, weights, means, factors, np.array([0.0, 1.0]))
    found = unscaled.log_density(features)
    middle, low = np.quantile(found, [0.5, LOW])
    reach = middle - low or found.std() or 1.0  # most may be alike
    return Density(columns, centre, spread, weights, means, factors, np.array([middle, reach]))
