"""Learning: from settings and normal data to a job that is ready to start, and to a trained run."""

import platform
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from nice_anomaly.density import Density
from nice_anomaly.errors import DataError, NumericsError
from nice_anomaly.initial import INITIAL
from nice_anomaly.models import rebuilt
from nice_anomaly.own_data import own_material
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import (
    DataRecord,
    Manifest,
    Trained,
    drop_checkpoint,
    load_checkpoint,
    load_manifest,
    save_checkpoint,
    save_run,
)
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.scores.likelihood import log_likelihoods
from nice_anomaly.settings import Settings
from nice_anomaly.training import Checkpoint, Progress, train

SAVE_EVERY_SECONDS = 60


@dataclass(frozen=True)
class Kept:
    """The run was saved: with its best weights so far, or ``finished``."""

    path: Path
    finished: bool


Report = Progress | Checkpoint | Kept
Listener = Callable[[Report], None]


@dataclass(frozen=True)
class Job:
    """A training that is ready to start: data cut, preprocessing fixed, model initialised.

    ``inputs`` are the user's arguments as absolute paths, none for data without files.
    """

    settings: Settings
    material: Material
    inputs: tuple[str, ...]
    preprocess: Preprocess
    model: Density
    precision: torch.dtype

    def train(self, resume: Checkpoint | None = None) -> Iterator[Progress | Checkpoint]:
        """Train in place; see ``training.train``."""
        return train(
            self.model,
            self.preprocess.to(self.model.device),
            self._rows(self.material.split.fit),
            self._rows(self.material.split.early_stopping),
            self.settings.train,
            seed=self.settings.seed,
            precision=self.precision,
            resume=resume,
        )

    def trained(self, checkpoint: Checkpoint, *, finished: bool = True) -> Trained:
        """The run that the best weights of a training make."""
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
            architecture=self.model.architecture,
            finished=finished,
            precision=str(self.precision).removeprefix("torch."),
            best_epoch=checkpoint.best_epoch,
            history=checkpoint.history,
            fingerprint="",
        )
        return Trained.of(manifest, checkpoint.best, self.preprocess, seen)

    def keep(self, path: Path, checkpoint: Checkpoint, *, finished: bool) -> Kept:
        """Save the run as it is now, and for an unfinished one what going on needs.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        if not finished:
            save_checkpoint(path, checkpoint)
        save_run(path, self.trained(checkpoint, finished=finished))
        if finished:
            drop_checkpoint(path)
        return Kept(path, finished)

    def held_out(self, checkpoint: Checkpoint) -> float:
        """The mean log-likelihood of the early-stopping part as it is scored, without noise.

        What training compares epochs by has its noise: for images and tables it is lower.
        """
        model = rebuilt(self.model.architecture, checkpoint.best).to(self.model.device)
        rows = self._rows(self.material.split.early_stopping)
        preprocess = self.preprocess.to(model.device)
        return float(log_likelihoods(model, preprocess, rows, precision=self.precision).mean())

    @cached_property
    def _hashes(self) -> tuple[Tensor, int]:
        """Those of all samples that are learned from, and how many held-out ones are among them."""
        hashes, parts = self.material.dataset.row_hashes, self.material.split
        seen = np.sort(hashes[np.concatenate([parts.fit, parts.early_stopping])])
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
        material = builtin_material(settings.data.normal, settings.data, settings.seed, root)
        return ready(settings, material, (), device)
    material = learn(inputs, wishes or Wishes(), settings.data, settings.seed, watch)
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
    model = INITIAL[settings.model](settings, preprocess, fit)
    return Job(settings, material, inputs, preprocess, model.to(target), precision)


def interrupted(path: Path, root: Path, device: str = "auto") -> tuple[Job, Checkpoint]:
    """The job and the state of a training that stopped, if its data are still the same.

    Raises:
        ArtifactError: there is nothing to go on with, or it is damaged.
        DataError: the data are gone or others.
    """
    checkpoint, manifest = load_checkpoint(path), load_manifest(path)
    data = manifest.data
    material = own_material(manifest, root)
    if material.dataset.fingerprint != data.fingerprint:
        remedy = "" if data.inputs else " Name the folder it was trained from with `data_root`."
        raise DataError(
            f"the '{data.name}' data are not those that the run {path} was begun with.{remedy}"
        )
    return ready(manifest.settings, material, data.inputs, device), checkpoint


def train_to_the_end(
    job: Job, path: Path | None, resume: Checkpoint | None, listen: Listener
) -> Checkpoint:
    """Train, tell ``listen`` of every report, and keep the run in ``path`` on the way.

    An interruption and a diverging loss keep the best weights so far, if an epoch was complete.

    Raises:
        NumericsError: the loss is no longer finite.
        KeyboardInterrupt: somebody stopped it; its sentence says what was kept.
        ArtifactError: the folder cannot be written.
    """
    last, saved = resume, time.monotonic()

    def keep(checkpoint: Checkpoint, *, finished: bool) -> None:
        if path is not None:
            listen(job.keep(path, checkpoint, finished=finished))

    try:
        for report in job.train(resume):
            if isinstance(report, Checkpoint):
                last = report
            listen(report)
            due = time.monotonic() - saved > SAVE_EVERY_SECONDS
            if isinstance(report, Checkpoint) and due:
                keep(report, finished=False)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if last is None or path is None:
            raise KeyboardInterrupt("interrupted: nothing was kept.") from None
        keep(last, finished=False)
        raise KeyboardInterrupt(
            f"interrupted: {path} holds the weights of epoch {last.best_epoch + 1}, the best of "
            f"{last.epochs_done}. Go on with `learn(resume=True, run={str(path)!r})`, or use the "
            f"run as it is."
        ) from None
    except NumericsError as error:
        if last is None or path is None:
            raise
        keep(last, finished=True)
        raise NumericsError(
            *error.args,
            f"{path} holds the weights of epoch {last.best_epoch + 1}, the best before that.",
        ) from error
    assert last is not None
    keep(last, finished=True)
    return last


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
        yield f"note: {absent}. Its values: {', '.join(material.labels[:8])}"
    for column in reading.columns:
        if column.kind == "left out" and column.name not in known:
            yield f"column {column.name} left out: {column.reason}"


def silent(report: Report) -> None:
    """What hears of a training where nobody looks."""
    del report


def versions() -> dict[str, str]:
    """Of everything that can change a number."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("nice-anomaly", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
