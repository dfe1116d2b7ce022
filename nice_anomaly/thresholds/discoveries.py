"""Discoveries: which of many samples to flag so that few of the flagged are false alarms.

A threshold bounds the false alarms among the normals. In a batch of m samples one may rather
bound the false discovery rate: the expected share of false alarms among what is flagged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError
from nice_anomaly.thresholds.bounds import Bounds, sides_of
from nice_anomaly.thresholds.calibration import Calibration
from nice_anomaly.thresholds.groups import Group
from nice_anomaly.vocabulary import Tail
from nice_anomaly.words import count_of

Method = Literal["bh", "by"]


@dataclass(frozen=True)
class Discoveries:
    """The rule that flags p-values up to a level which the whole batch decides.

    Benjamini & Hochberg (1995), "bh": of m p-values in order the largest p_(r) ≤ r q / m is the
    level. Conformal p-values that share their calibration scores are positively dependent in the
    way this needs (Bates et al. 2023). Benjamini & Yekutieli (2001), "by": q is divided by
    1 + 1/2 + … + 1/m, which holds under any dependence. Both need P(p ≤ t) ≤ t, which is not proven
    of cross-conformal p-values: with those q is aimed at, and nothing is promised.
    """

    fdr: float
    method: Method = "bh"

    def __post_init__(self) -> None:
        if not isinstance(self.fdr, int | float) or not 0 < self.fdr < 1:
            raise ConfigError(
                f"`fdr` takes a share between 0 and 1, like 0.05 for 5 %, got {self.fdr}."
            )

    def level(self, p_values: NDArray[np.float64]) -> float:
        """The largest p-value that is flagged; 0 where nothing is.

        >>> Discoveries(0.1).level(np.array([0.01, 0.5, 0.04, 0.9]))
        0.04
        """
        m = len(p_values)
        ordered = np.sort(p_values)
        small = np.flatnonzero(ordered <= np.arange(1, m + 1) * self._share(m) / max(m, 1))
        return float(ordered[small[-1]]) if len(small) else 0.0

    def fewest(self, smallest: float, m: int) -> int:
        """How many of m samples must have the ``smallest`` p-value for any to be flagged.

        More than m says that nothing can be, whatever the samples.

        >>> Discoveries(0.05).fewest(1 / 1_001, 10_000)
        200
        """
        return max(1, int(np.ceil(smallest * m / self._share(m) - 1e-9)))

    def normals_for_one(self, m: int, tail: Tail) -> int:
        """The fewest calibration normals with which a single one of m samples can be flagged.

        >>> Discoveries(0.01).normals_for_one(100, "low")
        9999
        """
        return max(1, int(np.ceil(sides_of(tail) * m / self._share(m) - 1e-9)) - 1)

    def bounds(self, level: float, group: Group, tail: Tail) -> Bounds:
        """The thresholds that flag p-values up to ``level``."""
        rank = int(np.floor(level * (group.n + 1) / sides_of(tail) + 1e-6))
        if not rank:
            return Bounds(-np.inf)
        high = float(group.scores[-rank]) if tail == "both" else np.inf
        return Bounds(float(group.scores[rank - 1]), high, rank)

    def remarks(self, calibration: Calibration, m: int) -> Iterator[str]:
        """What to know beforehand of discoveries among ``m`` samples."""
        if not m:
            return
        fewest, n = self.fewest(calibration.smallest_p_value, m), calibration.n
        start = f"note: with {count_of(n, 'calibration score')} and {count_of(m, 'sample')}"
        enough = f"{self.normals_for_one(m, calibration.tail):,} calibration normals"
        if calibration.folds is not None:
            yield (
                "note: p-values out of fold are near those of fresh normals, but no proof of "
                "discoveries reaches them: `fdr` is what these aim at. Fresh normals, "
                "`calibrate(inputs)`, give the promise"
            )
        elif calibration.tail == "both" and self.method == "bh":
            yield (
                "note: for both tails the proof of this procedure does not reach; `by=True` has one"
            )
        if fewest > m:
            yield (
                f"{start} nothing can be flagged at `fdr={self.fdr:g}`, however odd: a "
                f"single one takes {enough}. Calibrate with more, `calibrate(inputs)`, choose a "
                f"higher `fdr`, or leave it away: the threshold holds for each sample by itself"
            )
        elif fewest == 1:
            yield f"{start} a single one can be flagged at `fdr={self.fdr:g}`"
        else:
            yield (
                f"{start} at least {fewest:,} are flagged at `fdr={self.fdr:g}`, or none; "
                f"{enough} would allow a single one"
            )

    def _share(self, m: int) -> float:
        harmonic = float((1 / np.arange(1, m + 1)).sum()) if self.method == "by" else 1.0
        return self.fdr / max(harmonic, 1.0)


def at_level(calibration: Calibration, rule: Discoveries, level: float) -> Calibration:
    """The same scores with the thresholds that flag p-values up to ``level``."""

    def moved(group: Group) -> Group:
        return replace(group, bounds=rule.bounds(level, group, calibration.tail))

    return replace(
        calibration,
        overall=moved(calibration.overall),
        groups=tuple(map(moved, calibration.groups)),
    )
