"""What all files of a run share: the format number, where they are read from, the errors."""

import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nice_anomaly.errors import ArtifactError

FORMAT = 2  # of everything in a run folder; a reader refuses a larger number
OLD = 1  # without seals: only the weights are proven
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
DAMAGE = (
    SafetensorError,
    RuntimeError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
)
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Files(Protocol):
    """The files of one run by their names, wherever they are; ``where`` names it in errors."""

    @property
    def where(self) -> str:
        """The run, for people."""

    def read(self, name: str, most: int) -> bytes:
        """The content of a file.

        Raises:
            ArtifactError: it is missing, may not be read, is no file or has over ``most`` bytes.
        """


@dataclass(frozen=True)
class Folder:
    """Files in a folder."""

    path: Path

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.path)

    def read(self, name: str, most: int) -> bytes:
        """See ``Files``."""
        try:
            return content_of(self.path / name, most)
        except OSError as error:
            raise unreadable(self.path, name, error) from error


@dataclass(frozen=True)
class Memory:
    """Files that are in none."""

    where: str
    files: Mapping[str, bytes] = field(repr=False)

    def read(self, name: str, most: int) -> bytes:
        """See ``Files``."""
        content = self.files.get(name)
        if content is None or len(content) > most:
            raise damaged(self.where, f"{name} is {'missing' if content is None else 'too large'}")
        return content


def content_of(file: Path, most: int) -> bytes:
    """What a file holds, if it is one: a pipe would wait, a device might never end.

    Raises:
        OSError: it is not there, may not be read, is no file or has more than ``most`` bytes.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
            raise OSError(errno.EINVAL, f"it is {what} and no file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than the {most:,} bytes that it can have")
        content = io.FileIO(descriptor, closefd=False).readall()
    finally:
        os.close(descriptor)
    return content


def read_tensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata in the content of a safetensors file.

    Raises:
        SafetensorError, ValueError: it is none.
    """
    tensors = safetensors.torch.load(content)
    return tensors, metadata_of(content)


def metadata_of(content: bytes) -> dict[str, str]:
    """The metadata in the header of a safetensors file.

    Raises:
        ValueError, TypeError, AttributeError: it has no such header.
    """
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, LONGEST_HEADER):
        raise ValueError("it has no header")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    found: dict[str, str] = header.get("__metadata__", {})
    return found


def digest(content: bytes) -> str:
    """What names content: its SHA-256."""
    return hashlib.sha256(content).hexdigest()


def damaged(where: object, reason: str) -> ArtifactError:
    """The error for a run whose content contradicts itself."""
    return ArtifactError(
        f"the run {where} is damaged: {reason}. Restore it from a copy, or train again with "
        f"`learn(run={str(where)!r}, overwrite=True)`."
    )


def unreadable(where: Path, name: str, error: OSError) -> ArtifactError:
    """The error for a file of a run that the system does not give; a right to read is no damage."""
    if isinstance(error, PermissionError):
        return ArtifactError(denied(where / name))
    if isinstance(error, FileNotFoundError):
        return damaged(where, f"{name} is missing")
    return damaged(where, f"{name} cannot be read ({error.strerror})")


def denied(file: Path) -> str:
    """That there is no right to read a file, and what to do."""
    return (
        f"{file} may not be read (permission denied). Ask its owner for the right to read it, or "
        f"copy the run to where you have it."
    )
