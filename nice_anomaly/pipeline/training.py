"""Training: from settings and normal data to a job that is ready to start, and to a run."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.config import Settings
from nice_anomaly.data import (
    Dataset,
    Material,
    Reading,
    Watch,
    Wishes,
    learn,
    recall,
    recognise,
    split,
    training_part,
    unwatched,
)
from nice_anomaly.flow import Architecture, Flow, MixturePrior
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import DataRecord, Manifest, save_run
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.train import Checkpoint, Progress, train

COMPONENT_SAMPLES = 50  # what a component of a mixture wants to be learned from
INITIAL_SAMPLES = 4096  # enough to measure a spread per coordinate to 1 %


@dataclass(frozen=True)
class Job:
    """A training that is ready to start: data cut, preprocessing fixed, flow initialised.

    ``inputs`` are the user's arguments as absolute paths, none for a built-in set.
    """

    settings: Settings
    material: Material
    inputs: tuple[str, ...]
    preprocess: Preprocess
    flow: Flow
    precision: torch.dtype

    def train(self, resume: Checkpoint | None = None) -> Iterator[Progress | Checkpoint]:
        """Train in place; see ``nice_anomaly.train.train``."""
        device = self.flow.scaling.log_scale.device
        return train(
            self.flow,
            self.preprocess.to(device),
            rows(self.material.dataset, self.material.split.fit),
            rows(self.material.dataset, self.material.split.early_stopping),
            self.settings.train,
            seed=self.settings.seed,
            precision=self.precision,
            resume=resume,
        )

    @cached_property
    def _hashes(self) -> tuple[Tensor, int]:
        """Those of all samples that are learned from, and how many held-out ones are among them."""
        hashes, parts = self.material.dataset.row_hashes, self.material.split
        seen = np.sort(hashes[np.concatenate([parts.fit, parts.early_stopping])])
        return torch.from_numpy(seen), int(np.isin(hashes[parts.calibration], seen).sum())

    def save(self, path: Path, checkpoint: Checkpoint, *, finished: bool) -> None:
        """Store the best weights of a training as a run.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        data, parts = self.material.dataset, self.material.split
        seen, repeated = self._hashes
        manifest = Manifest(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions(),
            settings=self.settings,
            data=DataRecord(
                name=data.name,
                layout=data.layout,
                n=len(data),
                fit=len(parts.fit),
                early_stopping=len(parts.early_stopping),
                calibration=len(parts.calibration),
                fingerprint=data.fingerprint,
                repeated=repeated,
                inputs=self.inputs,
                reading=self.material.reading,
            ),
            architecture=self.flow.architecture,
            finished=finished,
            precision=str(self.precision).removeprefix("torch."),
            best_epoch=checkpoint.best_epoch,
            history=checkpoint.history,
            fingerprint="",
        )
        save_run(path, manifest, checkpoint.best, self.preprocess, seen)


def prepare(
    settings: Settings,
    root: Path,
    device: str = "auto",
    *,
    inputs: tuple[str, ...] = (),
    wishes: Wishes | None = None,
    reading: Reading | None = None,
    watch: Watch = unwatched,
) -> Job:
    """Read the normal data, cut them, and build the flow that training starts from.

    The data are a user's ``inputs``, read by ``wishes`` or in the ``reading`` of an earlier run,
    or without any the built-in set of the settings. ``watch`` hears how many samples were read.

    Raises:
        ConfigError: a split or a device that cannot be.
        DataError: the data are missing or damaged.
    """
    target = choose_device(device)
    precision = choose_precision(settings.train.precision, target)
    if inputs and reading is None:
        material = learn(recognise(inputs), wishes or Wishes(), settings.data, settings.seed, watch)
    else:
        material = normal_data(settings, root, inputs, reading)
    layout, fit = material.dataset.layout, rows(material.dataset, material.split.fit)
    if layout.levels:
        preprocess = Preprocess.for_levels(layout.dimensions, layout.levels)
    else:
        steps = None if material.reading is None else material.reading.steps
        preprocess = Preprocess.for_columns(fit.numpy(), settings.flow.noise, steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        flow = Flow(
            Architecture(
                dimensions=layout.dimensions,
                couplings=settings.flow.couplings,
                layers=settings.flow.layers,
                width=settings.flow.width_for(len(fit)),
                prior=settings.flow.prior,
                activation=settings.flow.activation,
                components=max(1, min(settings.flow.components, len(fit) // COMPONENT_SAMPLES)),
            )
        )
    generator = torch.Generator().manual_seed(settings.seed)
    sample = preprocess.dequantise(fit[:INITIAL_SAMPLES], generator)
    flow.initialise(
        sample,
        *preprocess.moments(fit),
        floor=settings.flow.eigenvalue_floor,
        nu=settings.flow.degrees_of_freedom,
        emphasis=settings.flow.emphasis,
    )
    if isinstance(flow.prior, MixturePrior):
        labels = _clusters(sample, flow.architecture.components, settings.seed)
        flow.prior.initialise(flow(sample)[0].detach(), labels)
    places = tuple(str(Path(argument).absolute()) for argument in inputs)
    return Job(settings, material, places, preprocess, flow.to(target), precision)


def _clusters(x: Tensor, count: int, seed: int) -> Tensor:
    """Which of ``count`` clusters each row of ``x`` belongs to, ``[n]``.

    Clusters are looked for before whitening, which would make noise as loud as what differs.
    """
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=1, random_state=seed).fit_predict(x.numpy())
    return torch.from_numpy(labels)


def normal_data(
    settings: Settings, root: Path, inputs: tuple[str, ...], reading: Reading | None
) -> Material:
    """The normal data of a run that exists, or of a built-in set, with the same split again.

    Raises:
        ConfigError: no such set, or a split that cannot be.
        DataError: the data are missing or damaged.
    """
    if inputs and reading is not None:
        return recall(recognise(inputs), reading, settings.data, settings.seed)
    dataset = training_part(settings.data.normal, root)
    stop, calibration = settings.data.counts(len(dataset))
    parts = split(len(dataset), early_stopping=stop, calibration=calibration, seed=settings.seed)
    return Material(dataset, parts, None, len(dataset))


def versions() -> dict[str, str]:
    """Of everything that can change a number."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("nice-anomaly", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def rows(dataset: Dataset, places: NDArray[np.int64]) -> Tensor:
    """The samples at ``places``, as the flow takes them."""
    return torch.from_numpy(dataset.values[places])
