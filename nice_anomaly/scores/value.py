"""Scores: one number a sample, and what made them, so that no two kinds are ever confused."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.vocabulary import ScoreName


@dataclass(frozen=True)
class Origin:
    """What made scores: only scores of equal origin can be held against each other.

    ``weights`` is the fingerprint of the model's weights, ``typicality`` that of what was fitted
    on image features and ``views`` that of what rows are held beside, both empty for
    log-likelihoods. ``noise_seed`` is that of random places in each level, None for their middle.
    ``aligned`` is the fingerprint of the out-of-fold scores whose ranks those by several flows
    have, empty for their mean.
    """

    score: ScoreName = "likelihood"
    weights: str = ""
    typicality: str = ""
    views: str = ""
    noise_seed: int | None = None
    aligned: str = ""

    def __str__(self) -> str:
        made = f"the score '{self.score}' of the weights {self.weights[:12] or '(none)'}"
        noise = "" if self.noise_seed is None else f", noise seed {self.noise_seed}"
        fit = f", fit {self.judged[:12]}" if self.judged else ""
        return f"{made}{noise}{fit}{f', aligned {self.aligned[:12]}' if self.aligned else ''}"

    @property
    def judged(self) -> str:
        """The fingerprint of what judges, empty for log-likelihoods."""
        return self.typicality or self.views


@dataclass(frozen=True, eq=False)
class InFolds:
    """Samples ``[n]`` that were learned in folds, and the fold of each."""

    folds: NDArray[np.int64]

    def __getitem__(self, some: Any) -> "InFolds":
        return InFolds(self.folds[some])


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores ``[n]`` in float64, in input order, higher = more normal; log-likelihoods in nats.

    >>> np.asarray(Scores(np.array([-3.0, -1.0]))[1:]).tolist()
    [-1.0]
    """

    values: NDArray[np.float64]
    origin: Origin = field(default_factory=Origin)

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, places: Any) -> Any:
        """One number by its place; some ``Scores`` by a slice, places or a mask."""
        found = self.values[places]
        return replace(self, values=found) if np.ndim(found) else float(found)
