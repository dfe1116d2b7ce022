"""Chosen: the few samples of an input that are to be explained, with what was found of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Written
from nice_anomaly.data.batches import refuse_unreadable
from nice_anomaly.errors import DataError
from nice_anomaly.evaluation.reasoned import held
from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.explain.value import Held
from nice_anomaly.limits import refuse_beyond
from nice_anomaly.thresholds import Calibration
from nice_anomaly.values import plain, taken
from nice_anomaly.words import brief, listed

CLOSEST = 3  # calls that are explained where nothing was flagged
REMEMBERED = 5_000  # ids, among which one that was mistyped is looked for


@dataclass(frozen=True)
class Chosen:
    """A sample, its verdict, how far it is from the nearest threshold, its cells as they stood."""

    values: NDArray[Any]
    held: Held
    margin: float
    given: Mapping[str, Any]


@dataclass
class Looked:
    """What an input held: how many samples, how many of them flagged, how it was written."""

    n: int = 0
    flagged: int = 0
    written: Written = field(default_factory=Written)

    def add(self, one: Verdicts) -> None:
        """Take in one batch."""
        if not self.n:
            self.written = one.batch.written
        self.n += int(one.batch.good.sum())
        self.flagged += int(one.found.flagged[one.batch.good].sum())


def least_probable(
    stream: Iterator[Verdicts],
    calibration: Calibration,
    most: int | None,
    looked: Looked,
    source: str | None,
) -> list[Chosen]:
    """The flagged samples, those farthest beyond their threshold first, at most ``most`` of them.

    Where nothing is flagged, they are the few that came closest to it.

    Raises:
        DataError: they are more than can be explained at once, or, if it has a name, the
            ``source`` has a sample that cannot be read.
    """
    flagged: list[Chosen] = []
    others: list[Chosen] = []
    for one in stream:
        if source is not None:
            one.batch.refuse_faults(source)
        looked.add(one)
        found = one.found
        good = one.batch.good
        flagged = _merged(flagged, one, np.flatnonzero(good & found.flagged), calibration, most)
        refuse_beyond("explained", len(flagged), "what is to be explained")
        if not flagged:
            passed = np.flatnonzero(good & ~found.flagged)
            others = _merged(others, one, passed, calibration, CLOSEST)
    return flagged or ([] if looked.flagged else others)


def named(
    stream: Iterator[Verdicts],
    calibration: Calibration,
    ids: Sequence[str],
    looked: Looked,
    source: str,
) -> list[Chosen]:
    """The samples of these names, in their order.

    Raises:
        DataError: there is no such sample, one of them cannot be read, or they are too many.
    """
    found: dict[str, list[Chosen]] = {name: [] for name in ids}
    known: list[str] = []
    count = 0
    for one in stream:
        looked.add(one)
        names = one.batch.ids
        known += names[: REMEMBERED - len(known)]
        rows = [row for row, name in enumerate(names) if name in found]
        faults = {row: one.batch.faults[row] for row in rows if row in one.batch.faults}
        refuse_unreadable(faults, partial(_sample, source, names))
        count += len(rows)
        refuse_beyond("explained", count, "what is to be explained")
        for row, chosen in zip(rows, _of(one, rows, calibration), strict=True):
            found[names[row]].append(chosen)
    absent = [name for name in ids if not found[name]]
    if absent:
        raise DataError(_nobody(absent, known, source))
    return [chosen for name in ids for chosen in found[name]]


def _sample(source: str, names: Sequence[str], row: int) -> str:
    return f"{source}, sample {names[row]}"


def _merged(
    before: list[Chosen],
    one: Verdicts,
    rows: NDArray[np.int64],
    calibration: Calibration,
    most: int | None,
) -> list[Chosen]:
    """With what is less probable among ``rows``; the first of two equal ones stays first."""
    margins, scores = one.found.margin[rows], one.found.scores[rows]
    order = rows[np.lexsort((scores, margins))]
    new = _of(one, order[:most].tolist(), calibration)
    every = [*before, *new]
    return nsmallest(len(every) if most is None else most, every, key=_order)


def _order(chosen: Chosen) -> tuple[float, float]:
    return chosen.margin, chosen.held.score


def _of(one: Verdicts, rows: Sequence[int], calibration: Calibration) -> list[Chosen]:
    places = np.array(rows, dtype=np.int64)
    originals = one.batch.originals.items()
    cells = {name: plain(taken(column, places)) for name, column in originals if len(rows)}
    return [
        Chosen(
            one.batch.raw(places[i : i + 1])[0],
            verdict,
            float(one.found.margin[row]),
            {name: column[i] for name, column in cells.items()},
        )
        for i, (row, verdict) in enumerate(zip(rows, held(one, calibration, rows), strict=True))
    ]


def _nobody(absent: Sequence[str], known: Sequence[str], source: str) -> str:
    """That there are no samples of such names, and what the others are called."""
    many = "samples" if absent[1:] else "sample"
    near = get_close_matches(absent[0], known, 1)
    hint = f" Did you mean '{brief(near[0])}'?" if near else ""
    names = ", ".join(f"'{brief(name)}'" for name in absent[:5])
    more = f" and {len(absent) - 5:,} more" if absent[5:] else ""
    called = f" Its samples are called {listed(known, 4)}." if known else ""
    return f"{source} has no {many} {names}{more}.{hint}{called}"
