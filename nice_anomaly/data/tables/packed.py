"""Packed: the bytes of a text file, whether it is packed or not, or comes on standard input."""

import bz2
import gzip
import io
import lzma
import sys
import weakref
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from nice_anomaly.data.pipe import opened_pipe
from nice_anomaly.errors import DataError

STDIN = Path("-")
SUFFIXES = (".csv", ".tsv", ".tab")
LOOSE = (".txt", ".dat", ".asc")  # tables only if they are named, not if they lie in a folder
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGE = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError)


def is_text_table(file: Path, *, named: bool = False) -> bool:
    """Whether the name says a table in text, packed or not; ``named`` files may be of any kind.

    >>> is_text_table(Path("a.csv.gz")), is_text_table(Path("a.txt")), is_text_table(Path("a.gz"))
    (True, False, False)
    """
    suffixes = [suffix.lower() for suffix in file.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".zip":
        return named or bool(_members(file))
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
        raise DataError(f"{file} cannot be read: {why.rstrip('.')}.") from error


def _raw(file: Path) -> IO[bytes]:
    if file == STDIN:
        return sys.stdin.buffer
    if file.suffix.lower() == ".zip":
        return _only_member(file)
    unpack = PACKED.get(file.suffix.lower())
    if file.is_fifo():
        return _piped(opened_pipe(file), unpack)
    return file.open("rb", buffering=0) if unpack is None else cast(IO[bytes], unpack(file))


def _piped(stream: IO[bytes], unpack: Any) -> IO[bytes]:
    """What is written to a pipe, unpacked; closed together with it."""
    if unpack is None:
        return stream
    unpacked = unpack(stream)
    weakref.finalize(unpacked, stream.close)
    return cast(IO[bytes], unpacked)


def _only_member(file: Path) -> IO[bytes]:
    names = _members(file)
    if len(names) != 1:
        held = f"{len(names)} tables ({', '.join(names[:4])})" if names else "no CSV file"
        raise DataError(f"{file} holds {held}: unpack it, and give the file that is meant.")
    archive = zipfile.ZipFile(file)
    if archive.getinfo(names[0]).flag_bits & 1:
        raise DataError(f"{file} is protected by a password: unpack it, and give the file.")
    return io.BufferedReader(cast(io.RawIOBase, archive.open(names[0])))


def _members(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
    except DAMAGE:
        return []
    return [name for name in names if Path(name).suffix.lower() in (*SUFFIXES, *LOOSE)]
