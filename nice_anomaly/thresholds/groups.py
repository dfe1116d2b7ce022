"""Groups: normal samples that share thresholds, made from their own scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError
from nice_anomaly.thresholds.bounds import Bounds
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.vocabulary import Tail
from nice_anomaly.words import count_of

MERGED = "(small groups)"
ALL = "(all)"


@dataclass(frozen=True, eq=False)
class Group:
    """Normal samples that share thresholds: all of them, or those of one camera, class, …

    ``scores`` are those of its n calibration samples in increasing order. ``members`` are the
    groups that it was merged from.
    """

    name: str
    members: tuple[str, ...]
    bounds: Bounds
    scores: NDArray[np.float64]

    @property
    def n(self) -> int:
        """How many normal samples the thresholds rest on."""
        return len(self.scores)

    @property
    def flagged(self) -> int:
        """How many of the calibration samples themselves would be flagged."""
        below = np.searchsorted(self.scores, self.bounds.low, side="left")
        return int(below + self.n - np.searchsorted(self.scores, self.bounds.high, side="right"))

    @cached_property
    def mean(self) -> float:
        """Of the scores, in nats."""
        return float(self.scores.mean())

    @cached_property
    def std(self) -> float:
        """Of the scores, with n - 1."""
        return float(self.scores.std(ddof=1)) if self.n > 1 else 0.0


def group_of_scores(
    name: str, members: tuple[str, ...], scores: NDArray[np.float64], rule: Rule, tail: Tail
) -> Group:
    """A group with the thresholds of a rule from its scores, in any order."""
    ordered = np.sort(scores)
    return Group(name, members, rule.bounds(ordered, tail), ordered)


def split_by(
    scores: NDArray[np.float64], names: Sequence[str | None], rule: Rule, tail: Tail
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """The groups with thresholds of their own, and the names of those without."""
    places = _places(names)
    fewest = rule.fewest(tail)
    large = sorted(name for name, rows in places.items() if len(rows) >= fewest)
    small = tuple(sorted(places.keys() - set(large)))
    if not large:
        most = count_of(max(map(len, places.values()), default=0), "normal sample")
        none = "the only group is not"
        if len(places) != 1:
            none = f"none of the {len(places):,} groups is"
        raise DataError(
            f"{none} large enough: the largest has {most}, this rule needs {fewest:,} in a group. "
            f"Calibrate without groups, with more normals, or with a higher `alpha`."
        )
    found = [group_of_scores(name, (name,), scores[places[name]], rule, tail) for name in large]
    rest = np.concatenate([np.empty(0, dtype=np.int64), *(places[name] for name in small)])
    if len(rest) < fewest:
        return tuple(found), small
    return (*found, group_of_scores(MERGED, small, scores[rest], rule, tail)), ()


def _places(names: Sequence[str | None]) -> dict[str, NDArray[np.int64]]:
    """Where each name occurs; None does not count."""
    numbers: dict[str | None, int] = {}
    codes = np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(1, len(numbers)))
    found = zip(numbers, np.split(order, cuts), strict=True) if numbers else ()
    return {name: rows for name, rows in found if name is not None}
