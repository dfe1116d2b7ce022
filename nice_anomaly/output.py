"""Output: one row a sample, as CSV, JSON lines or Parquet, written as the samples come.

The file grows under another name and takes its own when it is complete: whoever reads it sees
all rows or none.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_absent_folder, replacing

SUFFIXES = (".csv", ".jsonl", ".parquet")


class Rows(Protocol):
    """Something that rows can be added to."""

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append one row for every entry of the columns, which are equally long."""


@contextmanager
def open_rows(path: Path) -> Iterator[Rows]:
    """A file of rows by the suffix of its name; it appears whole at the end of the block.

    Raises:
        ConfigError: another suffix, or a format whose library is not installed.
        ArtifactError: the file cannot be written.
    """
    check(path)
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            parquet = _Parquet(temporary)
            try:
                yield parquet
            finally:
                parquet.close()
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                yield _Csv(stream) if path.suffix == ".csv" else _JsonLines(stream)


def check(path: Path) -> None:
    """Say at once what would fail after hours.

    Raises:
        ConfigError: a folder, one that is not there, an unknown suffix, or a format whose library
            is not installed.
    """
    if path.is_dir():
        raise ConfigError(f"`output`: {path} is a folder: name a file in it.")
    refuse_absent_folder(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"`output` takes a name ending in {', '.join(SUFFIXES)}, got '{path}'.")
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "writing Parquet needs pyarrow: pip install 'nice-anomaly[table]', or choose "
                ".csv or .jsonl."
            ) from error


class _Csv:
    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._begun = False

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append rows; a missing value is an empty cell, a truth is true or false."""
        if not self._begun:
            self._writer.writerow(columns)
            self._begun = True
        self._writer.writerows(zip(*map(_cells, columns.values()), strict=True))


class _JsonLines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append one object a row; a missing value is null."""
        for row in zip(*columns.values(), strict=True):
            self._stream.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")


class _Parquet:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append rows as one row group; a missing value is null."""
        import pyarrow
        import pyarrow.parquet

        kinds = {name: pyarrow.string() for name in ("id", "group", "note")}
        kinds["flagged"] = pyarrow.bool_()
        table = pyarrow.table(
            {
                name: pyarrow.array(values, type=kinds.get(name, pyarrow.float64()))
                for name, values in columns.items()
            }
        )
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()


def _cells(values: Sequence[Any]) -> Iterator[Any]:
    words = {None: "", True: "true", False: "false"}
    return (words[v] if v is None or isinstance(v, bool) else v for v in values)
