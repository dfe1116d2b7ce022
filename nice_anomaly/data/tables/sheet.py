"""Sheet: lines of cells under a heading, as the chunks that everything else reads."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Written
from nice_anomaly.data.tables.heading import PIECE, Headed, Line, is_empty, total_in, weight
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit

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
    nothing = [None] * sheet.width
    for piece in pieces(_lines(sheet, name, nothing), rows, nothing):
        cells, faults = _cells(sheet, piece, nothing)
        table = np.empty((len(cells), len(sheet.names)), dtype=object)
        table[:] = cells
        columns = dict(zip(sheet.names, to_cells(table), strict=True))
        yield Chunk(name, seen, columns, len(cells), faults, written=written)
        seen += len(cells)
    if not seen:
        raise DataError(f"{name} has column names but no rows.")


@dataclass(frozen=True)
class Piece:
    """Some lines, what spoils which of them, and whether they are the last of their sheet."""

    lines: list[Line]
    faults: dict[int, str]
    last: bool


def _lines(sheet: Headed, name: str, nothing: Line) -> Iterator[Line]:
    """The lines up to the last one that has a cell; those without any are ``nothing``.

    Lines without even a sign that parts cells are none. An only column may be empty anywhere.
    """
    if len(sheet.names) == 1:
        yield from (line or nothing for line in sheet.lines)
        return
    empty = 0
    for line in sheet.lines:
        if is_empty(line):
            empty += bool(line)
        else:
            yield from repeat(nothing, empty)
            empty = 0
            yield line
    if empty:
        logger.info("note: %s: %d empty lines at its end left out", name, empty)


def pieces(lines: Iterator[Line], rows: int, nothing: Line) -> Iterator[Piece]:
    """At most ``rows`` lines at a time, and no more than fit into memory.

    A line with a cell that is too long becomes ``nothing`` and has a fault.
    """
    longest = limit("cell")
    ahead = next(lines, None)
    while ahead is not None:
        piece: list[Line] = []
        faults: dict[int, str] = {}
        room = PIECE
        while ahead is not None and len(piece) < rows and room >= 0:
            size = weight(ahead)
            if size > longest:
                found = max((len(cell) for cell in ahead if isinstance(cell, str)), default=0)
                if found > longest:
                    faults[len(piece)] = beyond("cell", found, "it").rstrip(".")
                    ahead, size = nothing, 0
            piece.append(ahead)
            room -= size
            ahead = next(lines, None)
        yield Piece(piece, faults, ahead is None)


def _cells(sheet: Headed, piece: Piece, nothing: Line) -> tuple[list[Line], dict[int, str]]:
    """The cells of lines, none in those that are no rows, and what is wrong with which line."""
    cells, faults = sheet.cells(piece.lines)
    if len(sheet.names) > 1:
        empty = (row for row, line in enumerate(piece.lines) if line is nothing)
        faults |= dict.fromkeys(empty, EMPTY)
    faults |= piece.faults
    end = len(cells) - 1
    if piece.last and end and end not in faults:
        earlier = {cell for row in cells[:-1] for cell in row if isinstance(cell, str)}
        word = total_in(cells[end], earlier)
        if word:
            faults[end] = f"looks like a line of totals ('{word}')"
    for row in faults:
        cells[row] = [None] * len(sheet.names)
    return cells, faults
