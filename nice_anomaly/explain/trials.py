"""Trials: rows scored with each state of their columns, and what the rest of a row then says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nice_anomaly.explain.screen import Screen
from nice_anomaly.explain.slot import Array, Judged, Slot
from nice_anomaly.explain.value import Cause
from nice_anomaly.scores import Scorer

CELLS = 1 << 21  # numbers scored at a time: 16 MB
TOGETHER = 256  # rows
FARTHEST = 1e100  # a number: the square of a larger one may be infinite


@dataclass(frozen=True, eq=False)
class View:
    """One row: what was found of the columns that were tried, by name."""

    found: Mapping[str, "Found"]

    def ranked(self, apart: Sequence[str] = ()) -> Iterator["Found"]:
        """Columns by the odds that they were replaced, those whose change would help."""
        helping = [one for name, one in self.found.items() if one.gain > 0 and name not in apart]
        yield from sorted(helping, key=lambda one: -one.odds)


@dataclass(frozen=True, eq=False)
class Found:
    """What the rest of a row says of one column; the row is the one at ``index`` in ``judged``."""

    slot: Slot
    judged: Judged
    index: int

    @property
    def odds(self) -> float:
        """See ``Judged``."""
        return float(self.judged.odds[self.index])

    @property
    def gain(self) -> float:
        """See ``Judged``."""
        return float(self.judged.gain[self.index])

    @property
    def p_value(self) -> float:
        """See ``Judged``."""
        return float(self.judged.p_value[self.index])

    @property
    def wanted(self) -> tuple[Array, Array]:
        """What to put there, ``[w]``: between the states, and the best of them."""
        return self.judged.finer[self.index], self.slot.states[self.judged.best[self.index]]

    def cause(self, before: Array, after: Array, gain: float) -> Cause:
        """The column as a cause; ``before`` and ``after`` are its coordinates."""
        slot, judged, i = self.slot, self.judged, self.index
        middle, low, high, probability = (
            None if np.isnan(one[i]) else float(one[i])
            for one in (judged.median, judged.low, judged.high, judged.probability)
        )
        return Cause(
            slot.name,
            slot.cell(before),
            slot.cell(after),
            gain,
            self.p_value,
            slot.usual(before),
            middle,
            low,
            high,
            slot.unit,
            probability,
        )


@dataclass(frozen=True, eq=False)
class Trials:
    """What tries the ``slots`` of rows under a ``scorer``, those that ``screen`` chooses.

    What the rest of a row says of a column is a matter of its ``density``: the scorer of
    log-likelihoods, which may be another one than that of the verdicts.
    """

    scorer: Scorer
    density: Scorer
    slots: Sequence[Slot]
    screen: Screen

    def scores(self, rows: Array) -> Array:
        """The scores of rows ``[n, d]``, never infinite: or no change would help."""
        return self.scorer(rows.clip(-FARTHEST, FARTHEST)).values

    def _nats(self, rows: Array) -> Array:
        """The log-likelihoods of rows ``[n, d]``, never infinite."""
        return self.density(rows.clip(-FARTHEST, FARTHEST)).values

    @property
    def at_once(self) -> int:
        """How many rows to try together."""
        width: int = max(slot.place.stop for slot in self.slots)
        return min(TOGETHER, max(1, CELLS // width))

    def views(self, rows: Array, ceiling: Array) -> list[View]:
        """What is found of rows ``[n, d]``, whose score should stay below ``ceiling`` ``[n]``."""
        if not len(rows):
            return []
        own, chosen = self._nats(rows), self.screen.chosen(rows)
        if self.scorer.origin != self.density.origin:
            ceiling = np.full(len(rows), np.inf)  # of another score
        found: list[dict[str, Found]] = [{} for _ in rows]
        for slot, here in zip(self.slots, chosen.T, strict=True):
            places = np.flatnonzero(here)
            if len(places):
                some = rows[places]
                scores = self._tried(slot, some)
                judged = slot.judged(scores, own[places], some[:, slot.place], ceiling[places])
                for index, place in enumerate(places.tolist()):
                    found[place][slot.name] = Found(slot, judged, index)
        return [View(one) for one in found]

    def _tried(self, slot: Slot, rows: Array) -> Array:
        """The log-likelihoods of rows with each state, ``[n, k]``."""
        states = len(slot.states)
        scores = []
        for part in _parts(rows, states):
            tried = np.repeat(part, states, axis=0)
            tried[:, slot.place] = np.tile(slot.states, (len(part), 1))
            scores.append(self._nats(tried).reshape(-1, states))
        return np.concatenate(scores)


def _parts(rows: Array, states: int) -> Iterator[Array]:
    count = max(1, CELLS // (states * rows.shape[1]))
    for start in range(0, len(rows), count):
        yield rows[start : start + count]
