"""``nice-anomaly detect``: flag what is improbable."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import OUTPUT, THRESHOLD, option
from nice_anomaly.cli.why import Pictures, Why
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nice_anomaly.evaluation.summary import Summary
    from nice_anomaly.evaluation.verdicts import Verdicts
    from nice_anomaly.output import Arrangement, Columns
    from nice_anomaly.thresholds import Calibration

Order = Literal["score"]
ANOMALIES_FOUND = 10
LEAST = 10  # of the least probable samples are shown of one's own data

Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "--output",
        "-o",
        metavar="FILE",
        help="One row a sample: .csv, .jsonl, .parquet or .xlsx.",
    ),
]
Keep = Annotated[
    bool, option(OUTPUT, "--keep-columns", help="Write every column of the input too.")
]
FlaggedOnly = Annotated[
    bool, option(OUTPUT, "--flagged-only", help="Write only what was flagged or is unreadable.")
]
Sort = Annotated[
    Order | None,
    option(
        OUTPUT,
        "--sort",
        metavar="score",
        help="Write the least probable first. Default: in input order.",
    ),
]
Resume = Annotated[
    bool,
    option(OUTPUT, "--resume", help="Go on with a detection into that file that was cut off."),
]
Top = Annotated[
    int | None,
    option(
        OUTPUT,
        "--top",
        metavar="N",
        min=0,
        help="Show so many of the least probable. Default: 10 of own data.",
    ),
]
Fail = Annotated[
    bool, option(OUTPUT, "--fail-on-anomaly", help="Exit with 10 when anything is flagged.")
]
Fdr = Annotated[
    float | None,
    option(
        THRESHOLD,
        "--fdr",
        metavar="RATE",
        help="Flag so that at most this share of the flagged are false alarms.",
    ),
]
By = Annotated[
    bool,
    option(
        THRESHOLD, "--by", help="With --fdr: however the samples depend on each other; finds less."
    ),
]
EXAMPLES = (
    "nice-anomaly detect new.csv --output found.csv --keep-columns",
    "nice-anomaly detect --dataset kmnist --calibration strict --json",
)


def detect(
    source: options.Source,
    written: options.Written,
    labels: options.Labels,
    machine: options.Machine,
    why: Why,
    time_column: options.TimeColumn = None,
    skip_unreadable: options.Skip = False,
    calibration: options.Calibration = "default",
    fdr: Fdr = None,
    by: By = False,
    output: Output = None,
    keep_columns: Keep = False,
    flagged_only: FlaggedOnly = False,
    sort: Sort = None,
    no_formulas: options.NoFormulas = False,
    resume: Resume = False,
    top: Top = None,
    plot: options.Plot = None,
    fail_on_anomaly: Fail = False,
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Score samples and flag those below the threshold."""
    _check(source, output, plot, arranged=keep_columns or flagged_only or bool(sort), resume=resume)
    _check_rate(fdr, why, by=by)
    from nice_anomaly.cli import calibrations, detections, render, runs
    from nice_anomaly.cli.apart import spare, spare_folder
    from nice_anomaly.data import Inputs, builtin, recognise
    from nice_anomaly.evaluation.journal import journal_of
    from nice_anomaly.evaluation.summary import Summary, unmatched
    from nice_anomaly.library import load_run
    from nice_anomaly.output import Arrangement

    samples = builtin(source.dataset) if source.dataset else recognise(source.files)
    own = isinstance(samples, Inputs)
    spare(samples, output)
    spare(samples, plot, "plot")
    spare_folder(samples, why.heatmaps, "heatmaps")
    loaded = load_run(
        runs.locate(run, samples, written), device=machine.device, data_root=machine.data_root
    )
    kind = why.kind(loaded)
    kept = nullcontext() if output is None else journal_of(output, resume=resume, say=render.say)
    with kept as journal, render.progress_bar("scoring", None, "samples") as bar:
        stream = loaded.stream(
            samples,
            calibration=calibration,
            fdr=fdr,
            by=by,
            say=render.say,
            watch=bar.advance,
            id_column=labels.id_column,
            label_column=labels.label_column,
            anomaly_values=labels.anomaly_values or (),
            time_column=time_column,
            keep_columns=keep_columns,
            journal=journal,
            explain=why.asked(bar),
            **written.words,
        )
        for_excel = output is not None and output.suffix == ".xlsx"
        unit = stream.calibration.unit
        summary = Summary((LEAST if own else 0) if top is None else top, unit)
        columns = methodcaller(
            "columns", noted=own, kept=keep_columns, typed=for_excel, explained=kind, unit=unit
        )
        how = Arrangement(flagged_only=flagged_only, by_score=bool(sort), formulas=not no_formulas)
        pictures = None if why.heatmaps is None else Pictures(why.heatmaps, unit)
        _take(stream.verdicts, summary, output, columns, how, pictures)
    against, names = stream.calibration, {"source": stream.source, "run": loaded.name}
    found = summary.record(against, stream.rule, **names, normal=stream.normal)
    for note in unmatched(found, labels.label_column, labels.anomaly_values or ()):
        render.say(note)
    _draw(plot, summary, against)
    found["quantity"] = calibrations.score_of(against, loaded.trained.model)
    if as_json:
        render.show_json(found)
    else:
        detections.show(found, against, summary)
    said = "the output says why" if output else "--output FILE would say why"
    _leave(found, said, skip_unreadable=skip_unreadable, fail_on_anomaly=fail_on_anomaly)


def _draw(plot: Path | None, summary: "Summary", calibration: "Calibration") -> None:
    """The figure, if one was asked for."""
    from nice_anomaly.cli import render

    if plot is not None:
        render.draw(plot, summary.plot(calibration), "the scores")


def _check(
    source: options.Source, output: Path | None, plot: Path | None, *, arranged: bool, resume: bool
) -> None:
    """Say what cannot be before anything is read."""
    options.check_plot(plot)
    from nice_anomaly.output import check

    if (source.dataset is None) == (not source.files):
        raise ConfigError(
            "give what to look at: files or folders of your own, or --dataset NAME for a built-in "
            "set; one of the two."
        )
    if output is not None:
        check(output)
    elif resume:
        raise ConfigError("--resume goes on writing a file: name it with --output.")
    elif arranged:
        raise ConfigError(
            "--keep-columns, --flagged-only and --sort say what is in the file: name it with "
            "--output."
        )


def _check_rate(fdr: float | None, why: Why, *, by: bool) -> None:
    """Say what cannot be of a rate of false discoveries, and of the reasons for them."""
    from nice_anomaly.thresholds import Discoveries

    if by and fdr is None:
        raise ConfigError("--by chooses the method for --fdr: give --fdr too.")
    if fdr is not None:
        Discoveries(fdr)
    why.check(fdr)


def _take(
    verdicts: "Iterator[Verdicts]",
    summary: "Summary",
    output: Path | None,
    columns: "Callable[[Verdicts], Columns]",
    how: "Arrangement",
    pictures: "Pictures | None",
) -> None:
    """Take in all verdicts, write them where that was asked for, and say so.

    The file has the columns of the first rows that can be read, and is written as their input is,
    if that is text, so that what reads one reads the other.
    """
    from nice_anomaly.cli import render
    from nice_anomaly.output import open_rows
    from nice_anomaly.words import count_of

    early = []
    for one in verdicts:
        early.append(one)
        if one.batch.good.any():
            break
    if early:
        written, how = early[-1].batch.written, replace(how, names=tuple(columns(early[-1])))
        if written.separator:
            how = replace(
                how,
                separator=written.separator,
                decimal=written.decimal or ".",
                marked=written.marked,
            )
    with open_rows(output, how) if output else nullcontext() as file:
        for one in chain(early, verdicts):
            summary.add(one)
            if file is not None:
                file.add(columns(one))
            if pictures is not None:
                pictures.add(one)
    if pictures is not None:
        pictures.close()
    if file is not None:
        render.say(f"wrote {count_of(file.count, 'row')} to {output}")
        render.note_formulas(file.formulas, output)


def _leave(
    found: dict[str, Any], why: str, *, skip_unreadable: bool, fail_on_anomaly: bool
) -> None:
    """The exit code: unreadable samples weigh more than anomalies, for those may be among them."""
    from nice_anomaly.cli import render
    from nice_anomaly.words import count_of

    if found["unreadable"] and not skip_unreadable:
        render.say(
            f"{count_of(found['unreadable'], 'sample')} could not be read: {why}, and "
            f"--skip-unreadable accepts it."
        )
        raise typer.Exit(DataError.exit_code)
    if fail_on_anomaly and found["flagged"]:
        raise typer.Exit(ANOMALIES_FOUND)
