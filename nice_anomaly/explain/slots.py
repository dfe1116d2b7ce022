"""Slots of a run: its columns, or its coordinates where they have no names."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Column
from nice_anomaly.explain.kinds import Listed, Moments
from nice_anomaly.explain.numbers import Numbers
from nice_anomaly.explain.slot import Array, Slot
from nice_anomaly.preprocess import Preprocess

MARGIN = 0.1  # of the range, on both sides
EVEN = 40  # points evenly over the range; the others are quantiles of normal cells


def slots(
    columns: Sequence[Column] | None, preprocess: Preprocess, references: NDArray[Any], points: int
) -> tuple[Slot, ...]:
    """What the coordinates of a row belong to, in order; about ``points`` states a number."""
    cells = references.astype(np.float64)
    if columns is None:
        columns = [_unnamed(i, cells[:, i], preprocess) for i in range(cells.shape[1])]
    return tuple(_made(columns, preprocess, cells, points))


def _unnamed(i: int, cells: Array, preprocess: Preprocess) -> Column:
    low, high = float(cells.min()), float(cells.max())
    step = float(preprocess.step[i])
    return Column(f"x{i}", "number", fill=float(np.median(cells)), low=low, high=high, step=step)


def _made(
    columns: Sequence[Column], preprocess: Preprocess, cells: Array, points: int
) -> Iterator[Slot]:
    start = 0
    for column in columns:
        place = slice(start, start + column.width)
        start += column.width
        if column.kind == "number":
            yield _numbers(column, place, preprocess, cells[:, place], points)
        elif column.width:
            kind = Moments if column.kind == "date" else Listed
            yield kind(column.name, place, column, cells[:, place])


def _numbers(
    column: Column, place: slice, preprocess: Preprocess, cells: Array, points: int
) -> Numbers:
    i = place.start
    scale, noise = float(preprocess.scale[i]), float(preprocess.noise[i])
    absent = cells[:, -1] > 0.5 if column.gaps else np.zeros(len(cells), dtype=bool)
    sample = np.where(absent, np.nan, cells[:, 0])
    return Numbers(
        column.name,
        place,
        _points(column, sample, float(preprocess.tail[i]), float(preprocess.shift[i]), points),
        sample,
        span=column.high - column.low or 4 * scale,
        smear=np.sqrt(2 * np.pi) * (noise or 0.1) * scale,
        step=column.step,
        gaps=column.gaps,
        fill=column.fill,
        unit=column.unit,
    )


def _points(column: Column, sample: Array, tail: float, shift: float, points: int) -> Array:
    """Levels; or points evenly over the range as the model sees it, and quantiles beside them."""
    if column.low == column.high:
        return np.array([column.low])
    if column.step:
        last = round((column.high - column.low) / column.step)
        levels = np.unique(np.linspace(0, last, min(points, last + 1)).round())
        return np.array([float(f"{v:.12g}") for v in column.low + levels * column.step])
    ends = np.array([column.low, column.high])
    seen = np.arcsinh(tail * (ends - shift)) / tail if tail else ends
    margin = MARGIN * (seen[1] - seen[0])
    even = np.linspace(seen[0] - margin, seen[1] + margin, points * EVEN // 64)
    even = np.sinh(tail * even) / tail + shift if tail else even
    known = sample[np.isfinite(sample)]
    if not len(known):
        return even
    return np.unique([*even, *np.quantile(known, np.linspace(0, 1, points - len(even)))])
