"""Cells: what one column of a file holds, as numbers, moments in time or words.

A column arrives as one of three arrays: float64 (NaN is missing), datetime64 (NaT is missing)
or objects that are strings or None. Text files know only strings; what they mean is found here.
"""

import re
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "#n/a"})

NEVER = np.datetime64("NaT", "us")
EXACT = 2.0**53  # beyond it not every integer is a float64
THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+")

Cells = NDArray[np.float64] | NDArray[np.datetime64] | NDArray[np.object_]


def missing(cells: Cells) -> NDArray[np.bool_]:
    """Which cells are empty, ``[n]``.

    >>> missing(np.array(["1", "", "NA", None], dtype=object)).tolist()
    [False, True, True, True]
    """
    if cells.dtype.kind == "f":
        nan: NDArray[np.bool_] = np.isnan(cells.astype(np.float64))
        return nan
    if cells.dtype.kind == "M":
        nat: NDArray[np.bool_] = np.isnat(cells.astype("datetime64[us]"))
        return nat
    empty: NDArray[np.bool_] = np.array(
        [c is None or c.strip().lower() in MISSING for c in cells], dtype=bool
    )
    return empty


def numbers(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The cells as numbers, and which are neither missing nor finite numbers; both ``[n]``.

    A decimal comma is understood where a point gives no number. Cells that are missing or no
    number are NaN.

    >>> values, wrong = numbers(np.array(["1.5", "2,5", "", "abc", "inf"], dtype=object))
    >>> values.tolist(), wrong.tolist()
    ([1.5, 2.5, nan, nan, nan], [False, False, False, True, True])
    """
    if cells.dtype.kind == "f":
        values = cells.astype(np.float64)
        wrong = np.isinf(values)
    elif cells.dtype.kind == "M":
        values = np.full(len(cells), np.nan)
        wrong = ~missing(cells)
    else:
        try:
            values = cells.astype(np.float64)  # fast: all at once, None is NaN
            wrong = np.isinf(values)
        except ValueError:
            empty = missing(cells)
            values = np.array(
                [np.nan if e else _number(c) for c, e in zip(cells, empty, strict=True)]
            )
            wrong = ~empty & ~np.isfinite(values)
    return np.where(wrong, np.nan, values), wrong


def moments(cells: Cells) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """The cells as moments in time (UTC, microseconds), and which are none; both ``[n]``.

    Text has to be ISO 8601: 2025-03-01, 2025-03-01T12:30, 2025-03-01 12:30:00+01:00.

    >>> values, wrong = moments(np.array(["2025-03-01 12:30", None, "soon"], dtype=object))
    >>> values.astype(str).tolist(), wrong.tolist()
    (['2025-03-01T12:30:00.000000', 'NaT', 'NaT'], [False, False, True])
    """
    if cells.dtype.kind == "M":
        return cells.astype("datetime64[us]"), np.zeros(len(cells), dtype=bool)
    empty = missing(cells)
    if cells.dtype.kind == "f":
        return np.full(len(cells), NEVER), ~empty
    values = np.array(
        [NEVER if e else _moment(c) for c, e in zip(cells, empty, strict=True)],
        dtype="datetime64[us]",
    )
    return values, ~empty & np.isnat(values)


def words(cells: Cells) -> NDArray[np.object_]:
    """The cells as text, missing ones as None; numbers as short as they can be.

    >>> words(np.array([1.0, 2.5, np.nan])).tolist()
    ['1', '2.5', None]
    """
    empty = missing(cells)
    if cells.dtype.kind == "f":
        texts = [_shortest(value) for value in cells.astype(np.float64).tolist()]
    elif cells.dtype.kind == "M":
        texts = [str(value) for value in cells]
    else:
        texts = ["" if cell is None else _plain(cell) for cell in cells]
    result = np.empty(len(cells), dtype=object)
    result[:] = texts
    result[empty] = None
    return result


def _plain(text: str) -> str:
    """Without spaces around; truths in small letters, as programs differ in how they write them."""
    text = text.strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _shortest(value: float) -> str:
    whole = value.is_integer() and abs(value) < EXACT
    return str(int(value)) if whole else f"{value:.15g}"


def _number(text: str) -> float:
    if THOUSANDS.fullmatch(text.strip()):
        return np.nan  # 1,009 may be a thousand and nine, or one and a bit
    for attempt in (text, text.replace(",", ".", 1) if "." not in text else text):
        try:
            return float(attempt)
        except ValueError:
            continue
    return np.nan


def _moment(text: str) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return NEVER
    return np.datetime64(moment, "us")
