"""IDX: the file format of MNIST and its relatives, read with every header field checked."""

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError

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
    try:
        content = bytearray(path.read_bytes())  # writable, as torch wants arrays to be
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check the path.") from error
    axes = wanted & 0xFF  # the last byte of the magic number
    header = 4 * (1 + axes)
    if len(content) < header:
        raise DataError(f"{path} is truncated: {len(content)} bytes, not even a header. {REMEDY}")
    magic, *shape = struct.unpack(f">{1 + axes}I", content[:header])
    if magic != wanted:
        raise DataError(
            f"{path} is no IDX {what} file: it starts with 0x{magic:08x}, expected "
            f"0x{wanted:08x}. {REMEDY}"
        )
    expected = header + math.prod(shape)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "too long"
        size = f" of {' × '.join(map(str, shape[1:]))}" if shape[1:] else ""
        raise DataError(
            f"{path} is {state}: {len(content):,} bytes, but its header promises "
            f"{shape[0]:,} {what}s{size}, {expected:,} bytes. {REMEDY}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
