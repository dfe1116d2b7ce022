"""``nice-anomaly info``: what a run is."""

from typing import TYPE_CHECKING, Any

from nice_anomaly.cli.options import JsonOption, RunOption
from nice_anomaly.errors import NotCalibratedError

if TYPE_CHECKING:
    from nice_anomaly.calibrate import Calibration
    from nice_anomaly.run import Run


def info(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show architecture, data, training record, calibration and versions of a run."""
    from nice_anomaly.cli import render, runs
    from nice_anomaly.run import load_calibration, load_run

    loaded = load_run(runs.locate(run))
    calibration, missing = None, ""
    try:
        calibration = load_calibration(loaded)
    except NotCalibratedError as error:
        missing = str(error)
    if as_json:
        render.show_json(record(loaded, calibration))
    else:
        words = describe(calibration) if calibration else missing
        render.show_facts(f"run: {loaded.path}", [*facts(loaded), ("calibration", words)])
        reading = loaded.manifest.data.reading
        if reading is not None and reading.columns:
            lines = [[column.name, str(column)] for column in reading.columns]
            render.show_table("columns", ["name", "read as"], lines, words=(0, 1))


def record(run: "Run", calibration: "Calibration | None") -> dict[str, Any]:
    """Everything, as plain values."""
    from dataclasses import asdict

    stored = None
    if calibration is not None:
        stored = {k: v for k, v in vars(calibration).items() if k != "scores"}
        stored["n"] = calibration.n
    return {
        **asdict(run.manifest),
        "settings": run.manifest.settings.model_dump(),
        "run": str(run.path),
        "parameters": run.flow.parameter_count,
        "calibration": stored,
    }


def facts(run: "Run") -> list[tuple[str, str]]:
    """What a person wants to know of a run, in words."""
    manifest, data = run.manifest, run.manifest.data
    flow, best = manifest.architecture, manifest.history[manifest.best_epoch]
    seconds = sum(epoch.seconds for epoch in manifest.history)
    return [
        ("state", "finished" if manifest.finished else "interrupted; train --resume goes on"),
        ("normal data", f"{data.name}: {data.n:,} {data.layout}"),
        (
            "split",
            f"{data.fit:,} fit, {data.early_stopping:,} early stopping, "
            f"{data.calibration:,} calibration, seed {manifest.settings.seed}",
        ),
        ("data fingerprint", data.fingerprint),
        (
            "flow",
            f"{flow.couplings} additive couplings of {flow.layers} × {flow.width} "
            f"{flow.activation}, {flow.prior} prior",
        ),
        ("parameters", f"{run.flow.parameter_count:,}"),
        (
            "training",
            f"{len(manifest.history)} epochs, best {manifest.best_epoch + 1}, {seconds:.1f} s, "
            f"{manifest.precision}",
        ),
        ("held-out log-likelihood", f"{best.early_stopping:,.2f} nats"),
        ("weights fingerprint", manifest.fingerprint),
        ("created", manifest.created),
        ("versions", ", ".join(f"{k} {v}" for k, v in sorted(manifest.versions.items()))),
    ]


def describe(calibration: "Calibration") -> str:
    """A calibration in a sentence."""
    return (
        f"{calibration.rule}: mean {calibration.mean:,.2f} - {calibration.k:g} × "
        f"{calibration.std:,.2f} = {calibration.threshold:,.2f} nats, n = {calibration.n:,}"
    )
