"""Text files of rows: CSV and its relatives in many encodings, read piece by piece."""

import csv
import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.columns import NAMELESS
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

STDIN = Path("-")
SUFFIXES = (".csv", ".tsv")
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


def text_chunks(file: Path, rows: int) -> Iterator[Chunk]:
    """The rows of a CSV file or of the standard input, at most ``rows`` at a time.

    Raises:
        DataError: missing, empty, binary, with broken headings, or with a quote left open.
    """
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
            yield from _chunks(reader, names, file, rows)
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


def _chunks(reader: Any, names: list[str], file: Path, rows: int) -> Iterator[Chunk]:
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
        if not lines:
            continue
        cells = np.array(lines, dtype=object)
        cells[cells == ""] = None
        columns: dict[str, Cells] = {name: cells[:, i] for i, name in enumerate(names)}
        yield Chunk(readable(file), seen, columns, len(lines), faults)
        seen += len(lines)
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
