"""Views: several ways to look at a row, each beside how normal rows look, and one score of them.

A view gives every row a number, higher = more normal. What is odd by one of them need not be odd
by another: a density that was learned is smooth and may fill the space between two narrow clusters,
where no learned row is near; a far neighbour is normal where rows lie thin.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.scores.neighbours import Neighbours

Array = NDArray[np.float64]

VIEWS = ("likelihood", "neighbours", "whitened neighbours", "local density")
FEWEST = 10  # references of a view
TAIL = 0.1  # the share of references whose excesses tell how the tail goes on
FEWEST_IN_TAIL = 5
FARTHEST = 1e200
NARROWEST = 1e-9  # of a tail, beside where it begins


@dataclass(frozen=True, eq=False)
class Reference:
    """What a view says of normal rows that it has not seen, ``values`` ``[n]`` in order.

    >>> usual = Reference(np.arange(99.0))
    >>> usual.log_p(np.array([49.0, 8.5, -1e3])).round(2).tolist()
    [-0.69, -2.48, -185.84]
    """

    values: Array

    def log_p(self, values: Array) -> Array:
        """ln of the share of normal rows that are as odd, strictly rising up to the last reference.

        Above u, the quantile at ``TAIL``, it is that of the references, with a straight line
        between two of them; below it an exponential tail, ln p(u) - (u - value) / scale. The scale
        is the mean excess, which is its maximum-likelihood estimate.
        """
        n, values = len(self.values), np.clip(values, -FARTHEST, FARTHEST)
        below, start, scale = self._tail
        body = np.log(np.interp(values, self._finite, np.arange(1.0, n + 1)) / (n + 1))
        tail = np.log((below + 1) / (n + 1)) - (start - values) / scale
        found: Array = np.where(values < start, tail, body)
        return found

    @cached_property
    def _finite(self) -> Array:
        return np.clip(self.values, -FARTHEST, FARTHEST)

    @cached_property
    def _tail(self) -> tuple[int, float, float]:
        """How many references are in it, where it begins, and its scale."""
        values, n = self._finite, len(self.values)
        below = min(n // 2, max(FEWEST_IN_TAIL, int(np.ceil(TAIL * n))))
        start = values[below]
        below = int(np.searchsorted(values, start))  # of equal ones none is in it
        real = values[np.abs(values) < FARTHEST]
        excesses = start - real[real < start]
        scale = excesses.mean() if len(excesses) else real.std() if len(real) else 0.0
        return below, float(start), float(max(scale or 1.0, NARROWEST * max(1.0, abs(start))))


@dataclass(frozen=True)
class Sight:
    """The view by which a row is oddest, and the name of the learned row that is nearest to it."""

    view: str
    nearest: str


@dataclass(frozen=True, eq=False)
class Views:
    """Four views of a row, in the order of ``VIEWS``: its log-likelihood, and minus its distances.

    ``neighbours`` are the learned rows to hold others beside; of flows in folds those of each,
    which are not of the fold that the flow has not seen: neither is their whitening.

    The score is ln of the harmonic mean of their p: that of the oddest view counts for most, and
    what is odd by two is odder than by one. ``fingerprint`` names all numbers here: equal ones make
    equal scores of equal weights.
    """

    references: tuple[Reference, ...]
    neighbours: tuple[Neighbours, ...]
    fingerprint: str

    def of_fold(self, fold: int) -> "Views":
        """Those of one flow, whose rows are not of its own fold."""
        return replace(self, neighbours=(self.neighbours[fold],))

    def nearest(self, x: Tensor) -> list[tuple[str, str]]:
        """The names of the kept rows that are nearest to ``x`` ``[n, d]``, in x and in z.

        Of several folds two hold every row; the nearer in x of their nearest counts.
        """
        found = [(rows, rows.nearest(x)) for rows in self.neighbours[:2]]
        far = np.stack(
            [
                np.stack([(rows.x[places[:, way]] - x).norm(dim=1).numpy() for way in (0, 1)], 1)
                for rows, places in found
            ]
        )
        chosen = far.argmin(axis=0)
        return [
            (
                found[a][0].names[found[a][1][i, 0]],
                found[b][0].names[found[b][1][i, 1]],
            )
            for i, (a, b) in enumerate(chosen.tolist())
        ]

    def log_p(self, measured: Array) -> Array:
        """ln p by every view, ``[..., 4]`` as ``measured``."""
        each = [one.log_p(measured[..., place]) for place, one in enumerate(self.references)]
        return np.stack(each, axis=-1)

    def __call__(self, measured: Array) -> Array:
        """The score, ``[...]``: -ln of the mean 1 / p."""
        found: Array = np.log(len(VIEWS)) - np.logaddexp.reduce(-self.log_p(measured), axis=-1)
        return found
