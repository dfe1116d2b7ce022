"""``nice-anomaly train``: learn the density of normal data."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import INPUT, MACHINE, RUN, TABLE, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.learning import Job
    from nice_anomaly.training import Checkpoint

INTERRUPTED = 130

Config = Annotated[
    str | None,
    option(
        RUN,
        "--config",
        "-c",
        metavar="NAME|FILE",
        help="Shipped name or YAML file. Default: mnist; for own data table or images.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    option(RUN, "--set", metavar="KEY=VALUE", help="Change one setting; repeatable."),
]
Seed = Annotated[
    int | None,
    option(MACHINE, "--seed", metavar="N", help="Seed of the split, the weights and the noise."),
]
Size = Annotated[
    str | None,
    option(
        INPUT,
        "--size",
        metavar="HxW",
        help="What images are shrunk to. Default: as they are, at most 32 a side.",
    ),
]
Colour = Annotated[
    str,
    option(
        INPUT, "--colour", metavar="auto|grey|rgb", help="How images are read. auto: as they are."
    ),
]
Dates = Annotated[
    str,
    option(
        TABLE, "--dates", metavar="dmy|mdy", help="Day or month first, where dates leave it open."
    ),
]
Ignored = Annotated[
    list[str] | None,
    option(TABLE, "--ignore", metavar="NAME", help="A column to leave out; repeatable."),
]
Folder = Annotated[
    Path | None,
    option(
        RUN,
        "--run",
        metavar="DIR",
        help="Where to keep the run. Default: in runs/, named after the data.",
    ),
]
Overwrite = Annotated[bool, option(RUN, "--overwrite", help="Replace the run that is there.")]
Resume = Annotated[bool, option(RUN, "--resume", help="Go on with an interrupted training.")]
Private = Annotated[
    bool,
    option(
        RUN,
        "--private",
        help="Keep no samples in the run. Else 32 are kept for verify, up to 400 for explain.",
    ),
]
Folds = Annotated[
    str | None,
    option(
        RUN,
        "--folds",
        metavar="K|0|auto",
        help="Flows that each learn all but one of K folds, so that every sample calibrates. 0: "
        "one flow, a part held out. Default, of files: 5 up to 2,000 samples, 10 up to 100.",
    ),
]
GroupColumn = Annotated[
    str | None,
    option(
        RUN,
        "--group-column",
        metavar="NAME",
        help="Keep rows of one group in one fold; 'folder' for images.",
    ),
]
NoNeighbours = Annotated[
    bool,
    option(
        RUN,
        "--no-neighbours",
        help="Keep no rows of a table beside which new ones are held. Else up to 10,000 are.",
    ),
]
EXAMPLES = (
    "nice-anomaly train normal-rows.csv --id-column part",
    "nice-anomaly train --config mnist-large --seed 7 --run runs/large",
)


def train(
    source: options.Source,
    written: options.Written,
    labels: options.Labels,
    machine: options.Machine,
    size: Size = None,
    colour: Colour = "auto",
    ignored: Ignored = None,
    dates: Dates = "",
    skip_unreadable: options.Skip = False,
    config: Config = None,
    overrides: Overrides = None,
    run: Folder = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    as_json: options.Json = False,
    private: Private = False,
    folds: Folds = None,
    group_column: GroupColumn = None,
    no_neighbours: NoNeighbours = False,
    seed: Seed = None,
    plot: options.Plot = None,
) -> None:
    """Learn the density of normal data and keep it in a run folder.

    The data are the files and folders given, or a built-in set; without either it is MNIST.

    A run keeps of the data: 32 samples to verify with, up to 400 to explain with, and of a table up
    to 10,000 rows with their names, beside which new ones are held (not if --no-neighbours), none
    of these if --private; a hash of every sample learned from, the names, categories and ranges of
    columns, and the paths of the files.
    """
    from nice_anomaly.config import settings_of

    measures = _size(size)
    options.check_plot(plot)
    cut = int(folds) if folds and folds.isdecimal() else folds
    wanted = {
        "private": private or None,
        "neighbours": False if no_neighbours else None,
        "data.folds": cut,
        "data.group_column": group_column,
    }
    overrides = [*(overrides or ()), *settings_of(wanted)]
    from nice_anomaly.cli import live, render, runs
    from nice_anomaly.cli.apart import spare
    from nice_anomaly.data import Dialect, Inputs, Wishes, builtin, recognise
    from nice_anomaly.keeping import interrupted
    from nice_anomaly.library.learn import begin, refuse_beside_resume, settings_for, usual_config

    files, device, data_root = source.files, machine.device, machine.data_root
    if files and source.dataset:
        raise ConfigError("give your own data or --dataset NAME, one of the two.")
    if resume:
        given = files or source.dataset
        refuse_beside_resume(given or None, config, overrides, seed, overwrite=overwrite)
        place = runs.unfinished(run)
    else:
        found = recognise(files) if files else builtin(source.dataset) if source.dataset else None
        spare(found, plot, "plot")
        settings = settings_for(found, config, overrides, seed)
        name = runs.name_for(files) if files else Path(config or usual_config(found)).stem
        place = runs.claim(run, name, overwrite=overwrite)
    with place as path:
        if resume:
            job, checkpoint = interrupted(path, data_root, device)
        else:
            dialect = Dialect(**written.words, dates=dates)
            values, out = tuple(labels.anomaly_values or ()), tuple(ignored or ())
            said = measures, colour, labels.id_column, labels.label_column, values, out
            wishes = Wishes(*said, skip_unreadable=skip_unreadable, dialect=dialect)
            if isinstance(found, Inputs):
                live.introduce(found)
            with render.progress_bar("reading", None, "samples") as bar:
                job = begin(
                    found, settings, wishes, device=device, data_root=data_root, watch=bar.advance
                )
            checkpoint = None
        live.announce(job)
        try:
            last = live.run(job, path, checkpoint)
        except KeyboardInterrupt as stopped:
            render.say(str(stopped) or "interrupted")
            raise typer.Exit(INTERRUPTED) from None
    if plot is not None:
        from nice_anomaly.plots import course

        drawn = course(last.history, last.best_epoch, job.model.objective_name)
        render.draw(plot, drawn, "the training")
    _show(job, path, last, as_json=as_json)


def _size(text: str | None) -> tuple[int, int] | None:
    """``28x28`` as (height, width)."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", text.lower()):
        raise ConfigError(f"--size takes height x width, like 28x28, got '{text}'.")
    return int(height), int(width)


def _show(job: "Job", path: Path, checkpoint: "Checkpoint", *, as_json: bool) -> None:
    """What the training gave, for people or as JSON."""
    from nice_anomaly.cli import info, render
    from nice_anomaly.models import rebuilt
    from nice_anomaly.words import finite

    best = checkpoint.history[checkpoint.best_epoch]
    model = rebuilt(job.model.architecture, checkpoint.best)
    bits = job.preprocess.bits_per_dim(best.early_stopping)
    held_out = job.held_out(checkpoint)
    if as_json:
        render.show_json(
            {
                "run": str(path),
                "epochs": checkpoint.epochs_done,
                "best_epoch": checkpoint.best_epoch + 1,
                "log_likelihood": best.early_stopping,
                "held_out_score": finite(held_out),
                "bits_per_dim": bits,
                "train_seconds": checkpoint.seconds,
                "parameters": job.model.parameter_count,
                "seed": job.settings.seed,
                "objective": model.objective_name,
                "facts": dict(model.facts),
            }
        )
        return
    for remark in model.remarks:
        render.say(f"note: {remark}")
    done, most = checkpoint.epochs_done, job.course.epochs
    stopped = "; it stopped as none after that was better" if done < most else ""
    bits_too = "" if bits is None else f", {bits:.3f} bits/dim"
    render.show_facts(
        f"trained: {path}",
        [
            info.of_training(model, checkpoint.history, checkpoint.best_epoch),
            (f"held-out {model.quantity}", f"mean {held_out:,.2f} nats, without that noise"),
            ("1 nat more", "2.7 times more probable"),
            *info.of_weights(model),
            ("best epoch", f"{checkpoint.best_epoch + 1} of {done}{bits_too}{stopped}"),
            ("training time", f"{checkpoint.seconds:.1f} s"),
            ("next", "nice-anomaly calibrate"),
        ],
    )
