"""Signs: which decimal sign a file has, decided on the evidence of all its columns.

A text that is a number in one way only shows the sign of its file. The others, like 1,234, are read
as those show: those of their own column first, then those of the whole file. From here on every
such number has a decimal point and no thousands; how it was given stays in the chunk.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from nice_anomaly.data.tables.cells import Cells, missing, shortest
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Dialect
from nice_anomaly.data.tables.numerals import both, open_to_both, undressed
from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

CLEAR = 0.95  # of the evidence: a few typing errors do not make a file unclear
NUMBERS = 0.9  # of the filled cells: then a column is one of numbers
NAMES = {".": "point", ",": "comma"}


@dataclass
class _Shown:
    """What the cells of one column, or of all, showed: how often which sign, with an example."""

    times: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, sign: str, example: str) -> None:
        self.times[sign] += 1
        self.examples.setdefault(sign, example)

    @property
    def sign(self) -> str:
        """The one that was shown clearly, or ""."""
        most = self.times.most_common(1)
        return most[0][0] if most and most[0][1] >= CLEAR * self.times.total() else ""


@dataclass
class _Evidence:
    """Of one file, as its pieces come; ``settled`` are columns whose open cells were read."""

    dialect: Dialect
    everywhere: _Shown = field(default_factory=_Shown)
    columns: dict[str, _Shown] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def look(self, name: str, cells: Cells) -> None:
        """Take in the cells of a column."""
        own = self.columns.setdefault(name, _Shown())
        for text in cells:
            if text is None or ("," not in text and "." not in text):
                continue
            number, _ = undressed(text)
            point, comma = both(number)
            if (point is None) == (comma is None):
                continue
            sign = "," if point is None else "."
            own.add(sign, text)
            if sign in number:  # 1.234.567 has no decimal sign: it tells of its column alone
                self.everywhere.add(sign, f"{text}' in '{name}")

    def sign(self, name: str, chunk: Chunk, example: str) -> str:
        """How the open cells of a column are read; ``example`` is one of them.

        Raises:
            DataError: nothing tells, or what was read already says otherwise.
        """
        sign = self.dialect.decimal or self.columns[name].sign
        if not sign and not self.columns[name].times:
            sign = self.everywhere.sign or self._usual(chunk, example)
        if not sign or self.settled.setdefault(name, sign) != sign:
            point, comma = both(undressed(example)[0])
            open_ = not (sign or self.everywhere.times or self.columns[name].times)
            raise DataError(
                f"{chunk.name}: '{example}' in the column '{name}' may be {point:.10g} or "
                f"{comma:.10g}: the rest of the file says {'nothing' if open_ else 'both'}. Say "
                f"which sign is the decimal one with `decimal='.'` or `decimal=','`."
            )
        return sign

    def _usual(self, chunk: Chunk, example: str) -> str:
        """The sign where no cell of the file shows one."""
        if self.everywhere.times:
            return ""
        if self.dialect.usual:
            return self.dialect.usual
        parted_by_comma = chunk.written.separator != ";"
        if "," in example:  # ';' parts the cells where the comma is the decimal sign
            return "" if parted_by_comma else ","
        return "." if parted_by_comma else ""

    def say(self, note: str) -> None:
        """Tell it once."""
        if note not in self.said:
            self.said.add(note)
            logger.info("note: %s", note)


def settled(chunks: Iterator[Chunk], dialect: Dialect) -> Iterator[Chunk]:
    """The pieces of one file, every number in plain form.

    Raises:
        DataError: a column of numbers that may be one thing or another, and nothing tells which.
    """
    evidence = _Evidence(dialect)
    for chunk in chunks:
        texts = {name: cells for name, cells in chunk.columns.items() if cells.dtype.kind == "O"}
        if _needless(chunk, texts, evidence):
            yield replace(chunk, written=replace(chunk.written, decimal="."))
            continue
        for name, cells in texts.items():
            evidence.look(name, cells)
        plain = {name: _plain(name, cells, chunk, evidence) for name, cells in texts.items()}
        _tell(chunk, evidence)
        sign = dialect.decimal or evidence.everywhere.sign or dialect.usual
        if not sign:
            sign = "," if "," in evidence.settled.values() else "."
        written = replace(chunk.written, decimal=sign)
        yield replace(chunk, columns=chunk.columns | plain, given=chunk.originals, written=written)


def _needless(chunk: Chunk, texts: dict[str, Cells], evidence: _Evidence) -> bool:
    """Whether every cell with a point can only be a number with a decimal point, or none."""
    if (
        chunk.written.separator == ";"
        or evidence.columns
        or ","
        in (
            evidence.dialect.decimal,
            evidence.dialect.usual,
        )
    ):
        return False
    return not any(text and "," in text for cells in texts.values() for text in cells)


def _plain(name: str, cells: Cells, chunk: Chunk, evidence: _Evidence) -> Cells:
    """A column of numbers with them in plain form; any other as it is."""
    filled = cells[~missing(cells)]
    hits = sum(both(undressed(text)[0]) != (None, None) for text in filled)
    if hits < NUMBERS * len(filled):
        return cells
    undecided = next((text for text in filled if _open(text)), None)
    sign = "." if undecided is None else evidence.sign(name, chunk, undecided)
    result = np.empty(len(cells), dtype=object)
    result[:] = [None if text is None else _rewritten(text, sign) for text in cells]
    return result


def _open(text: str) -> bool:
    return ("," in text or "." in text) and open_to_both(undressed(text)[0])


def _rewritten(text: str, sign: str) -> str:
    if "," not in text and ("." not in text or sign == "."):
        return text
    number, unit = undressed(text)
    point, comma = both(number)
    value = comma if point is None or (comma is not None and sign == ",") else point
    return text if value is None else f"{shortest(value)} {unit}".strip()


def _tell(chunk: Chunk, evidence: _Evidence) -> None:
    """Say what was decided, where it is not what anybody would expect."""
    shown, dialect = evidence.everywhere, evidence.dialect
    usual = dialect.decimal or dialect.usual or "."
    if shown.sign and shown.sign != usual:
        example = shown.examples[shown.sign]
        evidence.say(f"{chunk.name}: decimal {NAMES[shown.sign]}, as '{example}' shows")
    for name, own in evidence.columns.items():
        if len(own.times) > 1:
            evidence.say(
                f"{chunk.name}: the column '{name}' has both decimal signs, "
                f"'{own.examples['.']}' and '{own.examples[',']}': each is read as it can only be"
            )
    for name, sign in evidence.settled.items():
        if not shown.times and sign == "," and not dialect.decimal and not dialect.usual:
            evidence.say(
                f"{chunk.name}: decimal comma in '{name}', since ';' parts the cells; "
                f"`decimal='.'` says otherwise"
            )
