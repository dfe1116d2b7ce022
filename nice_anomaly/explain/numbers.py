"""Numbers: a slot whose states are points of a line, so that sums over them are integrals."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.explain.slot import Array, Judged, Slot, best_of, log_sum, peak

FINE = 8  # parts of a gap between points, in which log p is taken for linear
DIGITS = 5  # of a number that is suggested, or of the range of its column where that is narrower
QUANTILES = (0.05, 0.5, 0.95)
USUAL = (0.01, 0.99)  # quantiles of the column, between which a number is usual in itself


@dataclass(frozen=True, eq=False)
class Numbers(Slot):
    """A column of numbers: ``points`` ``[k]`` of its range, in order, and missing if that is known.

    ``sample`` are normal cells, NaN where they are missing. ``fill`` is what a missing number is
    read as, and with ``gaps`` a second coordinate says so. ``step`` is the distance of levels, or
    0; ``span`` is how wide the column is, and ``smear`` how wide a single value is to the model.
    """

    name: str
    place: slice
    points: Array
    sample: Array
    span: float
    smear: float
    step: float = 0.0
    gaps: bool = False
    fill: float = 0.0
    unit: str = ""
    states: Array = field(init=False)
    _known: Array = field(init=False)
    _bandwidth: float = field(init=False)
    _range: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        states = self.points[:, None]
        if self.gaps:
            present = np.column_stack([states, np.zeros(len(states))])
            states = np.concatenate([present, [[self.fill, 1.0]]])
        known = self.sample[np.isfinite(self.sample)]
        known = known if len(known) else np.array([self.fill])
        low, high = np.quantile(known, USUAL)
        quarter = np.subtract(*np.quantile(known, [0.75, 0.25])) / 1.34
        spread = min(filter(None, (float(known.std()), float(quarter))), default=0.0)
        width = max(1.06 * spread * len(known) ** -0.2, self.step / 2, 1e-3 * self.span)
        for name, value in (
            ("states", states),
            ("_known", known),
            ("_bandwidth", width),
            ("_range", (float(low), float(high))),
        ):
            object.__setattr__(self, name, value)

    def judged(self, scores: Array, own: Array, blocks: Array, ceiling: Array) -> Judged:
        """See ``Slot``. Of a number that lies outside the points its own place counts too."""
        count = len(self.points)
        value, absent = blocks[:, 0], self._absent(blocks)
        line = self._fine(scores[:, :count])
        points, cells = self._grid
        masses = line + cells
        beside = np.where(absent, -np.inf, own) + math.log(
            self.step if self._listed else self.smear
        )
        outside = (value < self.points[0]) | (value > self.points[-1])
        beside = np.where(outside, beside, -np.inf)
        present = log_sum(np.column_stack([masses, beside]))
        missing = (
            scores[:, count] + math.log(self.smear) if self.gaps else np.full(len(own), -np.inf)
        )
        total = np.logaddexp(present, missing)
        here = np.exp(np.minimum(present - total, 0.0))
        less = np.where(line <= own[:, None] + 1e-9, masses, -np.inf)
        within = np.exp(np.minimum(log_sum(np.column_stack([less, beside])) - present, 0.0))
        p_value = np.where(absent, 1 - here, within) * np.where(
            absent, 1.0, np.minimum(1, 2 * here)
        )
        log_own = own + np.where(absent, math.log(self.smear), 0.0) - total
        sums = np.exp(masses - present[:, None]).cumsum(axis=1)
        sums /= np.maximum(sums[:, -1:], 1e-300)
        low, middle, high = (
            points[(sums < q).sum(axis=1).clip(max=len(points) - 1)] for q in QUANTILES
        )
        wanted = np.where((here < 0.5) & self.gaps, count, best_of(scores[:, :count], ceiling))
        gain = np.take_along_axis(scores, wanted[:, None], axis=1)[:, 0] - own
        return Judged(
            wanted,
            self._finer(scores, wanted),
            gain,
            self._log_usual(value, absent) - log_own,
            np.clip(p_value, 0.0, 1.0),
            middle,
            low,
            high,
            np.full(len(own), np.nan),
        )

    def usual(self, block: Array) -> bool:
        """Whether a number lies where nearly all of its column do, or missing ones are normal."""
        if self._absent(block[None])[0]:
            return bool(np.isnan(self.sample).any())
        return bool(self._range[0] <= block[0] <= self._range[1])

    def cell(self, block: Array) -> Any:
        """The number, None where it is missing."""
        return None if self._absent(block[None])[0] else float(block[0])

    def rounded(self, value: float) -> float:
        """The nearest level, or so many digits as mean something."""
        if self.step:
            start = self.points[0]
            level = start + round((value - start) / self.step) * self.step
            return float(f"{level:.12g}")
        size = min(abs(value), self.span)
        return round(value, DIGITS - 1 - math.floor(math.log10(size))) if size > 0 else 0.0

    def _absent(self, blocks: Array) -> NDArray[np.bool_]:
        return blocks[:, -1] > 0.5 if self.gaps else np.zeros(len(blocks), dtype=bool)

    @property
    def _listed(self) -> bool:
        """Whether the points are all levels there are, and not some of very many."""
        return self.step > 0 and bool(np.diff(self.points).max(initial=0) < 1.5 * self.step)

    @property
    def _grid(self) -> tuple[Array, Array]:
        """The points that sums are over, and the logarithm of how much each stands for."""
        points = self._fine(self.points[None])[0]
        if len(points) == 1:
            return points, np.log([self.smear])
        gaps = np.diff(points)
        if self._listed:
            cells = np.full(len(points), self.step)
        else:
            cells = (np.concatenate([[0], gaps]) + np.concatenate([gaps, [0]])) / 2
        return points, np.log(cells)

    def _fine(self, scores: Array) -> Array:
        """Scores between the points too, where there is something between."""
        if self._listed or scores.shape[1] < 2:
            return scores
        parts = np.arange(FINE) / FINE
        lower, upper = scores[:, :-1, None], scores[:, 1:, None]
        lower = np.maximum(lower, -1e300)
        between = lower + parts * (np.maximum(upper, -1e300) - lower)
        return np.column_stack([between.reshape(len(scores), -1), scores[:, -1]])

    def _finer(self, scores: Array, best: NDArray[np.int64]) -> Array:
        """The states, or of numbers the top of a parabola through them, so long as it is told."""
        count = len(self.points)
        blocks = self.states[best].copy()
        if count > 2:
            inner = (best > 0) & (best < count - 1)
            three = np.where(inner, best, 1)[:, None] + np.arange(-1, 2)
            top = peak(self.points[three], np.take_along_axis(scores, three, axis=1))
            blocks[:, 0] = np.where(inner, top, blocks[:, 0])
        blocks[:, 0] = [
            number if k == count else self.rounded(number)
            for k, number in zip(best, blocks[:, 0].tolist(), strict=True)
        ]
        return blocks

    def _log_usual(self, value: Array, absent: NDArray[np.bool_]) -> Array:
        """log ½ p_j(x_j) + ½ / range, p_j from normal cells; alike for missing ones."""
        with np.errstate(over="ignore"):
            z = ((value[:, None] - self._known) / self._bandwidth).clip(-99, 99)
        density = np.exp(-0.5 * z**2).mean(axis=1) / (self._bandwidth * math.sqrt(2 * math.pi))
        often = 0.5 * float(np.isnan(self.sample).mean()) + 0.25 if self.gaps else 0.0
        there = np.log(0.5 * density + 0.5 / self.span) + math.log(1 - often)
        return np.where(absent, math.log(often or 1.0), there)
