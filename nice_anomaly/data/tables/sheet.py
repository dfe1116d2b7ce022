"""Sheet: lines of cells under a heading, as the chunks that everything else reads."""

import logging
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Written
from nice_anomaly.data.tables.heading import Headed, Line, is_empty, total_in
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

EMPTY = "is empty"
ToCells = Callable[[NDArray[np.object_]], list[Cells]]  # of the values [rows, columns]


def sheet_chunks(
    name: str, sheet: Headed, rows: int, to_cells: ToCells, written: Written
) -> Iterator[Chunk]:
    """The rows of a sheet, at most ``rows`` at a time.

    Empty lines at the end are no rows; an empty one further up keeps its place and its fault, and
    so does a last line that sums the others up.

    Raises:
        DataError: there are no rows.
    """
    seen = 0
    for lines, last in _batches(sheet, name, rows):
        cells, faults = _cells(sheet, lines, last=last)
        table = np.empty((len(cells), len(sheet.names)), dtype=object)
        table[:] = cells
        columns = dict(zip(sheet.names, to_cells(table), strict=True))
        yield Chunk(name, seen, columns, len(cells), faults, written=written)
        seen += len(cells)
    if not seen:
        raise DataError(f"{name} has column names but no rows.")


def _batches(sheet: Headed, name: str, rows: int) -> Iterator[tuple[list[Line], bool]]:
    """The lines up to the last one that has a cell, and whether they are the last of them.

    An only column may be empty anywhere.
    """
    only = len(sheet.names) == 1
    ahead: list[Line] = []
    while lines := ahead + list(islice(sheet.lines, max(0, rows - len(ahead)))):
        ahead = []
        for line in sheet.lines:
            ahead.append(line)
            if only or not is_empty(line):
                break
        else:
            lines, ahead = lines + ahead, []
        lines = [line or [None] for line in lines] if only else [line for line in lines if line]
        end = len(lines)
        while end and not (ahead or only) and is_empty(lines[end - 1]):
            end -= 1
        if end < len(lines):
            logger.info("note: %s: %d empty lines at its end left out", name, len(lines) - end)
        for first in range(0, end, rows):
            stop = min(first + rows, end)
            yield lines[first:stop], stop == end and not ahead


def _cells(sheet: Headed, lines: list[Line], *, last: bool) -> tuple[list[Line], dict[int, str]]:
    """The cells of lines, none in those that are no rows, and what is wrong with which line."""
    cells, faults = sheet.cells(lines)
    if len(sheet.names) > 1:
        empty = (row for row, line in enumerate(cells) if is_empty(line))
        faults = dict.fromkeys(empty, EMPTY) | faults
    end = len(cells) - 1
    if last and end and end not in faults:
        earlier = {cell for row in cells[:-1] for cell in row if isinstance(cell, str)}
        word = total_in(cells[end], earlier)
        if word:
            faults[end] = f"looks like a line of totals ('{word}')"
    for row in faults:
        cells[row] = [None] * len(sheet.names)
    return cells, faults
