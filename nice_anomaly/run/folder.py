"""Folder: a trained model with its preprocessing and manifest, saved and verified.

The weights go to a new file first, named by their fingerprint; writing the manifest is the
switch, so a full disk or a crash leaves the previous run whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import ArtifactError
from nice_anomaly.models import rebuilt
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.manifest import MANIFEST, Manifest, as_json, load_manifest, parse_manifest
from nice_anomaly.run.stored import DAMAGE, damaged, read_tensors
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.scores import Scorer

PREFIX = "preprocess."
SEEN = "seen"
ATTEMPTS = 10  # to read a run whole while others take its place


@dataclass(frozen=True)
class Trained:
    """A trained model with all that is needed to use it, wherever it is kept.

    ``seen`` holds, sorted, a hash of every sample that training or early stopping has used.
    """

    manifest: Manifest
    model: Density
    preprocess: Preprocess
    seen: Tensor

    def scorer(self, device: str = "auto", *, noise_seed: int | None = None) -> Scorer:
        """What scores raw samples with this run's weights; see ``Scorer``.

        Raises:
            ConfigError: no such device.
        """
        target, data = choose_device(device), self.manifest.data
        return Scorer(
            self.model.to(target),
            self.preprocess.to(target),
            choose_precision(self.manifest.settings.train.precision, target),
            self.manifest.fingerprint,
            data.layout.shape if data.layout.kind == "image" else None,
            noise_seed=noise_seed,
        )

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        weights: Mapping[str, Tensor],
        preprocess: Preprocess,
        seen: Tensor,
    ) -> "Trained":
        """From the weights of a training; the manifest gets their fingerprint."""
        content = _content(weights, preprocess, seen)
        manifest = replace(manifest, fingerprint=hashlib.sha256(content).hexdigest())
        return _opened(manifest, content, "in memory")


def packed(trained: Trained) -> dict[str, bytes]:
    """The files of a run by name, the manifest last; ``unpacked`` is the way back."""
    content = _content(trained.model.state_dict(), trained.preprocess, trained.seen)
    return {trained.manifest.weights_file: content, MANIFEST: as_json(trained.manifest)}


def unpacked(files: Mapping[str, bytes], where: str) -> Trained:
    """A run from its files; ``where`` names it in errors.

    Raises:
        ArtifactError: files are missing, damaged, or written by a newer version.
    """
    manifest = parse_manifest(files[MANIFEST], where)
    return _opened(manifest, files.get(manifest.weights_file, b""), where)


def load_run(path: Path) -> Trained:
    """Read a run and verify that weights and manifest belong together.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    for _ in range(ATTEMPTS):
        manifest = load_manifest(path)
        try:
            return _read(path, manifest)
        except ArtifactError:
            if load_manifest(path) == manifest:
                raise
    raise damaged(path, f"{MANIFEST} is replaced again and again")


def _read(path: Path, manifest: Manifest) -> Trained:
    """The run that a manifest describes, as long as no other takes its place."""
    file = path / manifest.weights_file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise damaged(path, f"{file.name} cannot be read ({error.strerror})") from error
    return _opened(manifest, content, str(path))


def _content(weights: Mapping[str, Tensor], preprocess: Preprocess, seen: Tensor) -> bytes:
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    tensors |= {PREFIX + name: tensor.cpu() for name, tensor in preprocess.tensors()}
    tensors[SEEN] = seen
    content: bytes = safetensors.torch.save(tensors)
    return content


def _opened(manifest: Manifest, content: bytes, where: str) -> Trained:
    file = manifest.weights_file
    if hashlib.sha256(content).hexdigest() != manifest.fingerprint:
        raise damaged(where, f"{file} is not the file that {MANIFEST} describes")
    try:
        tensors, _ = read_tensors(content)
        names = [name for name in tensors if name.startswith(PREFIX)]
        preprocess = Preprocess(**{name.removeprefix(PREFIX): tensors.pop(name) for name in names})
        seen = tensors.pop(SEEN)
        model = rebuilt(manifest.architecture, tensors)
    except DAMAGE as error:
        raise damaged(where, f"{file} does not fit the architecture") from error
    return Trained(manifest, model, preprocess, seen)
