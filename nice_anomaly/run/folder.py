"""Folder: a trained flow with its preprocessing and manifest, saved and verified.

The weights go to a new file first, named by their fingerprint; writing the manifest is the
switch, so a full disk or a crash leaves the previous run whole.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nice_anomaly.files import write
from nice_anomaly.flow import Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.manifest import MANIFEST, Manifest, load_manifest, save_manifest
from nice_anomaly.run.stored import damaged

PREFIX = "preprocess."
SEEN = "seen"


@dataclass(frozen=True)
class Run:
    """A trained flow with all that is needed to use it; ``path`` is its folder.

    ``seen`` has a hash of every sample that training or early stopping has used.
    """

    path: Path
    manifest: Manifest
    flow: Flow
    preprocess: Preprocess
    seen: Tensor


def save_run(
    path: Path,
    manifest: Manifest,
    weights: dict[str, Tensor],
    preprocess: Preprocess,
    seen: Tensor,
) -> None:
    """Write a run; its manifest gets the fingerprint of the weights. Old weights go last.

    Raises:
        ArtifactError: the folder cannot be written; what was there before is still whole.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    tensors |= {PREFIX + name: tensor for name, tensor in preprocess.tensors()}
    tensors[SEEN] = seen
    content = safetensors.torch.save(tensors)
    manifest = replace(manifest, fingerprint=hashlib.sha256(content).hexdigest())
    write(path / manifest.weights_file, content)
    save_manifest(path, manifest)
    for old in path.glob("weights-*.safetensors"):
        if old.name != manifest.weights_file:
            old.unlink(missing_ok=True)


def load_run(path: Path) -> Run:
    """Read a run and verify that weights and manifest belong together.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    manifest = load_manifest(path)
    file = path / manifest.weights_file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise damaged(path, f"{file.name} cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != manifest.fingerprint:
        raise damaged(path, f"{file.name} is not the file that {MANIFEST} describes")
    flow = Flow(manifest.architecture)
    try:
        tensors = safetensors.torch.load(content)
        names = [name for name in tensors if name.startswith(PREFIX)]
        stored = {name.removeprefix(PREFIX): tensors.pop(name) for name in names}
        seen = tensors.pop(SEEN)
        flow.load_state_dict(tensors, assign=True)
        preprocess = Preprocess(**stored)
    except (SafetensorError, RuntimeError, TypeError, KeyError) as error:
        raise damaged(path, f"{file.name} does not fit the architecture") from error
    return Run(path, manifest, flow, preprocess, seen)
