"""Stress: how much of what is known to be odd a calibrated run finds, without any anomalies.

Held-out normals are corrupted in known ways; the share that is flagged is the power against that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.calibrate import Calibration
from nice_anomaly.corruptions import IMAGES, SMALLEST_SIDE, TABLES, Corruption
from nice_anomaly.detect import detect
from nice_anomaly.errors import DataError
from nice_anomaly.metrics import Rate
from nice_anomaly.pipeline.normals import own_data, own_normals, unjudged
from nice_anomaly.pipeline.scoring import measuring
from nice_anomaly.run import Run

UNCHANGED = "nothing changed"


@dataclass(frozen=True)
class Trial:
    """The share of corrupted normals that was flagged; ``plainest`` is the highest grade of it."""

    corruption: str
    grade: float
    words: str
    flagged: Rate
    plainest: bool


def stress(
    run: Run, calibration: Calibration, root: Path, device: str = "auto", *, most: int, seed: int
) -> Iterator[Trial]:
    """Try every corruption in every grade on at most ``most`` held-out normals.

    None of them was fitted to, nor has a judge been fitted on them. The first trial changes
    nothing. Samples that a corruption leaves as they were do not count.

    Raises:
        DataError: the run's data are gone, or too small for a corruption.
    """
    material = own_data(run, root, calibration.group_column)
    values, groups = own_normals(run, material, root, calibration.group_column)
    places = unjudged(run, values, calibration.judge)
    rng = np.random.default_rng(seed)
    places = np.sort(rng.permutation(places)[:most])
    values = values[places]
    named = None if groups is None else [groups[place] for place in places]
    measure = measuring(run, device, calibration.judge)

    def power(after: NDArray[Any]) -> Rate:
        """Of those that did change: a patch on empty ground is no corruption."""
        hit = (after != values).any(axis=1) if after is not values else np.ones(len(values), bool)
        found = detect(measure(np.ascontiguousarray(after)), calibration, named)
        return Rate(int(found.flagged[hit].sum()), int(hit.sum()))

    yield Trial(UNCHANGED, 0.0, "the normals themselves", power(values), plainest=False)
    layout = run.manifest.data.layout
    if layout.kind == "image":
        if min(layout.shape[:2]) < SMALLEST_SIDE:
            raise DataError(
                f"images of {layout.shape[0]} × {layout.shape[1]} pixels are too small for "
                f"corruptions; {SMALLEST_SIDE} a side are the fewest."
            )
        images = values.reshape(-1, *layout.shape)
        yield from _trials(IMAGES, images, lambda x: power(x.reshape(values.shape)), rng)
        return
    numeric = _numeric(run)
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
    power: Any,
    rng: np.random.Generator,
) -> Iterator[Trial]:
    for name, corruption in corruptions.items():
        for grade in corruption.grades:
            rate = power(corruption.apply(samples, grade, rng))
            plainest = grade == max(corruption.grades)
            if rate.n:
                yield Trial(name, grade, corruption.words(grade), rate, plainest)


def _numeric(run: Run) -> list[int]:
    """The coordinates that are columns of numbers."""
    data = run.manifest.data
    if data.reading is None:
        return list(range(data.layout.dimensions))
    found, start = [], 0
    for column in data.reading.columns:
        if column.kind == "number":
            found.append(start)
        start += column.width
    return found
