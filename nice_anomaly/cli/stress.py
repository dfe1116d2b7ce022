"""``nice-anomaly stress``: what a run would miss, found out beforehand."""

from typing import TYPE_CHECKING, Annotated

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import INPUT, MACHINE, OUTPUT, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.data import Shrinking
    from nice_anomaly.evaluation.stress import Trial
    from nice_anomaly.library import Run
    from nice_anomaly.thresholds import Calibration

BELOW_FLOOR = 11
BLIND = 0.5  # power below which a plain corruption is a blind spot

Floor = Annotated[
    float | None,
    option(
        OUTPUT,
        "--floor",
        metavar="SHARE",
        help="Exit with 11 if a corruption at its plainest is found less often, like 0.8.",
    ),
]
Most = Annotated[
    int, option(INPUT, "--n", metavar="N", min=10, help="At most so many held-out normals.")
]
Seed = Annotated[
    int,
    option(
        MACHINE,
        "--seed",
        metavar="N",
        min=0,
        callback=options.checked_seed,
        help="Seed of the corruptions.",
    ),
]
EXAMPLES = ("nice-anomaly stress", "nice-anomaly stress --floor 0.8 --json")


def stress(
    machine: options.Machine,
    n: Most = 1_000,
    calibration: options.Calibration = "default",
    floor: Floor = None,
    seed: Seed = 0,
    plot: options.Plot = None,
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Test a calibrated run on held-out normals that are made odd; needs no anomalies.

    Prints how many are flagged after each corruption, the worst first, and names the blind spots.
    """
    if floor is not None and not 0 <= floor <= 1:
        raise ConfigError(f"--floor takes a share between 0 and 1, like 0.8, got {floor:g}.")
    options.check_plot(plot)
    from nice_anomaly import plots
    from nice_anomaly.cli import render, runs
    from nice_anomaly.evaluation.originals import MOST_ORIGINALS
    from nice_anomaly.library import load_run
    from nice_anomaly.words import percent

    loaded = load_run(runs.locate(run), device=machine.device, data_root=machine.data_root)
    against = loaded.calibration(calibration)
    shrinking = loaded.own_data(against.group_column).shrinking
    if shrinking is not None:
        render.say(f"corrupting image files at their own size, at most {MOST_ORIGINALS} of them")
    trials: list[Trial] = []
    with render.progress_bar("stress", None, "trials") as bar:
        for trial in loaded.stress(calibration=calibration, n=n, seed=seed, say=render.say):
            trials.append(trial)
            bar.advance(len(trials))
    unchanged, *corrupted = trials
    worst = sorted(corrupted, key=lambda trial: trial.flagged.value)
    plain = [trial for trial in worst if trial.plainest]
    blind = [trial.corruption for trial in plain if trial.flagged.value < BLIND]
    below = [t.corruption for t in plain if floor is not None and t.flagged.value < floor]
    if plot is not None:
        drawn = plots.stressed([trial.record() for trial in worst])
        render.draw(plot, drawn, "what is found")
    if as_json:
        render.show_json(
            {
                "run": loaded.name,
                "score": against.origin.score,
                "rule": against.rule.name,
                "n": unchanged.flagged.n,
                "shrunk": None if shrinking is None else shrinking.record(),
                "false_alarms": unchanged.record(),
                "trials": [trial.record() for trial in worst],
                "blind_spots": blind,
                "floor": floor,
                "below_floor": below,
            }
        )
    else:
        _show([unchanged, *worst], blind, against, loaded, shrinking)
    if below:
        render.say(f"below the floor of {percent(floor or 0)}: {', '.join(below)}")
        raise typer.Exit(BELOW_FLOOR)


def _show(
    trials: "list[Trial]",
    blind: list[str],
    calibration: "Calibration",
    run: "Run",
    shrinking: "Shrinking | None",
) -> None:
    from nice_anomaly.cli import calibrations, render
    from nice_anomaly.words import count_of, rate

    render.show_table(
        f"what is found of {count_of(trials[0].flagged.n, 'held-out normal')} made odd, worst "
        f"first: {run.name}",
        ["corruption", "how much", "n", "flagged, 95 % interval"],
        [
            [t.corruption, t.words, f"{t.flagged.n:,}", rate(t.flagged.value, t.flagged.interval)]
            for t in trials
        ],
        words=(0, 1),
    )
    plainest = sum(trial.plainest for trial in trials)
    missed = {t.corruption: None for t in trials[1:] if t.flagged.value < BLIND}
    faint = [name for name in missed if name not in blind]
    facts = [
        ("score", calibrations.score_of(calibration, run.trained.model)),
        ("threshold", f"{calibrations.line(calibration)}, {calibration.title}"),
        *([] if shrinking is None else [("images", str(shrinking))]),
        (
            "blind spots",
            f"{', '.join(blind)}: less than half is flagged even at the plainest"
            if blind
            else f"none of these {plainest} corruptions at their plainest",
        ),
        *([("faint ones missed", ", ".join(faint))] if faint else []),
    ]
    render.show_facts("what it would miss", facts)
