"""Names of files and rows as text, for identifiers and errors."""

import os
from pathlib import Path


def readable(file: Path, root: Path | None = None) -> str:
    """A file name as text, relative to ``root``; bytes that are no UTF-8 become escapes."""
    path = file.relative_to(root) if root is not None else file
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def row_of(name: str, number: int) -> str:
    """A row of a file, frame or array in words, as errors name it.

    >>> row_of("rows.csv", 41)
    'rows.csv, row 41 (the first is 0)'
    """
    return f"{name}, row {number} (the first is 0)"
