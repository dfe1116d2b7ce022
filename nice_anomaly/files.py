"""Files: put in place whole or not at all."""

import os
from pathlib import Path

from nice_anomaly.errors import ArtifactError


def write(path: Path, content: bytes) -> None:
    """Put a file in place whole, flushed to disk, or leave what was there.

    Raises:
        ArtifactError: no space, no permission, or the path is no folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror}. What was there before is unchanged. Free "
            f"space, or name a place that can be written."
        ) from error


def probe(folder: Path) -> None:
    """Write and remove a small file: better to learn now than after an hour of training.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    file = folder / f".probe.{os.getpid()}"
    write(file, b"")
    file.unlink(missing_ok=True)
