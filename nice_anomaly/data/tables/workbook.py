"""Workbooks: the sheet of an Excel file that holds the table."""

import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.tables.cells import Cells, typed
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Dialect, Written
from nice_anomaly.data.tables.heading import filled, headed
from nice_anomaly.data.tables.sheet import sheet_chunks
from nice_anomaly.errors import DataError

SUFFIXES = (".xlsx", ".xlsm")
OLDER = (".xls", ".xlsb", ".ods")
PROTECTED = b"\xd0\xcf\x11\xe0"  # of a compound file: an older workbook, or an encrypted one
DAMAGE = (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, SyntaxError)


def workbook_chunks(file: Path, rows: int, dialect: Dialect) -> Iterator[Chunk]:
    """The rows of a workbook's only sheet with a table, or the one that was said.

    Raises:
        DataError: protected, damaged, of an older kind, or with several sheets and none named.
    """
    with _book(file) as book:
        sheet = book[_sheet(book, file, dialect.sheet)]
        sheet.reset_dimensions()  # some programs write wrong ones
        with closing(sheet.iter_rows(values_only=True)) as lines:
            found = headed(lines, file)
            yield from sheet_chunks(readable(file), found, rows, _typed, Written())


def _typed(values: NDArray[np.object_]) -> list[Cells]:
    """The columns, each of the type that all of its values have."""
    return [typed(column) for column in values.T]


@contextmanager
def _book(file: Path) -> Iterator[Any]:
    if file.suffix.lower() in OLDER:
        raise DataError(f"{file}: {file.suffix} is not read. Save it as .xlsx or .csv.")
    try:
        from openpyxl import load_workbook
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
            stream.seek(0)
            yield load_workbook(stream, read_only=True, data_only=True)
    except DAMAGE as error:
        raise DataError(f"{file} cannot be read as a workbook: {error}.") from error


def _sheet(book: Any, file: Path, asked: str) -> str:
    """The name of the sheet that is meant."""
    if asked:
        if asked not in book.sheetnames:
            raise DataError(f"{file} has no sheet '{asked}'. It has: {', '.join(book.sheetnames)}.")
        return asked
    sheets = {sheet.title: sheet for sheet in book.worksheets if sheet.sheet_state == "visible"}
    with_cells = [str(name) for name, sheet in sheets.items() if _has_cells(sheet)]
    if len(with_cells) > 1:
        raise DataError(
            f"{file} has {len(with_cells)} sheets ({', '.join(with_cells)}): say which holds the "
            f"rows with `sheet='{with_cells[0]}'`."
        )
    if not with_cells:
        raise DataError(f"{file} is empty: a table needs a line of column names and rows.")
    return with_cells[0]


def _has_cells(sheet: Any) -> bool:
    sheet.reset_dimensions()
    with closing(sheet.iter_rows(values_only=True)) as lines:
        return any(filled(cell) for line in lines for cell in line)
