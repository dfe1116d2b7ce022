"""The weights file: all numbers of a trained model, named by their SHA-256."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import safetensors.torch
import torch
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import NumericsError
from nice_anomaly.models import filled, hollow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.manifest import MANIFEST, Manifest
from nice_anomaly.run.stored import DAMAGE, Files, damaged, digest, read_tensors

PREFIX = "preprocess."
SEEN = "seen"
HEADER, ENTRY = 10_000, 1_000  # bytes that the header has at most, and for every tensor
TINY = torch.finfo(torch.float64).tiny
LEAST = {"scale": TINY, "unit": TINY, "shift": -math.inf}  # of the numbers of a map; else 0


@dataclass(frozen=True)
class Contents:
    """What a weights file holds.

    ``seen`` are hashes of all samples that were learned from, in increasing order.
    """

    model: Density
    preprocess: Preprocess
    seen: Tensor


def weights_bytes(weights: Mapping[str, Tensor], preprocess: Preprocess, seen: Tensor) -> bytes:
    """The content of the file; ``contents`` is the way back."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    tensors |= {PREFIX + name: tensor.cpu() for name, tensor in preprocess.tensors()}
    tensors[SEEN] = seen
    content: bytes = safetensors.torch.save(tensors)
    return content


def contents(manifest: Manifest, files: Files) -> Contents:
    """What the weights file of a run holds, of which only so much is read as it can have.

    Raises:
        ArtifactError: it is not the file that the manifest describes, or no such model.
        NumericsError: a weight is not finite.
    """
    file = manifest.weights_file
    try:
        model = hollow(manifest.architecture)
    except DAMAGE as error:
        raise damaged(files.where, f"{MANIFEST} has an architecture that cannot be") from error
    content = files.read(file, _most(manifest, model))
    if digest(content) != manifest.fingerprint:
        raise damaged(files.where, f"{file} is not the file that {MANIFEST} describes")
    try:
        tensors, _ = read_tensors(content)
        preprocess, seen = _map(manifest, tensors), _hashes(manifest, tensors)
        model = filled(model, tensors)
    except DAMAGE as error:
        raise damaged(files.where, f"{file} does not fit the architecture ({error})") from error
    for name, tensor in tensors.items():
        if not (tensor.sum().isfinite() or tensor.isfinite().all()):  # the sum is quick
            raise NumericsError(
                f"the run {files.where} cannot score: its weights {name} in {file} are not finite "
                f"numbers. Train again, with a smaller learning rate."
            )
    return Contents(model, preprocess, seen)


def _most(manifest: Manifest, model: Density) -> int:
    """How many bytes the file has at most."""
    state, data = model.state_dict().values(), manifest.data
    numbers = sum(int(tensor.nbytes) for tensor in state)
    own = 8 * (len(fields(Preprocess)) * data.layout.dimensions + data.fit + data.early_stopping)
    return numbers + own + HEADER + ENTRY * (len(state) + len(fields(Preprocess)))


def _map(manifest: Manifest, tensors: dict[str, Tensor]) -> Preprocess:
    names = [name for name in tensors if name.startswith(PREFIX)]
    found = Preprocess(**{name.removeprefix(PREFIX): tensors.pop(name) for name in names})
    for name, tensor in found.tensors():
        if tensor.dtype != torch.float64 or tensor.shape != (manifest.data.layout.dimensions,):
            raise ValueError(f"{PREFIX}{name} has another shape")
        least = LEAST.get(name, 0.0)
        if not tensor.isfinite().all() or (tensor < least).any():
            raise ValueError(f"{PREFIX}{name} has numbers that cannot be")
    return found


def _hashes(manifest: Manifest, tensors: dict[str, Tensor]) -> Tensor:
    seen, data = tensors.pop(SEEN), manifest.data
    if seen.dtype != torch.int64 or seen.shape != (data.fit + data.early_stopping,):
        raise ValueError(f"{SEEN} has another shape")
    if (seen[1:] < seen[:-1]).any():
        raise ValueError(f"{SEEN} is not in order")
    return seen
