"""The live part of ``train``: what it learns from, a bar for the steps, a line an epoch."""

from collections.abc import Iterator
from pathlib import Path

from nice_anomaly.cli import render, runs
from nice_anomaly.data import Inputs
from nice_anomaly.learning import Job, Kept, Report, remarks, train_to_the_end
from nice_anomaly.training import Checkpoint, Progress
from nice_anomaly.words import counted


def introduce(found: Inputs) -> None:
    """Which input was found."""
    skipped = f", {found.skipped:,} other files left out" if found.skipped else ""
    render.say(f"{found.name}: {found.kind}s in {len(found.parts):,} files{skipped}")


def announce(job: Job) -> None:
    """What was read, what was left out and why, how it was split, what learns from it."""
    material, model = job.material, job.model
    parts, data = material.split, material.dataset
    if material.reading is not None:
        for line in _read(job):
            render.say(line)
    render.say(
        f"{data.name}: {len(parts.fit):,} to fit, {len(parts.early_stopping):,} to stop "
        f"early, {len(parts.calibration):,} kept for calibration"
    )
    precision = str(job.precision).removeprefix("torch.")
    render.say(f"model: {model.parameter_count:,} parameters, {model.architecture}, {precision}")


def run(job: Job, path: Path, resume: Checkpoint | None) -> Checkpoint:
    """Train to the end under a bar that shows each step; see ``train_to_the_end``."""
    epochs = job.settings.train.epochs
    with render.progress_bar("training", None, "samples") as bar:

        def listen(report: Report) -> None:
            if isinstance(report, Progress):
                n = report.samples_per_epoch
                bits = job.preprocess.bits_per_dim(report.log_likelihood)
                note = f"{report.log_likelihood:.1f} nats"
                note = note if bits is None else f"{note} {bits:.3f} bits/dim"
                bar.advance(report.epoch * n + report.samples, epochs * n, note)
            elif isinstance(report, Kept):
                runs.remember(report.path)
            else:
                _epoch(report, epochs)

        return train_to_the_end(job, path, resume, listen)


def _read(job: Job) -> Iterator[str]:
    """What was made of a user's own samples."""
    material = job.material
    out = {
        "labelled anomalies": material.anomalies,
        "without a label": material.unlabelled,
        "unreadable": material.unreadable,
    }
    beyond = f"beyond data.rows = {job.settings.data.rows:,}, at random"
    out[beyond] = material.total - len(material.dataset) - sum(out.values())
    left = f"; left out: {counted(out)}" if any(out.values()) else ""
    yield f"{len(material.dataset):,} normal samples: {material.dataset.layout}{left}"
    yield from remarks(job)


def _epoch(checkpoint: Checkpoint, epochs: int) -> None:
    """One line for an epoch that has ended."""
    last = checkpoint.history[-1]
    better = ", best so far" if checkpoint.best_epoch == last.epoch else ""
    render.say(
        f"epoch {last.epoch + 1:>3}/{epochs}  fit {last.train:9.2f}  held out "
        f"{last.early_stopping:9.2f} nats  {last.samples_per_second:,.0f} samples/s{better}"
    )
