"""Names of files and rows as text, for identifiers and errors."""

import os
import unicodedata
from pathlib import Path


def readable(file: Path, root: Path | None = None) -> str:
    """A file name as text, relative to ``root``.

    Bytes that are no UTF-8 become escapes, and so does what would break a line or steer a terminal.
    """
    path = file.relative_to(root) if root is not None else file
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(sign: str) -> str:
    steers = unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")
    return ascii(sign)[1:-1] if steers else sign


def row_of(name: str, number: int) -> str:
    """A row of a file, frame or array in words, as errors name it.

    >>> row_of("rows.csv", 41)
    'rows.csv, row 41 (the first is 0)'
    """
    return f"{name}, row {number} (the first is 0)"
