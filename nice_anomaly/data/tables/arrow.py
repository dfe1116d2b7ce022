"""Arrow: frames in memory and batches of rows from files, through one conversion of cells.

A frame and the Parquet file that was written from it give the same cells.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import EXACT, Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.errors import DataError
from nice_anomaly.limits import refuse_beyond
from nice_anomaly.words import brief

TEXTS = ("string", "large_string", "string_view")


@dataclass(frozen=True)
class Frame:
    """A table in memory, as a ``pyarrow.Table``.

    ``ids`` are the labels of a pandas index as text, None for one that only counts the rows.
    """

    name: str
    table: Any
    ids: tuple[str, ...] | None = None

    def refuse_repeated_ids(self) -> None:
        """Raises DataError when the index cannot tell rows apart."""
        labels = self.ids or ()
        again = len(labels) - len(set(labels))
        if again:
            example = Counter(labels).most_common(1)[0][0]
            raise DataError(
                f"the index of {self.name} names {again:,} row{'s' * (again > 1)} twice, e.g. "
                f"'{brief(example)}': it cannot tell rows apart. Use frame.reset_index(drop=True), "
                f"or name a column with `id_column`."
            )


def frame_in_memory(name: str, given: Any) -> Frame:
    """A pandas, Polars or Arrow table.

    Raises:
        DataError: no rows or columns, a name that is there twice, or cells of mixed types.
    """
    pyarrow = pyarrow_for(f"reading {name}")
    of_pandas = hasattr(given, "iloc")
    try:
        if of_pandas and hasattr(given, "columns"):
            refuse_twice(list(map(str, given.columns)), name)
            table = pyarrow.Table.from_pandas(given, preserve_index=False)
        else:
            table = pyarrow.table(given)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        why = brief("; ".join(map(str, error.args)), 400).rstrip(".")
        raise DataError(
            f"{name} ({type(given).__name__}) cannot be read as a table: {why}. Every column has "
            f"to be of one type, e.g. frame.astype({{'column': str}}); a single column is "
            f"series.to_frame()."
        ) from error
    refuse_twice(table.schema.names, name)
    if not table.num_rows or not table.num_columns:
        what = "columns but no rows" if table.num_columns else "no columns"
        raise DataError(f"{name} has {what}.")
    return Frame(name, table, _labels(given.index) if of_pandas else None)


def frame_chunks(frame: Frame, rows: int) -> Iterator[Chunk]:
    """The rows of a frame, at most ``rows`` at a time.

    Raises:
        DataError: a column of a type that Arrow cannot convert.
    """
    pyarrow = pyarrow_for(f"reading {frame.name}")
    for start in range(0, frame.table.num_rows, rows):
        ids = None if frame.ids is None else frame.ids[start : start + rows]
        try:
            (batch,) = frame.table.slice(start, rows).combine_chunks().to_batches()
            chunk = chunk_of(frame.name, start, batch, ids)
        except pyarrow.ArrowException as error:
            raise DataError(f"{frame.name} cannot be read: {brief(error, 200)}.") from error
        yield chunk


def pyarrow_for(purpose: str, otherwise: str = "") -> Any:
    """The library that reads such tables.

    Raises:
        DataError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(
            f"{purpose} needs pyarrow: pip install 'nice-anomaly[table]'{otherwise}."
        ) from error
    return pyarrow


def _labels(index: Any) -> tuple[str, ...] | None:
    """The labels of a pandas index as text; None for the ``RangeIndex`` that counts from 0."""
    counts = (getattr(index, "start", None), getattr(index, "step", None)) == (0, 1)
    return None if counts else tuple(map(str, index))


def refuse_twice(names: Sequence[str], where: object) -> None:
    """Raises DataError where a column is not the only one of its name, or there are too many."""
    refuse_beyond("columns", len(names), where)
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise DataError(f"{where}: the column name '{brief(twice)}' is there twice. Rename one.")


def chunk_of(
    name: str,
    start: int,
    batch: Any,
    ids: Sequence[str] | None = None,
    faults: Mapping[int, str] | None = None,
) -> Chunk:
    """A ``pyarrow.RecordBatch`` as a chunk."""
    columns: dict[str, Cells] = {}
    unusable: dict[str, str] = {}
    for heading, column in zip(batch.schema.names, batch.columns, strict=True):
        cells = _cells(column)
        if cells is None:
            unusable[heading] = f"a cell is of the type {brief(column.type, 100)}"
        else:
            columns[heading] = cells
    given = dict(zip(batch.schema.names, batch.columns, strict=True))
    return Chunk(
        name, start, columns, batch.num_rows, dict(faults or {}), unusable, ids, given=given
    )


def _cells(column: Any) -> Cells | None:
    """One column; None for nested or binary ones, which are not tabular."""
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        known = column.dictionary
        as_text = str(known.type) in TEXTS  # Arrow takes nothing from a dictionary of views
        return _cells((known.cast("string") if as_text else known).take(column.indices))
    if kinds.is_boolean(kind) or str(kind) in TEXTS:
        return _texts(column)
    if kinds.is_integer(kind) and _too_long(column):
        return _texts(column)
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        values: NDArray[np.float64] = np.asarray(
            column.cast("float64", safe=False).to_numpy(zero_copy_only=False), dtype=np.float64
        )
        return values
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return _moments(column)
    return np.full(len(column), np.nan) if kinds.is_null(kind) else None


def _moments(column: Any) -> NDArray[np.datetime64] | None:
    """None where one is so far away that microseconds cannot count to it."""
    import pyarrow

    nanoseconds = str(column.type).startswith("timestamp[ns")  # what they have more is left out
    try:
        cells = column.cast("timestamp[us]", safe=not nanoseconds)
    except pyarrow.ArrowInvalid:
        return None
    moments: NDArray[np.datetime64] = cells.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    return moments


def _texts(column: Any) -> NDArray[np.object_]:
    cells = np.empty(len(column), dtype=object)
    cells[:] = column.cast("string").to_pylist()
    return cells


def _too_long(integers: Any) -> bool:
    """Whether some are not exact as float64, as long numbers that name things are."""
    import pyarrow.compute

    bounds = pyarrow.compute.min_max(integers).as_py()
    return any(value is not None and abs(value) >= EXACT for value in bounds.values())
