"""Decoding: coordinates back to the cells of a table, for which decode(encode(row)) = row.

What a model draws is the encoding of no row; it is taken for the one that it is nearest to. Of a
moment only the time of day and the day of the week are learned: they are told in one certain week.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells, words
from nice_anomaly.data.tables.columns import Column
from nice_anomaly.data.tables.moments import NEVER
from nice_anomaly.data.tables.moments import written as as_written

WEEK_OF = np.datetime64("2024-01-01", "s")  # a Monday
ROUNDING = 1e-3  # seconds: what sines and cosines lose of a whole one is far less
DIGITS = 5  # of a number, or of the range of its column where that is narrower


def decode(values: NDArray[np.float64], columns: Sequence[Column]) -> dict[str, Cells]:
    """Rows of coordinates ``[n, d]`` as cells by column, in order; those left out are not there.

    Missing cells are NaN, NaT or None.
    """
    cells: dict[str, Cells] = {}
    start = 0
    for column in columns:
        block = values[:, start : start + column.width]
        start += column.width
        if column.width:
            gap = block[:, -1] > 0.5 if column.gaps else np.zeros(len(block), dtype=bool)
            cells[column.name] = _cells(block[:, : column.width - column.gaps], gap, column)
    return cells


def written(cells: Cells, column: Column) -> list[str | None]:
    """The cells as their column is written: numbers with its unit, moments in its form."""
    if cells.dtype.kind == "M":
        moments = cells.astype("datetime64[s]")
        return [None if np.isnat(one) else as_written(one, column.form) for one in moments]
    texts = words(cells).tolist()
    unit = f" {column.unit}" if column.unit else ""
    return [None if text is None else f"{text}{unit}" for text in texts]


def _cells(block: NDArray[np.float64], gap: NDArray[np.bool_], column: Column) -> Cells:
    if column.kind == "category":
        texts: NDArray[np.object_] = np.array([*column.categories, None], dtype=object)
        return texts[np.where(gap, -1, block.argmax(axis=1))]
    if column.kind == "date":
        return np.where(gap, NEVER, _moments(block)).astype("datetime64[s]")
    return np.where(gap, np.nan, [_number(value, column) for value in block[:, 0].tolist()])


def _number(value: float, column: Column) -> float:
    """The nearest level, the one value there is, or so many digits as mean something.

    >>> _number(0.34, Column("a", "number", low=0.1, high=0.9, step=0.1))
    0.3
    >>> _number(0.123456789, Column("a", "number", low=0.0, high=9.0))
    0.12346
    """
    if column.low == column.high:
        return column.low
    if column.step:
        level = column.low + math.floor((value - column.low) / column.step + 0.5) * column.step
        return float(f"{level:.12g}")
    size = min(abs(value), column.high - column.low)
    return round(value, DIGITS - 1 - math.floor(math.log10(size))) if size else 0.0


def _moments(circles: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """The second of the day that a moment lies in, and its day of the week if that is known."""
    turns = np.arctan2(circles[:, ::2], circles[:, 1::2]) / (2 * np.pi)
    seconds = np.floor(turns[:, 0] % 1 * 86_400 + ROUNDING).astype(int) % 86_400
    days = np.rint(turns[:, 1:] * 7).astype(int).sum(axis=1) % 7
    moments: NDArray[np.datetime64] = WEEK_OF + (days * 86_400 + seconds).astype("timedelta64[s]")
    return moments
