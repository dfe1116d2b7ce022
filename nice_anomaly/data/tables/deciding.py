"""Deciding: what every column of a table is, from its normal rows."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import LONGEST, Cells, missing, numbers, words
from nice_anomaly.data.tables.columns import MOST_CATEGORIES, OTHER, Column
from nice_anomaly.data.tables.heading import NAMELESS
from nice_anomaly.data.tables.moments import form_of, moments
from nice_anomaly.data.tables.numerals import CODE, both, undressed
from nice_anomaly.errors import DataError
from nice_anomaly.words import brief, listed

LEAST_SHARE = 0.9  # of the filled cells must be numbers for a column of numbers
MIXED_SHARE = 0.5  # above it a column of words has so many numbers that it was meant as one
SECOND = 1e6  # microseconds


def learn_columns(table: Mapping[str, Cells], dates: str = "") -> tuple[Column, ...]:
    """Decide what every column of normal rows is.

    ``dates`` says whether day or month come first where a column leaves it open: dmy or mdy.

    Raises:
        DataError: no column can be used.
    """
    columns = tuple(learn_column(name, cells, dates) for name, cells in table.items())
    if not any(column.width for column in columns):
        told = [f"{brief(column.name)}: {brief(column.reason, 200)}" for column in columns[:5]]
        reasons = "; ".join([*told, "…"] if len(columns) > len(told) else told)
        raise DataError(f"no column of the table can be learned from ({reasons}).")
    return columns


def learn_column(name: str, cells: Cells, dates: str = "") -> Column:
    """Decide what one column is; one that cannot be used is left out with the reason."""
    if name == NAMELESS:
        return Column(name, "left out", "it has no name: a row number, as pandas writes it")
    empty = missing(cells)
    filled = cells[~empty]
    share = float(empty.mean()) if len(cells) else 0.0
    if not len(filled):
        return Column(name, "left out", "every cell is missing", missing=share)
    form, unclear = form_of(filled, name, dates)
    if form is not None:
        return _date(name, filled, form, share)
    if unclear:
        return Column(name, "left out", unclear, missing=share)
    values, wrong = numbers(filled)
    if wrong.all() and cells.dtype.kind == "f":
        return Column(name, "left out", "no cell is a finite number")
    if cells.dtype.kind == "f":  # never words of numbers
        return _number(name, values[~wrong], share)
    codes = any(CODE.fullmatch(text.strip()) for text in filled)
    if wrong.mean() <= 1 - LEAST_SHARE and not codes:
        return _number(name, values[~wrong], share)
    unit, remark = _unit(filled)
    if unit:
        values, wrong = numbers(filled, unit)
        return _number(name, values[~wrong], share, unit)
    remark = "codes with leading zeros" if codes else remark or _mixed(filled, values, wrong)
    return _category(name, words(filled), share, remark)


def daily(cells: Cells, form: str) -> float:
    """How many moments there are on a day that has any; the first and last day may be parts."""
    found, _ = moments(cells, form)
    days = found[~np.isnat(found)].astype("datetime64[D]")
    _, counts = np.unique(days, return_counts=True)
    return float((counts[1:-1] if len(counts) > 2 else counts).mean())


def _number(name: str, values: NDArray[np.float64], share: float, unit: str = "") -> Column:
    return Column(
        name,
        "number",
        fill=float(np.median(values)),
        low=float(values.min()),
        high=float(values.max()),
        step=_level_width(values),
        gaps=share > 0,
        unit=unit,
        missing=share,
    )


def _level_width(values: NDArray[np.float64]) -> float:
    """The step of the grid that the values lie on, if they repeat enough to show one."""
    levels = np.unique(values)
    if len(levels) < 2 or len(levels) > len(values) / 2:
        return 0.0
    step = float(np.diff(levels).min())
    places = (levels - levels[0]) / step
    on_grid = np.abs(places - np.rint(places)).max() < 1e-6 * max(1.0, float(places.max()))
    return step if on_grid and places.max() < 1e6 else 0.0


def _date(name: str, filled: Cells, form: str, share: float) -> Column:
    found, _ = moments(filled, form)
    seconds = found[~np.isnat(found)].astype(np.int64) / SECOND
    return Column(
        name,
        "date",
        low=float(seconds.min()),
        high=float(seconds.max()),
        gaps=share > 0,
        form=form,
        missing=share,
    )


def _unit(filled: Cells) -> tuple[str, str]:
    """The unit that all numbers of a column have, or what is wrong with their units."""
    parts = [undressed(text) for text in filled]
    units = Counter(unit for number, unit in parts if both(number) != (None, None))
    if units.total() < LEAST_SHARE * len(filled) or set(units) == {""}:
        return "", ""
    (unit, times), *others = units.most_common()
    if unit and times >= LEAST_SHARE * len(filled):
        return unit, ""
    named = listed(other or "none" for other, _ in [(unit, times), *others][:4])
    return "", f"numbers with different units ({named}): write them in one"


def _mixed(filled: Cells, values: NDArray[np.float64], wrong: NDArray[np.bool_]) -> str:
    """A remark on words among so many numbers that they may not have been meant."""
    if not 1 - wrong.mean() >= MIXED_SHARE:
        return ""
    word, times = Counter(filled[wrong].tolist()).most_common(1)[0]
    return (
        f"{len(values) - wrong.sum():,} of {len(values):,} cells are numbers, but not "
        f"'{brief(word, 30)}' ({times:,} times): leave such cells empty to have numbers"
    )


def _category(name: str, texts: NDArray[np.object_], share: float, remark: str) -> Column:
    if max(map(len, texts)) > LONGEST:
        reason = f"a text has more than {LONGEST:,} characters, too many for a category"
        return Column(name, "left out", remark or reason, missing=share)
    values = [text for text, _ in sorted(Counter(texts).items(), key=lambda one: (-one[1], one[0]))]
    if len(values) > MOST_CATEGORIES:
        reason = f"{len(values):,} different texts in {len(texts):,} rows"
        spoken = np.median([len(value.split()) for value in values]) > 1  # remarks, not names
        if remark or spoken or len(values) > len(texts) / 2:
            return Column(name, "left out", remark or reason, missing=share)
    known = tuple(values)
    if len(known) > MOST_CATEGORIES:
        known = (*known[: MOST_CATEGORIES - 1], OTHER)
    return Column(name, "category", remark, categories=known, gaps=share > 0, missing=share)
