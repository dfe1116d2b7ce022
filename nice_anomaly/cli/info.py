"""``nice-anomaly info``: what a run is."""

from nice_anomaly.cli.options import JsonOption, RunOption
from nice_anomaly.errors import NotCalibratedError


def info(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show architecture, data, training record, calibration and versions of a run."""
    from dataclasses import asdict

    from nice_anomaly.cli import render, runs
    from nice_anomaly.run import load_calibration, load_run

    loaded = load_run(runs.locate(run))
    manifest, data = loaded.manifest, loaded.manifest.data
    try:
        calibration = load_calibration(loaded)
    except NotCalibratedError as error:
        calibration, missing = None, str(error)
    best = manifest.history[manifest.best_epoch]
    if as_json:
        record = None
        if calibration is not None:
            record = {k: v for k, v in vars(calibration).items() if k != "scores"}
            record["n"] = calibration.n
        render.show_json(
            {
                **asdict(manifest),
                "settings": manifest.settings.model_dump(),
                "run": str(loaded.path),
                "parameters": loaded.flow.parameter_count,
                "calibration": record,
            }
        )
        return
    shape = " × ".join(map(str, data.shape))
    levels = f", {data.levels} levels" if data.levels else ""
    settings = manifest.settings
    render.show_facts(
        f"run: {loaded.path}",
        [
            ("state", "finished" if manifest.finished else "interrupted; --resume goes on"),
            ("normal data", f"{data.name}: {data.n:,} {data.kind}s of {shape}{levels}"),
            (
                "split",
                f"{data.fit:,} fit, {data.early_stopping:,} early stopping, "
                f"{data.calibration:,} calibration, seed {settings.seed}",
            ),
            ("data fingerprint", data.fingerprint),
            (
                "flow",
                f"{settings.flow.couplings} additive couplings of {settings.flow.layers} × "
                f"{settings.flow.width}, {settings.flow.prior} prior",
            ),
            ("parameters", f"{loaded.flow.parameter_count:,}"),
            (
                "training",
                f"{len(manifest.history)} epochs, best {manifest.best_epoch + 1}, "
                f"{sum(epoch.seconds for epoch in manifest.history):.1f} s, {manifest.precision}",
            ),
            ("held-out log-likelihood", f"{best.early_stopping:,.2f} nats"),
            ("weights fingerprint", manifest.fingerprint),
            (
                "calibration",
                missing
                if calibration is None
                else f"{calibration.rule}: mean {calibration.mean:,.2f} - {calibration.k:g} × "
                f"{calibration.std:,.2f} = {calibration.threshold:,.2f} nats, "
                f"n = {calibration.n:,}",
            ),
            ("created", manifest.created),
            ("versions", ", ".join(f"{k} {v}" for k, v in sorted(manifest.versions.items()))),
        ],
    )
