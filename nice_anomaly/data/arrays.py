"""Arrays of samples: .npy and .npz files, never unpickled, and arrays in memory."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.data.npy import Stored, stored
from nice_anomaly.errors import DataError
from nice_anomaly.limits import refuse_beyond
from nice_anomaly.words import brief, listed

SUFFIXES = (".npy", ".npz")
NUMERIC = "biuf"  # numpy's kinds: bool, int, unsigned, float
SHAPES = "rows are [n, columns], images [n, height, width] or [n, height, width, 3] of uint8"
PIECE = 1 << 23  # values at a time


@dataclass(frozen=True)
class Arrays:
    """One array of samples ``[n, …]``, with further columns ``[n]`` by name in ``extras``.

    ``path`` is the file it was opened from, if any: it is read anew at each use, a few rows at a
    time.
    """

    name: str
    samples: NDArray[Any] | Stored
    extras: Mapping[str, Stored] = field(default_factory=dict)
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, columns)``, ``(n, height, width)`` or ``(n, height, width, c)``."""
        return self.samples.shape

    @property
    def of_images(self) -> bool:
        """Whether the samples are images and not rows of a table."""
        return len(self.shape) > 2

    def pieces(self, rows: int) -> Iterator[tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
        """The samples in order with their further columns, at most so many rows at a time.

        Raises:
            DataError: the file can no longer be read.
        """
        rows = min(rows, max(1, PIECE // math.prod(self.shape[1:])))
        given = self.samples
        if not isinstance(given, Stored):
            for first in range(0, len(given), rows):
                yield given[first : first + rows], {}
            return
        further = [extra.pieces(rows) for extra in self.extras.values()]
        for piece in zip(given.pieces(rows), *further, strict=True):
            yield piece[0], dict(zip(self.extras, piece[1:], strict=True))


def open_array(file: Path) -> Arrays:
    """The samples of an .npy or .npz file.

    An .npz file has to hold one array with more than one axis; one-dimensional arrays of the
    same length beside it are columns, a label for example.

    Raises:
        DataError: unreadable, of Python objects, of text, of another shape, or ambiguous.
    """
    arrays = stored(file)
    samples = [name for name, array in arrays.items() if len(array.shape) > 1]
    if len(samples) != 1:
        named = listed(samples, 4) or "none"
        raise DataError(
            f"{readable(file)} holds {len(samples)} arrays with rows ({named}); it "
            f"has to be one: {SHAPES}. One column is array.reshape(-1, 1)."
        )
    array = arrays.pop(samples[0])
    _check(readable(file), array.shape, array.dtype)
    extras = {
        name: values
        for name, values in arrays.items()
        if values.shape == array.shape[:1] and values.dtype.kind in NUMERIC
    }
    return Arrays(readable(file), array, extras, file)


def array_in_memory(name: str, given: Any) -> Arrays:
    """The samples of an array or tensor; masked cells are missing.

    Raises:
        DataError: it is no numpy array and cannot become one, or holds no samples.
    """
    try:
        if isinstance(given, np.ma.MaskedArray):
            given = np.ma.filled(given.astype(float), np.nan) if given.mask.any() else given.data
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} cannot become a numpy array: {error}") from error
    if array.ndim < 2:
        raise DataError(
            f"an array of shape {array.shape} holds no samples: {SHAPES}. One column is "
            f"array.reshape(-1, 1)."
        )
    _check(name, array.shape, array.dtype)
    return Arrays(name, array)


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raises DataError where values and axes cannot be those of samples."""
    if dtype.kind not in NUMERIC:
        raise DataError(
            f"{name} holds {brief(dtype)} values; numbers are needed: array.astype(float), or a "
            f"frame (pandas, Polars, Arrow) for columns of several types."
        )
    if not math.prod(shape):
        raise DataError(f"{name} holds no samples: its shape is {shape}.")
    if len(shape) > 4:
        raise DataError(f"{name} holds an array of shape {shape}: {SHAPES}.")
    if len(shape) > 2 and dtype != np.uint8:
        raise DataError(
            f"{name} holds an array of shape {shape} of {dtype}: a table has two "
            f"axes, and images are uint8, 0 to 255: (255 * array).astype('uint8') if it is 0 to 1."
        )
    if len(shape) == 2:
        refuse_beyond("columns", shape[1], name)
    else:
        refuse_beyond("pixels", math.prod(shape[1:3]), name)
