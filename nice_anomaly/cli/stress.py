"""``nice-anomaly stress``: what a run would miss, found out beforehand."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    CalibrationOption,
    DataRootOption,
    DeviceOption,
    JsonOption,
    RunOption,
)
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.pipeline import Trial

BELOW_FLOOR = 11
BLIND = 0.5  # power below which a plain corruption is a blind spot


def stress(
    floor: Annotated[
        float | None,
        typer.Option("--floor", help="Exit with 11 if a plain corruption is found less often."),
    ] = None,
    most: Annotated[int, typer.Option("--n", min=10, help="Held-out normals to corrupt.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the corruptions.")] = 0,
    calibration_name: CalibrationOption = "default",
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Test a calibrated run on held-out normals that are made odd; needs no anomalies.

    Prints the power against each corruption, the worst first, and names the blind spots.
    """
    if floor is not None and not 0 <= floor <= 1:
        raise ConfigError(f"--floor takes a share between 0 and 1, like 0.8, got {floor:g}.")
    from nice_anomaly import pipeline
    from nice_anomaly.cli import promise, render, runs
    from nice_anomaly.run import load_calibration, load_run

    loaded = load_run(runs.locate(run))
    calibration = load_calibration(loaded, calibration_name)
    trials: list[Trial] = []
    with render.progress_bar("stress", None, "trials") as bar:
        for trial in pipeline.stress(loaded, calibration, data_root, device, most=most, seed=seed):
            trials.append(trial)
            bar.advance(len(trials))
    unchanged, *corrupted = trials
    worst = sorted(corrupted, key=lambda trial: trial.flagged.value)
    plain = [trial for trial in worst if trial.plainest]
    blind = [trial.corruption for trial in plain if trial.flagged.value < BLIND]
    below = [] if floor is None else [t for t in plain if t.flagged.value < floor]
    if as_json:
        render.show_json(
            {
                "run": str(loaded.path),
                "score": calibration.score,
                "rule": calibration.rule.name,
                "n": unchanged.flagged.n,
                "false_alarms": _rate(unchanged),
                "trials": [_rate(trial) for trial in worst],
                "blind_spots": blind,
                "floor": floor,
                "below_floor": [trial.corruption for trial in below],
            }
        )
    else:
        render.show_table(
            f"power on {unchanged.flagged.n:,} held-out normals, worst first: {loaded.path}",
            ["corruption", "how much", "flagged, 95 % interval"],
            [
                [t.corruption, t.words, render.rate(t.flagged.value, t.flagged.interval)]
                for t in [unchanged, *worst]
            ],
            words=(0, 1),
        )
        facts = [
            ("score", promise.score(calibration)),
            ("threshold", f"{promise.thresholds(calibration)}, {promise.name(calibration)}"),
            ("blind spots", ", ".join(blind) or "none of these"),
        ]
        render.show_facts("what it would miss", facts)
    if below:
        render.say(
            f"below the floor of {render.percent(floor or 0)}: "
            f"{', '.join(trial.corruption for trial in below)}"
        )
        raise typer.Exit(BELOW_FLOOR)


def _rate(trial: "Trial") -> dict[str, Any]:
    return {
        "corruption": trial.corruption,
        "grade": trial.grade,
        "words": trial.words,
        "plainest": trial.plainest,
        "flagged_rate": trial.flagged.value,
        "interval": list(trial.flagged.interval),
    }
