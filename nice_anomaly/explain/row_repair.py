"""Repair: a row changed in as few columns as it takes to pass, the most to blame first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nice_anomaly.explain.slot import Array
from nice_anomaly.explain.trials import Found, Trials, View
from nice_anomaly.explain.value import Cause, Held

MOST = 8  # columns that a repair changes
CLOSE = 0.1  # nats that a rounded number may lose against the best state


@dataclass(frozen=True, eq=False)
class Change:
    """A column of a row set to what the rest suggests: ``cause``, and its coordinates before."""

    cause: Cause
    place: slice
    before: Array
    after: Array
    score: float


@dataclass(frozen=True, eq=False)
class Repaired:
    """A row after its ``changes``, with its score and whether that passes."""

    row: Array
    changes: tuple[Change, ...]
    score: float
    passes: bool

    @property
    def changed(self) -> list[str]:
        """The columns that were changed."""
        return [change.cause.column for change in self.changes]


def repaired(
    trials: Trials, rows: Array, views: Sequence[View], held: Sequence[Held]
) -> list[Repaired]:
    """Rows ``[n, d]`` repaired one column after the other; ``views`` are of the rows as they are.

    Those that cannot be repaired in ``MOST`` columns do not pass, and keep their changes.
    """
    states = [
        Repaired(row, (), one.score, not one.flagged) for row, one in zip(rows, held, strict=True)
    ]
    now = {i: view for i, view in enumerate(views) if not states[i].passes}
    for _ in range(MOST):
        next_ = {i: next(view.ranked(states[i].changed), None) for i, view in now.items()}
        wanted = {i: found for i, found in next_.items() if found is not None}
        if not wanted:
            break
        some = list(wanted)
        before, theirs = np.array([states[i].row for i in some]), [held[i] for i in some]
        made = changes(trials, before, list(wanted.values()), theirs)
        for i, change in zip(some, made, strict=True):
            states[i] = _after(states[i], change, held[i])
        some = [i for i in some if not states[i].passes]
        after, ceiling = (states[i].row for i in some), [held[i].high for i in some]
        now = dict(zip(some, trials.views(np.array([*after]), np.array(ceiling)), strict=True))
    return [pruned(trials, state, one) for state, one in zip(states, held, strict=True)]


def changes(
    trials: Trials, rows: Array, columns: Sequence[Found], held: Sequence[Held]
) -> list[Change]:
    """One column of every row ``[n, d]`` set to the value that its score rises most with."""
    if not len(rows):
        return []
    tried = np.stack([rows, rows, rows])
    for i, found in enumerate(columns):
        tried[1:, i, found.slot.place] = found.wanted
    own, finer, best = trials.scores(tried.reshape(-1, rows.shape[1])).reshape(3, -1).tolist()
    made = []
    for i, (found, one) in enumerate(zip(columns, held, strict=True)):
        k = 1 if _as_good(finer[i], best[i], one) else 2
        score, place = (own, finer, best)[k][i], found.slot.place
        before, after = rows[i, place], tried[k, i, place]
        cause = found.cause(before, after, score - own[i])
        made.append(Change(cause, place, before, after, score))
    return made


def _as_good(finer: float, best: float, held: Held) -> bool:
    """Whether a value between the states does as well as the best state, or better."""
    passes = held.low <= finer or best < held.low
    return best - CLOSE <= finer <= held.high and passes


def _after(state: Repaired, change: Change, held: Held) -> Repaired:
    row = state.row.copy()
    row[change.place] = change.after
    passes = held.low <= change.score <= held.high
    return Repaired(row, (*state.changes, change), change.score, passes)


def pruned(trials: Trials, state: Repaired, held: Held) -> Repaired:
    """The same without the changes that it passes without, those found first given back first."""
    while state.passes and len(state.changes) > 1:
        without = np.repeat(state.row[None], len(state.changes), axis=0)
        for row, change in zip(without, state.changes, strict=True):
            row[change.place] = change.before
        scores = trials.scores(without)
        passing = np.flatnonzero((scores >= held.low) & (scores <= held.high))
        if not len(passing):
            return state
        k = int(passing[0])
        kept = (*state.changes[:k], *state.changes[k + 1 :])
        state = Repaired(without[k], kept, float(scores[k]), True)
    return state
