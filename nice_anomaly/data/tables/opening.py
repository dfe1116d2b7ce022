"""Opening: every kind of table, read piece by piece, columns by name.

Whatever it comes from, a piece is a mapping from column name to cells; memory does not grow with
the number of rows in a file. CSV needs nothing but Python; Parquet, Arrow and frames need the
extra 'table', workbooks the extra 'excel'.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.tables import columnar, workbook
from nice_anomaly.data.tables.arrow import Frame, frame_chunks
from nice_anomaly.data.tables.chunk import Chunk, array_chunks
from nice_anomaly.data.tables.columnar import arrow_chunks, parquet_chunks
from nice_anomaly.data.tables.database import Query, query_chunks
from nice_anomaly.data.tables.dialect import ANY, Dialect
from nice_anomaly.data.tables.packed import STDIN, is_text_table
from nice_anomaly.data.tables.signs import settled
from nice_anomaly.data.tables.text import text_chunks
from nice_anomaly.data.tables.workbook import workbook_chunks

READERS = logging.getLogger("nice_anomaly.data")
Table = Path | Arrays | Frame | Query


def is_table_file(path: Path, *, named: bool = False) -> bool:
    """Whether the name says a table, or is the standard input; ``named`` is a file given by name.

    >>> is_table_file(Path("a.xlsx")), is_table_file(Path("readme.txt"))
    (True, False)
    """
    if path == STDIN or is_text_table(path, named=named):
        return True
    older = workbook.OLDER if named else ()
    return path.suffix.lower() in (*columnar.SUFFIXES, *columnar.IPC, *workbook.SUFFIXES, *older)


def open_tables(parts: Sequence[Table], rows: int, dialect: Dialect = ANY) -> Iterator[Chunk]:
    """All rows of all files, arrays and frames in order, at most ``rows`` at a time.

    Raises:
        DataError: a file is missing, empty, not what its name says, or has broken headings; or a
            number in it may be one thing or another.
    """
    for part in parts:
        if isinstance(part, Arrays):
            yield from array_chunks(part, rows)
        else:
            yield from settled(_chunks(part, rows, dialect), dialect)


@contextmanager
def unheard() -> Iterator[None]:
    """Without what readers have to say of a table: it was said before, or will be."""
    level = READERS.level
    READERS.setLevel(logging.WARNING)
    try:
        yield
    finally:
        READERS.setLevel(level)


def _chunks(part: Path | Frame | Query, rows: int, dialect: Dialect) -> Iterator[Chunk]:
    if isinstance(part, Frame):
        return frame_chunks(part, rows)
    if isinstance(part, Query):
        return query_chunks(part, rows)
    suffix = part.suffix.lower()
    if suffix in columnar.SUFFIXES:
        return parquet_chunks(part, rows)
    if suffix in columnar.IPC:
        return arrow_chunks(part, rows)
    if suffix in (*workbook.SUFFIXES, *workbook.OLDER):
        return workbook_chunks(part, rows, dialect)
    return text_chunks(part, rows, dialect)
