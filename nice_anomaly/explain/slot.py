"""Slot: a column of a row as what may stand in it, and what the rest of a row says of that.

The coordinates of one column move together: a number with the coordinate that says it is missing,
a category with all its values. Each of the ``states`` is put in the place of what stands there,
the row is scored again, and since the rest stays the same, those scores are log p(state | rest)
up to a constant.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST = 1e-300  # what a logarithm is taken of


@dataclass(frozen=True, eq=False)
class Judged:
    """What the rest of ``n`` rows says of one column.

    ``best`` ``[n]`` are the states with the largest score, larger than that of the row as it is by
    ``gain``; ``finer`` ``[n, w]`` is what may score higher still, between the states. ``odds``:
    the log-odds that the cell was replaced by one of any other row, up to a constant that all
    columns share. ``p_value``: how probable a cell as improbable as this is. ``probability`` is
    that of the best of categories, ``median``, ``low`` and ``high`` are those of numbers; NaN
    elsewhere.
    """

    best: NDArray[np.int64]
    finer: Array
    gain: Array
    odds: Array
    p_value: Array
    median: Array
    low: Array
    high: Array
    probability: Array


class Slot(ABC):
    """One column: its ``name``, its ``place`` in a row, and its ``states`` ``[k, w]``."""

    name: str
    unit: str = ""
    place: slice
    states: Array

    @abstractmethod
    def judged(self, scores: Array, own: Array, blocks: Array, ceiling: Array) -> Judged:
        """What ``scores`` ``[n, k]`` of the states say beside ``own`` ``[n]``, those of the rows.

        ``blocks`` ``[n, w]`` is what stands in the rows; the best state is one whose score is at
        most the ``ceiling`` ``[n]``, if there is one.
        """

    @abstractmethod
    def usual(self, block: Array) -> bool:
        """Whether what stands there is usual in itself."""

    @abstractmethod
    def cell(self, block: Array) -> Any:
        """What stands there, for people: a number, a text, or None where it is missing."""

    def plain(self, block: Array) -> Any:
        """What stands there, as the cell of a table."""
        return self.cell(block)


def best_of(scores: Array, ceiling: Array) -> NDArray[np.int64]:
    """The largest of ``scores`` ``[n, k]`` that is at most the ceiling ``[n]``, else the least.

    >>> best_of(np.array([[1.0, 3.0, 2.0], [5.0, 6.0, 7.0]]), np.array([2.5, 4.0])).tolist()
    [2, 0]
    """
    below = scores <= ceiling[:, None]
    allowed = np.where(below, scores, -np.inf).argmax(axis=1)
    best: NDArray[np.int64] = np.where(below.any(axis=1), allowed, scores.argmin(axis=1))
    return best


def log_sum(terms: Array) -> Array:
    """log Σ exp along the last axis; -∞ only where every term is.

    >>> log_sum(np.array([[0.0, -np.inf], [1000.0, 1000.0]])).round(4).tolist()
    [0.0, 1000.6931]
    """
    top = terms.max(axis=-1)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.exp(terms - top[..., None]).sum(axis=-1)
    sums: Array = top + np.log(np.maximum(total, LEAST))
    return sums


def peak(x: Array, y: Array) -> Array:
    """Where the parabola through three points ``[n, 3]`` with the middle highest has its top.

    >>> peak(np.array([[0.0, 1.0, 3.0]]), np.array([[-4.0, -1.0, -1.0]])).tolist()
    [2.0]
    """
    left, right = x[:, 1] - x[:, 0], x[:, 2] - x[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = (y[:, 1] - y[:, 0]) / left, (y[:, 2] - y[:, 1]) / right
        top = (x[:, 0] + x[:, 1] + up * (left + right) / (up - down)) / 2
    inside = np.isfinite(top) & (top >= x[:, 0]) & (top <= x[:, 2])
    return np.where(inside, top, x[:, 1])
