"""What all files of a run folder share: the format number, reading, the error."""

from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from nice_anomaly.errors import ArtifactError

FORMAT = 1  # of everything in a run folder; a reader refuses a larger number


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}


def damaged(path: Path, reason: str) -> ArtifactError:
    """The error for a run folder whose content contradicts itself."""
    return ArtifactError(
        f"the run {path} is damaged: {reason}. Restore it from a copy, or train again with "
        f"'nice-anomaly train --run {path} --overwrite'."
    )
