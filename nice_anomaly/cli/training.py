"""The live part of ``train``: a bar for the steps, a line an epoch, the best kept on the way."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nice_anomaly.errors import NumericsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nice_anomaly.pipeline import Job
    from nice_anomaly.train import Checkpoint

SAVE_EVERY_SECONDS = 60
INTERRUPTED = 130


def run_live(job: "Job", path: Path, checkpoint: "Checkpoint | None") -> "Checkpoint":
    """Train to the end and save; Ctrl-C and a diverging loss keep the best so far."""
    from nice_anomaly.cli import render

    last = [] if checkpoint is None else [checkpoint]
    saved = time.monotonic()
    try:
        for state in _epochs(job, checkpoint):
            last = [state]
            _announce(state, job.settings.train.epochs)
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                _keep(job, path, state, finished=False)
                saved = time.monotonic()
    except KeyboardInterrupt:
        if not last:
            render.say("interrupted before the first epoch was complete: nothing was kept.")
            raise typer.Exit(INTERRUPTED) from None
        _keep(job, path, last[0], finished=False)
        render.say(
            f"interrupted: {path} holds the weights of epoch {last[0].best_epoch + 1}, the best "
            f"of {last[0].epochs_done}. Go on with 'nice-anomaly train --resume --run {path}', "
            f"or use the run as it is."
        )
        raise typer.Exit(INTERRUPTED) from None
    except NumericsError as error:
        if not last:
            raise
        _keep(job, path, last[0], finished=True)
        raise NumericsError(
            f"{error}\n{path} holds the weights of epoch {last[0].best_epoch + 1}, the best "
            f"before that."
        ) from error
    _keep(job, path, last[0], finished=True)
    return last[0]


def _epochs(job: "Job", checkpoint: "Checkpoint | None") -> "Iterator[Checkpoint]":
    """The epochs of a training as they end, under a bar that shows each step."""
    from nice_anomaly.cli import render
    from nice_anomaly.train import Progress

    epochs = job.settings.train.epochs
    with render.progress_bar("training", None, "samples") as bar:
        for report in job.train(checkpoint):
            if isinstance(report, Progress):
                n = report.samples_per_epoch
                bits = job.preprocess.bits_per_dim(report.log_likelihood)
                note = f"{report.log_likelihood:.1f} nats"
                bar.advance(
                    report.epoch * n + report.samples,
                    epochs * n,
                    note if bits is None else f"{note} {bits:.3f} bits/dim",
                )
            else:
                yield report


def _announce(checkpoint: "Checkpoint", epochs: int) -> None:
    """One line for an epoch that has ended."""
    from nice_anomaly.cli import render

    last = checkpoint.history[-1]
    better = ", best so far" if checkpoint.best_epoch == last.epoch else ""
    render.say(
        f"epoch {last.epoch + 1:>3}/{epochs}  fit {last.train:9.2f}  held out "
        f"{last.early_stopping:9.2f} nats  {last.samples_per_second:,.0f} samples/s{better}"
    )


def _keep(job: "Job", path: Path, checkpoint: "Checkpoint", *, finished: bool) -> None:
    """Save the best weights as a run, and for an unfinished one what --resume needs."""
    from nice_anomaly.cli import runs
    from nice_anomaly.run import drop_checkpoint, save_checkpoint

    if not finished:
        save_checkpoint(path, checkpoint)
    job.save(path, checkpoint, finished=finished)
    if finished:
        drop_checkpoint(path)
    runs.remember(path)
