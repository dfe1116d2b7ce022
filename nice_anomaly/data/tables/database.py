"""Databases: the rows of a query in SQLite, given as ``sqlite:///file.db?SELECT * FROM parts``."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from nice_anomaly.data.tables.cells import typed
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.sheet import pieces
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.words import brief, listed

PREFIX = "sqlite:///"
WIDEST = 5  # times the longest line is what the cells of a row may have together
DAMAGE = (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError, MemoryError)
READING = (
    *(sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ),
    *(sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE),
)


@dataclass(frozen=True)
class Query:
    """A query, or the name of a table, in a file of SQLite."""

    path: Path
    query: str

    @property
    def name(self) -> str:
        """The file with what is asked of it."""
        return brief(f"{self.path.name}?{self.query}", 200)

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
        tables = f" It has the tables {listed(_tables(path))}." if _is_file(path) else ""
        raise DataError(
            f"{brief(address, 200)} does not say which rows: add a table or a query, as in "
            f"'{PREFIX}{brief(file, 200)}?SELECT * FROM parts'.{tables}"
        )
    return Query(path, unquote(query).strip())


def query_chunks(part: Query, rows: int) -> Iterator[Chunk]:
    """The rows that a query gives, at most ``rows`` at a time.

    Raises:
        DataError: no such file, no database, or a query that cannot be answered.
    """
    if not _is_file(part.path):
        raise DataError(f"{brief(part.path, 200)}: there is no such file.")
    try:
        with closing(_connected(part.path)) as connection:
            query = _selected(part, _tables(part.path))
            names = _stoppable(connection, partial(_names, connection, query))
            longest = min(limit("line"), WIDEST * limit("line") // max(1, len(names)))
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
            yield from _chunks(part, connection, query, rows)
    except DAMAGE as error:
        why = "a query may only read" if "not authorized" in str(error) else brief(error, 200)
        if "too big" in why:
            why = beyond("line", None, "a row").rstrip(".")
        known = f" It has the tables {listed(_tables(part.path))}." if "no such" in why else ""
        raise DataError(f"{part.path}: {why} (asked: {brief(part.query, 200)}).{known}") from error


def _chunks(part: Query, connection: sqlite3.Connection, query: str, rows: int) -> Iterator[Chunk]:
    cursor = _stoppable(connection, partial(connection.execute, query))
    names = [column[0] for column in cursor.description or ()]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise DataError(
            f"{part.name}: the column name '{brief(twice)}' is there twice. Rename one."
        )
    start = 0
    found = pieces(cursor, rows, [None] * len(names))
    while (piece := _stoppable(connection, partial(next, found, None))) is not None:
        table = np.empty((len(piece.lines), len(names)), dtype=object)
        table[:] = piece.lines
        columns, unusable = {}, {}
        for place, name in enumerate(names):
            values = table[:, place]
            if any(isinstance(value, bytes) for value in values):
                unusable[name] = "a cell is binary"
            else:
                columns[name] = typed(values)
        yield Chunk(part.name, start, columns, len(table), piece.faults, unusable)
        start += len(table)
    if not start:
        raise DataError(f"{part.name} gives no rows.")


def _stoppable(connection: sqlite3.Connection, act: Callable[[], Any]) -> Any:
    """What an act of SQLite gives, which a signal ends in its midst: it takes none by itself."""
    with ThreadPoolExecutor(1) as pool:
        given = pool.submit(act)
        try:
            return given.result()
        except BaseException:
            connection.interrupt()
            raise


def _connected(path: Path) -> sqlite3.Connection:
    """Read only: a query can change nothing, here or in another file."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    connection.set_authorizer(_allowed)
    return connection


def _allowed(action: int, name: str | None, *_: str | None) -> int:
    """Reading is; a full-text index asks for the version of its data."""
    asked = action == sqlite3.SQLITE_PRAGMA and name == "data_version"
    return sqlite3.SQLITE_OK if action in READING or asked else sqlite3.SQLITE_DENY


def _names(connection: sqlite3.Connection, query: str) -> list[str]:
    """The columns that a query gives; none where it has to be asked as it is."""
    try:
        found = connection.execute(f"SELECT * FROM ({query.rstrip().rstrip(';')}\n) LIMIT 0")
    except DAMAGE:
        return []
    return [column[0] for column in found.description]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _tables(path: Path) -> list[str]:
    try:
        with closing(_connected(path)) as connection:
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table','view')"
            )
            return [name for (name,) in islice(found, limit("columns"))]
    except DAMAGE:
        return []


def _selected(part: Query, tables: Sequence[str]) -> str:
    if part.query not in tables and " " in part.query:
        return part.query
    name = part.query.replace('"', '""')
    return f'SELECT * FROM "{name}"'
