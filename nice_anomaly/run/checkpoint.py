"""The checkpoint: the state of an unfinished training, in one file that proves itself.

It needs nothing else of the folder: beside a finished run it waits without touching it.
"""

import json
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter
from torch import Tensor

from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import remove, there, why, write
from nice_anomaly.limits import beyond, limit
from nice_anomaly.run.claim import TRAINING
from nice_anomaly.run.manifest import MANIFEST, Manifest, load_manifest
from nice_anomaly.run.seal import sealed_tensors, unsealed_tensors
from nice_anomaly.run.stored import DAMAGE, FORMAT
from nice_anomaly.training import Checkpoint

CHECKPOINT = "checkpoint.safetensors"
PARTS = ("weights", "best", "optimizer")


def checkpoint_file(path: Path) -> Path:
    """Where the run folder ``path`` has the state of a training."""
    return path / TRAINING / CHECKPOINT


def save_checkpoint(path: Path, manifest: Manifest, checkpoint: Checkpoint | None) -> None:
    """Write all that going on with the training of ``manifest`` needs; None is its very start.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    if checkpoint is not None:
        tensors["generator"] = checkpoint.generator
        if checkpoint.folds is not None:
            tensors["folds"] = checkpoint.folds
        for part in PARTS:
            for name, tensor in getattr(checkpoint, part).items():
                tensors[f"{part}.{name}"] = tensor.clone()
    metadata = {"format": str(FORMAT), "manifest": json.dumps(manifest.record())}
    write(checkpoint_file(path), sealed_tensors(tensors, metadata))


def load_checkpoint(path: Path) -> tuple[Manifest, Checkpoint | None]:
    """What an unfinished training is, and the state it stopped in; None is its very start.

    Raises:
        ArtifactError: there is none, it may not be read, or it is damaged.
    """
    refuse_nothing_to_resume(path)
    file = checkpoint_file(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {file}: {why(error)}.") from error
    try:
        tensors, metadata = unsealed_tensors(content)
        if int(metadata["format"]) > FORMAT:  # before anything in it is read
            raise ArtifactError(
                f"{file} was written by a newer version of nice-anomaly: upgrade with 'pip install "
                f"--upgrade nice-anomaly'."
            )
        manifest = _manifests().validate_json(metadata["manifest"], strict=True, extra="forbid")
        return manifest, _restored(manifest, tensors) if tensors else None
    except DAMAGE as error:
        raise damaged_checkpoint(path, "it was changed since it was written") from error


def refuse_nothing_to_resume(path: Path) -> None:
    """Raises ArtifactError unless there is a training that stopped."""
    try:
        found = checkpoint_file(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ArtifactError(f"cannot read {checkpoint_file(path)}: {why(error)}.") from error
    else:
        if not stat.S_ISREG(found.st_mode):
            raise damaged_checkpoint(path, "it is no file")
        if found.st_size > limit("checkpoint"):
            raise ArtifactError(beyond("checkpoint", found.st_size, checkpoint_file(path)))
        return
    if there(path / CHECKPOINT) and not _finished(path):
        raise ArtifactError(
            f"{path / CHECKPOINT} was left by an older version of nice-anomaly, and this one "
            f"cannot go on with it. {_what_is_left(path)}"
        )
    raise ArtifactError(
        f"there is nothing to resume in {path}: its training is finished or never began. Start "
        f"one with `learn()`."
    )


def drop_checkpoint(path: Path) -> None:
    """Remove the checkpoint of a training that is finished or given up.

    Raises:
        ArtifactError: it may not be removed.
    """
    remove(checkpoint_file(path))
    with suppress(OSError):  # it holds the lock of a training
        (path / TRAINING).rmdir()


def same_training(one: Manifest, other: Manifest) -> bool:
    """Whether two manifests are of one training: the same data and settings, begun together."""
    return all(
        a == b
        for a, b in (
            (one.created, other.created),
            (one.settings, other.settings),
            (one.data.fingerprint, other.data.fingerprint),
        )
    )


def damaged_checkpoint(path: Path, reason: str) -> ArtifactError:
    """The error for a state that cannot be gone on with, and what is left beside it."""
    return ArtifactError(
        f"the interrupted training in {path} cannot go on: {checkpoint_file(path)} is damaged "
        f"({reason}). {_what_is_left(path)}"
    )


@cache
def _manifests() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _restored(manifest: Manifest, tensors: dict[str, Tensor]) -> Checkpoint:
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    generator, folds = tensors.pop("generator"), tensors.pop("folds", None)
    for key, tensor in tensors.items():
        part, name = key.split(".", 1)
        parts[part][name] = tensor
    return Checkpoint(
        manifest.history, manifest.best_epoch, **parts, generator=generator, folds=folds
    )


def _finished(path: Path) -> bool:
    try:
        return load_manifest(path).finished
    except ArtifactError:
        return False


def _what_is_left(path: Path) -> str:
    """What can be used of a folder whose training cannot go on, and how to begin again."""
    again = f"begin again with `learn(run={str(path)!r}, overwrite=True)`."
    try:
        manifest = load_manifest(path)
    except ArtifactError:
        return f"Nothing else was kept: {again}"
    kept = "finished run" if manifest.finished else f"run of epoch {manifest.best_epoch + 1}"
    return f"The {kept} beside it ({path / MANIFEST}) can be used as it is; or {again}"
