"""Packed: the bytes of a text file, whether it is packed or not, or comes on standard input."""

import bz2
import gzip
import io
import lzma
import struct
import sys
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from nice_anomaly.data.pipe import opened_pipe
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.words import brief, listed

STDIN = Path("-")
SUFFIXES = (".csv", ".tsv", ".tab")
LOOSE = (".txt", ".dat", ".asc")  # tables only if they are named, not if they lie in a folder
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error),
    *(NotImplementedError, RuntimeError, UnicodeDecodeError, OverflowError),
)
HONEST = 100  # times its size is what a packed file of any size may unpack to
DICTIONARY = 1 << 28  # bytes that unpacking may need
ENTRY = 46  # bytes of a file's entry in the directory of an archive, at least


def is_text_table(file: Path, *, named: bool = False) -> bool:
    """Whether the name says a table in text, packed or not; ``named`` files may be of any kind.

    >>> is_text_table(Path("a.csv.gz")), is_text_table(Path("a.txt")), is_text_table(Path("a.gz"))
    (True, False, False)
    """
    suffixes = [suffix.lower() for suffix in file.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".zip":
        try:
            return named or bool(_members(file))
        except (*DAMAGE, DataError):  # no table of this folder
            return False
    if len(suffixes) > 1 and suffixes[-1] in PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in (*SUFFIXES, *(LOOSE if named else ()))


def may_be_pipe(file: Path) -> bool:
    """Whether the name of a pipe says nothing, or a text that can be read from front to back.

    >>> [may_be_pipe(Path(name)) for name in ("/dev/fd/63", "a.csv.gz", "a.zip", "a.png")]
    [True, True, False, False]
    """
    return not file.suffix or (file.suffix.lower() != ".zip" and is_text_table(file, named=True))


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked as they are read.

    Raises:
        DataError: missing, not what its name says, or an archive that does not hold one table.
    """
    try:
        with _raw(file) as stream:
            yield stream
    except DAMAGE as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{file} cannot be read: {brief(why, 200).rstrip('.')}.") from error


def _raw(file: Path) -> IO[bytes]:
    if file == STDIN:
        if sys.stdin is None:
            raise DataError("the standard input is closed: there is nothing to read.")
        return sys.stdin.buffer
    if file.suffix.lower() == ".zip":
        return _only_member(file)
    unpack = PACKED.get(file.suffix.lower())
    if file.is_fifo():
        return _piped(file, unpack)
    if unpack is None:
        return file.open("rb", buffering=0)
    if unpack is lzma.open:
        _refuse_large_dictionary(file)
    return cast(IO[bytes], _Unpacking(unpack(file), file.stat().st_size, file))


def _refuse_large_dictionary(file: Path) -> None:
    """Raises LZMAError where unpacking would need much memory before it gives anything."""
    with file.open("rb") as stream:
        lzma.LZMADecompressor(memlimit=DICTIONARY).decompress(stream.read(1 << 12), 1)


class _Unpacking(io.RawIOBase):
    """What a packed file holds, refused where that is far more than what it is packed in."""

    def __init__(self, stream: Any, packed: int, file: Path) -> None:
        self._stream, self._file = stream, file
        self._left = max(limit("unpacked"), HONEST * packed)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes.

        Raises:
            DataError: they are too many.
        """
        count = int(self._stream.readinto(buffer))
        self._left -= count
        if self._left < 0:
            raise DataError(beyond("unpacked", None, self._file))
        return count

    def close(self) -> None:
        """Close what is unpacked."""
        self._stream.close()
        super().close()


def _piped(file: Path, unpack: Any) -> IO[bytes]:
    """What is written to a pipe, unpacked; closed together with it."""
    stream = opened_pipe(file)
    if unpack is None:
        return stream
    unpacked = _Unpacking(unpack(stream), 0, file)
    weakref.finalize(unpacked, stream.close)
    return cast(IO[bytes], unpacked)


def _only_member(file: Path) -> IO[bytes]:
    names = _members(file)
    if len(names) != 1:
        held = f"{len(names)} tables ({listed(names, 4)})" if names else "no CSV file"
        raise DataError(f"{file} holds {held}: unpack it, and give the file that is meant.")
    archive = zipfile.ZipFile(file)
    info = archive.getinfo(names[0])
    if info.flag_bits & 1:
        raise DataError(f"{file} is protected by a password: unpack it, and give the file.")
    return cast(IO[bytes], _Unpacking(archive.open(info), info.compress_size, file))


def _members(file: Path) -> list[str]:
    with file.open("rb") as stream:
        refuse_many_members(stream, file)
        with zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
    return [name for name in names if Path(name).suffix.lower() in (*SUFFIXES, *LOOSE)]


def refuse_many_members(archive: IO[bytes], where: object) -> None:
    """Refuse an archive whose directory alone would take much memory, by the size it says.

    Raises:
        DataError: it has room for more files than are read.
    """
    end = archive.seek(0, io.SEEK_END)
    archive.seek(max(0, end - (1 << 16) - 22))
    tail = archive.read()
    archive.seek(0)
    place = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
    larger = tail.rfind(b"PK\6\6") if size == 0xFFFFFFFF else -1
    if larger >= 0:
        size = int.from_bytes(tail[larger + 40 : larger + 48], "little")
    if min(size, end) // ENTRY > limit("members"):
        raise DataError(beyond("members", None, where))
