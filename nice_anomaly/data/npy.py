"""NPY: arrays in .npy and .npz files, never unpickled, never mapped, read a few rows at a time.

What a file promises is compared with its size before anything is read, and a file that becomes
shorter while it is read is an error, not the end of the program.
"""

import io
import math
import re
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.listing import why
from nice_anomaly.data.names import readable
from nice_anomaly.errors import DataError
from nice_anomaly.limits import refuse_beyond
from nice_anomaly.words import brief

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000  # bytes; numpy writes some hundred
LARGEST_DIRECTORY = 1_000_000  # bytes of a zip file: some ten thousand arrays
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
TAIL = 1 << 17  # bytes at the end of a zip file, among them where its directory is
ENDS = ((b"PK\x05\x06", "<I", 12), (b"PK\x06\x06", "<Q", 40))  # what says how large that is
COPIED = 1 << 20  # bytes at a time


@dataclass(frozen=True)
class Stored:
    """An array in a file: what its header says, and its rows when they are needed.

    ``member`` is its name in an .npz file. Its values begin at the byte ``start``; ``fortran`` is
    an order of columns.
    """

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    def pieces(self, rows: int) -> Iterator[NDArray[Any]]:
        """Its rows in order, at most so many at a time.

        Raises:
            DataError: damaged, or shorter than it was.
        """
        with _reading(self.path), _stream(self.path, self.member) as stream:
            if not self.fortran or len(self.shape) < 2:
                stream.read(self.start)
                for first in range(0, self.shape[0], rows):
                    count = min(rows, self.shape[0] - first)
                    yield self._values(stream, (count, *self.shape[1:]))
            elif self.member is None:
                yield from self._transposed(stream, rows)
            else:
                with tempfile.TemporaryFile() as copy:
                    while block := stream.read(COPIED):
                        copy.write(block)
                    yield from self._transposed(copy, rows)

    def _transposed(self, stream: IO[bytes], rows: int) -> Iterator[NDArray[Any]]:
        """Pieces of an array that lies in the file column by column."""
        n, columns = self.shape[0], math.prod(self.shape[1:])
        for first in range(0, n, rows):
            count = min(rows, n - first)
            piece = np.empty((columns, count), self.dtype)
            for column in range(columns):
                stream.seek(self.start + (column * n + first) * self.dtype.itemsize)
                piece[column] = self._values(stream, (count,))
            yield piece.reshape(*self.shape[:0:-1], count).transpose()

    def _values(self, stream: IO[bytes], shape: tuple[int, ...]) -> NDArray[Any]:
        """The next values of a stream, writable, as torch wants arrays to be."""
        values = np.empty(shape, self.dtype)
        if stream.readinto(values.reshape(-1).view(np.uint8)) != values.nbytes:  # type: ignore[attr-defined]
            raise EOFError("it has become shorter while it was read")
        return values


def stored(file: Path) -> dict[str, Stored]:
    """All arrays of a file by name; that of an .npy file is ``x``.

    Raises:
        DataError: it cannot be read, promises what it does not hold, or holds Python objects.
    """
    with _reading(file), file.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if stream.read(len(MAGIC)) == MAGIC:
            stream.seek(0)
            return {"x": _header(stream, file, None, size)}
        return _members(stream, file, size)


def _members(stream: IO[bytes], file: Path, size: int) -> dict[str, Stored]:
    """The arrays of an .npz file; what else is in it is none."""
    if not zipfile.is_zipfile(stream):
        raise ValueError("it is no such file" if size else "it is empty (0 bytes)")
    if _directory_bytes(stream, size) > LARGEST_DIRECTORY:
        raise ValueError("its directory is too large for some arrays")
    found = {}
    with zipfile.ZipFile(stream) as archive:
        refuse_beyond("unpacked", sum(one.file_size for one in archive.infolist()), file)
        for name in archive.namelist():
            entry = archive.getinfo(name)
            if entry.compress_type not in PACKED:
                raise ValueError(f"the array {brief(name)} is packed as numpy does not")
            with archive.open(entry) as member:
                if member.read(len(MAGIC)) != MAGIC:
                    continue
            with archive.open(entry) as member:
                found[name.removesuffix(".npy")] = _header(member, file, name, entry.file_size)
    return found


def _header(stream: IO[bytes], file: Path, member: str | None, size: int) -> Stored:
    """What the header of an array says, if the ``size`` of all of it is what that promises.

    What numpy raises for a damaged header may be anything.
    """
    start = stream.read(12)
    if len(start) < 12:
        raise ValueError("its header is cut off")
    long = start[6:7] != b"\1"
    after = 12 if long else 10
    (length,) = struct.unpack("<I" if long else "<H", start[8:after])
    if length > LONGEST_HEADER:
        raise ValueError(f"its header of {length:,} bytes is too long for an array of numbers")
    header = io.BytesIO(start + stream.read(after + length - len(start)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arrays that Python 2 has written
            np.lib.format.read_magic(header)
            read = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read[long](header)
    except Exception as error:
        raise ValueError("its header is not that of an array of numbers") from error
    if dtype.hasobject:
        raise DataError(
            f"{readable(file)} holds Python objects, which are never unpickled: they could run any "
            f"code. Save numbers, e.g. np.save(file, array.astype(float))."
        )
    if any(axis < 0 for axis in shape):
        raise ValueError(f"an array has no shape {_shown(shape)}")
    promised = after + length + math.prod(shape) * dtype.itemsize
    if promised != size:
        raise ValueError(
            f"an array of shape {_shown(shape)} takes {_shown(promised)} bytes, but there are "
            f"{size:,}"
        )
    return Stored(file, member, tuple(map(int, shape)), dtype, fortran, after + length)


def _shown(value: object) -> str:
    """A number or a shape, however long it is."""
    return re.sub(r"\d{20,}", lambda digits: f"{digits[0][:6]}…", str(value))[:200]


def _directory_bytes(stream: IO[bytes], size: int) -> int:
    """How large the directory of a zip file may be, by all that may say so."""
    stream.seek(max(0, size - TAIL))
    tail, most = stream.read(), 0
    stream.seek(0)
    for mark, form, place in ENDS:
        for found in re.finditer(re.escape(mark), tail):
            at = found.start() + place
            if at + struct.calcsize(form) <= len(tail):
                most = max(most, *struct.unpack_from(form, tail, at))
    return most


@contextmanager
def _stream(file: Path, member: str | None) -> Iterator[IO[bytes]]:
    """The bytes of an .npy file, or of a member of an .npz file, unpacked as they are read."""
    with file.open("rb") as stream:
        if member is None:
            yield stream
            return
        with zipfile.ZipFile(stream) as archive, archive.open(member) as unpacked:
            yield unpacked


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What a broken file raises, as a DataError; zipfile raises many kinds of errors."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        said = brief(why(error) if isinstance(error, OSError) else error, 300) or "it is cut off"
        raise DataError(
            f"{readable(file)} cannot be read as an array: {said.rstrip('.')}."
        ) from error
