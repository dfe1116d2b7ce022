"""``nice-anomaly calibrate``: set the threshold from held-out normal data."""

from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nice_anomaly.run import Run
    from nice_anomaly.score import Scores


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
        scores = _fresh(loaded, inputs, device, skip_unreadable=skip_unreadable)
        calibration = calibrate_sigma(scores, chosen, loaded.manifest.fingerprint)
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


def _fresh(run: "Run", inputs: "Sequence[str]", device: str, *, skip_unreadable: bool) -> "Scores":
    """The scores of new normal samples; labelled anomalies among them do not count."""
    import numpy as np

    from nice_anomaly import pipeline
    from nice_anomaly.cli import render
    from nice_anomaly.data import recognise
    from nice_anomaly.errors import DataError

    found = recognise(inputs)
    learned = {Path(file).resolve() for file in run.manifest.data.files}
    again = [file for file in found.files if file.resolve() in learned]
    if again:
        raise DataError(
            f"{again[0]} is what the run {run.path} was trained on: its scores are too good to "
            f"set a threshold from. Leave --input away, then the part held out of it is used."
        )
    kept, unreadable, anomalous = [], 0, 0
    for batch, scores in pipeline.score_inputs(run, found, device):
        if batch.faults and not skip_unreadable:
            row, reason = next(iter(batch.faults.items()))
            raise DataError(
                f"{batch.ids[row]}: {reason}. Repair or remove what cannot be read, or leave it "
                f"out with --skip-unreadable."
            )
        unreadable += len(batch.faults)
        normal = ~np.isnan(scores)
        if batch.anomalous is not None:
            anomalous += int(batch.anomalous.sum())
            normal &= ~batch.anomalous
        kept.append(scores[normal])
    if unreadable or anomalous:
        render.say(f"left out: {unreadable:,} unreadable, {anomalous:,} labelled anomalies")
    return np.concatenate(kept)
