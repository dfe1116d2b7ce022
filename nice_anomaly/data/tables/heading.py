"""Heading: where the column names of a sheet of cells are, and which lines are no rows.

People put titles above a table, units below its names and totals at its end. What is left out is
said; what may be a row is kept, with what is wrong with it.
"""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, dropwhile, islice, takewhile
from sys import getsizeof
from typing import Any

from nice_anomaly.data.tables.cells import MISSING
from nice_anomaly.data.tables.numerals import both, undressed
from nice_anomaly.errors import DataError
from nice_anomaly.limits import refuse_beyond
from nice_anomaly.words import brief, count_of, listed

logger = logging.getLogger(__name__)

Line = Sequence[Any]
NAMELESS = "(row)"  # how a first column without a heading is called
PIECE, CELL = 1 << 24, 57  # bytes of cells at a time, and of one
LONGEST_UNIT = 60  # characters
LOOKED_AT = 20  # lines from which the shape of a sheet is seen
TOTAL = re.compile(
    r"(grand |sub)?totals?|sum|summe|gesamt(summe)?|zwischensumme|somme|total général|suma|"
    r"mean|average|mittelwert|durchschnitt|moyenne",
    re.IGNORECASE,
)
UNIT = re.compile(
    r"\s*([\[(].*[\])]|.*[%‰°/²³µΩ].*|[munkp]?(m|s|g|a|v|w|l|n|j|pa|bar|mol|ohm)|[ckdh]m|hpa|[cfkdth]|"
    r"[kmg]?(hz|wh|pa|w|v)|kg|kn|kj|n?min|rpm|nm|psi|inch|in|ft|mil|ppm|ppb|dba?|lu?x|lm|deg|rad|"
    r"deg ?[cf]|count|pcs|stk|stück|bool|sec|hours?|eur|usd)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Headed:
    """A sheet with its column names; ``kept`` are the places of named columns in a line."""

    names: list[str]
    kept: list[int]
    lines: Iterator[Line]

    @property
    def width(self) -> int:
        """How many cells a line has at least."""
        return self.kept[-1] + 1

    def cells(self, lines: Sequence[Line]) -> tuple[list[Line], dict[int, str]]:
        """The cells of lines under the names, and what is wrong with which line."""
        width = self.width
        if width == len(self.kept) and {width} == {*map(len, lines)}:
            return list(lines), {}
        stray = {*range(width)} - {*self.kept}
        cells: list[Line] = []
        faults = {}
        for row, line in enumerate(lines):
            beyond = [*line[width:], *(line[place] for place in stray if place < len(line))]
            if len(line) < width or any(map(filled, beyond)):
                faults[row] = f"has {count_of(len(line), 'cell')}, the heading has {width}"
                cells.append([None] * len(self.kept))
            else:
                cells.append([line[place] for place in self.kept])
        return cells, faults


def headed(lines: Iterator[Line], where: object) -> Headed:
    """The column names of a sheet and the lines of its rows.

    Raises:
        DataError: no names, one that is there twice, or a column without one.
    """
    first = list(islice(some_of(dropwhile(is_empty, lines)), LOOKED_AT))
    start = _comments(first)
    start += _above(first[start:])
    above = [line for line in first[:start] if not is_empty(line)]
    if above:
        shown = brief(" ".join(brief(cell) for cell in above[0] if filled(cell)), 200)
        count = count_of(len(above), "line")
        _say(where, f"{count} above the column names left out: '{shown}'")
    first = first[start:]
    if not first:
        raise DataError(f"{where} is empty: a table needs a line of column names and rows.")
    heading, rows = list(first[0]), first[1:]
    names, kept = _names(heading, rows, where)
    if above and sum(name[0].isdigit() for name in names) > len(names) / 2:
        _refuse_other_sign(above[0], names, where)
    if rows and _is_units(rows[0], rows[1:], kept):
        shown = listed(cell for cell in rows[0] if filled(cell))
        _say(where, f"the line below the column names is taken for units and left out: {shown}")
        rows = rows[1:]
    return Headed(names, kept, chain(rows, lines))


def _refuse_other_sign(above: Line, names: Sequence[str], where: object) -> None:
    """Raises DataError where a line above holds the names, parted by another sign."""
    (cell, *others) = filter(filled, above)
    for sign in ";\t|,":
        if not others and str(cell).count(sign) + 1 >= len(names):
            shown = "tab" if sign == "\t" else sign
            raise DataError(
                f"{where}: its first line, '{brief(cell)}', is one cell, and those below have "
                f"{len(names)}: another sign parts them. Say it with `separator='{shown}'`."
            )


def some_of(lines: Iterator[Line]) -> Iterator[Line]:
    """The first lines, as many as a piece of a table may hold: at least one if there is one."""
    room = PIECE
    for line in lines:
        yield line
        room -= weight(line)
        if room < 0:
            return


def weight(line: Line) -> int:
    """The bytes that the cells of a line take in memory, about."""
    try:
        return CELL * len(line) + len("".join(line))
    except TypeError:  # not all are texts
        return sum(map(getsizeof, line))


def filled(cell: Any) -> bool:
    """Whether there is something in a cell.

    >>> filled(" "), filled(None), filled(0)
    (False, False, True)
    """
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def is_empty(line: Line) -> bool:
    """Whether there is nothing in a line."""
    return not (line and filled(line[0])) and not any(map(filled, line))


def total_in(line: Line, earlier: Collection[Any] = ()) -> str:
    """The word that makes a line one of totals; "" where there is none, or an earlier line has it.

    >>> total_in(["Summe:", "12", "8"]), total_in(["bolt", "12", "8"])
    ('Summe:', '')
    """
    for cell in line:
        if (
            isinstance(cell, str)
            and TOTAL.fullmatch(cell.strip().rstrip(":"))
            and cell not in earlier
        ):
            return cell.strip()
    return ""


def _comments(lines: Sequence[Line]) -> int:
    """How many lines with a # in front stand above the names; where numbers follow, they are them.

    >>> _comments([["# by me", " today"], ["a", "b"], ["1", "2"]]), _comments([["# a"], ["1"]])
    (1, 0)
    """
    count = sum(1 for _ in takewhile(lambda line: str((*line, "")[0]).startswith("#"), lines))
    heading, row = (*lines[count:], [], [])[:2]
    named = any(map(_is_numeric, row)) and not any(map(_is_numeric, heading))
    return count if named else 0


def _above(lines: Sequence[Line]) -> int:
    """How many lines stand above the names: they have few cells, and those below agree on many."""
    widths = [
        max((i + 1 for i, cell in enumerate(line) if filled(cell)), default=0) for line in lines
    ]
    usual, times = Counter(widths).most_common(1)[0] if widths else (0, 0)
    if usual < 2 or times < max(3, len(lines) / 2):
        return 0
    filled_cells = [sum(map(filled, line)) for line in lines]
    for above, (width, count) in enumerate(zip(widths, filled_cells, strict=True)):
        if width >= usual or (count > 1 and count >= usual / 2):
            return above
    return 0


def _names(heading: Line, rows: Sequence[Line], where: object) -> tuple[list[str], list[int]]:
    refuse_beyond("columns", len(heading), where)
    names: dict[str, int] = {}
    for place, cell in enumerate(heading):
        name = " ".join(str(cell).split()) if filled(cell) else ""
        refuse_beyond("cell", len(name), f"{where}: the name of column {place + 1}")
        if not name and not any(place < len(row) and filled(row[place]) for row in rows):
            continue  # a separator too many at the end of each line
        if not name and place == 0:
            name = NAMELESS  # the index column that pandas writes
        if not name:
            raise DataError(
                f"{where}: column {place + 1} has no name. Give every column a name of its own, in "
                f"one line; merged cells name only the first."
            )
        if name in names:
            raise DataError(
                f"{where}: the column name '{brief(name)}' is there twice. Rename one: columns are "
                f"found by name."
            )
        names[name] = place
    if names and all(map(_is_number, names)):
        raise DataError(
            f"{where}: the first line holds only numbers ({listed(names, 4)}), but it has to "
            f"hold the column names. Add a line of names."
        )
    if any(map(_is_number, names)):
        _say(where, f"its first line is taken as column names: {listed(names, 6)}")
    return [*names], [*names.values()]


def _is_units(line: Line, below: Sequence[Line], kept: Sequence[int]) -> bool:
    """Whether a line has units where every line below has numbers, and no number at all."""
    if len(below) < 3 or any(_is_numeric(cell) for cell in line):
        return False
    numeric = [
        place
        for place in kept
        if all(place < len(row) and _is_numeric(row[place]) for row in below)
    ]
    words = [line[place] for place in numeric if place < len(line) and _is_word(line[place])]
    return len(words) >= max(1, len(numeric) / 2) and all(map(_is_unit, words))


def _is_word(cell: Any) -> bool:
    return isinstance(cell, str) and filled(cell) and cell.strip().lower() not in MISSING


def _is_unit(cell: str) -> bool:
    return len(cell) <= LONGEST_UNIT and UNIT.fullmatch(cell) is not None


def _is_numeric(cell: Any) -> bool:
    if isinstance(cell, str):
        return both(undressed(cell)[0]) != (None, None)
    return isinstance(cell, int | float)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _say(where: object, what: str) -> None:
    logger.info("note: %s: %s", where, what)
