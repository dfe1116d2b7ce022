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

from nice_anomaly.data.tables.cells import Cells, numbers, shortest, words
from nice_anomaly.data.tables.moments import CLOCK, described, moments
from nice_anomaly.data.tables.numerals import certain
from nice_anomaly.errors import DataError
from nice_anomaly.words import brief, listed

MOST_CATEGORIES = 32
OTHER = "(other)"

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
    the most frequent first. Of a date ``form`` is how it is written and ``low`` and ``high`` are
    seconds since 1970; ``daily`` is the mean number of cells on a day that had any. ``unit`` stands
    at every number; ``missing`` is the share of empty cells. A column that is ``left out`` gives
    its ``reason``; of another it is a remark.
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
    unit: str = ""
    form: str = ""
    daily: float = 0.0
    missing: float = 0.0

    @property
    def parts(self) -> tuple[str, ...]:
        """What of a moment counts: a time of day alone has no day of the week."""
        return DATE_PARTS[:2] if self.form == CLOCK else DATE_PARTS

    @property
    def width(self) -> int:
        """How many coordinates the column becomes."""
        widths = {"number": 1, "category": len(self.categories), "date": len(self.parts)}
        own = widths.get(self.kind, 0)
        return own + (self.gaps and own > 0)

    @property
    def dated(self) -> bool:
        """Whether it says on which day a row was, learned from or not."""
        moments = self.kind == "date" or (self.kind == "left out" and self.low < self.high)
        return moments and self.form != CLOCK

    @property
    def labels(self) -> list[str]:
        """A name for every coordinate."""
        if self.kind == "left out":
            return []
        own = {
            "number": [self.name],
            "category": [f"{self.name}={value}" for value in self.categories],
            "date": [f"{self.name} {part}" for part in self.parts],
        }[self.kind]
        return own + [f"{self.name} missing"] * self.gaps

    @property
    def steps(self) -> list[float]:
        """The level width of every coordinate, 0 for a continuous one."""
        return ([self.step] + [0.0] * self.width)[: self.width]

    @property
    def role(self) -> str:
        """What it is read as."""
        if self.kind == "category":
            return f"category of {len(self.categories)}"
        if self.kind == "date":
            return "time of day" if self.form == CLOCK else f"date {described(self.form)}".strip()
        return f"{self.kind} in {self.unit}" if self.unit else self.kind

    @property
    def seen(self) -> str:
        """What its training cells were; for a column that is left out, why."""
        if self.kind == "left out":
            return self.reason
        if self.kind == "category":
            return listed(self.categories, 4)
        if self.kind == "date":
            return "as time of day and day of week" if self.dated else ""
        if self.low == self.high:
            return f"always {self.low:g}"
        levels = f" in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{levels}"

    def __str__(self) -> str:
        if self.kind == "left out":
            return f"left out: {self.reason}"
        joint = ": " if self.kind == "category" else ", "
        gaps = ", may be missing" if self.gaps else ""
        remark = f"; {self.reason}" if self.reason else ""
        return joint.join(filter(None, (self.role, self.seen))) + gaps + remark


@dataclass(frozen=True)
class Encoded:
    """Rows of numbers, ``values`` ``[n, d]``, and what was odd about which row.

    ``faults`` are rows that cannot be read, with the reason; ``notes`` are readable rows with a
    missing, unknown or never-seen value. ``untold`` are the cells that their coordinates do not
    tell, by row and column: None where one is missing though none was, else a text never seen.
    """

    values: NDArray[np.float64]
    faults: dict[int, str]
    notes: dict[int, str]
    untold: dict[int, dict[str, str | None]]


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
            f"the column '{brief(absent[0])}' is missing"
            + (f", and {len(absent) - 1} more: {listed(absent[1:6])}" if absent[1:] else "")
            + f". The table has: {listed(table)}. Columns are found by name."
            + hint
        )
    faults: dict[int, list[str]] = {}
    notes: dict[int, list[str]] = {}
    untold: dict[int, dict[str, str | None]] = {}
    blocks = [np.empty((rows, 0))]
    for column in columns:
        if column.width:
            blocks.append(_encode(table[column.name], column, faults, notes, untold))
    return Encoded(
        np.concatenate(blocks, axis=1),
        {row: "; ".join(said) for row, said in faults.items()},
        {row: "; ".join(said) for row, said in notes.items() if row not in faults},
        untold,
    )


def _encode(
    cells: Cells,
    column: Column,
    faults: dict[int, list[str]],
    notes: dict[int, list[str]],
    untold: dict[int, dict[str, str | None]],
) -> NDArray[np.float64]:
    if column.kind == "number":
        block, empty = _encode_number(cells, column, faults, notes)
    elif column.kind == "date":
        block, empty = _encode_date(cells, column, faults)
    else:
        block, empty = _encode_category(cells, column, notes, untold)
    if column.gaps:
        return np.column_stack([block, empty])
    for row in np.flatnonzero(empty):
        notes.setdefault(int(row), []).append(f"{brief(column.name)} is missing")
        untold.setdefault(int(row), {})[column.name] = None
    return block


def _encode_number(
    cells: Cells,
    column: Column,
    faults: dict[int, list[str]],
    notes: dict[int, list[str]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, wrong = numbers(cells, column.unit)
    name = brief(column.name)
    expected = f"a number in {brief(column.unit)}" if column.unit else "a finite number"
    for row in np.flatnonzero(wrong):
        said = f"{name} is {brief(cells[row], 40)}, not {expected}"
        faults.setdefault(int(row), []).append(said)
    outside = (values < column.low) | (values > column.high)
    for row in np.flatnonzero(outside):
        said = f"{name} {values[row]:g} is outside {column.low:g} … {column.high:g}"
        notes.setdefault(int(row), []).append(said)
    empty = np.isnan(values)
    return np.where(empty, column.fill, values)[:, None], empty & ~wrong


def _encode_date(
    cells: Cells, column: Column, faults: dict[int, list[str]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, wrong = moments(cells, column.form)
    name = brief(column.name)
    expected = f"a date like {described(column.form)}" if column.form else "an ISO date"
    for row in np.flatnonzero(wrong):
        said = f"{name} is {brief(cells[row], 40)}, not {expected}"
        faults.setdefault(int(row), []).append(said)
    empty = np.isnat(values)
    ticks = np.where(empty, np.datetime64(0, "us"), values).astype(np.int64)
    day = 2 * np.pi * (ticks % DAY) / DAY
    week = 2 * np.pi * ((ticks - MONDAY) % WEEK // DAY) / 7
    every = np.column_stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week)])
    circles = every[:, : len(column.parts)]
    return np.where(empty[:, None], 0.0, circles), empty & ~wrong


def _encode_category(
    cells: Cells,
    column: Column,
    notes: dict[int, list[str]],
    untold: dict[int, dict[str, str | None]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    texts = words(cells)
    place = {_word(value): index for index, value in enumerate(column.categories)}
    other = place.get(OTHER, -1)
    index = np.array(
        [-2 if text is None else place.get(_word(text), other) for text in texts], dtype=int
    )
    name = brief(column.name)
    for row in np.flatnonzero(index == -1):
        said = f"{name} '{brief(texts[row], 40)}' was never seen"
        notes.setdefault(int(row), []).append(said)
        untold.setdefault(int(row), {})[column.name] = texts[row]
    block = np.zeros((len(cells), len(column.categories)))
    known = np.flatnonzero(index >= 0)
    block[known, index[known]] = 1.0
    return block, index == -2


def _word(text: str) -> str:
    """One text for all ways to write it: 0,5 is 0.5, however many numbers its column has."""
    number = certain(text) if "," in text else None
    return text if number is None else shortest(number)
