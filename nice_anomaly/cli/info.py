"""``nice-anomaly info``: what a run is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import OUTPUT, option
from nice_anomaly.errors import ArtifactError, NiceAnomalyError, NotCalibratedError, NumericsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nice_anomaly.density import Density
    from nice_anomaly.library import Run
    from nice_anomaly.run import Manifest
    from nice_anomaly.thresholds import Calibration
    from nice_anomaly.training import EpochSummary

Plot = Annotated[
    Path | None,
    option(OUTPUT, "--plot", metavar="FILE", help="Draw the training curve to .svg, .png or .pdf."),
]
WORDS = {
    "sigma": "σ",
    "latents_in_use": "latents in use",
    "kl_of_latents": "information in a latent (KL), nats",
}
EXAMPLES = ("nice-anomaly info --plot training.png", "nice-anomaly info --run runs/mnist --json")


def info(run: options.Run = None, plot: Plot = None, as_json: options.Json = False) -> None:
    """Show what a run is: its data, model, training, calibrations and versions.

    Ends with 4 if the run or a calibration is damaged, 5 if the default calibration is of other
    weights.
    """
    from nice_anomaly import plots
    from nice_anomaly.cli import render, runs
    from nice_anomaly.cli.columns import show_columns
    from nice_anomaly.data import TableReading
    from nice_anomaly.library import load_run

    if plot is not None:
        plots.check(plot)
    path = runs.locate(run)
    try:
        loaded = load_run(path)
    except (ArtifactError, NumericsError) as error:
        if not as_json:
            _show_rest(path, error)
        raise
    found, lines, fault = _calibrations(loaded)
    if plot is not None:
        manifest, name = loaded.manifest, loaded.trained.model.objective_name
        drawn = plots.course(manifest.history, manifest.best_epoch, name)
        render.draw(plot, drawn, f"the training of {loaded.name}")
    if as_json:
        wrong = {} if fault is None else {"error": as_said(fault), "exit_code": fault.exit_code}
        render.show_json({**record(loaded, found), **wrong})
    else:
        render.show_facts(f"run: {loaded.name}", [*facts(loaded), *lines])
        reading = loaded.manifest.data.reading
        if isinstance(reading, TableReading):
            show_columns(reading.columns)
    if fault is not None:
        render.show_error(fault)
        raise typer.Exit(fault.exit_code)


def as_said(error: NiceAnomalyError) -> str:
    """The sentence of an error as one would type it."""
    from nice_anomaly.cli.wording import as_typed

    return as_typed(str(error))


def _show_rest(path: Path, error: NiceAnomalyError) -> None:
    """What can be known of a run that cannot be loaded, if anything."""
    from nice_anomaly.cli import render
    from nice_anomaly.run import load_manifest

    try:
        manifest = load_manifest(path)
    except ArtifactError:
        return
    render.show_facts(f"run: {path}", [*of_manifest(manifest), ("damaged", as_said(error))])


def _calibrations(
    run: "Run",
) -> "tuple[dict[str, Calibration], list[tuple[str, str]], NiceAnomalyError | None]":
    """Those that can be read, lines of all, and the fault for which detect refuses one."""
    from nice_anomaly.run import DEFAULT

    found: dict[str, Calibration] = {}
    lines: list[tuple[str, str]] = []
    faults: list[NiceAnomalyError] = []
    for name in run.calibrations or (DEFAULT,):
        label = "calibration" if name == DEFAULT else f"calibration {name}"
        try:
            found[name] = run.calibration(name)
            lines.append((label, describe(found[name])))
            if found[name].guaranteed_rate is not None:
                lines.append(("", found[name].claim))
        except (NotCalibratedError, ArtifactError) as error:
            lines.append((label, as_said(error)))
            other = isinstance(error, NotCalibratedError) and name in run.calibrations
            if isinstance(error, ArtifactError) or (other and name == DEFAULT):
                faults.append(error)
    return found, lines, min(faults, key=lambda fault: fault.exit_code, default=None)


def record(run: "Run", calibrations: "dict[str, Calibration]") -> dict[str, Any]:
    """Everything, as plain values."""
    from nice_anomaly.cli.calibrations import record as plain
    from nice_anomaly.run import DEFAULT

    stored = {name: plain(found) for name, found in calibrations.items()}
    return {
        **run.manifest.record(),
        "run": run.name,
        "parameters": run.trained.model.parameter_count,
        "quantity": run.trained.model.quantity,
        "facts": dict(run.trained.model.facts),
        "calibration": stored.get(DEFAULT),
        "calibrations": stored,
    }


def facts(run: "Run") -> list[tuple[str, str]]:
    """What a person wants to know of a run, in words."""
    manifest, model = run.manifest, run.trained.model
    return of_manifest(
        manifest,
        ("parameters", f"{model.parameter_count:,}"),
        of_training(model, manifest.history, manifest.best_epoch),
        *of_weights(model),
        ("samples kept", kept(manifest)),
    )


def of_manifest(manifest: "Manifest", *of_model: tuple[str, str]) -> list[tuple[str, str]]:
    """What ``run.json`` says, and in the middle what is known of the model."""
    data = manifest.data
    return [
        (
            "state",
            "finished"
            if manifest.finished
            else "interrupted: 'nice-anomaly train --resume' goes on",
        ),
        ("normal data", f"{data.name}: {data.n:,} {data.described}"),
        (
            "split",
            f"{manifest.cut}, seed {manifest.settings.seed}",
        ),
        ("data fingerprint", data.fingerprint),
        ("model", str(manifest.architecture)),
        *of_model[:1],
        (
            "training",
            f"{len(manifest.history)} epochs, best {manifest.best_epoch + 1}, "
            f"{manifest.seconds:.1f} s, {manifest.precision}",
        ),
        *of_model[1:],
        ("weights fingerprint", manifest.fingerprint),
        ("created", manifest.created),
        ("versions", ", ".join(f"{k} {v}" for k, v in sorted(manifest.versions.items()))),
    ]


def kept(manifest: "Manifest") -> str:
    """How many normal samples are in the run's folder, and what for."""
    from nice_anomaly.run.canaries import MOST
    from nice_anomaly.run.manifest import REFERENCES, VIEWS
    from nice_anomaly.run.references import fitting
    from nice_anomaly.scores.neighbours import chosen

    data = manifest.data
    if manifest.settings.private or not manifest.parts:
        return "none: its model draws what is needed"
    most = data.n if manifest.folds else data.early_stopping
    kept = f"{min(MOST, most):,} to verify with"
    if REFERENCES not in manifest.parts:
        return f"{kept}, none to explain with: its model draws some"
    kept = f"{kept}, {min(fitting(data.layout), most):,} to explain with"
    if VIEWS in manifest.parts:
        return f"{kept}, {len(chosen(data.fit, data.layout.dimensions, 0)):,} as neighbours"
    return kept if data.layout.kind == "image" else f"{kept}, none as neighbours"


def of_training(model: "Density", history: "Sequence[EpochSummary]", best: int) -> tuple[str, str]:
    """How the held-out samples became more probable, under the noise that training adds."""
    from nice_anomaly.cli import render
    from nice_anomaly.curve import BLOCKS, PLAIN, sparkline

    nats = [epoch.early_stopping for epoch in history]
    curve = sparkline(nats, PLAIN if render.out.options.ascii_only else BLOCKS)
    course = f"{curve} from {nats[0]:,.2f} to {nats[-1]:,.2f} nats, best {nats[best]:,.2f} nats"
    other = "" if model.objective_name == model.quantity else f"; {model.objective_name}"
    return "held out in training", f"{course}, with the noise of training{other}"


def of_weights(model: "Density") -> list[tuple[str, str]]:
    """What a kind of model wants to be known of its weights."""
    return [
        (WORDS.get(name, name), f"{fact:,.4g}" if isinstance(fact, float | int) else _listed(fact))
        for name, fact in model.facts.items()
    ]


def _listed(numbers: "Sequence[float]") -> str:
    return "  ".join(f"{number:.2f}" for number in numbers)


def describe(calibration: "Calibration") -> str:
    """A calibration in a line."""
    from nice_anomaly.cli.calibrations import line
    from nice_anomaly.words import count_of

    score = calibration.origin.score
    name = "" if score == "likelihood" else f"score {score}, "
    groups = f", {count_of(len(calibration.groups), 'group')}" if calibration.groups else ""
    return f"{name}{calibration.title}: {line(calibration)}, n = {calibration.n:,}{groups}"
