"""Repair: a row changed in as few columns as it takes to pass, the most to blame first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nice_anomaly.explain.slot import Array
from nice_anomaly.explain.trials import Trials, View
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


def repaired(
    trials: Trials, rows: Array, views: Sequence[View], held: Sequence[Held]
) -> list[Repaired]:
    """Rows ``[n, d]`` repaired one column after the other; ``views`` are of the rows as they are.

    Those that cannot be repaired in ``MOST`` columns do not pass, and keep their changes.
    """
    states = [
        Repaired(row, (), one.score, not one.flagged) for row, one in zip(rows, held, strict=True)
    ]
    now = dict(enumerate(views))
    for _ in range(MOST):
        wanted = {
            i: place for i, view in now.items() if (place := _next(view, states[i])) is not None
        }
        if not wanted:
            break
        found = changes(
            trials,
            np.array([states[i].row for i in wanted]),
            [now[i] for i in wanted],
            list(wanted.values()),
            [held[i] for i in wanted],
        )
        for i, change in zip(wanted, found, strict=True):
            states[i] = _after(states[i], change, held[i])
        open_ = [i for i in wanted if not states[i].passes]
        ceiling = np.array([held[i].high for i in open_])
        again = trials.views(np.array([states[i].row for i in open_]), ceiling) if open_ else []
        now = dict(zip(open_, again, strict=True))
    return [_pruned(trials, state, one) for state, one in zip(states, held, strict=True)]


def changes(
    trials: Trials,
    rows: Array,
    views: Sequence[View],
    places: Sequence[int],
    held: Sequence[Held],
) -> list[Change]:
    """One column of every row set to the value that its score rises most with."""
    slots = [view.slots[place] for view, place in zip(views, places, strict=True)]
    tried = np.concatenate([rows, rows, rows])
    for i, (view, place) in enumerate(zip(views, places, strict=True)):
        slot, judged = slots[i], view.judged[place]
        tried[i, slot.place] = judged.finer[view.index]
        tried[len(rows) + i, slot.place] = slot.states[judged.best[view.index]]
    finer, best, own = trials.scores(tried).reshape(3, -1)
    found = []
    for i, (view, place) in enumerate(zip(views, places, strict=True)):
        better = finer[i] >= best[i] - CLOSE and finer[i] <= held[i].high
        better = better and (finer[i] >= held[i].low or best[i] < held[i].low)
        where, score = slots[i].place, float(finer[i] if better else best[i])
        before, after = rows[i, where], tried[i if better else len(rows) + i, where]
        cause = view.cause(place, before, after, score - float(own[i]))
        found.append(Change(cause, where, before, after, score))
    return found


def _next(view: View, state: Repaired) -> int | None:
    if state.passes:
        return None
    return next(view.ranked([change.cause.column for change in state.changes]), None)


def _after(state: Repaired, change: Change, held: Held) -> Repaired:
    row = state.row.copy()
    row[change.place] = change.after
    passes = held.low <= change.score <= held.high
    return Repaired(row, (*state.changes, change), change.score, passes)


def _pruned(trials: Trials, state: Repaired, held: Held) -> Repaired:
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
