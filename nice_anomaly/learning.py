"""Learning: from settings and normal data to a job that is ready to start, and to a trained run."""

import platform
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.beside import Kept, kept_rows
from nice_anomaly.crossfitting import Lesson, train_folds
from nice_anomaly.data import (
    Inputs,
    Material,
    TableReading,
    Watch,
    Wishes,
    absent_values,
    builtin_material,
    learn,
    truth_of,
    unwatched,
)
from nice_anomaly.data.splits import lessons
from nice_anomaly.density import Density
from nice_anomaly.flow import Bundle
from nice_anomaly.initial import INITIAL, initial_bundle
from nice_anomaly.models import rebuilt
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import DataRecord, Manifest, Trained
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.scores import InFolds, Scorer
from nice_anomaly.settings import Settings, TrainSettings
from nice_anomaly.training import Checkpoint, Progress, train
from nice_anomaly.words import brief, listed


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Job:
    """A training that is ready to start: data cut, preprocessing fixed, model initialised.

    ``inputs`` are the user's arguments as absolute paths, none for data without files; ``created``
    is when the training was begun.
    """

    settings: Settings
    material: Material
    inputs: tuple[str, ...]
    preprocess: Preprocess
    model: Density
    precision: torch.dtype
    created: str = field(default_factory=_now)

    @property
    def course(self) -> TrainSettings:
        """How long and how fast to train."""
        settings = self.settings.train
        return settings.of_folds if isinstance(self.model, Bundle) else settings

    def train(self, resume: Checkpoint | None = None) -> Iterator[Progress | Checkpoint]:
        """Train; see ``training.train``, and ``train_folds`` where there are folds."""
        if isinstance(self.model, Bundle):
            parts = lessons_of(self.material, self.settings.seed)
            return train_folds(
                self.model,
                self.preprocess.to(self.model.device),
                [Lesson(self._rows(fit), self._rows(stop)) for fit, stop in parts],
                self.course,
                seed=self.settings.seed,
                precision=self.precision,
                resume=resume,
            )
        return train(
            self.model,
            self.preprocess.to(self.model.device),
            self._rows(self.material.split.fit),
            self._rows(self.material.split.early_stopping),
            self.course,
            seed=self.settings.seed,
            precision=self.precision,
            resume=resume,
        )

    def trained(self, checkpoint: Checkpoint, *, finished: bool = True) -> Trained:
        """The run that the best weights of a training make."""
        manifest, seen = self.manifest(checkpoint, finished=finished), self._hashes[0]
        kept, device = self.material.dataset.values[self._kept], str(self.model.device)
        rows = None if self.settings.private else kept
        found = Trained.of(manifest, checkpoint.best, self.preprocess, seen, rows, device)
        if self._neighbours is None:
            return found
        neighbours, distances = self._neighbours
        likelihoods = self._held_out_by(found.scorer(device))
        return found.with_views(neighbours, [likelihoods, *-distances.T])

    def manifest(self, checkpoint: Checkpoint | None, *, finished: bool) -> Manifest:
        """What the training is and how far it came, None for its very start."""
        data, parts = self.material.dataset, self.material.split
        return Manifest(
            created=self.created,
            versions=versions(),
            settings=self.settings,
            data=DataRecord(
                name=data.name,
                layout=data.layout,
                n=len(data),
                fit=len(parts.fit),
                early_stopping=len(parts.early_stopping),
                calibration=len(data) if parts.folds is not None else len(parts.calibration),
                fingerprint=data.fingerprint,
                repeated=self._hashes[1],
                inputs=self.inputs,
                reading=self.material.reading,
            ),
            architecture=self.model.architecture,
            finished=finished,
            precision=str(self.precision).removeprefix("torch."),
            best_epoch=0 if checkpoint is None else checkpoint.best_epoch,
            history=() if checkpoint is None else checkpoint.history,
            fingerprint="",
        )

    def held_out(self, checkpoint: Checkpoint) -> float:
        """The mean log-likelihood of the early-stopping part as it is scored, without noise.

        What training compares epochs by has its noise: for images and tables it is lower.
        """
        model = rebuilt(self.model.architecture, checkpoint.best).to(self.model.device)
        scorer = Scorer(model, self.preprocess.to(model.device), self.precision, weights="")
        return float(self._held_out_by(scorer).mean())

    def _held_out_by(self, scorer: Scorer) -> NDArray[np.float64]:
        """Log-likelihoods of samples by weights that have not learned them."""
        parts, values = self.material.split, self.material.dataset.values
        if parts.folds is not None:
            return scorer.out_of_fold(values, InFolds(parts.folds))[:, 0]
        return scorer.measure(values[parts.early_stopping])[:, 0]

    @cached_property
    def _neighbours(self) -> Kept | None:
        """What ``kept_rows`` finds; it does not depend on the weights."""
        return kept_rows(self.material, self.preprocess, self.settings)

    @cached_property
    def _kept(self) -> NDArray[np.int64]:
        """Places of the samples of which a run keeps some, in no order that means anything."""
        parts = self.material.split
        if parts.folds is None:
            return parts.early_stopping
        return np.random.default_rng(self.settings.seed).permutation(parts.fit)

    @cached_property
    def _hashes(self) -> tuple[Tensor, int]:
        """Those of all samples that are learned from, and how many held-out ones are among them.

        In folds every sample is held out once, and counts if another one is its copy.
        """
        hashes, parts = self.material.dataset.row_hashes, self.material.split
        seen = np.sort(hashes[np.concatenate([parts.fit, parts.early_stopping])])
        if parts.folds is not None:
            _, times = np.unique(hashes, return_counts=True)
            return torch.from_numpy(seen), int(times[times > 1].sum())
        return torch.from_numpy(seen), int(np.isin(hashes[parts.calibration], seen).sum())

    def _rows(self, places: NDArray[np.int64]) -> Tensor:
        """The samples at ``places``, as the model takes them."""
        return torch.from_numpy(self.material.dataset.values[places])


def prepare(
    settings: Settings,
    root: Path,
    device: str = "auto",
    *,
    inputs: Inputs | None = None,
    wishes: Wishes | None = None,
    watch: Watch = unwatched,
) -> Job:
    """Read the normal data, cut them, and build the model that training starts from.

    The data are a user's ``inputs``, read by ``wishes``, or without any the built-in set of the
    settings. ``watch`` hears how many samples were read.

    Raises:
        ConfigError: a split or a device that cannot be.
        DataError: the data are missing or damaged.
    """
    choose_device(device)
    if inputs is None:
        material = builtin_material(settings.data.normal, settings.cut, settings.seed, root)
        return ready(settings, material, (), device)
    material = learn(inputs, wishes or Wishes(), settings.cut, settings.seed, watch)
    return ready(settings, material, inputs.arguments, device)


def ready(settings: Settings, material: Material, inputs: tuple[str, ...], device: str) -> Job:
    """The job for material that was read."""
    target = choose_device(device)
    precision = choose_precision(settings.train.precision, target)
    layout = material.dataset.layout
    fit = torch.from_numpy(material.dataset.values[material.split.fit])
    if layout.levels:
        preprocess = Preprocess.for_levels(layout.dimensions, layout.levels)
    else:
        steps = material.reading.steps if isinstance(material.reading, TableReading) else None
        preprocess = Preprocess.for_columns(fit.numpy(), settings.noise, steps)
    model: Density
    if material.split.folds is None:
        model = INITIAL[settings.model](settings, preprocess, fit)
    else:
        outside = [fit[learned] for learned, _ in lessons_of(material, settings.seed)]
        model = initial_bundle(settings, preprocess, outside)
    return Job(settings, material, inputs, preprocess, model.to(target), precision)


def lessons_of(material: Material, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each fold the places of samples to learn, and of those that tell when to stop."""
    assert material.split.folds is not None
    return lessons(material.split.folds, seed)


def remarks(job: Job, known: Collection[str | None] = ()) -> Iterator[str]:
    """What a user has to know of what was read: details lost, labels in vain, columns left out.

    That columns ``known`` to be left out are is not said.
    """
    material, reading = job.material, job.material.reading
    if material.shrinking is not None:
        yield f"note: images {material.shrinking}; a larger `size` keeps them"
    if not isinstance(reading, TableReading):
        return
    counts = truth_of(material.labels, reading.anomaly_values).counts
    for absent in absent_values(reading.label_column, counts, "everything is learned as normal"):
        yield f"note: {absent}. Its values: {listed(material.labels, 8)}"
    for column in reading.columns:
        if column.kind == "left out" and column.name not in known:
            yield f"column {brief(column.name)} left out: {brief(column.reason, 300)}"


def versions() -> dict[str, str]:
    """Of everything that can change a number."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("nice-anomaly", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
