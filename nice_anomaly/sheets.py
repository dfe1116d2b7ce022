"""Sheets: rows of Python's values as a workbook or a CSV, texts as texts and nothing cut."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, repeat
from math import isfinite
from pathlib import Path
from shutil import copyfileobj
from typing import Any, TextIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from nice_anomaly.errors import ConfigError

MOST_LINES, LONGEST = 1_048_576, 32_767  # lines of a sheet, signs of a cell
ALWAYS = datetime(1980, 1, 1)  # when every workbook was written, as far as it says
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
HARMLESS = re.compile(  # a lone sign; a number, with its unit, with what is usual
    r"[\s=+\-@]*|\s*[+-]?\.?\d[\d.,'\s]*+(?:[eE][+-]?\d+)?[%°µ]?\w*\s*(?:\(90 %: [-+\d.eE –to]+\))?"
)


def is_formula(text: str) -> bool:
    r"""Whether a spreadsheet that opens a CSV would run a cell instead of showing it.

    >>> [is_formula(text) for text in ("=1+1", "@SUM(A1)", "-2+cmd|' /C calc'!A0", "\t=1")]
    [True, True, True, True]
    >>> [is_formula(t) for t in ("-3.5", "+1,5 °C", "-", "P-001", "1=1", "-1 (90 %: -2 to 0)")]
    [False, False, False, False, False, False]
    """
    return bool(FORMULA.match(text)) and not HARMLESS.fullmatch(text)


def as_text(cell: str) -> str:
    """A cell that a spreadsheet shows: one that it would run has an apostrophe before it.

    >>> as_text("=1+1"), as_text("-1")
    ("'=1+1", '-1')
    """
    return f"'{cell}" if is_formula(cell) else cell


@dataclass(frozen=True)
class CsvLines:
    r"""What ``csv_writer`` writes to: its lines end in \n, and a cell with a lone \r is quoted."""

    stream: TextIO

    def write(self, line: str) -> int:
        """Take in a row, which ends in the two signs that the writer quotes."""
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def csv_writer(stream: TextIO, separator: str = ",") -> Any:
    """A writer of rows; what it writes is read again as it was, whatever is in the cells."""
    return csv.writer(CsvLines(stream), lineterminator="\r\n", delimiter=separator)


class Sheet:
    """The only sheet of a new workbook, written row by row."""

    def __init__(self, title: str) -> None:
        from openpyxl import Workbook

        self._book = Workbook(write_only=True)
        self._sheet, self._lines = self._book.create_sheet(title), 0
        self._formats: Sequence[str | None] = ()

    def head(self, names: Sequence[str], formats: Sequence[str | None]) -> None:
        """Begin with the names of the columns, and how each shows its numbers.

        Names of columns and rows stay in sight, and rows can be chosen by any column.
        """
        self._sheet.freeze_panes = "B2"
        self._sheet.column_dimensions["A"].width = 20
        self.append(names)
        self._formats = formats

    def append(self, row: Iterable[Any]) -> None:
        """Add a row; what a sheet does not know is text.

        Raises:
            ConfigError: the sheet is full, or a text is longer than a cell.
        """
        if self._lines == MOST_LINES:
            raise ConfigError(
                f"a sheet holds at most {MOST_LINES - 1:,} rows: choose .csv or .parquet, or "
                f"`flagged_only=True`."
            )
        self._lines += 1
        self._sheet.append(list(map(self._cell, row, chain(self._formats, repeat(None)))))

    def save(self, path: Path) -> None:
        """Write the workbook; the same rows make the same bytes, whenever that is."""
        from openpyxl.utils import get_column_letter
        from openpyxl.writer.excel import ExcelWriter

        if self._formats:
            last = get_column_letter(len(self._formats))
            self._sheet.auto_filter.ref = f"A1:{last}{self._lines}"
        self._book.properties.created = self._book.properties.modified = ALWAYS
        archive = _Timeless(path, "w", ZIP_DEFLATED)
        ExcelWriter(self._book, archive).save()

    def _cell(self, value: Any, shown: str | None) -> Any:
        from openpyxl.cell import WriteOnlyCell

        if value is None or _is_known(value):
            if value is None or shown is None:
                return value
            cell = WriteOnlyCell(self._sheet, value)
            cell.number_format = shown
            return cell
        text = UNPRINTABLE.sub("", str(value))
        if len(text) > LONGEST:
            raise ConfigError(
                f"a cell of a sheet holds at most {LONGEST:,} signs, and there is one of "
                f"{len(text):,}: choose .csv or .parquet."
            )
        cell = WriteOnlyCell(self._sheet, text)
        cell.data_type = "s"  # a name that begins with = is no formula
        return cell


class _Timeless(ZipFile):
    """An archive that does not say when its files were written."""

    def write(self, filename: Any, arcname: Any = None, *_: Any) -> None:
        """Add a file."""
        entry = _entry(arcname)
        entry.file_size = Path(filename).stat().st_size
        with Path(filename).open("rb") as source, self.open(entry, "w") as target:
            copyfileobj(source, target)

    def writestr(self, name: Any, data: Any, *_: Any) -> None:
        """Add a content."""
        super().writestr(_entry(name), data)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, ALWAYS.timetuple()[:6])
    entry.compress_type = ZIP_DEFLATED
    return entry


def _is_known(value: Any) -> bool:
    """Whether a sheet has such a cell: of moments it knows none before 1900, and no zones."""
    if isinstance(value, date):
        return value.year >= 1900 and not getattr(value, "tzinfo", None)
    return isinstance(value, bool | int | time | Decimal) or (
        isinstance(value, float) and isfinite(value)
    )
