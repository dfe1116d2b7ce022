"""What all files of a run folder share: the format number, reading tensors, the error."""

import json
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nice_anomaly.errors import ArtifactError

FORMAT = 1  # of everything in a run folder; a reader refuses a larger number
DAMAGE = (SafetensorError, RuntimeError, OSError, KeyError, TypeError, ValueError)


def read_tensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata in the content of a safetensors file.

    Raises:
        SafetensorError, ValueError: it is none.
    """
    tensors = safetensors.torch.load(content)
    header: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, header.get("__metadata__", {})


def damaged(where: object, reason: str) -> ArtifactError:
    """The error for a run whose content contradicts itself."""
    return ArtifactError(
        f"the run {where} is damaged: {reason}. Restore it from a copy, or train again with "
        f"`learn(run={str(where)!r}, overwrite=True)`."
    )
