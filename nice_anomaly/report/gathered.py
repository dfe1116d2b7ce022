"""Gathered: what a report keeps of verdicts as they stream by: numbers of all, samples of a few."""

from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Truth
from nice_anomaly.evaluation.reasoned import held
from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.explain.value import Held
from nice_anomaly.thresholds import Calibration

CLOSE = 6  # samples on both sides of the threshold together


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample that the report shows: its verdict, its raw values ``[d]``, and what it was."""

    held: Held
    raw: NDArray[Any]
    margin: float
    p_value: float
    note: str = ""
    anomalous: bool | None = None
    learned: bool = False


@dataclass(eq=False)
class Gathered:
    """Takes in verdicts; keeps the ``top`` farthest beyond a threshold, and the closest to one."""

    calibration: Calibration
    top: int
    _parts: list[tuple[NDArray[Any], ...]] = field(default_factory=list)
    _odd: list[Sample] = field(default_factory=list)
    _below: list[Sample] = field(default_factory=list)
    _above: list[Sample] = field(default_factory=list)

    def add(self, verdicts: Verdicts) -> None:
        """Take in one batch."""
        batch, found = verdicts.batch, verdicts.found
        good = batch.good
        unknown = np.zeros(len(good), dtype=bool)
        truth = batch.truth or Truth(unknown, unknown)
        times = np.full(len(good), np.datetime64("NaT")) if batch.times is None else batch.times
        numbers = found.scores, found.p_value, found.flagged, truth.normal, truth.anomalous, times
        self._parts.append(tuple(part[good] for part in numbers))
        rows = np.flatnonzero(good)
        margins = found.margin[rows]
        hit = margins < 0
        most = self.top + CLOSE  # what is among the farthest does not count as close
        odd = rows[np.argsort(margins, kind="stable")[: self.top]]
        below = rows[hit][np.argsort(-margins[hit], kind="stable")[:most]]
        above = rows[~hit][np.argsort(margins[~hit], kind="stable")[:most]]
        made = {
            row: self._sample(verdicts, row)
            for row in {*odd.tolist(), *below.tolist(), *above.tolist()}
        }

        def with_new(kept: list[Sample], new: NDArray[np.int64]) -> list[Sample]:
            return [*kept, *(made[row] for row in new.tolist())]

        self._odd = nsmallest(self.top, with_new(self._odd, odd), key=_margin)
        self._below = nlargest(most, with_new(self._below, below), key=_margin)
        self._above = nsmallest(most, with_new(self._above, above), key=_margin)

    @property
    def odd(self) -> list[Sample]:
        """The flagged that lie farthest beyond their threshold, the farthest first."""
        return [one for one in self._odd if one.held.flagged]

    @property
    def close(self) -> list[Sample]:
        """Those just beyond and just within their threshold that are not ``odd``, by margin."""
        shown = {id(one) for one in self.odd}
        below = [one for one in self._below if id(one) not in shown]
        count = min(len(below), max(CLOSE // 2, CLOSE - len(self._above)))
        above = self._above[: CLOSE - count]
        return [*reversed(below[:count]), *above]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Of all that can be read, ``[n]``, as are the following."""
        return self._joined(0, np.float64)

    @property
    def p_values(self) -> NDArray[np.float64]:
        """How usual the scores are among normal ones."""
        return self._joined(1, np.float64)

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Which are anomalies."""
        return self._joined(2, np.bool_)

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Which are labelled normal."""
        return self._joined(3, np.bool_)

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which are labelled anomalous."""
        return self._joined(4, np.bool_)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """When they were; not a time where nothing says so."""
        return self._joined(5, "datetime64[s]")

    def _joined(self, place: int, kind: Any) -> NDArray[Any]:
        parts = [part[place] for part in self._parts] or [np.empty(0)]
        return np.concatenate(parts).astype(kind)

    def _sample(self, verdicts: Verdicts, row: int) -> Sample:
        batch, found = verdicts.batch, verdicts.found
        anomalous = None
        if batch.truth is not None and (batch.truth.normal[row] or batch.truth.anomalous[row]):
            anomalous = bool(batch.truth.anomalous[row])
        return Sample(
            held(verdicts, self.calibration, [row])[0],
            batch.values[row].copy(),
            float(found.margin[row]),
            float(found.p_value[row]),
            batch.notes.get(row, ""),
            anomalous,
            batch.learned is not None and bool(batch.learned[row]),
        )


def _margin(sample: Sample) -> float:
    return sample.margin
