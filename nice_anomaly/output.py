"""Output: one row a sample, as CSV, JSON lines, Parquet or a workbook, written as samples come.

The file grows under another name and takes its own when it is complete: whoever reads it sees
all rows or none.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_unfit, replacing
from nice_anomaly.sheets import Sheet, as_text, csv_writer, is_formula
from nice_anomaly.values import as_arrow, plain, taken
from nice_anomaly.words import brief

SUFFIXES = (".csv", ".jsonl", ".parquet", ".xlsx")
NEEDED = {".parquet": ("pyarrow", "table"), ".xlsx": ("openpyxl", "excel")}  # and its extra
FORMATS = {"score": "0.00", "margin": "0.00", "p_value": "0.0000"}  # as a sheet shows them
WORDS = {None: "", True: "true", False: "false"}

Columns = Mapping[str, Any]  # by name: lists, numpy or Arrow arrays of one length


@dataclass(frozen=True)
class Arrangement:
    """How a file of rows is written: the signs and the byte order mark of a CSV, which rows, in
    which order.

    ``flagged_only`` leaves out what passed, not what could not be read. ``by_score`` keeps all rows
    in memory, to write the least probable first. ``names`` are the columns, or else those of the
    first rows. Without ``formulas`` a cell of a CSV that a spreadsheet would run is made a text.
    """

    separator: str = ","
    decimal: str = "."
    marked: bool = False
    flagged_only: bool = False
    by_score: bool = False
    formulas: bool = True
    names: tuple[str, ...] = ()


class Rows(Protocol):
    """Something that rows can be added to; ``formulas`` counts cells that a spreadsheet runs."""

    formulas: int

    def add(self, columns: Columns) -> None:
        """Append one row for every entry of the columns, which are equally long."""

    def close(self) -> None:
        """Write the end."""


class Arranged:
    """Rows that are chosen and ordered on their way into a file; ``count`` of them so far."""

    def __init__(self, rows: Rows, how: Arrangement) -> None:
        self._rows, self._how, self.count = rows, how, 0
        self._names = list(how.names)
        self._kept: list[Columns] = []

    @property
    def formulas(self) -> int:
        """How many cells a spreadsheet would run, once all is written."""
        return self._rows.formulas

    def add(self, columns: Columns) -> None:
        """Take in rows; with an order they are written at the end.

        Raises:
            ConfigError: there is a column that is none of the file's.
        """
        columns = self._aligned(columns)
        if self._how.flagged_only:
            places = np.flatnonzero([flagged is not False for flagged in columns["flagged"]])
            columns = {name: taken(values, places) for name, values in columns.items()}
        self.count += len(columns["id"])
        if self._how.by_score:
            self._kept.append(columns)
        else:
            self._rows.add(columns)

    def _aligned(self, columns: Columns) -> Columns:
        """In the order of the file's columns: other rows may have another one, or lack some."""
        self._names = self._names or list(columns)
        known = {*self._names}
        new = next((name for name in columns if name not in known), None)
        if new is not None:
            raise ConfigError(
                f"the files have different columns: '{brief(new)}' is not in the first. Give files "
                f"of the same columns, or leave `keep_columns` away."
            )
        nothing = [None] * len(columns["id"])
        return {name: columns.get(name, nothing) for name in self._names}

    def close(self) -> None:
        """Write what waited for its place."""
        if self._kept:
            scores = [score for columns in self._kept for score in columns["score"]]
            order = np.argsort([np.inf if s is None else s for s in scores], kind="stable")
            every = {
                name: [value for columns in self._kept for value in plain(columns[name])]
                for name in self._kept[0]
            }
            self._rows.add({name: taken(values, order) for name, values in every.items()})
        self._rows.close()


AS_THEY_COME = Arrangement()


@contextmanager
def open_rows(path: Path, how: Arrangement = AS_THEY_COME) -> Iterator[Arranged]:
    """A file of rows by the suffix of its name; it appears whole at the end of the block.

    Raises:
        ConfigError: another suffix, or a format whose library is not installed.
        ArtifactError: the file cannot be written.
    """
    check(path)
    with replacing(path) as temporary:
        rows: Rows
        match path.suffix:
            case ".csv":
                rows = _Csv(temporary, how)
            case ".jsonl":
                rows = _JsonLines(temporary)
            case ".parquet":
                rows = _Parquet(temporary)
            case _:
                rows = _Workbook(temporary)
        arranged = Arranged(rows, how)
        try:
            yield arranged
        except BaseException:
            rows.close()
            raise
        arranged.close()


def check(path: Path) -> None:
    """Say at once what would fail after hours.

    Raises:
        ConfigError: an unknown suffix, or a format whose library is not installed.
        ConfigError, ArtifactError: no place for a file, see ``refuse_unfit``.
    """
    refuse_unfit(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"`output` takes a name ending in {', '.join(SUFFIXES)}, got '{path}'.")
    library, extra = NEEDED.get(path.suffix, ("json", ""))
    if find_spec(library) is None:
        raise ConfigError(
            f"writing {path.suffix} needs {library}: pip install 'nice-anomaly[{extra}]', or "
            f"choose .csv or .jsonl."
        )


class _Csv:
    def __init__(self, path: Path, how: Arrangement) -> None:
        encoding = "utf-8-sig" if how.marked else "utf-8"
        self._stream: TextIO = path.open("w", -1, encoding, "backslashreplace", newline="")
        self._writer = csv_writer(self._stream, how.separator)
        self._how, self._begun, self.formulas = how, False, 0

    def add(self, columns: Columns) -> None:
        """Append rows; a missing value is an empty cell, a truth is true or false."""
        if not self._begun:
            self._writer.writerow(self._cells([*columns]))
            self._begun = True
        self._writer.writerows(zip(*map(self._cells, columns.values()), strict=True))

    def _cells(self, column: Any) -> Iterator[Any]:
        for value in plain(column):
            if value is None or isinstance(value, bool):
                yield WORDS[value]
            elif isinstance(value, float) and self._how.decimal != ".":
                yield repr(value).replace(".", self._how.decimal)
            elif isinstance(value, str) and is_formula(value):
                self.formulas += self._how.formulas
                yield value if self._how.formulas else as_text(value)
            else:
                yield value

    def close(self) -> None:
        self._stream.close()


class _JsonLines:
    formulas = 0

    def __init__(self, path: Path) -> None:
        self._stream: TextIO = path.open("w", encoding="utf-8", newline="")

    def add(self, columns: Columns) -> None:
        """Append one object a row; a missing value is null, and so is what is no finite number."""
        for row in zip(*map(plain, columns.values()), strict=True):
            known = (
                None if isinstance(cell, float) and not isfinite(cell) else cell for cell in row
            )
            line = json.dumps(dict(zip(columns, known, strict=True)), default=str)
            self._stream.write(line + "\n")

    def close(self) -> None:
        self._stream.close()


class _Parquet:
    formulas = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def add(self, columns: Columns) -> None:
        """Append rows as one row group; a missing value is null."""
        import pyarrow
        import pyarrow.parquet

        try:
            arrays = {name: as_arrow(pyarrow, name, values) for name, values in columns.items()}
            table = pyarrow.table(arrays)
            if self._writer is None:
                self._writer = pyarrow.parquet.ParquetWriter(self._path, table.schema)
            self._writer.write_table(table.cast(self._writer.schema))
        except (pyarrow.ArrowException, ValueError) as error:
            raise ConfigError(
                f"the files have columns of different kinds, which Parquet cannot hold: {error}. "
                f"Choose .csv or .jsonl."
            ) from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Workbook:
    formulas = 0

    def __init__(self, path: Path) -> None:
        self._path, self._sheet, self._begun = path, Sheet("found"), False

    def add(self, columns: Columns) -> None:
        """Append rows, below their names."""
        if not self._begun:
            self._sheet.head(list(columns), [FORMATS.get(name) for name in columns])
            self._begun = True
        for row in zip(*map(plain, columns.values()), strict=True):
            self._sheet.append(row)

    def close(self) -> None:
        self._sheet.save(self._path)
