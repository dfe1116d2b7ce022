"""``nice-anomaly compare``: is the flow worth it?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    AnomalyValueOption,
    CalibrationOption,
    DataRootOption,
    DeviceOption,
    InputOption,
    JsonOption,
    LabelColumnOption,
    RunOption,
    check_labels,
)
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nice_anomaly.pipeline import Contest
    from nice_anomaly.run import Run

FEWEST = 10  # of either kind


def compare(
    inputs: InputOption = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="A built-in set of anomalies."),
    ] = None,
    label_column: LabelColumnOption = None,
    anomaly_values: AnomalyValueOption = None,
    calibration_name: CalibrationOption = "default",
    seed: Annotated[int, typer.Option(min=0, help="Of baselines and bootstrap.")] = 0,
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Compare with simple methods, given examples of anomalies.

    Anomalies are a built-in set, or in --input what a label calls so, or without a label all of
    it. They are ranked against the labelled normals, else against held-out ones.
    """
    if (dataset is None) == (not inputs):
        raise ConfigError("give anomalies to compare on: --input PATH or --dataset NAME.")
    check_labels(label_column, anomaly_values)
    from nice_anomaly import pipeline
    from nice_anomaly.cli import promise, render, runs
    from nice_anomaly.run import load_calibration, load_run

    loaded = load_run(runs.locate(run))
    calibration = load_calibration(loaded, calibration_name)
    material = pipeline.own_data(loaded, data_root)  # baselines learn from it too: read once
    held, _ = pipeline.own_normals(loaded, material, data_root)
    held = held[pipeline.unjudged(loaded, held, calibration.judge)]
    if dataset is not None:
        normal, anomalous = _builtin(loaded, held, dataset, data_root)
    else:
        values = anomaly_values or []
        normal, anomalous = _own(loaded, held, inputs or [], label_column, values)
    for kind, part in (("normal samples", normal), ("anomalies", anomalous)):
        if len(part) < FEWEST:
            raise DataError(f"there are {len(part)} {kind} to compare on; {FEWEST} are the fewest.")
    most = pipeline.MOST_COMPARED
    if max(len(normal), len(anomalous)) > most:
        render.say(f"at most {most:,} samples of either kind are compared on, chosen at random")
    found = []
    learned = material.dataset.values[material.split.fit]
    with render.progress_bar("comparing", None, "methods") as bar:
        for contest in pipeline.compare(
            loaded, calibration, learned, normal, anomalous, device, seed
        ):
            found.append(contest)
            bar.advance(len(found))
    if as_json:
        render.show_json(
            {
                "run": str(loaded.path),
                "score": calibration.score,
                "normal": min(len(normal), most),
                "anomalous": min(len(anomalous), most),
                "methods": [
                    {
                        "method": contest.method,
                        "auroc": contest.auroc,
                        "lead": contest.lead,
                        "interval": list(contest.interval),
                        "verdict": contest.verdict,
                        "seconds": contest.seconds,
                    }
                    for contest in found
                ],
            }
        )
        return
    render.show_table(
        f"{min(len(normal), most):,} normal samples, {min(len(anomalous), most):,} anomalies: "
        f"{loaded.path}",
        ["method", "AUROC", "our lead, 95 % interval", "s", ""],
        [[c.method, f"{c.auroc:.4f}", _lead(c), f"{c.seconds:.1f}", c.verdict] for c in found],
        words=(0, 4),
    )
    beaten = [c.method for c in found if c.verdict == "ours is worse"]
    equal = [c.method for c in found if c.verdict == "no difference seen"]
    if beaten:
        render.say(f"the flow ({promise.score(calibration)}) does not beat: {', '.join(beaten)}")
    if equal:
        render.say(f"these samples show no difference to: {', '.join(equal)}")


def _lead(contest: "Contest") -> str:
    if not contest.verdict:
        return ""
    low, high = contest.interval
    return f"{contest.lead:+.4f} [{low:+.4f}, {high:+.4f}]"


def _builtin(
    run: "Run", held_out: "NDArray[Any]", name: str, root: Path
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """The test part of the set that was learned, and that of the anomalies."""
    from nice_anomaly.data import evaluation_part

    own = run.manifest.data
    anomalies = evaluation_part(name, root)
    if name == own.name:
        raise ConfigError(f"'{name}' is what the run has learned: name a set of anomalies.")
    if anomalies.layout != own.layout:
        raise DataError(f"'{name}' holds {anomalies.layout}, the run has learned {own.layout}.")
    if own.inputs:
        return held_out, anomalies.values
    return evaluation_part(own.name, root).values, anomalies.values


def _own(
    run: "Run",
    held_out: "NDArray[Any]",
    inputs: list[str],
    label: str | None,
    values: list[str],
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Labelled samples of a user's input, or all of it against held-out normals."""
    from dataclasses import replace

    import numpy as np

    from nice_anomaly import pipeline
    from nice_anomaly.data import batches, recognise

    reading = pipeline.reading_of(run)
    if label is not None:
        reading = replace(reading, label_column=label, anomaly_values=tuple(values))
    normal, anomalous = [], []
    for batch in batches(recognise(inputs), reading):
        good = batch.good
        if batch.truth is None:
            if label is not None:
                raise DataError(f"the input has no column '{label}' for --label-column.")
            anomalous.append(batch.values[good])
            continue
        normal.append(batch.values[good & batch.truth.normal])
        anomalous.append(batch.values[good & batch.truth.anomalous])
    usual = np.concatenate(normal) if normal else held_out
    return usual, np.concatenate(anomalous)
