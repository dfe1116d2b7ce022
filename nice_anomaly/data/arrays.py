"""Arrays: .npy and .npz files, never unpickled, .npy not even loaded."""

import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError

SUFFIXES = (".npy", ".npz")
DAMAGE = (  # what numpy and zipfile raise for a damaged or odd file, found by damaging many
    *(OSError, EOFError, KeyError, TypeError, SyntaxError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, TokenError),
)
MAGIC = b"\x93NUMPY"


def open_array(file: Path) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """The samples in a file, ``[n, …]``, and further arrays of one value a sample by name.

    An .npz file has to hold one array with more than one axis; one-dimensional arrays of the
    same length beside it are columns, a label for example.

    Raises:
        DataError: unreadable, of Python objects, of text, or ambiguous.
    """
    try:
        with file.open("rb") as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                arrays = {"x": np.load(file, mmap_mode="c", allow_pickle=False)}
            else:
                stream.seek(0)
                with zipfile.ZipFile(stream), np.load(stream, allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in archive.files}
    except ValueError as error:
        if "allow_pickle" in str(error) or "objects" in str(error):
            raise DataError(
                f"{file} holds Python objects, which are never unpickled: they could run any "
                f"code. Save numbers, e.g. np.save(file, array.astype(float))."
            ) from error
        raise DataError(f"{file} cannot be read as an array: {error}.") from error
    except DAMAGE as error:
        raise DataError(f"{file} cannot be read as an array: {error}.") from error
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    samples = {name: array for name, array in arrays.items() if array.ndim > 1}
    if len(samples) != 1:
        raise DataError(
            f"{file} holds {len(samples)} arrays with rows ({', '.join(samples) or 'none'}); it "
            f"has to be one, [n, columns] for a table or [n, height, width] for images."
        )
    ((_, array),) = samples.items()
    if array.dtype.kind not in "biuf":
        raise DataError(f"{file} holds {array.dtype} values; numbers are needed.")
    if not array.size:
        raise DataError(f"{file} holds no samples: its shape is {array.shape}.")
    extras = {
        name: values
        for name, values in arrays.items()
        if values.ndim == 1 and len(values) == len(array) and values.dtype.kind in "biuf"
    }
    return array, extras
