"""Workbooks: the sheet of an Excel file that holds the table."""

import logging
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.cells import Cells, missing, typed
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Dialect, Written
from nice_anomaly.data.tables.heading import LOOKED_AT, filled, headed, some_of
from nice_anomaly.data.tables.sheet import sheet_chunks
from nice_anomaly.errors import DataError
from nice_anomaly.words import brief, listed

if TYPE_CHECKING:
    from nice_anomaly.data.tables.book import Book

logger = logging.getLogger(__name__)

SUFFIXES = (".xlsx", ".xlsm")
OLDER = (".xls", ".xlsb", ".ods")
PROTECTED = b"\xd0\xcf\x11\xe0"  # of a compound file: an older workbook, or an encrypted one
DAMAGE = (  # what openpyxl and those beneath it raise for a damaged or odd file
    *(OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, SyntaxError),
    *(OverflowError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(lzma.LZMAError, struct.error),
)


def workbook_chunks(file: Path, rows: int, dialect: Dialect) -> Iterator[Chunk]:
    """The rows of a workbook's only sheet with a table, or the one that was said.

    Raises:
        DataError: protected, damaged, of an older kind, or with several sheets and none named.
    """
    with _book(file) as book:
        sheet = _sheet(book, file, dialect.sheet)
        with closing(book.lines(sheet)) as lines:
            found = headed(lines, file)
            for chunk in sheet_chunks(readable(file), found, rows, _typed, Written()):
                if not chunk.start:
                    _tell_formulas(file, sheet, chunk)
                yield chunk


def _tell_formulas(file: Path, sheet: str, chunk: Chunk) -> None:
    """Say which empty columns hold formulas that no spreadsheet has worked out yet."""
    empty = [name for name, cells in chunk.columns.items() if missing(cells).all()]
    if not empty:
        return
    with _book(file, values=False) as book, closing(book.lines(sheet)) as all_:
        first = list(islice(some_of(all_), LOOKED_AT))
    with_formulas = {
        place for line in first for place, cell in enumerate(line) if _is_formula(cell)
    }
    names = {
        str(line[place]).strip() for line in first for place in with_formulas if place < len(line)
    }
    for name in (name for name in empty if name in names):
        logger.info(
            "note: %s: the formulas in '%s' have no values: open it in a spreadsheet and save it",
            file,
            brief(name),
        )


def _is_formula(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or cell.startswith("="))


def _typed(values: NDArray[np.object_]) -> list[Cells]:
    """The columns, each of the type that all of its values have."""
    return [typed(column) for column in values.T]


@contextmanager
def _book(file: Path, *, values: bool = True) -> Iterator["Book"]:
    """An open workbook, with the ``values`` of its formulas or with them."""
    if file.suffix.lower() in OLDER:
        raise DataError(f"{file}: {file.suffix} is not read. Save it as .xlsx or .csv.")
    try:
        from nice_anomaly.data.tables.book import Book
    except ImportError as error:
        raise DataError(
            f"reading {file} needs openpyxl: pip install 'nice-anomaly[excel]', or save it as CSV."
        ) from error
    try:
        with file.open("rb") as stream:
            if stream.read(len(PROTECTED)) == PROTECTED:
                raise DataError(
                    f"{file} is protected by a password, or a workbook of an older kind: save it "
                    f"as .xlsx without one."
                )
            yield Book(stream, str(file), values=values)
    except DAMAGE as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if "integer string" in why:
            why = "a number has too many digits"
        raise DataError(f"{file} cannot be read as a workbook: {brief(why, 200)}.") from error


def _sheet(book: "Book", file: Path, asked: str) -> str:
    """The name of the sheet that is meant."""
    if asked:
        if asked not in book.sheets:
            raise DataError(f"{file} has no sheet '{brief(asked)}'. It has: {listed(book.sheets)}.")
        return asked
    visible = [name for name in book.sheets if name not in book.hidden]
    with_cells = [name for name in visible if _has_cells(book, name)]
    if len(with_cells) > 1:
        raise DataError(
            f"{file} has {len(with_cells)} sheets ({listed(with_cells)}): say which holds the "
            f"rows with `sheet='{brief(with_cells[0])}'`."
        )
    if not with_cells:
        raise DataError(f"{file} is empty: a table needs a line of column names and rows.")
    return with_cells[0]


def _has_cells(book: "Book", sheet: str) -> bool:
    with closing(book.lines(sheet)) as lines:
        return any(filled(cell) for line in lines for cell in line)
