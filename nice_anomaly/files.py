"""Files: put in place whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nice_anomaly.errors import ArtifactError, ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write to, which takes the place of ``path`` when the block ends well.

    It is flushed to disk first; after an error nothing is left of it and ``path`` is as before.

    Raises:
        ArtifactError: no space, no permission, or the path is no folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror}. What was there before is unchanged. Free "
            f"space, or name a place that can be written."
        ) from error


def refuse_absent_folder(path: Path) -> None:
    """Refuse a file to be written whose folder is not there: it may be misspelt.

    Raises:
        ConfigError: there is no such folder.
    """
    if not path.parent.is_dir():
        if path.parent.exists():
            raise ConfigError(f"`output` {path}: {path.parent} is no folder.")
        raise ConfigError(
            f"`output` {path}: the folder {path.parent}/ does not exist: create it first."
        )


def write(path: Path, content: bytes) -> None:
    """Put a file in place whole, flushed to disk, or leave what was there.

    Raises:
        ArtifactError: no space, no permission, or the path is no folder.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def probe(folder: Path) -> None:
    """Write and remove a small file: better to learn now than after an hour of training.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    file = folder / f".probe.{os.getpid()}"
    write(file, b"")
    file.unlink(missing_ok=True)
