"""Tables: which columns make a row odd, and what the others suggest for them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Column
from nice_anomaly.explain.row_repair import Change, Repaired, changes, repaired
from nice_anomaly.explain.screen import screen
from nice_anomaly.explain.slot import Array
from nice_anomaly.explain.slots import slots
from nice_anomaly.explain.trials import Found, Trials, View
from nice_anomaly.explain.value import Cause, Held, RowReasons
from nice_anomaly.flow import Flow
from nice_anomaly.scores import Scorer

POINTS = 64  # of a number's range
FEWER = 32  # where a score costs more than one pass
MENTIONED = 5  # causes, if the repair has not more
ODD = 0.05  # conditional p-value above which a column that was not changed is no cause


class RowExplainer:
    """An ``Explainer`` of rows; ``columns`` are None where coordinates have no names.

    The columns of a repair come first; then, beside the row as it is, others that would do as well,
    by the odds that they were replaced. A row that is not flagged has at least its
    oddest column; one that is too usual has no cause, and no repair.
    """

    def __init__(
        self, scorer: Scorer, references: NDArray[Any], columns: Sequence[Column] | None
    ) -> None:
        plain = replace(scorer, noise_seed=None)
        points = POINTS if isinstance(scorer.model, Flow) else FEWER
        own = slots(columns, scorer.preprocess, references, points)
        density = plain.looking_for("likelihood")
        self.trials = Trials(plain, density, own, screen(density, own, references))

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[RowReasons]:
        """See ``Explainer``."""
        for start in range(0, len(raw), self.trials.at_once):
            part = slice(start, start + self.trials.at_once)
            yield from self._explained(raw[part].astype(np.float64), held[part])

    def _explained(self, rows: Array, held: Sequence[Held]) -> Iterator[RowReasons]:
        tried = [i for i, one in enumerate(held) if not one.too_usual]
        some, theirs = rows[tried], [held[i] for i in tried]
        views = self.trials.views(some, np.array([one.high for one in theirs]))
        done = repaired(self.trials, some, views, theirs)
        others = self._others(some, views, theirs, done)
        found = dict(zip(tried, zip(done, others, strict=True), strict=True))
        for i, one in enumerate(held):
            state, rest = found.get(i, (Repaired(rows[i], (), one.score, False), ()))
            causes = tuple(
                _as_given(cause, one) for cause in (*(c.cause for c in state.changes), *rest)
            )
            cells = {slot.name: slot.plain(state.row[slot.place]) for slot in self.trials.slots}
            repair = len(state.changes), state.row, cells, state.score, state.passes
            judged = self.trials.scorer.judge is not None and not state.passes
            sight = self.trials.scorer.sights(rows[i : i + 1])[0] if judged else None
            yield RowReasons(one, causes, *repair, sight)

    def _others(
        self,
        rows: Array,
        views: Sequence[View],
        held: Sequence[Held],
        done: Sequence[Repaired],
    ) -> list[tuple[Cause, ...]]:
        """Causes beside those that were changed."""
        columns = [_mentioned(view, state) for view, state in zip(views, done, strict=True)]
        owners = [i for i, some in enumerate(columns) for _ in some]
        every = [found for some in columns for found in some]
        made = changes(self.trials, rows[owners], every, [held[i] for i in owners])
        causes: list[list[Cause]] = [[] for _ in done]
        for i, change in zip(owners, made, strict=True):
            if _alternative(change, done[i], held[i]):
                causes[i].append(change.cause)
        return [tuple(some) for some in causes]


def _as_given(cause: Cause, held: Held) -> Cause:
    """With the cell of the input where coordinates do not tell it."""
    if cause.column not in held.untold:
        return cause
    value = held.untold[cause.column]
    return replace(cause, value=value, usual=False, unseen=value is not None)


def _mentioned(view: View, state: Repaired) -> list[Found]:
    ranked = list(view.ranked(state.changed))[: max(0, MENTIONED - len(state.changes))]
    odd = [found for found in ranked if found.p_value <= ODD]
    return odd or ranked[: not state.changes]


def _alternative(change: Change, state: Repaired, held: Held) -> bool:
    """Whether a column explains a row as well as the columns of its repair do, or nearly so."""
    if len(state.changes) == 1:
        return held.low <= change.score <= held.high
    return not state.changes or change.cause.gain >= state.changes[0].cause.gain / 2
