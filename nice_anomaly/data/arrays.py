"""Arrays of samples: .npy and .npz files, never unpickled, and arrays in memory."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.names import readable
from nice_anomaly.errors import DataError

SUFFIXES = (".npy", ".npz")
DAMAGE = (  # what numpy and zipfile raise for a damaged or odd file, found by damaging many
    *(OSError, EOFError, KeyError, TypeError, SyntaxError, NotImplementedError, RuntimeError),
    *(ValueError, zipfile.BadZipFile, zlib.error, TokenError),
)
MAGIC = b"\x93NUMPY"
NUMERIC = "biuf"  # numpy's kinds: bool, int, unsigned, float
SHAPES = "rows are [n, columns], images [n, height, width] or [n, height, width, 3] of uint8"


@dataclass(frozen=True)
class Arrays:
    """One array of samples ``[n, …]``, with further columns ``[n]`` by name in ``extras``.

    ``path`` is the file it was opened from, if any. An .npy file is not held open but mapped
    anew at each use, for a folder may hold more of them than a process may open; ``held`` is the
    array in all other cases.
    """

    name: str
    held: NDArray[Any] | None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    path: Path | None = None

    @property
    def array(self) -> NDArray[Any]:
        """The samples, ``[n, columns]``, ``[n, height, width]`` or ``[n, height, width, c]``."""
        if self.held is not None:
            return self.held
        assert self.path is not None
        return _load(self.path)["x"]

    @property
    def of_images(self) -> bool:
        """Whether the samples are images and not rows of a table."""
        return self.array.ndim > 2


def open_array(file: Path) -> Arrays:
    """The samples of an .npy or .npz file.

    An .npz file has to hold one array with more than one axis; one-dimensional arrays of the
    same length beside it are columns, a label for example.

    Raises:
        DataError: unreadable, of Python objects, of text, of another shape, or ambiguous.
    """
    arrays = _load(file)
    samples = [name for name, array in arrays.items() if array.ndim > 1]
    if len(samples) != 1:
        raise DataError(
            f"{file} holds {len(samples)} arrays with rows ({', '.join(samples) or 'none'}); it "
            f"has to be one: {SHAPES}. One column is array.reshape(-1, 1)."
        )
    array = checked(str(file), arrays[samples[0]])
    extras = {
        name: values
        for name, values in arrays.items()
        if values.ndim == 1 and len(values) == len(array) and values.dtype.kind in NUMERIC
    }
    held = None if isinstance(array, np.memmap) else array
    return Arrays(readable(file), held, extras, file)


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
    return Arrays(name, checked(name, array))


def checked(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, if its values and its axes can be those of samples.

    Raises:
        DataError: empty, no numbers, or of a shape that is neither a table nor images.
    """
    if array.dtype.kind not in NUMERIC:
        raise DataError(
            f"{name} holds {array.dtype} values; numbers are needed: array.astype(float), or a "
            f"frame (pandas, Polars, Arrow) for columns of several types."
        )
    if not array.size:
        raise DataError(f"{name} holds no samples: its shape is {array.shape}.")
    if array.ndim > 4:
        raise DataError(f"{name} holds an array of shape {array.shape}: {SHAPES}.")
    if array.ndim > 2 and array.dtype != np.uint8:
        raise DataError(
            f"{name} holds an array of shape {array.shape} of {array.dtype}: a table has two "
            f"axes, and images are uint8, 0 to 255: (255 * array).astype('uint8') if it is 0 to 1."
        )
    return array


def _load(file: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file by name; the one of an .npy file, mapped into memory, is ``x``."""
    try:
        with file.open("rb") as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                return {"x": np.load(file, mmap_mode="c", allow_pickle=False)}
            stream.seek(0)
            with zipfile.ZipFile(stream), np.load(stream, allow_pickle=False) as archive:
                members = ((name, archive[name]) for name in archive.files)
                return {name: array for name, array in members if isinstance(array, np.ndarray)}
    except DAMAGE as error:
        if isinstance(error, ValueError) and (
            "allow_pickle" in str(error) or "objects" in str(error)
        ):
            raise DataError(
                f"{file} holds Python objects, which are never unpickled: they could run any "
                f"code. Save numbers, e.g. np.save(file, array.astype(float))."
            ) from error
        raise DataError(f"{file} cannot be read as an array: {error}.") from error
