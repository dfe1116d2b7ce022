"""The live part of ``train``: what it learns from, a bar for the steps, now and then a line."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nice_anomaly.cli import render, runs
from nice_anomaly.cli.columns import show_columns
from nice_anomaly.data import ImageReading, Inputs, TableReading
from nice_anomaly.keeping import Kept, Report, train_to_the_end
from nice_anomaly.learning import Job, remarks
from nice_anomaly.training import Checkpoint, Progress
from nice_anomaly.words import count_of, counted

FEW_IMAGES = 200
BESIDE_A_BAR, IN_A_LOG = 10.0, 60.0  # seconds between two lines


def introduce(found: Inputs) -> None:
    """Which input was found."""
    skipped = f", {count_of(found.skipped, 'other file')} left out" if found.skipped else ""
    what = "a table" if found.kind == "table" else "images"
    render.say(f"{found.name}: {what} in {count_of(len(found.parts), 'file')}{skipped}")


def announce(job: Job) -> None:
    """What was read, what was left out and why, how it was split, what learns from it."""
    material, model = job.material, job.model
    if material.reading is not None:
        for line in _read(job):
            render.say(line)
    if isinstance(material.reading, TableReading):
        show_columns(material.reading.columns, on=render.talk)
    render.say(f"{material.dataset.name}: {job.manifest(None, finished=False).cut}")
    precision = str(job.precision).removeprefix("torch.")
    render.say(f"model: {model.parameter_count:,} parameters, {model.architecture}, {precision}")


def run(job: Job, path: Path, resume: Checkpoint | None) -> Checkpoint:
    """Train to the end under a bar that shows each step; see ``train_to_the_end``."""
    epochs = job.course.epochs
    log = Log(BESIDE_A_BAR if render.talk.is_terminal else IN_A_LOG)
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
                log.add(_epoch(report, epochs))

        try:
            return train_to_the_end(job, path, resume, listen)
        finally:
            log.close()


@dataclass
class Log:
    """Lines on stderr at most every so many ``seconds``; the first and the last always."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _said: float = field(default=-math.inf, init=False)
    _kept: str = field(default="", init=False)

    def add(self, line: str) -> None:
        """Say a line, or keep it for the end."""
        now = self.clock()
        self._kept = line
        if now - self._said >= self.seconds:
            self._said = now
            self.close()

    def close(self) -> None:
        """Say the last line, if it was not."""
        line, self._kept = self._kept, ""  # an interruption while it is said says it once
        if line:
            render.say(line)


def _read(job: Job) -> Iterator[str]:
    """What was made of a user's own samples."""
    material = job.material
    out = {
        "anomalous by label": material.anomalies,
        "without a label": material.unlabelled,
        "unreadable": material.unreadable,
    }
    beyond = f"beyond data.rows = {job.settings.data.rows:,}, at random"
    out[beyond] = material.total - len(material.dataset) - sum(out.values())
    left = f"; left out: {counted(out)}" if any(out.values()) else ""
    reading = material.reading
    assert reading is not None
    shown = {c.name for c in reading.columns} if isinstance(reading, TableReading) else set()
    yield f"{count_of(len(material.dataset), 'normal sample')}: {reading.described}{left}"
    if isinstance(reading, ImageReading) and len(material.dataset) < FEW_IMAGES:
        few = count_of(len(material.dataset), "image")
        yield f"note: {few} are few to learn from: 'nice-anomaly stress' tells what it misses"
    yield from remarks(job, shown)  # the table says why a column is left out


def _epoch(checkpoint: Checkpoint, epochs: int) -> str:
    """One line for an epoch that has ended."""
    last = checkpoint.history[-1]
    better = ", best so far" if checkpoint.best_epoch == last.epoch else ""
    return (
        f"epoch {last.epoch + 1:>3}/{epochs}  fit {last.train:9.2f}  held out "
        f"{last.early_stopping:9.2f} nats  {last.samples_per_second:,.0f} samples/s{better}"
    )
