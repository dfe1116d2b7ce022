"""``nice-anomaly info``: what a run is."""

from typing import TYPE_CHECKING, Any

from nice_anomaly.cli.options import JsonOption, RunOption
from nice_anomaly.errors import ArtifactError, NotCalibratedError

if TYPE_CHECKING:
    from nice_anomaly.calibrate import Calibration
    from nice_anomaly.run import Run


def info(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show architecture, data, training record, calibration and versions of a run."""
    from nice_anomaly.cli import promise, render, runs
    from nice_anomaly.run import DEFAULT, calibrations, load_calibration, load_run

    loaded = load_run(runs.locate(run))
    found: dict[str, Calibration] = {}
    lines: list[tuple[str, str]] = []
    for name in calibrations(loaded) or (DEFAULT,):
        label = "calibration" if name == DEFAULT else f"calibration {name}"
        try:
            found[name] = load_calibration(loaded, name)
            lines.append((label, describe(found[name])))
            if found[name].rule.claimed_rate is not None:
                lines.append(("", promise.claim(found[name])))
        except (NotCalibratedError, ArtifactError) as error:
            lines.append((label, str(error)))
    if as_json:
        render.show_json(record(loaded, found))
    else:
        render.show_facts(f"run: {loaded.path}", [*facts(loaded), *lines])
        reading = loaded.manifest.data.reading
        if reading is not None and reading.columns:
            read = [[column.name, str(column)] for column in reading.columns]
            render.show_table("columns", ["name", "read as"], read, words=(0, 1))


def record(run: "Run", calibrations: "dict[str, Calibration]") -> dict[str, Any]:
    """Everything, as plain values."""
    from dataclasses import asdict

    from nice_anomaly.cli import thresholds
    from nice_anomaly.run import DEFAULT

    stored = {name: thresholds.record(found) for name, found in calibrations.items()}
    return {
        **asdict(run.manifest),
        "settings": run.manifest.settings.model_dump(),
        "run": str(run.path),
        "parameters": run.flow.parameter_count,
        "calibration": stored.get(DEFAULT),
        "calibrations": stored,
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
    """A calibration in a line."""
    from nice_anomaly.cli import promise

    name = "" if calibration.judge is None else f"score {calibration.score}, "
    groups = f", {len(calibration.groups)} groups" if calibration.groups else ""
    return (
        f"{name}{promise.name(calibration)}: {promise.thresholds(calibration)}, "
        f"n = {calibration.n:,}{groups}"
    )
