"""Trials: rows scored with each state of their columns, and what the rest of a row then says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.explain.screen import Gaussian
from nice_anomaly.explain.slot import Array, Judged, Slot
from nice_anomaly.explain.value import Cause
from nice_anomaly.scores import Scorer

CELLS = 1 << 21  # numbers scored at a time: 16 MB
WIDE = 40  # columns: where there are more, only the most promising are tried


@dataclass(frozen=True, eq=False)
class View:
    """One row: the columns that were tried, and what was found of each; ``index`` is its place."""

    slots: Sequence[Slot]
    judged: Sequence[Judged]
    index: int

    def ranked(self, apart: Sequence[str] = ()) -> Iterator[int]:
        """Columns by the odds that they were replaced, those whose change would help."""
        odds = np.array([one.odds[self.index] for one in self.judged])
        for place in np.argsort(-odds, kind="stable").tolist():
            if self.judged[place].gain[self.index] > 0 and self.slots[place].name not in apart:
                yield place

    def cause(self, place: int, before: Array, after: Array, gain: float) -> Cause:
        """A column of the row as a cause; ``before`` and ``after`` are its coordinates."""
        slot, judged, i = self.slots[place], self.judged[place], self.index
        middle, low, high, probability = (
            None if np.isnan(one[i]) else float(one[i])
            for one in (judged.median, judged.low, judged.high, judged.probability)
        )
        value, expected = slot.cell(before), slot.cell(after)
        p_value, usual = float(judged.p_value[i]), slot.usual(before)
        return Cause(
            slot.name,
            value,
            expected,
            gain,
            p_value,
            usual,
            middle,
            low,
            high,
            slot.unit,
            probability,
        )


@dataclass(frozen=True, eq=False)
class Trials:
    """What tries the ``slots`` of rows under a ``scorer``; ``screen`` chooses some of many."""

    scorer: Scorer
    slots: Sequence[Slot]
    screen: Gaussian | None

    def scores(self, rows: Array) -> Array:
        """The scores of rows ``[n, d]``."""
        return self.scorer(rows).values

    @property
    def at_once(self) -> int:
        """How many rows may be tried together."""
        if self.screen is not None:
            return 1
        states: int = sum(len(slot.states) for slot in self.slots)
        width: int = sum(slot.states.shape[1] for slot in self.slots)
        return max(1, CELLS // max(1, states * width))

    def views(self, rows: Array, ceiling: Array) -> list[View]:
        """What is found of rows ``[n, d]``, whose score should stay below ``ceiling`` ``[n]``."""
        own = self.scores(rows)
        if self.screen is None:
            judged = [self._judged(slot, rows, own, ceiling) for slot in self.slots]
            return [View(self.slots, judged, i) for i in range(len(rows))]
        gains = self.screen.gains(rows)
        views = []
        for i, row in enumerate(rows):
            some, part = self._promising(row, gains[i]), slice(i, i + 1)
            judged = [self._judged(slot, rows[part], own[part], ceiling[part]) for slot in some]
            views.append(View(some, judged, 0))
        return views

    def _judged(self, slot: Slot, rows: Array, own: Array, ceiling: Array) -> Judged:
        scores = [self._tried(slot, part) for part in _parts(rows, len(slot.states))]
        return slot.judged(np.concatenate(scores), own, rows[:, slot.place], ceiling)

    def _tried(self, slot: Slot, rows: Array) -> Array:
        tried = np.repeat(rows, len(slot.states), axis=0)
        tried[:, slot.place] = np.tile(slot.states, (len(rows), 1))
        return self.scores(tried).reshape(len(rows), -1)

    def _promising(self, row: Array, gains: Array) -> list[Slot]:
        """The columns that a Gaussian would blame first, in the order of the table."""
        sums = np.array([gains[slot.place].sum() for slot in self.slots])
        best = np.argsort(-sums, kind="stable")[:WIDE]
        unusual = [k for k, slot in enumerate(self.slots) if not slot.usual(row[slot.place])]
        unusual.sort(key=lambda k: -sums[k])
        chosen: NDArray[np.int64] = np.unique([*best, *unusual[:WIDE]]).astype(int)
        return [self.slots[k] for k in chosen]


def _parts(rows: Array, states: int) -> Iterator[Array]:
    count = max(1, CELLS // max(1, states * rows.shape[1]))
    for start in range(0, len(rows), count):
        yield rows[start : start + count]
