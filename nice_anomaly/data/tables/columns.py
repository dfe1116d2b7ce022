"""Columns: what each column of a table is, decided once on normal rows and kept in the run.

A number stays one coordinate. A category becomes one coordinate a known value (0 or 1), so that
an unknown one is a row the flow has never seen: all zeros. A moment in time becomes the time of
day and the day of the week on their circles; the date itself only moves on and would make every
later row an anomaly. A column with missing cells gets one more coordinate that says so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells, missing, moments, numbers, words
from nice_anomaly.errors import DataError

MOST_CATEGORIES = 32
OTHER = "(other)"
NAMELESS = "(row)"  # how a first column without a heading is called
LEAST_SHARE = 0.9  # of the filled cells must be numbers for a column of numbers
DATE_PARTS = ("hour sin", "hour cos", "day sin", "day cos")
DAY, WEEK = 86_400_000_000, 7 * 86_400_000_000  # microseconds
MONDAY = 4 * DAY  # 1970-01-01 was a Thursday

Kind = Literal["number", "category", "date", "left out"]


@dataclass(frozen=True)
class Column:
    """One column: its kind, and what its training cells were.

    ``fill`` is the median, which a missing number is read as; ``low`` and ``high`` are the range
    seen. ``step`` is the distance of neighbouring levels if all numbers lie on a grid of few,
    else 0. ``gaps`` says that missing cells are normal here. ``categories`` are the known values,
    the most frequent first. A column that is ``left out`` gives its ``reason``.
    """

    name: str
    kind: Kind
    reason: str = ""
    fill: float = 0.0
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    gaps: bool = False
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many coordinates the column becomes."""
        own = {"number": 1, "category": len(self.categories), "date": 4, "left out": 0}[self.kind]
        return own + (self.gaps and own > 0)

    @property
    def labels(self) -> list[str]:
        """A name for every coordinate."""
        if self.kind == "left out":
            return []
        own = {
            "number": [self.name],
            "category": [f"{self.name}={value}" for value in self.categories],
            "date": [f"{self.name} {part}" for part in DATE_PARTS],
        }[self.kind]
        return own + [f"{self.name} missing"] * self.gaps

    @property
    def steps(self) -> list[float]:
        """The level width of every coordinate, 0 for a continuous one."""
        return ([self.step] + [0.0] * self.width)[: self.width]

    def __str__(self) -> str:
        if self.kind == "left out":
            return f"left out: {self.reason}"
        gaps = ", may be missing" if self.gaps else ""
        if self.kind == "category":
            shown = ", ".join(self.categories[:4]) + (", …" if len(self.categories) > 4 else "")
            return f"category of {len(self.categories)}: {shown}{gaps}"
        if self.kind == "date":
            return f"date, as time of day and day of week{gaps}"
        if self.low == self.high:
            return f"number, always {self.low:g}{gaps}"
        levels = f" in steps of {self.step:g}" if self.step else ""
        return f"number, {self.low:g} to {self.high:g}{levels}{gaps}"


@dataclass(frozen=True)
class Encoded:
    """Rows of numbers, ``values`` ``[n, d]``, and what was odd about which row.

    ``faults`` are rows that cannot be read, with the reason; ``notes`` are readable rows with a
    missing, unknown or never-seen value.
    """

    values: NDArray[np.float64]
    faults: dict[int, str]
    notes: dict[int, str]


def learn_columns(table: Mapping[str, Cells]) -> tuple[Column, ...]:
    """Decide what every column of normal rows is.

    Raises:
        DataError: no column can be used.
    """
    columns = tuple(_learn(name, cells) for name, cells in table.items())
    if not any(column.width for column in columns):
        reasons = "; ".join(f"{column.name}: {column.reason}" for column in columns)
        raise DataError(f"no column of the table can be learned from ({reasons}).")
    return columns


def encode(table: Mapping[str, Cells], columns: Sequence[Column], rows: int) -> Encoded:
    """The rows of a table as coordinates, one block of columns after another.

    Raises:
        DataError: a column of the run is not in the table.
    """
    absent = [c.name for c in columns if c.width and c.name not in table]
    if absent:
        learned_array = all(re.fullmatch(r"x[0-9]+", name) for name in absent)
        hint = " The run has learned from an array: give frame.to_numpy()." if learned_array else ""
        raise DataError(
            f"the column '{absent[0]}' is missing"
            + (f", and {len(absent) - 1} more: {', '.join(absent[1:6])}" if absent[1:] else "")
            + f". The table has: {', '.join(list(table)[:12])}. Columns are found by name."
            + hint
        )
    faults: dict[int, list[str]] = {}
    notes: dict[int, list[str]] = {}
    blocks = [np.empty((rows, 0))]
    for column in columns:
        if column.width:
            blocks.append(_encode(table[column.name], column, faults, notes))
    return Encoded(
        np.concatenate(blocks, axis=1),
        {row: "; ".join(said) for row, said in faults.items()},
        {row: "; ".join(said) for row, said in notes.items() if row not in faults},
    )


def _learn(name: str, cells: Cells) -> Column:
    if name == NAMELESS:
        return Column(name, "left out", "it has no name: a row number, as pandas writes it")
    empty = missing(cells)
    filled = cells[~empty]
    gaps = bool(empty.any())
    if not len(filled):
        return Column(name, "left out", "every cell is missing")
    values, wrong = numbers(filled)
    if wrong.all() and cells.dtype.kind == "f":
        return Column(name, "left out", "no cell is a finite number")
    if wrong.mean() <= 1 - LEAST_SHARE or cells.dtype.kind == "f":  # never words of numbers
        return _learn_number(name, values[~wrong], gaps)
    _, undated = moments(filled)
    if undated.mean() <= 1 - LEAST_SHARE:
        return Column(name, "date", gaps=gaps)
    return _learn_category(name, words(filled), gaps)


def _learn_number(name: str, values: NDArray[np.float64], gaps: bool) -> Column:
    return Column(
        name,
        "number",
        fill=float(np.median(values)),
        low=float(values.min()),
        high=float(values.max()),
        step=_level_width(values),
        gaps=gaps,
    )


def _level_width(values: NDArray[np.float64]) -> float:
    """The step of the grid that the values lie on, if they repeat enough to show one."""
    levels = np.unique(values)
    if len(levels) < 2 or len(levels) > len(values) / 2:
        return 0.0
    step = float(np.diff(levels).min())
    places = (levels - levels[0]) / step
    on_grid = np.abs(places - np.rint(places)).max() < 1e-6 * max(1.0, float(places.max()))
    return step if on_grid and places.max() < 1e6 else 0.0


def _learn_category(name: str, texts: NDArray[np.object_], gaps: bool) -> Column:
    values, counts = np.unique(texts.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    values, counts = values[order], counts[order]
    if len(values) > MOST_CATEGORIES and len(values) > len(texts) / 2:
        reason = f"{len(values):,} different texts in {len(texts):,} rows"
        return Column(name, "left out", reason)
    known = tuple(values.tolist())
    if len(known) > MOST_CATEGORIES:
        known = (*known[: MOST_CATEGORIES - 1], OTHER)
    return Column(name, "category", categories=known, gaps=gaps)


def _encode(
    cells: Cells,
    column: Column,
    faults: dict[int, list[str]],
    notes: dict[int, list[str]],
) -> NDArray[np.float64]:
    if column.kind == "number":
        block, empty = _encode_number(cells, column, faults, notes)
    elif column.kind == "date":
        block, empty = _encode_date(cells, column, faults)
    else:
        block, empty = _encode_category(cells, column, notes)
    if column.gaps:
        return np.column_stack([block, empty])
    for row in np.flatnonzero(empty):
        notes.setdefault(int(row), []).append(f"{column.name} is missing")
    return block


def _encode_number(
    cells: Cells,
    column: Column,
    faults: dict[int, list[str]],
    notes: dict[int, list[str]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, wrong = numbers(cells)
    for row in np.flatnonzero(wrong):
        said = f"{column.name} is {cells[row]!s:.40}, not a finite number"
        faults.setdefault(int(row), []).append(said)
    outside = (values < column.low) | (values > column.high)
    for row in np.flatnonzero(outside):
        said = f"{column.name} {values[row]:g} is outside {column.low:g} … {column.high:g}"
        notes.setdefault(int(row), []).append(said)
    empty = np.isnan(values)
    return np.where(empty, column.fill, values)[:, None], empty & ~wrong


def _encode_date(
    cells: Cells, column: Column, faults: dict[int, list[str]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, wrong = moments(cells)
    for row in np.flatnonzero(wrong):
        said = f"{column.name} is {cells[row]!s:.40}, not an ISO date"
        faults.setdefault(int(row), []).append(said)
    empty = np.isnat(values)
    ticks = np.where(empty, np.datetime64(0, "us"), values).astype(np.int64)
    day = 2 * np.pi * (ticks % DAY) / DAY
    week = 2 * np.pi * ((ticks - MONDAY) % WEEK // DAY) / 7
    circles = np.column_stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week)])
    return np.where(empty[:, None], 0.0, circles), empty & ~wrong


def _encode_category(
    cells: Cells, column: Column, notes: dict[int, list[str]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    texts = words(cells)
    place = {value: index for index, value in enumerate(column.categories)}
    other = place.get(OTHER, -1)
    index = np.array([-2 if text is None else place.get(text, other) for text in texts], dtype=int)
    for row in np.flatnonzero(index == -1):
        said = f"{column.name} '{texts[row]!s:.40}' was never seen"
        notes.setdefault(int(row), []).append(said)
    block = np.zeros((len(cells), len(column.categories)))
    known = np.flatnonzero(index >= 0)
    block[known, index[known]] = 1.0
    return block, index == -2
