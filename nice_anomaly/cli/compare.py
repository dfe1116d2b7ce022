"""``nice-anomaly compare``: is the model worth it?"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nice_anomaly.cli import options
from nice_anomaly.cli.options import MACHINE, RUN, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nice_anomaly.evaluation.compare import Contest

Beside = Annotated[
    list[Path] | None,
    option(RUN, "--with", metavar="DIR", help="Another run on the same data; repeatable."),
]
Seed = Annotated[
    int,
    option(
        MACHINE,
        "--seed",
        metavar="N",
        min=0,
        callback=options.checked_seed,
        help="Seed of the simple methods and of the intervals.",
    ),
]
EXAMPLES = (
    "nice-anomaly compare --dataset kmnist --with runs/vae",
    "nice-anomaly compare new.csv --label-column state --anomaly-value bad",
)


def compare(
    source: options.Source,
    written: options.Written,
    labels: options.Labels,
    machine: options.Machine,
    skip_unreadable: options.Skip = False,
    calibration: options.Calibration = "default",
    seed: Seed = 0,
    run: options.Run = None,
    beside: Beside = None,
    plot: options.Plot = None,
    as_json: options.Json = False,
) -> None:
    """Compare a calibrated run with simple methods on examples of anomalies.

    The anomalies are a built-in set, or of your own data the rows that a label calls so, or all of
    it where there is no label. They are ranked against the labelled normals, else against held-out
    ones.
    """
    if (source.dataset is None) == (not source.files):
        raise ConfigError("give anomalies to compare on: files of your own, or --dataset NAME.")
    options.check_plot(plot)
    from nice_anomaly import plots
    from nice_anomaly.cli import render, runs
    from nice_anomaly.cli.apart import spare
    from nice_anomaly.cli.calibrations import score_of
    from nice_anomaly.data import builtin, recognise
    from nice_anomaly.evaluation.compare import MOST_COMPARED as MOST
    from nice_anomaly.library import load_run
    from nice_anomaly.words import count_of

    samples = builtin(source.dataset) if source.dataset else recognise(source.files)
    spare(samples, plot, "plot")
    load = partial(load_run, device=machine.device, data_root=machine.data_root)
    loaded = load(runs.locate(run, samples, written))
    against = loaded.calibration(calibration)
    others = [load(path) for path in beside or ()]
    on = loaded.opponents(
        samples,
        calibration=calibration,
        label_column=labels.label_column,
        anomaly_values=labels.anomaly_values or (),
        skip_unreadable=skip_unreadable,
        say=render.say,
        **written.words,
    )
    if on.unreadable:
        render.say(f"left out: {on.unreadable:,} unreadable")
    sizes = {
        "normal": min(len(on.normal), MOST),
        "anomalous": min(len(on.anomalous), MOST),
    }
    if max(len(on.normal), len(on.anomalous)) > MOST:
        render.say(f"at most {MOST:,} samples of either kind are compared on, chosen at random")
    found = []
    with render.progress_bar("comparing", None, "methods") as bar:
        for contest in loaded.compare(
            on, calibration=calibration, beside=others, seed=seed, say=render.say
        ):
            found.append(contest)
            bar.advance(len(found))
    methods = [contest.record() for contest in found]
    if plot is not None:
        render.draw(plot, plots.compared(methods), "the comparison")
    if as_json:
        render.show_json(
            {"run": loaded.name, "score": against.origin.score, **sizes, "methods": methods}
        )
        return
    normal, odd = sizes["normal"], count_of(sizes["anomalous"], "anomaly", "anomalies")
    title = f"{count_of(normal, 'normal sample')}, {odd}: {loaded.name}"
    _show(title, score_of(against, loaded.trained.model), found)


def _show(title: str, score: str, found: "Sequence[Contest]") -> None:
    """A table of the methods, and what it says against ours."""
    from nice_anomaly.cli import render

    render.show_table(
        title,
        ["method", "AUROC", "our lead, 95 % interval", "s", ""],
        [
            [
                c.method,
                f"{c.auroc:.4f}",
                _lead(c),
                f"{c.seconds:.1f}",
                "this run" if c.ours else c.verdict,
            ]
            for c in found
        ],
        words=(0, 4),
    )
    render.say("AUROC: how often an anomaly ranks below a normal sample; 0.5 is chance, 1 perfect")
    for contest in found:
        if contest.nats is not None:
            nats = f"mean {contest.nats:,.2f} nats over the normal samples"
            render.say(f"{contest.method}: {nats}, {contest.quantity}")
    beaten = [contest.method for contest in found if contest.verdict == "ours is worse"]
    equal = [contest.method for contest in found if contest.verdict == "no difference seen"]
    if beaten:
        render.say(f"better here than this run (by {score}): {', '.join(beaten)}")
    if equal:
        render.say(f"too close to this run to tell from these samples: {', '.join(equal)}")


def _lead(contest: "Contest") -> str:
    if not contest.verdict:
        return ""
    low, high = contest.interval
    return f"{contest.lead:+.4f} [{low:+.4f}, {high:+.4f}]"
