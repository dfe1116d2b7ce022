"""Sheet: lines of cells under a heading, as the chunks that everything else reads."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Written
from nice_anomaly.data.tables.heading import Headed, Line, filled, total_in
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

EMPTY = "is empty"


def sheet_chunks(
    name: str,
    sheet: Headed,
    rows: int,
    column: Callable[[NDArray[np.object_]], Cells],
    written: Written,
) -> Iterator[Chunk]:
    """The rows of a sheet, at most ``rows`` at a time; ``column`` makes cells of its values.

    Empty lines at the end are no rows; an empty one further up keeps its place and its fault, and
    so does a last line that sums the others up.

    Raises:
        DataError: there are no rows.
    """
    seen = 0
    batch: list[Line] = []
    for line in _without_end(sheet, name):
        if len(batch) == rows:
            yield _chunk(name, seen, batch, sheet, column, written)
            seen += rows
            batch = []
        batch.append(line)
    if not batch:
        raise DataError(f"{name} has column names but no rows.")
    yield _chunk(name, seen, batch, sheet, column, written, last=True)


def _without_end(sheet: Headed, name: str) -> Iterator[Line]:
    """The lines up to the last one that has a cell; an only column may be empty anywhere."""
    empty: list[Line] = []
    for line in sheet.lines:
        if len(sheet.names) == 1:
            yield line or [None]
        elif any(map(filled, line)):
            yield from empty
            empty = []
            yield line
        elif line:
            empty.append(line)
    if empty:
        logger.info("note: %s: %s empty lines at its end left out", name, f"{len(empty):,}")


def _chunk(
    name: str,
    start: int,
    lines: Sequence[Line],
    sheet: Headed,
    column: Callable[[NDArray[np.object_]], Cells],
    written: Written,
    *,
    last: bool = False,
) -> Chunk:
    cells: list[list[Any]] = []
    faults: dict[int, str] = {}
    for row, line in enumerate(lines):
        values, fault = sheet.cells(line)
        cells.append(values)
        if fault:
            faults[row] = fault
        elif len(values) > 1 and not any(map(filled, values)):
            faults[row] = EMPTY
    if last and len(lines) > 1 and len(lines) - 1 not in faults:
        end = len(lines) - 1
        earlier = {cell for row in cells[:-1] for cell in row if isinstance(cell, str)}
        word = total_in(cells[end], earlier)
        if word:
            faults[end] = f"looks like a line of totals ('{word}')"
    for row in faults:
        cells[row] = [None] * len(sheet.names)
    table = np.empty((len(cells), len(sheet.names)), dtype=object)
    table[:] = cells
    columns = {heading: column(table[:, i]) for i, heading in enumerate(sheet.names)}
    return Chunk(name, start, columns, len(cells), faults, written=written)
