"""IDX: the file format of MNIST and its relatives, read with every header field checked."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import DataError

MAGIC_UINT8_IMAGES = 0x00000803
HEADER_BYTES = 16


def read_images(path: Path) -> NDArray[np.uint8]:
    """The images of an uncompressed IDX3 file, ``[n, height * width]`` uint8.

    The header is four big-endian 32-bit numbers: magic 0x803, count, height, width.

    Raises:
        DataError: the file cannot be read, is no IDX3 image file, or its length does not
            match its header.
    """
    try:
        content = bytearray(path.read_bytes())  # writable, as torch wants arrays to be
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}. Check the path.") from error
    remedy = "Delete the file to have it downloaded again, or put a good copy in its place."
    if len(content) < HEADER_BYTES:
        raise DataError(f"{path} is truncated: {len(content)} bytes, not even a header. {remedy}")
    magic, count, height, width = struct.unpack(">4I", content[:HEADER_BYTES])
    if magic != MAGIC_UINT8_IMAGES:
        raise DataError(
            f"{path} is no IDX image file: it starts with 0x{magic:08x}, "
            f"expected 0x{MAGIC_UINT8_IMAGES:08x}. {remedy}"
        )
    expected = HEADER_BYTES + count * height * width
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "too long"
        raise DataError(
            f"{path} is {state}: {len(content):,} bytes, but its header promises "
            f"{count:,} images of {height} × {width}, {expected:,} bytes. {remedy}"
        )
    images = np.frombuffer(content, dtype=np.uint8, offset=HEADER_BYTES)
    return images.reshape(count, height * width)
