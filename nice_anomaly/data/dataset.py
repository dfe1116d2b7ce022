"""A set of samples as it came in: raw values, what they are, and a fingerprint."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError
from nice_anomaly.words import count_of

Kind = Literal["image", "table"]
Part = Literal["train", "test"]


@dataclass(frozen=True)
class Layout:
    """What one sample is, apart from its values: two sets compare only if these agree.

    ``shape`` is ``(height, width)`` for grey images, ``(height, width, 3)`` for colour and
    ``(coordinates,)`` for tables. ``levels``
    is the number of integer levels a value can have, 0 for continuous values.
    """

    kind: Kind
    shape: tuple[int, ...]
    levels: int

    @property
    def dimensions(self) -> int:
        """Numbers in one sample."""
        return int(np.prod(self.shape))

    def __str__(self) -> str:
        if self.kind == "image":
            size = " × ".join(map(str, self.shape[:2]))
            colour = "grey" if len(self.shape) == 2 else "colour"
            return f"{colour} images of {size} pixels with {self.levels} levels"
        return f"table rows of {count_of(self.dimensions, 'column')}"


@dataclass(frozen=True)
class Dataset:
    """Samples in rows: ``values`` is ``[n, d]``, uint8 for images, float64 for tables."""

    name: str
    layout: Layout
    values: NDArray[np.uint8] | NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape[1:] != (self.layout.dimensions,):
            raise DataError(
                f"'{self.name}' has rows of shape {self.values.shape[1:]}, "
                f"expected {self.layout}: check that the file belongs to this set."
            )
        if self.values.dtype == np.uint8:
            return
        bad = np.flatnonzero(~np.isfinite(self.values).all(axis=1))
        if len(bad):
            raise DataError(
                f"'{self.name}' has NaN or infinite values in {count_of(len(bad), 'row')}, the "
                f"first in row {bad[0]} (counted from 0): remove or repair them."
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def row_hashes(self) -> NDArray[np.int64]:
        """One number a sample, ``[n]``: equal samples have equal ones, others practically never."""
        return row_hashes(self.values)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the values and their layout: the same data, the same string."""
        layout = str(self.layout)
        if self.layout.kind == "table":  # as it was written when the first runs were stored
            layout = f"table rows of {self.layout.dimensions} columns"
        digest = hashlib.sha256(f"{layout}|{self.values.dtype}|{len(self)}".encode())
        digest.update(np.ascontiguousarray(self.values).data)
        return digest.hexdigest()


def row_hashes(values: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.int64]:
    """The first 8 bytes of the BLAKE2b digest of every row of ``values`` ``[n, d]``.

    >>> a, b, c = row_hashes(np.array([[1.0, 2.0], [1.0, 2.5], [1.0, 2.0]]))
    >>> bool(a == b), bool(a == c)
    (False, True)
    """
    rows = np.ascontiguousarray(values)
    if not len(rows):
        return np.empty(0, dtype=np.int64)
    digests = b"".join(hashlib.blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)
