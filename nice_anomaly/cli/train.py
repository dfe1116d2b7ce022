"""``nice-anomaly train``: learn the density of normal data."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    DataRootOption,
    DeviceOption,
    JsonOption,
    RunOption,
)
from nice_anomaly.errors import ConfigError, DataError, NumericsError

if TYPE_CHECKING:
    from nice_anomaly.pipeline import Job
    from nice_anomaly.train import Checkpoint

SAVE_EVERY_SECONDS = 60


def train(
    config: Annotated[
        str, typer.Option("--config", "-c", metavar="NAME|FILE", help="Shipped name or YAML file.")
    ] = "mnist",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of split, weights and noise.")] = None,
    run: RunOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run there.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.")
    ] = False,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Learn the density of normal data and keep it in a run folder."""
    if resume and (overwrite or overrides or seed is not None or config != "mnist"):
        raise ConfigError(
            "--resume goes on with the settings of the interrupted run: it cannot be combined "
            "with --overwrite, --config, --set or --seed."
        )
    from nice_anomaly.cli import render, runs
    from nice_anomaly.config import load
    from nice_anomaly.files import probe
    from nice_anomaly.pipeline import prepare
    from nice_anomaly.run import load_checkpoint, load_manifest

    checkpoint = None
    if resume:
        path = runs.locate(run)
        checkpoint = load_checkpoint(path)
        settings = load_manifest(path).settings
    else:
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load(config, [*(overrides or []), *extra])
        path = runs.claim(run, Path(config).stem, overwrite=overwrite)
    job = prepare(settings, data_root, device)
    if resume and job.dataset.fingerprint != load_manifest(path).data.fingerprint:
        raise DataError(
            f"the '{job.dataset.name}' data in {data_root} are not those that the run {path} was "
            f"begun with. Name the folder it was trained from with --data-root."
        )
    probe(path)
    parts = job.split
    render.say(
        f"{job.dataset.name}: {len(parts.fit):,} to fit, {len(parts.early_stopping):,} to stop "
        f"early, {len(parts.calibration):,} kept for calibration\n"
        f"flow: {job.flow.parameter_count:,} parameters, {settings.flow.couplings} couplings of "
        f"{settings.flow.layers} × {settings.flow.width}, {settings.flow.prior} prior, "
        f"{str(job.precision).removeprefix('torch.')}"
    )
    checkpoint = _train(job, path, checkpoint)
    best = checkpoint.history[checkpoint.best_epoch]
    result = {
        "run": str(path),
        "epochs": checkpoint.epochs_done,
        "best_epoch": checkpoint.best_epoch + 1,
        "log_likelihood": best.early_stopping,
        "bits_per_dim": bits_per_dim(job, best.early_stopping),
        "train_seconds": checkpoint.seconds,
        "parameters": job.flow.parameter_count,
        "seed": settings.seed,
    }
    if as_json:
        render.show_json(result)
        return
    bits = result["bits_per_dim"]
    render.show_facts(
        f"trained: {path}",
        [
            ("held-out log-likelihood", f"{best.early_stopping:,.2f} nats")
            if bits is None
            else (
                "held-out log-likelihood",
                f"{best.early_stopping:,.2f} nats, {bits:.3f} bits/dim",
            ),
            ("best epoch", f"{checkpoint.best_epoch + 1} of {checkpoint.epochs_done}"),
            ("training time", f"{checkpoint.seconds:.1f} s"),
            ("next", "nice-anomaly calibrate" + (f" --run {path}" if run else "")),
        ],
    )


def bits_per_dim(job: "Job", log_likelihood: float) -> float | None:
    """Bits per coordinate of a mean log-likelihood in nats; None for continuous data."""
    dimensions = job.flow.architecture.dimensions
    bits = (job.preprocess.bits_offset - log_likelihood / math.log(2)) / dimensions
    return bits if math.isfinite(bits) else None


def _train(job: "Job", path: Path, checkpoint: "Checkpoint | None") -> "Checkpoint":
    """Run the training, show it, and save what it gives; Ctrl-C keeps the best so far."""
    from nice_anomaly.cli import render, runs
    from nice_anomaly.run import drop_checkpoint, save_checkpoint
    from nice_anomaly.train import Progress

    def keep(state: "Checkpoint", *, finished: bool) -> None:
        if not finished:
            save_checkpoint(path, state)
        job.save(path, state, finished=finished)
        if finished:
            drop_checkpoint(path)
        runs.remember(path)

    epochs = job.settings.train.epochs
    total = epochs * len(job.split.fit)
    saved = time.monotonic()
    try:
        with render.progress_bar("training", total, "samples") as bar:
            for report in job.train(checkpoint):
                if isinstance(report, Progress):
                    done = report.epoch * len(job.split.fit) + report.samples
                    bits = bits_per_dim(job, report.log_likelihood)
                    note = f"{report.log_likelihood:.1f} nats"
                    bar.advance(done, note if bits is None else f"{note} {bits:.3f} bits/dim")
                    continue
                checkpoint = report
                last = report.history[-1]
                better = ", best so far" if report.best_epoch == last.epoch else ""
                render.say(
                    f"epoch {last.epoch + 1:>3}/{epochs}  fit {last.train:9.2f}  held out "
                    f"{last.early_stopping:9.2f} nats  {last.samples_per_second:,.0f} "
                    f"samples/s{better}"
                )
                if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    keep(report, finished=False)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        if checkpoint is None:
            render.say("interrupted before the first epoch was complete: nothing was kept.")
            raise typer.Exit(130) from None
        keep(checkpoint, finished=False)
        render.say(
            f"interrupted: {path} holds the weights of epoch {checkpoint.best_epoch + 1}, the "
            f"best of {checkpoint.epochs_done}. Go on with 'nice-anomaly train --resume --run "
            f"{path}', or use the run as it is."
        )
        raise typer.Exit(130) from None
    except NumericsError as error:
        if checkpoint is None:
            raise
        keep(checkpoint, finished=True)
        raise NumericsError(
            f"{error}\n{path} holds the weights of epoch {checkpoint.best_epoch + 1}, the best "
            f"before that."
        ) from error
    assert checkpoint is not None, "a training of at least one epoch ends with a checkpoint"
    keep(checkpoint, finished=True)
    return checkpoint
