"""``nice-anomaly train``: learn the density of normal data."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    AnomalyValueOption,
    DataRootOption,
    DeviceOption,
    IdColumnOption,
    InputOption,
    JsonOption,
    LabelColumnOption,
    RunOption,
    SkipOption,
    check_labels,
)
from nice_anomaly.cli.training import run_live
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nice_anomaly.pipeline import Job
    from nice_anomaly.train import Checkpoint


def train(
    inputs: InputOption = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="NAME|FILE",
            help="Shipped name or YAML file. Default: mnist; with --input: table or images.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of split, weights and noise.")] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Of images. Default: theirs, at most 32 a side."),
    ] = None,
    colour: Annotated[
        str, typer.Option(metavar="auto|grey|rgb", help="Of images. auto: as they are.")
    ] = "auto",
    id_column: IdColumnOption = None,
    label_column: LabelColumnOption = None,
    anomaly_values: AnomalyValueOption = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="NAME", help="A column to leave out; repeatable."),
    ] = None,
    skip_unreadable: SkipOption = False,
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
    if resume and (overwrite or overrides or inputs or seed is not None or config is not None):
        raise ConfigError(
            "--resume goes on with the data and settings of the interrupted run: it cannot be "
            "combined with --input, --overwrite, --config, --set or --seed."
        )
    said = (size, id_column, label_column, anomaly_values, ignored)
    if not inputs and (any(said) or colour != "auto" or skip_unreadable):
        raise ConfigError(
            "--size, --colour, --id-column, --label-column, --anomaly-value, --ignore and "
            "--skip-unreadable say how --input is read: give --input too."
        )
    check_labels(label_column, anomaly_values)
    if inputs and "-" in inputs:
        raise ConfigError(
            "training cannot read the standard input: calibrate reads the same data again to "
            "find the held-out part. Save the rows to a file."
        )
    measures = _size(size)
    if colour not in ("auto", "grey", "rgb"):
        raise ConfigError(f"--colour takes auto, grey or rgb, got '{colour}'.")
    from nice_anomaly.cli import render, runs
    from nice_anomaly.config import load
    from nice_anomaly.data import Wishes, recognise
    from nice_anomaly.files import probe
    from nice_anomaly.pipeline import prepare

    if resume:
        path = runs.locate(run)
        job, checkpoint = _interrupted(path, data_root, device)
    else:
        found = recognise(inputs) if inputs else None
        if found is not None:
            _refuse_for(found.kind, table=said[1:], image=(size, colour != "auto"))
        kind = "mnist" if found is None else {"image": "images", "table": "table"}[found.kind]
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load(config or kind, [*(overrides or []), *extra])
        name = Path(config or kind).stem if found is None else runs.name_for(inputs or [])
        path = runs.claim(run, name, overwrite=overwrite)
        if found is not None:
            skipped = f", {found.skipped:,} other files left out" if found.skipped else ""
            render.say(f"{found.name}: {found.kind}s in {len(found.files):,} files{skipped}")
        wishes = Wishes(
            size=measures,
            colour=colour,
            id_column=id_column,
            label_column=label_column,
            anomaly_values=tuple(anomaly_values or ()),
            ignored=tuple(ignored or ()),
            skip_unreadable=skip_unreadable,
        )
        with render.progress_bar("reading", None, "samples") as bar:
            job = prepare(
                settings,
                data_root,
                device,
                inputs=tuple(inputs or ()),
                wishes=wishes,
                watch=bar.advance,
            )
        checkpoint = None
    probe(path)
    for line in _introduction(job):
        render.say(line)
    _show(job, path, run_live(job, path, checkpoint), as_json=as_json)


def _size(text: str | None) -> tuple[int, int] | None:
    """``28x28`` as (height, width)."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", text.lower()):
        raise ConfigError(f"--size takes height x width, like 28x28, got '{text}'.")
    return int(height), int(width)


def _refuse_for(kind: str, *, table: "tuple[object, ...]", image: "tuple[object, ...]") -> None:
    """Options that mean nothing for this kind of input are not passed over."""
    if kind == "image" and any(table):
        raise ConfigError(
            "--id-column, --label-column, --anomaly-value and --ignore are for tables; this "
            "input is images, named by their files."
        )
    if kind == "table" and any(image):
        raise ConfigError("--size and --colour are for images; this input is a table.")


def _introduction(job: "Job") -> "Iterator[str]":
    """What was read, what was left out and why, how it was split, what learns from it."""
    material, flow = job.material, job.flow.architecture
    parts, data = material.split, material.dataset
    if material.reading is not None:
        out = [
            f"{count:,} {what}"
            for count, what in (
                (material.anomalies, "labelled anomalies"),
                (material.unlabelled, "without a label"),
                (material.unreadable, "unreadable"),
                (
                    material.total
                    - material.anomalies
                    - material.unlabelled
                    - material.unreadable
                    - len(data),
                    f"beyond data.rows = {job.settings.data.rows:,}, at random",
                ),
            )
            if count
        ]
        left = f"; left out: {', '.join(out)}" if out else ""
        yield f"{len(data):,} normal samples: {data.layout}{left}"
        if material.reading.label_column is not None and not material.anomalies:
            values = ", ".join(material.reading.anomaly_values)
            yield (
                f"note: no row has {values} in the column {material.reading.label_column}: "
                f"everything is learned as normal. Its values: {', '.join(material.labels[:8])}"
            )
        for column in material.reading.columns:
            if column.kind == "left out":
                yield f"column {column.name} left out: {column.reason}"
    yield (
        f"{data.name}: {len(parts.fit):,} to fit, {len(parts.early_stopping):,} to stop "
        f"early, {len(parts.calibration):,} kept for calibration"
    )
    yield (
        f"flow: {job.flow.parameter_count:,} parameters, {flow.couplings} couplings of "
        f"{flow.layers} × {flow.width}, {flow.prior} prior, "
        f"{str(job.precision).removeprefix('torch.')}"
    )


def _interrupted(path: Path, data_root: Path, device: str) -> "tuple[Job, Checkpoint]":
    """The job and the state of a training that stopped, if its data are still the same."""
    from nice_anomaly.pipeline import prepare
    from nice_anomaly.run import load_checkpoint, load_manifest

    checkpoint, manifest = load_checkpoint(path), load_manifest(path)
    data = manifest.data
    job = prepare(manifest.settings, data_root, device, inputs=data.inputs, reading=data.reading)
    if job.material.dataset.fingerprint != data.fingerprint:
        remedy = "" if data.inputs else " Name the folder it was trained from with --data-root."
        raise DataError(
            f"the '{data.name}' data are not those that the run {path} was begun with.{remedy}"
        )
    return job, checkpoint


def _show(job: "Job", path: Path, checkpoint: "Checkpoint", *, as_json: bool) -> None:
    """What the training gave, for people or as JSON."""
    from nice_anomaly.cli import render

    best = checkpoint.history[checkpoint.best_epoch]
    bits = job.preprocess.bits_per_dim(best.early_stopping)
    if as_json:
        render.show_json(
            {
                "run": str(path),
                "epochs": checkpoint.epochs_done,
                "best_epoch": checkpoint.best_epoch + 1,
                "log_likelihood": best.early_stopping,
                "bits_per_dim": bits,
                "train_seconds": checkpoint.seconds,
                "parameters": job.flow.parameter_count,
                "seed": job.settings.seed,
            }
        )
        return
    likelihood = f"{best.early_stopping:,.2f} nats"
    render.show_facts(
        f"trained: {path}",
        [
            (
                "held-out log-likelihood",
                likelihood if bits is None else f"{likelihood}, {bits:.3f} bits/dim",
            ),
            ("best epoch", f"{checkpoint.best_epoch + 1} of {checkpoint.epochs_done}"),
            ("training time", f"{checkpoint.seconds:.1f} s"),
            ("next", "nice-anomaly calibrate"),
        ],
    )
