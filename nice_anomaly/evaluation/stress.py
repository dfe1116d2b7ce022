"""Stress: how much of what is known to be odd a calibrated run finds, without any anomalies.

Held-out normals are corrupted in known ways; the share that is flagged is the power against that.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import TableReading
from nice_anomaly.errors import DataError
from nice_anomaly.evaluation.corruptions import IMAGES, SMALLEST_SIDE, TABLES, Corruption
from nice_anomaly.metrics import Rate
from nice_anomaly.own_data import OwnData, at
from nice_anomaly.scores import Scorer
from nice_anomaly.thresholds import Calibration, detect

UNCHANGED = "nothing changed"
Power = Callable[[NDArray[Any]], Rate]


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
            "flagged_rate": self.flagged.value,
            "interval": list(self.flagged.interval),
        }


def stress(
    scorer: Scorer, calibration: Calibration, own: OwnData, *, most: int, seed: int
) -> Iterator[Trial]:
    """Try every corruption in every grade on at most ``most`` held-out normals of ``own``.

    None of them was fitted to, nor was the score's typicality. The first trial changes nothing.
    Samples that a corruption leaves as they were do not count.

    Raises:
        DataError: the samples are too small for a corruption.
    """
    rng = np.random.default_rng(seed)
    places = own.untouched(calibration.typicality)
    places = np.sort(rng.permutation(places)[:most])
    values, groups = own.held_out[places], at(own.held_out_groups, places)

    def power(after: NDArray[Any]) -> Rate:
        """Of those that did change: a patch on empty ground is no corruption."""
        hit = (after != values).any(axis=1) if after is not values else np.ones(len(values), bool)
        found = detect(scorer(np.ascontiguousarray(after)), calibration, groups)
        return Rate.of(found.flagged[hit])

    yield Trial(UNCHANGED, 0.0, "the normals themselves", power(values), plainest=False)
    layout = own.material.dataset.layout
    if layout.kind == "image":
        if min(layout.shape[:2]) < SMALLEST_SIDE:
            raise DataError(
                f"images of {layout.shape[0]} × {layout.shape[1]} pixels are too small for "
                f"corruptions; {SMALLEST_SIDE} a side are the fewest."
            )
        images = values.reshape(-1, *layout.shape)
        yield from _trials(IMAGES, images, lambda x: power(x.reshape(values.shape)), rng)
        return
    numeric = _numeric(own)
    if len(numeric) < 2:
        raise DataError("a table needs two columns of numbers for these corruptions.")

    def in_place(part: NDArray[Any]) -> Rate:
        changed = values.copy()
        changed[:, numeric] = part
        return power(changed)

    yield from _trials(TABLES, values[:, numeric], in_place, rng)


def _trials(
    corruptions: Mapping[str, Corruption[Any]],
    samples: NDArray[Any],
    power: Power,
    rng: np.random.Generator,
) -> Iterator[Trial]:
    for name, corruption in corruptions.items():
        for grade in corruption.grades:
            rate = power(corruption.apply(samples, grade, rng))
            plainest = grade == max(corruption.grades)
            if rate.n:
                yield Trial(name, grade, corruption.words(grade), rate, plainest)


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
