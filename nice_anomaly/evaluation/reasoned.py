"""Reasoned: verdicts with the reasons for them, added as they stream by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.explain.explainer import Explainer, reasons_for
from nice_anomaly.explain.value import Held, Reasons
from nice_anomaly.thresholds import Calibration


@dataclass(frozen=True)
class Asked:
    """Which samples are to be explained: those that are flagged, or ``every`` one.

    Beyond ``most`` of them the rest go without. ``watch`` hears how many are done.
    """

    every: bool = False
    most: int | None = None
    watch: Callable[[int], object] = lambda _: None


def held(one: Verdicts, calibration: Calibration, rows: Sequence[int]) -> list[Held]:
    """Some samples of a batch, each with the thresholds of its group."""
    groups = one.batch.groups if calibration.groups else None
    found = []
    for row in rows:
        group = calibration.overall if groups is None else calibration.group_of(groups[row])
        score, bounds = float(one.found.scores[row]), group.bounds
        untold = one.batch.untold.get(row, {})
        found.append(Held(one.batch.ids[row], score, bounds.low, bounds.high, untold))
    return found


def reasoned(
    stream: Iterator[Verdicts],
    calibration: Calibration,
    explainer: Callable[[], Explainer],
    asked: Asked,
) -> Iterator[Verdicts]:
    """The same with the reasons that were ``asked`` for; ``explainer`` is called when needed."""
    done = 0
    for one in stream:
        counted = one.batch.good if asked.every else one.batch.good & one.found.flagged
        rows = np.flatnonzero(counted)
        if asked.most is not None:
            rows = rows[: max(0, asked.most - done)]
        reasons: dict[int, Reasons] = {}
        found = _of(one, rows, calibration, explainer()) if len(rows) else ()
        for row, why in zip(rows.tolist(), found, strict=True):
            reasons[row] = why
            done += 1
            asked.watch(done)
        yield replace(one, reasons=reasons)


def _of(
    one: Verdicts, rows: NDArray[np.int64], calibration: Calibration, explain: Explainer
) -> Iterator[Reasons]:
    """The reasons for some samples of a batch."""
    verdicts = held(one, calibration, rows.tolist())
    return reasons_for(explain, verdicts, lambda some: one.batch.raw(rows[some]))
