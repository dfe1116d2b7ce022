"""Book: the sheets of an Excel file and the values in their rows, in bounded memory.

The format is zipped XML. What it says is understood by openpyxl; here it is taken in piece by
piece, and what was understood is let go of, so that no file makes more of itself than it may.
"""

import re
import warnings
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import IO, Any
from xml.etree.ElementTree import Element, iterparse

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import builtin_format_code, is_date_format, is_timedelta_format
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import ARC_STYLE, SHARED_STRINGS, SHEET_MAIN_NS

from nice_anomaly.data.tables.packed import HONEST, refuse_many_members
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit, refuse_beyond
from nice_anomaly.words import brief

PART = 2_000_000  # bytes of a part that describes others
MOST_LINES = 1_048_576  # that a sheet has
TAG = f"{{{SHEET_MAIN_NS}}}"
ESCAPED = re.compile(r"x005F_")  # how a sign stands there that looks like an escape


@dataclass(frozen=True)
class Styles:
    """Which styles of cells show numbers as dates, and which of these as spans of time."""

    dates: set[int] = field(default_factory=set)
    spans: set[int] = field(default_factory=set)


class Book(ExcelReader):  # type: ignore[misc]
    """An open workbook; ``sheets`` are the places of its sheets by name, ``hidden`` some of them.

    Raises:
        DataError: a part of it is too large.
    """

    def __init__(self, stream: IO[bytes], name: str, *, values: bool) -> None:
        refuse_many_members(stream, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__(stream, read_only=True, data_only=values, keep_links=False)
            self.archive, self.name = _Archive(stream, name), name
            self.sheets: dict[str, str] = {}
            self.hidden: set[str] = set()
            self.read_manifest()
            self.read_strings()
            self.read_workbook()
            self.styles = self._styles()
            self.read_worksheets()

    def read_strings(self) -> None:
        """The texts that cells point to."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        place = part.PartName[1:]
        refuse_beyond("strings", self.archive.getinfo(place).file_size, self.name)
        parts: list[str] = []
        with self.archive.open(place) as source:
            for above, element in _ended(source):
                if element.tag == f"{TAG}t" and not _within(above, f"{TAG}rPh"):
                    parts.append(element.text or "")
                elif element.tag == f"{TAG}si":
                    self.shared_strings.append(ESCAPED.sub("", "".join(parts)))
                    parts.clear()

    def read_worksheets(self) -> None:
        """Where the sheets of cells are."""
        for sheet, where in self.parser.find_sheets():
            if where.target in self.valid_files and "chartsheet" not in where.Type:
                self.sheets[sheet.name] = where.target
                if sheet.state != "visible":
                    self.hidden.add(sheet.name)

    def lines(self, sheet: str) -> Generator[tuple[Any, ...]]:
        """The values in the rows of a sheet, none where a row is not there.

        Raises:
            DataError: rows beyond the last or in no order, or more cells than a table has.
        """
        where = f"{self.name}, sheet '{brief(sheet)}'"
        parser = WorkSheetParser(
            None,
            self.shared_strings,
            data_only=self.data_only,
            epoch=self.wb.epoch,
            date_formats=self.styles.dates,
            timedelta_formats=self.styles.spans,
        )
        done = 0
        with self.archive.open(self.sheets[sheet]) as packed:
            source = _Metered(packed, where)
            for row in _rows(source, where):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    number, cells = parser.parse_row(row)
                parser.row_dimensions.clear()
                source.begin()
                if not done < number <= MOST_LINES:
                    raise DataError(f"{where}: the row {number:.20g} follows the row {done}.")
                yield from repeat((), number - done - 1)
                done = number
                yield _values(cells, where)

    def _styles(self) -> Styles:
        """As the numbers of cells are shown."""
        found, codes, count = Styles(), {}, 0
        if ARC_STYLE not in self.valid_files:
            return found
        refuse_beyond("strings", self.archive.getinfo(ARC_STYLE).file_size, self.name)
        with self.archive.open(ARC_STYLE) as source:
            for above, element in _ended(source):
                if element.tag == f"{TAG}numFmt" and _within(above, f"{TAG}numFmts"):
                    codes[element.get("numFmtId")] = element.get("formatCode", "")[:1000]
                elif element.tag == f"{TAG}xf" and _within(above, f"{TAG}cellXfs"):
                    key = element.get("numFmtId", "0")
                    code = codes.get(key) or builtin_format_code(int(key))
                    found.dates.update({count} if is_date_format(code) else ())
                    found.spans.update({count} if is_timedelta_format(code) else ())
                    count += 1
        return found


class _Archive(zipfile.ZipFile):
    """The parts of a workbook, each refused where it is too large; a size in it cannot lie."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__(stream)
        self._name = name

    def read(self, name: Any, pwd: bytes | None = None) -> bytes:
        """A part that describes others, whole."""
        if self.getinfo(name).file_size > PART:
            raise DataError(
                f"{self._name}: its part '{brief(name)}' is larger than any such part is."
            )
        return super().read(name, pwd)

    def open(self, name: Any, *how: Any, **more: Any) -> IO[bytes]:
        """A part, piece by piece."""
        info = self.getinfo(name) if isinstance(name, str) else name
        if info.file_size > max(limit("unpacked"), HONEST * info.compress_size):
            raise DataError(beyond("unpacked", info.file_size, self._name))
        return super().open(info, *how, **more)


class _Metered:
    """A part of which no more is read for one row than a line of a table may have."""

    def __init__(self, source: IO[bytes], where: str) -> None:
        self._source, self._where = source, where
        self.begin()

    def begin(self) -> None:
        """The next row begins."""
        self._left = limit("line")

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if self._left < 0:
            raise DataError(beyond("line", None, f"a row in {self._where}"))
        self._left -= size
        return self._source.read(size)


def _ended(source: Any) -> Iterator[tuple[list[Element], Element]]:
    """Every element as it ends, and those that it lies in; it is let go of then."""
    above: list[Element] = []
    for event, element in iterparse(source, ("start", "end")):
        if event == "start":
            above.append(element)
            continue
        above.pop()
        yield above, element
        if above:
            above[-1].clear()


def _within(above: list[Element], tag: str) -> bool:
    return bool(above) and above[-1].tag == tag


def _rows(source: Any, where: str) -> Iterator[Element]:
    """The rows of a sheet, whole, in the order in which they stand there."""
    most = limit("columns")
    above: list[Element] = []
    inside = False
    for event, element in iterparse(source, ("start", "end")):
        if event == "start":
            inside = inside or element.tag == f"{TAG}row"
            above.append(element)
            continue
        above.pop()
        if element.tag == f"{TAG}row":
            inside = False
            yield element
        if element.tag == f"{TAG}sheetData":
            return
        if above and not inside:
            above[-1].clear()
        elif above and len(above[-1]) > most:
            raise DataError(beyond("columns", None, where))


def _values(cells: list[dict[str, Any]], where: str) -> tuple[Any, ...]:
    """The values of cells at their places."""
    width = max((cell["column"] for cell in cells), default=0)
    refuse_beyond("columns", width, where)
    line = [None] * width
    for cell in cells:
        line[cell["column"] - 1] = cell["value"]
    return tuple(line)
