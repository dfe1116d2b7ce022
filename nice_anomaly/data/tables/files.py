"""Files of rows: CSV, Parquet and arrays, read piece by piece, columns by name.

Whatever the file, a piece is a mapping from column name to cells; memory does not grow with the
number of rows. CSV needs nothing but Python; Parquet needs the extra 'table'.
"""

import csv
import io
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.arrays import SUFFIXES as ARRAYS
from nice_anomaly.data.arrays import open_array
from nice_anomaly.data.tables.cells import EXACT, Cells
from nice_anomaly.data.tables.columns import NAMELESS
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

STDIN = Path("-")
TEXT = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
SUFFIXES = (*TEXT, *PARQUET)
SEPARATORS = ",;\t|"
PEEK = 1 << 16
LONGEST_CELL = 10_000_000
BYTE_ORDER_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # what Excel understands


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one file: ``columns`` by name, ``[rows]`` each.

    ``faults`` are rows that the file itself spoils (too few or too many cells), by their place
    in the chunk; their cells are missing. ``unusable`` are columns that are not in ``columns``
    because a table cannot hold them, with the reason.
    """

    file: Path
    columns: dict[str, Cells]
    rows: int
    faults: dict[int, str]
    unusable: dict[str, str] = field(default_factory=dict)


def is_table_file(path: Path) -> bool:
    """Whether the name says CSV or Parquet, or is the standard input."""
    return path == STDIN or path.suffix.lower() in SUFFIXES


def open_tables(files: Sequence[Path], rows: int) -> Iterator[Chunk]:
    """All rows of all files in order, at most ``rows`` at a time.

    Raises:
        DataError: a file is missing, empty, not what its name says, or has broken headings.
    """
    for file in files:
        suffix = file.suffix.lower()
        read = _parquet if suffix in PARQUET else _arrays if suffix in ARRAYS else _csv
        yield from read(file, rows)


def _csv(file: Path, rows: int) -> Iterator[Chunk]:
    with _text(file) as stream:
        reader, skipped = None, 0
        try:
            head = stream.read(PEEK)
            asked = SEPARATOR_LINE.match(head)
            if asked is not None:
                head, skipped = head[asked.end() :], 1
            if not head.strip():
                raise DataError(f"{file} is empty: a table needs a line of column names and rows.")
            csv.field_size_limit(LONGEST_CELL)
            separator = _separator(head) if asked is None else asked[1]
            reader = csv.reader(_Rejoined(head, stream), delimiter=separator, strict=True)
            names = _headings(next(line for line in reader if line), file)
            yield from _csv_chunks(reader, names, file, rows)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file} is not text in {error.encoding} (byte {error.object[error.start]:#04x} "
                f"after line {reader.line_num + skipped if reader else 0}): save it as UTF-8."
            ) from error
        except csv.Error as error:
            raise DataError(
                f"{file}, line {reader.line_num + skipped if reader else 1}: {error}. "
                f"Is there a quote that is not closed, here or further up?"
            ) from error


def _csv_chunks(reader: Any, names: list[str], file: Path, rows: int) -> Iterator[Chunk]:
    width, seen = len(names), 0
    while lines := list(islice(reader, rows)):
        # An empty line is no row, unless the table has one column: then it is an empty cell.
        lines = [line or [""] for line in lines if line or width == 1]
        faults = {
            row: f"has {len(line)} cells, the heading has {width}"
            for row, line in enumerate(lines)
            if len(line) != width
        }
        for row in faults:
            lines[row] = [""] * width
        seen += len(lines)
        if not lines:
            continue
        cells = np.array(lines, dtype=object)
        cells[cells == ""] = None
        columns: dict[str, Cells] = {name: cells[:, i] for i, name in enumerate(names)}
        yield Chunk(file, columns, len(lines), faults)
    if not seen:
        raise DataError(f"{file} has column names but no rows.")


def _headings(names: list[str], file: Path) -> list[str]:
    names = [name.strip() for name in names]
    for place, name in enumerate(names):
        if not name and place == 0:
            names[0] = NAMELESS  # the index column that pandas writes
        elif not name:
            raise DataError(f"{file}: column {place + 1} has no name. Give every column a name.")
        elif names.index(name) != place:
            raise DataError(
                f"{file}: the column name '{name}' is there twice. Rename one: columns are found "
                f"by name."
            )
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{file}: the first line holds only numbers ({', '.join(names[:4])} …), but it has to "
            f"hold the column names. Add a line of names."
        )
    if any(_is_number(name) for name in names):
        shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        logger.info("note: %s: its first line is taken as column names: %s", file, shown)
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _separator(head: str) -> str:
    """The one of , ; tab | that splits the first lines into the most equal parts."""
    lines = [line for line in head.splitlines() if line][:20]
    lines = lines[:-1] if len(lines) > 2 and len(head) == PEEK else lines

    def fit(separator: str) -> tuple[int, int]:
        counts = [len(next(csv.reader([line], delimiter=separator))) for line in lines]
        agreeing = counts.count(counts[0])
        return (agreeing if counts[0] > 1 else 0, counts[0])

    return max(SEPARATORS, key=fit)


@contextmanager
def _text(file: Path) -> Iterator[TextIO]:
    try:
        raw = sys.stdin.buffer if file == STDIN else file.open("rb", buffering=0)
        with io.BufferedReader(cast(io.RawIOBase, raw), PEEK) as stream:
            encoding = _encoding(stream.peek(PEEK), file)
            yield io.TextIOWrapper(stream, encoding=encoding, newline="")
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error


def _encoding(start: bytes, file: Path) -> str:
    """What a text is written in, by its mark or else by its first bytes."""
    for mark, name in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return name
    if b"\0" in start:
        raise DataError(f"{file} holds binary data, not the text of a CSV file.")
    return "utf-8" if _is_utf8(start) else "cp1252"  # of older spreadsheets in western Europe


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(start) == PEEK and error.start > PEEK - 4  # only the last character is cut
    return True


class _Rejoined:
    """The lines of a text whose beginning was already read."""

    def __init__(self, head: str, rest: TextIO) -> None:
        tail = rest.readline() if not head.endswith("\n") else ""
        self._head, self._rest = io.StringIO(head + tail, newline=""), rest

    def __iter__(self) -> "_Rejoined":
        return self

    def __next__(self) -> str:
        """The next line, with its end."""
        line = self._head.readline() or self._rest.readline()
        if not line:
            raise StopIteration
        return line


def _parquet(file: Path, rows: int) -> Iterator[Chunk]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"reading {file} needs pyarrow: pip install 'nice-anomaly[table]', or save it as CSV."
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as parquet:
            names = parquet.schema_arrow.names
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{file}: the column name '{twice}' is there twice. Rename one.")
            if not parquet.metadata.num_rows:
                raise DataError(f"{file} has columns but no rows.")
            for batch in parquet.iter_batches(batch_size=rows):
                columns: dict[str, Cells] = {}
                unusable: dict[str, str] = {}
                for name, column in zip(names, batch.columns, strict=True):
                    cells = _arrow_cells(column)
                    if cells is None:
                        unusable[name] = f"a cell is of the type {column.type}"
                    else:
                        columns[name] = cells
                yield Chunk(file, columns, batch.num_rows, {}, unusable)
    except OSError as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}.") from error
    except pyarrow.ArrowException as error:
        raise DataError(f"{file} is not a whole Parquet file: {error}.") from error


def _arrow_cells(column: Any) -> Cells | None:
    """One column of a Parquet file; None for nested or binary ones, which are not tabular."""
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        return _arrow_cells(column.dictionary_decode())
    if kinds.is_integer(kind) and _too_long(column):
        cells = np.empty(len(column), dtype=object)
        cells[:] = column.cast("string").to_pylist()
        return cells
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        values: NDArray[np.float64] = np.asarray(
            column.cast("float64", safe=False).to_numpy(zero_copy_only=False), dtype=np.float64
        )
        return values
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        moments: NDArray[np.datetime64] = (
            column.cast("timestamp[us]", safe=False).to_numpy(zero_copy_only=False)
        ).astype("datetime64[us]")
        return moments
    if kinds.is_boolean(kind) or kinds.is_string(kind) or kinds.is_large_string(kind):
        cells = np.empty(len(column), dtype=object)
        cells[:] = column.cast("string").to_pylist()
        return cells
    if kinds.is_null(kind):
        return np.full(len(column), np.nan)
    return None


def _too_long(integers: Any) -> bool:
    """Whether some are not exact as float64, as long numbers that name things are."""
    import pyarrow.compute

    bounds = pyarrow.compute.min_max(integers).as_py()
    return any(value is not None and abs(value) >= EXACT for value in bounds.values())


def _arrays(file: Path, rows: int) -> Iterator[Chunk]:
    array, extras = open_array(file)
    if array.ndim != 2:
        raise DataError(f"{file} holds an array of shape {array.shape}; a table has two axes.")
    for start in range(0, len(array), rows):
        piece = np.asarray(array[start : start + rows], dtype=np.float64)
        columns: dict[str, Cells] = {f"x{i}": piece[:, i] for i in range(piece.shape[1])}
        for name, values in extras.items():
            if name in columns:
                raise DataError(f"{file}: the array '{name}' has the name of a column. Rename it.")
            columns[name] = np.asarray(values[start : start + rows], dtype=np.float64)
        yield Chunk(file, columns, len(piece), {})
