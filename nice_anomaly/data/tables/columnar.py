"""Columnar files, Parquet and Arrow: as many rows at a time as fit into memory when unpacked."""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.arrow import TEXTS, chunk_of, pyarrow_for, refuse_twice
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.heading import PIECE
from nice_anomaly.data.tables.promises import DELTAS, POINTING, TOLD, blocks, pages, parts, unpacked
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit, refuse_beyond
from nice_anomaly.words import brief

SUFFIXES = (".parquet", ".pq")
IPC = (".arrow", ".feather", ".ipc")
MAGIC = b"ARROW1"  # of a file, which is no stream
HONEST = 1_000  # times its size is what the cells of a file of any size may be
FOLDED = 100  # times its size is what the values of a nested column may be
TEXT, NUMBER = 64, 16  # bytes of a cell in memory, about
Eight = Callable[[int], bytes]  # of a body, at a place
DAMAGE = (ValueError, LookupError, TypeError, OverflowError, MemoryError)


def parquet_chunks(file: Path, rows: int) -> Iterator[Chunk]:
    """The rows of a Parquet file, at most ``rows`` at a time.

    Raises:
        DataError: no Parquet file or not a whole one, no rows, or a name that is there twice.
    """
    pyarrow = pyarrow_for(f"reading {file}", ", or save it as CSV")
    from pyarrow.parquet import ParquetFile

    plain = {"pre_buffer": False, "buffer_size": 1 << 20}
    try:
        with ParquetFile(file, **plain) as parquet:
            schema = parquet.schema_arrow
            refuse_twice(schema.names, file)
            if not parquet.metadata.num_rows:
                raise DataError(f"{file} has columns but no rows.")
            _refuse_many(parquet.metadata.num_rows * len(schema.names), file)
            most, pointing = _looked_at(parquet, file)
        rows = min(rows, most)
        repeated = [field.name for field in schema if str(field.type) in TEXTS]
        repeated = [name for name in repeated if name in pointing]
        with ParquetFile(file, read_dictionary=repeated, **plain) as parquet:
            start = 0
            for batch in parquet.iter_batches(batch_size=rows):
                for piece, faults in _pieces(batch, rows, file, repeated):
                    yield chunk_of(readable(file), start, piece, None, faults)
                    start += piece.num_rows
    except OSError as error:
        raise DataError(f"{file} cannot be read as Parquet: {_why(error)}.") from error
    except (pyarrow.ArrowException, *DAMAGE) as error:
        raise DataError(f"{file} is not a whole Parquet file: {_why(error)}.") from error


def arrow_chunks(file: Path, rows: int) -> Iterator[Chunk]:
    """The rows of an Arrow file or stream, Feather among them, at most ``rows`` at a time.

    Raises:
        DataError: no such file or not a whole one, no rows, or a name that is there twice.
    """
    pyarrow = pyarrow_for(f"reading {file}", ", or save it as CSV")
    try:
        with pyarrow.memory_map(str(file)) as source:
            whole = source.read(len(MAGIC)) == MAGIC
            source.seek(0)
            _check_messages(file, None if whole else pyarrow.ipc.MessageReader.open_stream(source))
            source.seek(0)
            if whole:
                reader = pyarrow.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
            else:
                reader = batches = pyarrow.ipc.open_stream(source)
            refuse_twice(reader.schema.names, file)
            start = 0
            for batch in batches:
                _refuse_many(batch.num_rows * batch.num_columns, file)
                for piece, faults in _pieces(batch, rows, file, ()):
                    yield chunk_of(readable(file), start, piece, None, faults)
                    start += piece.num_rows
        if not start:
            raise DataError(f"{file} has columns but no rows.")
    except OSError as error:
        raise DataError(f"{file} cannot be read as Arrow: {_why(error)}.") from error
    except (pyarrow.ArrowException, *DAMAGE) as error:
        raise DataError(f"{file} is not a whole Arrow file: {_why(error)}.") from error


def _why(error: Exception) -> str:
    return brief(getattr(error, "strerror", None) or error, 300).rstrip(".")


def _refuse_many(cells: int, file: Path) -> None:
    """Raises DataError where a file says a thousandfold of what it could hold by itself."""
    if 8 * cells > max(limit("unpacked"), HONEST * file.stat().st_size):
        raise DataError(beyond("unpacked", 8 * cells, file))


def _looked_at(parquet: Any, file: Path) -> tuple[int, set[str]]:
    """How many rows are read at once, by what pages unpack to; columns that tell a text once.

    Raises:
        DataError: a page is too large, or a nested column has too many values for its size.
    """
    schema = parquet.metadata.schema
    columns = [schema.column(place) for place in range(len(schema.names))]
    texts = [column.physical_type == "BYTE_ARRAY" for column in columns]
    rows = PIECE // max(1, sum(TEXT if text else NUMBER for text in texts))
    encodings: list[set[int]] = [set() for _ in columns]
    with file.open("rb") as stream:
        for part in parts(stream):
            values = 0
            for page in pages(stream, part):
                refuse_beyond("page", page.size, file)
                values += page.values
                encodings[part.column].add(page.encoding)
                if page.encoding == DELTAS:  # each may be as long as the page
                    rows = min(rows, PIECE // max(1, page.size))
            if columns[part.column].max_repetition_level:
                _refuse_nested(values, part.size, file)
    pointing = {
        column.path
        for column, found in zip(columns, encodings, strict=True)
        if found <= TOLD and found & POINTING
    }
    return int(max(1, rows)), pointing


def _refuse_nested(values: int, size: int, file: Path) -> None:
    """Raises DataError where few bytes make so many values that one row may have them all."""
    if NUMBER * values > max(limit("batch"), FOLDED * size):
        raise DataError(beyond("batch", NUMBER * values, file))


def _check_messages(file: Path, reader: Any) -> None:
    """Raises DataError where a message of a stream, or of a file, unpacks to more than it may."""
    try:
        with file.open("rb") as stream:
            for message, eight in _of_stream(reader) if reader else _of_file(stream):
                refuse_beyond("batch", unpacked(message, eight), file)
    except (struct.error, IndexError) as error:
        raise ValueError("one of its messages is damaged") from error


def _of_stream(reader: Any) -> Iterator[tuple[bytes, Eight]]:
    with suppress(StopIteration):
        while True:
            message = reader.read_next_message()
            body = memoryview(b"" if message.body is None else message.body)
            yield message.metadata.to_pybytes(), partial(_taken, body)


def _of_file(stream: IO[bytes]) -> Iterator[tuple[bytes, Eight]]:
    for message, begin in blocks(stream):
        yield message, partial(_read, stream, begin)


def _taken(body: memoryview, place: int) -> bytes:
    return bytes(body[place : place + 8])


def _read(stream: IO[bytes], begin: int, place: int) -> bytes:
    stream.seek(begin + place)
    return stream.read(8)


def _pieces(
    batch: Any, rows: int, file: Path, repeated: Sequence[str]
) -> Iterator[tuple[Any, dict[int, str]]]:
    """Consecutive rows of a batch that fit into memory, and those with a cell that is too long.

    The columns that are ``repeated`` were read as each text once; here they are texts again.
    """
    batch.validate(full=True)
    entries = [_entries(column) for column in batch.columns]
    for first in range(0, batch.num_rows, rows):
        part = batch.slice(first, rows)
        lengths = [
            _lengths(column, known) for column, known in zip(part.columns, entries, strict=True)
        ]
        sizes = sum((length + TEXT for length in lengths if length is not None), start=np.zeros(1))
        part, faults = _without_long(part, lengths, file)
        weights = sizes + NUMBER * part.num_columns + np.zeros(part.num_rows)
        weights[list(faults)] = 0
        for start, stop in _cuts(weights):
            piece = part.slice(start, stop - start)
            for name in repeated:
                place = piece.schema.get_field_index(name)
                texts = piece.column(place)
                if hasattr(texts, "dictionary"):
                    texts = texts.cast(texts.type.value_type)
                piece = piece.set_column(place, name, texts)
            here = {row - start: why for row, why in faults.items() if start <= row < stop}
            yield piece, here


def _cuts(weights: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Where rows are parted so that those together weigh no more than a piece may, or are one."""
    above = np.concatenate([[0.0], np.cumsum(weights)])
    start = 0
    while start < len(weights):
        stop = max(start + 1, int(np.searchsorted(above, above[start] + PIECE, side="right")) - 1)
        yield start, stop
        start = stop


def _entries(column: Any) -> NDArray[np.int64] | None:
    """How long the texts are that a column of few points to; None for another."""
    return _lengths(column.dictionary, None) if hasattr(column, "dictionary") else None


def _lengths(column: Any, entries: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """How long each text of a column is, 0 for a missing one; None for one of no texts."""
    import pyarrow.compute

    if hasattr(column, "dictionary"):
        if entries is None:
            return None
        known = pyarrow.compute.fill_null(column.indices.cast("int64"), len(entries))
        places = np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.int64)
        return np.append(entries, np.int64(0))[places]
    kind = str(column.type)
    if kind in ("string_view", "binary_view"):
        views = np.frombuffer(column.buffers()[1], dtype=np.int32)
        sizes = views[4 * column.offset :: 4][: len(column)].astype(np.int64)
        sizes[column.is_null().to_numpy(zero_copy_only=False)] = 0
        return sizes
    if kind not in (*TEXTS, "binary", "large_binary"):
        return None
    found = pyarrow.compute.fill_null(pyarrow.compute.binary_length(column), 0)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _without_long(
    batch: Any, lengths: Sequence[NDArray[np.int64] | None], file: Path
) -> tuple[Any, dict[int, str]]:
    """The same without cells that are too long, and the rows that had them."""
    import pyarrow

    faults: dict[int, str] = {}
    for place, sizes in enumerate(lengths):
        long = None if sizes is None else sizes > limit("cell")
        if sizes is None or long is None or not long.any():
            continue
        column, name = batch.column(place), batch.schema.names[place]
        if "view" in str(column.type):
            raise DataError(beyond("cell", int(sizes.max()), file))
        for row in np.flatnonzero(long).tolist():
            faults[row] = beyond("cell", int(sizes[row]), "it").rstrip(".")
        there = pyarrow.array(np.arange(len(long)), mask=long)
        batch = batch.set_column(place, name, column.take(there))
    return batch, faults
