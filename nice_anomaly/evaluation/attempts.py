"""Attempts: nothing at all, and then every corruption in every grade."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.evaluation.corruptions import Corruption, Random, T

UNCHANGED = "nothing changed"
NOTHING: Corruption[Any] = Corruption(
    lambda x, grade, rng: x,  # noqa: ARG005
    lambda _: "the normals themselves",
    (0.0,),
)


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """One corruption in one grade."""

    name: str
    corruption: Corruption[T]
    grade: float

    @property
    def plainest(self) -> bool:
        """Whether it is the highest grade of a corruption."""
        return 0 < self.grade == max(self.corruption.grades)

    def __call__(self, samples: T, rng: Random) -> T:
        """The samples after it."""
        return self.corruption.apply(samples, self.grade, rng)

    def hit(self, before: T, after: T) -> NDArray[np.bool_]:
        """Which samples count, ``[n]``: those that changed, or all where nothing should."""
        if not self.grade:
            return np.ones(len(before), dtype=bool)
        changed: NDArray[np.bool_] = (after != before).reshape(len(before), -1).any(axis=1)
        return changed


def attempts(corruptions: Mapping[str, Corruption[T]]) -> list[Attempt[T]]:
    """Nothing, and then every corruption in every grade."""
    every = {UNCHANGED: NOTHING, **corruptions}
    return [Attempt(name, one, grade) for name, one in every.items() for grade in one.grades]
