"""Stress: how much of what is known to be odd a calibrated run finds, without any anomalies.

Held-out normals are corrupted in known ways; the share that is flagged is the power against that.
Images are corrupted as they were photographed: what a run shrinks away it cannot find.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import TableReading
from nice_anomaly.errors import DataError
from nice_anomaly.evaluation.attempts import Attempt, attempts
from nice_anomaly.evaluation.corruptions import IMAGES, SMALLEST_SIDE, TABLES, Corruption
from nice_anomaly.evaluation.originals import MOST_ORIGINALS, Made, corrupted
from nice_anomaly.metrics import Rate
from nice_anomaly.own_data import OwnData, at
from nice_anomaly.scores import Scorer
from nice_anomaly.thresholds import Calibration, detect


@dataclass(frozen=True)
class Trial:
    """The share of corrupted normals that was flagged; ``plainest`` is the highest grade of it."""

    corruption: str
    grade: float
    words: str
    flagged: Rate
    plainest: bool

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "corruption": self.corruption,
            "grade": self.grade,
            "words": self.words,
            "plainest": self.plainest,
            "n": self.flagged.n,
            "flagged_rate": self.flagged.value,
            "interval": list(self.flagged.interval),
        }


def stress(
    scorer: Scorer, calibration: Calibration, own: OwnData, *, most: int, seed: int
) -> Iterator[Trial]:
    """Try every corruption in every grade on at most ``most`` held-out normals of ``own``.

    None of them was fitted to, nor was the score's typicality. The first trial changes nothing.
    Samples that a corruption leaves as they were do not count. Image files that the run shrinks
    are corrupted as they are, at most ``MOST_ORIGINALS`` of them.

    Raises:
        DataError: the samples are too small for a corruption.
    """
    rng = np.random.default_rng(seed)
    shrinking = own.shrinking
    if shrinking is not None:
        most = min(most, MOST_ORIGINALS)
    places = own.untouched(calibration.typicality)
    places = np.sort(rng.permutation(places)[:most])
    groups = at(own.held_out_groups, places)
    ours = None if own.in_folds is None else own.in_folds[places]
    tried = attempts(_corruptions(own))
    if shrinking is None:
        made = _in_memory(own, places, tried, rng)
    else:
        made = corrupted(own.held_out_files, places, shrinking.form, tried, seed)
    for attempt, (after, hit) in zip(tried, made, strict=True):
        scores = scorer.on(np.ascontiguousarray(after), ours)
        found = detect(scores, calibration, groups)
        if hit.any():
            words = attempt.corruption.words(attempt.grade)
            flagged = Rate.of(found.flagged[hit])
            yield Trial(attempt.name, attempt.grade, words, flagged, attempt.plainest)


def _corruptions(own: OwnData) -> Mapping[str, Corruption[Any]]:
    """Those that fit what the run has learned; raises DataError if it is too small for any."""
    layout = own.material.dataset.layout
    if layout.kind == "table":
        if len(_numeric(own)) < 2:
            raise DataError("a table needs two columns of numbers for these corruptions.")
        return TABLES
    if min(layout.shape[:2]) < SMALLEST_SIDE:
        raise DataError(
            f"images of {layout.shape[0]} × {layout.shape[1]} pixels are too small for "
            f"corruptions; {SMALLEST_SIDE} a side are the fewest."
        )
    return IMAGES


def _in_memory(
    own: OwnData,
    places: NDArray[np.int64],
    tried: Sequence[Attempt[Any]],
    rng: np.random.Generator,
) -> Iterator[Made]:
    """Held-out samples as the run has read them, after every attempt; of tables the numbers."""
    layout, values = own.material.dataset.layout, own.held_out[places]
    of_images = layout.kind == "image"
    part = slice(None) if of_images else _numeric(own)
    before = values[:, part].reshape(-1, *layout.shape) if of_images else values[:, part]
    for attempt in tried:
        after = values.copy()
        after[:, part] = attempt(before, rng).reshape(len(values), -1)
        yield after, attempt.hit(values, after)


def _numeric(own: OwnData) -> list[int]:
    """The coordinates that are columns of numbers."""
    reading = own.material.reading
    if not isinstance(reading, TableReading):
        return list(range(own.material.dataset.layout.dimensions))
    found, start = [], 0
    for column in reading.columns:
        if column.kind == "number":
            found.append(start)
        start += column.width
    return found
