"""IDX: the file format of MNIST and its relatives, read with every header field checked."""

import math
import stat
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.listing import facts, why
from nice_anomaly.errors import DataError
from nice_anomaly.limits import refuse_beyond

IMAGES, LABELS = 0x00000803, 0x00000801  # uint8 with three axes, with one
REMEDY = "Delete the file to have it downloaded again, or put a good copy in its place."


def read_images(path: Path) -> NDArray[np.uint8]:
    """The images of an uncompressed IDX3 file, ``[n, height * width]`` uint8.

    The header is four big-endian 32-bit numbers: magic 0x803, count, height, width.

    Raises:
        DataError: the file cannot be read, is no IDX3 image file, or its length does not
            match its header.
    """
    images = _read(path, IMAGES, "image")
    return images.reshape(len(images), math.prod(images.shape[1:]))


def read_labels(path: Path) -> NDArray[np.uint8]:
    """The labels of an uncompressed IDX1 file, ``[n]`` uint8: magic 0x801, count, labels.

    Raises:
        DataError: as for ``read_images``.
    """
    return _read(path, LABELS, "label")


def _read(path: Path, wanted: int, what: str) -> NDArray[np.uint8]:
    """The values of a file; nothing is read before its header agrees with its length."""
    found = facts(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        raise DataError(f"cannot read {path}: it is no file. Check the path.")
    axes = wanted & 0xFF  # the last byte of the magic number
    header = 4 * (1 + axes)
    try:
        with path.open("rb") as stream:
            shape = _shape(path, stream.read(header), wanted, what, found.st_size)
            values = np.empty(shape, dtype=np.uint8)  # writable, as torch wants arrays to be
            if stream.readinto(values.reshape(-1).data) != values.nbytes:
                raise DataError(f"{path} has become shorter while it was read. {REMEDY}")
    except OSError as error:
        raise DataError(f"cannot read {path}: {why(error)}. Check the path.") from error
    return values


def _shape(path: Path, start: bytes, wanted: int, what: str, length: int) -> tuple[int, ...]:
    """The shape that a header says, if a file of that ``length`` holds it."""
    axes = len(start) // 4 - 1
    if length < len(start) or axes != wanted & 0xFF:
        raise DataError(f"{path} is truncated: {length} bytes, not even a header. {REMEDY}")
    magic, *shape = struct.unpack(f">{1 + axes}I", start)
    if magic != wanted:
        raise DataError(
            f"{path} is no IDX {what} file: it starts with 0x{magic:08x}, expected "
            f"0x{wanted:08x}. {REMEDY}"
        )
    expected = len(start) + math.prod(shape)
    if length != expected:
        state = "truncated" if length < expected else "too long"
        size = f" of {' × '.join(map(str, shape[1:]))}" if shape[1:] else ""
        raise DataError(
            f"{path} is {state}: {length:,} bytes, but its header promises "
            f"{shape[0]:,} {what}s{size}, {expected:,} bytes. {REMEDY}"
        )
    if not math.prod(shape):
        raise DataError(f"{path} holds no {what}s. {REMEDY}")
    refuse_beyond("unpacked", length, path)
    return tuple(shape)
