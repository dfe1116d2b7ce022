"""Values: a column of a list, a numpy or an Arrow array, as what files of rows are made of."""

from datetime import date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_REASONS = 3  # of a row in a file
REASONS = [f"{name}_{i}" for i in range(1, MOST_REASONS + 1) for name in ("reason", "expected")]
TEXTS = ("id", "group", "note", "view", "nearest", "box", *REASONS)
OURS = dict.fromkeys(TEXTS, (str, "string")) | {"row": (int, "int64"), "flagged": (bool, "bool_")}
OURS |= dict.fromkeys(("score", "margin", "p_value"), (float, "float64"))  # what Arrow calls them


def plain(column: Any) -> list[Any]:
    """A column as Python's values: whole numbers without a fraction, None for what is missing."""
    if isinstance(column, list):
        return column
    if hasattr(column, "to_pylist"):
        try:
            return list(column.to_pylist())
        except (OverflowError, ValueError):  # moments that Python's are too coarse or few for
            return list(column.cast("string").to_pylist())
    if column.dtype.kind == "M":
        return [None if np.isnat(moment) else moment.item() for moment in column]
    if column.dtype.kind != "f":
        return list(column.tolist())
    return [
        None
        if value != value
        else int(value)
        if value.is_integer() and abs(value) < 1e15
        else value
        for value in column.tolist()
    ]


def taken(column: Any, places: NDArray[np.int64]) -> Any:
    """The values of a column at some places."""
    if isinstance(column, list):
        return [column[place] for place in places]
    return column.take(places)


def as_arrow(pyarrow: Any, name: str, column: Any) -> Any:
    """A column as an Arrow array of the type that all of its rows have."""
    if not isinstance(column, list):
        kind = pyarrow.string() if hasattr(column, "dtype") and column.dtype.kind == "O" else None
        of_arrow = hasattr(column, "to_pylist")
        return column if of_arrow else pyarrow.array(column, kind, from_pandas=True)
    known = {date: pyarrow.date32(), datetime: pyarrow.timestamp("us"), time: pyarrow.time64("us")}
    kinds = {type(value) for value in column if value is not None}
    if name in OURS and kinds <= {OURS[name][0]}:  # the input may have other values of that name
        return pyarrow.array(column, getattr(pyarrow, OURS[name][1])())
    return pyarrow.array(column, known.get(kinds.pop()) if len(kinds) == 1 else None)
