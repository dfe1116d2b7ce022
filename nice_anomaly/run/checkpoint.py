"""The checkpoint: the state of an unfinished training."""

import json
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from torch import Tensor

from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import write
from nice_anomaly.run.stored import DAMAGE, damaged, read_tensors
from nice_anomaly.training import Checkpoint, EpochSummary

CHECKPOINT = "checkpoint.safetensors"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write all that going on with the training needs.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    tensors = {"generator": checkpoint.generator}
    for part in ("weights", "best", "optimizer"):
        for name, tensor in getattr(checkpoint, part).items():
            tensors[f"{part}.{name}"] = tensor.clone().contiguous()
    metadata = {
        "history": json.dumps([asdict(summary) for summary in checkpoint.history]),
        "best_epoch": str(checkpoint.best_epoch),
    }
    write(path / CHECKPOINT, safetensors.torch.save(tensors, metadata=metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """The state an unfinished training stopped in.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    if not (path / CHECKPOINT).is_file():
        raise ArtifactError(
            f"there is nothing to resume in {path} (no {CHECKPOINT}): its training is finished "
            f"or never began. Start one with `learn()`."
        )
    try:
        tensors, metadata = read_tensors((path / CHECKPOINT).read_bytes())
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimizer": {}}
        generator = tensors.pop("generator")
        for key, tensor in tensors.items():
            part, name = key.split(".", 1)
            parts[part][name] = tensor
        return Checkpoint(
            history=tuple(EpochSummary(**entry) for entry in json.loads(metadata["history"])),
            best_epoch=int(metadata["best_epoch"]),
            generator=generator,
            **parts,
        )
    except DAMAGE as error:
        raise damaged(path, f"{CHECKPOINT} cannot be read") from error


def drop_checkpoint(path: Path) -> None:
    """Remove the checkpoint of a training that is finished."""
    (path / CHECKPOINT).unlink(missing_ok=True)
