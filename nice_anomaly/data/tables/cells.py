"""Cells: what one column of a file holds, as numbers, moments in time or words.

A column arrives as one of three arrays: float64 (NaN is missing), datetime64 (NaT is missing)
or objects that are strings or None. Text files know only strings; what they mean is found here.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.numerals import certain, open_to_both, undressed

MISSING = frozenset(  # the last are errors of spreadsheets
    (
        "", "na", "n/a", "n.a.", "nan", "nat", "null", "none", "nil", "?", "-", "--", "---", "<na>",
        "(null)", "\\n", "k.a.",
        "#n/a", "#nv", "#value!", "#wert!", "#div/0!", "#ref!", "#bezug!", "#name?", "#num!",
        "#zahl!", "#null!",
    )
)  # fmt: skip
LONGEST = 1_000  # characters by which texts are told apart
EXACT = 2.0**53  # beyond it not every integer is a float64

Cells = NDArray[np.float64] | NDArray[np.datetime64] | NDArray[np.object_]


def missing(cells: Cells) -> NDArray[np.bool_]:
    """Which cells are empty, or hold an error of a spreadsheet, ``[n]``.

    >>> missing(np.array(["1", "", "NA", None, "#DIV/0!"], dtype=object)).tolist()
    [False, True, True, True, True]
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


def cut(text: str) -> str:
    """A text as long as it is told apart by, and one character more if it goes on."""
    return text[: LONGEST + 1]


def numbers(cells: Cells, unit: str = "") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The cells as numbers, and which are neither missing nor finite numbers; both ``[n]``.

    With a ``unit`` every text has to end, or begin, with it. Cells that are missing or no number
    are NaN, and so are those that may be either of two numbers.

    >>> values, wrong = numbers(np.array(["1.5", "2,5", "", "abc", "1,234"], dtype=object))
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
            values = _all_at_once(cells, unit)
            wrong = np.isinf(values)
        except ValueError:
            empty = missing(cells)
            values = np.array(
                [np.nan if e else _number(c, unit) for c, e in zip(cells, empty, strict=True)]
            )
            wrong = ~empty & ~np.isfinite(values)
    return np.where(wrong, np.nan, values), wrong


def words(cells: Cells) -> NDArray[np.object_]:
    """The cells as text, missing ones as None; numbers as short as they can be.

    >>> words(np.array([1.0, 2.5, np.nan])).tolist()
    ['1', '2.5', None]
    """
    empty = missing(cells)
    if cells.dtype.kind == "f":
        texts = [shortest(value) for value in cells.astype(np.float64).tolist()]
    elif cells.dtype.kind == "M":
        texts = [str(value) for value in cells]
    else:
        texts = ["" if cell is None else _plain(cell) for cell in cells]
    result = np.empty(len(cells), dtype=object)
    result[:] = texts
    result[empty] = None
    return result


def typed(values: Sequence[Any] | NDArray[np.object_]) -> Cells:
    """One column of Python's values, as a workbook or a database has them.

    >>> typed([1, None, 2.5]).tolist(), typed([1, "a", True, None]).tolist()
    ([1.0, nan, 2.5], ['1', 'a', 'true', None])
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and all(v is None or abs(v) < EXACT or v != v for v in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kinds and kinds <= {datetime, date}:
        return np.array(
            [np.datetime64("NaT") if v is None else v for v in values], "datetime64[us]"
        )
    texts = np.empty(len(values), dtype=object)
    texts[:] = [None if value is None else _text(value) for value in values]
    return texts


def shortest(value: float) -> str:
    """A number in as few digits as give it back.

    >>> shortest(3.0), shortest(0.1 + 0.2)
    ('3', '0.3')
    """
    if not math.isfinite(value):
        return str(value)
    whole = value.is_integer() and abs(value) < EXACT
    return str(int(value)) if whole else f"{value:.15g}"


def _plain(text: str) -> str:
    """Without spaces around; truths in small letters, as programs differ in how they write them."""
    text = text.strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = shortest(value)
        return f"{text}0" if open_to_both(text) else text  # nobody takes 1.2340 for thousands
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


def _all_at_once(cells: Cells, unit: str) -> NDArray[np.float64]:
    """Quickly, None as NaN; raises ValueError where a cell needs a closer look."""
    if unit or any(cell is not None and "_" in cell for cell in cells):
        raise ValueError("not as Python writes numbers")  # nor is 2024_01 one
    values: NDArray[np.float64] = cells.astype(np.float64)
    return values


def _number(text: str, unit: str) -> float:
    number, own = undressed(text) if unit else (text, "")
    if own != unit:
        return np.nan
    try:
        plain = float(number) if "_" not in number else None
    except ValueError:
        plain = certain(number)
    return np.nan if plain is None else plain
