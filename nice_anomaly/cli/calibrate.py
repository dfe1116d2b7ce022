"""``nice-anomaly calibrate``: set the threshold from held-out normal data."""

from statistics import NormalDist
from typing import Annotated

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    DataRootOption,
    DeviceOption,
    InputOption,
    JsonOption,
    RunOption,
    SkipOption,
)
from nice_anomaly.errors import ConfigError


def calibrate(
    k: Annotated[
        float | None, typer.Option("--k", help="Standard deviations below the mean. Default: 3.")
    ] = None,
    inputs: InputOption = None,
    skip_unreadable: SkipOption = False,
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Set the threshold: mean - k σ of the scores of normal data that training has not seen.

    Those are the part that training held out, or with --input fresh normals.
    """
    if k is not None and not 0 < k < float("inf"):
        raise ConfigError(f"--k takes a positive number of standard deviations, got {k:g}.")
    from nice_anomaly import pipeline
    from nice_anomaly.calibrate import calibrate_sigma
    from nice_anomaly.cli import render, runs
    from nice_anomaly.metrics import Rate
    from nice_anomaly.run import load_run, save_calibration

    loaded = load_run(runs.locate(run))
    chosen = loaded.manifest.settings.calibrate.k if k is None else k
    if inputs:
        fresh = pipeline.fresh_normals(loaded, inputs, device, skip_unreadable=skip_unreadable)
        calibration = calibrate_sigma(fresh.scores, chosen, loaded.manifest.fingerprint)
        if any(fresh.left_out.values()):
            out = [f"{count:,} {what}" for what, count in fresh.left_out.items() if count]
            render.say(f"left out: {', '.join(out)}")
    else:
        calibration = pipeline.calibrate(loaded, data_root, chosen, device)
    source = ", ".join(inputs) if inputs else loaded.manifest.data.name
    label = "fresh normals" if inputs else "held-out normals"
    save_calibration(loaded, calibration)
    measured = Rate(calibration.flagged, calibration.n)
    own = bool(loaded.manifest.data.inputs)
    if as_json:
        names = ("rule", "threshold", "n", "mean", "std", "claimed_rate", "confidence", "k")
        render.show_json(
            {
                **{name: getattr(calibration, name) for name in names},
                "run": str(loaded.path),
                "nominal_rate": NormalDist().cdf(-chosen),
                "measured_rate": measured.value,
                "measured_interval": list(measured.interval),
            }
        )
        return
    render.show_facts(
        f"calibrated: {loaded.path}",
        [
            (label, f"{calibration.n:,} of {source}"),
            ("mean log-likelihood", f"{calibration.mean:,.2f} nats"),
            ("standard deviation σ", f"{calibration.std:,.2f} nats"),
            (f"threshold, mean - {chosen:g}σ", f"{calibration.threshold:,.2f} nats"),
            (
                "false alarms, nominal",
                f"{render.percent(NormalDist().cdf(-chosen))} if scores were normal",
            ),
            (
                "false alarms, measured",
                f"{render.rate(measured.value, measured.interval)} on these",
            ),
            (
                "next",
                f"nice-anomaly detect --{'input PATH' if own else 'dataset NAME'}"
                + (f" --run {run}" if run else ""),
            ),
        ],
    )
