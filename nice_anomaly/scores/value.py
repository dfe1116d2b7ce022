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
    on image features, empty for log-likelihoods. ``noise_seed`` is that of random places in each
    level, None for their middle.
    """

    score: ScoreName = "likelihood"
    weights: str = ""
    typicality: str = ""
    noise_seed: int | None = None

    def __str__(self) -> str:
        made = f"the score '{self.score}' of the weights {self.weights[:12] or '(none)'}"
        noise = "" if self.noise_seed is None else f", noise seed {self.noise_seed}"
        return f"{made}{noise}, fit {self.typicality[:12]}" if self.typicality else made + noise


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
