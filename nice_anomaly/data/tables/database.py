"""Databases: the rows of a query in SQLite, given as ``sqlite:///file.db?SELECT * FROM parts``."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from nice_anomaly.data.tables.cells import typed
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.errors import DataError

PREFIX = "sqlite:///"


@dataclass(frozen=True)
class Query:
    """A query, or the name of a table, in a file of SQLite."""

    path: Path
    query: str

    @property
    def name(self) -> str:
        """The file with what is asked of it."""
        return f"{self.path.name}?{self.query}"

    @property
    def address(self) -> str:
        """What names the same again from anywhere."""
        return f"{PREFIX}{self.path.absolute()}?{self.query}"


def query_of(address: str) -> Query:
    """The query that an address names.

    Raises:
        DataError: it names no file or asks for nothing.

    >>> query_of("sqlite:///a/parts.db?SELECT%20*%20FROM%20t").query
    'SELECT * FROM t'
    """
    file, _, query = address.removeprefix(PREFIX).partition("?")
    path = Path(unquote(file))
    if not query.strip():
        tables = f" It has the tables {', '.join(_tables(path))}." if path.is_file() else ""
        raise DataError(
            f"{address} does not say which rows: add a table or a query, as in "
            f"'{PREFIX}{file}?SELECT * FROM parts'.{tables}"
        )
    return Query(path, unquote(query).strip())


def query_chunks(part: Query, rows: int) -> Iterator[Chunk]:
    """The rows that a query gives, at most ``rows`` at a time.

    Raises:
        DataError: no such file, no database, or a query that cannot be answered.
    """
    if not part.path.is_file():
        raise DataError(f"{part.path}: there is no such file.")
    try:
        with closing(_connected(part.path)) as connection:
            cursor = connection.execute(_selected(part, _tables(part.path)))
            names = [column[0] for column in cursor.description or ()]
            yield from _chunks(part, cursor, names, rows)
    except (sqlite3.Error, sqlite3.Warning) as error:
        known = (
            f" It has the tables {', '.join(_tables(part.path))}."
            if "no such" in str(error)
            else ""
        )
        raise DataError(f"{part.path}: {error} (asked: {part.query}).{known}") from error


def _chunks(
    part: Query, cursor: sqlite3.Cursor, names: Sequence[str], rows: int
) -> Iterator[Chunk]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{part.name}: the column name '{twice}' is there twice. Rename one.")
    start = 0
    while lines := cursor.fetchmany(rows):
        table = np.empty((len(lines), len(names)), dtype=object)
        table[:] = lines
        columns, unusable = {}, {}
        for place, name in enumerate(names):
            values = table[:, place]
            if any(isinstance(value, bytes) for value in values):
                unusable[name] = "a cell is binary"
            else:
                columns[name] = typed(values)
        yield Chunk(part.name, start, columns, len(lines), {}, unusable)
        start += len(lines)
    if not start:
        raise DataError(f"{part.name} gives no rows.")


def _connected(path: Path) -> sqlite3.Connection:
    """Read only: a query can change nothing."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)


def _tables(path: Path) -> list[str]:
    try:
        with closing(_connected(path)) as connection:
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table','view')"
            )
            return [name for (name,) in found]
    except sqlite3.Error:
        return []


def _selected(part: Query, tables: Sequence[str]) -> str:
    if part.query not in tables and " " in part.query:
        return part.query
    name = part.query.replace('"', '""')
    return f'SELECT * FROM "{name}"'
