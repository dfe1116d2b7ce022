"""Chunk: consecutive rows of a table, whatever it came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.dialect import Written
from nice_anomaly.errors import DataError


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one file, frame or array: ``columns`` by name, ``[rows]`` each.

    ``name`` is that of the file, frame or array and ``start`` the number of the first row there.
    ``faults`` are rows that the file itself spoils (too few or too many cells), by their place
    in the chunk; their cells are missing. ``unusable`` are columns that are not in ``columns``
    because a table cannot hold them, with the reason. ``ids`` are the index labels of a frame.
    ``written`` is how a text file is written, and ``given`` are the columns as they stood there,
    where reading them has changed a cell. ``signs`` are those of ".," that may be in its texts.
    """

    name: str
    start: int
    columns: dict[str, Cells]
    rows: int
    faults: dict[int, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    ids: Sequence[str] | None = None
    written: Written = field(default_factory=Written)
    given: Mapping[str, Any] | None = None
    signs: str = ".,"

    @property
    def originals(self) -> Mapping[str, Any]:
        """The columns as they stood in the file."""
        return self.columns if self.given is None else self.given


def column_names(arrays: Arrays) -> list[str]:
    """How the columns of an array are called: x0, x1, … by position."""
    return [f"x{i}" for i in range(arrays.shape[1])]


def array_chunks(arrays: Arrays, rows: int) -> Iterator[Chunk]:
    """The rows of an array ``[n, columns]``, at most ``rows`` at a time, NaN for missing.

    Raises:
        DataError: a further array has the name of a column.
    """
    names, start = column_names(arrays), 0
    twice = next((name for name in arrays.extras if name in names), None)
    if twice is not None:
        raise DataError(f"{arrays.name}: the array '{twice}' has the name of a column. Rename it.")
    for piece, extras in arrays.pieces(rows):
        values = np.asarray(piece, dtype=np.float64)
        columns: dict[str, Cells] = dict(zip(names, values.T, strict=True))
        columns |= {name: np.asarray(extra, np.float64) for name, extra in extras.items()}
        yield Chunk(arrays.name, start, columns, len(piece))
        start += len(piece)
