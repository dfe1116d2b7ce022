"""Explanation: the reasons for some samples of an input, as a notebook holds them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, time
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Written
from nice_anomaly.data.dataset import Kind
from nice_anomaly.errors import ConfigError
from nice_anomaly.explain import words
from nice_anomaly.explain.texts import columns_of
from nice_anomaly.explain.value import ImageReasons, Reasons, RowReasons
from nice_anomaly.words import finite

DIGITS = 4  # behind the point, of a pixel of a heat map


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Sequence[Reasons]):
    """Reasons, the least probable sample first or as they were asked for.

    ``n`` samples of ``source`` were looked at, and ``flagged`` of them were. ``unit`` follows a
    score. ``given`` are the cells of every row as they stood, and ``written`` is how the input was.
    """

    source: str
    run: str
    unit: str
    n: int
    flagged: int
    parts: tuple[Reasons, ...]
    given: tuple[Mapping[str, Any], ...]
    written: Written

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, place: int) -> Reasons: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Reasons]: ...
    def __getitem__(self, place: int | slice) -> Reasons | Sequence[Reasons]:
        return self.parts[place]

    def __iter__(self) -> Iterator[Reasons]:
        return iter(self.parts)

    def __repr__(self) -> str:
        return f"<Explanation of {len(self):,} of {self.n:,} samples, {self.flagged:,} flagged>"

    def record(self) -> dict[str, Any]:
        """As plain values, without pixels."""
        return {
            "source": self.source,
            "run": self.run,
            "unit": self.unit.strip() or None,
            "n": self.n,
            "flagged": self.flagged,
            "explained": [record(one, self.unit) for one in self],
        }

    def to_frame(self) -> Any:
        """One row a sample in a pandas DataFrame: its score, its verdict and its first reasons.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ConfigError("to_frame() needs pandas: pip install pandas.") from error
        columns: dict[str, Any] = {
            "id": [one.held.id for one in self],
            "score": [one.held.score for one in self],
            "flagged": [one.held.flagged for one in self],
            "passes": [one.passes for one in self],
        }
        kind: Kind = "image" if self and isinstance(self[0], ImageReasons) else "table"
        columns |= columns_of(dict(enumerate(self)), len(self), kind, self.unit)
        return pandas.DataFrame(columns)

    def plot(self, most: int = 8) -> Any:
        """A matplotlib figure of the first ``most``: images with their heat, rows as bars.

        Raises:
            ConfigError: matplotlib is not installed, or there is nothing to draw.
        """
        from nice_anomaly.explain.plot import figure

        return figure(self[:most], self.unit)


def record(one: Reasons, unit: str, *, pixels: bool = False) -> dict[str, Any]:
    """Reasons as plain values; an image with its heat and what was expected if ``pixels``."""
    held = one.held
    result: dict[str, Any] = {
        "id": held.id,
        "score": finite(held.score),
        "low": finite(held.low),
        "high": finite(held.high),
        "flagged": held.flagged,
        "reasons": list(words.reasons(one, unit)),
        "passes": one.passes,
    }
    if isinstance(one, ImageReasons):
        return result | _of_image(one, pixels=pixels)
    return result | _of_row(one)


def _of_image(one: ImageReasons, *, pixels: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "box": None if one.box is None else asdict(one.box),
        "gain": finite(one.gain),
        "local": one.local,
        "expected_score": finite(one.expected_score),
        "least_score": finite(one.least_score),
        "changed": int((one.least != one.image).reshape(*one.heat.shape, -1).any(axis=2).sum()),
    }
    if not pixels:
        return found
    images: dict[str, NDArray[Any]] = {
        "image": one.image,
        "expected": one.expected,
        "least": one.least,
        "heat": np.nan_to_num(one.heat).round(DIGITS),
    }
    return found | {name: image.tolist() for name, image in images.items()}


def _of_row(one: RowReasons) -> dict[str, Any]:
    causes = [
        {name: _plain(value) for name, value in asdict(cause).items()} for cause in one.causes
    ]
    told = {cause.column: cause.expected for cause in one.causes[: one.changed]}
    cells = {  # of the week that a moment is in only the day and the time are known
        name: told[name] if isinstance(value, np.datetime64) else _plain(value)
        for name, value in one.cells.items()
        if name in told or not isinstance(value, np.datetime64)
    }
    return {
        "causes": causes,
        "changed": [cause.column for cause in one.causes[: one.changed]],
        "repaired": cells,
        "repaired_score": finite(one.repaired_score),
    }


def _plain(value: Any) -> Any:
    """What JSON has: a number, a text, a truth or null."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, int | str) else str(value)
