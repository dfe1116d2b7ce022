"""Reasons: why a sample is odd, where, and what would be normal. Values, no files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.scores import Sight


@dataclass(frozen=True)
class Held:
    """A sample and its verdict: ``id``, its score, and the thresholds that it was held against.

    Flagged is a score strictly below ``low`` or above ``high``, which is infinite where only the
    lower tail counts. ``untold`` are cells of a row that its coordinates do not tell, by column: a
    text that was never seen, or None where a cell is missing though none was in training.
    """

    id: str
    score: float
    low: float
    high: float = float("inf")
    untold: Mapping[str, str | None] = field(default_factory=dict, hash=False)

    @property
    def flagged(self) -> bool:
        """Whether it is an anomaly."""
        return not self.low <= self.score <= self.high

    @property
    def too_usual(self) -> bool:
        """Whether it is flagged for a score above the ceiling: no part of it is improbable."""
        return self.score > self.high


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, counted from 0 at the upper left."""

    top: int
    left: int
    height: int
    width: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns, as arrays are indexed."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def __str__(self) -> str:
        rows = f"rows {self.top}–{self.top + self.height - 1}"
        return f"{rows}, columns {self.left}–{self.left + self.width - 1}"


@dataclass(frozen=True, eq=False)
class ImageReasons:
    """Where an image is odd, and what was expected there.

    ``image``, ``expected`` and ``least`` are ``[h, w]`` or ``[h, w, 3]`` in levels: the sample,
    the sample with what its rest suggests at the places that are odd, and with as little of that
    as passes. ``heat`` ``[h, w]`` is for every pixel the largest rise of the score when a small
    block that covers it is replaced by what was expected there, in units of the score. ``box`` is
    the place that explains most, of small and larger blocks, ``gain`` the rise when it is replaced;
    None and 0 where no place does. ``local``: the repair replaced small places; otherwise it took
    tiles of the nearest normal sample, for no small part explains the verdict. ``passes``:
    ``expected`` is not flagged. Pixels go from 0, black, to ``levels`` - 1, white.
    """

    held: Held
    image: NDArray[np.uint8]
    heat: NDArray[np.float64]
    box: Box | None
    gain: float
    expected: NDArray[np.uint8]
    expected_score: float
    least: NDArray[np.uint8]
    least_score: float
    local: bool
    passes: bool
    levels: int = 256


@dataclass(frozen=True)
class Cause:
    """A column of a row, and what the other columns suggest for it.

    ``value`` is the cell as it was read: a number, a text, a moment, or None where it is missing.
    ``expected`` is the value that the score rises most with, by ``gain`` in units of the score.
    Of numbers ``median``, ``low`` and ``high`` are the median and the 90 % range of the column
    given the others, else None; of a category ``probability`` is that of ``expected``.
    ``p_value``: how probable a value as improbable as this is given the others. ``usual``: it is
    usual in itself, only not beside the others; ``unseen``: it is a text that was never seen.
    ``unit`` stands at the numbers.
    """

    column: str
    value: Any
    expected: Any
    gain: float
    p_value: float
    usual: bool
    median: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    probability: float | None = None
    unseen: bool = False


@dataclass(frozen=True, eq=False)
class RowReasons:
    """Which columns make a row odd, the most to blame first, and what would be normal.

    ``causes`` are the columns of the repair, in the order in which they were found, each beside
    the row as it was repaired so far; then others by their gain. The first ``changed`` of them are
    those that the repair changed. ``repaired`` ``[d]`` are the coordinates of the repaired row,
    ``cells`` the same as cells by column. ``passes``: the repaired row is not flagged. ``sight`` is
    the oddest view of one that does not pass, where the score has several.
    """

    held: Held
    causes: tuple[Cause, ...]
    changed: int
    repaired: NDArray[np.float64]
    cells: dict[str, Any]
    repaired_score: float
    passes: bool
    sight: Sight | None = None


Reasons = ImageReasons | RowReasons
