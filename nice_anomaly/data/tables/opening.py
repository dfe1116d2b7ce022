"""Opening: every kind of table, read piece by piece, columns by name.

Whatever it comes from, a piece is a mapping from column name to cells; memory does not grow with
the number of rows in a file. CSV needs nothing but Python; Parquet and frames need the extra
'table'.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.tables import arrow, text
from nice_anomaly.data.tables.arrow import Frame, frame_chunks, parquet_chunks
from nice_anomaly.data.tables.chunk import Chunk, array_chunks
from nice_anomaly.data.tables.text import STDIN, text_chunks


def is_table_file(path: Path) -> bool:
    """Whether the name says CSV or Parquet, or is the standard input."""
    return path == STDIN or path.suffix.lower() in (*text.SUFFIXES, *arrow.SUFFIXES)


def open_tables(parts: Sequence[Path | Arrays | Frame], rows: int) -> Iterator[Chunk]:
    """All rows of all files, arrays and frames in order, at most ``rows`` at a time.

    Raises:
        DataError: a file is missing, empty, not what its name says, or has broken headings.
    """
    for part in parts:
        if isinstance(part, Arrays):
            yield from array_chunks(part, rows)
        elif isinstance(part, Frame):
            yield from frame_chunks(part, rows)
        elif part.suffix.lower() in arrow.SUFFIXES:
            yield from parquet_chunks(part, rows)
        else:
            yield from text_chunks(part, rows)
