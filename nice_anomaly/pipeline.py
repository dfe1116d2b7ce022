"""Pipeline: the steps of train, calibrate and detect, put together once for command and scripts.

Nothing here prints. Training and calibration reach data only through the training part.
"""

import platform
from collections.abc import Iterator
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
from nice_anomaly.data import Dataset, Split, evaluation_part, split, training_part
from nice_anomaly.errors import DataError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import DataRecord, Manifest, Run, save_run
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.score import Scores, score
from nice_anomaly.train import Checkpoint, Progress, train

INITIAL_SAMPLES = 4096  # enough to measure a spread per coordinate to 1 %


@dataclass(frozen=True)
class Job:
    """A training that is ready to start: data cut, preprocessing fixed, flow initialised."""

    settings: Settings
    dataset: Dataset
    split: Split
    preprocess: Preprocess
    flow: Flow
    precision: torch.dtype

    def train(self, resume: Checkpoint | None = None) -> Iterator[Progress | Checkpoint]:
        """Train in place; see ``nice_anomaly.train.train``."""
        device = self.flow.scaling.log_scale.device
        return train(
            self.flow,
            self.preprocess.to(device),
            _rows(self.dataset, self.split.fit),
            _rows(self.dataset, self.split.early_stopping),
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
        data, parts = self.dataset, self.split
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
            ),
            architecture=self.flow.architecture,
            finished=finished,
            precision=str(self.precision).removeprefix("torch."),
            best_epoch=checkpoint.best_epoch,
            history=checkpoint.history,
            fingerprint="",
        )
        save_run(path, manifest, checkpoint.best, self.preprocess)


def prepare(settings: Settings, root: Path, device: str = "auto") -> Job:
    """Read the normal data, cut them, and build the flow that training starts from.

    Raises:
        ConfigError: a split or a device that cannot be.
        DataError: the data are missing or damaged.
    """
    target = choose_device(device)
    precision = choose_precision(settings.train.precision, target)
    dataset = training_part(settings.data.normal, root)
    parts = _split(settings, len(dataset))
    fit = _rows(dataset, parts.fit)
    if dataset.layout.levels:
        preprocess = Preprocess.for_levels(dataset.layout.dimensions, dataset.layout.levels)
    else:
        preprocess = Preprocess.for_columns(fit.numpy(), settings.flow.noise)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        flow = Flow(
            Architecture(
                dimensions=dataset.layout.dimensions,
                couplings=settings.flow.couplings,
                layers=settings.flow.layers,
                width=settings.flow.width,
                prior=settings.flow.prior,
                activation=settings.flow.activation,
            )
        )
    generator = torch.Generator().manual_seed(settings.seed)
    sample = preprocess.dequantise(fit[:INITIAL_SAMPLES], generator)
    flow.initialise(
        sample,
        *preprocess.moments(fit),
        floor=settings.flow.eigenvalue_floor,
        nu=settings.flow.degrees_of_freedom,
    )
    return Job(settings, dataset, parts, preprocess, flow.to(target), precision)


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
    dataset = training_part(run.manifest.data.name, root)
    if dataset.fingerprint != run.manifest.data.fingerprint:
        raise DataError(
            f"the '{dataset.name}' data in {root} are not those that the run {run.path} was "
            f"trained on: its held-out part cannot be found again. Name the folder it was "
            f"trained from with --data-root, or train again."
        )
    rows = _split(run.manifest.settings, len(dataset)).calibration
    return Dataset(dataset.name, dataset.layout, dataset.values[rows])


def versions() -> dict[str, str]:
    """Of everything that can change a number."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("nice-anomaly", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _split(settings: Settings, n: int) -> Split:
    data = settings.data
    return split(
        n,
        early_stopping=data.early_stopping,
        calibration=data.calibration,
        seed=settings.seed,
    )


def _rows(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(dataset.values[rows])
