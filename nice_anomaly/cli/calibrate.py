"""``nice-anomaly calibrate``: set the threshold from held-out normal data."""

from typing import Annotated, Literal

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    DataRootOption,
    DeviceOption,
    GroupColumnOption,
    InputOption,
    JsonOption,
    RunOption,
    SkipOption,
)
from nice_anomaly.cli.rules import RuleName, build, choose, tail_of


def calibrate(
    rule: Annotated[
        RuleName | None,
        typer.Option(
            "--rule",
            metavar="RULE",
            help="sigma, certified, conformal, quantile or manual. Default: sigma; with --alpha "
            "certified.",
        ),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="The false-alarm rate, like 0.01.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", help="How surely a certified rate holds. Default: 0.95."),
    ] = None,
    k: Annotated[
        float | None, typer.Option("--k", help="Standard deviations from the mean. Default: 3.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="By hand: flag scores below.")
    ] = None,
    ceiling: Annotated[
        float | None, typer.Option("--ceiling", help="By hand: flag scores above too.")
    ] = None,
    tail: Annotated[
        Literal["low", "both"] | None,
        typer.Option("--tail", help="both: flag what is too normal as well. Default: low."),
    ] = None,
    score: Annotated[
        Literal["likelihood", "latents", "input", "auto"] | None,
        typer.Option(
            "--score",
            metavar="SCORE",
            help="likelihood, auto (sees what is too simple), latents, input. Default: likelihood; "
            "own images auto.",
        ),
    ] = None,
    group_column: GroupColumnOption = None,
    inputs: InputOption = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Keep it beside others, as NAME.")
    ] = "default",
    skip_unreadable: SkipOption = False,
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Set the threshold from scores of normal data that training has not seen.

    Those are the part that training held out, or with --input fresh normals.

    The threshold is mean - 3σ; with --alpha 0.01 at most 1 % false alarms are certified.
    """
    given = {
        "--k": k,
        "--alpha": alpha,
        "--confidence": confidence,
        "--threshold": threshold,
        "--ceiling": ceiling,
    }
    chosen = choose(rule, given)
    from nice_anomaly import pipeline
    from nice_anomaly.cli import render, runs, thresholds
    from nice_anomaly.run import load_run, save_calibration

    if chosen is not None:  # a wrong number is said before the run is read
        tail_of(build(chosen, given, None), tail, "low")
    loaded = load_run(runs.locate(run))
    settings = loaded.manifest.settings.calibrate
    how = build(chosen or settings.rule, given, settings)
    sides = tail_of(how, tail, settings.tail)
    if inputs:
        normals = pipeline.fresh(
            loaded,
            inputs,
            data_root,
            device,
            group_column=group_column,
            score=score or settings.score,
            skip_unreadable=skip_unreadable,
        )
    else:
        normals = pipeline.held_out(
            loaded,
            data_root,
            device,
            group_column=group_column,
            score=score or settings.score,
        )
    calibration = normals.calibrate(how, sides)
    save_calibration(loaded, calibration, name)
    if any(normals.left_out.values()):
        out = [f"{count:,} {what}" for what, count in normals.left_out.items() if count]
        render.say(f"left out: {', '.join(out)}")
    for remark in pipeline.remarks(normals, calibration):
        render.say(f"note: {remark}")
    if as_json:
        render.show_json(
            {**thresholds.record(calibration), "run": str(loaded.path), "fresh": normals.fresh}
        )
    else:
        own = bool(loaded.manifest.data.inputs)
        follow = f"nice-anomaly detect --{'input PATH' if own else 'dataset NAME'}"
        follow += f" --run {run}" if run else ""
        follow += f" --calibration {name}" if name != "default" else ""
        kind = "fresh normals" if normals.fresh else "held-out normals"
        thresholds.show(calibration, f"calibrated: {loaded.path}", kind, follow)
