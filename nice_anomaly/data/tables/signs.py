"""Signs: which decimal sign a file has, decided on the evidence of all its columns.

A text that is a number in one way only shows the sign of its file. The others, like 1,234, are read
as those show: those of their own column first, then those of the whole file. From here on every
such number has a decimal point and no thousands; how it was given stays in the chunk.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells, missing
from nice_anomaly.data.tables.chunk import Chunk
from nice_anomaly.data.tables.dialect import Dialect
from nice_anomaly.data.tables.numerals import (
    APART,
    all_spelled,
    both,
    first_open,
    open_to_both,
    spelled,
    undressed,
)
from nice_anomaly.errors import DataError
from nice_anomaly.words import brief

logger = logging.getLogger(__name__)

CLEAR = 0.95  # of the evidence: a few typing errors do not make a file unclear
NUMBERS = 0.9  # of the filled cells: then a column is one of numbers
ENOUGH = 100  # cells that show a sign: more of the same tell nothing new
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


@dataclass(frozen=True)
class _Texts:
    """A column of texts, also ``joined``, and the ``signs`` of ".," that are anywhere in them."""

    name: str
    cells: Cells
    joined: str
    signs: str

    @classmethod
    def of(cls, name: str, cells: Cells) -> "_Texts":
        """Those of one column of a piece."""
        joined = APART.join([cell or "" for cell in cells.tolist()]) + APART
        if joined.count(APART) > len(cells):  # one has such a sign, and is no number for it
            joined = joined.replace(APART, " ")
        return cls(name, cells, joined, "".join(sign for sign in NAMES if sign in joined))

    def spelled(self, sign: str) -> Cells | None:
        """Numbers in plain form, where all are simple ones with this sign."""
        if not sign or not self.signs or self.signs == "." == sign:  # these are as they are
            return None
        simple = all_spelled(self.joined, sign)
        if simple is not None:
            return _replaced(self.cells, slice(None), [cell or None for cell in simple])
        places = np.flatnonzero(~missing(self.cells))
        simple = all_spelled(APART.join(self.cells[places].tolist()) + APART, sign)
        return (
            None
            if simple is None or len(simple) > len(places)
            else _replaced(self.cells, places, simple)
        )


@dataclass
class _Evidence:
    """Of one file, as its pieces come.

    ``settled`` are the signs that open cells were read with, by their columns, with an example.
    """

    dialect: Dialect
    everywhere: _Shown = field(default_factory=_Shown)
    columns: dict[str, _Shown] = field(default_factory=dict)
    settled: dict[str, tuple[str, str]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def known(self, name: str) -> str:
        """The sign of a column that further cells with this sign alone cannot change, or ""."""
        own = self.columns.get(name, _Shown())
        sure = own.sign if own.times.total() >= ENOUGH else ""
        return self.dialect.decimal or sure or self.settled.get(name, ("",))[0]

    def look(self, texts: _Texts) -> None:
        """Take in the cells of a column."""
        own = self.columns.setdefault(texts.name, _Shown())
        if not texts.signs or texts.signs == self.known(texts.name):
            return
        for text in texts.cells:
            if text is None or ("," not in text and "." not in text):
                continue
            number, _ = undressed(text)
            point, comma = both(number)
            if (point is None) == (comma is None):
                continue
            sign = "," if point is None else "."
            own.add(sign, text)
            if sign in number:  # 1.234.567 has no decimal sign: it tells of its column alone
                self.everywhere.add(sign, f"{brief(text)}' in '{brief(texts.name)}")
            if own.times.total() == ENOUGH and texts.signs == self.known(texts.name):
                return

    def check(self, chunk: Chunk) -> None:
        """Raises DataError when what was read before was read with another sign than it has."""
        for name, (_, example) in self.settled.items():
            self.sign(name, chunk, example)

    def sign(self, name: str, chunk: Chunk, example: str) -> str:
        """How the open cells of a column are read; ``example`` is one of them.

        Raises:
            DataError: nothing tells, or what was read already says otherwise.
        """
        sign = self.shown(name) or self._usual(name, chunk, example)
        if not sign or self.settled.setdefault(name, (sign, example))[0] != sign:
            point, comma = both(undressed(example)[0])
            open_ = not (sign or self.everywhere.times or self.columns[name].times)
            raise DataError(
                f"{chunk.name}: '{brief(example)}' in the column '{brief(name)}' may be "
                f"{point:.10g} or {comma:.10g}: the rest of the file says "
                f"{'nothing' if open_ else 'both'}. Say "
                f"which sign is the decimal one with `decimal='.'` or `decimal=','`."
            )
        return sign

    def shown(self, name: str) -> str:
        """The sign that was stated, or that the column or else the file shows; "" for none."""
        own = self.columns[name]
        return self.dialect.decimal or own.sign or ("" if own.times else self.everywhere.sign)

    def _usual(self, name: str, chunk: Chunk, example: str) -> str:
        """The sign where no cell of the file shows one."""
        if self.everywhere.times or self.columns[name].times:
            return ""
        parted_by = chunk.written.separator
        if self.dialect.usual:  # what parts cells by commas has them in no number
            return "" if parted_by == self.dialect.usual else self.dialect.usual
        if "," in example:  # ';' parts the cells where the comma is the decimal sign
            return "," if parted_by == ";" else ""
        return "." if parted_by == "," else ""

    @property
    def decimal(self) -> str:
        """The sign of the file as far as it is known, else ""."""
        read = {sign for sign, _ in self.settled.values()}
        known = self.dialect.decimal or self.everywhere.sign or self.dialect.usual
        return known or next((sign for sign in ",." if sign in read), "")

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
        columns = [
            _Texts.of(name, cells)
            for name, cells in chunk.columns.items()
            if cells.dtype.kind == "O" and not chunk.signs == "." == evidence.known(name)
        ]
        plain, others = {}, []
        for texts in columns:
            simple = texts.spelled(evidence.known(texts.name))
            if simple is None:
                others.append(texts)
                evidence.look(texts)
            else:
                plain[texts.name] = simple
        evidence.check(chunk)
        plain |= {texts.name: _plain(texts, chunk, evidence) for texts in others}
        _tell(chunk, evidence)
        written = replace(chunk.written, decimal=evidence.decimal)
        yield replace(chunk, columns=chunk.columns | plain, given=chunk.originals, written=written)


def _plain(texts: _Texts, chunk: Chunk, evidence: _Evidence) -> Cells:
    """A column of numbers with them in plain form; of any other, what would be misread."""
    cells, name = texts.cells, texts.name
    if not texts.signs or texts.signs == "." == evidence.known(name):
        return cells
    shown = evidence.shown(name)
    simple = texts.spelled(shown)
    if simple is not None:
        undecided = first_open(texts.joined)
        if undecided is not None:
            evidence.sign(name, chunk, undecided)
        return simple
    places = np.flatnonzero(~missing(cells))
    filled = cells[places].tolist()
    if not _of_numbers(filled):
        return _replaced(cells, places, [_unopened(text, shown) for text in filled])
    undecided = next((text for text in filled if _open(text)), None)
    sign = "." if undecided is None else evidence.sign(name, chunk, undecided)
    return _replaced(cells, places, [_rewritten(text, sign) for text in filled])


def _of_numbers(filled: Sequence[str]) -> bool:
    """Whether nearly all texts are numbers."""
    others, most = 0, (1 - NUMBERS) * len(filled)
    for text in filled:
        others += both(undressed(text)[0]) == (None, None)
        if others > most:
            return False
    return True


def _replaced(cells: Cells, places: NDArray[np.intp] | slice, texts: Sequence[str | None]) -> Cells:
    result = cells.copy()
    result[places] = texts
    return result


def _open(text: str) -> bool:
    return ("," in text or "." in text) and open_to_both(undressed(text)[0])


def _unopened(text: str, sign: str) -> str:
    """A number among words: one that is another with a point is not left to be read with it."""
    return _rewritten(text, sign) if sign == "," and _open(text) else text


def _rewritten(text: str, sign: str) -> str:
    if "," not in text and ("." not in text or sign == "."):
        return text
    number, unit = undressed(text)
    plain = spelled(number, sign) or spelled(number, "," if sign == "." else ".")
    return text if plain is None else f"{plain} {unit}".strip()


def _tell(chunk: Chunk, evidence: _Evidence) -> None:
    """Say what was decided, where it is not what anybody would expect."""
    shown, dialect = evidence.everywhere, evidence.dialect
    usual = dialect.decimal or dialect.usual or "."
    if shown.sign and shown.sign != usual:
        example = shown.examples[shown.sign]
        evidence.say(f"{chunk.name}: decimal {NAMES[shown.sign]}, as '{example}' shows")
    for name, own in evidence.columns.items():
        if len(own.times) > 1:
            point, comma = (brief(own.examples[sign]) for sign in NAMES)
            evidence.say(
                f"{chunk.name}: the column '{brief(name)}' has both decimal signs, "
                f"'{point}' and '{comma}': each is read as it can only be"
            )
    for name, (sign, _) in evidence.settled.items():
        if not shown.times and sign == "," and not dialect.decimal and not dialect.usual:
            evidence.say(
                f"{chunk.name}: decimal comma in '{brief(name)}', since ';' parts the cells; "
                f"`decimal='.'` says otherwise"
            )
