"""``nice-anomaly calibrate``: set the threshold from held-out normal data."""

import shlex
from typing import Annotated

from nice_anomaly.cli import options
from nice_anomaly.cli.options import THRESHOLD, option
from nice_anomaly.vocabulary import RuleName, ScoreName, Tail

RuleOption = Annotated[
    RuleName | None,
    option(
        THRESHOLD,
        "--rule",
        metavar="RULE",
        help="sigma, certified, conformal, cross-conformal, quantile or manual. Default: sigma; "
        "with --alpha or --alarms certified, of folds cross-conformal.",
    ),
]
Alpha = Annotated[
    float | None,
    option(THRESHOLD, "--alpha", metavar="RATE", help="The false-alarm rate, like 0.01."),
]
Confidence = Annotated[
    float | None,
    option(
        THRESHOLD,
        "--confidence",
        metavar="SHARE",
        help="How surely a certified rate holds. Default: 0.95.",
    ),
]
K = Annotated[
    float | None,
    option(
        THRESHOLD,
        "--k",
        metavar="SIGMAS",
        help="Standard deviations from the mean, for sigma. Default: 3.",
    ),
]
Threshold = Annotated[
    float | None,
    option(THRESHOLD, "--threshold", metavar="SCORE", help="By hand: flag scores below it."),
]
Ceiling = Annotated[
    float | None,
    option(THRESHOLD, "--ceiling", metavar="SCORE", help="By hand: flag scores above it too."),
]
TailOption = Annotated[
    Tail | None,
    option(
        THRESHOLD,
        "--tail",
        metavar="low|both",
        help="both: flag what is too normal as well. Default: low.",
    ),
]
ScoreOption = Annotated[
    ScoreName | None,
    option(
        THRESHOLD,
        "--score",
        metavar="NAME",
        help="likelihood, auto (sees what is too simple), latents, input. Default: likelihood; "
        "own images auto.",
    ),
]
Name = Annotated[
    str,
    option(
        THRESHOLD, "--name", metavar="NAME", help="Keep this calibration as NAME, beside others."
    ),
]
Alarms = Annotated[
    str | None,
    option(
        THRESHOLD,
        "--alarms",
        metavar="N/TIME",
        help="The rate as false alarms in a time, like 5/day or 2/week.",
    ),
]
Per = Annotated[
    str | None,
    option(
        THRESHOLD,
        "--per",
        metavar="N",
        help="With --alarms: how many samples come a day. Default: as dates tell.",
    ),
]
EXAMPLES = (
    "nice-anomaly calibrate --alpha 0.01",
    "nice-anomaly calibrate this-week.csv --alarms 5/day --per 400",
)


def calibrate(
    source: options.Files,
    written: options.Written,
    machine: options.Machine,
    time_column: options.TimeColumn = None,
    skip_unreadable: options.Skip = False,
    rule: RuleOption = None,
    alpha: Alpha = None,
    confidence: Confidence = None,
    alarms: Alarms = None,
    per: Per = None,
    k: K = None,
    threshold: Threshold = None,
    ceiling: Ceiling = None,
    tail: TailOption = None,
    score: ScoreOption = None,
    group_column: options.GroupColumn = None,
    name: Name = "default",
    plot: options.Plot = None,
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Set the threshold from scores of normal data that training has not seen.

    These are the part that train kept for it, in folds every sample by the flow that has not seen
    it, or fresh normals if some are given.

    The threshold is mean - 3σ, a habit; --alpha 0.01 promises at most 1 % false alarms.
    """
    options.check_plot(plot)
    from nice_anomaly.cli import calibrations, render, runs
    from nice_anomaly.cli.apart import spare
    from nice_anomaly.data import recognise
    from nice_anomaly.library import load_run
    from nice_anomaly.settings import CalibrateSettings
    from nice_anomaly.thresholds import RuleNumbers, choose, tail_of

    numbers: RuleNumbers = {
        "k": k,
        "alpha": alpha,
        "confidence": confidence,
        "threshold": threshold,
        "ceiling": ceiling,
    }
    if alarms is None:
        crossed = rule == "cross-conformal"
        how = choose(rule, numbers, CalibrateSettings(), out_of_fold=crossed)
        tail_of(how, tail, "low")  # before the run is read
    samples = recognise(source.files) if source.files else None
    spare(samples, plot, "plot")
    loaded = load_run(
        runs.locate(run, samples, written), device=machine.device, data_root=machine.data_root
    )
    before = {kept: old.title for kept, old in loaded.readable_calibrations()}.get(name)
    calibration = loaded.calibrate(
        samples,
        rule=rule,
        alarms=alarms,
        per=per,
        tail=tail,
        score=score,
        group_column=group_column,
        name=name,
        skip_unreadable=skip_unreadable,
        say=render.say,
        time_column=time_column,
        **numbers,
        **written.words,
    )
    if before is not None and before != calibration.title:
        render.say(f"note: this replaces {before}; `name=NAME` keeps both")
    if plot is not None:
        render.draw(plot, calibration.plot(), "the scores and the threshold")
    model = loaded.trained.model
    if as_json:
        record = {"run": loaded.name, "fresh": calibration.fresh}
        quantity = {"quantity": calibrations.score_of(calibration, model)}
        render.show_json({**calibrations.record(calibration), **record, **quantity})
        return
    own = loaded.manifest.data.reading is not None
    follow = f"nice-anomaly detect {'PATH' if own else '--dataset NAME'}"
    follow += f" --run {shlex.quote(str(run))}" if run else ""
    follow += f" --calibration {name}" if name != "default" else ""
    calibrations.show(calibration, model, f"calibrated: {loaded.name}", follow)
