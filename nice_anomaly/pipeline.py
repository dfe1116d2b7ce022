"""Pipeline: the steps of train, calibrate and detect, put together once for command and scripts.

Nothing here prints. Training and calibration reach data only through the training part.
"""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.calibrate import Calibration, calibrate_sigma
from nice_anomaly.config import Settings
from nice_anomaly.data import (
    Batch,
    Dataset,
    ImageForm,
    Inputs,
    Material,
    Reading,
    Watch,
    Wishes,
    batches,
    evaluation_part,
    learn,
    recall,
    recognise,
    refuse_unreadable,
    split,
    training_part,
    unwatched,
)
from nice_anomaly.errors import DataError
from nice_anomaly.flow import Architecture, Flow, MixturePrior
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import DataRecord, Manifest, Run, save_run
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.score import Scores, score
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
            _rows(self.material.dataset, self.material.split.fit),
            _rows(self.material.dataset, self.material.split.early_stopping),
            self.settings.train,
            seed=self.settings.seed,
            precision=self.precision,
            resume=resume,
        )

    def save(self, path: Path, checkpoint: Checkpoint, *, finished: bool) -> None:
        """Store the best weights of a training as a run.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        data, parts = self.material.dataset, self.material.split
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
        save_run(path, manifest, checkpoint.best, self.preprocess)


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
        material = _material(settings, root, inputs, reading)
    layout, fit = material.dataset.layout, _rows(material.dataset, material.split.fit)
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


def score_inputs(
    run: Run, inputs: Inputs, device: str = "auto", reading: Reading | None = None
) -> Iterator[tuple[Batch, Scores]]:
    """A user's samples and their log-likelihoods, batch by batch, in order and at constant memory.

    They are read as the run has learned to, or with other columns for names and labels in
    ``reading``. The score of a sample that cannot be read is NaN.

    Raises:
        DataError: the input is not of the run's kind, or lacks a column.
        NumericsError: a score is not a number.
    """
    reading = reading or run.manifest.data.reading or _own_reading(run)
    target = choose_device(device)
    flow, preprocess = run.flow.to(target), run.preprocess.to(target)
    precision = choose_precision(run.manifest.settings.train.precision, target)
    for batch in batches(inputs, reading):
        scores = score(flow, preprocess, torch.from_numpy(batch.values), precision=precision)
        scores[list(batch.faults)] = np.nan
        yield batch, scores


@dataclass(frozen=True)
class FreshNormals:
    """Scores ``[n]`` of new normal samples, and how many samples beside them did not count."""

    scores: Scores
    left_out: dict[str, int]


def fresh_normals(
    run: Run, inputs: Sequence[str], device: str = "auto", *, skip_unreadable: bool = False
) -> FreshNormals:
    """Score a user's new normals for a new threshold; labelled anomalies among them do not count.

    Raises:
        DataError: they are what the run was trained on, do not fit it, or cannot be read.
    """
    found = recognise(inputs)
    learned = {file.resolve() for file in _learned_files(run)}
    again = [file for file in found.files if file.resolve() in learned]
    if again:
        raise DataError(
            f"{again[0]} is what the run {run.path} was trained on: its scores are too good to "
            f"set a threshold from. Leave --input away, then the part held out of it is used."
        )
    kept = []
    left_out = {"unreadable": 0, "labelled anomalies": 0, "without a label": 0}
    for batch, scores in score_inputs(run, found, device):
        if not skip_unreadable:
            refuse_unreadable(batch.faults, batch.ids.__getitem__)
        left_out["unreadable"] += len(batch.faults)
        normal = ~np.isnan(scores)
        if batch.truth is not None:
            left_out["labelled anomalies"] += int(batch.truth.anomalous.sum())
            left_out["without a label"] += int((~batch.truth.anomalous & ~batch.truth.normal).sum())
            normal &= batch.truth.normal
        kept.append(scores[normal])
    return FreshNormals(np.concatenate(kept), left_out)


def _learned_files(run: Run) -> tuple[Path, ...]:
    """The user's files that a run was trained on, as far as they are still there."""
    try:
        return recognise(run.manifest.data.inputs).files if run.manifest.data.inputs else ()
    except DataError:
        return ()


def _own_reading(run: Run) -> Reading:
    """How a run that learned a built-in set reads a user's files: images of the same form."""
    layout = run.manifest.data.layout
    if layout.kind != "image" or layout.levels != 256:
        raise DataError(
            f"the run {run.path} has learned the built-in set '{run.manifest.data.name}': it "
            f"reads no other tables. Train on your own with 'nice-anomaly train --input FILE'."
        )
    height, width = layout.shape
    return Reading(form=ImageForm(height, width, 1))


def score_dataset(
    run: Run, dataset: Dataset, device: str = "auto", noise_seed: int | None = None
) -> Scores:
    """Log-likelihoods of a set under a run, ``[n]``, in order.

    Raises:
        DataError: the set's samples are not of the run's kind and shape.
        NumericsError: a score is not a number.
    """
    expected = run.manifest.data
    if dataset.layout != expected.layout:
        raise DataError(
            f"'{dataset.name}' holds {dataset.layout}, but the run {run.path} has learned "
            f"'{expected.name}', {expected.layout}. Choose a set of the same kind, or train on one."
        )
    target = choose_device(device)
    return score(
        run.flow.to(target),
        run.preprocess.to(target),
        torch.from_numpy(dataset.values),
        precision=choose_precision(run.manifest.settings.train.precision, target),
        noise_seed=noise_seed,
    )


def calibrate(run: Run, root: Path, k: float, device: str = "auto") -> Calibration:
    """The threshold of a run from the calibration part that its training has not seen.

    Raises:
        DataError: the data are missing, damaged, or not those of the training.
    """
    scores = score_dataset(run, _calibration_part(run, root), device)
    return calibrate_sigma(scores, k, run.manifest.fingerprint)


def held_out_log_likelihood(run: Run, root: Path, device: str = "auto") -> float:
    """Mean over the calibration part, one random dequantisation, in nats.

    Raises:
        DataError: the data are missing, damaged, or not those of the training.
    """
    return float(score_dataset(run, _calibration_part(run, root), device, noise_seed=0).mean())


def evaluation_scores(run: Run, name: str, root: Path, device: str = "auto") -> Scores:
    """Scores of the test part of a built-in set.

    Raises:
        ConfigError: no such set.
        DataError: the data are missing, damaged, or of another shape.
    """
    return score_dataset(run, evaluation_part(name, root), device)


def _calibration_part(run: Run, root: Path) -> Dataset:
    data = run.manifest.data
    material = _material(run.manifest.settings, root, data.inputs, data.reading)
    if material.dataset.fingerprint != data.fingerprint:
        where = f"--input {data.name}" if data.inputs else f"the '{data.name}' data in {root}"
        remedy = (
            "Give fresh normals with 'nice-anomaly calibrate --input'"
            if data.inputs
            else "Name the folder it was trained from with --data-root"
        )
        raise DataError(
            f"{where} are not the data that the run {run.path} was trained on: its held-out part "
            f"cannot be found again. {remedy}, or train again."
        )
    dataset = material.dataset
    return Dataset(dataset.name, dataset.layout, dataset.values[material.split.calibration])


def _material(
    settings: Settings, root: Path, inputs: tuple[str, ...], reading: Reading | None
) -> Material:
    """The normal data of a run that exists, or of a built-in set."""
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


def _rows(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(dataset.values[rows])
