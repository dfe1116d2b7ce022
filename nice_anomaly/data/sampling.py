"""Sampling: at most so many rows of a table whose length nobody knows beforehand."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import row_of
from nice_anomaly.data.tables import Chunk
from nice_anomaly.data.tables.cells import LONGEST, Cells, cut, words
from nice_anomaly.errors import DataError
from nice_anomaly.limits import limit, refuse_beyond


@dataclass(frozen=True, eq=False)
class _Origin:
    """Where the chosen rows of a piece come from, and how the index of a frame names them."""

    name: str
    rows: NDArray[np.int64]
    labels: NDArray[np.object_] | None

    @classmethod
    def of(cls, chunk: Chunk, rows: NDArray[np.int64]) -> "_Origin":
        labels = None if chunk.ids is None else np.array(chunk.ids, dtype=object)[rows]
        return cls(chunk.name, chunk.start + rows, labels)

    def only(self, some: NDArray[np.bool_]) -> "_Origin":
        labels = None if self.labels is None else self.labels[some]
        return replace(self, rows=self.rows[some], labels=labels)


class Sample:
    """A uniform choice of rows without replacement, in their order, from pieces as they come.

    Every row draws a number and the ``most`` smallest stay; memory is that of twice as many rows.
    The same pieces and seed give the same choice.
    """

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._random = np.random.default_rng(seed)
        self._pieces: list[dict[str, Cells]] = []
        self._origins: list[_Origin] = []
        self._draws: list[NDArray[np.float64]] = []
        self._left_out: dict[str, str] = {}
        self._characters = 0

    def add(self, chunk: Chunk, kept: NDArray[np.bool_]) -> None:
        """Offer the ``kept`` rows ``[rows]`` of a piece.

        Raises:
            DataError: together they have too many cells to be held in memory.
        """
        piece = {name: _cut(cells[kept]) for name, cells in chunk.columns.items()}
        self._pieces.append(piece)
        self._characters += _characters(piece)
        self._left_out |= chunk.unusable
        self._origins.append(_Origin.of(chunk, np.flatnonzero(kept)))
        self._draws.append(self._random.random(int(kept.sum())))
        if sum(map(len, self._draws)) > 2 * self._most or self._characters > limit("texts"):
            self._prune()
        refuse_beyond("texts", self._characters, chunk.name)
        held = min(self._most, sum(map(len, self._draws)))
        refuse_beyond("cells", held * len(chunk.columns), chunk.name)

    def table(self) -> dict[str, Cells]:
        """The chosen rows, column by column.

        Raises:
            DataError: the files have no column in common.
        """
        self._prune()
        names = [name for name in self._pieces[0] if all(name in piece for piece in self._pieces)]
        if not names:
            raise DataError(
                f"{self._origins[0].name} and the files after it have no column in common."
            )
        return {name: _joined([piece[name] for piece in self._pieces]) for name in names}

    @property
    def left_out(self) -> dict[str, str]:
        """Columns of some file that are not in the table, and why."""
        everywhere = set(self._pieces[0]).intersection(*self._pieces)
        some = {name for piece in self._pieces for name in piece} - everywhere
        return dict.fromkeys(sorted(some), "only some of the files have it") | self._left_out

    def origin(self, row: int) -> str:
        """The file that a chosen row comes from, and its number there, in words."""
        for one in self._origins:
            if row < len(one.rows):
                return row_of(one.name, int(one.rows[row]))
            row -= len(one.rows)
        raise IndexError(row)

    def names(self, *, many: bool) -> list[str]:
        """The number of every chosen row in its file, after its name if there are ``many``.

        That of a frame with an index is its label there.
        """
        return [
            f"{one.name}:{word}" if many else str(word)
            for one in self._origins
            for word in (one.rows if one.labels is None else one.labels)
        ]

    def _prune(self) -> None:
        draws = np.concatenate(self._draws)
        if len(draws) <= self._most:
            return
        limit = np.partition(draws, self._most)[self._most]
        for i, own in enumerate(self._draws):
            stay = own < limit
            self._draws[i] = own[stay]
            self._pieces[i] = {name: cells[stay] for name, cells in self._pieces[i].items()}
            self._origins[i] = self._origins[i].only(stay)
        self._characters = sum(map(_characters, self._pieces))


def _cut(cells: Cells) -> Cells:
    """The same, of texts that are too long to be learned only so much as shows that."""
    if cells.dtype.kind == "O":
        for place, cell in enumerate(cells):
            if cell is not None and len(cell) > LONGEST:
                cells[place] = cut(cell)
    return cells


def _characters(piece: dict[str, Cells]) -> int:
    """How many there are in the texts of a piece."""
    texts = (cells for cells in piece.values() if cells.dtype.kind == "O")
    return sum(len(cell) for cells in texts for cell in cells if cell is not None)


def _joined(cells: list[Cells]) -> Cells:
    """One column of all pieces; text where the files disagree on its type."""
    if len({piece.dtype.kind for piece in cells}) > 1:
        cells = [words(piece) for piece in cells]
    return cast(Cells, np.concatenate(cells))
