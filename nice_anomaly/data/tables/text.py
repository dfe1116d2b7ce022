"""Text files of rows: CSV and its relatives in many encodings, read piece by piece."""

import csv
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import ANY, Dialect, Written
from nice_anomaly.data.tables.heading import LOOKED_AT, headed
from nice_anomaly.data.tables.numerals import value
from nice_anomaly.data.tables.packed import opened
from nice_anomaly.data.tables.sheet import sheet_chunks
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

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
OLDER = "cp1252"  # of older spreadsheets in western Europe
UNUSUAL = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*")  # a word that ASCII does not have
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # what Excel understands


def text_chunks(file: Path, rows: int, dialect: Dialect = ANY) -> Iterator[Chunk]:
    """The rows of a CSV file or of the standard input, at most ``rows`` at a time.

    Raises:
        DataError: missing, empty, binary, with broken headings, or with a quote left open.
    """
    with _text(file) as (stream, marked):
        reader, skipped = None, 0
        try:
            head = stream.read(PEEK)
            asked = SEPARATOR_LINE.match(head)
            if asked is not None:
                head, skipped = head[asked.end() :], 1
            if not head.strip():
                raise DataError(f"{file} is empty: a table needs a line of column names and rows.")
            csv.field_size_limit(LONGEST_CELL)
            separator = dialect.separator or (asked[1] if asked else _separator(head))
            lines = _Lines(head, stream)
            reader = csv.reader(lines, delimiter=separator, strict=True)
            sheet = headed(reader, file)
            written = Written(separator, "", marked)
            for chunk in sheet_chunks(readable(file), sheet, rows, _texts, written):
                signs = "." if separator == "," and not lines.quoted else ".,"
                yield replace(chunk, signs=signs)
        except UnicodeDecodeError as error:
            where = f"after line {reader.line_num + skipped}" if reader else "near its beginning"
            raise DataError(
                f"{file} is not text in {stream.encoding} (byte {error.object[error.start]:#04x} "
                f"{where}): save it as UTF-8."
            ) from error
        except csv.Error as error:
            raise DataError(
                f"{file}, line {reader.line_num + skipped if reader else 1}: {error}. "
                f"Is there a quote that is not closed, here or further up?"
            ) from error


def _texts(values: NDArray[np.object_]) -> list[Cells]:
    """The columns, nothing as None."""
    values[values == ""] = None
    return list(values.T)


def _separator(head: str) -> str:
    """The one of , ; tab | that splits the first lines into the most equal parts."""
    end = max(map(head.rfind, "\r\n")) + 1
    cut = head[:end] if end and len(head) == PEEK else head
    first, *rest = [line for line in cut.splitlines() if line.strip()][:LOOKED_AT]
    inside = "," not in first and any("," in line for line in rest)
    if inside and all(value(line, ",") is not None for line in rest):
        return ";"  # one column of numbers: their comma parts nothing

    def fit(separator: str) -> tuple[int, int]:
        lines = csv.reader(io.StringIO(cut, newline=""), delimiter=separator)
        counts = [len(line) for line in islice(filter(None, lines), LOOKED_AT)]
        usual = max(counts, key=counts.count)
        return (counts.count(usual) if usual > 1 else 0, usual)

    return max(SEPARATORS, key=fit)


@contextmanager
def _text(file: Path) -> Iterator[tuple[TextIO, bool]]:
    """A file as text, and whether it is any but plain UTF-8: what reads it may need a mark."""
    with opened(file) as raw, io.BufferedReader(cast(io.RawIOBase, raw), PEEK) as stream:
        start = stream.peek(PEEK)
        encoding = _encoding(start, file)
        yield io.TextIOWrapper(stream, encoding=encoding, newline=""), encoding != "utf-8"


def _encoding(start: bytes, file: Path) -> str:
    """What a text is written in, by its mark or else by its first bytes."""
    for mark, name in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return name
    if b"\0" in start:
        raise DataError(f"{file} holds binary data, not the text of a CSV file.")
    if _is_utf8(start):
        return "utf-8"
    word = UNUSUAL.search(start.decode(OLDER, errors="replace"))
    logger.info(
        "note: %s is not UTF-8: read as Windows-1252, as in '%.30s'", file, word and word[0]
    )
    return OLDER


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # only the last character is cut
    return True


class _Lines:
    """The lines of a text whose beginning was read; ``quoted`` if there was a quote so far.

    Without one no cell holds what parts the cells.
    """

    def __init__(self, head: str, rest: TextIO) -> None:
        self._head, self._rest, self.quoted = head, rest, False

    def __iter__(self) -> Iterator[str]:
        block = self._head
        while block:
            block += self._rest.readline() if not block.endswith("\n") else ""
            self.quoted = self.quoted or '"' in block
            yield from io.StringIO(block, newline="")
            block = self._rest.read(PEEK)
