"""Arrow: Parquet and Arrow files and frames in memory, through one conversion of cells.

A frame and the Parquet file that was written from it give the same cells.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.cells import EXACT, Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.errors import DataError

SUFFIXES = (".parquet", ".pq")
IPC = (".arrow", ".feather", ".ipc")
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
                f"'{example}': it cannot tell rows apart. Use frame.reset_index(drop=True), or "
                f"name a column with `id_column`."
            )


def frame_in_memory(name: str, given: Any) -> Frame:
    """A pandas, Polars or Arrow table.

    Raises:
        DataError: no rows or columns, a name that is there twice, or cells of mixed types.
    """
    pyarrow = _pyarrow(f"reading {name}")
    of_pandas = hasattr(given, "iloc")
    try:
        if of_pandas and hasattr(given, "columns"):
            _refuse_twice(list(map(str, given.columns)), name)
            table = pyarrow.Table.from_pandas(given, preserve_index=False)
        else:
            table = pyarrow.table(given)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        why = "; ".join(map(str, error.args)).rstrip(".")
        raise DataError(
            f"{name} ({type(given).__name__}) cannot be read as a table: {why}. Every column has "
            f"to be of one type, e.g. frame.astype({{'column': str}}); a single column is "
            f"series.to_frame()."
        ) from error
    _refuse_twice(table.schema.names, name)
    if not table.num_rows or not table.num_columns:
        what = "columns but no rows" if table.num_columns else "no columns"
        raise DataError(f"{name} has {what}.")
    return Frame(name, table, _labels(given.index) if of_pandas else None)


def frame_chunks(frame: Frame, rows: int) -> Iterator[Chunk]:
    """The rows of a frame, at most ``rows`` at a time.

    Raises:
        DataError: a column of a type that Arrow cannot convert.
    """
    pyarrow = _pyarrow(f"reading {frame.name}")
    for start in range(0, frame.table.num_rows, rows):
        ids = None if frame.ids is None else frame.ids[start : start + rows]
        try:
            (batch,) = frame.table.slice(start, rows).combine_chunks().to_batches()
            chunk = _chunk(frame.name, start, batch, ids)
        except pyarrow.ArrowException as error:
            raise DataError(f"{frame.name} cannot be read: {error}.") from error
        yield chunk


def parquet_chunks(file: Path, rows: int) -> Iterator[Chunk]:
    """The rows of a Parquet file, at most ``rows`` at a time.

    Raises:
        DataError: no Parquet file or not a whole one, no rows, or a name that is there twice.
    """
    pyarrow = _pyarrow(f"reading {file}", ", or save it as CSV")
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file, pre_buffer=False) as parquet:
            _refuse_twice(parquet.schema_arrow.names, file)
            if not parquet.metadata.num_rows:
                raise DataError(f"{file} has columns but no rows.")
            start = 0
            for batch in parquet.iter_batches(batch_size=rows):
                yield _chunk(readable(file), start, batch)
                start += batch.num_rows
    except OSError as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}.") from error
    except pyarrow.ArrowException as error:
        raise DataError(f"{file} is not a whole Parquet file: {error}.") from error


def arrow_chunks(file: Path, rows: int) -> Iterator[Chunk]:
    """The rows of an Arrow file or stream, Feather among them, at most ``rows`` at a time.

    Raises:
        DataError: no such file or not a whole one, no rows, or a name that is there twice.
    """
    pyarrow = _pyarrow(f"reading {file}", ", or save it as CSV")
    try:
        with pyarrow.memory_map(str(file)) as source:
            try:
                reader = pyarrow.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
            except pyarrow.ArrowInvalid:  # not a file of batches, but perhaps a stream of them
                source.seek(0)
                reader = batches = pyarrow.ipc.open_stream(source)
            _refuse_twice(reader.schema.names, file)
            start = 0
            for batch in batches:
                for first in range(0, batch.num_rows, rows):
                    piece = batch.slice(first, rows)
                    yield _chunk(readable(file), start, piece)
                    start += piece.num_rows
        if not start:
            raise DataError(f"{file} has columns but no rows.")
    except OSError as error:
        raise DataError(f"{file} cannot be read as Arrow: {error}.") from error
    except pyarrow.ArrowException as error:
        raise DataError(f"{file} is not a whole Arrow file: {error}.") from error


def _pyarrow(purpose: str, otherwise: str = "") -> Any:
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


def _refuse_twice(names: Sequence[str], where: object) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: the column name '{twice}' is there twice. Rename one.")


def _chunk(name: str, start: int, batch: Any, ids: Sequence[str] | None = None) -> Chunk:
    """A ``pyarrow.RecordBatch`` as a chunk."""
    columns: dict[str, Cells] = {}
    unusable: dict[str, str] = {}
    for heading, column in zip(batch.schema.names, batch.columns, strict=True):
        cells = _cells(column)
        if cells is None:
            unusable[heading] = f"a cell is of the type {column.type}"
        else:
            columns[heading] = cells
    given = dict(zip(batch.schema.names, batch.columns, strict=True))
    return Chunk(name, start, columns, batch.num_rows, {}, unusable, ids, given=given)


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
