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
from nice_anomaly.limits import beyond, limit
from nice_anomaly.words import brief

logger = logging.getLogger(__name__)

SEPARATORS = ",;\t|"
PEEK = 1 << 16
BYTE_ORDER_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
OLDER = "cp1252"  # of older spreadsheets in western Europe
UNUSUAL = re.compile(  # a word that ASCII does not have
    r"[^\s,;|\"]{0,30}[^\x00-\x7f][^\s,;|\"]{0,30}"
)
SEPARATOR_LINE = re.compile(r"sep=([^\w\"'.\r\n])\r?\n", re.IGNORECASE)  # what Excel understands


def text_chunks(file: Path, rows: int, dialect: Dialect = ANY) -> Iterator[Chunk]:
    """The rows of a CSV file or of the standard input, at most ``rows`` at a time.

    Raises:
        DataError: missing, empty, binary, with broken headings, or with a quote left open.
    """
    with _text(file) as (stream, marked):
        lines, reader = _Lines(stream, file), None
        try:
            asked = SEPARATOR_LINE.match(lines.head)
            if asked is not None:
                lines.begin(asked.end())
            if not lines.head:
                raise DataError(f"{file} is empty: a table needs a line of column names and rows.")
            csv.field_size_limit(limit("line") + 4 * PEEK)  # refused before, in other words
            separator = dialect.separator or (asked[1] if asked else _separator(lines.head))
            reader = csv.reader(lines, delimiter=separator, strict=True)
            sheet = headed(lines.records(reader), file)
            written = Written(separator, "", marked)
            for chunk in sheet_chunks(readable(file), sheet, rows, _texts, written):
                signs = "." if separator == "," and not lines.quoted else ".,"
                yield replace(chunk, signs=signs)
        except UnicodeDecodeError as error:
            line = reader.line_num + lines.skipped if reader else 0
            where = f"after line {line}" if reader else "near its beginning"
            raise DataError(
                f"{file} is not text in {stream.encoding} (byte {error.object[error.start]:#04x} "
                f"{where}): save it as UTF-8."
            ) from error
        except csv.Error as error:
            why = brief(str(error).replace("\t", "\\t"))
            line = reader.line_num + lines.skipped if reader else 1
            raise DataError(
                f"{file}, line {line}: {why}. "
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
    first, *rest = [line for line in cut.splitlines() if line.strip()][:LOOKED_AT] or [head]
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
        "note: %s is not UTF-8: read as Windows-1252, as in '%s'",
        file,
        brief(word and word[0], 30),
    )
    return OLDER


def _is_utf8(start: bytes) -> bool:
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # only the last character is cut
    return True


class _Lines:
    """The lines of a text from the first that is not blank; ``head`` is what was read ahead.

    ``skipped`` lines were left out. Where ``quoted`` is false there was no quote so far, and no
    cell holds what parts the cells.
    """

    def __init__(self, text: TextIO, file: Path) -> None:
        self._text, self._file = text, file
        self.quoted, self.skipped, self._pending = False, 0, 0
        self.head = text.read(PEEK)
        while self.head.isspace():
            self.skipped += self.head.count("\n")
            self.head = text.read(PEEK)

    def begin(self, place: int) -> None:
        """Leave out the line that ends at this place of the head."""
        self.head, self.skipped = self.head[place:], self.skipped + 1

    def __iter__(self) -> Iterator[str]:
        block, most = self.head, limit("line")
        while block:
            block += self._text.readline(most + 1) if not block.endswith("\n") else ""
            self.quoted = self.quoted or '"' in block
            self._pending += len(block)
            if self._pending > most:
                self._refuse_long(block, most)
            yield from io.StringIO(block, newline="")
            block = self._text.read(PEEK)

    def _refuse_long(self, block: str, most: int) -> None:
        """Raises DataError where no record has ended for as long as a line may be."""
        lines = io.StringIO(block, newline="")
        if self._pending - len(block) > most or max(map(len, lines)) > most:
            closed = " Or is there a quote that is not closed?" if self.quoted else ""
            raise DataError(beyond("line", None, f"a row of {self._file}") + closed)

    def records(self, reader: Iterator[list[str]]) -> Iterator[list[str]]:
        """What a reader makes of them."""
        for record in reader:
            self._pending = 0
            yield record
